//! Who is meant by a name or a DID, here or elsewhere, now or later.

use std::sync::Arc;

use xbind::{Result, VerifyingKey};

use crate::agent::Agent;
use crate::node::directory::{Known, ambiguous, not_found};
use crate::node::name::check_name;
use crate::node::{Node, supersede};
use crate::sync::Lock;
use crate::sync::after::{Task, enter, later};
use crate::transport::{Answer, Peer, Resolved, There};

/// Where a name or DID leads.
pub(crate) enum Found {
    Peer(Peer),
    /// It has to be asked for; [`Node::seek`] does.
    Ask,
}

/// Neither a name nor a DID: where an agent is, for a resolver of its own.
fn is_address(to: &str) -> bool {
    to.contains("://")
}

impl Node {
    /// Who answers to a name or a DID.
    pub(crate) fn find(&self, asker: &Agent, to: &str) -> Result<Found> {
        if is_address(to) {
            return if self.routes.addresses().is_some() { Ok(Found::Ask) } else { Err(not_found(to)) };
        }
        let is_did = to.starts_with("did:");
        let known = {
            let directory = self.directory.guard();
            if is_did { directory.find_did(to) } else { directory.find_name(to)? }
        };
        match known {
            // Agents elsewhere may have the name too.
            Known::Agent(_) if !is_did && self.routes.resolver().is_some() => Ok(Found::Ask),
            Known::Agent(agent) => Ok(Found::Peer(Peer::Here(agent))),
            Known::Soon => Ok(Found::Ask),
            Known::Nobody => {
                if is_did {
                    VerifyingKey::from_did(to)?;
                } else {
                    check_name(to)?;
                }
                let can_ask = self.routes.resolver().is_some() || !is_did && asker.registry().is_some();
                if self.ask_again(to) || can_ask { Ok(Found::Ask) } else { Err(not_found(to)) }
            }
        }
    }

    /// Asks once more for the key of an agent that could not show it, now that somebody needs the agent. True if it may be
    /// listed soon.
    fn ask_again(&self, to: &str) -> bool {
        let agent = self.directory.guard().ask_again(to, self.time().now());
        agent.is_some_and(|agent| agent.prove().is_ok())
    }

    /// Finds out where that is, for the calls of `asker` that wait for it.
    pub(crate) fn seek(self: &Arc<Self>, asker: &Arc<Agent>, to: &str) {
        self.ask(asker, to, None);
    }

    fn ask(self: &Arc<Self>, asker: &Arc<Agent>, to: &str, name: Option<&str>) {
        let resolver = if is_address(to) { self.routes.addresses() } else { self.routes.resolver() };
        let (asker, last) = (Arc::downgrade(asker), name.is_some());
        let question = Resolved { asker, to: to.into(), name: name.map(Into::into), last, answered: false };
        match resolver {
            Some(resolver) => resolver.resolve(to, question),
            None => question.found(&[]),
        }
    }

    /// A registry has said whose a name is, or where.
    pub(crate) fn led(self: &Arc<Self>, asker: &Arc<Agent>, name: &str, to: &str) {
        let _entry = enter();
        // Whoever is here needs no address.
        let here = to.split_once('#').and_then(|(_, did)| match self.directory.guard().find_did(did) {
            Known::Agent(agent) => Some(agent),
            Known::Soon | Known::Nobody => None,
        });
        let found = match here.map_or_else(|| self.find(asker, to), |agent| Ok(Found::Peer(Peer::Here(agent)))) {
            Ok(Found::Peer(peer)) => Ok(peer),
            Ok(Found::Ask) => return self.ask(asker, to, Some(name)),
            Err(error) => Err(error),
        };
        asker.looked_up(name, &found);
    }

