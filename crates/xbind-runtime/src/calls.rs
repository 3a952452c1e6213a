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
    pub(crate) number: u64,
    pub(crate) caller: Arc<Agent>,
    pub(crate) recipient: Arc<Agent>,
    pub(crate) id: MessageId,
    /// A `send` is answered with a receipt only.
    pub(crate) one_way: bool,
    /// Of the sealed request; none before it is sealed.
    pub(crate) digest: Option<Digest>,
    pub(crate) deadline: Option<Instant>,
}

impl Call {
    /// What a reply must match; none before the call is sealed.
    pub(crate) fn expected(&self) -> Option<PendingCall> {
        Some(PendingCall { to: *self.recipient.did(), digest: self.digest? })
    }
}

/// The face numbers its calls: a slot, which is used again, in the lower half, and a generation, which is not, in the upper
/// one, so that a late event cannot end another call.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    slots: Vec<Option<Call>>,
    pending: usize,
    by_id: HashMap<MessageId, u64>,
    /// Entries of settled calls stay until they come up or outnumber the living.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Calls {
    pub(crate) const fn len(&self) -> usize {
        self.pending
    }

    pub(crate) fn is_full(&self) -> bool {
        self.pending >= MAX_PENDING
    }

    pub(crate) fn begin(&mut self, call: Call) {
        if let Some(deadline) = call.deadline {
            self.deadlines.push(Reverse((deadline, call.number)));
        }
        self.by_id.insert(call.id, call.number);
        let slot = slot(call.number);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot.saturating_add(1), || None);
        }
        if let Some(place) = self.slots.get_mut(slot)
            && place.replace(call).is_none()
        {
            self.pending = self.pending.saturating_add(1);
        }
    }

    /// A reply did not match: the call waits on, unless it was given up meanwhile and another has its slot.
    pub(crate) fn put_back(&mut self, call: Call) {
        if self.slots.get(slot(call.number)).is_none_or(Option::is_none) {
            self.begin(call);
        }
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Call> {
        self.slots.get_mut(slot(number))?.as_mut().filter(|call| call.number == number)
    }

    fn is_alive(&self, number: u64) -> bool {
        self.slots.get(slot(number)).and_then(Option::as_ref).is_some_and(|call| call.number == number)
    }

    /// Notes what was sealed; false if the caller has given up meanwhile, so that nothing need leave.
    pub(crate) fn sealed(&mut self, number: u64, digest: Digest) -> bool {
        let Some(call) = self.get_mut(number) else { return false };
        call.digest = Some(digest);
        true
    }

    pub(crate) fn is_pending(&self, id: &MessageId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<Call> {
        let call = self.slots.get_mut(slot(number))?.take_if(|call| call.number == number)?;
        self.by_id.remove(&call.id);
        self.pending = self.pending.saturating_sub(1);
        if self.pending == 0 {
            self.deadlines.clear();
            if self.slots.len() > KEPT_CAPACITY {
                *self = Self::default(); // a burst gives its memory back
            }
        }
        Some(call)
    }

    pub(crate) fn take_id(&mut self, id: &MessageId) -> Option<Call> {
        let number = *self.by_id.get(id)?;
        self.take(number)
    }

    /// The calls of one agent, which is closing.
    pub(crate) fn take_of(&mut self, caller: &Arc<Agent>) -> Vec<Call> {
        let own = self.slots.iter().flatten().filter(|call| Arc::ptr_eq(&call.caller, caller));
        let own: Vec<u64> = own.map(|call| call.number).collect();
        own.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// One call whose deadline has passed.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Call> {
        let (_, number) = self.earliest().filter(|(deadline, _)| *deadline <= now)?;
        self.take(number)
    }

    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        self.earliest().map(|(deadline, _)| deadline)
    }

    fn earliest(&mut self) -> Option<(Instant, u64)> {
        if self.deadlines.len() > self.pending.saturating_mul(2).saturating_add(64) {
            let live = self.slots.iter().flatten().filter_map(|call| Some(Reverse((call.deadline?, call.number))));
            self.deadlines = live.collect();
        }
        while let Some(Reverse((deadline, number))) = self.deadlines.peek().copied() {
            if self.is_alive(number) {
                return Some((deadline, number));
            }
            self.deadlines.pop();
        }
        None
    }
}

fn slot(number: u64) -> usize {
    usize::try_from(number & u64::from(u32::MAX)).unwrap_or(usize::MAX)
}
