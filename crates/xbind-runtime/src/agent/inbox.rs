//! What comes in at an agent: to the handler, to the inbox, or back with a refusal.

use std::collections::VecDeque;
use std::fmt;
use std::mem::take;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use xbind::message::JSON;
use xbind::{Details, Did, Error, ErrorKind, InReplyTo, MessageId, Op, PendingCall, Result, VerifiedMessage};

use crate::agent::room::{Room, Slot};
use crate::agent::{Agent, closed};
use crate::flush::refusal::Refusal;
use crate::guard::Shown;
use crate::guard::case::Case;
use crate::guard::policy::{Policies, Policy};
use crate::port::event::{Body, Event, Payload};
use crate::record::sink::Asked;
use crate::record::{Done, Taken};
use crate::sync::Lock;
use crate::transport::{Peer, Route};

/// An opened request on its way to the handler or the inbox.
pub(crate) struct Request {
    pub(crate) message: VerifiedMessage<Body>,
    /// What the message presents, and signs for.
    pub(crate) token: Option<Arc<str>>,
    /// What was made of it, by which policies; zero before any.
    pub(crate) case: Option<Arc<Case>>,
    pub(crate) version: u32,
    pub(crate) reference: InReplyTo,
    pub(crate) caller: Peer,
    /// Its number at a caller here.
    pub(crate) asked: Option<u64>,
    /// When its caller waits no more, by what it says.
    pub(crate) until: Option<Instant>,
    /// Its place here, where it has one already.
    pub(crate) slot: Option<Slot>,
}

impl Request {
    pub(super) fn shown(&self) -> Shown<'_> {
        let message = &self.message;
        Shown {
            from: message.from(),
            method: message.method(),
            session: message.session().copied(),
            presented: self.token.as_ref(),
            body: message.body(),
            content_type: message.content_type(),
        }
    }

    /// What its caller may say of it later must match.
    pub(crate) fn expected(&self) -> PendingCall {
        PendingCall {
            peer: *self.message.from(),
            digest: self.reference.digest,
            one_way: false,
            has_method: self.message.method().is_some(),
            has_window: self.message.window().is_some(),
            encryption: None, // nothing is encrypted yet
        }
    }

    /// What it takes of the recipient's bounds, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.message.body().len().saturating_add(self.token.as_ref().map_or(0, |token| token.len()))
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
    pub(crate) _slot: Slot,
}

#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) closed: bool,
    /// None without a handler.
    pub(crate) policies: Option<Arc<Policies>>,
    /// How often they were set: what was judged by others is judged anew.
    pub(crate) version: u32,
    pub(crate) running: usize,
    /// Of those without a method, how many the handler has not begun with.
    pub(crate) unbegun: usize,
    /// Calls that somebody is asked about, which have no handler's place.
    pub(crate) parked: usize,
    /// Of those, the ones about which it was answered; they wait for a place again.
    pub(crate) resuming: VecDeque<u64>,
    /// Calls for the handler, beyond `concurrency`.
    pub(crate) waiting: VecDeque<Request>,
    letters: VecDeque<Letter>,
    /// The face waits for letters.
    listening: bool,
}

impl Inbox {
    pub(crate) fn new(policies: Option<Policies>) -> Self {
        Self { policies: policies.map(Arc::new), version: 1, ..Self::default() }
    }

    /// What calls to that method have to satisfy; none where nobody handles them.
    pub(crate) fn policy(&self, method: Option<&str>) -> Option<&Arc<Policy>> {
        self.policies.as_ref()?.of(method)
    }

    /// Whether calls that came before may still go to the inbox.
    fn is_behind(&self) -> bool {
        self.unbegun > 0 || self.waiting.iter().any(|before| before.message.method().is_none())
    }

