//! The guard: whether a call may begin, by the policies of the agent that is called.
//!
//! It judges three times: when a call comes in, by what can be said without asking; just before the handler begins, with
//! what the face says then; and again after anybody was asked who took time. What it cannot know it asks: the face, for what
//! only a program knows, by [`Event::Call`] and [`Start::Ask`]; an approver, over the bus, by itself.

pub(crate) mod case;
pub(crate) mod policy;
mod waiting;

use std::sync::Arc;

use xbind::record::Verdict;
use xbind::{Did, ErrorKind, InReplyTo, MessageId, Presented, Session};

use crate::agent::Agent;
use crate::agent::inbox::{Inbox, Letter};
use crate::agent::room::Room;
use crate::flush::refusal::Refusal;
use crate::guard::case::{Case, Testimony};
use crate::guard::policy::Policy;
use crate::port::Port;
use crate::port::answer::{Reply, Start};
use crate::port::event::{Event, Payload};
use crate::port::tickets::Running;
use crate::record::Taken;
use crate::record::sink::{Asked, Noted};
use crate::sync::Lock;
use crate::sync::after::enter;
use crate::transport::Peer;

/// How often a call is judged at most, when each policy sets another one while it is asked.
const MAX_JUDGED: u32 = 16;

/// What a call shows of itself.
pub(crate) struct Shown<'a> {
    pub(crate) from: &'a Did,
    pub(crate) method: Option<&'a str>,
    pub(crate) session: Option<Session>,
    pub(crate) presented: Option<&'a Arc<str>>,
    pub(crate) body: &'a [u8],
    pub(crate) content_type: &'a str,
}

/// Whether what was decided about a call when it came in still stands.
enum Standing {
    Stands,
    /// Another policy has to judge, or there is none any more.
    Over,
    Refused(ErrorKind),
}

impl Agent {
    /// What can be said of a call by that policy without asking anybody: nothing more where the caller's DID decides alone.
    pub(crate) fn screen(&self, policy: &Arc<Policy>, call: &Shown<'_>) -> Result<Option<Arc<Case>>, Refusal> {
        if call.presented.is_some_and(|text| Presented::parse(text).is_err()) {
            return Err(Refusal::of(ErrorKind::InvalidToken));
        }
        if policy.is_plain() {
            return Ok(None);
        }
        let now = self.node.time().unix();
        let case = Case::open(policy, *self.did(), call, now)?;
        Ok(Some(Arc::new(case)))
    }

    fn standing(&self, running: &Seen, said: Option<u32>) -> Standing {
        let token = running.case.as_ref().and_then(|case| case.token());
        let inbox = self.inbox.guard();
        if inbox.closed {
            return Standing::Refused(ErrorKind::AgentClosed);
        }
        let Some(policy) = inbox.policy(running.method.as_deref()) else { return Standing::Over };
        let is_plain = running.case.is_none() && policy.is_plain();
        let is_of_now = inbox.version == running.version && said.is_none_or(|version| version == inbox.version);
        if !is_of_now && !is_plain {
            return Standing::Over;
        }
        if !policy.allow.includes(&running.caller) {
            return Standing::Refused(ErrorKind::NotAllowed);
        }
        let is_running = self.node.check_running(&[&running.caller, self.did()]);
        match is_running.and_then(|()| token.map_or(Ok(()), |token| self.node.check_chain(&token))) {
            Ok(()) => Standing::Stands,
            Err(error) => Standing::Refused(error.kind()),
        }
    }

    /// A call whose policy or handler is gone before it began: another policy judges it, or it goes to the inbox after all.
    /// Tells whether it still has its place.
    pub(crate) fn give_back(self: &Arc<Self>, running: Running, payload: Payload) -> bool {
        let mut inbox = self.inbox.guard();
        if inbox.closed || self.node.check_running(&[running.caller.did(), self.did()]).is_err() {
            return false; // whoever closed or stopped has told the caller
        }
        let (caller, request, issued_at) = (running.caller.clone(), running.request, running.issued_at);
        if let Some(policy) = inbox.policy(running.method.as_deref()).cloned() {
            let method = running.method.clone();
            let judged = self.judge_anew(&inbox, &policy, running, payload);
            if let Err(refusal) = &judged {
                let asked = Asked { method: method.as_deref(), case: None };
                self.refuse_asked(caller, request, refusal, asked);
            }
            return judged.unwrap_or(false);
        }
        if running.method.is_some() {
            let asked = Asked { method: running.method.as_deref(), case: running.case.as_deref() };
            self.refuse_asked(caller, request, &Refusal::of(ErrorKind::MethodNotFound), asked);
            return false;
        }
        let from = *caller.did();
        if self.is_retiring() {
            drop(inbox);
            self.end_request(&caller, request, ErrorKind::AgentClosed); // what is in the inbox goes with the agent
            return false;
        }
        match Room::take(self, &from, payload.len()) {
            Some(slot) => {
                let letter = Letter { id: request.id, from, issued_at, one_way: false, payload, _slot: slot };
                self.put_in(&mut inbox, letter, caller, request);
            }
            None => self.refuse(caller, request, ErrorKind::InboxFull),
        }
        false
    }

