//! Behind a handle: its port, and who waits for what.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::mem::take;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use xbind::{Answers, Did, ErrorKind, MessageId};

use crate::guard::case::{Guarded, Testimony};
use crate::handle::witness::Witness;
use crate::port::Port;
use crate::port::answer::{Reply, Start};
use crate::port::event::{Event, Outcome, Payload};
use crate::port::progress::Progress;
use crate::sync::Lock;
use crate::transport::{RemoteSigner, SignDone};

/// Events taken from a port at once.
const BATCH: usize = 256;

/// The face of one handle: its port, and who waits for what.
pub(crate) struct Desk {
    pub(crate) port: Arc<Port>,
    pub(crate) signer: Option<Arc<dyn RemoteSigner>>,
    pub(crate) waiting: Mutex<Waiting>,
    /// The thread that works; one at a time, so that events keep their order.
    pub(crate) working: Mutex<()>,
    /// Who answers what the policies of that number ask.
    pub(crate) witness: Mutex<(u32, Arc<Witness>)>,
}

/// What a round of work leaves to do when its locks are released.
#[derive(Default)]
struct Outside {
    wakers: Vec<Waker>,
    to_sign: Vec<(u32, u32, Vec<u8>)>,
    /// Calls that come too late.
    unwanted: Vec<u64>,
    pub(crate) closed: bool,
}

#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) closed: bool,
    pub(crate) calls: HashMap<u64, Pending>,
    /// Calls that are being begun, and what ended before it was known by whom it is awaited.
    pub(crate) beginning: usize,
    pub(crate) early: HashMap<u64, Pending>,
    pub(crate) incoming: VecDeque<Asked>,
    /// Calls that somebody is asked about, and those of them that were answered before they were put here.
    pub(crate) parked: HashMap<u64, Asked>,
    pub(crate) judging: usize,
    pub(crate) resumed: HashSet<u64>,
    /// The agent has no handler: what came for one goes to the inbox, though nobody asks for the next call.
    pub(crate) retired: bool,
    pub(crate) for_call: Vec<Waker>,
    pub(crate) for_letter: Vec<Waker>,
    /// Handlers that wait for room for a part, by ticket.
    pub(crate) for_room: HashMap<u64, Waker>,
}

/// A call that nobody has begun with.
pub(crate) struct Asked {
    pub(crate) ticket: u64,
    pub(crate) id: MessageId,
    pub(crate) from: Did,
    pub(crate) payload: Payload,
    pub(crate) token: Option<Arc<str>>,
    pub(crate) method: Option<Box<str>>,
    pub(crate) in_parts: bool,
    pub(crate) guarded: Option<Box<Guarded>>,
    /// What was found out about it, by somebody who took time.
    pub(crate) told: Arc<Mutex<Option<Answers>>>,
}

/// A call that this side has made.
#[derive(Default)]
pub(crate) struct Pending {
    waker: Option<Waker>,
    /// No more than its window.
    parts: VecDeque<Payload>,
    /// The last word.
    progress: Option<Progress>,
    over: Option<Outcome>,
}

impl Waiting {
    /// One that was dropped is not on the list; one that is being begun may not be on it yet.
    fn pending(&mut self, call: u64) -> Option<&mut Pending> {
        if self.beginning > 0 && !self.calls.contains_key(&call) {
            return Some(self.early.entry(call).or_default());
        }
        self.calls.get_mut(&call)
    }
}

/// A call under way.
pub(crate) struct Waits {
    pub(crate) desk: Arc<Desk>,
    pub(crate) number: u64,
}

impl Future for Waits {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let waker = context.waker().clone();
        let mut waiting = self.desk.waiting.guard();
        let pending = waiting.calls.entry(self.number).or_default();
        match pending.over.take() {
            Some(outcome) => {
                waiting.calls.remove(&self.number);
                Poll::Ready(outcome)
            }
            None => {
                pending.waker = Some(waker);
                Poll::Pending
            }
        }
    }
}

impl Waits {
    /// The next part, or how the call ended.
    pub(crate) fn poll_part(&self, context: &Context<'_>) -> Poll<Result<Payload, Outcome>> {
        let waker = context.waker().clone();
        let mut waiting = self.desk.waiting.guard();
        let pending = waiting.calls.entry(self.number).or_default();
        if let Some(part) = pending.parts.pop_front() {
            drop(waiting);
            self.desk.port.took(self.number, 1);
            return Poll::Ready(Ok(part));
        }
        match pending.over.take() {
            Some(outcome) => {
                waiting.calls.remove(&self.number);
                Poll::Ready(Err(outcome))
            }
            None => {
                pending.waker = Some(waker);
                Poll::Pending
            }
        }
    }

    /// The last word of progress, once.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.desk.waiting.guard().calls.get_mut(&self.number)?.progress.take()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let left = self.desk.waiting.guard().calls.remove(&self.number);
        if left.is_some_and(|left| left.over.is_none()) {
            let _ = self.desk.port.abandon(self.number);
        }
    }
}

