//! SRTP and SRTCP of one peer (RFC 3711, RFC 7714): seals what we send, opens what it sends.
//!
//! Knows keys, packets and which numbers were seen. Where the keys come from and what packets mean is not known here.

mod cm;
mod gcm;
mod open;
mod replay;
mod seal;

use std::fmt;

pub use open::{MAX_SSRCS, Opened, Opener, Reject};
pub use seal::Sealer;

/// The protection profiles that we negotiate (RFC 5764 4.1.2, RFC 7714 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// SRTP_AEAD_AES_128_GCM
    AeadAes128Gcm,
    /// SRTP_AES128_CM_HMAC_SHA1_80
    Aes128CmSha1_80,
}

impl Profile {
    /// Bytes of a master key.
    pub const fn key_len(self) -> usize {
        16
    }

    /// Bytes of a master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm => gcm::SALT,
            Profile::Aes128CmSha1_80 => cm::SALT,
        }
    }

    /// Bytes that sealing adds to an RTP packet.
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm => gcm::TAG,
            Profile::Aes128CmSha1_80 => cm::TAG,
        }
    }

    /// Bytes that sealing adds to a compound RTCP packet.
    pub const fn rtcp_trailer_len(self) -> usize {
        INDEX_WORD + self.rtp_tag_len()
    }
}

/// Master key and salt of one direction. GCM uses the first 12 bytes of the salt; the others must be zero.
#[derive(Clone, PartialEq, Eq)]
pub struct Master {
    pub key: [u8; 16],
    pub salt: [u8; 14],
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(..)")
    }
}

/// What a DTLS handshake agreed on for one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    pub profile: Profile,
    pub send: Master,
    pub receive: Master,
}

/// RTP version, SSRC and the like: what comes before the CSRCs.
const RTP_FIXED: usize = 12;
/// First header and SSRC of a compound packet stay readable (RFC 3711 3.4).
const RTCP_FIXED: usize = 8;
/// The E flag and the 31-bit SRTCP index.
const INDEX_WORD: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

/// Which packets a session key is for: the first of its three labels (RFC 3711 4.3.2).
#[derive(Clone, Copy)]
enum Use {
    Rtp = 0,
    Rtcp = 3,
}

/// Session keys of one direction for RTP or for RTCP.
// The variants live in a `Sealer` or an `Opener` for its whole life; a box would cost each packet a cache line.
#[allow(clippy::large_enum_variant)]
enum Cipher {
    Gcm(gcm::Gcm),
    Cm(cm::Cm),
}

impl Cipher {
    fn derive(profile: Profile, master: &Master, purpose: Use) -> Self {
        let label = purpose as u8;
        let Master { key, salt } = master;
        match profile {
            Profile::AeadAes128Gcm => {
                // RFC 7714 11: the AES-CM derivation with the 96-bit salt at the upper end.
                let mut padded = [0; cm::SALT];
                padded[..gcm::SALT].copy_from_slice(&salt[..gcm::SALT]);
                Cipher::Gcm(gcm::Gcm::new(&cm::derive(key, &padded, label), &cm::derive(key, &padded, label + 2)))
            }
            Profile::Aes128CmSha1_80 => Cipher::Cm(cm::Cm::new(
                &cm::derive(key, salt, label),
                &cm::derive(key, salt, label + 2),
                &cm::derive(key, salt, label + 1),
            )),
        }
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests;
