//! When what agents have to say is signed, and on which thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use xbind::{Error, ErrorKind};

use super::pool;
use crate::agent::Agent;
use crate::flush;
use crate::flush::refusal::Refusal;
use crate::port::Port;
use crate::port::calls::{Call, Stage};
use crate::port::event::{Event, Outcome};
use crate::sync::Lock;
use crate::sync::after::enter;

/// Agents that have something to sign.
#[derive(Default)]
pub(crate) struct Dirty {
    pub(crate) agents: Vec<Arc<Agent>>,
    messages: usize,
    /// Of their bodies.
    bytes: usize,
}

impl Port {
    /// Ends what has run out of time, seals and delivers what there is to say, and moves at most `max` events into `into`.
    /// True if there is more to do at once.
    pub fn flush(self: &Arc<Self>, max: usize, into: &mut Vec<Event>) -> bool {
        let _entry = enter();
        self.attend(); // what happens here until the bell is silenced is found below
        self.expire();
        while let Some(Dirty { agents, messages, bytes }) = self.take_dirty() {
            let alone = messages == 1 && self.calls.guard().len() <= 1;
            match pool::worth_it(agents.len(), messages, bytes).filter(|_| !alone && !self.time.is_driven()) {
                Some(pool) => pool.spread(self, agents),
                None => flush::work_off(agents),
            }
        }
        let helped = self.events.guard().is_empty() && pool::help(self);
        self.bell.silence();
        let mut events = self.events.guard();
        let count = events.len().min(max);
        into.extend(events.drain(..count));
        if events.is_empty() && events.capacity() > 4096 {
            events.shrink_to_fit();
        }
        let more = !events.is_empty();
        drop(events);
        more || helped || self.is_ripe()
    }

    /// The face is going to flush anyway and need not be woken until it has.
    pub fn attend(&self) {
        self.bell.ring();
    }

    /// While more messages wait to be handled than to be signed, handling goes first: its answers join the same batches,
    /// and the larger a batch, the less its one signature costs each message.
    fn is_ripe(&self) -> bool {
        let ahead = self.events.guard().len().saturating_add(self.under_way.load(Ordering::Acquire));
        let dirty = self.dirty.guard();
        !dirty.agents.is_empty() && dirty.messages >= ahead
    }

    fn take_dirty(&self) -> Option<Dirty> {
        self.is_ripe().then(|| std::mem::take(&mut *self.dirty.guard()))
    }

    /// Counts messages to sign, and notes their agent unless it is on the list or its batch is under way.
    pub(crate) fn add_dirty(self: &Arc<Self>, agent: Option<&Arc<Agent>>, messages: usize, bytes: usize) {
        let mut dirty = self.dirty.guard();
        dirty.messages = dirty.messages.saturating_add(messages);
        dirty.bytes = dirty.bytes.saturating_add(bytes);
        let Some(agent) = agent else { return };
        dirty.agents.push(agent.clone());
        drop(dirty);
        self.wake();
    }

    /// Counts messages that go to worker threads until the guard is dropped.
    pub(crate) fn under_way(self: &Arc<Self>, messages: usize) -> UnderWay {
        self.under_way.fetch_add(messages, Ordering::AcqRel);
        UnderWay { port: self.clone(), messages }
    }

    /// How long until the next deadline of a pending call, or of a caller elsewhere that a handler here works for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let calls = self.calls.guard().next_deadline();
        let handlers = self.tickets.guard().next_deadline();
        let deadline = calls.into_iter().chain(handlers).min()?;
        Some(deadline.saturating_duration_since(self.time.now()))
    }

    fn expire(self: &Arc<Self>) {
        let now = self.time.now();
        let mut seekers: Vec<Arc<Agent>> = Vec::new();
        loop {
            let expired = self.calls.guard().take_expired(now);
            let Some(call) = expired else { break };
            Self::give_up(&call);
            self.settle(&call, Outcome::Failed { error: out_of_time(&call), remote: None });
            if matches!(call.stage, Stage::Sought) && !seekers.iter().any(|other| Arc::ptr_eq(other, &call.caller)) {
                seekers.push(call.caller);
            }
        }
        for caller in seekers {
            caller.lookups_ended();
        }
        loop {
            let overdue = self.tickets.guard().cancel_overdue(now);
            let Some((ticket, back)) = overdue else { return };
            self.cancelled(ticket);
            if let Some(back) = back {
                back.refuse(Refusal::of(ErrorKind::HandlerFailed));
            }
        }
    }
}

/// Messages on their way through worker threads.
pub(crate) struct UnderWay {
    port: Arc<Port>,
    messages: usize,
}

impl UnderWay {
    pub(crate) fn is_of(&self, port: &Arc<Port>) -> bool {
        Arc::ptr_eq(&self.port, port)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.port.under_way.fetch_sub(self.messages, Ordering::AcqRel);
        if self.port.is_ripe() {
            self.port.wake(); // it may have held back for these
        }
    }
}

fn out_of_time(call: &Call) -> Error {
    let whom = call.recipient.as_ref().map_or("the agent", |peer| peer.did().as_str());
    match call.stage {
        Stage::Sought => Error::new(ErrorKind::Timeout, "the agent was not found in time"),
        Stage::Parked => Error::new(ErrorKind::InboxFull, format!("{whom} had no room for the call in time"))
            .with_hint("try again later, or let it handle more calls at once"),
        Stage::Waiting | Stage::Sealed(_) => Error::new(ErrorKind::Timeout, format!("{whom} did not answer in time"))
            .with_hint("wait longer, or look why the other agent is slow"),
    }
}
