//! What handlers do with calls: begin, say how far they are, send parts, end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use xbind::message::JSON;
use xbind::record::Verdict;
use xbind::{Details, Error, ErrorKind, Op, Result};

use crate::agent::outbox::Outgoing;
use crate::flush;
use crate::flush::refusal::{BEGUN, Refusal};
use crate::guard::case::Question;
use crate::port::event::{Body, Event, Payload};
use crate::port::parts::{Flow, Gathered, Guard, LONGEST_WAIT, Said};
use crate::port::progress::Progress;
use crate::port::tickets::{Back, Running};
use crate::port::{Port, encode};
use crate::record::sink::Asked;
use crate::sync::Lock;
use crate::sync::after::enter;
use crate::sync::clock;
use crate::transport::Peer;

/// What a handler made of a call.
#[derive(Debug)]
pub enum Reply {
    /// Its value.
    Payload(Payload),
    /// The value that an answer in parts ends with; what it was made of went with [`Port::part`](crate::Port::part). A caller
    /// that takes its answer in one gets the parts instead: a list of JSON values, or bytes one behind the other.
    End(Payload),
    /// A refusal; at times with the JSON object that goes with its kind.
    Refused(ErrorKind, Option<String>),
}

/// Whether a handler may begin with a call.
#[derive(Debug)]
pub enum Start {
    /// It may, and [`Port::reply`](crate::Port::reply) takes its answer.
    Run,
    /// The call has ended, or was refused just now.
    Gone,
    /// The policy that let it in is not the agent's any more, or there is no handler: [`Port::give_back`](crate::Port::give_back)
    /// lets others judge.
    Back,
    /// Find that out, and [`Port::judge`](crate::Port::judge) again; [`Port::wait`](crate::Port::wait) first if it takes time.
    Ask(Question),
    /// Somebody is asked; [`Event::Resumed`] says when to [`Port::judge`](crate::Port::judge) again, from the beginning.
    Wait,
}

impl Port {
    /// A call that [`Port::judge`] wants back, with the payload that its [`Event::Call`] brought.
    pub fn give_back(&self, ticket: u64, payload: Payload) {
        let _entry = enter();
        let taken = self.tickets.guard().take(ticket);
        let Some(running) = taken else { return };
        running.record_void();
        let (agent, parked, has_method) = (running.agent.clone(), running.parked, running.method.is_some());
        let goes_on = !running.cancelled && agent.give_back(running, payload);
        if !goes_on {
            agent.ended_place(parked, has_method);
        }
        agent.check_idle();
    }

    /// Answers a running call. One that was cancelled or whose agent closed needs no answer; then this does nothing. What
    /// cannot be sent becomes a refusal, and an [`Event::Unsent`].
    pub fn reply(self: &Arc<Self>, ticket: u64, reply: Reply) {
        let _entry = enter();
        let taken = self.tickets.guard().take(ticket);
        let Some(running) = taken else { return };
        let agent = running.agent.clone();
        self.end(running, reply);
        agent.check_idle();
    }

    fn end(self: &Arc<Self>, running: Running, reply: Reply) {
        let back = running.back();
        let (outcome, code) = match &reply {
            _ if running.cancelled => (Verdict::Failed, Some(ErrorKind::Aborted)),
            Reply::Refused(kind, _) => (Verdict::Failed, Some(*kind)),
            Reply::Payload(_) | Reply::End(_) => (Verdict::Answered, None),
        };
        let is_recorded = running.record_end(outcome, code);
        let Running { agent, cancelled, begun, method, said, case, parked, .. } = running;
        agent.ended_place(parked, begun || method.is_some());
        if let Some(call) = case.and_then(|case| case.approver_call()) {
            let _ = self.abandon(call);
        }
        if cancelled {
            return;
        }
        if !is_recorded {
            return back.refuse(Refusal::unrecorded());
        }
        let encoded = match reply {
            Reply::Refused(kind, detail) => return back.refuse(Refusal::with(kind, detail)),
            Reply::Payload(_) if matches!(said, Said::Whole(Some(_))) => Ok(said.together()),
            Reply::End(_) if matches!(said, Said::Whole(_)) => Ok(said.together()),
            Reply::Payload(payload) | Reply::End(payload) => encoded(payload),
        };
        match encoded.and_then(|encoded| agent.check_size(encoded.0.len()).map(|()| encoded)) {
            Ok((body, content_type)) => back.answer(Op::Result, body, content_type),
            Err(error) => {
                self.push(back.unsent(error));
                back.refuse(Refusal::of(ErrorKind::HandlerFailed));
            }
        }
    }

    /// Whether the handler of a running call may send a part. [`Flow::Wait`] is followed by an [`Event::Credit`] when it may,
    /// or an [`Event::Cancelled`].
    #[must_use]
    pub fn flow(&self, ticket: u64) -> Flow {
        let mut tickets = self.tickets.guard();
        let source = match tickets.get(ticket) {
            Some(Running { cancelled: false, said: Said::Parts(source), .. }) => source.clone(),
            Some(Running { cancelled: false, said: Said::Whole(_), .. }) => return Flow::Open,
            _ => return Flow::Over,
        };
        let flow = source.flow();
        let stalls = (flow == Flow::Wait).then(|| self.time.now().checked_add(LONGEST_WAIT)).flatten();
        tickets.wait_until(ticket, stalls);
        flow
    }