    /// What a resolver said of agents elsewhere, put together with what is known here.
    pub(crate) fn resolved(self: &Arc<Self>, asker: &Arc<Agent>, question: &Resolved, answer: Answer<'_>) {
        let _entry = enter();
        let (to, name) = (&*question.to, question.name.as_deref());
        let is_did = to.starts_with("did:");
        let directory = self.directory.guard();
        let named = if is_address(to) { to.split_once('#').map(|(_, did)| did) } else { Some(to).filter(|_| is_did) };
        let known = if is_address(to) {
            Ok(Known::Nobody)
        } else if is_did {
            Ok(directory.find_did(to))
        } else {
            directory.find_name(to)
        };
        let remotes =
            answer.map(|remotes| remotes.iter().filter(|remote| named.is_none_or(|did| remote.did.as_str() == did)));
        let found = match (known, remotes) {
            (Err(error), _) => Err(error),
            (Ok(Known::Agent(agent)), Err(_)) if is_did => Ok(Peer::Here(agent)),
            (_, Err(error)) => Err(error),
            (Ok(known), Ok(mut remotes)) => {
                let first = remotes.next();
                let elsewhere = first.map(|remote| remote.did);
                let here = if let Known::Agent(agent) = &known { Some(*agent.did()) } else { None };
                let expected = here.or(elsewhere);
                if elsewhere != expected && elsewhere.is_some() || remotes.any(|remote| Some(remote.did) != expected) {
                    Err(ambiguous(to))
                } else {
                    match (known, first) {
                        (Known::Agent(agent), _) => Ok(Peer::Here(agent)),
                        (_, Some(remote)) => Ok(Peer::There(There::new(*remote, None))),
                        (Known::Soon, None) if name.is_none() => {
                            let mut seeking = self.seeking.guard();
                            seeking.entry(to.into()).or_default().insert(asker.serial, Arc::downgrade(asker));
                            return;
                        }
                        (Known::Soon | Known::Nobody, None) => match asker.registry() {
                            Some(registry) if !is_did && !is_address(to) && !question.last => {
                                drop(directory);
                                let asker = Arc::downgrade(asker);
                                let asked = Resolved { asker, to: to.into(), name: None, last: true, answered: false };
                                return registry.resolve(to, asked);
                            }
                            _ => Err(not_found(name.unwrap_or(to))),
                        },
                    }
                }
            }
        };
        drop(directory);
        asker.looked_up(name.unwrap_or(to), &found);
    }

    /// An agent whose key is elsewhere has shown that it is there, or could not.
    pub(crate) fn proved(self: &Arc<Self>, agent: &Arc<Agent>, proof: Result<()>) {
        let (is_listed, older) = {
            let mut directory = self.directory.guard();
            let older = directory.newest_of(agent.did().as_str()).filter(|older| older.serial < agent.serial).cloned();
            // One that has closed meanwhile is not waited for any more.
            let is_listed = proof.is_ok() && !directory.closed && directory.is_unproved(agent);
            if is_listed {
                directory.insert(agent);
            } else if proof.is_err() && !directory.closed && directory.is_unproved(agent) {
                directory.proof_failed(agent, self.time().now());
            } else {
                directory.give_up(agent);
            }
            (is_listed, older.filter(|_| is_listed))
        };
        supersede(older);
        if is_listed {
            later(Task::AgentsChanged(self.clone()));
        }
        match proof {
            Ok(()) if is_listed => agent.listed(),
            Ok(()) => {}
            Err(error) => agent.unproved(&error),
        }
        self.seek_again(agent);
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn seekers(&self) -> usize {
        self.seeking.guard().values().map(|askers| askers.len()).sum()
    }

    /// Something has changed for those who wait for that agent.
    pub(crate) fn seek_again(self: &Arc<Self>, agent: &Arc<Agent>) {
        for to in [Some(agent.did().as_str()), agent.name()].into_iter().flatten() {
            let seeking = self.seeking.guard().remove(to).unwrap_or_default();
            for asker in seeking.into_values().filter_map(|asker| asker.upgrade()) {
                self.seek(&asker, to);
            }
        }
    }
}
