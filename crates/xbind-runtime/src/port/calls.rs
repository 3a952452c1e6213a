//! The calls that a port's agents have made and that nobody has answered yet.

mod anew;
mod deadlines;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use xbind::{Did, Digest, ErrorKind, Handled, InReplyTo, MessageId, PendingCall};

use crate::agent::Agent;
use crate::node::Node;
use crate::node::secrecy::Answers;
use crate::port::anew::{ATTEMPTS, Again, MAX_KEPT_BYTES};
use crate::port::event::{Kept, Outcome};
use crate::port::sink::{Fits, Sink};
use crate::port::slots::Slots;
use crate::transport::{Peer, Remote, Route};

/// The most calls that wait for an answer on one port.
pub(crate) const MAX_PENDING: usize = 1_000_000;

/// How far a call has come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// Its recipient is looked up.
    Sought,
    /// It waits to be signed.
    Waiting,
    /// It waits for room at the recipient.
    Parked,
    /// It was signed; this is the digest of its JWS.
    Sealed(Digest),
}

/// A call that nobody has answered yet.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) caller: Arc<Agent>,
    /// None while it is looked up.
    pub(crate) recipient: Option<Peer>,
    pub(crate) id: MessageId,
    /// A `send` is answered with a receipt only.
    pub(crate) one_way: bool,
    /// It names a method, so that no receipt answers it.
    pub(crate) has_method: bool,
    pub(crate) stage: Stage,
    pub(crate) deadline: Option<Instant>,
    pub(crate) purpose: Purpose,
    /// It names a session of its recipient.
    pub(crate) names_session: bool,
    /// What it was made of, if it may run twice.
    pub(crate) again: Option<Box<Again>>,
    /// How a word of the other side moves the deadline.
    pub(crate) patience: Option<Patience>,
    /// It takes its answer in parts.
    pub(crate) sink: Option<Sink>,
    /// The last word of progress.
    pub(crate) last_word: Option<u64>,
    /// Where a receipt is wanted.
    pub(crate) kept: Option<Box<Kept>>,
    /// What its answers are read with, where it was encrypted.
    pub(crate) answers: Option<Arc<Answers>>,
    /// The token that it presents, where its lender wants to hear of it.
    pub(crate) lent: Option<u64>,
}

/// Who hears of the end of a call.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// Whoever made it.
    Face,
    /// It asks for an approval of the call that runs here under that ticket.
    Approval(u64),
    /// It asks for the session of its recipient, and may do so as often again.
    Session(Box<Remote>, u8),
}

impl Call {
    /// One that begins, with nothing special about it.
    pub(crate) const fn new(caller: Arc<Agent>, id: MessageId) -> Self {
        Self {
            number: 0,
            caller,
            recipient: None,
            id,
            one_way: false,
            has_method: false,
            stage: Stage::Waiting,
            deadline: None,
            purpose: Purpose::Face,
            names_session: false,
            again: None,
            patience: None,
            sink: None,
            last_word: None,
            kept: None,
            answers: None,
            lent: None,
        }
    }

    /// An earlier copy of it may have come to somebody.
    fn was_signed_before(&self) -> bool {
        self.again.as_ref().is_some_and(|again| again.left < ATTEMPTS)
    }

    /// Whether somebody may have it.
    pub(crate) fn has_left(&self) -> bool {
        matches!(self.stage, Stage::Sealed(_)) || self.was_signed_before()
    }

    /// Whether the other side ran it, where the end does not say so itself.
    pub(crate) fn judged(&self, outcome: Outcome) -> Outcome {
        let Outcome::Failed { error, remote } = outcome else { return outcome };
        let handled = match error.handled() {
            Some(Handled::Yes) => Handled::Yes,
            // What is known of its last copy says nothing of those before.
            _ if self.was_signed_before() => Handled::Unknown,
            Some(handled) => handled,
            // Another window may have taken a copy of it.
            None if error.kind() == ErrorKind::StaleSession && !self.names_session => Handled::No,
            None if matches!(self.stage, Stage::Sealed(_)) => Handled::Unknown,
            None => Handled::No,
        };
        Outcome::Failed { error: error.with_handled(handled), remote }
    }

    /// Its reader has parts left, and time: it is not the other side that is waited for.
    fn is_unread(&self, now: Instant) -> bool {
        let has_time = |patience: Patience| !patience.each.is_zero() && patience.until.is_none_or(|until| until > now);
        self.sink.is_some_and(Sink::is_unread) && self.patience.is_some_and(has_time)
    }

