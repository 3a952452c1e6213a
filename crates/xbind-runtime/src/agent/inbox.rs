//! What comes in at an agent: to the handler, to the inbox, or back with a refusal.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::mem::take;
use std::sync::Arc;
use std::time::Instant;

use xbind::message::JSON;
use xbind::{Details, Did, Error, ErrorKind, InReplyTo, MessageId, Op, PendingCall, Result, VerifiedMessage};

use crate::agent::outbox::Outgoing;
use crate::agent::room::{Room, Slot};
use crate::agent::{Agent, closed};
use crate::flush::refusal::Refusal;
use crate::port::event::{Body, Event, OCTETS, Payload};
use crate::port::parts::{Guard, Said, Source};
use crate::port::tickets::Running;
use crate::sync::Lock;
use crate::sync::clock;
use crate::transport::{Peer, Route};

/// Who may call an agent that has a handler.
#[derive(Debug)]
pub enum Allow {
    /// Everybody on the node.
    Everyone,
    /// The agents of these DIDs.
    Only(Box<HashSet<Did>>),
}

impl Allow {
    pub(crate) fn includes(&self, did: &Did) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(dids) => dids.contains(did),
        }
    }
}

/// An opened request on its way to the handler or the inbox.
pub(crate) struct Request {
    pub(crate) message: VerifiedMessage<Body>,
    /// What the message presents, and signs for.
    pub(crate) token: Option<String>,
    pub(crate) reference: InReplyTo,
    pub(crate) caller: Peer,
    /// When its caller waits no more, by what it says.
    pub(crate) until: Option<Instant>,
    /// Its place here, where it has one already.
    pub(crate) slot: Option<Slot>,
}

impl Request {
    fn has_method(&self) -> bool {
        self.message.method().is_some()
    }

    /// What it takes of the recipient's bounds, in bytes.
    fn size(&self) -> usize {
        self.message.body().len().saturating_add(self.token.as_ref().map_or(0, String::len))
    }
}

/// A message in an inbox.
#[derive(Debug)]
pub struct Letter {
    /// The id of its message.
    pub id: MessageId,
    /// The sender, as its signature proved it.
    pub from: Did,
    /// Seconds since the epoch, by the sender's clock.
    pub issued_at: u64,
    /// A `send`; else a call that no handler took.
    pub one_way: bool,
    /// What the sender signed for.
    pub payload: Payload,
    /// Its place in the inbox, given back when the letter is dropped.
    _slot: Slot,
}

#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) closed: bool,
    handler: Option<Allow>,
    /// Who may call methods; where it says nothing, they are like other calls.
    methods: Option<Allow>,
    running: usize,
    /// Of those without a method, how many the handler has not begun with.
    unbegun: usize,
    /// Calls for the handler, beyond `concurrency`.
    waiting: VecDeque<Request>,
    letters: VecDeque<Letter>,
    /// The face waits for letters.
    listening: bool,
}

impl Inbox {
    /// Who may make a call with a method, or one without; none where nothing answers such calls.
    pub(crate) fn policy(&self, has_method: bool) -> Option<&Allow> {
        self.methods.as_ref().filter(|_| has_method).or(self.handler.as_ref())
    }

    pub(crate) fn new(handler: Option<Allow>, methods: Option<Allow>) -> Self {
        Self { handler, methods, ..Self::default() }
    }

    /// Whether calls are with the handler, or on their way to it.
    pub(crate) const fn is_running(&self) -> bool {
        self.running > 0
    }

    /// The calls that wait for the handler.
    pub(crate) fn take_waiting(&mut self) -> Vec<Request> {
        take(&mut self.waiting).into()
    }

    /// All that waits here, when the agent is closed or stopped.
    pub(crate) fn drain(&mut self) -> Vec<Request> {
        self.letters = VecDeque::new();
        take(&mut self.waiting).into()
    }

    /// What that sender has here.
    pub(crate) fn drain_from(&mut self, sender: &Did) -> Vec<Request> {
        self.letters.retain(|letter| letter.from != *sender);
        let (gone, kept): (Vec<_>, _) =
            take(&mut self.waiting).into_iter().partition(|request| request.message.from() == sender);
        self.waiting = kept.into();
        gone
    }
}

