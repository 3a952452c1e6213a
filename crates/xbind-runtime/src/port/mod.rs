//! A port is where agents meet their face: a module instance of Node.js, a Rust program. Commands come in as method calls,
//! from any thread; what the face has to do goes out as [`Event`]s.

pub(crate) mod answer;
pub(crate) mod calls;
pub(crate) mod event;
pub(crate) mod parts;
pub(crate) mod senders;
pub(crate) mod slots;
pub(crate) mod tickets;

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hashbrown::HashMap;
use xbind::message::JSON;
use xbind::message::details;
use xbind::message::payload;
use xbind::{Details, Did, Error, ErrorKind, InReplyTo, MessageId, Op, Result};

use crate::agent::lookup::{Draft, Lookup};
use crate::agent::outbox::Outgoing;
use crate::agent::{Agent, closed};
use crate::flush::batching::Dirty;
use crate::node::{Found, Node};
use crate::port::calls::{Call, Calls, Granted, MAX_PENDING, Patience, Stage};
use crate::port::event::{Body, Event, OCTETS, Outcome, Payload};
use crate::port::parts::{Fits, Progress, Sink};
use crate::port::tickets::Tickets;
use crate::sync::Lock;
use crate::sync::after::{Task, enter, later};
use crate::sync::bell::Bell;
use crate::sync::clock;
use crate::sync::time::Time;
use crate::transport::Peer;
use crate::{AgentOptions, Signer, flush};

/// The most bytes of what a caller presents: a chain of delegations and an approval.
const MAX_TOKEN: usize = xbind::rights::MAX_PRESENTED_BYTES;

/// The most parts that a caller lets come ahead of its reader.
const MAX_WINDOW: u64 = 65_536;

/// Called, under no lock, when the port has events; must only see to it that [`Port::flush`] is called soon.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// A call to begin.
#[derive(Debug)]
pub struct NewCall<'a> {
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
    /// The method asked for.
    pub method: Option<String>,
    /// Where it belongs in a trace (W3C Trace Context).
    pub traceparent: Option<String>,
    /// With it, each part that comes or is read and each word of progress starts `timeout` anew, up to this time for the whole
    /// call, and words of progress are told with [`Event::Progress`].
    pub total: Option<Duration>,
    /// With it the answer may come in parts, each told with [`Event::Part`]: how many may come before [`Port::took`] says
    /// that they were read. [`WINDOW`](crate::WINDOW) suits most.
    pub window: Option<u64>,
}

impl Default for NewCall<'_> {
    fn default() -> Self {
        Self {
            agent: 0,
            to: "",
            payload: Payload::Bytes(Vec::new()),
            one_way: false,
            timeout: None,
            token: None,
            method: None,
            traceparent: None,
            total: None,
            window: None,
        }
    }
}

/// Numbers are never used again, so that a late event cannot reach another agent.
#[derive(Default)]
struct Agents {
    last: u32,
    by_number: HashMap<u32, Arc<Agent>>,
}

/// Where agents meet their face. Commands come in as method calls, from any thread; what the face has to do goes out as
/// [`Event`]s.
pub struct Port {
    waker: Waker,
    pub(crate) time: Time,
    pub(crate) bell: Bell,
    pub(crate) events: Mutex<VecDeque<Event>>,
    agents: Mutex<Agents>,
    pub(crate) dirty: Mutex<Dirty>,
    /// Messages that worker threads are sealing and opening for agents of this port.
    pub(crate) under_way: AtomicUsize,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) tickets: Mutex<Tickets>,
    watched: AtomicBool,
}

impl Port {
    /// A port whose deadlines go by that time.
    #[must_use]
    pub fn new(waker: Waker, time: Time) -> Arc<Self> {
        Arc::new(Self {
            waker,
            time,
            bell: Bell::default(),
            events: Mutex::default(),
            agents: Mutex::default(),
            dirty: Mutex::default(),
            under_way: AtomicUsize::new(0),
            calls: Mutex::default(),
            tickets: Mutex::default(),
            watched: AtomicBool::new(false),
        })
    }

