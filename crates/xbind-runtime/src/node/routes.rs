//! The ways out of a node, and the door in.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use xbind::{Did, Error, ErrorKind, Handled, MessageId, Result};

use crate::agent::Agent;
use crate::agent::parking::Place;
use crate::node::Node;
use crate::node::lane::{Lane, Next};
use crate::port::event::Outcome;
use crate::port::tickets::Running;
use crate::sync::Lock;
use crate::sync::after::{Task, enter, later};
use crate::transport::local::Incoming;
use crate::transport::{
    Arrival, CallId, Departure, Limits, Peer, Remote, Resolver, Route, There, Transport, TransportId, Way,
};

/// How long a transport may take to let out what it has when its node closes.
const DRAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Routes {
    transports: RwLock<Vec<Attached>>,
    resolver: RwLock<Option<Arc<dyn Resolver>>>,
    /// For addresses.
    addresses: RwLock<Option<Arc<dyn Resolver>>>,
    /// Routes that had no room lately.
    full: Mutex<HashMap<Route, Full>>,
}

struct Attached {
    transport: Arc<dyn Transport>,
    /// Calls on its routes name the session of their recipient.
    names_sessions: bool,
}

/// A route that takes no more for now.
#[derive(Default)]
struct Full {
    /// Sealed, and left by the transport: at most one batch for each agent.
    lane: Lane<Departure>,
    /// Agents that hold back what would go there, by their serial numbers.
    waiting: BTreeMap<u64, Weak<Agent>>,
}

