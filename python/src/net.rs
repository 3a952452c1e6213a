//! Agents that are reached over HTTP.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use xbind_binding::agent::Node;
use xbind_binding::net::{self, Fetched, Rules};
use xbind_binding::serve::{self, Reach, Server};

use crate::pass::{Bytes, Enter, Give, Json, raised};
use crate::port::NodeRef;
use crate::soon::{Promised, promised};
use crate::wake::{Wake, wake};

/// Which exchanges have something to take.
type Ready = Arc<Mutex<VecDeque<u32>>>;

kept! {
    /// Where requests come in.
    ServerRef((Server, Ready));
}

impl Give<(Vec<u8>, bool)> for (Bytes, bool) {
    fn give((bytes, is_end): (Vec<u8>, bool)) -> Self {
        (Give::give(bytes), is_end)
    }
}

type Served = (Server, Ready);
type Document = (Option<Bytes>, Option<String>);

entries! {
    /// Why an address may not be asked, as far as its text tells.
    fn refuse_url(url: &str, named: &str) -> Option<String> = net::refuse_url;
    /// Fetches a document; it, or why there is none.
    fn fetch(url: &str, rules: Json<Rules>) -> Promised<Document> {
        promised(net::fetch(url, &rules.0, None), |fetched: Fetched| Ok(match fetched {
            Ok(document) => (Some(Give::give(document.bytes().to_vec())), None),
            Err(why) => (None, Some(why)),
        }))
    }
    /// Lets the agents of a bus call by address, in that way; it stays the one that it was at first.
    fn reach_addresses(node: &NodeRef, reach: Option<Json<Reach>>) -> PyResult<()>
        = |node: &Arc<Node>, reach| serve::reach_addresses(node, reach);
    /// The session of an agent elsewhere, as far as it has told it here.
    fn known_session(node: &NodeRef, did: &str) -> Option<String> = serve::known_session;
    /// Opens agents of a bus to requests: these DIDs, or all; and what is readable when an exchange has something to take.
    fn new_server(node: &NodeRef, only: Option<Vec<String>>) -> PyResult<(ServerRef, Wake)> {
        let (wake, waker) = wake()?;
        let ready = Ready::default();
        let told = ready.clone();
        let tell = move |exchange| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push_back(exchange);
            waker.wake();
        };
        let server = serve::server(&node.enter(), only.as_deref(), false, tell).map_err(|error| raised(&error))?;
        Ok((ServerRef::from((server, ready)), wake))
    }
    /// The exchanges that have something to take.
    fn ready_exchanges(server: &ServerRef) -> Vec<u32> = |(_, ready): &Served|
        ready.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect::<Vec<_>>();
    /// A request has come.
    fn open_exchange(server: &ServerRef) -> u32 = |(server, _): &Served| server.open();
    /// A piece of its body; why no more messages can come of it.
    fn feed_exchange(server: &ServerRef, exchange: u32, piece: &[u8]) -> Option<String>
        = |(server, _): &Served, exchange, piece| serve::feed(server, exchange, piece);
    /// Its body has ended; why it ought not to have.
    fn end_exchange(server: &ServerRef, exchange: u32) -> Option<String>
        = |(server, _): &Served, exchange| serve::end(server, exchange);
    /// What is to be written next into the response, and whether that is its end.
    fn take_exchange(server: &ServerRef, exchange: u32) -> (Bytes, bool)
        = |(server, _): &Served, exchange| serve::take(server, exchange);
    /// The response is done, or its connection lost.
    fn close_exchange(server: &ServerRef, exchange: u32) = |(server, _): &Served, exchange| server.gone(exchange);
}