    /// Another policy judges a call that the face gives back, with the payload that it brought. Tells whether the call goes
    /// on, in the place that it has.
    fn judge_anew(
        self: &Arc<Self>,
        inbox: &Inbox,
        policy: &Arc<Policy>,
        running: Running,
        payload: Payload,
    ) -> Result<bool, Refusal> {
        if !policy.allow.includes(running.caller.did()) {
            return Err(Refusal::of(ErrorKind::NotAllowed));
        }
        if running.judged >= MAX_JUDGED {
            let why = "each policy of the handler set another one while it was asked";
            let error = xbind::Error::new(ErrorKind::NotAllowed, why);
            self.port.push(Event::Noted { agent: self.number, error });
            return Err(Refusal::of(ErrorKind::NotAllowed));
        }
        let (body, content_type) = payload.parts();
        let shown = Shown {
            from: running.caller.did(),
            method: running.method.as_deref(),
            session: running.session,
            presented: running.presented.as_ref(),
            body,
            content_type,
        };
        let case = self.screen(policy, &shown)?;
        let judged = running.judged.saturating_add(1);
        let version = inbox.version;
        Ok(self.hand_over(Running { case, judged, version, begun: false, noted: Noted::Unasked, ..running }, payload))
    }
}

/// What is to be known of a running call to judge it.
struct Seen {
    agent: Arc<Agent>,
    caller: Did,
    from: Peer,
    method: Option<Box<str>>,
    case: Option<Arc<Case>>,
    version: u32,
    request: InReplyTo,
    asked: Option<u64>,
    cancelled: bool,
    approved: Option<(Did, MessageId)>,
}

impl Port {
    /// Whether the handler may begin with a call: asked just before it does, because much may have happened since
    /// [`Event::Call`]. What does not hold any more does not begin.
    pub fn start(self: &Arc<Self>, ticket: u64) -> Start {
        self.judge(ticket, Testimony::default())
    }

    /// The same, with what the face says about the call.
    pub fn judge(self: &Arc<Self>, ticket: u64, said: Testimony) -> Start {
        let _entry = enter();
        let Some(mut seen) = self.see(ticket) else { return Start::Gone };
        let version = said.policies;
        if let Some(start) = self.stop(ticket, &seen, version) {
            return start;
        }
        if let Some(case) = seen.case.clone() {
            let verdict = case.judge(said, seen.agent.node.time().unix());
            // Judging takes its time, and shows whose token it is.
            if let Some(start) = self.stop(ticket, &seen, version) {
                return start;
            }
            if let Some(start) = self.act(ticket, &mut seen, &case, verdict) {
                return start;
            }
        }
        match self.record_start(ticket, &seen.agent) {
            Taken::Yes => {}
            Taken::Later => return Start::Wait,
            Taken::No => return self.turn_away(ticket, &seen, Refusal::of(ErrorKind::AuditFailed)),
        }
        let begun = self.tickets.guard().begin(ticket);
        match begun {
            None => {
                seen.cancelled = true;
                self.stop(ticket, &seen, version).unwrap_or(Start::Gone)
            }
            Some(is_first) => {
                if is_first && seen.method.is_none() {
                    seen.agent.begun();
                }
                Start::Run
            }
        }
    }