    fn is_over(&self, route: Route) -> bool {
        matches!(&self.recipient, Some(Peer::There(remote)) if remote.route == route)
    }

    /// What a reply must match; none before the call is sealed.
    pub(crate) fn expected(&self) -> Option<PendingCall> {
        let Stage::Sealed(digest) = self.stage else { return None };
        Some(PendingCall {
            peer: *self.recipient.as_ref()?.did(),
            digest,
            one_way: self.one_way,
            has_method: self.has_method,
            has_window: self.sink.is_some(),
            encryption: self.answers.as_ref().map(|answers| answers.named),
        })
    }
}

/// A word of the other side gives it so much time again, and all of its words together no more than until then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) each: Duration,
    pub(crate) until: Option<Instant>,
}

/// How many parts the other side of a call may send from now on.
pub(crate) struct Granted {
    pub(crate) caller: Arc<Agent>,
    pub(crate) to: Peer,
    pub(crate) request: InReplyTo,
    pub(crate) window: u64,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    slots: Slots<Call>,
    by_id: HashMap<MessageId, u64>,
    /// Entries of settled calls, and of deadlines that moved, stay until they come up or outnumber the living.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
    /// Of what is kept of calls that may run twice.
    kept_bytes: usize,
}

impl Calls {
    pub(crate) const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Its number; none if too many are pending.
    pub(crate) fn begin(&mut self, call: Call) -> Option<u64> {
        if self.slots.len() >= MAX_PENDING {
            return None;
        }
        let mut call = call;
        if let Some(again) = &call.again {
            let kept = self.kept_bytes.saturating_add(again.size());
            if kept > MAX_KEPT_BYTES {
                call.again = None;
            } else {
                self.kept_bytes = kept;
            }
        }
        let (id, deadline) = (call.id, call.deadline);
        let number = self.slots.insert(call)?;
        self.slots.get_mut(number)?.number = number;
        self.by_id.insert(id, number);
        if let Some(deadline) = deadline {
            self.deadlines.push(Reverse((deadline, number)));
        }
        Some(number)
    }

    pub(crate) fn is_pending(&self, number: u64) -> bool {
        self.slots.get(number).is_some()
    }

