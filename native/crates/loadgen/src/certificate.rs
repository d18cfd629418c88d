//! A self-signed P-256 certificate, written out in DER by hand (RFC 5280), and its fingerprint.
//!
//! Knows no DTLS. One serves all peers of the process, as a browser has one per page.

use dimpl::DtlsCertificate;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2];
const EC_PUBLIC_KEY: &[u8] = &[0x06, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];
const PRIME256V1: &[u8] = &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTF8: u8 = 0x0C;
const UTC_TIME: u8 = 0x17;
const VERSION: u8 = 0xA0;

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match length {
        0..128 => out.push(length as u8),
        128..256 => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A new key and certificate, and the fingerprint as it stands in an offer (`sha-256 AB:CD:…`).
pub fn generate() -> Result<(DtlsCertificate, String), String> {
    let random = SystemRandom::new();
    let failed = |_| "no certificate: the key could not be made".to_owned();
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(failed)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref(), &random)
        .map_err(|error| error.to_string())?;
    let mut serial = [0_u8; 9];
    random.fill(&mut serial).map_err(failed)?;
    serial[0] = 1; // positive, and never with a needless leading zero

    let algorithm = element(SEQUENCE, &[ECDSA_WITH_SHA256]);
    let attribute = element(SEQUENCE, &[COMMON_NAME, &element(UTF8, &[b"media-load"])]);
    let name = element(SEQUENCE, &[&element(SET, &[&attribute])]);
    let validity =
        element(SEQUENCE, &[&element(UTC_TIME, &[b"250101000000Z"]), &element(UTC_TIME, &[b"490101000000Z"])]);
    let key_algorithm = element(SEQUENCE, &[EC_PUBLIC_KEY, PRIME256V1]);
    let public = element(BIT_STRING, &[&[0], pair.public_key().as_ref()]);
    let version = element(VERSION, &[&element(INTEGER, &[&[2]])]);
    let to_sign = element(
        SEQUENCE,
        &[
            &version,
            &element(INTEGER, &[&serial]),
            &algorithm,
            &name,
            &validity,
            &name,
            &element(SEQUENCE, &[&key_algorithm, &public]),
        ],
    );
    let signature = pair.sign(&random, &to_sign).map_err(failed)?;
    let signature = element(BIT_STRING, &[&[0], signature.as_ref()]);
    let certificate = element(SEQUENCE, &[&to_sign, &algorithm, &signature]);
    let fingerprint = fingerprint(&certificate);
    Ok((DtlsCertificate { certificate, private_key: private.as_ref().to_vec() }, fingerprint))
}

/// `sha-256 AB:CD:…` of a certificate in DER (RFC 8122).
pub fn fingerprint(der: &[u8]) -> String {
    let hex: Vec<String> =
        digest::digest(&digest::SHA256, der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    format!("sha-256 {}", hex.join(":"))
}
