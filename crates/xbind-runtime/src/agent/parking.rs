//! Where messages that go out wait for room, and when they go on.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xbind::{Did, Error, ErrorKind, InReplyTo, Op};

use crate::agent::Agent;
use crate::agent::outbox::{Outbox, Outgoing};
use crate::agent::room::{Load, Room};
use crate::port::event::Outcome;
use crate::sync::Lock;
use crate::transport::{Peer, Remote, Route};

/// Where messages wait for room.
#[derive(Clone)]
pub(crate) enum Place {
    Agent(Arc<Agent>),
    Route(Route),
    /// Until that agent has told its session.
    Session(Remote),
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Agent(one), Self::Agent(other)) => Arc::ptr_eq(one, other),
            (Self::Route(one), Self::Route(other)) => one == other,
            (Self::Session(one), Self::Session(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Agent(agent) => Arc::as_ptr(agent).hash(state),
            Self::Route(route) => route.hash(state),
            Self::Session(peer) => peer.hash(state),
        }
    }
}

impl Place {
    pub(super) fn of(to: &Peer) -> Self {
        match to {
            Peer::Here(agent) => Self::Agent(agent.clone()),
            Peer::There(remote) => Self::Route(remote.route),
        }
    }
}

impl Outbox {
    /// Takes out what is not sealed yet and is this.
    fn take_out(&mut self, is_it: impl Fn(&Outgoing) -> bool) -> Vec<Outgoing> {
        let Self { ready, held, load, .. } = self;
        let mut out: Vec<_> = ready.extract_if(.., |outgoing| is_it(outgoing)).collect();
        if let Some(held) = held {
            held.parked.retain(|_, waiting| {
                let (gone, kept): (Vec<_>, _) = std::mem::take(waiting).into_iter().partition(&is_it);
                out.extend(gone);
                *waiting = kept.into();
                !waiting.is_empty()
            });
        }
        for outgoing in &out {
            *load = load.minus(outgoing.load());
        }
        out
    }
}

impl Agent {
    /// Behind others that wait for the same place, or for room there, which it gets here if there is some.
    pub(super) fn where_to_wait(self: &Arc<Self>, outbox: &Outbox, outgoing: &mut Outgoing) -> Option<Place> {
        if let Peer::There(remote) = &outgoing.to
            && self.node.check_fits(remote.route, outgoing.size()).is_err()
        {
            return None; // it never fits, and whoever waits for it is told so when it is sealed
        }
        let others = |place: &Place| {
            outbox.held.as_ref().is_some_and(|held| !held.parked.is_empty() && held.parked.contains_key(place))
        };
        if let Some(peer) = self.session_named(outgoing) {
            let place = Place::Session(peer);
            if others(&place) {
                return Some(place);
            }
            if !outgoing.told {
                let Some(session) = self.node.session_for(&peer, self) else { return Some(place) };
                outgoing.details.session = session;
            }
        }
        let place = Place::of(&outgoing.to);
        if others(&place) && (outgoing.call.is_some() || matches!(outgoing.to, Peer::There(_))) {
            return Some(place);
        }
        let waits = match &outgoing.to {
            // One that never fits need not wait: its recipient says so, or takes it at once.
            Peer::Here(at)
                if outgoing.op == Op::Call && at.takes_calls() && Load::of(outgoing.size()).fits(at.bound()) =>
            {
                outgoing.slot = Room::take_or_wait(at, self, outgoing.size());
                // Its handler may just have been taken away, and with it the reason to wait.
                outgoing.slot.is_none() && at.takes_calls()
            }
            Peer::Here(_) => false,
            Peer::There(remote) => self.node.is_blocked(remote.route, self),
        };
        waits.then_some(place)
    }

    /// Whose session it names, if any.
    fn session_named(&self, outgoing: &Outgoing) -> Option<Remote> {
        let Peer::There(peer) = &outgoing.to else { return None };
        (outgoing.names_session() && self.node.names_sessions(peer.route)).then_some(***peer)
    }

