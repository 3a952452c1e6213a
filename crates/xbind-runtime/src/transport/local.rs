//! The transport between agents of one node: a static call. What it carries is opened like anything that comes in.

use std::mem::take;
use std::sync::Arc;
use std::time::{Duration, Instant};

use xbind::message::details::SESSION;
use xbind::{
    Did, ErrorKind, Hashed, InReplyTo, MessageId, Op, PendingCall, Policy, Recipient, Result, Secrecy, VerifiedMessage,
    authenticate,
};

use crate::agent::Agent;
use crate::agent::inbox::Request;
use crate::agent::outbox::Outgoing;
use crate::agent::room::Slot;
use crate::flush::refusal::Refusal;
use crate::node::sessions::no_session;
use crate::port::calls::Purpose;
use crate::port::event::{Body, Outcome, Payload, Receipt};
use crate::port::{Port, incomplete};
use crate::record::sink::Asked;
use crate::sync::Lock;
use crate::transport::{Peer, SpeaksFor};

/// A message at the agent it was brought to.
pub(crate) struct Incoming<'a> {
    pub(crate) jws: &'a str,
    pub(crate) body: Hashed,
    pub(crate) token: Option<String>,
    /// Its place at the recipient, where it has one already.
    pub(crate) slot: Option<Slot>,
    /// The number, at a caller here, of the call that this is or answers.
    pub(crate) asked: Option<u64>,
    /// When it came, where that was before now.
    pub(crate) since: Option<Instant>,
    /// How far the sender's clock may differ, and how long a message may live.
    pub(crate) clock_skew: u64,
    pub(crate) max_lifetime: u64,
    /// Calls and sends name the session of their recipient.
    pub(crate) names_session: bool,
    /// Anything but an answer is dropped.
    pub(crate) only_replies: bool,
    /// Whether the sender is where this comes from.
    pub(crate) speaks_for: Option<&'a SpeaksFor>,
}

/// Hands a message to its recipient.
pub(crate) fn carry(
    sender: &Arc<Agent>,
    recipient: &Arc<Agent>,
    jws: &str,
    outgoing: &mut Outgoing,
    request: Option<InReplyTo>,
) -> Result<()> {
    recipient.node.check_running(&[sender.did(), recipient.did()])?; // stopped since the message was issued
    let (body, token, slot) = (take(&mut outgoing.body), outgoing.token.take(), outgoing.slot.take());
    let asked = outgoing.call.or(outgoing.asked);
    let max_lifetime = recipient.node.max_lifetime();
    // One clock for all agents here, and one window as long as any of them.
    let incoming = Incoming {
        jws,
        body,
        token,
        slot,
        asked,
        since: None,
        clock_skew: 0,
        max_lifetime,
        names_session: false,
        only_replies: false,
        speaks_for: None,
    };
    recipient.take_in(incoming, |_| Peer::Here(sender.clone()), request)
}

