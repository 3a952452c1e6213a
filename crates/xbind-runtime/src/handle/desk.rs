//! Behind a handle: its port, and who waits for what.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::mem::{replace, take};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use xbind::{Answers, Did, ErrorKind, MessageId};

use crate::guard::case::{Guarded, Said};
use crate::handle::witness::Witness;
use crate::port::event::{Event, Outcome, Payload};
use crate::port::{Port, Reply, Start};
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

/// A call that came and has not begun.
pub(crate) struct Arrived {
    pub(crate) ticket: u64,
    pub(crate) id: MessageId,
    pub(crate) from: Did,
    pub(crate) payload: Payload,
    pub(crate) token: Option<Arc<str>>,
    pub(crate) method: Option<Box<str>>,
    pub(crate) guarded: Option<Box<Guarded>>,
    /// What was found out about it, by somebody who took time.
    pub(crate) told: Arc<Mutex<Option<Answers>>>,
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
    pub(crate) early: HashMap<u64, Outcome>,
    pub(crate) incoming: VecDeque<Arrived>,
    /// Calls that somebody is asked about, and those of them that were answered before they were put here.
    pub(crate) asked: HashMap<u64, Arrived>,
    pub(crate) judging: usize,
    pub(crate) resumed: HashSet<u64>,
    /// The agent has no handler: what came for one goes to the inbox, though nobody asks for the next call.
    pub(crate) retired: bool,
    pub(crate) for_call: Vec<Waker>,
    pub(crate) for_letter: Vec<Waker>,
}

pub(crate) enum Pending {
    Waits(Option<Waker>),
    Over(Outcome),
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
        match waiting.calls.remove(&self.number) {
            Some(Pending::Over(outcome)) => Poll::Ready(outcome),
            _ => {
                waiting.calls.insert(self.number, Pending::Waits(Some(waker)));
                Poll::Pending
            }
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let left = self.desk.waiting.guard().calls.remove(&self.number);
        if let Some(Pending::Waits(_)) = left {
            self.desk.port.abandon(self.number);
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
            let Some(arrived) = waiting.incoming.pop_front() else { return };
            drop(waiting);
            let nothing = Said { policies: arrived.guarded.as_ref().map(|_| 0), ..Said::default() };
            match self.port.judge(arrived.ticket, nothing) {
                Start::Back => self.port.give_back(arrived.ticket, arrived.payload),
                Start::Gone => {}
                // A handler is there again: it is for whoever asks for the next call.
                Start::Run | Start::Ask(_) | Start::Wait => {
                    let mut waiting = self.waiting.guard();
                    waiting.incoming.push_front(arrived);
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
            Event::Call { ticket, id, from, payload, token, method, guarded, .. } => {
                let told = Arc::default();
                waiting.incoming.push_back(Arrived { ticket, id, from, payload, token, method, guarded, told });
                outside.wakers.append(&mut waiting.for_call);
            }
            Event::Settled { call, outcome, .. } => {
                // One that was dropped is not on the list.
                if let Some(pending) = waiting.calls.get_mut(&call) {
                    if let Pending::Waits(Some(waker)) = replace(pending, Pending::Over(outcome)) {
                        outside.wakers.push(waker);
                    }
                } else if waiting.beginning > 0 {
                    waiting.early.insert(call, outcome);
                }
            }
            Event::Arrived { .. } => outside.wakers.append(&mut waiting.for_letter),
            Event::Sign { agent, round, bytes } => outside.to_sign.push((agent, round, bytes)),
            Event::Closed { .. } => outside.closed = true,
            // Whoever handles the call asks; what could not be sent is told the caller.
            Event::Cancelled { .. } | Event::Unsent { .. } | Event::Noted { .. } => {}
            Event::Resumed { ticket } => {
                if let Some(arrived) = waiting.asked.remove(&ticket) {
                    waiting.incoming.push_back(arrived);
                    outside.wakers.append(&mut waiting.for_call);
                } else if waiting.judging > 0 {
                    waiting.resumed.insert(ticket);
                }
            }
        }
    }

    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.guard();
        waiting.closed = true;
        let asked = take(&mut waiting.asked);
        let unwanted = take(&mut waiting.incoming).into_iter().chain(asked.into_values());
        let unwanted: Vec<_> = unwanted.map(|arrived| arrived.ticket).collect();
        let wakers: Vec<_> = take(&mut waiting.for_call).into_iter().chain(take(&mut waiting.for_letter)).collect();
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
