//! AEAD_AES_128_GCM for SRTP and SRTCP (RFC 7714).
//!
//! One session key with its salt. Knows no packets, only what is covered and what is encrypted.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

pub(super) const TAG: usize = 16;
pub(super) const SALT: usize = 12;

pub(super) struct Gcm {
    key: LessSafeKey,
    /// The 96-bit session salt in the low bits.
    salt: u128,
}

impl Gcm {
    pub(super) fn new(key: &[u8; 16], salt: &[u8; SALT]) -> Self {
        let key = UnboundKey::new(&AES_128_GCM, key).expect("16 bytes are an AES-128 key");
        let mut wide = [0; 16];
        wide[4..].copy_from_slice(salt);
        Self { key: LessSafeKey::new(key), salt: u128::from_be_bytes(wide) }
    }

    /// RFC 7714 8.1: two zero bytes, SSRC, ROC, SEQ; and 9.1: two zero bytes, SSRC, two zero bytes, SRTCP index.
    /// Both are the SSRC above a 48-bit number; the salt is added to all of it.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let wide = (self.salt ^ u128::from(ssrc) << 48 ^ u128::from(index)).to_be_bytes();
        let mut nonce = [0; SALT];
        nonce.copy_from_slice(&wide[4..]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts `body` in place; the tag covers `aad` too.
    #[inline]
    pub(super) fn seal(&self, ssrc: u32, index: u64, aad: &[u8], body: &mut [u8]) -> [u8; TAG] {
        let sealed = self.key.seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(aad), body);
        match sealed {
            Ok(tag) => *tag.as_ref().first_chunk().expect("a GCM tag has 16 bytes"),
            Err(_) => {
                // Only for bodies of 64 GiB. Nothing readable may leave.
                body.fill(0);
                [0; TAG]
            }
        }
    }

    /// Decrypts `sealed`, ciphertext followed by its tag, in place.
    #[inline]
    pub(super) fn open(&self, ssrc: u32, index: u64, aad: &[u8], sealed: &mut [u8]) -> bool {
        self.key.open_in_place(self.nonce(ssrc, index), Aad::from(aad), sealed).is_ok()
    }
}
