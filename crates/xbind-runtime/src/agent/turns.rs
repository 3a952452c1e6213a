//! When calls get to the handler: at once, or in their turn.

use std::sync::Arc;

use xbind::ErrorKind;

use crate::agent::Agent;
use crate::agent::inbox::{Inbox, Request};
use crate::agent::room::Room;
use crate::port::event::{Event, Payload};
use crate::port::parts::{Said, Source};
use crate::port::tickets::Running;
use crate::record::sink::Noted;
use crate::sync::Lock;

impl Agent {
    pub(super) fn queue(self: &Arc<Self>, inbox: &mut Inbox, mut request: Request) {
        if request.slot.is_none() {
            request.slot = Room::take(self, request.message.from(), request.size());
        }
        if request.slot.is_some() {
            inbox.waiting.push_back(request);
        } else {
            self.refuse(request.caller, request.reference, ErrorKind::InboxFull);
        }
    }

    pub(super) fn dispatch(self: &Arc<Self>, inbox: &mut Inbox, request: Request) {
        let size = request.size();
        let Request { message, token, reference, caller, asked, case, until, slot, .. } = request;
        let waits = case.is_some();
        if until.is_some_and(|until| until <= self.node.time().now()) {
            return; // it waited here for too long: nobody waits for the answer any more
        }
        let (window, has_method) = (message.window(), message.method().is_some());
        let running = Running {
            agent: self.clone(),
            caller,
            request: reference,
            asked,
            issued_at: message.issued_at(),
            method: message.method().map(Box::from),
            traceparent: message.traceparent().map(Box::from),
            session: message.session().copied(),
            cancelled: false,
            begun: false,
            version: inbox.version,
            presented: token,
            case,
            judged: 1,
            size,
            slot: slot.filter(|_| waits),
            parked: false,
            noted: Noted::Unasked,
            approved: None,
            until,
            stalls: None,
            said: window.map_or(Said::Whole(None), |window| Said::Parts(Source::new(&self.port, window))),
            words: None,
        };
        if self.hand_over(running, Payload::of(message)) {
            inbox.running = inbox.running.saturating_add(1);
            inbox.unbegun = inbox.unbegun.saturating_add(usize::from(!has_method));
        }
    }

    /// Gives a call to the face, to be judged and handled there; false if there are too many.
    pub(crate) fn hand_over(self: &Arc<Self>, running: Running, payload: Payload) -> bool {
        let (caller, request, issued_at) = (running.caller.clone(), running.request, running.issued_at);
        let (token, method, traceparent) =
            (running.presented.clone(), running.method.clone(), running.traceparent.clone());
        let guarded = running.case.as_ref().map(|case| Box::new(case.guarded()));
        let in_parts = matches!(running.said, Said::Parts(_));
        let opened = self.port.tickets.guard().open(running);
        let Some(ticket) = opened else {
            self.refuse(caller, request, ErrorKind::InboxFull);
            return false;
        };
        let (agent, id, from) = (self.number, request.id, *caller.did());
        self.port.push(Event::Call {
            agent,
            ticket,
            id,
            from,
            issued_at,
            payload,
            token,
            method,
            traceparent,
            in_parts,
            guarded,
        });
        true
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

    pub(super) fn advance(self: &Arc<Self>, inbox: &mut Inbox) {
        self.resume_next(inbox);
        loop {
            let Some(first) = inbox.waiting.front() else { return };
            let is_handled = inbox.policy(first.message.method()).is_some();
            // What was taken from the handler goes into the inbox first.
            let may_go = if is_handled { inbox.running < self.options.concurrency } else { inbox.unbegun == 0 };
            let Some(request) = may_go.then(|| inbox.waiting.pop_front()).flatten() else { return };
            match self.node.check_running(&[request.message.from(), self.did()]) {
                Ok(()) if !is_handled => self.to_inbox(inbox, request),
                Ok(()) => self.sort(inbox, request),
                Err(error) => self.refuse(request.caller, request.reference, error.kind()),
            }
        }
    }
}
