//! The calls that a port's handlers are working on.

use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;
use xbind::{InReplyTo, MessageId};

use crate::agent::Agent;

/// The room that stays allocated between calls.
const KEPT_CAPACITY: usize = 1024;

/// A call that a handler is working on. It stays until the handler is done, also when nobody waits for the answer any
/// more: the handler still runs, and counts.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) agent: Arc<Agent>,
    pub(crate) caller: Arc<Agent>,
    pub(crate) request: InReplyTo,
    pub(crate) cancelled: bool,
}

/// A ticket is a place in the lower half and a generation, which is not used again, in the upper one.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    generation: u32,
    running: Slab<(u64, Running)>,
    by_request: HashMap<MessageId, usize>,
}

impl Tickets {
    pub(crate) fn open(&mut self, running: Running) -> u64 {
        self.generation = self.generation.wrapping_add(1);
        let place = self.running.vacant_entry();
        let index = u32::try_from(place.key()).unwrap_or(u32::MAX);
        let ticket = (u64::from(self.generation) << 32) | u64::from(index);
        self.by_request.insert(running.request.id, place.key());
        place.insert((ticket, running));
        ticket
    }

    pub(crate) fn take(&mut self, ticket: u64) -> Option<Running> {
        let place = place(ticket);
        self.running.get(place).filter(|(number, _)| *number == ticket)?;
        let (_, running) = self.running.try_remove(place)?;
        self.by_request.remove(&running.request.id);
        if self.running.is_empty() && self.running.capacity() > KEPT_CAPACITY {
            *self = Self { generation: self.generation, ..Self::default() }; // a burst gives its memory back
        }
        Some(running)
    }

    pub(crate) fn is_cancelled(&self, ticket: u64) -> bool {
        let running = self.running.get(place(ticket)).filter(|(number, _)| *number == ticket);
        running.is_none_or(|(_, running)| running.cancelled)
    }

    /// Marks the call of that request; its ticket if a handler is working on it and did not know yet.
    pub(crate) fn cancel(&mut self, request: &MessageId) -> Option<u64> {
        let (ticket, running) = self.running.get_mut(*self.by_request.get(request)?)?;
        (!std::mem::replace(&mut running.cancelled, true)).then_some(*ticket)
    }

    pub(crate) fn cancel_all_of(&mut self, agent: &Arc<Agent>) -> Vec<(u64, Arc<Agent>, MessageId)> {
        let own = self.running.iter_mut().filter(|(_, (_, running))| Arc::ptr_eq(&running.agent, agent));
        own.filter_map(|(_, (ticket, running))| {
            let knew = std::mem::replace(&mut running.cancelled, true);
            (!knew).then(|| (*ticket, running.caller.clone(), running.request.id))
        })
        .collect()
    }
}

fn place(ticket: u64) -> usize {
    usize::try_from(ticket & u64::from(u32::MAX)).unwrap_or(usize::MAX)
}
