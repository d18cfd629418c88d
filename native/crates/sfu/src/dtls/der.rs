//! As much DER (X.690) as one self-signed certificate needs, and the way to the public key in somebody else's.

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
/// The explicit tag of a certificate's version.
pub(super) const VERSION: u8 = 0xa0;

pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// One element around its parts.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        // What is written here has hundreds of bytes; 64 KiB are never reached.
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Splits off the first element: tag, content, and what follows.
fn split(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = input.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        0x83 => {
            let (&[a, b, c], rest) = rest.split_first_chunk()?;
            (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

pub(super) fn expect(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    split(input).and_then(|(found, content, rest)| (found == tag).then_some((content, rest)))
}

/// Algorithm and key bits of an X.509 certificate's public key (RFC 5280 4.1).
pub(super) fn public_key(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    if let Some((_, rest)) = expect(fields, VERSION) {
        fields = rest;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        (_, fields) = expect(fields, tag)?;
    }
    let (key, _) = expect(fields, SEQUENCE)?;
    let (algorithm, key) = expect(key, SEQUENCE)?;
    let (algorithm, _) = expect(algorithm, OID)?;
    let (bits, _) = expect(key, BIT_STRING)?;
    // The first byte counts unused bits; keys are whole bytes.
    bits.strip_prefix(&[0]).map(|bits| (algorithm, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_never_past_the_end() {
        let deep = element(SEQUENCE, &[&element(OID, &[&[1, 2]]), &[0; 300]]);
        let (content, rest) = expect(&deep, SEQUENCE).unwrap();
        assert!(rest.is_empty());
        assert_eq!(expect(content, OID).unwrap().0, [1, 2]);
        for cut in 0..deep.len() {
            assert_eq!(split(&deep[..cut]), None);
        }
        assert_eq!(split(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
