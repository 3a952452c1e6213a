//! How an agent ends, and what of others' and its own ends with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use xbind::{Did, Error, ErrorKind, Handled, MessageId, Op};

use crate::agent::Agent;
use crate::agent::outbox::Outgoing;
use crate::agent::room::Room;
use crate::agent::signing::Statement;
use crate::flush;
use crate::port::Port;
use crate::port::event::Outcome;
use crate::port::tickets::Back;
use crate::sync::Lock;

impl Agent {
    /// Whether nothing new is let in any more.
    pub(crate) fn is_retiring(&self) -> bool {
        self.retiring.load(Ordering::Acquire)
    }

    /// Lets nothing new in: whoever brings something gets `AGENT_CLOSED`, and so does what waits for the handler. Handlers
    /// that run may go on, and call others.
    pub(crate) fn retire(self: &Arc<Self>) {
        let waiting = {
            let mut inbox = self.inbox.guard();
            self.retiring.store(true, Ordering::Release);
            inbox.take_waiting()
        };
        self.set_takes_calls(false);
        for request in waiting {
            self.end_request(&request.caller, request.reference, ErrorKind::AgentClosed);
        }
        self.end_held(None, ErrorKind::AgentClosed);
        Room::release_waiting(self);
        self.check_idle();
    }

    /// Says so if the agent retires, no handler of it runs any more, and all that they answered is out.
    pub(crate) fn check_idle(&self) {
        if !self.is_retiring() {
            return;
        }
        let inbox = self.inbox.guard();
        if !inbox.closed && !inbox.is_running() && !self.outbox.guard().owes_answers() {
            self.port.push(crate::Event::Idle { agent: self.number });
        }
    }

    /// Wipes the key and ends all that is under way. The node must have forgotten the agent before.
    pub(crate) fn close(self: &Arc<Self>) {
        if std::mem::replace(&mut self.inbox.guard().closed, true) {
            return;
        }
        self.set_takes_calls(false);
        self.end_all(ErrorKind::AgentClosed);
        // Callers elsewhere are told by signed messages, the last that this key signs.
        flush::last_words(self);
        let (late, statements) = {
            let mut outbox = self.outbox.guard();
            outbox.closed = true;
            (outbox.drain(), std::mem::take(&mut outbox.statements))
        };
        drop(late);
        statements.into_iter().for_each(Statement::give_up);
        // What was begun while the rest was ended; from now on nothing begins.
        let begun = self.port.calls.guard().take_of(self);
        for call in begun {
            self.port.settle(&call, self.ended(ErrorKind::AgentClosed));
        }
        drop(self.key.guard().take());
        self.record_own("agent.left");
        Room::release_waiting(self);
        self.node.forget(self); // it may have shown its key meanwhile
        self.port.forget(self);
    }

    /// Ends every call that the agent has made, works on or has queued.
    pub(crate) fn end_all(self: &Arc<Self>, kind: ErrorKind) {
        let waiting = self.inbox.guard().drain();
        let (asked, outgoing) = {
            let mut outbox = self.outbox.guard();
            (outbox.asked.take(), outbox.drain())
        };
        if asked.is_some() {
            self.batch_done();
        }
        let calls = self.port.calls.guard().take_of(self);
        for call in calls {
            Port::give_up(&call);
            self.port.settle(&call, self.ended(kind));
        }
        let asked = asked.map(|asked| asked.into_batch()).unwrap_or_default();
        let outgoing: Vec<_> = asked.into_iter().chain(outgoing).collect();
        let sent = Sent::before(&outgoing);
        let running = self.port.tickets.guard().cancel_all(|running| Arc::ptr_eq(&running.agent, self));
        for (ticket, back) in running {
            self.port.cancelled(ticket);
            sent.of(back).end(kind);
        }
        for request in waiting {
            self.end_request(&request.caller, request.reference, kind);
        }
        self.end_held(None, kind);
        for outgoing in outgoing {
            if let Some(request) = outgoing.in_reply_to
                && matches!(outgoing.op, Op::Result | Op::Error | Op::Receipt)
            {
                let parts = outgoing.details.seq.unwrap_or_default();
                let (agent, caller, asked) = (self.clone(), outgoing.to, outgoing.asked);
                sent.of(Back { agent, caller, request, asked, parts, begun: true }).end(kind);
            }
        }
    }

    /// How a call ends that this agent will not begin with any more.
    pub(crate) fn unbegun(&self, kind: ErrorKind) -> Outcome {
        let (why, hint) = if kind == ErrorKind::Revoked {
            let why = format!("{} was stopped on this bus, or its caller; nothing of the call was begun", self.did());
            (why, "ask whoever runs the bus; a stopped identity stays stopped")
        } else {
            let why = "the agent closed before it began with the call; nothing of it was begun".to_owned();
            (why, "make the call again, to another agent or once this one was made anew")
        };
        let error = Error::new(kind, why).with_hint(hint).with_handled(Handled::No);
        Outcome::Failed { error, remote: None }
    }

    /// How a call ends that this agent made, or that it cannot answer any more.
    pub(crate) fn ended(&self, kind: ErrorKind) -> Outcome {
        let error = if kind == ErrorKind::Revoked {
            crate::node::stops::stopped(&self.did)
        } else {
            Error::new(kind, "the agent closed before the answer came")
        };
        Outcome::Failed { error, remote: None }
    }

    /// An identity was stopped: what it has sent leaves this agent.
    pub(crate) fn drop_sender(self: &Arc<Self>, sender: &Did) {
        let gone = self.inbox.guard().drain_from(sender);
        for request in gone {
            self.end_request(&request.caller, request.reference, ErrorKind::Revoked);
        }
        self.end_held(Some(sender), ErrorKind::Revoked);
    }
}

/// The first part that did not leave, of each call that was being answered.
struct Sent(HashMap<(Did, MessageId), u64>);

impl Sent {
    fn before(unsent: &[Outgoing]) -> Self {
        let parts = unsent.iter().filter(|outgoing| outgoing.op == Op::Part);
        let mut first = HashMap::new();
        for part in parts {
            first.entry((*part.to.did(), *part.request_id())).or_insert(part.details.seq.unwrap_or_default());
        }
        Self(first)
    }

    fn of(&self, mut back: Back) -> Back {
        if let Some(parts) = self.0.get(&(*back.caller.did(), back.request.id)) {
            back.parts = *parts;
        }
        back
    }
}
