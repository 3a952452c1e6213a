use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::{Resumption, WantsClientCert};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, ConfigBuilder, Error, RootCertStore};

use crate::FetchError;
use crate::connect::Stream;

/// A file of roots is shorter, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// Whose certificates are believed: Mozilla's roots, which come with the program, and more that the owner adds, as for a
/// company's own authority or a proxy that opens TLS.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// More roots, as PEM. A text without a certificate is an error.
    pub pem: Vec<Vec<u8>>,
    /// Files of the same, read when something is fetched for the first time.
    pub files: Vec<PathBuf>,
}

impl Roots {
    /// Whether the texts hold certificates; files are not read.
    ///
    /// # Errors
    /// `Roots`.
    pub fn check(&self) -> Result<(), FetchError> {
        self.pem.iter().try_for_each(|pem| add(&mut RootCertStore::empty(), pem))
    }
}

/// For HTTP, without memory of earlier connections.
pub(crate) fn config(roots: &Roots) -> Result<Arc<ClientConfig>, FetchError> {
    let mut config = builder(roots)?.with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// TLS 1.2 and 1.3 with ring.
pub(crate) fn builder(roots: &Roots) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, FetchError> {
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for pem in &roots.pem {
        add(&mut store, pem)?;
    }
    for file in &roots.files {
        add(&mut store, &read(file).map_err(|_| FetchError::Roots)?)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| FetchError::Internal)?;
    Ok(builder.with_root_certificates(store))
}

/// One that is longer is no file of certificates.
pub(crate) fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    let end = File::open(file)?.take(MAX_FILE).read_to_end(&mut pem)?;
    if u64::try_from(end).is_ok_and(|end| end < MAX_FILE) { Ok(pem) } else { Err(io::ErrorKind::FileTooLarge.into()) }
}

fn add(store: &mut RootCertStore, pem: &[u8]) -> Result<(), FetchError> {
    let before = store.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| FetchError::Roots)?;
        store.add(certificate).map_err(|_| FetchError::Roots)?;
    }
    if store.len() == before { Err(FetchError::Roots) } else { Ok(()) }
}

pub(crate) async fn secure(
    stream: Stream,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<Stream>, FetchError> {
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| reason(&error))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other ways to fail are one to the reader")]
fn reason(error: &io::Error) -> FetchError {
    use CertificateError as Bad;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => match why {
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => FetchError::WrongName,
            Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                FetchError::Expired
            }
            Bad::UnknownIssuer => FetchError::UnknownIssuer,
            _ => FetchError::Certificate,
        },
        Some(_) => FetchError::Tls,
        None => FetchError::BrokenOff,
    }
}
