//! The calls that a port's agents have made and that nobody has answered yet.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use xbind::{Digest, MessageId, PendingCall};

use crate::agent::Agent;

/// The most calls that wait for an answer on one port.
pub(crate) const MAX_PENDING: usize = 1_000_000;

/// The room that stays allocated between calls.
const KEPT_CAPACITY: usize = 1024;

/// A call that nobody has answered yet.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: Arc<Agent>,
    pub(crate) recipient: Arc<Agent>,
    pub(crate) id: MessageId,
    /// A `send` is answered with a receipt only.
    pub(crate) one_way: bool,
    /// Of the sealed request; none before it is sealed.
    digest: Option<Digest>,
    deadline: Option<Instant>,
}

impl Call {
    /// What a reply must match; none before the call is sealed.
    pub(crate) fn expected(&self) -> Option<PendingCall> {
        Some(PendingCall { to: *self.recipient.did(), digest: self.digest? })
    }
}

/// Numbers are never used again, so that a late event cannot end another call.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    last: u64,
    pending: HashMap<u64, Call>,
    by_id: HashMap<MessageId, u64>,
    /// Entries of settled calls stay until they come up or outnumber the living.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Calls {
    pub(crate) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    pub(crate) fn begin(
        &mut self,
        caller: &Arc<Agent>,
        recipient: &Arc<Agent>,
        id: MessageId,
        one_way: bool,
        deadline: Option<Instant>,
    ) -> u64 {
        self.last = self.last.wrapping_add(1);
        let call = Call { caller: caller.clone(), recipient: recipient.clone(), id, one_way, digest: None, deadline };
        self.pending.insert(self.last, call);
        self.by_id.insert(id, self.last);
        if let Some(deadline) = deadline {
            self.deadlines.push(Reverse((deadline, self.last)));
        }
        self.last
    }

    /// Notes what was sealed; false if the caller has given up meanwhile, so that nothing need leave.
    pub(crate) fn sealed(&mut self, number: u64, digest: Digest) -> bool {
        let Some(call) = self.pending.get_mut(&number) else { return false };
        call.digest = Some(digest);
        true
    }

    pub(crate) fn is_pending(&self, id: &MessageId) -> bool {
        self.by_id.contains_key(id)
    }

    /// A reply did not match: the call waits on.
    pub(crate) fn put_back(&mut self, number: u64, call: Call) {
        self.by_id.insert(call.id, number);
        if let Some(deadline) = call.deadline {
            self.deadlines.push(Reverse((deadline, number)));
        }
        self.pending.insert(number, call);
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<Call> {
        let call = self.pending.remove(&number)?;
        self.by_id.remove(&call.id);
        if self.pending.is_empty() {
            self.deadlines.clear();
            if self.pending.capacity() > KEPT_CAPACITY {
                *self = Self { last: self.last, ..Self::default() }; // a burst gives its memory back
            }
        }
        Some(call)
    }

    pub(crate) fn take_id(&mut self, id: &MessageId) -> Option<(u64, Call)> {
        let number = *self.by_id.get(id)?;
        Some((number, self.take(number)?))
    }

    /// The calls of one agent, which is closing.
    pub(crate) fn take_of(&mut self, caller: &Arc<Agent>) -> Vec<(u64, Call)> {
        let own = self.pending.iter().filter(|(_, call)| Arc::ptr_eq(&call.caller, caller));
        let own: Vec<u64> = own.map(|(number, _)| *number).collect();
        own.into_iter().filter_map(|number| Some((number, self.take(number)?))).collect()
    }

    /// One call whose deadline has passed.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<(u64, Call)> {
        let (_, number) = self.earliest().filter(|(deadline, _)| *deadline <= now)?;
        Some((number, self.take(number)?))
    }

    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        self.earliest().map(|(deadline, _)| deadline)
    }

    fn earliest(&mut self) -> Option<(Instant, u64)> {
        if self.deadlines.len() > self.pending.len().saturating_mul(2).saturating_add(64) {
            let live = self.pending.iter().filter_map(|(number, call)| Some(Reverse((call.deadline?, *number))));
            self.deadlines = live.collect();
        }
        while let Some(Reverse((deadline, number))) = self.deadlines.peek().copied() {
            if self.pending.contains_key(&number) {
                return Some((deadline, number));
            }
            self.deadlines.pop();
        }
        None
    }
}
