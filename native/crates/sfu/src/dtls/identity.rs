//! The certificate that this process shows to every peer, and the settings that all its handshakes share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use dimpl::crypto::aws_lc_rs as backend;
use dimpl::{Config, DtlsCertificate};

use super::MTU;
use super::der::{self, element};
use super::keys::Keys;
use super::verify::Verifier;

/// A P-256 certificate with its key. A clone is the same identity.
#[derive(Clone)]
pub struct Identity(Arc<Shared>);

type Make = fn(Arc<Config>, DtlsCertificate, Instant) -> dimpl::Dtls;

struct Shared {
    make: Make,
    config: Arc<Config>,
    certificate: DtlsCertificate,
    fingerprint: String,
}

impl Identity {
    /// A new key with a certificate that nobody else has.
    ///
    /// # Errors
    /// What the crypto library said when it could make no key.
    pub fn generate() -> Result<Self, String> {
        // DTLS 1.3 with whoever offers it, else 1.2.
        Self::with(dimpl::Dtls::new_auto)
    }

    /// The same for DTLS 1.2 alone: for tests and measurements.
    ///
    /// # Errors
    /// As `generate`.
    pub fn generate_dtls_1_2() -> Result<Self, String> {
        Self::with(dimpl::Dtls::new_12)
    }

    fn with(make: Make) -> Result<Self, String> {
        let certificate = self_signed().map_err(|_| "no P-256 key could be made")?;
        let provider = dimpl::crypto::CryptoProvider {
            key_provider: &Keys,
            signature_verification: &Verifier,
            ..backend::default_provider()
        };
        let config = Config::builder()
            .with_crypto_provider(provider)
            .mtu(MTU)
            // The address answered an ICE check with our password before its first handshake message is looked at:
            // a cookie would prove the same again for a round trip.
            .use_server_cookie(false)
            // Flights are small and paths known to work: a lost one is sent again after 0.2, 0.4, 0.8 s and so on
            // (RFC 6347 4.2.4.1 allows less than a second; browsers begin at 50 ms) until time is up.
            .flight_start_rto(Duration::from_millis(200))
            .flight_retries(8)
            .handshake_timeout(Duration::from_secs(30));
        let config = config.build().map_err(|error| error.to_string())?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &certificate.certificate);
        let pairs: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let fingerprint = format!("sha-256 {}", pairs.join(":"));
        Ok(Self(Arc::new(Shared { make, config: Arc::new(config), certificate, fingerprint })))
    }

    /// As it stands in an answer after `a=fingerprint:`.
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// A new association at the server's end.
    pub(super) fn engine(&self, now: Instant) -> dimpl::Dtls {
        (self.0.make)(Arc::clone(&self.0.config), self.0.certificate.clone(), now)
    }
}

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// An X.509 v3 certificate of its own key (RFC 5280 4.1), valid always: peers compare its hash, not its dates.
fn self_signed() -> Result<DtlsCertificate, aws_lc_rs::error::Unspecified> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let private_key = key.to_pkcs8v1()?.as_ref().to_vec();

    // Firefox refuses a second certificate with the same issuer and serial number, whichever machine it is from.
    let mut serial = [0; 16];
    random.fill(&mut serial)?;
    // Positive, and without a leading zero byte.
    serial[0] = serial[0] & 0x7f | 0x40;

    let algorithm = element(der::SEQUENCE, &[&element(der::OID, &[ECDSA_WITH_SHA256])]);
    let name = element(
        der::SEQUENCE,
        &[&element(
            der::SET,
            &[&element(der::SEQUENCE, &[&element(der::OID, &[COMMON_NAME]), &element(der::UTF8_STRING, &[b"WebRTC"])])],
        )],
    );
    let validity = element(
        der::SEQUENCE,
        &[
            &element(der::UTC_TIME, &[b"200101000000Z"]),
            // RFC 5280 4.1.2.5: no well-defined end.
            &element(der::GENERALIZED_TIME, &[b"99991231235959Z"]),
        ],
    );
    let curve = element(der::SEQUENCE, &[&element(der::OID, &[EC_PUBLIC_KEY]), &element(der::OID, &[PRIME256V1])]);
    let point = element(der::BIT_STRING, &[&[0], key.public_key().as_ref()]);
    let signed = element(
        der::SEQUENCE,
        &[
            &element(der::VERSION, &[&element(der::INTEGER, &[&[2]])]),
            &element(der::INTEGER, &[&serial]),
            &algorithm,
            &name,
            &validity,
            &name,
            &element(der::SEQUENCE, &[&curve, &point]),
        ],
    );
    let signature = key.sign(&random, &signed)?;
    let signature = element(der::BIT_STRING, &[&[0], signature.as_ref()]);
    let certificate = element(der::SEQUENCE, &[&signed, &algorithm, &signature]);
    Ok(DtlsCertificate { certificate, private_key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dimpl::crypto::{HashAlgorithm, SignatureAlgorithm, SignatureVerifier};

    #[test]
    fn the_certificate_is_signed_by_its_own_key() {
        let id = Identity::generate().unwrap();
        let certificate = &id.0.certificate.certificate;
        assert!(der::public_key(certificate).is_some_and(|(kind, _)| kind == EC_PUBLIC_KEY));
        let (content, _) = der::expect(certificate, der::SEQUENCE).unwrap();
        let (signed, rest) = der::expect(content, der::SEQUENCE).unwrap();
        let signed = element(der::SEQUENCE, &[signed]);
        let (_, rest) = der::expect(rest, der::SEQUENCE).unwrap();
        let signature = &der::expect(rest, der::BIT_STRING).unwrap().0[1..];
        let (hash, kind) = (HashAlgorithm::SHA256, SignatureAlgorithm::ECDSA);
        assert_eq!(Verifier.verify_signature(certificate, &signed, signature, hash, kind), Ok(()));
    }

    #[test]
    fn no_two_identities_are_alike() {
        let (a, b) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        assert_ne!(a.fingerprint(), b.fingerprint());
        assert_eq!(a.fingerprint().len(), "sha-256 ".len() + 32 * 3 - 1);
        assert_eq!(a.clone().fingerprint(), a.fingerprint());
    }
}
