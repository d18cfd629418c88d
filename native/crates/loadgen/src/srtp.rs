//! SRTP and SRTCP of one peer, after RFC 3711 and RFC 7714, written from the RFCs and not shared with the server:
//! what two independent implementations agree on is right.
//!
//! Plain and allocation-light rather than fast; it knows no sockets.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use dimpl::SrtpProfile;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

const GCM_TAG: usize = 16;
const CM_TAG: usize = 10;
const INDEX: usize = 4;
const ENCRYPTED: u32 = 0x8000_0000;

/// One direction's keys.
pub enum Half {
    Gcm { rtp: LessSafeKey, rtp_salt: [u8; 12], rtcp: LessSafeKey, rtcp_salt: [u8; 12] },
    Cm(Cm),
}

pub struct Cm {
    rtp: Aes128,
    rtp_salt: [u8; 14],
    rtp_auth: hmac::Key,
    rtcp: Aes128,
    rtcp_salt: [u8; 14],
    rtcp_auth: hmac::Key,
}

/// Keys of both directions of a DTLS client, from the exported material (RFC 5764 section 4.2).
pub fn client_keys(material: &[u8], profile: SrtpProfile) -> Result<(Half, Half), String> {
    let (key, salt) = match profile {
        SrtpProfile::AEAD_AES_128_GCM => (16, 12),
        SrtpProfile::AEAD_AES_256_GCM => (32, 12),
        SrtpProfile::AES128_CM_SHA1_80 => (16, 14),
        other => return Err(format!("SRTP profile {other} is not known here")),
    };
    if material.len() != 2 * (key + salt) {
        return Err("SRTP keying material of a wrong length".to_owned());
    }
    let (keys, salts) = material.split_at(2 * key);
    let send = Half::new(&keys[..key], &salts[..salt])?;
    let receive = Half::new(&keys[key..], &salts[salt..])?;
    Ok((send, receive))
}

