//! Calls and sends that wait for a store. One that ends meanwhile, by whatever, is no longer there when the store answers.

use std::collections::BTreeSet;
use std::mem::take;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use xbind::{Did, Hashed, InReplyTo, MessageId, PendingCall, Session};

use crate::agent::Agent;
use crate::agent::inbox::Request;
use crate::agent::room::Slot;
use crate::transport::{Peer, Route};

/// What waits for a store.
pub(crate) enum Waiting {
    /// A call or send that is genuine, and whose window nobody here can name yet.
    Unnamed { jws: String, body: Hashed, token: Option<String>, clock_skew: u64, max_lifetime: u64 },
    /// One that this process accepts, with the name that it gives the window.
    Claimed(Box<Request>, Session),
}

pub(crate) struct Held {
    pub(crate) agent: Arc<Agent>,
    pub(crate) back: Peer,
    pub(crate) reference: InReplyTo,
    /// What its caller may say of it meanwhile must match.
    pub(crate) expected: PendingCall,
    /// When it came.
    pub(crate) since: Instant,
    pub(crate) slot: Option<Slot>,
    /// None while it goes on.
    pub(crate) waiting: Option<Waiting>,
}

/// Recipient, caller, id, and the number of the question. One call may wait more than once, for anybody may double it.
type Key = (u64, [u8; 32], [u8; 16], u64);

impl Held {
    fn key(&self, number: u64) -> Key {
        (self.agent.serial, *self.back.did().public_key(), *self.reference.id.as_bytes(), number)
    }

    pub(crate) fn came_over(&self, route: Route) -> bool {
        matches!(&self.back, Peer::There(there) if there.route == route)
    }
}

#[derive(Default)]
pub(crate) struct HeldCalls {
    by_number: HashMap<u64, Held>,
    by_call: BTreeSet<Key>,
}

impl HeldCalls {
    pub(crate) fn insert(&mut self, number: u64, held: Held) {
        self.by_call.insert(held.key(number));
        self.by_number.insert(number, held);
    }

    /// It goes on, and stays here until it has: none if it is gone, or has gone on already.
    pub(crate) fn go_on(&mut self, number: u64) -> Option<(Held, Waiting)> {
        let held = self.by_number.get_mut(&number)?;
        let (waiting, slot) = (held.waiting.take()?, held.slot.take());
        let Held { agent, back, reference, expected, since, .. } = held;
        let (agent, back) = (agent.clone(), back.clone());
        let held = Held { agent, back, reference: *reference, expected: *expected, since: *since, slot, waiting: None };
        Some((held, waiting))
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.by_number.remove(&number)?;
        self.by_call.remove(&held.key(number));
        Some(held)
    }

    fn numbers(&self, agent: &Agent, caller: &Did, id: &MessageId) -> impl Iterator<Item = u64> {
        let key = |number| (agent.serial, *caller.public_key(), *id.as_bytes(), number);
        self.by_call.range(key(0)..=key(u64::MAX)).map(|(.., number)| *number)
    }

    /// What the caller of that call may say of it.
    pub(crate) fn expected(&self, agent: &Agent, caller: &Did, id: &MessageId) -> Option<PendingCall> {
        let number = self.numbers(agent, caller, id).next()?;
        self.by_number.get(&number).map(|held| held.expected)
    }

    /// All copies of that call.
    pub(crate) fn take_call(&mut self, agent: &Agent, caller: &Did, id: &MessageId) -> Vec<Held> {
        let numbers: Vec<_> = self.numbers(agent, caller, id).collect();
        numbers.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    pub(crate) fn take_if(&mut self, is_over: impl Fn(&Held) -> bool) -> Vec<Held> {
        let over: Vec<_> = self.by_number.iter().filter(|(_, held)| is_over(held)).map(|(number, _)| *number).collect();
        over.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    pub(crate) fn numbers_of_all(&self) -> Vec<u64> {
        self.by_number.keys().copied().collect()
    }

    pub(crate) fn take_all(&mut self) -> Self {
        take(self)
    }
}