    /// Whether the call of that message is pending.
    pub(crate) fn is_awaited(&self, id: &MessageId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The recipient is known; false if the call has ended meanwhile.
    pub(crate) fn found(&mut self, number: u64, recipient: Peer) -> bool {
        let Some(call) = self.slots.get_mut(number) else { return false };
        call.recipient = Some(recipient);
        call.stage = Stage::Waiting;
        true
    }

    pub(crate) fn parked(&mut self, number: u64) {
        if let Some(call) = self.slots.get_mut(number) {
            call.stage = Stage::Parked;
        }
    }

    /// Notes what was sealed; false if the caller has given up meanwhile, so that nothing need leave.
    pub(crate) fn sealed(&mut self, number: u64, digest: Digest, jws: &str, names_session: bool) -> bool {
        let Some(call) = self.slots.get_mut(number) else { return false };
        call.names_session = names_session;
        call.stage = Stage::Sealed(digest);
        if let Some(kept) = &mut call.kept {
            kept.jws = jws.into();
        }
        true
    }

    /// It was encrypted, and travels as this.
    pub(crate) fn encrypted(&mut self, number: u64, answers: Arc<Answers>, body: &[u8]) {
        let Some(call) = self.slots.get_mut(number) else { return };
        call.answers = Some(answers);
        if let Some(kept) = &mut call.kept {
            body.clone_into(&mut kept.body);
        }
    }

    pub(crate) fn answers(&self, number: u64) -> Option<Arc<Answers>> {
        self.slots.get(number)?.answers.clone()
    }

    pub(crate) fn expected(&self, number: u64) -> Option<PendingCall> {
        self.slots.get(number)?.expected()
    }

    /// Part `seq` of an answer has come; the number of its call.
    pub(crate) fn part(&mut self, id: &MessageId, seq: u64, now: Instant) -> Option<(u64, Fits)> {
        let number = *self.by_id.get(id)?;
        let fits = self.slots.get_mut(number)?.sink.as_mut()?.part(seq);
        if fits == Fits::Next {
            self.be_patient(number, now);
        }
        Some((number, fits))
    }

    /// Word `seq` of progress has come; the number of its call, unless it is not above the last.
    pub(crate) fn word(&mut self, id: &MessageId, seq: u64, now: Instant) -> Option<u64> {
        let number = *self.by_id.get(id)?;
        let call = self.slots.get_mut(number)?;
        if call.patience.is_none() || call.last_word.is_some_and(|last| seq <= last) {
            return None;
        }
        call.last_word = Some(seq);
        self.be_patient(number, now);
        Some(number)
    }

    /// The reader has taken so many parts; what to tell the other side of it.
    pub(crate) fn read(&mut self, number: u64, parts: u64, now: Instant) -> Option<Granted> {
        let window = self.slots.get_mut(number)?.sink.as_mut()?.read(parts);
        self.be_patient(number, now);
        let (window, call) = (window?, self.slots.get(number)?);
        let Stage::Sealed(digest) = call.stage else { return None };
        let request = InReplyTo { id: call.id, digest };
        Some(Granted { caller: call.caller.clone(), to: call.recipient.clone()?, request, window })
    }

    fn be_patient(&mut self, number: u64, now: Instant) {
        let Some(call) = self.slots.get_mut(number) else { return };
        let Some(Patience { each, until }) = call.patience else { return };
        let deadline = match (now.checked_add(each), until) {
            (Some(next), Some(until)) => Some(next.min(until)),
            (next, until) => next.or(until),
        };
        call.deadline = deadline;
        if let Some(deadline) = deadline {
            self.deadlines.push(Reverse((deadline, number)));
        }
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<Call> {
        let call = self.slots.take(number)?;
        self.kept_bytes = self.kept_bytes.saturating_sub(call.again.as_ref().map_or(0, |again| again.size()));
        self.by_id.remove(&call.id);
        if self.slots.len() == 0 {
            self.deadlines.clear();
            if self.by_id.capacity() > MAX_KEPT {
                (self.by_id, self.deadlines) = (HashMap::new(), BinaryHeap::new());
            }
        }
        Some(call)
    }

    pub(crate) fn take_id(&mut self, id: &MessageId, asked: Option<u64>) -> Option<Call> {
        self.number_of(id, asked).and_then(|number| self.take(number))
    }

    pub(crate) fn numbers_of(&self, caller: &Arc<Agent>) -> Vec<u64> {
        self.numbers(|call| Arc::ptr_eq(&call.caller, caller))
    }

    fn numbers(&self, are: impl Fn(&Call) -> bool) -> Vec<u64> {
        self.slots.iter().filter(|(_, call)| are(call)).map(|(number, _)| number).collect()
    }

    /// The calls of one agent, which is closing.
    pub(crate) fn take_of(&mut self, caller: &Arc<Agent>) -> Vec<Call> {
        self.numbers_of(caller).into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// The calls that wait for an answer over that route of that node.
    pub(crate) fn over(&self, node: &Arc<Node>, route: Route) -> Vec<u64> {
        let is_its = |call: &Call| Arc::ptr_eq(&call.caller.node, node);
        self.numbers(|call| call.is_over(route) && is_its(call))
    }

    /// Whether the call of that id went over that route.
    pub(crate) fn went_over(&self, id: &MessageId, route: Route) -> bool {
        let call = self.by_id.get(id).and_then(|number| self.slots.get(*number));
        call.is_some_and(|call| call.is_over(route))
    }

    /// The number of the call of that message, which is probably `asked`.
    pub(crate) fn number_of(&self, id: &MessageId, asked: Option<u64>) -> Option<u64> {
        let is_it = |number: &u64| self.slots.get(*number).is_some_and(|call| call.id == *id);
        asked.filter(is_it).or_else(|| self.by_id.get(id).copied())
    }

    /// Whoever told its session in answer to that call.
    pub(crate) fn asked(&self, id: &MessageId) -> Option<(Arc<Agent>, Remote)> {
        let call = self.slots.get(*self.by_id.get(id)?)?;
        match call.recipient.as_ref()? {
            Peer::There(remote) => Some((call.caller.clone(), ***remote)),
            Peer::Here(_) => None,
        }
    }

    pub(crate) fn asks_session(&self, number: u64) -> bool {
        self.slots.get(number).is_some_and(|call| matches!(call.purpose, Purpose::Session(..)))
    }

    /// The calls to that identity on that node.
    pub(crate) fn take_to(&mut self, node: &Arc<Node>, did: &Did) -> Vec<Call> {
        let to = |call: &Call| call.recipient.as_ref().is_some_and(|peer| peer.did() == did);
        let is_its = |call: &Call| Arc::ptr_eq(&call.caller.node, node);
        let lost = self.numbers(|call| to(call) && is_its(call));
        lost.into_iter().filter_map(|number| self.take(number)).collect()
    }
}

/// The room that stays allocated between calls.
const MAX_KEPT: usize = 2048;