impl Half {
    fn new(master: &[u8], salt: &[u8]) -> Result<Self, String> {
        if salt.len() == 14 {
            return Ok(Half::Cm(Cm {
                rtp: Aes128::new(&derive::<16>(master, salt, 0).into()),
                rtp_auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &derive::<20>(master, salt, 1)),
                rtp_salt: derive(master, salt, 2),
                rtcp: Aes128::new(&derive::<16>(master, salt, 3).into()),
                rtcp_auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &derive::<20>(master, salt, 4)),
                rtcp_salt: derive(master, salt, 5),
            }));
        }
        let aead = |label: u8| {
            let key = if master.len() == 16 {
                UnboundKey::new(&AES_128_GCM, &derive::<16>(master, salt, label))
            } else {
                UnboundKey::new(&AES_256_GCM, &derive::<32>(master, salt, label))
            };
            key.map(LessSafeKey::new).map_err(|_| "a session key of a wrong length".to_owned())
        };
        Ok(Half::Gcm {
            rtp: aead(0)?,
            rtp_salt: derive(master, salt, 2),
            rtcp: aead(3)?,
            rtcp_salt: derive(master, salt, 5),
        })
    }

    /// Encrypts `packet` and appends the tag. `index` is rollover counter and sequence number, 48 bits.
    pub fn seal_rtp(&self, packet: &mut Vec<u8>, header: usize, index: u64) {
        let ssrc: [u8; 4] = packet[8..12].try_into().expect("four bytes");
        match self {
            Half::Gcm { rtp, rtp_salt, .. } => {
                let (head, body) = packet.split_at_mut(header);
                let nonce = gcm_nonce(rtp_salt, ssrc, index);
                let tag = rtp.seal_in_place_separate_tag(nonce, Aad::from(head), body).expect("a short packet");
                packet.extend_from_slice(tag.as_ref());
            }
            Half::Cm(cm) => {
                cm_stream(&cm.rtp, &cm.rtp_salt, ssrc, index, &mut packet[header..]);
                let tag = cm_tag(&cm.rtp_auth, packet, ((index >> 16) as u32).to_be_bytes());
                packet.extend_from_slice(&tag[..CM_TAG]);
            }
        }
    }

    /// Decrypts in place; the length of the plain packet, or None when the tag is wrong.
    pub fn open_rtp(&self, packet: &mut [u8], header: usize, index: u64) -> Option<usize> {
        let ssrc: [u8; 4] = packet.get(8..12)?.try_into().ok()?;
        match self {
            Half::Gcm { rtp, rtp_salt, .. } => {
                let (head, body) = packet.split_at_mut_checked(header)?;
                let nonce = gcm_nonce(rtp_salt, ssrc, index);
                let plain = rtp.open_in_place(nonce, Aad::from(head), body).ok()?;
                Some(header + plain.len())
            }
            Half::Cm(cm) => {
                let end = packet.len().checked_sub(CM_TAG).filter(|end| *end >= header)?;
                let tag = cm_tag(&cm.rtp_auth, &packet[..end], ((index >> 16) as u32).to_be_bytes());
                if tag[..CM_TAG] != packet[end..] {
                    return None;
                }
                cm_stream(&cm.rtp, &cm.rtp_salt, ssrc, index, &mut packet[header..end]);
                Some(end)
            }
        }
    }

    /// Encrypts a compound RTCP packet and appends what SRTCP appends. `index` counts up from 0.
    pub fn seal_rtcp(&self, packet: &mut Vec<u8>, index: u32) {
        let ssrc: [u8; 4] = packet[4..8].try_into().expect("four bytes");
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Half::Gcm { rtcp, rtcp_salt, .. } => {
                let mut aad = [0; 12];
                aad[..8].copy_from_slice(&packet[..8]);
                aad[8..].copy_from_slice(&word);
                let nonce = gcm_nonce(rtcp_salt, ssrc, u64::from(index));
                let tag =
                    rtcp.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut packet[8..]).expect("a short packet");
                packet.extend_from_slice(tag.as_ref());
                packet.extend_from_slice(&word);
            }
            Half::Cm(cm) => {
                cm_stream(&cm.rtcp, &cm.rtcp_salt, ssrc, u64::from(index), &mut packet[8..]);
                let tag = cm_tag(&cm.rtcp_auth, packet, word);
                packet.extend_from_slice(&word);
                packet.extend_from_slice(&tag[..CM_TAG]);
            }
        }
    }

    /// Decrypts in place; the length of the plain compound packet, or None.
    pub fn open_rtcp(&self, packet: &mut [u8]) -> Option<usize> {
        let ssrc: [u8; 4] = packet.get(4..8)?.try_into().ok()?;
        match self {
            Half::Gcm { rtcp, rtcp_salt, .. } => {
                let end = packet.len().checked_sub(INDEX).filter(|end| *end >= 8 + GCM_TAG)?;
                let word: [u8; 4] = packet[end..].try_into().ok()?;
                let mut aad = [0; 12];
                aad[..8].copy_from_slice(&packet[..8]);
                aad[8..].copy_from_slice(&word);
                let index = u32::from_be_bytes(word) & !ENCRYPTED;
                let nonce = gcm_nonce(rtcp_salt, ssrc, u64::from(index));
                let plain = rtcp.open_in_place(nonce, Aad::from(aad), &mut packet[8..end]).ok()?;
                Some(8 + plain.len())
            }
            Half::Cm(cm) => {
                let end = packet.len().checked_sub(INDEX + CM_TAG).filter(|end| *end >= 8)?;
                let word: [u8; 4] = packet[end..end + INDEX].try_into().ok()?;
                if cm_tag(&cm.rtcp_auth, &packet[..end], word)[..CM_TAG] != packet[end + INDEX..] {
                    return None;
                }
                let index = u32::from_be_bytes(word) & !ENCRYPTED;
                cm_stream(&cm.rtcp, &cm.rtcp_salt, ssrc, u64::from(index), &mut packet[8..end]);
                Some(end)
            }
        }
    }
}