    /// Sends one part of the answer to a running call, and says whether there is room for another. A caller that takes its
    /// answer in one gets the parts together, with [`Reply::End`]. [`Flow::Over`]: the call has ended, or ends now, as it does where
    /// its end could not be put on record any more.
    ///
    /// # Errors
    /// The part was not sent: `INBOX_FULL` where there was no room for it ([`Port::flow`] says so before), `INVALID_PAYLOAD`,
    /// `PAYLOAD_TOO_LARGE`. The last two end the call: its caller is told `HANDLER_FAILED`.
    pub fn part(self: &Arc<Self>, ticket: u64, payload: Payload) -> Result<Flow> {
        let _entry = enter();
        if !self.tickets.guard().get(ticket).is_none_or(|running| running.agent.can_record()) {
            self.reply(ticket, Reply::Refused(ErrorKind::AuditFailed, Some(BEGUN.to_owned())));
            return Ok(Flow::Over);
        }
        let part = encoded(payload);
        let sent = match self.tickets.guard().get_mut(ticket) {
            Some(running) if !running.cancelled => part.and_then(|part| running.say(part)),
            _ => return Ok(Flow::Over),
        };
        match sent {
            Ok(None) => Ok(Flow::Open),
            Ok(Some((back, part))) => {
                back.agent.enqueue_answer(part);
                Ok(self.flow(ticket))
            }
            Err(error) if error.kind() == ErrorKind::InboxFull => Err(error),
            Err(error) => {
                let back = self.tickets.guard().get(ticket).map(Running::back);
                if let Some(back) = back {
                    self.push(back.unsent(error.clone()));
                }
                self.reply(ticket, Reply::Refused(ErrorKind::HandlerFailed, None));
                Err(error)
            }
        }
    }

    /// Tells the caller of a call how far it is, whether its handler has begun or not: somebody who waits for an approver
    /// says so with this. Nothing happens where nobody waits, or where many words are not signed yet.
    ///
    /// # Errors
    /// `INVALID_PAYLOAD`, `PAYLOAD_TOO_LARGE`: more than 4096 bytes of JSON.
    pub fn progress(&self, ticket: u64, progress: &Progress) -> Result<()> {
        let _entry = enter();
        let body = progress.encode()?;
        let said = {
            let mut tickets = self.tickets.guard();
            let running = tickets.get_mut(ticket).filter(|running| !running.cancelled && running.agent.can_record());
            running.and_then(|running| {
                let (seq, word) = running.words.get_or_insert_default().take()?;
                Some((running.back(), seq, word))
            })
        };
        if let Some((back, seq, word)) = said {
            let details = Details { seq: Some(seq), ..Details::default() };
            back.agent.clone().answer(
                Op::Progress,
                body,
                JSON,
                back.caller,
                back.request,
                details,
                Some(Guard::Word(word)),
                back.asked,
            );
        }
        Ok(())
    }

    /// Whether the caller of a running call has given up or its agent closed.
    #[must_use]
    pub fn is_cancelled(&self, ticket: u64) -> bool {
        self.tickets.guard().is_cancelled(ticket)
    }
}

/// Foreign text is checked, which must not end more than its call.
fn encoded(payload: Payload) -> Result<(Body, &'static str)> {
    catch_unwind(AssertUnwindSafe(|| encode(payload))).unwrap_or_else(|_| Err(flush::internal()))
}

impl Running {
    /// One part: gathered, or ready to be sent.
    fn say(&mut self, (body, content_type): (Body, &'static str)) -> Result<Option<(Back, Outgoing)>> {
        self.agent.check_size(body.len())?;
        let most = self.agent.options.max_payload_bytes;
        let source = match &mut self.said {
            Said::Whole(gathered) => return Gathered::push(gathered, &body, content_type, most).map(|()| None),
            Said::Parts(source) => source.clone(),
        };
        let no_room = || Error::new(ErrorKind::InboxFull, "the caller takes no further part for now");
        let id = clock::message_id()?;
        let (seq, unsent) = source.take(body.len()).ok_or_else(no_room)?;
        let part = Outgoing {
            op: Op::Part,
            id,
            to: self.caller.clone(),
            body: body.into(),
            content_type,
            token: None,
            in_reply_to: Some(self.request),
            details: Details { seq: Some(seq), ..Details::default() },
            call: None,
            asked: self.asked,
            told: false,
            until: None,
            slot: None,
            _guard: Some(Guard::Part(unsent)),
        };
        Ok(Some((self.back(), part)))
    }
}

impl Back {
    /// Ends the call with a value.
    pub(crate) fn answer(self, op: Op, body: Body, content_type: &'static str) {
        let Self { agent, caller, request, parts, asked, .. } = self;
        let details = Details { seq: Some(parts).filter(|parts| *parts > 0), ..Details::default() };
        agent.answer(op, body, content_type, caller, request, details, None, asked);
    }

    /// Ends the call with a refusal.
    pub(crate) fn refuse(self, mut refusal: Refusal) {
        if self.agent.check_size(refusal.encode().len()).is_err() {
            refusal.detail = None;
        }
        self.answer(Op::Error, refusal.encode(), JSON);
    }

    pub(crate) fn unsent(&self, error: Error) -> Event {
        Event::Unsent { agent: self.agent.number, id: self.request.id, from: *self.caller.did(), error }
    }

    /// Ends a call of somebody else, which cannot be answered any more.
    pub(crate) fn end(self, kind: ErrorKind) {
        if !self.begun {
            return self.agent.end_request(&self.caller, self.request, kind);
        }
        self.agent.record_refusal(&self.request, *self.caller.did(), kind, Asked::default());
        self.agent.tell(self.request.id, *self.caller.did(), Some(kind));
        match &self.caller {
            Peer::Here(caller) => caller.settle_request(&self.request.id, self.agent.ended(kind)),
            Peer::There(_) => self.refuse(Refusal::with(kind, None)),
        }
    }
}