    fn see(&self, ticket: u64) -> Option<Seen> {
        let mut tickets = self.tickets.guard();
        let running = tickets.get_mut(ticket)?;
        running.cancelled |= running.until.is_some_and(|until| until <= self.time.now());
        let mut seen = Seen {
            agent: running.agent.clone(),
            caller: *running.caller.did(),
            from: running.caller.clone(),
            method: running.method.clone(),
            case: running.case.clone(),
            version: running.version,
            request: running.request,
            asked: running.asked,
            cancelled: running.cancelled,
            approved: running.approved,
        };
        drop(tickets);
        if let Peer::Here(caller) = &seen.from {
            // It may have given up while its message was on its way, when there was no ticket to cancel.
            seen.cancelled |= caller.port.calls.guard().number_of(&seen.request.id, seen.asked).is_none();
        }
        Some(seen)
    }

    /// Why the call does not begin, if it does not.
    fn stop(self: &Arc<Self>, ticket: u64, seen: &Seen, said: Option<u32>) -> Option<Start> {
        if seen.cancelled {
            if let Some(running) = self.tickets.guard().get_mut(ticket) {
                running.cancelled = true;
            }
            self.reply(ticket, Reply::Refused(ErrorKind::AgentClosed, None)); // nobody is told where nobody waits
            return Some(Start::Gone);
        }
        match seen.agent.standing(seen, said) {
            Standing::Stands => None,
            Standing::Over => Some(Start::Back),
            Standing::Refused(kind) => Some(self.turn_away(ticket, seen, Refusal::of(kind))),
        }
    }

    fn turn_away(self: &Arc<Self>, ticket: u64, seen: &Seen, refusal: Refusal) -> Start {
        if refusal.kind == ErrorKind::AuditFailed {
            // Nothing of it was begun: the same approval may come again, and the same call of a caller here.
            seen.agent.forget_local(&seen.from, &seen.request.id);
            if let Some((approver, id)) = &seen.approved {
                seen.agent.use_again(approver, id);
            }
        }
        let asked = Asked { method: seen.method.as_deref(), case: seen.case.as_deref() };
        seen.agent.record_refusal(&seen.request, seen.caller, refusal.kind, asked);
        seen.agent.tell(seen.request.id, seen.caller, Some(refusal.kind));
        self.reply(ticket, Reply::Refused(refusal.kind, refusal.detail));
        Start::Gone
    }

    /// The approval was used for this call, also if the call waits again before it begins.
    fn approved(self: &Arc<Self>, ticket: u64, seen: &mut Seen, approver: Did, id: MessageId) -> Option<Start> {
        seen.approved = Some((approver, id));
        if let Some(running) = self.tickets.guard().get_mut(ticket) {
            running.approved = seen.approved;
        }
        let taken = seen.agent.record("approval", Verdict::Accepted, None, |decided| {
            (decided.from, decided.to) = (Some(approver), Some(seen.caller));
            decided.method.clone_from(&seen.method);
            decided.message = Some(seen.request.id);
            decided.digest = Some(seen.request.digest);
        });
        (taken == Taken::No).then(|| self.turn_away(ticket, seen, Refusal::of(ErrorKind::AuditFailed)))
    }

    /// Does what the verdict says; nothing more where the call may begin.
    fn act(self: &Arc<Self>, ticket: u64, seen: &mut Seen, case: &Arc<Case>, verdict: case::Verdict) -> Option<Start> {
        let refusal = match verdict {
            case::Verdict::Admit(None) => return None,
            case::Verdict::Admit(Some(approval)) => {
                let (agent, approver, id) = (&seen.agent, *approval.approver(), *approval.id());
                let is_running = agent.node.check_running(&[&approver]);
                let used = seen.approved == Some((approver, id)); // by this call, which has waited since
                let once = || if used { Ok(()) } else { agent.use_once(&approver, &id, approval.expires_at()) };
                match is_running.and_then(|()| once()) {
                    Ok(()) if used => return None,
                    Ok(()) => return self.approved(ticket, seen, approver, id),
                    Err(_) => Refusal::of(case.unusable()),
                }
            }
            case::Verdict::Refuse(refusal) => refusal,
            case::Verdict::Ask(question) => return Some(Start::Ask(question)),
            case::Verdict::Wait => return Some(Start::Wait),
            case::Verdict::AskApprover(approver, request) => {
                return Some(self.ask_approver(ticket, seen.agent.number, case, &approver, request));
            }
        };
        if refusal.kind == ErrorKind::ApprovalFailed && case.has_statement() {
            self.note(seen.agent.number, case, "signed nothing that holds for the call");
        }
        Some(self.turn_away(ticket, seen, refusal))
    }
}
