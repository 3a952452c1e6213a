//! Calls that are signed anew: questions for a session, and calls that may run twice and have been lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use xbind::message::details::SESSION;
use xbind::{Details, ErrorKind, MessageId, Op};

use crate::agent::Agent;
use crate::agent::outbox::Outgoing;
use crate::node::finding::Found;
use crate::port::Port;
use crate::port::calls::{Call, Purpose, Stage};
use crate::port::event::{Body, Event, OCTETS, Outcome};
use crate::sync::Lock;
use crate::sync::clock;
use crate::transport::{CallId, Peer, Remote, There};

/// How long an agent elsewhere may take to tell its session before it is asked again.
const ASKING: Duration = Duration::from_secs(5);
/// How long it is not asked again when it has no room.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a call is signed anew.
pub(crate) const ATTEMPTS: u8 = 3;
/// What a port keeps of calls that may have to be signed anew, in bytes.
pub(crate) const MAX_KEPT_BYTES: usize = 256 << 20;

/// What a call that may run twice was made of.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    /// Name, DID or address of its recipient.
    pub(crate) to: Box<str>,
    pub(crate) body: Body,
    pub(crate) content_type: &'static str,
    pub(crate) token: Option<String>,
    pub(crate) details: Details<Box<str>>,
    pub(crate) until: Option<Instant>,
    pub(crate) left: u8,
}

impl Again {
    pub(crate) fn size(&self) -> usize {
        self.body.len().saturating_add(self.token.as_ref().map_or(0, String::len))
    }

    fn draft(self, id: MessageId, number: u64) -> impl FnOnce(Peer) -> Outgoing + Send + 'static {
        let Self { body, content_type, token, details, until, .. } = self;
        move |to| Outgoing {
            op: Op::Call,
            id,
            to,
            body: body.into(),
            content_type,
            token,
            in_reply_to: None,
            details,
            call: Some(number),
            asked: None,
            told: false,
            until,
            slot: None,
            _guard: None,
        }
    }
}

/// What asks an agent elsewhere for its session.
fn question(id: MessageId, number: u64, to: Peer, until: Option<Instant>) -> Outgoing {
    let details = Details { method: Some(SESSION.into()), ..Details::default() };
    let again =
        Again { to: Box::default(), body: Body::new(), content_type: OCTETS, token: None, details, until, left: 0 };
    again.draft(id, number)(to)
}

impl Port {
    /// Asks an agent elsewhere for its session, in the name of `caller`, which has a call for it.
    pub(crate) fn ask_session(self: &Arc<Self>, caller: &Arc<Agent>, peer: Remote) {
        let until = self.time.now().checked_add(ASKING);
        let failed = |kind| {
            let error = xbind::Error::new(kind, "the other agent could not be asked for its session");
            caller.node.session_asked(caller, &peer, Outcome::Failed { error, remote: None });
        };
        let Ok(id) = clock::message_id() else { return failed(ErrorKind::Internal) };
        let to = Peer::There(There::new(peer, None));
        let call = Call {
            recipient: Some(to.clone()),
            has_method: true,
            deadline: until,
            purpose: Purpose::Session(Box::new(peer), ATTEMPTS),
            ..Call::new(caller.clone(), id)
        };
        let Some(number) = self.calls.guard().begin(call) else { return failed(ErrorKind::InboxFull) };
        self.push(Event::Timed { agent: caller.number });
        if !caller.enqueue_question(question(id, number, to, until)) {
            caller.fail_call(number, crate::agent::closed());
        }
        if !caller.outbox.guard().listed && caller.prove().is_err() {
            caller.fail_call(number, crate::agent::closed());
        }
    }

    /// That agent has no room even for the question: nobody asks it for a while, and whoever still waits does then. False if
    /// nobody can.
    pub(crate) fn ask_session_later(self: &Arc<Self>, caller: &Arc<Agent>, peer: Remote) -> bool {
        let Ok(id) = clock::message_id() else { return false };
        let pause = Call {
            recipient: Some(Peer::There(There::new(peer, None))),
            deadline: self.time.now().checked_add(PAUSE),
            purpose: Purpose::Session(Box::new(peer), 0),
            ..Call::new(caller.clone(), id)
        };
        if caller.is_closed() || self.calls.guard().begin(pause).is_none() {
            return false;
        }
        self.push(Event::Timed { agent: caller.number });
        true
    }

    /// Puts a question for a session once more that is lost, and nothing with it; false if that was often enough.
    pub(crate) fn ask_anew(&self, number: u64) -> bool {
        let Ok(id) = clock::message_id() else { return false };
        let begun = self.calls.guard().ask_anew(number, id);
        begun.is_some_and(|(caller, to, until)| caller.enqueue_question(question(id, number, to, until)))
    }

    /// Signs a call anew that may run twice, and whose last message is lost or was refused; false if it has to end.
    pub(crate) fn call_anew(self: &Arc<Self>, number: u64) -> bool {
        let known = self.calls.guard().may_be_anew(number);
        let (Some((caller, to, bytes)), Ok(id)) = (known, clock::message_id()) else { return false };
        let Ok(found) = caller.node.find(&caller, &to) else { return false };
        // Before anything changes: a call that cannot begin anew still ends under the id that everybody knows.
        if caller.reserve_outbox(bytes).is_err() {
            return false;
        }
        let stage = if matches!(found, Found::Ask) { Stage::Sought } else { Stage::Waiting };
        let begun = self.calls.guard().begin_anew(number, id, stage);
        let Some(again) = begun else {
            caller.free_outbox(bytes);
            return false;
        };
        self.send_off(&caller, &to, found, number, bytes, again.draft(id, number));
        true
    }

    /// The connection is lost over which these calls went.
    pub(crate) fn lose(self: &Arc<Self>, numbers: Vec<u64>) {
        for number in numbers {
            if self.call_anew(number) {
                continue;
            }
            let taken = self.calls.guard().take(number);
            if let Some(call) = taken {
                self.settle(&call, super::closed_outcome("the connection to the other agent was lost"));
            }
        }
    }

    /// The one asked says that the call of that id was meant for another session than its own.
    pub(crate) fn stale(self: &Arc<Self>, id: &MessageId, outcome: Outcome) {
        let number = self.calls.guard().number_of(id, None);
        let Some(number) = number else { return };
        if self.call_anew(number) {
            return;
        }
        // Whoever has not taken it says no more than that; a process whose session it names takes it once at most.
        // To the question for a session that is the answer.
        let sent = {
            let calls = self.calls.guard();
            calls.asked(id).filter(|_| !calls.asks_session(number))
        };
        if let Some((caller, remote)) = sent
            && caller.node.sends_again(remote.route, CallId { caller: *caller.did(), id: *id })
        {
            return;
        }
        let taken = self.calls.guard().take(number);
        if let Some(call) = taken {
            self.settle(&call, outcome);
        }
    }
}
