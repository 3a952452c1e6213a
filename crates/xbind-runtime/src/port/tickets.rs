//! The calls that a port's handlers are to work on, or work on already.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use xbind::{Did, InReplyTo, MessageId, PendingCall, Session};

use crate::agent::Agent;
use crate::agent::room::Slot;
use crate::guard::case::Case;
use crate::port::parts::Said;
use crate::port::progress::Words;
use crate::port::slots::Slots;
use crate::record::sink::Noted;
use crate::transport::{Peer, Route};

/// The room that stays allocated between calls.
const KEPT_CAPACITY: usize = 1024;

/// A call that has a handler's place. It stays until the handler is done, also when nobody waits for the answer any
/// more: the handler still runs, and counts.
pub(crate) struct Running {
    pub(crate) agent: Arc<Agent>,
    pub(crate) caller: Peer,
    pub(crate) request: InReplyTo,
    /// Its number at a caller here.
    pub(crate) asked: Option<u64>,
    pub(crate) issued_at: u64,
    /// The method that it names; then it never goes to an inbox.
    pub(crate) method: Option<Box<str>>,
    pub(crate) traceparent: Option<Box<str>>,
    /// The session of its recipient that it names.
    pub(crate) session: Option<Session>,
    pub(crate) cancelled: bool,
    /// The handler has begun.
    pub(crate) begun: bool,
    /// When its caller waits no more, by what it said.
    pub(crate) until: Option<Instant>,
    /// When it has waited for room for a part for too long.
    pub(crate) stalls: Option<Instant>,
    /// What was said before the end.
    pub(crate) said: Said,
    pub(crate) words: Option<Words>,
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
    /// Whether it is on record that the handler begins.
    pub(crate) noted: Noted,
    /// The approval that was used for it: by whom, and its id.
    pub(crate) approved: Option<(Did, MessageId)>,
}

#[derive(Default)]
pub(crate) struct Tickets {
    running: Slots<Running>,
    /// By caller and id, since strangers choose the ids of their calls: tickets.
    by_request: HashTable<u64>,
    hasher: DefaultHashBuilder,
    /// Entries of calls that have ended stay until they come up or outnumber the living.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Tickets {
    /// The ticket; the call itself back if there are too many.
    pub(crate) fn open(&mut self, running: Running) -> Option<u64> {
        let (request, caller, until) = (running.request.id, *running.caller.did(), running.until);
        let ticket = self.running.insert(running)?;
        if let Some(Running { said: Said::Parts(source), .. }) = self.running.get(ticket) {
            source.know_ticket(ticket);
        }
        let Self { running, by_request, hasher, .. } = self;
        let is_it = |other: &u64| running.get(*other).is_some_and(|other| other.is_of(&caller, &request));
        let hash_of = |other: &u64| running.get(*other).map_or(0, |other| other.hash(hasher));
        match by_request.entry(hash(hasher, &caller, &request), is_it, hash_of) {
            Entry::Occupied(mut older) => *older.get_mut() = ticket,
            Entry::Vacant(free) => drop(free.insert(ticket)),
        }
        if let Some(until) = until {
            self.deadlines.push(Reverse((until, ticket)));
        }
        Some(ticket)
    }

    pub(crate) fn get(&self, ticket: u64) -> Option<&Running> {
        self.running.get(ticket)
    }

    pub(crate) fn get_mut(&mut self, ticket: u64) -> Option<&mut Running> {
        self.running.get_mut(ticket)
    }

    /// The call of that caller and id, if it is worked on and somebody waits for it.
    pub(crate) fn of(&self, caller: &Did, request: &MessageId) -> Option<&Running> {
        self.running.get(self.ticket_of(caller, request)?).filter(|running| !running.cancelled)
    }

    fn ticket_of(&self, caller: &Did, request: &MessageId) -> Option<u64> {
        let is_it = |ticket: &u64| self.running.get(*ticket).is_some_and(|running| running.is_of(caller, request));
        self.by_request.find(hash(&self.hasher, caller, request), is_it).copied()
    }

