//! Calls that wait until somebody who was asked has answered. They have no handler's place meanwhile, but one in the inbox's
//! room: so many slow questions keep nobody else from a handler, and their number has a bound.

use std::sync::Arc;

use xbind::{Did, Error, ErrorKind, VerifiedToken, approval_in};

use crate::agent::Agent;
use crate::agent::inbox::Inbox;
use crate::agent::room::{Room, Slot};
use crate::guard::case::{Approving, Case};
use crate::port::Port;
use crate::port::answer::{Reply, Start};
use crate::port::asking::NewCall;
use crate::port::event::{Event, Outcome, Payload};
use crate::sync::Lock;
use crate::sync::after::enter;

impl Port {
    /// The face waits for somebody before it can say more about a call: the handler's place goes to another until
    /// [`Port::resume`]. False if there is no room to wait; then the call was refused.
    pub fn wait(self: &Arc<Self>, ticket: u64) -> bool {
        let _entry = enter();
        let seen = self.tickets.guard().get(ticket).map(|running| {
            let (agent, case) = (running.agent.clone(), running.case.clone());
            (agent, case, *running.caller.did(), running.size, running.slot.is_some())
        });
        let Some((agent, case, from, size, has_slot)) = seen else { return false };
        if case.is_some_and(|case| case.keeps_place()) {
            return true;
        }
        let slot = if has_slot { None } else { Room::take(&agent, &from, size) };
        if !has_slot && slot.is_none() {
            self.reply(ticket, Reply::Refused(ErrorKind::InboxFull, None));
            return false;
        }
        agent.park(ticket, slot)
    }

    /// What the token of a call grants, where it holds.
    #[must_use]
    pub fn rights(&self, ticket: u64) -> Option<Arc<VerifiedToken>> {
        let case = self.tickets.guard().get(ticket).and_then(|running| running.case.clone());
        case?.guarded().token
    }

    /// The face knows more: [`Event::Resumed`] says when the call has a place again and is to be judged.
    pub fn resume(&self, ticket: u64) {
        let _entry = enter();
        let seen = self.tickets.guard().get(ticket).map(|running| (running.agent.clone(), running.case.clone()));
        let Some((agent, case)) = seen else { return };
        if let Some(case) = case {
            case.answered(agent.node.time().unix());
        }
        agent.resume(ticket);
    }

    /// A call has ended that waits: whoever holds it is told.
    pub(crate) fn cancelled(self: &Arc<Self>, ticket: u64) {
        self.push(Event::Cancelled { ticket });
        let waits = self.tickets.guard().get(ticket).is_some_and(|running| running.parked);
        if waits {
            self.push(Event::Resumed { ticket });
        }
    }

    pub(crate) fn ask_approver(
        self: &Arc<Self>,
        ticket: u64,
        agent: u32,
        case: &Arc<Case>,
        approver: &Did,
        request: String,
    ) -> Start {
        if !self.wait(ticket) {
            return Start::Gone;
        }
        let timeout = case.policy.approval.as_ref().map(|policy| policy.timeout);
        let payload = Payload::Json(request);
        let call = NewCall { agent, to: approver.as_str(), payload, timeout, ..NewCall::default() };
        let begun = self.call_for(call, Some(ticket));
        if let Err(error) = &begun {
            self.note(agent, case, &format!("could not be asked: {}", error.message()));
        }
        {
            let mut state = case.state.guard();
            match begun {
                // Its end may have come already.
                Ok(call) if matches!(state.approving, Approving::Asking) => state.approving = Approving::Asked(call),
                Ok(_) => {}
                Err(_) => state.approving = Approving::Failed(ErrorKind::ApprovalFailed),
            }
        }
        let is_over = self.tickets.guard().get(ticket).is_none();
        match begun {
            Err(_) => self.resume(ticket),
            Ok(call) if is_over => {
                let _ = self.abandon(call);
            }
            Ok(_) => {}
        }
        Start::Wait
    }

    /// How the call to an approver ended.
    pub(crate) fn approver_answered(self: &Arc<Self>, ticket: u64, outcome: Outcome) {
        let seen = self.tickets.guard().get(ticket).map(|running| (running.agent.number, running.case.clone()));
        let Some((agent, Some(case))) = seen else { return };
        let came = match outcome {
            Outcome::Answer { payload: Payload::Json(answer), .. } => {
                approval_in(&answer).ok_or((ErrorKind::ApprovalFailed, "answered with no approval".to_owned()))
            }
            Outcome::Failed { error, .. } if error.kind() == ErrorKind::Timeout => {
                Err((ErrorKind::ApprovalTimeout, "did not decide in time".to_owned()))
            }
            Outcome::Failed { error, .. } => {
                Err((ErrorKind::ApprovalFailed, format!("could not decide: {}", error.message())))
            }
            Outcome::Answer { .. } => Err((ErrorKind::ApprovalFailed, "answered with no approval".to_owned())),
            Outcome::Delivered { .. } | Outcome::Kept { .. } => {
                Err((ErrorKind::ApprovalFailed, "has no handler, and took the question into its inbox".to_owned()))
            }
        };
        if let Err((_, why)) = &came {
            self.note(agent, &case, why);
        }
        case.state.guard().approving = came.map_or_else(|(kind, _)| Approving::Failed(kind), Approving::Came);
        self.resume(ticket);
    }

