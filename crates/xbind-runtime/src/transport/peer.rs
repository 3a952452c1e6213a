//! Who is reached, and over which way.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use xbind::Did;

use crate::agent::Agent;
use crate::node::secrecy::Answers;

/// A connection, by numbers that its transport chooses: an id, and a generation that is not used again for that id. Who
/// dials may keep one id and count the generations; who accepts may give each connection an id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    pub(crate) transport: TransportId,
    /// The transport's number of the connection.
    pub id: u32,
    /// Tells this connection from earlier ones of the same id.
    pub generation: u32,
}

/// A transport of a node, as [`Node::attach`](crate::Node::attach) numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransportId(pub(crate) u32);

impl TransportId {
    /// A route of this transport.
    #[must_use]
    pub const fn route(self, id: u32, generation: u32) -> Route {
        Route { transport: self, id, generation }
    }
}

/// An agent elsewhere, and the way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Remote {
    /// Who must answer there.
    pub did: Did,
    /// How it is reached.
    pub route: Route,
}

/// Whom a message is for or from.
#[derive(Clone, Debug)]
pub enum Peer {
    /// An agent on this node.
    Here(Arc<Agent>),
    /// One that a transport reaches.
    There(Box<There>),
}

/// An agent elsewhere, for as long as something may still be said to it.
#[derive(Clone)]
pub struct There {
    remote: Remote,
    pub(crate) hold: Option<Hold>,
    /// What answers to it are encrypted with, where its call was.
    pub(crate) answers: Option<Arc<Answers>>,
    /// It waits for no answer, and gets none.
    pub(crate) is_mute: bool,
}

/// Something of a transport's, dropped once nothing can come any more of what was delivered with it. It may be dropped on any
/// thread and under locks of the node, so its `Drop` must not call the node, nor take a lock that `carry` holds while it drops
/// a [`Departure`](super::Departure).
pub type Hold = Arc<dyn Any + Send + Sync>;

impl There {
    pub(crate) fn new(remote: Remote, hold: Option<Hold>) -> Box<Self> {
        Box::new(Self { remote, hold, answers: None, is_mute: false })
    }

    /// The sender of mail: it may be anywhere by now.
    pub(crate) fn mute(did: Did) -> Box<Self> {
        let route = TransportId(u32::MAX).route(0, 0);
        Box::new(Self { is_mute: true, ..*Self::new(Remote { did, route }, None) })
    }
}

impl Deref for There {
    type Target = Remote;

    fn deref(&self) -> &Remote {
        &self.remote
    }
}

impl fmt::Debug for There {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.remote, f)
    }
}

/// How messages came in, and where what is said about them goes.
#[derive(Clone)]
pub struct Way {
    /// Where answers go.
    pub route: Route,
    /// Held by each call until nothing more is said about it, and by each [`Departure`](super::Departure) that says something.
    pub hold: Option<Hold>,
    /// Only answers to calls of this node are taken, as where it has asked and did not offer to be asked.
    pub only_replies: bool,
    /// Asked for each message with the DID that has signed it: whether that agent is at the other end. Messages of others are
    /// dropped, and nothing is answered to them. Without it whoever has signed is answered on the route.
    pub speaks_for: Option<SpeaksFor>,
}

/// Says whether an agent is at the other end of a route. Must not block, nor call the node.
pub type SpeaksFor = Arc<dyn Fn(&Did) -> bool + Send + Sync>;

impl From<Route> for Way {
    fn from(route: Route) -> Self {
        Self { route, hold: None, only_replies: false, speaks_for: None }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("route", &self.route).field("only_replies", &self.only_replies).finish()
    }
}

impl Peer {
    /// The same, to whom answers are encrypted.
    pub(crate) fn reading(mut self, answers: Option<Arc<Answers>>) -> Self {
        if let Self::There(there) = &mut self {
            there.answers = answers;
        }
        self
    }

    /// Its DID.
    #[must_use]
    pub fn did(&self) -> &Did {
        match self {
            Self::Here(agent) => agent.did(),
            Self::There(remote) => &remote.did,
        }
    }
}
