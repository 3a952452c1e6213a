//! One agent: its key, what it has to sign, what waits for it.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use xbind::message::JSON;
use xbind::{
    Did, Error, ErrorKind, InReplyTo, MessageId, Op, Policy, ReplayWindow, Result, SigningKey, Unsigned,
    VerifiedMessage, VerifyingKey,
};

use crate::bus::Bus;
use crate::clock;
use crate::event::{Body, Event, Outcome, Payload};
use crate::port::{Port, closed_outcome};
use crate::refusal::Refusal;
use crate::sync::Lock;
use crate::tickets::Running;

/// Where an agent's signatures come from.
#[derive(Debug)]
pub enum Signer {
    /// A key in this process, wiped when the agent closes.
    Local(SigningKey),
    /// A key elsewhere (a KMS, an HSM): the face is asked with [`Event::Sign`].
    Remote(VerifyingKey),
}

/// The bounds of one agent.
#[derive(Clone, Copy, Debug)]
pub struct AgentOptions {
    /// The most bytes of a body, sent or received.
    pub max_payload_bytes: usize,
    /// Life of a message in seconds, 1 to 300.
    pub message_ttl: u32,
    /// The most messages that wait in the inbox, and the most calls that wait for the handler.
    pub inbox_messages: usize,
    /// The most bytes of bodies that wait.
    pub inbox_bytes: usize,
    /// The most calls that the handler works on at once.
    pub concurrency: usize,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            max_payload_bytes: 1 << 20,
            message_ttl: 5,
            inbox_messages: 1024,
            inbox_bytes: 16 << 20,
            concurrency: 64,
        }
    }
}

/// The most messages whose signatures one recipient remembers.
const REPLAY_CAPACITY: usize = 1_000_000;

/// The room that an agent keeps for messages to sign, from one batch to the next.
const KEPT_OUTBOX: usize = 64;

/// Who may call an agent that has a handler.
#[derive(Debug)]
pub enum Allow {
    /// Everybody on the bus.
    Everyone,
    /// The agents of these DIDs.
    Only(Box<HashSet<Did>>),
}

pub(crate) struct Outgoing {
    pub(crate) op: Op,
    pub(crate) id: MessageId,
    pub(crate) to: Arc<Agent>,
    pub(crate) body: Body,
    pub(crate) content_type: &'static str,
    /// What the caller presents; it travels beside the message.
    pub(crate) token: Option<String>,
    pub(crate) in_reply_to: Option<InReplyTo>,
    /// The caller's pending call; none for replies.
    pub(crate) call: Option<u64>,
}

impl Request {
    /// What it takes of the recipient's bounds, in bytes.
    fn size(&self) -> usize {
        self.message.body().len().saturating_add(self.token.as_ref().map_or(0, String::len))
    }
}

impl Outgoing {
    /// The call that this is, or that it answers.
    fn request_id(&self) -> &MessageId {
        self.in_reply_to.as_ref().map_or(&self.id, |request| &request.id)
    }

    /// Whether somebody still waits for the end of that call.
    pub(crate) fn is_awaited(&self, sender: &Agent) -> bool {
        let caller = if self.call.is_some() { sender } else { &*self.to };
        caller.port.calls.guard().is_pending(self.request_id())
    }
}

/// An opened request on its way to the handler or the inbox.
pub(crate) struct Request {
    pub(crate) message: VerifiedMessage<Body>,
    /// What the message presents, and signs for.
    pub(crate) token: Option<String>,
    pub(crate) reference: InReplyTo,
    pub(crate) caller: Arc<Agent>,
}

#[derive(Default)]
struct State {
    closed: bool,
    handler: Option<Allow>,
    running: usize,
    /// Calls for the handler, beyond `concurrency`.
    waiting: VecDeque<Request>,
    inbox: VecDeque<VerifiedMessage<Body>>,
    /// Bytes of the bodies in `waiting` and `inbox`.
    waiting_bytes: usize,
    /// The face waits for the inbox.
    listening: bool,
    outbox: Vec<Outgoing>,
    /// On a list of agents to flush, or being flushed: at most one batch of an agent is under way, which keeps its order.
    queued: bool,
    /// What the identity provider was asked to sign.
    asked: Option<Box<Asked>>,
    /// How often it was asked.
    times_asked: u32,
}

/// A batch that waits for the identity provider.
struct Asked {
    /// Which asking it was, so that a late answer is not taken for another's.
    time: u32,
    unsigned: Unsigned,
    batch: Vec<Outgoing>,
    /// Calls, made or answered here, that somebody still waits for.
    awaited: HashSet<MessageId>,
}