    /// Whether calls are with the handler, or on their way to it.
    pub(crate) const fn is_running(&self) -> bool {
        self.running > 0 || self.parked > 0
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
    /// From now on the face's handler answers calls that satisfy these policies; without any they go to the inbox. Calls that
    /// wait are judged by the new ones. Returns their number, for [`Testimony::policies`](crate::Testimony::policies); the
    /// first, also of those that the agent was made with, are 1.
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn guard(self: &Arc<Self>, policies: Option<Policies>) -> Result<u32> {
        let _entry = crate::sync::after::enter();
        let mut inbox = self.inbox.guard();
        if inbox.closed {
            return Err(closed());
        }
        if self.is_retiring() {
            return Err(Error::new(ErrorKind::AgentClosed, "this agent is closing"));
        }
        self.set_takes_calls(policies.as_ref().is_some_and(Policies::takes_calls));
        inbox.policies = policies.map(Arc::new);
        inbox.version = inbox.version.wrapping_add(1).max(1);
        let version = inbox.version;
        self.advance(&mut inbox);
        drop(inbox);
        if !self.takes_calls() {
            Room::release_waiting(self);
        }
        Ok(version)
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
        drop(inbox);
        if letters.len() < max {
            self.node.routes.wants(&self.did, max.saturating_sub(letters.len()));
        }
        Ok(letters)
    }

    /// Whether a call of that agent could get to the handler, or to the inbox where there is none.
    pub(crate) fn may_call(&self, caller: &Did, method: Option<&str>) -> bool {
        let inbox = self.inbox.guard();
        inbox.policy(method).is_none_or(|policy| policy.allow.includes(caller))
    }

    /// Where an opened call or send goes.
    pub(crate) fn admit(self: &Arc<Self>, mut request: Request) {
        self.screen_early(&mut request);
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

    /// Verifies what a call presents before the inbox is locked. What is refused here is refused again, by whichever policy
    /// there is then.
    fn screen_early(&self, request: &mut Request) {
        if request.token.is_none() || request.message.op() != Op::Call {
            return;
        }
        let (version, policy) = {
            let inbox = self.inbox.guard();
            (inbox.version, inbox.policy(request.message.method()).cloned())
        };
        if let Some(Ok(case)) = policy.map(|policy| self.screen(&policy, &request.shown())) {
            (request.case, request.version) = (case, version);
        }
    }

    pub(super) fn sort(self: &Arc<Self>, inbox: &mut Inbox, mut request: Request) {
        let is_call = request.message.op() == Op::Call;
        let policy = match inbox.policy(request.message.method()) {
            Some(policy) if is_call => policy,
            // Behind those that came before, which had a handler then and are on their way to the inbox.
            None if is_call && request.message.method().is_none() && inbox.is_behind() => {
                return self.queue(inbox, request);
            }
            _ => return self.to_inbox(inbox, request),
        };
        if !policy.allow.includes(request.message.from()) {
            return self.refuse_request(request, &Refusal::of(ErrorKind::NotAllowed));
        }
        if request.version != inbox.version {
            match self.screen(policy, &request.shown()) {
                Ok(case) => (request.case, request.version) = (case, inbox.version),
                Err(refusal) => return self.refuse_request(request, &refusal),
            }
        }
        if inbox.running < self.options.concurrency {
            return self.dispatch(inbox, request);
        }
        self.queue(inbox, request);
    }

    pub(super) fn to_inbox(self: &Arc<Self>, inbox: &mut Inbox, mut request: Request) {
        if request.message.op() == Op::Call && request.message.method().is_some() {
            return self.refuse_request(request, &Refusal::of(ErrorKind::MethodNotFound));
        }
        let slot = request.slot.take().or_else(|| Room::take(self, request.message.from(), request.size()));
        let Some(slot) = slot else {
            return self.refuse_request(request, &Refusal::of(ErrorKind::InboxFull));
        };
        let letter = Letter {
            id: *request.message.id(),
            from: *request.message.from(),
            issued_at: request.message.issued_at(),
            one_way: request.message.op() != Op::Call,
            payload: Payload::of(request.message),
            _slot: slot,
        };
        self.put_in(inbox, letter, request.caller, request.reference);
    }

    /// Refuses a request of which all is known.
    pub(super) fn refuse_request(self: &Arc<Self>, request: Request, refusal: &Refusal) {
        let asked = Asked { method: request.message.method(), case: request.case.as_deref() };
        self.refuse_asked(request.caller, request.reference, refusal, asked);
    }

    /// Puts a message into the inbox, as soon as that is on record.
    pub(crate) fn put_in(self: &Arc<Self>, inbox: &mut Inbox, letter: Letter, caller: Peer, reference: InReplyTo) {
        let Some(recording) = &self.recording else { return self.deliver(inbox, letter, caller, reference) };
        let (from, goes_on) = (letter.from, recording.dangerously_unrecorded);
        let waits = Arc::new(Mutex::new(Some((letter, caller))));
        let (own, held) = (self.clone(), waits.clone());
        let done: Done = Box::new(move |there| {
            let _entry = crate::sync::after::enter();
            let waiting = held.guard().take();
            if let Some((letter, caller)) = waiting {
                own.deliver_late(there || goes_on, letter, caller, reference);
            }
        });
        let taken = self.record_delivery(&reference, from, done);
        let waiting = if taken == Taken::Later { None } else { waits.guard().take() };
        match waiting {
            Some((letter, caller)) if taken == Taken::Yes => self.deliver(inbox, letter, caller, reference),
            Some((_, caller)) => self.refuse_unrecorded(caller, reference),
            None => {}
        }
    }

    /// A message that has waited for the log: much may have happened since.
    fn deliver_late(self: &Arc<Self>, there: bool, letter: Letter, caller: Peer, reference: InReplyTo) {
        if !there {
            return self.refuse_unrecorded(caller, reference);
        }
        let mut inbox = self.inbox.guard();
        let closed = inbox.closed.then_some(ErrorKind::AgentClosed);
        let stopped = || self.node.check_running(&[&letter.from, self.did()]).err().map(|error| error.kind());
        match closed.or_else(stopped) {
            Some(kind) => {
                drop(inbox);
                self.end_request(&caller, reference, kind);
            }
            None => self.deliver(&mut inbox, letter, caller, reference),
        }
    }

    fn refuse_unrecorded(self: &Arc<Self>, caller: Peer, reference: InReplyTo) {
        self.forget_local(&caller, &reference.id);
        self.refuse(caller, reference, ErrorKind::AuditFailed);
    }

    fn deliver(self: &Arc<Self>, inbox: &mut Inbox, letter: Letter, caller: Peer, reference: InReplyTo) {
        let receipt =
            format!(r#"{{"status":"delivered","messageId":"{}","to":"{}"}}"#, letter.id.text(), self.did().as_str());
        self.tell(letter.id, letter.from, None);
        inbox.letters.push_back(letter);
        if take(&mut inbox.listening) {
            self.port.push(Event::Arrived { agent: self.number });
        }
        self.answer(Op::Receipt, receipt.into_bytes(), JSON, caller, reference, Details::default(), None, None);
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("id", self.message.id()).finish_non_exhaustive()
    }
}