impl Routes {
    pub(crate) fn resolver(&self) -> Option<Arc<dyn Resolver>> {
        self.resolver.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn addresses(&self) -> Option<Arc<dyn Resolver>> {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn transport(&self, id: TransportId) -> Option<Arc<dyn Transport>> {
        let transports = self.transports.read().unwrap_or_else(PoisonError::into_inner);
        transports.get(usize::try_from(id.0).ok()?).map(|attached| attached.transport.clone())
    }

    fn names_sessions(&self, id: TransportId) -> bool {
        let transports = self.transports.read().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(id.0).ok().and_then(|at| transports.get(at));
        at.is_none_or(|attached| attached.names_sessions)
    }

    pub(crate) fn close(&self) {
        *self.resolver.write().unwrap_or_else(PoisonError::into_inner) = None;
        *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = None;
        let transports = take(&mut *self.transports.write().unwrap_or_else(PoisonError::into_inner));
        drop(take(&mut *self.full.guard()));
        for Attached { transport, .. } in transports {
            transport.close(DRAIN);
        }
    }
}

impl Routes {
    /// Puts parcels behind others for that route; true if there are none, so that somebody has to carry.
    fn queue(&self, route: Route, parcels: &mut Vec<Departure>) -> bool {
        let mut full = self.full.guard();
        let is_first = !full.contains_key(&route);
        full.entry(route).or_default().lane.push(parcels);
        is_first
    }

    /// Hands what waits for a route to its transport, under no lock: a transport may hold one of its own when it calls here.
    fn carry(&self, route: Route) {
        let Some(transport) = self.transport(route.transport) else { return };
        loop {
            let mut parcels = {
                let mut full = self.full.guard();
                let Some(state) = full.get_mut(&route) else { return };
                let Some(parcels) = state.lane.begin() else { return };
                parcels
            };
            // A fault of a transport must not close the route for ever.
            let carried = catch_unwind(AssertUnwindSafe(|| transport.carry(route, &mut parcels)));
            let mut full = self.full.guard();
            let Some(state) = full.get_mut(&route) else { return }; // gone meanwhile
            match state.lane.end(parcels, carried.is_err()) {
                Next::Again => {}
                Next::Wait => return,
                Next::Done => {
                    let state = full.remove(&route).unwrap_or_default();
                    drop(full);
                    for agent in state.waiting.into_values().filter_map(|agent| agent.upgrade()) {
                        later(Task::Room(agent, Place::Route(route)));
                    }
                    return;
                }
            }
        }
    }
}

impl Routes {
    /// Tells the transports that agents have come or gone.
    pub(crate) fn agents_changed(&self) {
        self.all().iter().for_each(|transport| transport.agents_changed());
    }

    /// Tells them that an agent waits for messages.
    pub(crate) fn wants(&self, agent: &Did, messages: usize) {
        self.all().iter().for_each(|transport| transport.wants(agent, messages));
    }

    fn all(&self) -> Vec<Arc<dyn Transport>> {
        let transports = self.transports.read().unwrap_or_else(PoisonError::into_inner);
        transports.iter().map(|attached| attached.transport.clone()).collect()
    }
}

impl Node {
    /// Adds a transport, before it connects: its routes are made of the id that it gets.
    pub fn attach(&self, transport: Arc<dyn Transport>) -> TransportId {
        let names_sessions = transport.names_sessions();
        let mut transports = self.routes.transports.write().unwrap_or_else(PoisonError::into_inner);
        transports.push(Attached { transport, names_sessions });
        TransportId(u32::try_from(transports.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// Asks this resolver for the names and DIDs that calls name. With one, a name that an agent here has is asked for too,
    /// since an agent elsewhere may have it as well.
    pub fn resolve_with(&self, resolver: Arc<dyn Resolver>) {
        *self.routes.resolver.write().unwrap_or_else(PoisonError::into_inner) = Some(resolver);
    }

    /// Asks this resolver for the addresses that calls name, such as `https://example.com/agents`: whatever holds `://`. Behind
    /// a `#` stands the DID that must answer there, where it is known. False if there is one already.
    pub fn resolve_addresses_with(&self, resolver: Arc<dyn Resolver>) -> bool {
        let mut addresses = self.routes.addresses.write().unwrap_or_else(PoisonError::into_inner);
        let is_first = addresses.is_none();
        if is_first {
            *addresses = Some(resolver);
        }
        is_first
    }

    /// Whether calls can name addresses.
    #[must_use]
    pub fn reaches_addresses(&self) -> bool {
        self.routes.addresses().is_some()
    }

    /// The longest body that any agent here has ever taken, in bytes.
    #[must_use]
    pub fn longest_body(&self) -> usize {
        self.longest_body.load(Ordering::Relaxed)
    }

    /// Whether calls on that route name the session of their recipient.
    pub(crate) fn names_sessions(&self, route: Route) -> bool {
        self.routes.names_sessions(route.transport)
    }

    pub(crate) fn limits(&self, route: Route) -> Limits {
        let closed = Limits { max_parcel: 0, clock_skew: 0, message_ttl: 1 };
        self.routes.transport(route.transport).map_or(closed, |transport| transport.limits(route))
    }

    /// How long what goes to that agent on that route is kept for it, where it is away.
    pub(crate) fn keeps(&self, to: &Remote) -> Option<u32> {
        self.routes.transport(to.route.transport)?.keeps(to)
    }

    /// What came in for agents of this node: the only door. `back` is the way to whoever brought it, a [`Route`] or a
    /// [`Way`], and answers go there.
    /// A message that is not genuine, not in time, not for the agent it was brought to or not new is dropped without a word,
    /// and so is one for an agent that is not here.
    ///
    /// They are opened here, in their order, on the calling thread: some tens of microseconds for each signature. All are
    /// taken, in any number; an agent without room for one tells its sender so. None may come for a route that is gone.
    pub fn deliver(self: &Arc<Self>, arrivals: Vec<Arrival>, back: impl Into<Way>) {
        let _entry = enter();
        let Way { route: back, hold, only_replies, speaks_for } = back.into();
        let (limits, names_session) = (self.limits(back), self.names_sessions(back));
        for Arrival { to, jws, body, token } in arrivals {
            let Some(recipient) = self.newest_of(&to) else { continue };
            let incoming = Incoming {
                jws: &jws,
                body: body.into(),
                token,
                slot: None,
                asked: None,
                since: None,
                clock_skew: limits.clock_skew,
                max_lifetime: limits.message_ttl.into(),
                names_session,
                only_replies,
                speaks_for: speaks_for.as_ref(),
            };
            let from = |did: &Did| Peer::There(There::new(Remote { did: *did, route: back }, hold.clone()));
            drop(recipient.take_in(incoming, from, None)); // a stranger is not told why
        }
    }

    /// There may be room on that route again. What waits is carried on the calling thread.
    pub fn writable(self: &Arc<Self>, route: Route) {
        let _entry = enter();
        self.routes.carry(route);
    }

    /// A connection is lost, with all that was under way on it: calls that wait for an answer over it end, handlers that
    /// work for it see their signal abort.
    ///
    /// A call that was not signed yet ends with `AGENT_NOT_FOUND`, which its caller may try again; one that was, and may have
    /// arrived, with `AGENT_CLOSED`. Saying it again does no harm.
    pub fn gone(self: &Arc<Self>, route: Route) {
        let _entry = enter();
        self.routes.full.guard().remove(&route);
        self.sessions.drop_route(route);
        self.secrets.drop_route(route);
        self.windows.drop_route(route);
        for agent in self.all_agents() {
            agent.drop_route(route);
            agent.inbox.guard().drop_route(route);
        }
        self.each_port(|port| {
            // A port has agents of several nodes, each with routes of its own.
            let lost = port.calls.guard().over(self, route);
            port.lose(lost);
            let is_over = |running: &Running| Arc::ptr_eq(&running.agent.node, self) && running.came_over(route);
            let running = port.tickets.guard().cancel_all(is_over);
            for (ticket, _) in running {
                port.cancelled(ticket);
            }
        });
    }

    /// That call, which [`Transport::carry`] took, certainly did not arrive; `why` is what its caller is told, such as
    /// [`ErrorKind::AgentNotFound`]. For a message that is no call there is nobody to tell.
    pub fn failed(&self, call: CallId, why: ErrorKind) {
        self.failed_with(call, Error::new(why, "the call could not be delivered"));
    }

    /// The same, with what its caller is told.
    pub fn failed_with(&self, call: CallId, error: Error) {
        self.end_call(call, error.with_handled(Handled::No));
    }

    /// That call is given up, and nobody knows whether it arrived. It is not made again, for that would not help.
    pub fn refused(&self, call: CallId, error: Error) {
        self.end_call(call, error);
    }

    fn end_call(&self, call: CallId, error: Error) {
        let _entry = enter();
        for agent in self.agents_of(&call.caller) {
            agent.settle_request(&call.id, Outcome::Failed { error: error.clone(), remote: None });
        }
    }

    /// Whether a message of so many bytes may leave on that route.
    pub(crate) fn check_fits(&self, route: Route, bytes: usize) -> Result<()> {
        let transport = self.routes.transport(route.transport);
        let most = transport.map_or(usize::MAX, |transport| transport.limits(route).max_parcel);
        if bytes <= most {
            return Ok(());
        }
        let why = format!("a message of {bytes} bytes is over the {most} of its transport");
        Err(Error::new(ErrorKind::PayloadTooLarge, why).with_hint("send less"))
    }

    /// Nobody knows whether that call arrived, and no answer will come over the way that it went. One that may run twice is
    /// made again a few times, and so is a question for a session; any other ends, with `why`.
    pub fn lost(&self, call: CallId, why: ErrorKind) {
        self.lost_with(call, Error::new(why, "the connection to the other agent was lost before its answer came"));
    }

    /// The same, with what its caller is told.
    pub fn lost_with(&self, call: CallId, error: Error) {
        let _entry = enter();
        let CallId { caller, id } = call;
        for agent in self.agents_of(&caller) {
            let number = agent.port.calls.guard().number_of(&id, None);
            if number.is_some_and(|number| !agent.port.ask_anew(number) && !agent.port.call_anew(number)) {
                agent.settle_request(&id, Outcome::Failed { error: error.clone(), remote: None });
            }
        }
    }

    /// Whether the same bytes of a call leave once more.
    pub(crate) fn sends_again(&self, route: Route, call: CallId) -> bool {
        self.routes.transport(route.transport).is_some_and(|transport| transport.again(route, call))
    }

    /// Whether an agent here still waits for the end of that call.
    #[must_use]
    pub fn awaits(&self, call: CallId) -> bool {
        self.agents_of(&call.caller).iter().any(|agent| agent.port.calls.guard().is_awaited(&call.id))
    }

    /// Whether that call is none of an agent's own: it asks another one which session it has.
    #[must_use]
    pub fn asks_session(&self, call: CallId) -> bool {
        self.agents_of(&call.caller).iter().any(|agent| {
            let calls = agent.port.calls.guard();
            calls.number_of(&call.id, None).is_some_and(|number| calls.asks_session(number))
        })
    }

    /// Whoever answers on that route from now on may be another process: sessions that were learned there are asked for again.
    pub fn forget_sessions(&self, route: Route) {
        self.sessions.drop_known(route);
    }

    /// Sends sealed messages on their way; the calls among those that cannot go come back.
    pub(crate) fn depart(&self, route: Route, mut departures: Vec<Departure>) -> Vec<(Option<MessageId>, Error)> {
        if self.routes.transport(route.transport).is_none() {
            let closed = || Error::new(ErrorKind::AgentClosed, "this bus is closed").with_handled(Handled::No);
            return departures.into_iter().map(|parcel| (parcel.call.map(|call| call.id), closed())).collect();
        }
        if self.routes.queue(route, &mut departures) {
            self.routes.carry(route);
        }
        Vec::new()
    }

    /// Whether messages for that route have to wait; if so, the agent is told when they need not any more.
    pub(crate) fn is_blocked(&self, route: Route, agent: &Arc<Agent>) -> bool {
        let mut full = self.routes.full.guard();
        let Some(state) = full.get_mut(&route) else { return false };
        state.waiting.entry(agent.serial).or_insert_with(|| Arc::downgrade(agent));
        true
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}
