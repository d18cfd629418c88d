//! AES-128 counter mode with HMAC-SHA1 for SRTP and SRTCP (RFC 3711 4.1.1 and 4.2), and the key derivation of 4.3
//! that both profiles use.
//!
//! One set of session keys. Knows no packets, only what is covered and what is encrypted.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Block};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

pub(super) const TAG: usize = 10;
pub(super) const SALT: usize = 14;
pub(super) const MAC_KEY: usize = 20;
/// Blocks encrypted at once: enough to fill the pipeline of every AES unit, and half a kilobyte of stack.
const BATCH: usize = 32;

type Hasher = Hmac<Sha1>;

pub(super) struct Cm {
    cipher: Aes128Enc,
    /// The 112-bit session salt, shifted over the 16 bits of the block counter.
    salt: u128,
    mac: Hasher,
}

impl Cm {
    pub(super) fn new(key: &[u8; 16], salt: &[u8; SALT], mac_key: &[u8; MAC_KEY]) -> Self {
        let mac = <Hasher as hmac::Mac>::new_from_slice(mac_key).expect("HMAC takes a key of any length");
        Self { cipher: Aes128Enc::new(key.into()), salt: widen(salt), mac }
    }

    /// Encrypts or decrypts in place: `index` is the 48-bit RTP index or the 31-bit SRTCP index.
    #[inline]
    pub(super) fn crypt(&self, ssrc: u32, index: u64, body: &mut [u8]) {
        apply_keystream(&self.cipher, self.salt ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16, body);
    }

    /// The tag over `covered` followed by `more`: the ROC of RTP, nothing for RTCP.
    #[inline]
    pub(super) fn tag(&self, covered: &[u8], more: &[u8]) -> [u8; TAG] {
        let full = self.hash(covered, more).finalize().into_bytes();
        *full.first_chunk().expect("SHA-1 gives 20 bytes")
    }

    /// Compares in constant time.
    #[inline]
    pub(super) fn verify(&self, covered: &[u8], more: &[u8], tag: &[u8]) -> bool {
        tag.len() == TAG && self.hash(covered, more).verify_truncated_left(tag).is_ok()
    }

    fn hash(&self, covered: &[u8], more: &[u8]) -> Hasher {
        let mut mac = self.mac.clone();
        mac.update(covered);
        mac.update(more);
        mac
    }
}

/// RFC 3711 4.3.1 with a key derivation rate of zero: session key material of `label`.
pub(super) fn derive<const N: usize>(key: &[u8; 16], salt: &[u8; SALT], label: u8) -> [u8; N] {
    let mut out = [0; N];
    // The label stands above a 48-bit index that is always zero, all of it over the block counter.
    let iv = widen(salt) ^ u128::from(label) << 64;
    apply_keystream(&Aes128Enc::new(key.into()), iv, &mut out);
    out
}

fn widen(salt: &[u8; SALT]) -> u128 {
    let mut wide = [0; 16];
    wide[..SALT].copy_from_slice(salt);
    u128::from_be_bytes(wide)
}

fn apply_keystream(cipher: &Aes128Enc, iv: u128, body: &mut [u8]) {
    let mut counter = iv;
    let mut blocks = [Block::default(); BATCH];
    for chunk in body.chunks_mut(16 * BATCH) {
        let blocks = &mut blocks[..chunk.len().div_ceil(16)];
        for block in blocks.iter_mut() {
            *block = counter.to_be_bytes().into();
            counter = counter.wrapping_add(1);
        }
        cipher.encrypt_blocks(blocks);
        let (whole, rest) = chunk.as_chunks_mut::<16>();
        for (data, key) in whole.iter_mut().zip(blocks.iter()) {
            *data = (u128::from_ne_bytes(*data) ^ u128::from_ne_bytes((*key).into())).to_ne_bytes();
        }
        if let Some(key) = blocks.last() {
            for (data, key) in rest.iter_mut().zip(key) {
                *data ^= key;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    #[test]
    fn keystream_of_rfc_3711_b_2() {
        let key: [u8; 16] = hex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap();
        let salt: [u8; SALT] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
        let mut stream = vec![0; 0xff02 * 16];
        Cm::new(&key, &salt, &[0; MAC_KEY]).crypt(0, 0, &mut stream);
        let block = |n: usize| stream[n * 16..][..16].to_vec();
        assert_eq!(block(0), hex("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(block(1), hex("D23513162B02D0F72A43A2FE4A5F97AB"));
        assert_eq!(block(2), hex("41E95B3BB0A2E8DD477901E4FCA894C0"));
        assert_eq!(block(0xfeff), hex("EC8CDF7398607CB0F2D21675EA9EA1E4"));
        assert_eq!(block(0xff00), hex("362B7C3C6773516318A077D7FC5073AE"));
        assert_eq!(block(0xff01), hex("6A2CC3787889374FBEB4C81B17BA6C44"));
    }

    #[test]
    fn derivation_of_rfc_3711_b_3() {
        let key: [u8; 16] = hex("E1F97A0D3E018BE0D64FA32C06DE4139").try_into().unwrap();
        let salt: [u8; SALT] = hex("0EC675AD498AFEEBB6960B3AABE6").try_into().unwrap();
        assert_eq!(derive::<16>(&key, &salt, 0).to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derive::<14>(&key, &salt, 2).to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let mac = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2DC68";
        assert_eq!(derive::<94>(&key, &salt, 1).to_vec(), hex(mac)[..94].to_vec());
    }

    #[test]
    fn every_length_is_the_same_stream() {
        let cm = Cm::new(&[7; 16], &[9; SALT], &[0; MAC_KEY]);
        let mut long = vec![0; 1300];
        cm.crypt(1, 2, &mut long);
        for length in 0..long.len() {
            let mut short = vec![0; length];
            cm.crypt(1, 2, &mut short);
            assert_eq!(short, long[..length]);
        }
    }
}
