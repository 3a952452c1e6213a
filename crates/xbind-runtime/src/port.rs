//! A port is where agents meet their face: one module instance on one thread. Commands come in as method calls, what the
//! face has to do goes out as [`Event`]s.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use xbind::message::JSON;
use xbind::{Error, ErrorKind, InReplyTo, Result, payload};

use crate::agent::{Agent, Outgoing};
use crate::bus::Bus;
use crate::calls::{Call, Calls, MAX_PENDING};
use crate::event::{Body, Event, OCTETS, Outcome, Payload};
use crate::refusal::Refusal;
use crate::sync::Lock;
use crate::tickets::{Running, Tickets};
use crate::{AgentOptions, Signer, clock, flush, pool};

/// The most bytes of what a caller presents: a chain of delegations and an approval.
const MAX_TOKEN: usize = xbind::grant::MAX_DELEGATION_BYTES + xbind::approval::MAX_APPROVAL_BYTES;

/// Called from other threads when the port has events; must only schedule a [`Port::flush`] on the face's thread.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// What a handler made of a call.
#[derive(Debug)]
pub enum Reply {
    /// Its value.
    Payload(Payload),
    /// A refusal; at times with the JSON object that goes with its kind.
    Refused(ErrorKind, Option<String>),
}

/// A call to begin.
#[derive(Debug)]
pub struct NewCall<'a> {
    /// How the face will know it: a slot that no other call of this port has now, in the lower half, and in the upper half
    /// what tells this call from earlier ones of the same slot.
    pub number: u64,
    /// The caller.
    pub agent: u32,
    /// Name or DID of the recipient.
    pub to: &'a str,
    /// What it carries.
    pub payload: Payload,
    /// A send, which only a receipt answers.
    pub one_way: bool,
    /// Without one it may stay pending for ever.
    pub timeout: Option<Duration>,
    /// What the caller presents.
    pub token: Option<String>,
}

/// Numbers are never used again, so that a late event cannot reach another agent.
#[derive(Default)]
struct Agents {
    last: u32,
    by_number: HashMap<u32, Arc<Agent>>,
}

/// Agents that have something to sign.
#[derive(Default)]
struct Dirty {
    agents: Vec<Arc<Agent>>,
    messages: usize,
    /// Of their bodies.
    bytes: usize,
}

/// See the module's documentation.
pub struct Port {
    home: ThreadId,
    waker: Waker,
    woken: AtomicBool,
    events: Mutex<VecDeque<Event>>,
    agents: Mutex<Agents>,
    dirty: Mutex<Dirty>,
    /// Messages that worker threads are sealing and opening for agents of this port.
    under_way: AtomicUsize,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) tickets: Mutex<Tickets>,
}

