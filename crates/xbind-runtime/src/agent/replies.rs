//! What an agent says about the calls of others to it, and what they say about theirs.

use std::sync::Arc;

use xbind::message::JSON;
use xbind::{Details, Did, ErrorKind, InReplyTo, MessageId, Op, PendingCall};

use crate::agent::Agent;
use crate::agent::inbox::Request;
use crate::agent::outbox::Outgoing;
use crate::flush::refusal::Refusal;
use crate::port::event::{Body, OCTETS};
use crate::port::parts::{Guard, Said};
use crate::port::tickets::Running;
use crate::record::sink::Asked;
use crate::sync::Lock;
use crate::sync::clock;
use crate::transport::Peer;

impl Agent {
    pub(crate) fn refuse(self: &Arc<Self>, caller: Peer, request: InReplyTo, kind: ErrorKind) {
        self.refuse_with(caller, request, &Refusal::of(kind));
    }

    pub(crate) fn refuse_with(self: &Arc<Self>, caller: Peer, request: InReplyTo, refusal: &Refusal) {
        self.refuse_asked(caller, request, refusal, Asked::default());
    }

    /// The same for one of which more is known.
    pub(crate) fn refuse_asked(
        self: &Arc<Self>,
        caller: Peer,
        request: InReplyTo,
        refusal: &Refusal,
        asked: Asked<'_>,
    ) {
        self.record_refusal(&request, *caller.did(), refusal.kind, asked);
        self.tell(request.id, *caller.did(), Some(refusal.kind));
        self.say_refusal(caller, request, refusal);
    }

    /// Tells the caller, and nobody here.
    pub(crate) fn say_refusal(self: &Arc<Self>, caller: Peer, request: InReplyTo, refusal: &Refusal) {
        self.answer(Op::Error, refusal.encode(), JSON, caller, request, Details::default(), None, None);
    }

    /// Says something of a call to the other side of it, elsewhere.
    pub(crate) fn say(self: &Arc<Self>, op: Op, to: Peer, request: InReplyTo, details: Details<Box<str>>) {
        self.answer(op, Vec::new(), OCTETS, to, request, details, None, None);
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
        asked: Option<u64>,
    ) {
        if matches!(&caller, Peer::There(there) if there.is_mute) {
            return;
        }
        let Ok(id) = clock::message_id() else { return };
        self.enqueue_answer(Outgoing {
            op,
            id,
            to: caller,
            body: body.into(),
            content_type,
            token: None,
            in_reply_to: Some(request),
            details,
            call: None,
            asked,
            told: false,
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
        let waiting = running.or_else(|| {
            let inbox = self.inbox.guard();
            let is_it = |waiting: &&Request| waiting.reference.id == *request && waiting.message.from() == caller;
            inbox.waiting.iter().find(is_it).map(Request::expected)
        });
        waiting.or_else(|| self.held_call(caller, request))
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
        self.drop_held(caller, request);
        let ticket = self.port.tickets.guard().cancel(caller, request);
        if let Some(ticket) = ticket {
            return self.port.cancelled(ticket);
        }
        let mut inbox = self.inbox.guard();
        let is_it = |waiting: &Request| waiting.reference.id == *request && waiting.message.from() == caller;
        if let Some(place) = inbox.waiting.iter().position(is_it) {
            drop(inbox.waiting.remove(place));
        }
    }

    /// Ends a call of somebody else with which this agent has not begun.
    pub(crate) fn end_request(self: &Arc<Self>, caller: &Peer, request: InReplyTo, kind: ErrorKind) {
        match caller {
            Peer::Here(caller) => {
                self.record_refusal(&request, *caller.did(), kind, Asked::default());
                self.tell(request.id, *caller.did(), Some(kind));
                caller.settle_request(&request.id, self.unbegun(kind));
            }
            Peer::There(_) => self.refuse(caller.clone(), request, kind),
        }
    }
}