    /// Notes in what is about to be signed which session it names. Since it was ready its connection may have been lost, and the
    /// session with it: unless it has waited for that it does so now, and so does what comes behind it, before those that wait
    /// there already. One that has waited names what was said then: another process refuses it, and begins nothing.
    pub(super) fn name_sessions(self: &Arc<Self>, outbox: &mut Outbox, batch: &mut Vec<Outgoing>) {
        if batch.iter().all(|outgoing| matches!(outgoing.to, Peer::Here(_))) {
            return;
        }
        let (mut lost, mut waiting) = (Vec::new(), Vec::new());
        for mut outgoing in std::mem::take(batch) {
            if let Some(peer) = self.session_named(&outgoing) {
                let known = if lost.contains(&peer) {
                    None
                } else if outgoing.told {
                    Some(self.node.session_at(&peer).unwrap_or(outgoing.details.session))
                } else {
                    self.node.session_for(&peer, self)
                };
                let Some(session) = known else {
                    if !lost.contains(&peer) {
                        lost.push(peer);
                    }
                    waiting.push((peer, outgoing));
                    continue;
                };
                outgoing.details.session = session;
            }
            batch.push(outgoing);
        }
        if lost.is_empty() {
            return;
        }
        for outgoing in std::mem::take(&mut outbox.ready) {
            match self.session_named(&outgoing).filter(|peer| lost.contains(peer)) {
                Some(peer) => waiting.push((peer, outgoing)),
                None => outbox.ready.push(outgoing),
            }
        }
        let parked = &mut outbox.held.get_or_insert_default().parked;
        for (peer, outgoing) in waiting.into_iter().rev() {
            parked.entry(Place::Session(peer)).or_default().push_front(outgoing);
        }
    }

    pub(super) fn hold_back(&self, outbox: &mut Outbox, place: Place, outgoing: Outgoing) {
        if let Some(number) = outgoing.call.filter(|_| !matches!(place, Place::Session(_))) {
            self.port.calls.guard().parked(number);
        }
        outbox.held.get_or_insert_default().parked.entry(place).or_default().push_back(outgoing);
    }

    /// There may be room again: what can go becomes ready, in order, and the word is passed on.
    pub(crate) fn unpark(self: &Arc<Self>, place: Place) {
        let at = if let Place::Agent(at) = &place { Some(at.clone()) } else { None };
        let still_waits = self.let_out(place);
        if let Some(at) = at {
            Room::pass_on(&at, self, still_waits);
        }
    }

    /// True if something still waits there.
    fn let_out(self: &Arc<Self>, place: Place) -> bool {
        let mut outbox = self.outbox.guard();
        let Some(held) = &mut outbox.held else { return false };
        let Some(mut waiting) = held.parked.remove(&place) else { return false };
        while let Some(mut outgoing) = waiting.pop_front() {
            if !outgoing.is_awaited(self) {
                outbox.load = outbox.load.minus(outgoing.load());
                outbox.dead = outbox.dead.saturating_sub(1);
                continue;
            }
            let next = self.where_to_wait(&outbox, &mut outgoing);
            if next.as_ref() == Some(&place) {
                waiting.push_front(outgoing);
                break;
            }
            outgoing.told |= matches!(place, Place::Session(_));
            match next {
                None => self.make_ready(&mut outbox, outgoing),
                Some(next) => self.hold_back(&mut outbox, next, outgoing),
            }
        }
        if waiting.is_empty() {
            return false;
        }
        outbox.held.get_or_insert_default().parked.insert(place, waiting);
        true
    }

    /// What waits there will never leave.
    pub(crate) fn drop_waiting(self: &Arc<Self>, place: &Place, error: &Error) {
        let dropped = {
            let mut outbox = self.outbox.guard();
            let parked = outbox.held.as_mut().and_then(|held| held.parked.remove(place)).unwrap_or_default();
            for outgoing in &parked {
                outbox.load = outbox.load.minus(outgoing.load());
            }
            parked
        };
        for outgoing in dropped {
            self.settle_request(&outgoing.id, Outcome::Failed { error: error.clone(), remote: None });
        }
    }

    /// Takes back what is not sealed yet of the answer to that request.
    pub(crate) fn take_back(&self, caller: &Did, request: &InReplyTo) -> Vec<Outgoing> {
        self.outbox.guard().take_out(|outgoing| outgoing.answers(caller, request))
    }

    /// Takes back what is not sealed yet and would go over that route; ends what waits for it.
    pub(crate) fn drop_route(self: &Arc<Self>, route: Route) {
        let is_lost = |outgoing: &Outgoing| matches!(&outgoing.to, Peer::There(remote) if remote.route == route);
        let dropped = self.outbox.guard().take_out(is_lost);
        for outgoing in dropped {
            if outgoing.call.is_some() {
                let error = Error::new(ErrorKind::AgentNotFound, "the way to the other agent is gone");
                self.settle_request(&outgoing.id, Outcome::Failed { error, remote: None });
            }
        }
        self.check_idle();
    }
}
