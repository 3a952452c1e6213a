//! DIDs that somebody names.

use std::sync::Arc;

use xbind::identity::jwk;
use xbind::{Did, Error, KeyCache, Result, VerifyingKey};

thread_local! {
    /// Keys met lately, so that verifying many signatures of one DID decodes it once.
    static KNOWN: KeyCache = KeyCache::new(1024);
}

/// The key of a DID.
///
/// # Errors
/// `INVALID_DID`.
pub fn known_key(did: &str) -> Result<Arc<VerifyingKey>> {
    KNOWN.with(|known| known.get(did))
}

/// A DID.
///
/// # Errors
/// `INVALID_DID`.
pub fn did(text: &str) -> Result<Did> {
    known_key(text).map(|key| *key.did())
}

/// A list of DIDs. What is wrong with one is said of its place in the option of that name.
///
/// # Errors
/// `INVALID_DID`.
pub fn dids(texts: &[String], option: &str) -> Result<Vec<Did>> {
    texts.iter().enumerate().map(|(at, text)| did(text).map_err(|error| at_place(&error, option, at))).collect()
}

/// The same error, and where it was met.
pub(crate) fn at_place(error: &Error, option: &str, at: usize) -> Error {
    let named = Error::new(error.kind(), format!("{option}[{at}]: {}", error.message()));
    match error.hint() {
        Some(hint) => named.with_hint(hint.to_owned()),
        None => named,
    }
}

/// The 32 bytes of a DID's key.
///
/// # Errors
/// `INVALID_DID`.
pub fn public_key(text: &str) -> Result<[u8; 32]> {
    VerifyingKey::from_did(text).map(|key| *key.did().public_key())
}

/// The DID of a public key.
///
/// # Errors
/// `INVALID_KEY`.
pub fn of_public_key(key: &[u8]) -> Result<String> {
    VerifyingKey::from_slice(key).map(|key| key.did().to_string())
}

/// Whether the key of a DID signed that; no signature has another length than 64.
///
/// # Errors
/// `INVALID_DID`.
pub fn verify(text: &str, data: &[u8], signature: &[u8]) -> Result<bool> {
    let key = known_key(text)?;
    Ok(signature.try_into().is_ok_and(|signature| key.verify(data, signature)))
}

/// The JWK of a DID's key, as JSON.
///
/// # Errors
/// `INVALID_DID`.
pub fn jwk(text: &str) -> Result<String> {
    VerifyingKey::from_did(text).map(|key| jwk::jwk_json(key.did()))
}

/// The document of a DID, as JSON.
///
/// # Errors
/// `INVALID_DID`.
pub fn document(text: &str) -> Result<String> {
    VerifyingKey::from_did(text).map(|key| jwk::did_document_json(key.did()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_wrong_did_is_told() {
        let good = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".to_owned();
        assert_eq!(dids(&[good.clone(), good.clone()], "allow").unwrap().len(), 2);
        let error = dids(&[good, "did:web:x".to_owned()], "allow").unwrap_err();
        assert_eq!(error.kind(), xbind::ErrorKind::InvalidDid);
        assert!(error.message().starts_with("allow[1]: "), "{error}");
        assert_eq!(error.hint(), did("did:web:x").unwrap_err().hint());
    }
}
