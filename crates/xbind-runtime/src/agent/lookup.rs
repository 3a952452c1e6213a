//! Calls whose recipient is still looked up.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use xbind::{Did, Error, Op, Result};

use crate::agent::Agent;
use crate::agent::outbox::{Outbox, Outgoing};
use crate::agent::room::Load;
use crate::node::directory::not_found;
use crate::port::event::Outcome;
use crate::sync::Lock;
use crate::transport::Peer;

/// A call that is complete but for its recipient.
pub(crate) struct Lookup {
    pub(crate) to: Box<str>,
    pub(crate) number: u64,
    pub(crate) draft: Draft,
    pub(crate) found: Option<Result<Peer>>,
}

/// Makes the message once its recipient is known.
pub(crate) type Draft = Box<dyn FnOnce(Peer) -> Outgoing + Send>;

/// Oldest first.
#[derive(Default)]
pub(crate) struct Lookups {
    waiting: VecDeque<(usize, Lookup)>,
}

impl Lookups {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True if no pending call has asked for that name or DID yet.
    pub(crate) fn push(&mut self, lookup: Lookup, bytes: usize, is_pending: impl Fn(u64) -> bool) -> bool {
        let asks_too = |other: &Lookup| other.to == lookup.to && other.found.is_none() && is_pending(other.number);
        let first = !self.waiting.iter().any(|(_, other)| asks_too(other));
        self.waiting.push_back((bytes, lookup));
        first
    }

    /// Whether something whose recipient is known waits behind others.
    fn holds_found(&self) -> bool {
        self.waiting.iter().any(|(_, lookup)| lookup.found.is_some())
    }

    /// Notes where the agent of that name or DID is, for all calls to it.
    pub(crate) fn resolved(&mut self, to: &str, found: &Result<Peer>) {
        for (_, lookup) in &mut self.waiting {
            if *lookup.to == *to && lookup.found.is_none() {
                lookup.found = Some(found.clone());
            }
        }
    }

    /// Takes out what may go: nothing overtakes an earlier call to the same peer, nor one whose peer may be the same. Any
    /// name may mean any agent elsewhere, so what goes elsewhere waits for all names that were asked for earlier.
    fn take_ready(&mut self) -> Vec<(usize, Lookup)> {
        let mut held_names: HashSet<Box<str>> = HashSet::new();
        let mut held_dids: HashSet<Did> = HashSet::new();
        let mut name_is_open = false;
        let (ready, waiting): (Vec<_>, _) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, lookup)| {
            let goes = match &lookup.found {
                None => false,
                Some(Err(_)) => true,
                Some(Ok(peer)) => {
                    let may_be_open = match peer {
                        Peer::There(_) => name_is_open,
                        Peer::Here(agent) => agent.name().is_some_and(|name| held_names.contains(name)),
                    };
                    !may_be_open
                        && !held_names.contains(&lookup.to)
                        && !held_names.contains(peer.did().as_str())
                        && !held_dids.contains(peer.did())
                }
            };
            if !goes {
                held_names.insert(lookup.to.clone());
                match &lookup.found {
                    Some(Ok(peer)) => drop(held_dids.insert(*peer.did())),
                    _ => name_is_open |= !lookup.to.starts_with("did:"),
                }
            }
            goes
        });
        self.waiting = waiting.into();
        ready
    }

    /// What its calls have taken of the outbox and give back.
    pub(crate) fn retain(&mut self, is_pending: impl Fn(u64) -> bool) -> Load {
        let mut gone = Load::default();
        self.waiting.retain(|(bytes, lookup)| {
            let keep = is_pending(lookup.number);
            if !keep {
                gone = gone.plus(Load::of(*bytes));
            }
            keep
        });
        gone
    }
}

impl Agent {
    /// The calls of this agent to that name or DID can go on, or cannot.
    pub(crate) fn looked_up(self: &Arc<Self>, to: &str, found: &Result<Peer>) {
        let mut outbox = self.outbox.guard();
        if outbox.closed || !outbox.looks_up() {
            return;
        }
        outbox.lookups().resolved(to, found);
        self.release_lookups(&mut outbox);
    }

    /// Calls have ended whose recipient was looked up: nothing waits behind them any more.
    pub(crate) fn lookups_ended(self: &Arc<Self>) {
        let mut outbox = self.outbox.guard();
        if outbox.looks_up() && outbox.lookups().holds_found() {
            self.release_lookups(&mut outbox);
        }
    }

    /// What may go goes, all of it under the one lock, so that no later call overtakes it.
    pub(crate) fn release_lookups(self: &Arc<Self>, outbox: &mut Outbox) {
        let (ended, ready) = {
            let calls = self.port.calls.guard();
            let ended = outbox.lookups().retain(|number| calls.is_pending(number));
            (ended, outbox.lookups().take_ready())
        };
        outbox.free(ended);
        for (bytes, lookup) in ready {
            match lookup.found {
                Some(Ok(peer)) => self.depart(outbox, lookup.number, bytes, peer, lookup.draft),
                Some(Err(error)) => {
                    outbox.free(Load::of(bytes));
                    self.fail_call(lookup.number, error);
                }
                None => {}
            }
        }
    }

    /// The recipient is known: the call goes into the outbox, unless it has ended meanwhile or may not be made.
    fn depart(self: &Arc<Self>, outbox: &mut Outbox, number: u64, bytes: usize, peer: Peer, draft: Draft) {
        if let Err(error) = self.check_recipient(&peer) {
            outbox.free(Load::of(bytes));
            return self.fail_call(number, error);
        }
        let is_kept = matches!(&peer, Peer::There(remote) if self.node.keeps(remote).is_some());
        if !self.port.calls.guard().found(number, peer.clone()) {
            return outbox.free(Load::of(bytes));
        }
        let mut outgoing = draft(peer);
        if is_kept && outgoing.op != Op::Send {
            outbox.free(Load::of(bytes));
            return self.fail_call(number, not_found(outgoing.to.did().as_str()));
        }
        if is_kept {
            outgoing.op = Op::Mail;
        }
        self.put_out(outbox, outgoing);
    }

    pub(crate) fn fail_call(&self, number: u64, error: Error) {
        let call = self.port.calls.guard().take(number);
        if let Some(call) = call {
            self.port.settle(&call, Outcome::Failed { error, remote: None });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use xbind::SigningKey;

    use crate::{AgentOptions, NewCall, Node, NodeOptions, Payload, Port, Signer, Time};

    #[test]
    fn whoever_asks_again_for_a_key_that_does_not_show_is_noted_once() {
        let (node, port) = (Node::new(NodeOptions::default()), Port::new(Box::new(|| ()), Time::System));
        let join = |seed: u8, elsewhere: bool, name: &str| {
            let key = SigningKey::from_seed(&[seed; 32]);
            let signer = if elsewhere {
                Signer::Elsewhere(xbind::VerifyingKey::from_did(key.did().as_str()).unwrap())
            } else {
                Signer::Local(key)
            };
            port.join(&node, signer, Some(name.to_owned()), AgentOptions::default()).unwrap()
        };
        let (_silent, agent) = (join(1, true, "silent"), join(2, false, "asker"));
        for _ in 0..1000 {
            let payload = Payload::Json("1".to_owned());
            let call = NewCall { agent, to: "silent", payload, one_way: false, timeout: None, ..NewCall::default() };
            let call = port.call(call).unwrap();
            let _ = port.abandon(call);
        }
        assert_eq!(node.seekers(), 1);
    }
}
