//! The ports of a thread. A port is named by a number on its thread, agents and calls by numbers on their port.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use xbind::{Error, ErrorKind, Result};
use xbind_runtime::{Port, Senders, Time, Waker};

use crate::events::{List, write};

/// Numbers are never used again, so that a handler that ends late cannot answer through another port.
#[derive(Default)]
struct Ports {
    last: u32,
    open: BTreeMap<u32, OpenPort>,
}

struct OpenPort {
    port: Arc<Port>,
    senders: Senders,
}

thread_local! {
    static PORTS: RefCell<Ports> = RefCell::default();
}

/// The number of a thread's first port.
pub const FIRST: u32 = 1;

/// Opens a port; `wake` is called when another thread has left events there.
#[must_use]
pub fn open(wake: Waker) -> u32 {
    let port = Port::new(wake, Time::System);
    PORTS.with_borrow_mut(|ports| {
        ports.last = ports.last.saturating_add(1);
        ports.open.insert(ports.last, OpenPort { port, senders: Senders::default() });
        ports.last
    })
}

/// Closes a port and all its agents.
pub fn close(port: u32) {
    let closed = PORTS.with_borrow_mut(|ports| ports.open.remove(&port));
    if let Some(OpenPort { port, .. }) = closed {
        port.close_all();
    }
}

/// Closes all ports of this thread: one that ends in the middle of a call takes its agents with it, and their callers are
/// told.
pub fn close_all() {
    let ports = PORTS.with_borrow_mut(|ports| std::mem::take(&mut ports.open));
    for OpenPort { port, .. } in ports.into_values() {
        port.close_all();
    }
}

/// Uses a port.
///
/// # Errors
/// What the use gives; `AGENT_CLOSED` for a port that is closed.
pub fn with<T>(port: u32, use_port: impl FnOnce(&Arc<Port>) -> Result<T>) -> Result<T> {
    let found = PORTS.with_borrow(|ports| ports.open.get(&port).map(|open| open.port.clone()));
    match found {
        Some(port) => use_port(&port),
        None => Err(Error::new(ErrorKind::AgentClosed, "this agent is closed")),
    }
}

/// Asks a port; `closed` is the answer of one that is closed.
pub fn ask<T>(port: u32, closed: T, ask: impl FnOnce(&Arc<Port>) -> T) -> T {
    with(port, |port| Ok(ask(port))).unwrap_or(closed)
}

/// A command, after which the face flushes in any case: it need not be woken for what the command causes. A port that is
/// closed has nothing left to do, and answers what [`Default`] is.
pub fn command<T: Default>(port: u32, use_port: impl FnOnce(&Arc<Port>) -> T) -> T {
    ask(port, T::default(), |port| {
        port.attend();
        use_port(port)
    })
}

/// Works off all that a port was asked for, and writes at most `max` events, refusals among them if they are `watched`.
/// Tells whether more events are waiting.
///
/// # Errors
/// What the list gives.
pub fn flush<L: List>(port: u32, max: u32, watched: bool, list: &mut L) -> std::result::Result<bool, L::Error> {
    let mut happened = Vec::new();
    let more = command(port, |port| {
        port.watch(watched);
        port.flush(usize::try_from(max).unwrap_or(usize::MAX), &mut happened)
    });
    let found = PORTS.with_borrow_mut(|ports| {
        ports.open.get_mut(&port).map(|open| (open.port.clone(), std::mem::take(&mut open.senders)))
    });
    let Some((open, mut senders)) = found else { return Ok(false) };
    write(list, &open, &mut senders, happened)?;
    PORTS.with_borrow_mut(|ports| {
        if let Some(open) = ports.open.get_mut(&port) {
            open.senders = senders;
        }
    });
    Ok(more)
}