impl Desk {
    /// True if there is more to do.
    pub(crate) fn work(&self) -> bool {
        let mut events = Vec::new();
        let mut outside = Outside::default();
        let one_at_a_time = self.working.guard();
        let more = self.port.flush(BATCH, &mut events);
        let happened = !events.is_empty();
        for event in events {
            self.take_in(event, &mut outside);
        }
        drop(one_at_a_time);
        self.tell(outside);
        self.give_back();
        more || happened
    }

    /// Puts the calls that wait here into the inbox, where the agent has no handler any more.
    pub(crate) fn give_back(&self) {
        loop {
            let mut waiting = self.waiting.guard();
            if !waiting.retired {
                return;
            }
            let Some(asked) = waiting.incoming.pop_front() else { return };
            drop(waiting);
            let nothing = Testimony { policies: asked.guarded.as_ref().map(|_| 0), ..Testimony::default() };
            match self.port.judge(asked.ticket, nothing) {
                Start::Back => self.port.give_back(asked.ticket, asked.payload),
                Start::Gone => {}
                // A handler is there again: it is for whoever asks for the next call.
                Start::Run | Start::Ask(_) | Start::Wait => {
                    let mut waiting = self.waiting.guard();
                    waiting.incoming.push_front(asked);
                    return;
                }
            }
        }
    }

    /// Runs foreign code, under no lock.
    fn tell(&self, outside: Outside) {
        let Outside { wakers, to_sign, unwanted, closed } = outside;
        for waker in wakers {
            waker.wake();
        }
        for (agent, round, bytes) in to_sign {
            if let (Some(signer), Ok(agent)) = (&self.signer, self.port.agent(agent)) {
                let done = SignDone { agent: Arc::downgrade(&agent), round, answered: false };
                drop(agent);
                signer.sign(bytes, done);
            }
        }
        for ticket in unwanted {
            self.port.reply(ticket, Reply::Refused(ErrorKind::AgentClosed, None));
        }
        if closed {
            self.close();
        }
    }

    pub(crate) fn begin(&self) {
        let mut waiting = self.waiting.guard();
        waiting.beginning = waiting.beginning.saturating_add(1);
    }

    fn take_in(&self, event: Event, outside: &mut Outside) {
        let mut waiting = self.waiting.guard();
        match event {
            Event::Call { ticket, .. } if waiting.closed => outside.unwanted.push(ticket),
            Event::Call { ticket, id, from, payload, token, method, in_parts, guarded, .. } => {
                let told = Arc::default();
                waiting.incoming.push_back(Asked { ticket, id, from, payload, token, method, in_parts, guarded, told });
                outside.wakers.append(&mut waiting.for_call);
            }
            Event::Settled { call, outcome, .. } => {
                if let Some(pending) = waiting.pending(call) {
                    pending.over = Some(outcome);
                    outside.wakers.extend(pending.waker.take());
                }
            }
            Event::Part { call, payload } => {
                if let Some(pending) = waiting.pending(call) {
                    pending.parts.push_back(payload);
                    outside.wakers.extend(pending.waker.take());
                }
            }
            Event::Progress { call, progress } => {
                if let Some(pending) = waiting.pending(call) {
                    pending.progress = Some(progress);
                }
            }
            Event::Resumed { ticket } => {
                if let Some(asked) = waiting.parked.remove(&ticket) {
                    waiting.incoming.push_back(asked);
                    outside.wakers.append(&mut waiting.for_call);
                } else if waiting.judging > 0 {
                    waiting.resumed.insert(ticket);
                }
            }
            Event::Arrived { .. } => outside.wakers.append(&mut waiting.for_letter),
            Event::Sign { agent, round, bytes } => outside.to_sign.push((agent, round, bytes)),
            Event::Closed { .. } => outside.closed = true,
            // Whoever handles the call asks.
            Event::Cancelled { ticket } | Event::Credit { ticket } => {
                outside.wakers.extend(waiting.for_room.remove(&ticket));
            }
            // What could not be sent is told its caller.
            Event::Unsent { .. }
            | Event::Decided { .. }
            | Event::Idle { .. }
            | Event::Timed { .. }
            | Event::Superseded { .. }
            | Event::Noted { .. } => {}
        }
    }

    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.guard();
        waiting.closed = true;
        let parked = take(&mut waiting.parked);
        let unwanted = take(&mut waiting.incoming).into_iter().chain(parked.into_values());
        let unwanted: Vec<_> = unwanted.map(|asked| asked.ticket).collect();
        let wakers = take(&mut waiting.for_call).into_iter().chain(take(&mut waiting.for_letter));
        let wakers: Vec<_> = wakers.chain(take(&mut waiting.for_room).into_values()).collect();
        drop(waiting);
        for waker in wakers {
            waker.wake();
        }
        // Nobody begins with these any more, and they hold the agent.
        for ticket in unwanted {
            self.port.reply(ticket, Reply::Refused(ErrorKind::AgentClosed, None));
        }
    }
}

/// A future that is polled again and again waits once.
pub(crate) fn note(wakers: &mut Vec<Waker>, waker: Waker) {
    if !wakers.iter().any(|other| other.will_wake(&waker)) {
        wakers.push(waker);
    }
}
