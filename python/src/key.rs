//! Keys, their files, and DIDs. Deriving a key from a passphrase takes up to seconds, in which other threads may run Python.

use pyo3::prelude::*;
use xbind_binding::did;
use xbind_binding::key::{File, Key, Prepared, Written, prepared};

use crate::pass::{Bytes, Give, raised};

kept! {
    /// A signing key.
    KeyRef(Key);
    /// A passphrase made ready.
    PreparedRef(Prepared);
}

impl crate::pass::Locked for &KeyRef {}

/// PKCS#8 in DER, or with `pem` as text.
#[derive(IntoPyObject)]
enum Exported {
    Pem(String),
    Der(Bytes),
}

impl Give<Written> for Exported {
    fn give(written: Written) -> Self {
        match written {
            Written::Pem(mut text) => Self::Pem(std::mem::take(&mut *text)),
            Written::Der(bytes) => Self::Der(Bytes::give(bytes)),
        }
    }
}

entries! {
    fn generate_key() -> PyResult<KeyRef> = Key::generate;
    fn key_from_seed(seed: &[u8]) -> PyResult<KeyRef> = Key::of_seed;
    fn key_did(key: &KeyRef) -> PyResult<String> = Key::did;
    /// `dangerously` signs a statement of ours as well.
    fn key_sign(key: &KeyRef, data: &[u8], dangerously: bool) -> PyResult<Bytes> = Key::sign_data;
    fn destroy_key(key: &KeyRef) = Key::destroy;
    fn did_to_public_key(did: &str) -> PyResult<Bytes> = did::public_key;
    fn public_key_to_did(public_key: &[u8]) -> PyResult<String> = did::of_public_key;
    fn verify_signature(did: &str, data: &[u8], signature: &[u8]) -> PyResult<bool> = did::verify;
    /// The JWK of a DID's key, as JSON.
    fn jwk_json(did: &str) -> PyResult<String> = did::jwk;
    /// The document of a DID, as JSON.
    fn did_document_json(did: &str) -> PyResult<String> = did::document;
    /// Of PEM as text, or bytes of either.
    fn key_from_pkcs8(py: Python<'_>, pem: Option<&str>, bytes: &[u8], passphrase: Option<&str>) -> PyResult<KeyRef> {
        let file = pem.map_or(File::Either(bytes), File::Pem);
        Give::give(py.detach(|| Key::read(file, passphrase)))
    }
    fn export_key(key: &KeyRef, pem: bool) -> PyResult<Exported> = |key: &Key, pem| key.write(pem, None);
    /// Prepares an encrypted export. The private key has no part in it and stays where it can be wiped.
    fn prepare_export(py: Python<'_>, passphrase: &str) -> PyResult<PreparedRef> {
        py.detach(|| prepared(passphrase)).map(PreparedRef::from).map_err(|error| raised(&error))
    }
    /// The end of an export that was prepared.
    fn export_prepared(key: &KeyRef, pem: bool, prepared: &PreparedRef) -> PyResult<Exported> = Key::write_prepared;
}
