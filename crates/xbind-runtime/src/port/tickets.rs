//! The calls that a port's handlers are to work on, or work on already.

use std::sync::Arc;

use hashbrown::HashMap;
use xbind::{Did, InReplyTo, MessageId};

use crate::agent::Agent;
use crate::agent::room::Slot;
use crate::guard::case::Case;
use crate::port::slots::Slots;
use crate::transport::{Peer, Route};

/// The room that stays allocated between calls.
const KEPT_CAPACITY: usize = 1024;

/// A call that has a handler's place. It stays until the handler is done, also when nobody waits for the answer any
/// more: the handler still runs, and counts.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) agent: Arc<Agent>,
    pub(crate) caller: Peer,
    pub(crate) request: InReplyTo,
    pub(crate) issued_at: u64,
    /// The method that it names; then it never goes to an inbox.
    pub(crate) method: Option<Box<str>>,
    pub(crate) cancelled: bool,
    /// The handler has begun.
    pub(crate) begun: bool,
    /// By which policies it was let in.
    pub(crate) version: u32,
    pub(crate) presented: Option<Arc<str>>,
    /// None where the caller's DID decides alone.
    pub(crate) case: Option<Arc<Case>>,
    /// How many policies have judged it.
    pub(crate) judged: u32,
    /// What it takes of the recipient's bounds, in bytes.
    pub(crate) size: usize,
    /// Its room there, if it may have to wait until somebody was asked.
    pub(crate) slot: Option<Slot>,
    /// Somebody is asked about it, and it has no handler's place.
    pub(crate) parked: bool,
}

/// Strangers choose the ids of their calls, so a call is known by its caller and its id.
type Key = (Did, MessageId);

#[derive(Debug, Default)]
pub(crate) struct Tickets {
    running: Slots<Running>,
    by_request: HashMap<Key, u64>,
}

impl Tickets {
    /// The ticket; the call itself back if there are too many.
    pub(crate) fn open(&mut self, running: Running) -> Option<u64> {
        let key = key(&running);
        let ticket = self.running.insert(running)?;
        self.by_request.insert(key, ticket);
        Some(ticket)
    }

    pub(crate) fn get(&self, ticket: u64) -> Option<&Running> {
        self.running.get(ticket)
    }

    pub(crate) fn get_mut(&mut self, ticket: u64) -> Option<&mut Running> {
        self.running.get_mut(ticket)
    }

    /// The handler begins; false if the ticket is gone.
    pub(crate) fn begin(&mut self, ticket: u64) -> bool {
        let Some(running) = self.running.get_mut(ticket) else { return false };
        running.slot = None;
        !std::mem::replace(&mut running.begun, true)
    }

    pub(crate) fn take(&mut self, ticket: u64) -> Option<Running> {
        let running = self.running.take(ticket)?;
        let key = key(&running);
        if self.by_request.get(&key) == Some(&ticket) {
            self.by_request.remove(&key);
        }
        if self.running.len() == 0 && self.by_request.capacity() > KEPT_CAPACITY {
            self.by_request = HashMap::new(); // a burst gives its memory back
        }
        Some(running)
    }

    pub(crate) fn is_cancelled(&self, ticket: u64) -> bool {
        self.running.get(ticket).is_none_or(|running| running.cancelled)
    }

    /// Marks the call of that request; its ticket if a handler is working on it and did not know yet.
    pub(crate) fn cancel(&mut self, caller: &Did, request: &MessageId) -> Option<u64> {
        let ticket = *self.by_request.get(&(*caller, *request))?;
        let running = self.running.get_mut(ticket)?;
        (!std::mem::replace(&mut running.cancelled, true)).then_some(ticket)
    }

    /// Marks all calls for which `which` holds: ticket, caller and request of those that did not know yet.
    pub(crate) fn cancel_all(&mut self, which: impl Fn(&Running) -> bool) -> Vec<(u64, Peer, InReplyTo)> {
        let chosen = self.running.iter_mut().filter(|(_, running)| which(running));
        chosen
            .filter_map(|(ticket, running)| {
                let knew = std::mem::replace(&mut running.cancelled, true);
                (!knew).then(|| (ticket, running.caller.clone(), running.request))
            })
            .collect()
    }
}

impl Running {
    pub(crate) fn came_over(&self, route: Route) -> bool {
        matches!(&self.caller, Peer::There(remote) if remote.route == route)
    }
}

fn key(running: &Running) -> Key {
    (*running.caller.did(), running.request.id)
}