    /// Tells the owner of an agent what became of asking for an approval.
    pub(crate) fn note(self: &Arc<Self>, agent: u32, case: &Case, why: &str) {
        let approvers = case.policy.approval.iter().flat_map(|policy| policy.approvers.first());
        for approver in approvers {
            let error = Error::new(ErrorKind::ApprovalFailed, format!("the approver {approver} {why}"));
            self.push(Event::Noted { agent, error });
        }
    }
}

impl Agent {
    /// Takes a call from its handler's place; false if it has ended. It is marked and counted at once: whoever sees the mark
    /// takes it from the count.
    fn park(self: &Arc<Self>, ticket: u64, slot: Option<Slot>) -> bool {
        let has_method = {
            let mut inbox = self.inbox.guard();
            let mut tickets = self.port.tickets.guard();
            let Some(running) = tickets.get_mut(ticket) else { return false };
            running.slot = running.slot.take().or(slot);
            if std::mem::replace(&mut running.parked, true) {
                return true;
            }
            inbox.parked = inbox.parked.saturating_add(1);
            running.method.is_some()
        };
        self.finished(has_method);
        true
    }

    /// A call has ended, wherever it was; `is_counted` where the inbox does not wait for it any more.
    pub(crate) fn ended_place(self: &Arc<Self>, parked: bool, is_counted: bool) {
        if parked {
            let mut inbox = self.inbox.guard();
            inbox.parked = inbox.parked.saturating_sub(1);
        } else {
            self.finished(is_counted);
        }
    }

    fn resume(self: &Arc<Self>, ticket: u64) {
        let mut inbox = self.inbox.guard();
        let has_place = self.port.tickets.guard().get(ticket).is_some_and(|running| !running.parked);
        if has_place {
            return self.port.push(Event::Resumed { ticket });
        }
        inbox.resuming.push_back(ticket);
        self.resume_next(&mut inbox);
    }

    /// Calls that have waited go before those that have not been looked at.
    pub(crate) fn resume_next(self: &Arc<Self>, inbox: &mut Inbox) {
        while inbox.running < self.options.concurrency {
            let Some(ticket) = inbox.resuming.pop_front() else { return };
            let waited = {
                let mut tickets = self.port.tickets.guard();
                tickets.get_mut(ticket).map(|running| (std::mem::take(&mut running.parked), running.method.is_some()))
            };
            if let Some((true, has_method)) = waited {
                inbox.parked = inbox.parked.saturating_sub(1);
                inbox.running = inbox.running.saturating_add(1);
                inbox.unbegun = inbox.unbegun.saturating_add(usize::from(!has_method));
                self.port.push(Event::Resumed { ticket });
            }
        }
    }
}

#[cfg(all(test, loom))]
mod tests {
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// A call at an agent with one place, and what its inbox counts.
    struct Model {
        /// Whether it waits, until it has ended.
        ticket: Mutex<Option<bool>>,
        inbox: Mutex<Counts>,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Counts {
        running: isize,
        parked: isize,
        resuming: bool,
    }

    impl Model {
        /// As `Agent::park` does.
        fn park(&self) {
            {
                let mut inbox = self.inbox.lock().unwrap();
                let mut ticket = self.ticket.lock().unwrap();
                let Some(parked) = ticket.as_mut() else { return };
                if std::mem::replace(parked, true) {
                    return;
                }
                inbox.parked += 1;
            }
            self.finished();
        }

        /// As `Agent::finished` does.
        fn finished(&self) {
            let mut inbox = self.inbox.lock().unwrap();
            inbox.running -= 1;
            self.resume_next(&mut inbox);
        }

        /// As `Agent::resume` does.
        fn resume(&self) {
            let mut inbox = self.inbox.lock().unwrap();
            if self.ticket.lock().unwrap().is_some_and(|parked| !parked) {
                return;
            }
            inbox.resuming = true;
            self.resume_next(&mut inbox);
        }

        /// As `Agent::resume_next` does.
        fn resume_next(&self, inbox: &mut Counts) {
            if inbox.running >= 1 || !std::mem::take(&mut inbox.resuming) {
                return;
            }
            let waited = self.ticket.lock().unwrap().as_mut().map(std::mem::take);
            if waited == Some(true) {
                inbox.parked -= 1;
                inbox.running += 1;
            }
        }

        /// As `Port::reply` does.
        fn end(&self) {
            let Some(parked) = self.ticket.lock().unwrap().take() else { return };
            if parked {
                self.inbox.lock().unwrap().parked -= 1;
            } else {
                self.finished();
            }
        }
    }

    /// A call is put aside, goes on and ends, in whatever order: no place is lost, and none is counted twice.
    #[test]
    fn a_call_that_waits_is_counted_once() {
        loom::model(|| {
            let model = Arc::new(Model {
                ticket: Mutex::new(Some(false)),
                inbox: Mutex::new(Counts { running: 1, ..Counts::default() }),
            });
            let (resumes, ends) = (model.clone(), model.clone());
            let others = [thread::spawn(move || resumes.resume()), thread::spawn(move || ends.end())];
            model.park();
            for other in others {
                other.join().unwrap();
            }
            let counts = model.inbox.lock().unwrap();
            assert_eq!((counts.running, counts.parked), (0, 0));
        });
    }
}
