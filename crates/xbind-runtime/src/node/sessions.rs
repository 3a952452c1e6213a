//! Which replay window a call to an agent elsewhere is meant for: its session, which it is asked for before the first call.

use std::collections::BTreeMap;
use std::mem::{replace, take};
use std::sync::{Arc, Mutex, Weak};

use hashbrown::HashMap;
use xbind::{Did, Error, ErrorKind, Handled, Session};

use crate::agent::Agent;
use crate::agent::parking::Place;
use crate::node::Node;
use crate::port::event::Outcome;
use crate::sync::Lock;
use crate::sync::after::{Task, enter, later};
use crate::transport::{Remote, Route};

/// How many sessions of others a node remembers.
const MAX_KNOWN: usize = 65_536;
/// How many words about its own session an agent has for one sender in a second, and for how many senders.
const MAX_TOLD: (u32, usize) = (64, 4096);

/// Agents of this node, by their serial numbers.
type Waiting = BTreeMap<u64, Weak<Agent>>;

enum State {
    /// Somebody here has asked for it, and these wait for the answer.
    Asked(Waiting),
    /// None where calls name no session.
    Known(Option<Session>),
}

/// The sessions of agents elsewhere, as they have said themselves.
#[derive(Default)]
pub(crate) struct Sessions {
    by_peer: Mutex<HashMap<Remote, State>>,
}

impl Sessions {
    /// A connection is lost: whoever is there next may be another window.
    pub(crate) fn drop_route(&self, route: Route) {
        self.by_peer.guard().retain(|peer, _| peer.route != route);
    }

    /// What is known of a connection may be over.
    pub(crate) fn drop_known(&self, route: Route) {
        self.by_peer.guard().retain(|peer, state| peer.route != route || matches!(state, State::Asked(_)));
    }

    fn take_waiting(&self, peer: &Remote) -> Waiting {
        let mut by_peer = self.by_peer.guard();
        match by_peer.remove(peer) {
            Some(State::Asked(waiting)) => waiting,
            Some(known) => {
                by_peer.insert(*peer, known);
                Waiting::new()
            }
            None => Waiting::new(),
        }
    }
}

impl Node {
    /// Whether a call to that agent has to wait until its session is known; if so, the caller is told when it need not.
    pub(crate) fn lacks_session(&self, peer: &Remote, caller: &Arc<Agent>) -> bool {
        let mut by_peer = self.sessions.by_peer.guard();
        if let Some(State::Known(_)) = by_peer.get(peer) {
            return false;
        }
        if by_peer.len() >= MAX_KNOWN {
            by_peer.retain(|_, state| matches!(state, State::Asked(_)));
        }
        let state = by_peer.entry(*peer).or_insert_with(|| {
            later(Task::AskSession(caller.clone(), *peer));
            State::Asked(Waiting::new())
        });
        if let State::Asked(waiting) = state {
            waiting.entry(caller.serial).or_insert_with(|| Arc::downgrade(caller));
        }
        true
    }

    /// The session that a call to that agent names.
    pub(crate) fn session_of(&self, peer: &Remote) -> Option<Session> {
        match self.sessions.by_peer.guard().get(peer) {
            Some(State::Known(session)) => *session,
            _ => None,
        }
    }

    /// What the agent of that DID has last said of its session, over any route; none where routes to it say different things.
    #[must_use]
    pub fn known_session(&self, did: &Did) -> Option<Session> {
        let by_peer = self.sessions.by_peer.guard();
        let said = by_peer.iter().filter(|(peer, _)| peer.did == *did).filter_map(|(_, state)| match state {
            State::Known(session) => *session,
            State::Asked(_) => None,
        });
        let all: std::collections::HashSet<_> = said.collect();
        all.iter().next().copied().filter(|_| all.len() == 1)
    }

    /// What an agent here says that its session is, for a transport that tells others before they ask.
    #[must_use]
    pub fn own_session(&self, did: &Did) -> Option<Session> {
        self.newest_of(did)?.memory().session()
    }