impl Inbox {
    /// What came over a connection that is lost, and waits for the handler.
    pub(crate) fn drop_route(&mut self, route: Route) {
        let came_over = |request: &Request| matches!(&request.caller, Peer::There(remote) if remote.route == route);
        self.waiting.retain(|request| !came_over(request));
    }
}

impl Agent {
    /// From now on the face's handler answers calls; without one they go to the inbox. Calls that wait are judged by the
    /// new policy.
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn handle(self: &Arc<Self>, allow: Option<Allow>) -> Result<()> {
        let takes_calls = allow.is_some();
        self.set_handlers(allow, None, takes_calls)
    }

    /// The same with a policy of their own for calls that name a method: they never go to the inbox. `takes_calls` says
    /// whether callers are to wait where there is no room, or are told so.
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn handle_methods(self: &Arc<Self>, handler: Option<Allow>, methods: Allow, takes_calls: bool) -> Result<()> {
        self.set_handlers(handler, Some(methods), takes_calls)
    }

    fn set_handlers(self: &Arc<Self>, handler: Option<Allow>, methods: Option<Allow>, takes_calls: bool) -> Result<()> {
        let _entry = crate::sync::after::enter();
        let mut inbox = self.inbox.guard();
        if inbox.closed {
            return Err(closed());
        }
        if self.is_retiring() {
            return Err(Error::new(ErrorKind::AgentClosed, "this agent is closing"));
        }
        self.set_takes_calls(takes_calls);
        inbox.handler = handler;
        inbox.methods = methods;
        self.advance(&mut inbox);
        drop(inbox);
        if !self.takes_calls() {
            Room::release_waiting(self);
        }
        Ok(())
    }

    /// Takes at most `max` messages from the inbox, oldest first. With `listen`, an empty inbox announces its next
    /// message with [`Event::Arrived`].
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn receive(&self, max: usize, listen: bool) -> Result<Vec<Letter>> {
        let _entry = crate::sync::after::enter();
        let mut inbox = self.inbox.guard();
        if inbox.closed {
            return Err(closed());
        }
        let count = inbox.letters.len().min(max);
        let letters: Vec<_> = inbox.letters.drain(..count).collect();
        inbox.listening = listen && letters.is_empty();
        if inbox.letters.is_empty() {
            inbox.letters.shrink_to(16);
        }
        Ok(letters)
    }

    /// Whether a call of that agent could get to the handler, or to the inbox where there is none.
    pub(crate) fn may_call(&self, caller: &Did, has_method: bool) -> bool {
        self.inbox.guard().policy(has_method).is_none_or(|allow| allow.includes(caller))
    }

    /// Where an opened call or send goes.
    pub(crate) fn admit(self: &Arc<Self>, request: Request) {
        let mut inbox = self.inbox.guard();
        if inbox.closed || self.is_retiring() {
            drop(inbox);
            return self.end_request(&request.caller, request.reference, ErrorKind::AgentClosed);
        }
        // Under the lock: whoever stops a sender looks here afterwards.
        if let Err(error) = self.node.check_running(&[request.message.from(), self.did()]) {
            drop(inbox);
            return self.end_request(&request.caller, request.reference, error.kind());
        }
        self.sort(&mut inbox, request);
    }

    fn sort(self: &Arc<Self>, inbox: &mut Inbox, request: Request) {
        let is_behind = || inbox.unbegun > 0 || inbox.waiting.iter().any(|before| !before.has_method());
        let allowed = match inbox.policy(request.has_method()) {
            Some(allow) if request.message.op() == Op::Call => allow.includes(request.message.from()),
            // Behind those that came before, which had a handler then and are on their way to the inbox.
            None if request.message.op() == Op::Call && is_behind() => return self.queue(inbox, request),
            _ => return self.to_inbox(inbox, request),
        };
        if !allowed {
            return self.refuse(request.caller, request.reference, ErrorKind::NotAllowed);
        }
        if inbox.running < self.options.concurrency {
            return self.dispatch(inbox, request);
        }
        self.queue(inbox, request);
    }

    fn queue(self: &Arc<Self>, inbox: &mut Inbox, mut request: Request) {
        if request.slot.is_none() {
            request.slot = Room::take(self, request.message.from(), request.size());
        }
        if request.slot.is_some() {
            inbox.waiting.push_back(request);
        } else {
            self.refuse(request.caller, request.reference, ErrorKind::InboxFull);
        }
    }

