//! Which replay window a call to an agent elsewhere is meant for: its session, which it is asked for before the first call.

use std::collections::BTreeMap;
use std::mem::replace;
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
    /// The session that a call to that agent names, if any; or nothing where that is not known, and the caller is told when it is.
    pub(crate) fn session_for(&self, peer: &Remote, caller: &Arc<Agent>) -> Option<Option<Session>> {
        let mut by_peer = self.sessions.by_peer.guard();
        if let Some(State::Known(session)) = by_peer.get(peer) {
            return Some(*session);
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
        None
    }

    /// The same, where that is known; nobody asks for it.
    pub(crate) fn session_at(&self, peer: &Remote) -> Option<Option<Session>> {
        match self.sessions.by_peer.guard().get(peer) {
            Some(State::Known(session)) => Some(*session),
            Some(State::Asked(_)) | None => None,
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
    pub(crate) fn session_asked(&self, asker: &Arc<Agent>, peer: &Remote, outcome: Outcome) {
        if outcome.is_full() && asker.port.ask_session_later(asker, *peer) {
            return;
        }
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
            Outcome::Answer { .. } | Outcome::Delivered { .. } | Outcome::Kept { .. } | Outcome::Failed { .. } => {
                let_go(waiting, peer);
            }
        }
    }
}

fn let_go(waiting: Waiting, peer: &Remote) {
    for caller in waiting.into_values().filter_map(|caller| caller.upgrade()) {
        later(Task::Room(caller, Place::Session(*peer)));
    }
}

/// What a caller is told whose call was meant for another session.
pub(crate) fn no_session() -> Error {
    Error::new(ErrorKind::Internal, "the replay window has no name, for the system gave no randomness")
}
