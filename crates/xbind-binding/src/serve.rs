//! Agents over HTTP: requests that a face has received, and calls by address.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use xbind::{Result, VerifyingKey};
use xbind_net::Settings;
use xbind_net::agents::{Client, Exposed, Taken};
use xbind_runtime::{Node, WindowAnswer, WindowQuestion};

pub use xbind_net::agents::Server;

pub use crate::net::Reach;

use crate::did::dids;
use crate::net;
use crate::number::Whole;

static SETTINGS: LazyLock<Settings> = LazyLock::new(net::settings);

/// Lets the agents of a node call by address, in this way; it stays the one that it was at first.
///
/// # Errors
/// `INVALID_CONFIG`.
pub fn reach_addresses(node: &Arc<Node>, reach: Option<&Reach>) -> Result<()> {
    if !node.reaches_addresses() {
        let settings = reach.map_or_else(|| Ok(SETTINGS.clone()), Reach::settings)?;
        Client::attach(node, settings);
    }
    Ok(())
}

/// The session of an agent elsewhere, as far as it has told it here.
#[must_use]
pub fn known_session(node: &Arc<Node>, did: &str) -> Option<String> {
    let did = *VerifyingKey::from_did(did).ok()?.did();
    node.known_session(&did).map(|session| session.text())
}

/// Opens agents of a node to requests: these DIDs, or all. `wake` is told which exchange has something to take, and 0 where the
/// store that they share is to be asked.
///
/// # Errors
/// `INVALID_DID`, `INVALID_CONFIG`.
pub fn server(
    node: &Arc<Node>,
    only: Option<&[String]>,
    shares: bool,
    wake: impl Fn(u32) + Send + Sync + 'static,
) -> Result<Server> {
    let only = only.map(|only| dids(only, "agents")).transpose()?;
    let exposed = only.map_or(Exposed::All, |dids| Exposed::Only(HashSet::from_iter(dids)));
    Server::new(node, exposed, shares, Box::new(wake))
}

/// What a store is asked that several processes share.
#[derive(Debug, Serialize)]
pub struct StoreQuestion {
    /// Of the question.
    pub number: Whole,
    /// What it is to claim, one after the other.
    pub keys: Vec<String>,
    /// Until which second it remembers them.
    pub until: Whole,
    /// Under which key it keeps the name of the window.
    pub name: String,
    /// That name, if there is none yet.
    pub fresh: String,
}

/// What the store is to be asked now.
#[must_use]
pub fn questions(server: &Server) -> Vec<StoreQuestion> {
    let asked = server.questions().into_iter();
    let questions = asked.map(|WindowQuestion { number, keys, until, name, fresh }| StoreQuestion {
        number: Whole(number),
        keys,
        until: Whole(until),
        name,
        fresh,
    });
    questions.collect()
}

/// What the store has said: the name of the window, or which of the keys it had; neither where it has failed.
pub fn answer_question(server: &Server, number: f64, taken: Option<u32>, name: Option<&str>) {
    let taken = taken.map(|at| WindowAnswer::Taken(usize::try_from(at).unwrap_or(usize::MAX)));
    let answer = taken.or_else(|| name.map(|name| WindowAnswer::New(name.to_owned())));
    server.told(Whole::from(number).0, &answer.unwrap_or(WindowAnswer::Failed));
}

/// A piece of the body of a request; why no more messages can come of it.
#[must_use]
pub fn feed(server: &Server, exchange: u32, piece: &[u8]) -> Option<String> {
    server.feed(exchange, piece).err().map(|why| why.to_string())
}

/// The same on a connection with others; whether there is room for more, or none where no more messages can come of it.
#[must_use]
pub fn feed_on(server: &Server, exchange: u32, piece: &[u8]) -> Option<bool> {
    server.feed(exchange, piece).ok().map(|()| server.has_room(exchange))
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
