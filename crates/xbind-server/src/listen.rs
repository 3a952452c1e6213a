//! Where a server listens, and how clients reach it.

use std::net::{SocketAddr, TcpListener};

use xbind::http::target::{Authority, Scheme};

use crate::fault::{Fault, fault};

/// Looks at an address before anything is done there. `is_protected`: there is TLS, or whoever runs the server has said that it
/// may do without.
///
/// # Errors
/// An address beyond loopback that is not protected.
pub fn check_exposure(address: SocketAddr, is_protected: bool) -> Result<(), Fault> {
    if address.ip().is_loopback() || is_protected {
        return Ok(());
    }
    Err(fault(format!(
        "{address} is beyond this machine and there is no certificate: give one, or put a proxy with TLS in front"
    )))
}

/// Listens there; connections wait until they are [taken](crate::serve()).
///
/// # Errors
/// An address that cannot be used.
pub fn listen(address: SocketAddr) -> Result<TcpListener, Fault> {
    let listener =
        TcpListener::bind(address).map_err(|error| fault(format!("{address} cannot be listened on: {error}")))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Scheme and authority of a URL that has nothing else, such as `https://server.example`; nothing of any other.
#[must_use]
pub fn read_url(url: &str) -> Option<(Scheme, String)> {
    let (scheme, authority) = url.split_once("://")?;
    let scheme = Scheme::parse(scheme)?;
    let text = Authority::parse(authority)?.normal(scheme).text();
    (text == authority).then_some((scheme, text))
}
