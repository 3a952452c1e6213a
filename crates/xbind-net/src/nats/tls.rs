//! What TLS is spoken with brokers.

use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Fault, Tls};
use crate::{Roots, tls};

/// None where nothing was said of it.
pub(super) fn config(own: Option<&Tls>, roots: &Roots) -> Result<Option<ClientConfig>, Fault> {
    let Some(Tls { ca, own }) = own else { return Ok(None) };
    let mut roots = roots.clone();
    roots.pem.extend(ca.iter().map(|ca| ca.clone().into_bytes()));
    let builder = tls::builder(&roots).map_err(|_| Fault::Certificates)?;
    let Some((certificate, key)) = own else { return Ok(Some(builder.with_no_client_auth())) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(Fault::Certificates)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| Fault::Certificates)?;
    builder.with_client_auth_cert(chain, key).map(Some).map_err(|_| Fault::Certificates)
}