    fn dispatch(self: &Arc<Self>, inbox: &mut Inbox, request: Request) {
        let Request { message, token, reference, caller, until, .. } = request;
        if until.is_some_and(|until| until <= self.node.time().now()) {
            return; // it waited here for too long: nobody waits for the answer any more
        }
        let window = message.window();
        let running = Running {
            agent: self.clone(),
            caller: caller.clone(),
            request: reference,
            issued_at: message.issued_at(),
            has_method: message.method().is_some(),
            cancelled: false,
            begun: false,
            until,
            said: window.map_or(Said::Whole(None), |window| Said::Parts(Source::new(&self.port, window))),
            words: None,
        };
        let opened = self.port.tickets.guard().open(running);
        let Some(ticket) = opened else { return self.refuse(caller, reference, ErrorKind::InboxFull) };
        inbox.running = inbox.running.saturating_add(1);
        if message.method().is_none() {
            inbox.unbegun = inbox.unbegun.saturating_add(1);
        }
        self.port.push(Event::Call {
            agent: self.number,
            ticket,
            id: *message.id(),
            from: *message.from(),
            issued_at: message.issued_at(),
            method: message.method().map(Box::from),
            traceparent: message.traceparent().map(Box::from),
            in_parts: window.is_some(),
            payload: Payload::of(message),
            token,
        });
    }

    /// The handler begins with a call.
    pub(crate) fn begun(&self) {
        let mut inbox = self.inbox.guard();
        inbox.unbegun = inbox.unbegun.saturating_sub(1);
    }

    /// The handler is done with one call, or never began with it; those that wait are judged again, and the next may go.
    pub(crate) fn finished(self: &Arc<Self>, begun: bool) {
        let mut inbox = self.inbox.guard();
        inbox.running = inbox.running.saturating_sub(1);
        if !begun {
            inbox.unbegun = inbox.unbegun.saturating_sub(1);
        }
        self.advance(&mut inbox);
    }

    fn advance(self: &Arc<Self>, inbox: &mut Inbox) {
        loop {
            let Some(first) = inbox.waiting.front() else { return };
            let is_answered = inbox.policy(first.has_method()).is_some();
            // What was taken from the handler goes into the inbox first.
            let may_go = if is_answered { inbox.running < self.options.concurrency } else { inbox.unbegun == 0 };
            let Some(request) = may_go.then(|| inbox.waiting.pop_front()).flatten() else { return };
            match self.node.check_running(&[request.message.from(), self.did()]) {
                Ok(()) if !is_answered => self.to_inbox(inbox, request),
                Ok(()) => self.sort(inbox, request),
                Err(error) => self.refuse(request.caller, request.reference, error.kind()),
            }
        }
    }

    fn to_inbox(self: &Arc<Self>, inbox: &mut Inbox, mut request: Request) {
        if request.message.op() == Op::Call && request.message.method().is_some() {
            return self.refuse(request.caller, request.reference, ErrorKind::MethodNotFound);
        }
        let slot = request.slot.take().or_else(|| Room::take(self, request.message.from(), request.size()));
        let Some(slot) = slot else {
            return self.refuse(request.caller, request.reference, ErrorKind::InboxFull);
        };
        let letter = Letter {
            id: *request.message.id(),
            from: *request.message.from(),
            issued_at: request.message.issued_at(),
            one_way: request.message.op() == Op::Send,
            payload: Payload::of(request.message),
            _slot: slot,
        };
        self.put_in(inbox, letter, request.caller, request.reference);
    }