impl Port {
    /// A port of the calling thread.
    #[must_use]
    pub fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self {
            home: thread::current().id(),
            waker,
            woken: AtomicBool::new(false),
            events: Mutex::default(),
            agents: Mutex::default(),
            dirty: Mutex::default(),
            under_way: AtomicUsize::new(0),
            calls: Mutex::default(),
            tickets: Mutex::default(),
        })
    }

    /// Brings an agent onto a bus and returns its number on this port.
    ///
    /// # Errors
    /// `INVALID_NAME`, `INVALID_CONFIG`, `AGENT_CLOSED` for a closed bus.
    pub fn join(
        self: &Arc<Self>,
        bus: &Arc<Bus>,
        signer: Signer,
        name: Option<String>,
        options: AgentOptions,
    ) -> Result<u32> {
        let mut agents = self.agents.guard();
        let number = agents.last.checked_add(1);
        let number = number.ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "too many agents were made"))?;
        let agent = bus.admit(self, number, signer, name, options)?;
        agents.last = number;
        agents.by_number.insert(number, agent);
        Ok(number)
    }

    /// The agent of that number.
    ///
    /// # Errors
    /// `AGENT_CLOSED` where there is none any more.
    pub fn agent(&self, number: u32) -> Result<Arc<Agent>> {
        let agent = self.agents.guard().by_number.get(&number).cloned();
        agent.ok_or_else(|| Error::new(ErrorKind::AgentClosed, "this agent is closed"))
    }

    /// Begins a call, which goes out with the next [`Port::flush`]. An [`Event::Settled`] tells how it ended, also if it
    /// could not begin.
    pub fn call(&self, call: NewCall<'_>) {
        let number = call.number;
        let begun = catch_unwind(AssertUnwindSafe(|| self.begin(call)));
        if let Err(error) = begun.unwrap_or_else(|_| Err(flush::internal())) {
            let outcome = Outcome::Failed { error, remote: None };
            self.push(Event::Settled { call: number, id: None, outcome });
        }
    }

    fn begin(&self, call: NewCall<'_>) -> Result<()> {
        let NewCall { number, agent, to, payload, one_way, timeout, token } = call;
        let caller = self.agent(agent)?;
        let recipient = caller.bus.find(to)?;
        caller.bus.check_running(&[caller.did(), recipient.did()])?;
        if recipient.did() == caller.did() {
            return Err(Error::new(ErrorKind::WrongAudience, "an agent cannot call itself")
                .with_hint("call the function directly, or make a second agent"));
        }
        let (body, content_type) = encode(payload)?;
        caller.check_size(body.len())?;
        if token.as_ref().is_some_and(|token| token.len() > MAX_TOKEN) {
            return Err(Error::new(ErrorKind::InvalidToken, format!("what is presented is over {MAX_TOKEN} bytes")));
        }
        let id = clock::message_id()?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut calls = self.calls.guard();
        if calls.is_full() {
            return Err(Error::new(ErrorKind::InboxFull, format!("{MAX_PENDING} calls wait for an answer here"))
                .with_hint("wait for some of them before making more"));
        }
        calls.begin(Call {
            number,
            caller: caller.clone(),
            recipient: recipient.clone(),
            id,
            one_way,
            digest: None,
            deadline,
        });
        drop(calls);
        let op = if one_way { xbind::Op::Send } else { xbind::Op::Call };
        caller.enqueue(Outgoing {
            op,
            id,
            to: recipient,
            body,
            content_type,
            token,
            in_reply_to: None,
            call: Some(number),
        });
        Ok(())
    }

    /// The caller gives up: the call is forgotten without an event, and the handler that works on it is told.
    pub fn abandon(&self, call: u64) {
        let Some(call) = self.calls.guard().take(call) else { return };
        call.caller.forget(&call.id);
        call.recipient.cancel(&call.id);
    }

    /// Answers a running call. One that was cancelled or whose agent closed needs no answer; then this does nothing. What
    /// cannot be sent becomes a refusal, and an [`Event::Unsent`].
    pub fn reply(&self, ticket: u64, reply: Reply) {
        let Some(running) = self.tickets.guard().take(ticket) else { return };
        let Running { agent, caller, request, cancelled } = running;
        agent.finished();
        if cancelled {
            return;
        }
        let payload = match reply {
            Reply::Payload(payload) => payload,
            Reply::Refused(kind, detail) => return Self::refuse(&agent, caller, request, Refusal { kind, detail }),
        };
        let encoded = catch_unwind(AssertUnwindSafe(|| encode(payload))).unwrap_or_else(|_| Err(flush::internal()));
        match encoded.and_then(|encoded| agent.check_size(encoded.0.len()).map(|()| encoded)) {
            Ok((body, content_type)) => {
                if let Ok(outgoing) = agent.reply(xbind::Op::Result, body, content_type, caller, request) {
                    agent.enqueue(outgoing);
                }
            }
            Err(error) => {
                self.push(Event::Unsent { agent: agent.number, error });
                Self::refuse(&agent, caller, request, Refusal::of(ErrorKind::HandlerFailed));
            }
        }
    }

    /// Whether the caller of a running call has given up or its agent closed.
    #[must_use]
    pub fn is_cancelled(&self, ticket: u64) -> bool {
        self.tickets.guard().is_cancelled(ticket)
    }

    fn refuse(agent: &Arc<Agent>, caller: Arc<Agent>, request: InReplyTo, mut refusal: Refusal) {
        if agent.check_size(refusal.encode().len()).is_err() {
            refusal.detail = None;
        }
        if let Ok(outgoing) = agent.reply(xbind::Op::Error, refusal.encode(), JSON, caller, request) {
            agent.enqueue(outgoing);
        }
    }

    /// The identity provider's answer to [`Event::Sign`]; none if it failed.
    pub fn signed(&self, number: u32, time: u32, signature: Option<[u8; 64]>) {
        if let Ok(agent) = self.agent(number) {
            agent.signed(time, signature);
        }
    }

    /// Ends what has run out of time, seals and delivers what there is to say, and moves at most `max` events into `into`.
    /// True if there is more to do at once.
    pub fn flush(self: &Arc<Self>, max: usize, into: &mut Vec<Event>) -> bool {
        self.woken.store(false, Ordering::Release);
        self.expire();
        while let Some(Dirty { agents, messages, bytes }) = self.take_dirty() {
            let alone = messages == 1 && self.calls.guard().len() <= 1;
            match pool::worth_it(agents.len(), messages, bytes).filter(|_| !alone) {
                Some(pool) => pool.spread(self, agents),
                None => flush::work_off(agents),
            }
        }
        let mut events = self.events.guard();
        let count = events.len().min(max);
        into.extend(events.drain(..count));
        if events.is_empty() && events.capacity() > 4096 {
            events.shrink_to_fit();
        }
        let more = !events.is_empty();
        drop(events);
        more || self.is_ripe()
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
    pub(crate) fn add_dirty(&self, agent: Option<&Arc<Agent>>, messages: usize, bytes: usize) {
        let mut dirty = self.dirty.guard();
        dirty.messages = dirty.messages.saturating_add(messages);
        dirty.bytes = dirty.bytes.saturating_add(bytes);
        let Some(agent) = agent else { return };
        dirty.agents.push(agent.clone());
        drop(dirty);
        self.wake_from_afar();
    }

    /// Counts messages that go to worker threads until the guard is dropped.
    pub(crate) fn under_way(self: &Arc<Self>, messages: usize) -> UnderWay {
        self.under_way.fetch_add(messages, Ordering::AcqRel);
        UnderWay { port: self.clone(), messages }
    }

    /// How long until the next deadline of a pending call.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.calls.guard().next_deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    fn expire(&self) {
        let now = Instant::now();
        loop {
            let Some(call) = self.calls.guard().take_expired(now) else { return };
            call.caller.forget(&call.id);
            call.recipient.cancel(&call.id);
            let error = Error::new(ErrorKind::Timeout, format!("{} did not answer in time", call.recipient.did()))
                .with_hint("raise timeoutMs, or look why the other agent is slow");
            self.settle(&call, Outcome::Failed { error, remote: None });
        }
    }

    /// Closes one agent: pending calls from it and to it end with `AGENT_CLOSED`, its key is wiped.
    pub fn close(&self, number: u32) {
        let Ok(agent) = self.agent(number) else { return };
        agent.bus.remove(&agent);
        agent.close();
    }

    /// Closes all agents, when the face goes.
    pub fn close_all(&self) {
        let agents: Vec<_> = self.agents.guard().by_number.keys().copied().collect();
        for number in agents {
            self.close(number);
        }
    }

    pub(crate) fn forget(&self, agent: &Agent) {
        self.agents.guard().by_number.remove(&agent.number);
    }

    /// Ends the calls that an agent of this port has made or works on.
    pub(crate) fn end_calls_of(&self, agent: &Arc<Agent>, outcome: &dyn Fn() -> Outcome) {
        let calls = self.calls.guard().take_of(agent);
        for call in calls {
            call.recipient.cancel(&call.id);
            self.settle(&call, outcome());
        }
        let cancelled = self.tickets.guard().cancel_all_of(agent);
        for (ticket, caller, request) in cancelled {
            self.push(Event::Cancelled { ticket });
            caller.settle_request(&request, outcome());
        }
    }

    pub(crate) fn settle(&self, call: &Call, outcome: Outcome) {
        self.push(Event::Settled { call: call.number, id: Some(call.id), outcome });
    }

    pub(crate) fn push(&self, event: Event) {
        self.events.guard().push_back(event);
        self.wake_from_afar();
    }

    /// Another thread wakes the face, once until it next flushes; the face's own thread flushes anyway.
    fn wake_from_afar(&self) {
        if thread::current().id() != self.home && !self.woken.swap(true, Ordering::AcqRel) {
            (self.waker)();
        }
    }
}

/// Messages on their way through worker threads.
pub(crate) struct UnderWay {
    port: Arc<Port>,
    messages: usize,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.port.under_way.fetch_sub(self.messages, Ordering::AcqRel);
        if self.port.is_ripe() {
            self.port.wake_from_afar(); // it may have held back for these
        }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("agents", &self.agents.guard().by_number.len()).finish_non_exhaustive()
    }
}

pub(crate) fn closed_outcome(message: &'static str) -> Outcome {
    Outcome::Failed { error: Error::new(ErrorKind::AgentClosed, message), remote: None }
}

fn encode(payload: Payload) -> Result<(Body, &'static str)> {
    match payload {
        Payload::Json(text) => {
            payload::check_json(&text)?;
            Ok((text.into_bytes(), JSON))
        }
        Payload::Bytes(bytes) => Ok((bytes, OCTETS)),
    }
}
