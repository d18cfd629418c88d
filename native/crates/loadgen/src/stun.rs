//! The two STUN messages of a full ICE agent's connectivity check (RFC 8489, RFC 8445 section 7): request and answer.
//!
//! Bytes in, bytes out; it knows no sockets.

use ring::hmac;

const MAGIC: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLING: u16 = 0x802A;
const HEADER: usize = 20;
const INTEGRITY: usize = 24;

pub fn key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

/// A Binding request that nominates its pair. The same message renews consent (RFC 7675).
pub fn check(transaction: &[u8; 12], username: &str, key: &hmac::Key, out: &mut Vec<u8>) {
    out.clear();
    out.extend([0, 1, 0, 0]);
    out.extend(MAGIC);
    out.extend(transaction);
    attribute(out, USERNAME, username.as_bytes());
    attribute(out, PRIORITY, &0x6E7F_1EFF_u32.to_be_bytes()); // host candidate of one interface
    attribute(out, ICE_CONTROLLING, &[0x5A; 8]);
    attribute(out, USE_CANDIDATE, &[]);
    set_length(out, INTEGRITY);
    let tag = hmac::sign(key, out);
    attribute(out, MESSAGE_INTEGRITY, tag.as_ref());
    set_length(out, 8);
    let crc = crc32(out) ^ 0x5354_554E;
    attribute(out, FINGERPRINT, &crc.to_be_bytes());
}

/// Whether it is a success response to `transaction`, signed by the other side.
pub fn is_answer(message: &[u8], transaction: &[u8; 12], key: &hmac::Key) -> bool {
    if message.get(..2) != Some(&[1, 1]) || message.get(8..HEADER) != Some(transaction) {
        return false;
    }
    let mut at = HEADER;
    while let Some(head) = message.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if u16::from_be_bytes([head[0], head[1]]) == MESSAGE_INTEGRITY {
            let mut signed = message[..at].to_vec();
            let total = at + INTEGRITY - HEADER;
            signed[2..4].copy_from_slice(&(total as u16).to_be_bytes());
            return message.get(at + 4..at + INTEGRITY).is_some_and(|tag| hmac::verify(key, &signed, tag).is_ok());
        }
        at += 4 + length.next_multiple_of(4);
    }
    false
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend(kind.to_be_bytes());
    out.extend((value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    set_length(out, 0);
}

/// The length field counts attributes that are about to follow, too (RFC 8489 section 14.5).
fn set_length(out: &mut [u8], coming: usize) {
    let length = (out.len() - HEADER + coming) as u16;
    out[2..4].copy_from_slice(&length.to_be_bytes());
}

/// CRC-32 of ISO 3309, bit by bit: a check is made some hundred times a second.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_framed_and_signed() {
        let mut out = Vec::new();
        check(&[7; 12], "server:client", &key("password"), &mut out);
        assert_eq!(usize::from(u16::from_be_bytes([out[2], out[3]])) + HEADER, out.len());
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn only_an_answer_with_the_right_key_counts() {
        let mut message = Vec::new();
        check(&[7; 12], "a:b", &key("password"), &mut message);
        message[..2].copy_from_slice(&[1, 1]);
        let at = message.len() - 8 - INTEGRITY;
        let mut signed = message[..at].to_vec();
        signed[2..4].copy_from_slice(&((at + INTEGRITY - HEADER) as u16).to_be_bytes());
        let tag = hmac::sign(&key("password"), &signed);
        message[at + 4..at + INTEGRITY].copy_from_slice(tag.as_ref());
        assert!(is_answer(&message, &[7; 12], &key("password")));
        assert!(!is_answer(&message, &[7; 12], &key("other")));
        assert!(!is_answer(&message, &[8; 12], &key("password")));
        assert!(!is_answer(&message[..30], &[7; 12], &key("password")));
    }
}
