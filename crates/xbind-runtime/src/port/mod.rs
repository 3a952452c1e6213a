//! A port is where agents meet their face: a module instance of Node.js, a Rust program. Commands come in as method calls,
//! from any thread; what the face has to do goes out as [`Event`]s.

pub(crate) mod calls;
pub(crate) mod event;
pub(crate) mod senders;
pub(crate) mod slots;
pub(crate) mod tickets;

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hashbrown::HashMap;
use xbind::message::JSON;
use xbind::message::details;
use xbind::message::payload;
use xbind::{Details, Did, Error, ErrorKind, InReplyTo, Op, Result};

use crate::agent::lookup::{Draft, Lookup};
use crate::agent::outbox::Outgoing;
use crate::agent::{Agent, closed};
use crate::flush::batching::Dirty;
use crate::flush::refusal::Refusal;
use crate::guard::case::Question;
use crate::node::{Found, Node};
use crate::port::calls::{Call, Calls, MAX_PENDING, Stage};
use crate::port::event::{Body, Event, OCTETS, Outcome, Payload};
use crate::port::tickets::{Running, Tickets};
use crate::sync::Lock;
use crate::sync::after::{Task, enter, later};
use crate::sync::bell::Bell;
use crate::sync::clock;
use crate::sync::time::Time;
use crate::transport::Peer;
use crate::{AgentOptions, Signer, flush};

/// The most bytes of what a caller presents: a chain of delegations and an approval.
const MAX_TOKEN: usize = xbind::rights::presented::MAX_PRESENTED_BYTES;

/// Called, under no lock, when the port has events; must only see to it that [`Port::flush`] is called soon.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// What a handler made of a call.
#[derive(Debug)]
pub enum Reply {
    /// Its value.
    Payload(Payload),
    /// A refusal; at times with the JSON object that goes with its kind.
    Refused(ErrorKind, Option<String>),
}

/// Whether a handler may begin with a call.
#[derive(Debug)]
pub enum Start {
    /// It may, and [`Port::reply`] takes its answer.
    Run,
    /// The call has ended, or was refused just now.
    Gone,
    /// The policy that let it in is not the agent's any more, or there is no handler: [`Port::give_back`] lets others judge.
    Back,
    /// Find that out, and [`Port::judge`] again; [`Port::wait`] first if it takes time.
    Ask(Question),
    /// Somebody is asked; [`Event::Resumed`] says when to [`Port::judge`] again, from the beginning.
    Wait,
}

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
}

/// Numbers are never used again, so that a late event cannot reach another agent.
#[derive(Default)]
struct Agents {
    last: u32,
    by_number: HashMap<u32, Arc<Agent>>,
}

/// See the module's documentation.
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
    /// name), `INBOX_FULL`.
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
        let NewCall { agent, to, payload, one_way, timeout, token, method } = call;
        let caller = self.agent(agent)?;
        let found = caller.node.find(to)?;
        match &found {
            Found::Peer(peer) => caller.check_recipient(peer)?,
            Found::Ask => caller.node.check_running(&[caller.did()])?,
        }
        check_method(method.as_deref())?;
        let (body, content_type) = encode(payload)?;
        caller.check_size(body.len())?;
        let presented = token.as_ref().map_or(0, String::len);
        if presented > MAX_TOKEN {
            return Err(Error::new(ErrorKind::InvalidToken, format!("what is presented is over {MAX_TOKEN} bytes")));
        }
        let bytes = body.len().saturating_add(presented);
        let id = clock::message_id()?;
        caller.reserve_outbox(bytes)?;
        let deadline = timeout.and_then(|timeout| self.time.now().checked_add(timeout));
        let (recipient, stage) = match &found {
            Found::Peer(peer) => (Some(peer.clone()), Stage::Waiting),
            Found::Ask => (None, Stage::Sought),
        };
        let has_method = method.is_some();
        let call =
            Call { number: 0, caller: caller.clone(), recipient, id, one_way, has_method, stage, deadline, approves };
        let number = self.calls.guard().begin(call);
        let Some(number) = number else {
            caller.free_outbox(bytes);
            return Err(Error::new(ErrorKind::InboxFull, format!("{MAX_PENDING} calls wait for an answer here"))
                .with_hint("wait for some of them before making more"));
        };
        let op = if one_way { Op::Send } else { Op::Call };
        let details = Details { method: method.map(String::into_boxed_str), ..Details::default() };
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
            slot: None,
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
        if let Some(Peer::Here(recipient)) = &call.recipient {
            recipient.cancel(call.caller.did(), &call.id);
        }
    }

    /// A call that [`Port::judge`] wants back, with the payload that its [`Event::Call`] brought.
    pub fn give_back(&self, ticket: u64, payload: Payload) {
        let _entry = enter();
        let taken = self.tickets.guard().take(ticket);
        let Some(running) = taken else { return };
        let (agent, parked) = (running.agent.clone(), running.parked);
        let goes_on = !running.cancelled && agent.give_back(running, payload);
        if !goes_on && !parked {
            agent.finished(false);
        }
    }

    /// Answers a running call. One that was cancelled or whose agent closed needs no answer; then this does nothing. What
    /// cannot be sent becomes a refusal, and an [`Event::Unsent`].
    pub fn reply(self: &Arc<Self>, ticket: u64, reply: Reply) {
        let _entry = enter();
        let taken = self.tickets.guard().take(ticket);
        let Some(running) = taken else { return };
        let Running { agent, caller, request, cancelled, begun, case, parked, .. } = running;
        if !parked {
            agent.finished(begun);
        }
        if let Some(call) = case.and_then(|case| case.approver_call()) {
            self.abandon(call);
        }
        if cancelled {
            return;
        }
        let payload = match reply {
            Reply::Payload(payload) => payload,
            Reply::Refused(kind, detail) => return Self::refuse(&agent, caller, request, Refusal { kind, detail }),
        };
        let encoded = catch_unwind(AssertUnwindSafe(|| encode(payload))).unwrap_or_else(|_| Err(flush::internal()));
        match encoded.and_then(|encoded| agent.check_size(encoded.0.len()).map(|()| encoded)) {
            Ok((body, content_type)) => agent.answer(Op::Result, body, content_type, caller, request),
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

    fn refuse(agent: &Arc<Agent>, caller: Peer, request: InReplyTo, mut refusal: Refusal) {
        if agent.check_size(refusal.encode().len()).is_err() {
            refusal.detail = None;
        }
        agent.answer(Op::Error, refusal.encode(), JSON, caller, request);
    }

    /// The identity provider's answer to [`Event::Sign`]; none if it failed.
    pub fn signed(&self, number: u32, round: u32, signature: Option<[u8; 64]>) {
        if let Ok(agent) = self.agent(number) {
            agent.signed(round, signature);
        }
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
        for (ticket, ..) in cancelled {
            self.cancelled(ticket);
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

fn check_method(method: Option<&str>) -> Result<()> {
    match method {
        Some(method) if !details::is_method(method) => {
            let why = "a method is named with 1 to 128 of A-Z a-z 0-9 _ . -";
            Err(Error::new(ErrorKind::InvalidConfig, why).with_hint("take the name from what the other agent offers"))
        }
        _ => Ok(()),
    }
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
