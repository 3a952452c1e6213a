//! TLS, for servers without a proxy in front.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fault::{Fault, fault};

/// Certificate chain and private key, each a PEM file.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificates: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What the files say.
///
/// # Errors
/// Files that cannot be read, or do not fit each other.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, Fault> {
    let wrong = |what: &str, why: &dyn std::fmt::Display| fault(format!("the {what} for TLS cannot be used: {why}"));
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificates)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("certificate", &error))?;
    if chain.is_empty() {
        return Err(wrong("certificate", &"the file holds none"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong("key", &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("protocol", &error))?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(|error| wrong("certificate", &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