    /// When the next caller waits no more.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        if self.deadlines.len() > self.running.len().saturating_mul(2).saturating_add(64) {
            let times = |(ticket, running): (u64, &Running)| {
                [running.until, running.stalls].into_iter().flatten().map(move |time| Reverse((time, ticket)))
            };
            self.deadlines = self.running.iter().flat_map(times).collect();
        }
        while let Some(Reverse((deadline, ticket))) = self.deadlines.peek().copied() {
            let is_live = |running: &Running| [running.until, running.stalls].contains(&Some(deadline));
            if self.running.get(ticket).is_some_and(|running| !running.cancelled && is_live(running)) {
                return Some(deadline);
            }
            self.deadlines.pop();
        }
        None
    }

    /// The handler waits for room for a part, or need not any more.
    pub(crate) fn wait_until(&mut self, ticket: u64, stalls: Option<Instant>) {
        let Some(running) = self.running.get_mut(ticket) else { return };
        running.stalls = stalls;
        if let Some(stalls) = stalls {
            self.deadlines.push(Reverse((stalls, ticket)));
        }
    }

    /// Marks one call whose caller waits no more, by what it said, or has taken no part for too long; then it is told so.
    pub(crate) fn cancel_overdue(&mut self, now: Instant) -> Option<(u64, Option<Back>)> {
        loop {
            let deadline = self.next_deadline().filter(|deadline| *deadline <= now)?;
            let Reverse((_, ticket)) = self.deadlines.pop()?;
            let running = self.running.get_mut(ticket)?;
            let is_late = running.until == Some(deadline);
            if !is_late && !running.waits() {
                running.stalls = None; // there is room, and the handler knows
                continue;
            }
            running.cancelled = true;
            return Some((ticket, (!is_late).then(|| running.back())));
        }
    }

    /// The handler begins: for the first time, or once more. None if it must not: who ended the call has said that it had not.
    pub(crate) fn begin(&mut self, ticket: u64) -> Option<bool> {
        let running = self.running.get_mut(ticket).filter(|running| !running.cancelled)?;
        running.slot = None;
        Some(!std::mem::replace(&mut running.begun, true))
    }

    pub(crate) fn take(&mut self, ticket: u64) -> Option<Running> {
        let running = self.running.take(ticket)?;
        if let Ok(entry) = self.by_request.find_entry(running.hash(&self.hasher), |own| *own == ticket) {
            entry.remove();
        }
        if self.running.len() == 0 && self.by_request.capacity() > KEPT_CAPACITY {
            self.by_request = HashTable::new(); // a burst gives its memory back
        }
        Some(running)
    }

    pub(crate) fn is_cancelled(&self, ticket: u64) -> bool {
        self.running.get(ticket).is_none_or(|running| running.cancelled)
    }

    /// Marks the call of that request; its ticket if a handler is working on it and did not know yet.
    pub(crate) fn cancel(&mut self, caller: &Did, request: &MessageId) -> Option<u64> {
        let ticket = self.ticket_of(caller, request)?;
        let running = self.running.get_mut(ticket)?;
        (!std::mem::replace(&mut running.cancelled, true)).then_some(ticket)
    }

    /// Marks all calls for which `which` holds: ticket and what to tell the callers of those that did not know yet.
    pub(crate) fn cancel_all(&mut self, which: impl Fn(&Running) -> bool) -> Vec<(u64, Back)> {
        let chosen = self.running.iter_mut().filter(|(_, running)| which(running));
        chosen
            .filter_map(|(ticket, running)| {
                let knew = std::mem::replace(&mut running.cancelled, true);
                (!knew).then(|| (ticket, running.back()))
            })
            .collect()
    }
}

/// Where what ends a call goes.
pub(crate) struct Back {
    pub(crate) agent: Arc<Agent>,
    pub(crate) caller: Peer,
    pub(crate) request: InReplyTo,
    pub(crate) asked: Option<u64>,
    /// How many parts were sent.
    pub(crate) parts: u64,
    /// The handler has begun.
    pub(crate) begun: bool,
}

impl Running {
    pub(crate) fn back(&self) -> Back {
        let (agent, caller) = (self.agent.clone(), self.caller.clone());
        Back { agent, caller, request: self.request, asked: self.asked, parts: self.parts(), begun: self.begun }
    }

    fn waits(&self) -> bool {
        matches!(&self.said, Said::Parts(source) if source.waits())
    }

    /// How many parts were sent.
    pub(crate) fn parts(&self) -> u64 {
        if let Said::Parts(source) = &self.said { source.count() } else { 0 }
    }

    /// What its caller may say of it later must match.
    pub(crate) fn expected(&self) -> PendingCall {
        PendingCall {
            peer: *self.caller.did(),
            digest: self.request.digest,
            one_way: false,
            has_method: self.method.is_some(),
            has_window: matches!(self.said, Said::Parts(_)),
            encryption: None, // nothing is encrypted yet
        }
    }

    fn is_of(&self, caller: &Did, request: &MessageId) -> bool {
        self.request.id == *request && self.caller.did() == caller
    }

    fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        hash(hasher, self.caller.did(), &self.request.id)
    }

    pub(crate) fn came_over(&self, route: Route) -> bool {
        matches!(&self.caller, Peer::There(remote) if remote.route == route)
    }
}

fn hash(hasher: &DefaultHashBuilder, caller: &Did, request: &MessageId) -> u64 {
    hasher.hash_one((caller, request))
}
