//! The private key that signs every handshake, parsed once.
//!
//! dimpl asks for it with each association, and would keep a parsed copy in each.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use dimpl::crypto::{Buf, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey};
use dimpl::{CryptoError, CryptoOperation};

/// Keys asked for last, newest first, with what they were parsed from. A process has one identity; tests have a few.
static PARSED: Mutex<Vec<Parsed>> = Mutex::new(Vec::new());
const MAX_PARSED: usize = 4;

struct Parsed {
    der: Vec<u8>,
    key: Arc<EcdsaKeyPair>,
}

/// Loads P-256 keys in PKCS #8, as `Identity` makes them.
#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let mut parsed = PARSED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = parsed.iter().find(|known| known.der == key_der) {
            return Ok(Box::new(Signer(Arc::clone(&known.key))));
        }
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key_der)
            .map_err(|_| CryptoError::InvalidPrivateKey)?;
        let key = Arc::new(key);
        parsed.truncate(MAX_PARSED - 1);
        parsed.insert(0, Parsed { der: key_der.to_vec(), key: Arc::clone(&key) });
        Ok(Box::new(Signer(key)))
    }
}

#[derive(Debug)]
struct Signer(Arc<EcdsaKeyPair>);

impl SigningKey for Signer {
    fn sign(&mut self, data: &[u8], hash_alg: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        if hash_alg != HashAlgorithm::SHA256 {
            let key_hash = HashAlgorithm::SHA256;
            return Err(CryptoError::SigningKeyHashMismatch { key_hash, requested: hash_alg });
        }
        let signature =
            self.0.sign(&SystemRandom::new(), data).map_err(|_| CryptoError::OperationFailed(CryptoOperation::Sign))?;
        out.clear();
        out.extend_from_slice(signature.as_ref());
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &[HashAlgorithm::SHA256]
    }
}
