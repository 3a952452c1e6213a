//! Agents over HTTP: requests that Node.js has received, and calls by address.

use std::collections::HashSet;
use std::sync::LazyLock;

use napi::bindgen_prelude::{External, Function, Uint8Array};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use xbind_net::Settings;
use xbind_net::agents::{Client, Exposed, Server};

use crate::bytes::Bytes;
use crate::net::roots;
use crate::port::NodeRef;
use crate::rights::dids;

pub type ServerRef = External<Server>;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings { roots: roots(Vec::new()), ..Settings::default() });

/// Lets the agents of a bus call by address.
#[napi(catch_unwind)]
pub fn reach_addresses(node: &NodeRef) {
    if !node.reaches_addresses() {
        Client::attach(node, SETTINGS.clone());
    }
}

/// Opens agents of a bus to requests: these DIDs, or all. `wake` is told which exchange has something to take.
#[napi(catch_unwind)]
pub fn new_server(node: &NodeRef, only: Option<Vec<String>>, wake: Function<'_, u32, ()>) -> napi::Result<ServerRef> {
    let only = only.as_deref().map(dids).transpose().map_err(|error| napi::Error::from_reason(error.to_string()))?;
    let wake = wake.build_threadsafe_function::<u32>().weak::<true>().callee_handled::<false>().build()?;
    let wake = move |exchange| {
        wake.call(exchange, ThreadsafeFunctionCallMode::NonBlocking);
    };
    let exposed = only.map_or(Exposed::All, |dids| Exposed::Only(HashSet::from_iter(dids)));
    Ok(External::new(Server::new(node, exposed, Box::new(wake))))
}

/// A request has come.
#[napi(catch_unwind)]
pub fn open_exchange(server: &ServerRef) -> u32 {
    server.open()
}

/// A piece of its body; why no more messages can come of it.
#[napi(catch_unwind)]
pub fn feed_exchange(server: &ServerRef, exchange: u32, piece: Bytes) -> Option<String> {
    server.feed(exchange, piece.as_slice()).err().map(|why| why.to_string())
}

/// Its body has ended; why it ought not to have.
#[napi(catch_unwind)]
pub fn end_exchange(server: &ServerRef, exchange: u32) -> Option<String> {
    server.end(exchange).err().map(|why| why.to_string())
}

#[napi(object, object_from_js = false)]
pub struct BindingTaken {
    pub bytes: Uint8Array,
    pub over: bool,
}

/// What is to be written next into the response.
#[napi(catch_unwind)]
pub fn take_exchange(server: &ServerRef, exchange: u32) -> BindingTaken {
    let taken = server.take(exchange);
    BindingTaken { bytes: Uint8Array::new(taken.bytes), over: taken.over }
}

/// The response is done, or its connection lost.
#[napi(catch_unwind)]
pub fn close_exchange(server: &ServerRef, exchange: u32) {
    server.gone(exchange);
}