impl Agent {
    /// Opens a message and acts on it: a request goes to the handler or inbox, a reply to the call that it answers. `back`
    /// is the way to its sender. `request` spares computing what answers must name.
    pub(crate) fn take_in(
        self: &Arc<Self>,
        incoming: Incoming<'_>,
        back: impl Fn(&Did) -> Peer,
        request: Option<InReplyTo>,
    ) -> Result<()> {
        let Incoming { jws, clock_skew, max_lifetime, names_session, only_replies, speaks_for, .. } = incoming;
        let session = if names_session { self.memory().session() } else { None };
        let is_unnamed = names_session && session.is_none();
        if is_unnamed && !self.node.windows.are_shared() {
            return Err(no_session());
        }
        let secrecy = if names_session { self.node.secrecy() } else { Secrecy::None };
        let policy = Policy { secrecy, ..self.policy(clock_skew, max_lifetime, session) };
        let now = self.node.time().unix();
        let recipient = Recipient {
            policy: &policy,
            known: &self.node.known,
            replay: &self.memory().replay,
            refused: &|sender, _| self.node.check_running(&[sender, self.did()]).err().map(|error| error.kind()),
        };
        let message = authenticate(&recipient, now, jws, incoming.body.len())?;
        let reference = |id: &MessageId| request.unwrap_or_else(|| InReplyTo::of(*id, jws));
        if only_replies && !message.op().is_reply() || speaks_for.is_some_and(|is_there| !is_there(message.from())) {
            return Ok(());
        }
        if is_unnamed && matches!(message.op(), Op::Call | Op::Send) {
            self.hold_unnamed(incoming, back(message.from()), reference(message.id()));
            return Ok(());
        }
        let Incoming { body, token, slot, asked, since, .. } = incoming;
        if message.check_session(&policy).is_err() {
            let (caller, request, stale) = (back(message.from()), reference(message.id()), Refusal::stale(session));
            // However often: saying it costs less than finding out who asks.
            match message.method() {
                Some(SESSION) => self.say_refusal(caller, request, &stale), // nothing is decided about a question
                _ => self.refuse_with(caller, request, &stale),
            }
            return Ok(());
        }
        let is_shared = names_session && self.node.windows.are_shared();
        let unclaimed = |kind| if is_shared { Refusal::copied(kind) } else { Refusal::of(kind) };
        // Nothing is remembered of what would be refused anyway.
        if message.op() == Op::Call && !self.may_call(message.from(), message.method()) {
            let asked = Asked { method: message.method(), case: None };
            let refusal = unclaimed(ErrorKind::NotAllowed);
            self.refuse_asked(back(message.from()), reference(message.id()), &refusal, asked);
            return Ok(());
        }
        let (from, id) = (*message.from(), *message.id());
        let op = message.op();
        let about = message.in_reply_to().map(|call| call.id);
        let expected = about.filter(|_| op.is_reply()).and_then(|id| self.expects(&id, asked));
        let worked_on = about.filter(|_| op.is_afterthought()).and_then(|id| self.works(&from, &id));
        let call = expected.as_ref().map(|(_, _, call)| call).or(worked_on.as_ref().map(|(_, call)| call));
        let message = match message.accept(&recipient, now, body, token.as_deref(), call) {
            Ok(message) => message.plain(),
            // Its signature was verified, so its sender may be told.
            Err(error) if is_told(error.kind()) && about.is_none() => {
                self.refuse_with(back(&from), reference(&id), &unclaimed(error.kind()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(about) = about else {
            let (message, token, answers) = match self.node.read(message, token) {
                Ok(read) => read,
                Err(error) => {
                    self.refuse_with(back(&from), reference(&id), &unclaimed(error.kind()));
                    return Ok(());
                }
            };
            let wait = message.deadline_ms().map(Duration::from_millis);
            let until = wait.and_then(|wait| since.unwrap_or_else(|| self.node.time().now()).checked_add(wait));
            let (token, reference, caller) = (token.map(Arc::from), reference(&id), back(&from).reading(answers));
            let request = Request { message, token, case: None, version: 0, reference, caller, asked, until, slot };
            match session.filter(|_| self.node.windows.are_shared()) {
                Some(session) => self.hold_claimed(request, session, clock_skew),
                None => self.admit(request),
            }
            return Ok(());
        };
        if let Some((port, number, _)) = expected {
            reply_came(&port, &about, number, message, jws, back(&from));
        } else if let Some((agent, _)) = worked_on {
            match message.window() {
                Some(window) => agent.grant(&from, &about, window),
                None => agent.cancel(&from, &about),
            }
        }
        Ok(())
    }

    /// The port whose call of that id waits for an answer: its own, or that of another agent of its DID, since an answer from
    /// elsewhere names no more than that.
    fn expects(&self, id: &MessageId, asked: Option<u64>) -> Option<(Arc<Port>, u64, PendingCall)> {
        let at = |port: &Arc<Port>, asked| {
            let calls = port.calls.guard();
            let number = calls.number_of(id, asked)?;
            Some((port.clone(), number, calls.expected(number)?))
        };
        at(&self.port, asked).or_else(|| self.node.agents_of(self.did()).iter().find_map(|other| at(&other.port, None)))
    }

    /// The agent of this DID that works on the call of that caller and id.
    fn works(self: &Arc<Self>, caller: &Did, id: &MessageId) -> Option<(Arc<Self>, PendingCall)> {
        let at = |agent: &Arc<Self>| Some((agent.clone(), agent.works_on(caller, id)?));
        at(self).or_else(|| self.node.agents_of(self.did()).iter().find_map(at))
    }
}

/// What a sender is told whose signature holds.
const fn is_told(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ReplayWindowFull | ErrorKind::EncryptionRequired | ErrorKind::DecryptionFailed)
}

fn reply_came(port: &Arc<Port>, id: &MessageId, number: u64, message: VerifiedMessage<Body>, jws: &str, from: Peer) {
    let seq = message.seq().unwrap_or_default();
    let answers = message.encryption().and_then(|_| port.calls.guard().answers(number));
    let travelled = answers.is_some().then(|| message.body().clone());
    let message = match answers {
        None => Ok(message),
        Some(answers) => answers.read(message),
    };
    let message = match message {
        Ok(message) => message,
        Err(error) => {
            let call = port.calls.guard().take_id(id, Some(number));
            if let Some(call) = call {
                Port::give_up(&call);
                port.settle(&call, Outcome::Failed { error, remote: None });
            }
            return;
        }
    };
    if message.op() == Op::Part {
        return port.part_came(id, seq, Payload::of(message));
    }
    if message.op() == Op::Progress {
        return port.word_came(id, seq, message.body());
    }
    // So far the call was only looked at; whoever takes it ends it.
    if let Peer::There(remote) = &from
        && message.op() == Op::Error
        && Refusal::decode(message.body()).kind == ErrorKind::StaleSession
    {
        // Somebody has brought the call to another process of the one asked as well, whose session it does not name.
        if !port.calls.guard().went_over(id, remote.route) {
            return;
        }
        port.heard_session(id, Refusal::decode(message.body()).session());
        return port.stale(id, outcome_of(message));
    }
    let call = port.calls.guard().take_id(id, Some(number));
    let Some(mut call) = call else { return };
    if call.sink.is_some_and(|sink| sink.count() != seq) {
        return port.settle(&call, Outcome::Failed { error: incomplete(), remote: None });
    }
    let receipt = call.kept.take().map(|asked| {
        let (answer, result) = (jws.into(), travelled.unwrap_or_else(|| message.body().clone()));
        Box::new(Receipt { call: asked.jws, answer, request: asked.body, result })
    });
    let outcome = outcome_of(message);
    call.was_answered(&outcome);
    if let Purpose::Session(peer, _) = &call.purpose
        && !(outcome.is_full() || outcome.is(ErrorKind::ReplayWindowFull))
    {
        call.caller.node.know_session(peer, None); // it answers calls that name none
    }
    port.settle_with(&call, outcome, receipt);
}

/// How a call ends with that reply.
fn outcome_of(message: VerifiedMessage<Body>) -> Outcome {
    if message.op() == Op::Error {
        let (error, remote) = Refusal::decode(message.body()).into_error(message.from());
        Outcome::Failed { error, remote }
    } else if message.op() == Op::Receipt {
        Outcome::Delivered { to: *message.from() }
    } else {
        Outcome::Answer { from: *message.from(), payload: Payload::of(message) }
    }
}