    /// Brings an agent onto a node and returns its number on this port. One whose key is elsewhere is listed once the face
    /// has answered the [`Event::Sign`] that this causes; what is asked of it and by it meanwhile waits.
    ///
    /// # Errors
    /// `INVALID_NAME`, `INVALID_CONFIG`, `AGENT_CLOSED` for a closed node.
    pub fn join(
        self: &Arc<Self>,
        node: &Arc<Node>,
        signer: Signer,
        name: Option<String>,
        options: AgentOptions,
    ) -> Result<u32> {
        let _entry = enter();
        let mut agents = self.agents.guard();
        let number = agents.last.checked_add(1);
        let number = number.ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "too many agents were made"))?;
        let agent = node.admit(self, number, signer, name, options)?;
        agents.last = number;
        agents.by_number.insert(number, agent.clone());
        drop(agents);
        if agent.is_remote() {
            agent.prove()?;
        }
        Ok(number)
    }

    /// Whether the face wants to hear of all refusals, by [`Event::Decided`].
    pub fn watch(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// The agent of that number.
    ///
    /// # Errors
    /// `AGENT_CLOSED` where there is none any more.
    pub fn agent(&self, number: u32) -> Result<Arc<Agent>> {
        let agent = self.agents.guard().by_number.get(&number).cloned();
        agent.ok_or_else(closed)
    }

    /// Begins a call, which goes out with the next [`Port::flush`], and returns its number. An [`Event::Settled`] tells how
    /// it ended.
    ///
    /// # Errors
    /// Why it cannot begin: `AGENT_CLOSED`, `AGENT_NOT_FOUND`, `AMBIGUOUS_NAME`, `INVALID_NAME`, `INVALID_DID`, `REVOKED`,
    /// `WRONG_AUDIENCE`, `INVALID_PAYLOAD`, `PAYLOAD_TOO_LARGE`, `INVALID_TOKEN`, `INVALID_CONFIG` (a method that can have no such
    /// name, a traceparent that is none, a window out of bounds), `INBOX_FULL`.
    pub fn call(self: &Arc<Self>, call: NewCall<'_>) -> Result<u64> {
        self.call_for(call, None)
    }

    /// The same, at times to ask for an approval of the call that runs under that ticket.
    pub(crate) fn call_for(self: &Arc<Self>, call: NewCall<'_>, ticket: Option<u64>) -> Result<u64> {
        let _entry = enter();
        let begun = catch_unwind(AssertUnwindSafe(|| self.begin(call, ticket)));
        begun.unwrap_or_else(|_| Err(flush::internal()))
    }

    fn begin(self: &Arc<Self>, call: NewCall<'_>, approves: Option<u64>) -> Result<u64> {
        let NewCall { agent, to, payload, one_way, timeout, token, method, traceparent, total, window } = call;
        let caller = self.agent(agent)?;
        let found = caller.node.find(to)?;
        match &found {
            Found::Peer(peer) => caller.check_recipient(peer)?,
            Found::Ask => caller.node.check_running(&[caller.did()])?,
        }
        check_details(method.as_deref(), traceparent.as_deref(), window)?;
        let (body, content_type) = encode(payload)?;
        caller.check_size(body.len())?;
        let presented = token.as_ref().map_or(0, String::len);
        if presented > MAX_TOKEN {
            return Err(Error::new(ErrorKind::InvalidToken, format!("what is presented is over {MAX_TOKEN} bytes")));
        }
        let bytes = body.len().saturating_add(presented);
        let id = clock::message_id()?;
        caller.reserve_outbox(bytes)?;
        let now = self.time.now();
        let until = total.or(timeout).and_then(|total| now.checked_add(total));
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout)).or(until);
        let deadline = until.map_or(deadline, |until| deadline.map(|deadline| deadline.min(until)));
        let (recipient, stage) = match &found {
            Found::Peer(peer) => (Some(peer.clone()), Stage::Waiting),
            Found::Ask => (None, Stage::Sought),
        };
        let call = Call {
            number: 0,
            caller: caller.clone(),
            recipient,
            id,
            one_way,
            has_method: method.is_some(),
            stage,
            deadline,
            approves,
            patience: total.map(|total| Patience { each: timeout.unwrap_or(total), until }),
            sink: window.filter(|_| !one_way).map(Sink::new),
            last_word: None,
        };
        let number = self.calls.guard().begin(call);
        let Some(number) = number else {
            caller.free_outbox(bytes);
            return Err(Error::new(ErrorKind::InboxFull, format!("{MAX_PENDING} calls wait for an answer here"))
                .with_hint("wait for some of them before making more"));
        };
        let op = if one_way { Op::Send } else { Op::Call };
        let details = Details {
            method: method.map(String::into_boxed_str),
            traceparent: traceparent.map(String::into_boxed_str),
            window: window.filter(|_| !one_way),
            ..Details::default()
        };
        let draft = move |to| Outgoing {
            op,
            id,
            to,
            body,
            content_type,
            token,
            in_reply_to: None,
            details,
            call: Some(number),
            until: until.filter(|_| !one_way),
            slot: None,
            _guard: None,
        };
        self.send_off(&caller, to, found, number, bytes, Box::new(draft));
        if !caller.outbox.guard().listed {
            caller.prove()?; // again, where an earlier proof failed
        }
        Ok(number)
    }

    /// Into the outbox, or behind earlier calls whose recipient is looked up.
    fn send_off(&self, caller: &Arc<Agent>, to: &str, found: Found, number: u64, bytes: usize, draft: Draft) {
        let mut outbox = caller.outbox.guard();
        if outbox.closed {
            drop(outbox);
            return caller.fail_call(number, closed());
        }
        let found = match found {
            Found::Peer(peer) if !outbox.looks_up() => {
                return caller.put_out(&mut outbox, draft(peer));
            }
            Found::Peer(peer) => Some(Ok(peer)),
            Found::Ask => None,
        };
        let known = found.clone();
        let first = {
            let calls = self.calls.guard();
            let lookup = Lookup { to: to.into(), number, draft, found };
            outbox.lookups().push(lookup, bytes, |number| calls.is_pending(number))
        };
        if let Some(found) = known {
            outbox.lookups().resolved(to, &found);
            return caller.release_lookups(&mut outbox);
        }
        drop(outbox);
        if first {
            caller.node.seek(caller, to);
        }
    }

    /// The caller gives up: the call is forgotten without an event, and the handler that works on it is told.
    pub fn abandon(&self, call: u64) {
        let _entry = enter();
        let taken = self.calls.guard().take(call);
        if let Some(call) = taken {
            Self::give_up(&call);
            if matches!(call.stage, Stage::Sought) {
                call.caller.lookups_ended();
            }
        }
    }

    /// Nobody waits for that call any more.
    pub(crate) fn give_up(call: &Call) {
        call.caller.forget_asked(&call.id);
        if !matches!(call.stage, Stage::Sealed(_)) {
            call.caller.forget_unsealed(&call.id);
        }
        match (&call.recipient, call.stage) {
            (Some(Peer::Here(recipient)), _) => recipient.cancel(call.caller.did(), &call.id),
            (Some(there), Stage::Sealed(digest)) if !call.one_way => {
                let request = InReplyTo { id: call.id, digest };
                call.caller.say(Op::Cancel, there.clone(), request, Details::default());
            }
            _ => {}
        }
    }

    /// The face has read so many parts of the answer to a call: as many more may come.
    pub fn took(&self, call: u64, parts: u64) {
        let _entry = enter();
        let granted = self.calls.guard().read(call, parts, self.time.now());
        let Some(Granted { caller, to, request, window }) = granted else { return };
        match to {
            Peer::Here(recipient) => recipient.grant(caller.did(), &request.id, window),
            there @ Peer::There(_) => {
                caller.say(Op::More, there, request, Details { window: Some(window), ..Details::default() });
            }
        }
    }

    /// Part `seq` of the answer to a call of this port.
    pub(crate) fn part_came(self: &Arc<Self>, id: &MessageId, seq: u64, payload: Payload) {
        let came = self.calls.guard().part(id, seq, self.time.now());
        match came {
            Some((call, Fits::Next)) => self.push(Event::Part { call, payload }),
            Some((call, Fits::Never)) => {
                let taken = self.calls.guard().take(call);
                if let Some(call) = taken {
                    Self::give_up(&call);
                    self.settle(&call, Outcome::Failed { error: incomplete(), remote: None });
                }
            }
            Some((_, Fits::Again)) | None => {}
        }
    }

    /// Word `seq` of progress of a call of this port.
    pub(crate) fn word_came(self: &Arc<Self>, id: &MessageId, seq: u64, body: &[u8]) {
        let Some(progress) = Progress::decode(body) else { return };
        let call = self.calls.guard().word(id, seq, self.time.now());
        if let Some(call) = call {
            self.push(Event::Progress { call, progress });
        }
    }

    /// The identity provider's answer to [`Event::Sign`]; none if it failed. False if it is not by the key of its DID,
    /// though somebody waits for it.
    pub fn signed(&self, number: u32, round: u32, signature: Option<[u8; 64]>) -> bool {
        self.agent(number).map_or(true, |agent| agent.signed(round, signature))
    }

    /// Lets nothing new in at an agent that is about to close: an [`Event::Idle`] tells when its handlers have ended and
    /// their answers are out. Callers get `AGENT_CLOSED`; what the agent itself asks of others goes on.
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn retire(&self, number: u32) -> Result<()> {
        let _entry = enter();
        self.agent(number)?.retire();
        Ok(())
    }

    /// Closes one agent: pending calls from it and to it end with `AGENT_CLOSED`, its key is wiped.
    pub fn close(&self, number: u32) {
        let _entry = enter();
        let Ok(agent) = self.agent(number) else { return };
        agent.node.remove(&agent);
        agent.close();
    }

    /// Closes all agents, when the face goes.
    pub fn close_all(&self) {
        let agents: Vec<_> = self.agents.guard().by_number.keys().copied().collect();
        for number in agents {
            self.close(number);
        }
    }

    /// Nothing of the port leads to that agent any more, but for handlers that still run for it.
    pub(crate) fn forget(&self, agent: &Arc<Agent>) {
        let number = self.agents.guard().by_number.remove(&agent.number);
        self.dirty.guard().agents.retain(|other| !Arc::ptr_eq(other, agent));
        drop(number);
    }

    /// An identity was stopped: calls from here to it end, and handlers here that work for it are told.
    pub(crate) fn end_with(self: &Arc<Self>, did: &Did) {
        let lost = self.calls.guard().take_to(did);
        for call in lost {
            let error = crate::node::stopped(did);
            Self::give_up(&call);
            self.settle(&call, Outcome::Failed { error, remote: None });
        }
        let cancelled = self.tickets.guard().cancel_all(|running| running.caller.did() == did);
        for (ticket, back) in cancelled {
            self.cancelled(ticket);
            back.end(ErrorKind::Revoked);
        }
    }

    pub(crate) fn settle(self: &Arc<Self>, call: &Call, outcome: Outcome) {
        if let Some(ticket) = call.approves {
            return later(Task::Approval(self.clone(), ticket, outcome));
        }
        self.push(Event::Settled { call: call.number, id: call.id, outcome });
    }

    pub(crate) fn push(self: &Arc<Self>, event: Event) {
        self.events.guard().push_back(event);
        self.wake();
    }

    /// The face is woken once until it next flushes, and after all locks are released.
    pub(crate) fn wake(self: &Arc<Self>) {
        if self.bell.ring() {
            later(Task::Wake(self.clone()));
        }
    }

    pub(crate) fn ring(&self) {
        (self.waker)();
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

fn check_details(method: Option<&str>, traceparent: Option<&str>, window: Option<u64>) -> Result<()> {
    if !method.is_none_or(details::is_method) {
        let why = "a method is named with 1 to 128 of A-Z a-z 0-9 _ . -";
        return Err(
            Error::new(ErrorKind::InvalidConfig, why).with_hint("take the name from what the other agent offers")
        );
    }
    if !traceparent.is_none_or(details::is_traceparent) {
        let why = "the traceparent is none of W3C Trace Context";
        return Err(Error::new(ErrorKind::InvalidConfig, why));
    }
    if window.is_some_and(|window| window == 0 || window > MAX_WINDOW) {
        return Err(Error::new(ErrorKind::InvalidConfig, format!("a window is 1 to {MAX_WINDOW} parts")));
    }
    Ok(())
}

/// The answer is not whole.
pub(crate) fn incomplete() -> Error {
    Error::new(ErrorKind::ReplyMismatch, "a part of the answer is missing").with_hint("make the call again")
}

pub(crate) fn encode(payload: Payload) -> Result<(Body, &'static str)> {
    match payload {
        Payload::Json(text) => {
            payload::check_json(&text)?;
            Ok((text.into_bytes(), JSON))
        }
        Payload::Bytes(bytes) => Ok((bytes, OCTETS)),
    }
}