/// An agent on a bus.
pub struct Agent {
    pub(crate) number: u32,
    /// Later agents of the same DID stand before earlier ones.
    pub(crate) serial: u64,
    pub(crate) bus: Arc<Bus>,
    pub(crate) port: Arc<Port>,
    did: Did,
    name: Option<Box<str>>,
    /// None for keys elsewhere, and after closing.
    key: Mutex<Option<SigningKey>>,
    remote: Option<Box<VerifyingKey>>,
    /// None before the first message: most agents of a large fleet are idle.
    replay: OnceLock<Box<ReplayWindow>>,
    options: AgentOptions,
    state: Mutex<State>,
}

impl Agent {
    pub(crate) fn new(
        number: u32,
        serial: u64,
        bus: Arc<Bus>,
        port: Arc<Port>,
        signer: Signer,
        name: Option<String>,
        options: AgentOptions,
    ) -> Self {
        let (did, key, remote) = match signer {
            Signer::Local(key) => (*key.did(), Some(key), None),
            Signer::Remote(key) => (*key.did(), None, Some(Box::new(key))),
        };
        Self {
            number,
            serial,
            bus,
            port,
            did,
            name: name.map(String::into_boxed_str),
            key: Mutex::new(key),
            remote,
            replay: OnceLock::new(),
            options,
            state: Mutex::default(),
        }
    }

    /// The agent's DID.
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// The agent's label.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Lends the signing key, while the agent is open and the key is here.
    pub fn with_key<T>(&self, use_key: impl FnOnce(&SigningKey) -> T) -> Option<T> {
        self.key.guard().as_ref().map(use_key)
    }

    /// Notes that something signed by `signer` was used here, until the second `until` has passed.
    ///
    /// # Errors
    /// `REPLAYED` if it was used before, `REPLAY_WINDOW_FULL`.
    pub fn use_once(&self, signer: &Did, id: &MessageId, until: u64) -> Result<()> {
        self.replay().reserve(signer, id, until.saturating_add(xbind::message::DEFAULT_SKEW), clock::now())?.commit();
        Ok(())
    }

    pub(crate) fn check_size(&self, bytes: usize) -> Result<()> {
        let limit = self.options.max_payload_bytes;
        if bytes <= limit {
            return Ok(());
        }
        Err(Error::new(ErrorKind::PayloadTooLarge, format!("a payload of {bytes} bytes is over the limit of {limit}"))
            .with_hint("send less, or raise maxPayloadBytes on both sides"))
    }

    /// From now on the face's handler answers calls; without one they go to the inbox.
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn handle(self: &Arc<Self>, allow: Option<Allow>) -> Result<()> {
        let mut state = self.state.guard();
        if state.closed {
            return Err(Error::new(ErrorKind::AgentClosed, "this agent is closed"));
        }
        state.handler = allow;
        if state.handler.is_none() {
            for request in std::mem::take(&mut state.waiting) {
                state.waiting_bytes = state.waiting_bytes.saturating_sub(request.size());
                self.to_inbox(&mut state, request);
            }
        }
        Ok(())
    }

    /// Takes at most `max` messages from the inbox, oldest first. With `listen`, an empty inbox announces its next
    /// message with [`Event::Arrived`].
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn receive(&self, max: usize, listen: bool) -> Result<Vec<VerifiedMessage<Body>>> {
        let mut state = self.state.guard();
        if state.closed {
            return Err(Error::new(ErrorKind::AgentClosed, "this agent is closed"));
        }
        let count = state.inbox.len().min(max);
        let messages: Vec<_> = state.inbox.drain(..count).collect();
        let bytes = messages.iter().fold(0_usize, |sum, message| sum.saturating_add(message.body().len()));
        state.waiting_bytes = state.waiting_bytes.saturating_sub(bytes);
        state.listening = listen && messages.is_empty();
        if state.inbox.is_empty() {
            state.inbox.shrink_to(16);
        }
        Ok(messages)
    }

    /// Adds to what the agent has to sign with the next flush of its port.
    pub(crate) fn enqueue(self: &Arc<Self>, outgoing: Outgoing) {
        let mut state = self.state.guard();
        if !state.closed {
            self.put_out(&mut state, outgoing);
        }
    }

    fn put_out(self: &Arc<Self>, state: &mut State, outgoing: Outgoing) {
        let bytes = outgoing.body.len();
        state.outbox.push(outgoing);
        let joins = !std::mem::replace(&mut state.queued, true);
        self.port.add_dirty(joins.then_some(self), 1, bytes);
    }

    /// What to seal next, at most a batch.
    pub(crate) fn take_batch(&self) -> Vec<Outgoing> {
        let mut state = self.state.guard();
        let rest = state.outbox.len().min(xbind::batch::MAX_BATCH);
        let mut rest = state.outbox.split_off(rest);
        rest.reserve(state.outbox.len().min(KEPT_OUTBOX)); // as much may come again
        std::mem::replace(&mut state.outbox, rest)
    }