    /// That agent says, signed, which session it has, before anybody here has asked it: calls name it at once. What it has
    /// said to a question since then counts more.
    pub fn learn_session(&self, peer: Remote, session: Session) {
        let waiting = {
            let mut by_peer = self.sessions.by_peer.guard();
            if matches!(by_peer.get(&peer), Some(State::Known(_))) {
                return;
            }
            if by_peer.len() >= MAX_KNOWN {
                by_peer.retain(|_, state| matches!(state, State::Asked(_)));
            }
            by_peer.insert(peer, State::Known(Some(session)))
        };
        let _entry = enter();
        if let Some(State::Asked(waiting)) = waiting {
            let_go(waiting, &peer);
        }
    }

    /// That agent has said, signed, which session it has, or that it has none.
    pub(crate) fn know_session(&self, peer: &Remote, session: Option<Session>) {
        let before = {
            let mut by_peer = self.sessions.by_peer.guard();
            let Some(state) = by_peer.get_mut(peer) else { return }; // its connection is lost
            replace(state, State::Known(session))
        };
        if let State::Asked(waiting) = before {
            let_go(waiting, peer);
        }
    }

    /// The call that asked for a session has ended.
    pub(crate) fn session_asked(&self, asker: &Agent, peer: &Remote, outcome: Outcome) {
        let waiting = self.sessions.take_waiting(peer);
        match outcome {
            // The next one asks again, if anybody still waits. That no session was named is an answer, to an earlier question
            // where the connection has changed since.
            Outcome::Failed { error, .. }
                if !matches!(error.kind(), ErrorKind::Timeout | ErrorKind::StaleSession) && !asker.is_closed() =>
            {
                let error = error.with_handled(Handled::No); // of the calls that waited nothing left
                for caller in waiting.into_values().filter_map(|caller| caller.upgrade()) {
                    caller.drop_waiting(&Place::Session(*peer), &error);
                }
            }
            Outcome::Answer { .. } | Outcome::Delivered { .. } | Outcome::Failed { .. } => let_go(waiting, peer),
        }
    }
}

fn let_go(waiting: Waiting, peer: &Remote) {
    for caller in waiting.into_values().filter_map(|caller| caller.upgrade()) {
        later(Task::Room(caller, Place::Session(*peer)));
    }
}

/// How often an agent has told senders its session in this second.
#[derive(Default)]
pub(crate) struct Told {
    second: u64,
    by_sender: HashMap<Did, u32>,
}

impl Told {
    /// Whether that sender may be told once more.
    pub(crate) fn once_more(&mut self, sender: &Did, now: u64) -> bool {
        if self.second != now {
            self.second = now;
            drop(take(&mut self.by_sender));
        }
        let (most, senders) = MAX_TOLD;
        if self.by_sender.len() >= senders && !self.by_sender.contains_key(sender) {
            return false;
        }
        let count = self.by_sender.entry(*sender).or_default();
        *count = count.saturating_add(1);
        *count <= most
    }
}

/// What a caller is told whose call was meant for another session.
pub(crate) fn no_session() -> Error {
    Error::new(ErrorKind::Internal, "the replay window has no name, for the system gave no randomness")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_told_so_often_in_a_second_and_so_many_are() {
        let did = |n: u16| {
            let mut seed = [0; 32];
            seed[..2].copy_from_slice(&n.to_be_bytes());
            *xbind::SigningKey::from_seed(&seed).did()
        };
        let mut told = Told::default();
        let heard = |told: &mut Told, n, now| (0..100).filter(|_| told.once_more(&did(n), now)).count();
        assert_eq!((heard(&mut told, 1, 7), heard(&mut told, 2, 7), heard(&mut told, 1, 8)), (64, 64, 64));
        let all = (0..4200).filter(|n| told.once_more(&did(*n), 9)).count();
        assert_eq!(all, 4096);
        assert!(told.once_more(&did(1), 9), "one who was told already still has his share");
    }
}