    fn put_in(self: &Arc<Self>, inbox: &mut Inbox, letter: Letter, caller: Peer, reference: InReplyTo) {
        let receipt =
            format!(r#"{{"status":"delivered","messageId":"{}","to":"{}"}}"#, letter.id.text(), self.did().as_str());
        self.tell(letter.id, letter.from, None);
        inbox.letters.push_back(letter);
        if take(&mut inbox.listening) {
            self.port.push(Event::Arrived { agent: self.number });
        }
        self.answer(Op::Receipt, receipt.into_bytes(), JSON, caller, reference, Details::default(), None);
    }

    /// A call whose handler was taken away before it began goes to the inbox after all.
    pub(crate) fn give_back(self: &Arc<Self>, running: Running, payload: Payload) {
        let Running { caller, request, issued_at, has_method, .. } = running;
        let mut inbox = self.inbox.guard();
        if inbox.closed || self.node.check_running(&[caller.did(), self.did()]).is_err() {
            return; // whoever closed or stopped has told the caller
        }
        if has_method {
            return self.refuse(caller, request, ErrorKind::MethodNotFound);
        }
        let from = *caller.did();
        if self.is_retiring() {
            drop(inbox);
            return self.end_request(&caller, request, ErrorKind::AgentClosed); // what is in the inbox goes with the agent
        }
        match Room::take(self, &from, payload.len()) {
            Some(slot) => {
                let letter = Letter { id: request.id, from, issued_at, one_way: false, payload, _slot: slot };
                self.put_in(&mut inbox, letter, caller, request);
            }
            None => self.refuse(caller, request, ErrorKind::InboxFull),
        }
    }

    pub(crate) fn refuse(self: &Arc<Self>, caller: Peer, request: InReplyTo, kind: ErrorKind) {
        self.tell(request.id, *caller.did(), Some(kind));
        self.answer(Op::Error, Refusal::of(kind).encode(), JSON, caller, request, Details::default(), None);
    }

    /// Says something of a call to the other side of it, elsewhere.
    pub(crate) fn say(self: &Arc<Self>, op: Op, to: Peer, request: InReplyTo, details: Details<Box<str>>) {
        self.answer(op, Vec::new(), OCTETS, to, request, details, None);
    }

    #[expect(clippy::too_many_arguments, reason = "a message has as many parts")]
    pub(crate) fn answer(
        self: &Arc<Self>,
        op: Op,
        body: Body,
        content_type: &'static str,
        caller: Peer,
        request: InReplyTo,
        details: Details<Box<str>>,
        guard: Option<Guard>,
    ) {
        let Ok(id) = clock::message_id() else { return };
        self.enqueue_answer(Outgoing {
            op,
            id,
            to: caller,
            body,
            content_type,
            token: None,
            in_reply_to: Some(request),
            details,
            call: None,
            until: None,
            slot: None,
            _guard: guard,
        });
    }

    /// What that caller may say of a call of that id: one that is worked on, or waits for it.
    pub(crate) fn works_on(&self, caller: &Did, request: &MessageId) -> Option<PendingCall> {
        let running = self
            .port
            .tickets
            .guard()
            .of(caller, request)
            .filter(|running| running.agent.did() == self.did())
            .map(Running::expected);
        running.or_else(|| {
            let inbox = self.inbox.guard();
            let is_it = |waiting: &&Request| waiting.reference.id == *request && waiting.message.from() == caller;
            inbox.waiting.iter().find(is_it).map(|waiting| PendingCall {
                peer: *caller,
                digest: waiting.reference.digest,
                one_way: false,
                has_method: waiting.message.method().is_some(),
                has_window: waiting.message.window().is_some(),
            })
        })
    }

    /// The caller of that request takes so many parts, counted from the first.
    pub(crate) fn grant(&self, caller: &Did, request: &MessageId, window: u64) {
        let source = match self.port.tickets.guard().of(caller, request) {
            Some(Running { said: Said::Parts(source), .. }) => source.clone(),
            _ => return,
        };
        source.grant(window);
    }

    /// The caller of that request has given up.
    pub(crate) fn cancel(self: &Arc<Self>, caller: &Did, request: &MessageId) {
        self.forget_asked(request);
        let ticket = self.port.tickets.guard().cancel(caller, request);
        if let Some(ticket) = ticket {
            return self.port.push(Event::Cancelled { ticket });
        }
        let mut inbox = self.inbox.guard();
        let is_it = |waiting: &Request| waiting.reference.id == *request && waiting.message.from() == caller;
        if let Some(place) = inbox.waiting.iter().position(is_it) {
            drop(inbox.waiting.remove(place));
        }
    }

    /// Ends a call of somebody else to this agent, which cannot answer it any more.
    pub(crate) fn end_request(self: &Arc<Self>, caller: &Peer, request: InReplyTo, kind: ErrorKind) {
        match caller {
            Peer::Here(caller) => {
                self.tell(request.id, *caller.did(), Some(kind));
                caller.settle_request(&request.id, self.ended(kind));
            }
            Peer::There(_) => self.refuse(caller.clone(), request, kind),
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("id", self.message.id()).finish_non_exhaustive()
    }
}