    pub(crate) fn outbox_len(&self) -> usize {
        self.state.guard().outbox.len()
    }

    /// A batch is through; the agent may have more to sign by now.
    pub(crate) fn batch_done(self: &Arc<Self>) {
        let mut state = self.state.guard();
        state.queued = !state.outbox.is_empty();
        if state.queued {
            self.port.add_dirty(Some(self), 0, 0);
        } else {
            state.outbox = Vec::new();
        }
    }

    pub(crate) fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Asks the identity provider. The answer comes to [`Agent::signed`].
    pub(crate) fn ask_signature(&self, unsigned: Unsigned, batch: Vec<Outgoing>) {
        let bytes = unsigned.to_sign().to_vec();
        let awaited = batch.iter().map(|outgoing| *outgoing.request_id()).collect();
        let mut state = self.state.guard();
        let time = state.times_asked.wrapping_add(1);
        state.times_asked = time;
        state.asked = Some(Box::new(Asked { time, unsigned, batch, awaited }));
        self.port.push(Event::Sign { agent: self.number, time, bytes });
    }

    /// Nobody waits for the end of that call any more. A provider that does not answer holds up only those who do.
    pub(crate) fn forget(self: &Arc<Self>, request: &MessageId) {
        let mut state = self.state.guard();
        let Some(asked) = &mut state.asked else { return };
        asked.awaited.remove(request);
        if asked.awaited.is_empty() {
            state.asked = None;
            drop(state);
            self.batch_done();
        }
    }