/// RFC 7714 sections 8.1 and 9.1; the SRTCP index takes the place of rollover counter and sequence number.
fn gcm_nonce(salt: &[u8; 12], ssrc: [u8; 4], index: u64) -> Nonce {
    let mut nonce = *salt;
    for (byte, other) in nonce[2..6].iter_mut().zip(ssrc) {
        *byte ^= other;
    }
    for (byte, other) in nonce[6..].iter_mut().zip(&index.to_be_bytes()[2..]) {
        *byte ^= other;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 3711 section 4.1.1.
fn cm_stream(cipher: &Aes128, salt: &[u8; 14], ssrc: [u8; 4], index: u64, body: &mut [u8]) {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    for (byte, other) in iv[4..8].iter_mut().zip(ssrc) {
        *byte ^= other;
    }
    for (byte, other) in iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
        *byte ^= other;
    }
    for (counter, chunk) in body.chunks_mut(16).enumerate() {
        iv[14..].copy_from_slice(&(counter as u16).to_be_bytes());
        let mut block = iv.into();
        cipher.encrypt_block(&mut block);
        for (byte, key) in chunk.iter_mut().zip(block) {
            *byte ^= key;
        }
    }
}

fn cm_tag(key: &hmac::Key, packet: &[u8], trailer: [u8; 4]) -> [u8; 20] {
    let mut context = hmac::Context::with_key(key);
    context.update(packet);
    context.update(&trailer);
    context.sign().as_ref().try_into().expect("SHA-1 has 20 bytes")
}

/// RFC 3711 section 4.3 with a key derivation rate of 0; a salt of 12 bytes is filled up with zeros at its end
/// (RFC 7714 section 11).
fn derive<const N: usize>(master: &[u8], salt: &[u8], label: u8) -> [u8; N] {
    let mut iv = [0; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label;
    let mut out = [0; N];
    for (counter, chunk) in out.chunks_mut(16).enumerate() {
        iv[15] = counter as u8;
        let mut block = iv.into();
        match <[u8; 16]>::try_from(master) {
            Ok(key) => Aes128::new(&key.into()).encrypt_block(&mut block),
            Err(_) => {
                Aes256::new(&<[u8; 32]>::try_from(master).expect("16 or 32 bytes").into()).encrypt_block(&mut block)
            }
        }
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
    out
}

/// The 48-bit index of a received sequence number (RFC 3711 section 3.3.1 and appendix A).
#[derive(Default)]
pub struct Rollover {
    newest: Option<u64>,
}

impl Rollover {
    pub fn index(&self, seq: u16) -> u64 {
        match self.newest {
            None => u64::from(seq),
            Some(newest) => {
                let ahead = seq.wrapping_sub(newest as u16) as i16;
                newest.saturating_add_signed(i64::from(ahead))
            }
        }
    }

    pub fn accepted(&mut self, index: u64) {
        self.newest = Some(self.newest.map_or(index, |newest| newest.max(index)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn keys_are_those_of_rfc_3711_appendix_b3() {
        let (master, salt) = (hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"));
        assert_eq!(derive::<16>(&master, &salt, 0).to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derive::<14>(&master, &salt, 2).to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(derive::<20>(&master, &salt, 1).to_vec(), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    #[test]
    fn what_is_sealed_opens_and_nothing_else() {
        for (profile, length) in [
            (SrtpProfile::AEAD_AES_128_GCM, 56),
            (SrtpProfile::AEAD_AES_256_GCM, 88),
            (SrtpProfile::AES128_CM_SHA1_80, 60),
        ] {
            let material: Vec<u8> = (0..length).collect();
            let (send, _) = client_keys(&material, profile).unwrap();
            let plain: Vec<u8> = (0..200).map(|at| at as u8 | 0x80).collect();
            let mut packet = plain.clone();
            send.seal_rtp(&mut packet, 12, 0x1_0007);
            assert!(send.open_rtp(&mut packet.clone(), 12, 7).is_none());
            assert_eq!(send.open_rtp(&mut packet, 12, 0x1_0007), Some(200));
            assert_eq!(packet[..200], plain);
            let mut compound = plain.clone();
            send.seal_rtcp(&mut compound, 3);
            let mut forged = compound.clone();
            forged[20] ^= 1;
            assert_eq!(send.open_rtcp(&mut forged), None);
            assert_eq!(send.open_rtcp(&mut compound), Some(200));
            assert_eq!(compound[..200], plain);
        }
    }

    #[test]
    fn the_index_follows_a_wrap_both_ways() {
        let mut rollover = Rollover::default();
        for (seq, index) in [(65_534, 65_534), (1, 65_537), (65_535, 65_535), (2, 65_538)] {
            assert_eq!(rollover.index(seq), index);
            rollover.accepted(index);
        }
    }
}
