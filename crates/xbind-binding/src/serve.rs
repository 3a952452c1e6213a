//! Agents over HTTP: requests that a face has received, and calls by address.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use xbind::Result;
use xbind_net::Settings;
use xbind_net::agents::{Client, Exposed, Taken};
use xbind_runtime::Node;

pub use xbind_net::agents::Server;

use crate::did::dids;
use crate::net;

static SETTINGS: LazyLock<Settings> = LazyLock::new(net::settings);

/// Lets the agents of a node call by address.
pub fn reach_addresses(node: &Arc<Node>) {
    if !node.reaches_addresses() {
        Client::attach(node, SETTINGS.clone());
    }
}

/// Opens agents of a node to requests: these DIDs, or all. `wake` is told which exchange has something to take.
///
/// # Errors
/// `INVALID_DID`.
pub fn server(node: &Arc<Node>, only: Option<&[String]>, wake: impl Fn(u32) + Send + Sync + 'static) -> Result<Server> {
    let only = only.map(|only| dids(only, "agents")).transpose()?;
    let exposed = only.map_or(Exposed::All, |dids| Exposed::Only(HashSet::from_iter(dids)));
    Ok(Server::new(node, exposed, Box::new(wake)))
}

/// A piece of the body of a request; why no more messages can come of it.
#[must_use]
pub fn feed(server: &Server, exchange: u32, piece: &[u8]) -> Option<String> {
    server.feed(exchange, piece).err().map(|why| why.to_string())
}

/// The body has ended; why it ought not to have.
#[must_use]
pub fn end(server: &Server, exchange: u32) -> Option<String> {
    server.end(exchange).err().map(|why| why.to_string())
}

/// What is to be written next into the response, and whether that is its end.
#[must_use]
pub fn take(server: &Server, exchange: u32) -> (Vec<u8>, bool) {
    let Taken { bytes, over } = server.take(exchange);
    (bytes, over)
}