    pub(crate) fn signed(self: &Arc<Self>, time: u32, signature: Option<[u8; 64]>) {
        let asked = self.state.guard().asked.take_if(|asked| asked.time == time);
        let Some(asked) = asked else { return };
        let Asked { unsigned, batch, .. } = *asked;
        let valid = signature
            .filter(|signature| self.remote.as_ref().is_some_and(|key| key.verify(unsigned.to_sign(), signature)));
        match valid {
            Some(signature) => crate::flush::deliver(self, unsigned.finish(&signature), batch),
            None => {
                let error = Error::new(ErrorKind::SignFailed, "the identity provider gave no valid signature")
                    .with_hint("sign the bytes as they are, with the Ed25519 key of getDID(), and return 64 bytes");
                crate::flush::fail(self, batch, &error);
            }
        }
        self.batch_done();
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            audience: self.did,
            clock_skew: 0, // one clock for all agents of this process
            max_lifetime: 300,
            max_body: self.options.max_payload_bytes,
            track_replies: false, // opening one consumes the pending call it answers
        }
    }

    pub(crate) fn replay(&self) -> &ReplayWindow {
        self.replay.get_or_init(|| Box::new(ReplayWindow::new(REPLAY_CAPACITY)))
    }

    pub(crate) fn message_ttl(&self) -> u32 {
        self.options.message_ttl
    }

    /// Where an opened call or send goes: to the handler, to the inbox, or back with a refusal.
    pub(crate) fn admit(self: &Arc<Self>, request: Request) {
        let mut state = self.state.guard();
        if state.closed {
            drop(state);
            let outcome = closed_outcome("the agent has left the bus");
            return request.caller.settle_request(&request.reference.id, outcome);
        }
        let allowed = match &state.handler {
            Some(allow) if request.message.op() == Op::Call => match allow {
                Allow::Everyone => true,
                Allow::Only(dids) => dids.contains(request.message.from()),
            },
            _ => return self.to_inbox(&mut state, request),
        };
        if !allowed {
            self.refuse(&mut state, request.caller, request.reference, ErrorKind::NotAllowed);
        } else if state.running < self.options.concurrency {
            self.dispatch(&mut state, request);
        } else if self.has_room(&state, request.size()) {
            state.waiting_bytes = state.waiting_bytes.saturating_add(request.size());
            state.waiting.push_back(request);
        } else {
            self.refuse(&mut state, request.caller, request.reference, ErrorKind::InboxFull);
        }
    }

    fn dispatch(self: &Arc<Self>, state: &mut State, request: Request) {
        let Request { message, token, reference, caller } = request;
        state.running = state.running.saturating_add(1);
        let running = Running { agent: self.clone(), caller, request: reference, cancelled: false };
        let ticket = self.port.tickets.guard().open(running);
        self.port.push(Event::Call {
            agent: self.number,
            ticket,
            id: *message.id(),
            from: *message.from(),
            issued_at: message.issued_at(),
            payload: Payload::of(message),
            token,
        });
    }

    /// The handler is done with one call; the next one that waits may go.
    pub(crate) fn finished(self: &Arc<Self>) {
        let mut state = self.state.guard();
        state.running = state.running.saturating_sub(1);
        if state.running < self.options.concurrency
            && let Some(request) = state.waiting.pop_front()
        {
            state.waiting_bytes = state.waiting_bytes.saturating_sub(request.size());
            self.dispatch(&mut state, request);
        }
    }

    fn has_room(&self, state: &State, bytes: usize) -> bool {
        state.waiting.len().saturating_add(state.inbox.len()) < self.options.inbox_messages
            && state.waiting_bytes.saturating_add(bytes) <= self.options.inbox_bytes
    }

    fn to_inbox(self: &Arc<Self>, state: &mut State, request: Request) {
        let Request { message, reference, caller, .. } = request;
        if !self.has_room(state, message.body().len()) {
            return self.refuse(state, caller, reference, ErrorKind::InboxFull);
        }
        let receipt =
            format!(r#"{{"status":"delivered","messageId":"{}","to":"{}"}}"#, message.id().text(), self.did.as_str());
        state.waiting_bytes = state.waiting_bytes.saturating_add(message.body().len());
        state.inbox.push_back(message);
        if std::mem::take(&mut state.listening) {
            self.port.push(Event::Arrived { agent: self.number });
        }
        self.answer(state, Op::Result, receipt.into_bytes(), caller, reference);
    }

    fn refuse(self: &Arc<Self>, state: &mut State, caller: Arc<Self>, request: InReplyTo, kind: ErrorKind) {
        self.answer(state, Op::Error, Refusal::of(kind).encode(), caller, request);
    }

    fn answer(self: &Arc<Self>, state: &mut State, op: Op, body: Body, caller: Arc<Self>, request: InReplyTo) {
        let Ok(outgoing) = self.reply(op, body, JSON, caller, request) else { return };
        self.put_out(state, outgoing);
    }

    pub(crate) fn reply(
        &self,
        op: Op,
        body: Body,
        content_type: &'static str,
        caller: Arc<Self>,
        request: InReplyTo,
    ) -> Result<Outgoing> {
        let id = clock::message_id()?;
        Ok(Outgoing { op, id, to: caller, body, content_type, token: None, in_reply_to: Some(request), call: None })
    }

    /// An agent that refuses a message after its signature was verified says so with a signed answer of its own.
    pub(crate) fn refuse_opened(self: &Arc<Self>, caller: Arc<Self>, request: InReplyTo, kind: ErrorKind) {
        let mut state = self.state.guard();
        self.refuse(&mut state, caller, request, kind);
    }

    /// The caller of that request has given up.
    pub(crate) fn cancel(self: &Arc<Self>, request: &MessageId) {
        self.forget(request);
        let ticket = self.port.tickets.guard().cancel(request);
        if let Some(ticket) = ticket {
            return self.port.push(Event::Cancelled { ticket });
        }
        let mut state = self.state.guard();
        let position = state.waiting.iter().position(|waiting| waiting.reference.id == *request);
        if let Some(waiting) = position.and_then(|position| state.waiting.remove(position)) {
            state.waiting_bytes = state.waiting_bytes.saturating_sub(waiting.size());
        }
    }

    /// Ends the pending call that this request was, if it still is.
    pub(crate) fn settle_request(&self, request: &MessageId, outcome: Outcome) {
        let taken = self.port.calls.guard().take_id(request);
        if let Some(call) = taken {
            self.port.settle(&call, outcome);
        }
    }

    /// Wipes the key and ends all that is under way. The bus must have forgotten the agent before.
    pub(crate) fn close(self: &Arc<Self>) {
        if std::mem::replace(&mut self.state.guard().closed, true) {
            return;
        }
        drop(self.key.guard().take());
        self.end_all(&|| closed_outcome("the agent closed before it answered"));
        self.port.forget(self);
    }

    /// Ends every call that the agent has made, works on or has queued, with this outcome.
    pub(crate) fn end_all(self: &Arc<Self>, outcome: &dyn Fn() -> Outcome) {
        let state = {
            let mut state = self.state.guard();
            let State { closed, running, times_asked, queued, .. } = *state;
            let handler = if closed { None } else { state.handler.take() };
            let kept = State { closed, handler, running, times_asked, queued, ..State::default() };
            std::mem::replace(&mut *state, kept)
        };
        if state.asked.is_some() {
            self.batch_done();
        }
        self.port.end_calls_of(self, outcome);
        for request in state.waiting {
            request.caller.settle_request(&request.reference.id, outcome());
        }
        let asked = state.asked.map(|asked| asked.batch).unwrap_or_default();
        for outgoing in state.outbox.into_iter().chain(asked) {
            if let Some(request) = outgoing.in_reply_to {
                outgoing.to.settle_request(&request.id, outcome());
            }
        }
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("did", &self.did).field("name", &self.name).finish_non_exhaustive()
    }
}
