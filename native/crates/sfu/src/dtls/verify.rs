//! Checks the signature that proves a peer's certificate to be its own: ECDSA by dimpl, RSA here.
//!
//! RSA is for GStreamer, whose webrtcbin shows a self-signed RSA-2048 certificate. Trust comes from the fingerprint
//! alone, so neither issuer nor dates are looked at.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey};
use dimpl::crypto::{HashAlgorithm, SignatureAlgorithm, SignatureVerifier, aws_lc_rs as backend};
use dimpl::{CryptoError, CryptoOperation};

use super::der;

#[derive(Debug)]
pub(super) struct Verifier;

impl SignatureVerifier for Verifier {
    fn verify_signature(
        &self,
        cert_der: &[u8],
        data: &[u8],
        signature: &[u8],
        hash_alg: HashAlgorithm,
        sig_alg: SignatureAlgorithm,
    ) -> Result<(), CryptoError> {
        if sig_alg != SignatureAlgorithm::RSA {
            let ecdsa = backend::default_provider().signature_verification;
            return ecdsa.verify_signature(cert_der, data, signature, hash_alg, sig_alg);
        }
        let algorithm = match hash_alg {
            HashAlgorithm::SHA256 => &RSA_PKCS1_2048_8192_SHA256,
            HashAlgorithm::SHA384 => &RSA_PKCS1_2048_8192_SHA384,
            _ => return Err(CryptoError::UnsupportedSignatureAlgorithm(sig_alg)),
        };
        let (kind, key) = der::public_key(cert_der).ok_or(CryptoError::CertificateParseFailed)?;
        if kind != der::RSA_ENCRYPTION {
            return Err(CryptoError::UnsupportedPublicKeyAlgorithm);
        }
        UnparsedPublicKey::new(algorithm, key)
            .verify(data, signature)
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::VerifySignature))
    }
}
