//! The calls that a port's handlers are working on.

use std::sync::Arc;

use hashbrown::HashMap;
use xbind::{InReplyTo, MessageId};

use crate::agent::Agent;

/// A call that a handler is working on. It stays until the handler is done, also when nobody waits for the answer any
/// more: the handler still runs, and counts.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) agent: Arc<Agent>,
    pub(crate) caller: Arc<Agent>,
    pub(crate) request: InReplyTo,
    pub(crate) cancelled: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Tickets {
    last: u64,
    running: HashMap<u64, Running>,
    by_request: HashMap<MessageId, u64>,
}

impl Tickets {
    pub(crate) fn open(&mut self, running: Running) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.by_request.insert(running.request.id, self.last);
        self.running.insert(self.last, running);
        self.last
    }

    pub(crate) fn take(&mut self, ticket: u64) -> Option<Running> {
        let running = self.running.remove(&ticket)?;
        self.by_request.remove(&running.request.id);
        Some(running)
    }

    pub(crate) fn is_cancelled(&self, ticket: u64) -> bool {
        self.running.get(&ticket).is_none_or(|running| running.cancelled)
    }

    /// Marks the call of that request; its ticket if a handler is working on it and did not know yet.
    pub(crate) fn cancel(&mut self, request: &MessageId) -> Option<u64> {
        let ticket = *self.by_request.get(request)?;
        let running = self.running.get_mut(&ticket)?;
        (!std::mem::replace(&mut running.cancelled, true)).then_some(ticket)
    }

    pub(crate) fn cancel_all_of(&mut self, agent: &Arc<Agent>) -> Vec<(u64, Arc<Agent>, MessageId)> {
        let own = self.running.iter_mut().filter(|(_, running)| Arc::ptr_eq(&running.agent, agent));
        own.filter_map(|(ticket, running)| {
            let knew = std::mem::replace(&mut running.cancelled, true);
            (!knew).then(|| (*ticket, running.caller.clone(), running.request.id))
        })
        .collect()
    }
}
