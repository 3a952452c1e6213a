//! Messages that are larger than their route takes: nobody waits for them in vain.

use std::sync::Arc;

use xbind::{Did, Error, ErrorKind, Handled, InReplyTo, Op};

use crate::agent::Agent;
use crate::agent::outbox::Outgoing;
use crate::flush::refusal::Refusal;
use crate::port::event::Outcome;
use crate::port::tickets::Back;
use crate::sync::Lock;
use crate::transport::Peer;

/// Sealed messages of one batch on their way out, in their order.
#[derive(Default)]
pub(crate) struct Misfits {
    /// The calls whose answers ended with one.
    ended: Vec<(Did, InReplyTo)>,
}

impl Misfits {
    /// Whether this belongs to an answer that has ended with an error.
    pub(crate) fn came_after(&self, outgoing: &Outgoing) -> bool {
        let is_it = |(to, request): &(Did, InReplyTo)| outgoing.answers(to, request);
        self.ended.iter().any(is_it)
    }

    /// Tells whoever waits for a message that it does not fit: the caller of a call here, or with a signed error the one
    /// elsewhere who was to get this answer or part. The owner of the handler is told as well.
    pub(crate) fn add(&mut self, sender: &Arc<Agent>, outgoing: &Outgoing, error: Error) {
        let parts = outgoing.details.seq.unwrap_or_default();
        let Outgoing { op, id, to, body, in_reply_to, asked, .. } = outgoing;
        let Some(request) = *in_reply_to else {
            let error = error.with_handled(Handled::No);
            return sender.settle_request(id, Outcome::Failed { error, remote: None });
        };
        let refusal = match op {
            Op::Part | Op::Result | Op::Receipt => Refusal::of(ErrorKind::PayloadTooLarge),
            Op::Error => Refusal::with(Refusal::decode(body).kind, None), // what went with the code is left out
            // It says nothing that anybody has to know.
            Op::Call | Op::Send | Op::Progress | Op::Cancel | Op::More | Op::Mail => return,
        };
        let is_smaller = *op != Op::Error || refusal.encode().len() < body.len();
        let (agent, caller) = (sender.clone(), to.clone());
        let back = Back { agent, caller, request, asked: *asked, parts, begun: true };
        sender.port.push(back.unsent(error));
        self.ended.push((*back.caller.did(), request));
        sender.cut_short(&back.caller, &request);
        if is_smaller {
            back.refuse(refusal);
        }
    }
}

impl Agent {
    /// An answer ends before its time: its handler need not go on, and what it has said and nobody has signed does not leave.
    fn cut_short(self: &Arc<Self>, caller: &Peer, request: &InReplyTo) {
        let ticket = self.port.tickets.guard().cancel(caller.did(), &request.id);
        if let Some(ticket) = ticket {
            self.port.cancelled(ticket);
        }
        drop(self.take_back(caller.did(), request));
    }
}
