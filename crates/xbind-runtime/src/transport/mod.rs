//! The seam between the runtime and whatever carries messages: another process, another machine, a test.
//!
//! A transport moves [`Departure`]s and hands in [`Arrival`]s; it decides nothing and is trusted with nothing. Who sent an
//! arrival is what its signature proves; where answers to it go is the route it came from.
//!
//! What to write for a new one: [`Transport::carry`] and [`Transport::limits`], and a call of
//! [`Node::deliver`](crate::Node::deliver) for what comes in, [`Node::writable`](crate::Node::writable) when there is room
//! again, [`Node::gone`](crate::Node::gone) when a connection is lost and [`Node::failed`](crate::Node::failed) when a
//! message certainly did not arrive. A [`Resolver`] says which names and DIDs are reached over it.

pub(crate) mod local;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use xbind::{Did, ErrorKind, MessageId};

use crate::agent::Agent;
use crate::port::event::Body;

/// A connection, by numbers that its transport chooses: an id, and a generation that is not used again for that id.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    There(Box<Remote>),
}

impl Peer {
    /// Its DID.
    #[must_use]
    pub fn did(&self) -> &Did {
        match self {
            Self::Here(agent) => agent.did(),
            Self::There(remote) => &remote.did,
        }
    }
}

/// A sealed message on its way out.
#[derive(Debug)]
pub struct Departure {
    /// Who signed it.
    pub from: Did,
    /// Whom it is for.
    pub to: Did,
    /// The call that it is; none for answers. [`Node::failed`](crate::Node::failed) takes it.
    pub call: Option<CallId>,
    /// The message, compact.
    pub jws: String,
    /// Its body.
    pub body: Body,
    /// What it presents.
    pub token: Option<String>,
}

impl Departure {
    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let token = self.token.as_ref().map_or(0, String::len);
        self.jws.len().saturating_add(self.body.len()).saturating_add(token)
    }
}

/// A message that came in. It claims no sender: its signature proves one.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The agent of this node that it was brought for.
    pub to: Did,
    /// The message, compact.
    pub jws: String,
    /// Its body.
    pub body: Body,
    /// What it presents.
    pub token: Option<String>,
}

/// A call, by its caller and the id of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId {
    /// Who made it.
    pub caller: Did,
    /// The id of its message.
    pub id: MessageId,
}

/// What a route can do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest [`Departure`], in bytes.
    pub max_parcel: usize,
    /// How far the clocks of both ends may differ, in seconds, at most 300.
    pub clock_skew: u64,
    /// The life of messages that leave on it, in seconds, and the longest life of those that arrive: 1 to 300.
    pub message_ttl: u32,
}

/// What carries messages.
pub trait Transport: Send + Sync {
    /// Takes parcels from the front, as many as there is room for; what it leaves waits for
    /// [`Node::writable`](crate::Node::writable). Never blocks, and never calls the node.
    fn carry(&self, route: Route, parcels: &mut Vec<Departure>);
    /// The bounds of a route.
    fn limits(&self, route: Route) -> Limits;
    /// The node is closing: what was taken may still leave within `drain`.
    fn close(&self, drain: Duration);
}

/// Says where names and DIDs are that this node does not have.
pub trait Resolver: Send + Sync {
    /// Answers with [`Resolved::found`], now or later, from any thread. A question that is dropped is answered: not found.
    /// The node asks once for all calls that wait for the same name. Answer soon: a name may mean any agent elsewhere, so
    /// what its caller asks of agents elsewhere later waits until it is answered or nobody waits for it any more.
    fn resolve(&self, to: &str, done: Resolved);
}

/// A question to a [`Resolver`].
pub struct Resolved {
    pub(crate) asker: Weak<Agent>,
    pub(crate) to: Box<str>,
    pub(crate) answered: bool,
}

impl Resolved {
    /// There it is. Several agents of different DIDs make the name ambiguous; of one DID the first is taken.
    pub fn found(mut self, remotes: &[Remote]) {
        self.answer(Ok(remotes));
    }

    /// It could not be found out.
    ///
    /// `why` is what the caller is told.
    pub fn failed(mut self, why: ErrorKind) {
        self.answer(Err(why));
    }

    fn answer(&mut self, answer: Answer<'_>) {
        self.answered = true;
        if let Some(asker) = self.asker.upgrade() {
            asker.node.resolved(&asker, &self.to, answer);
        }
    }
}

impl Drop for Resolved {
    fn drop(&mut self) {
        if !self.answered {
            self.answer(Ok(&[]));
        }
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("to", &self.to).finish_non_exhaustive()
    }
}

/// Where signatures come from whose key is not in this process.
pub trait RemoteSigner: Send + Sync {
    /// The DID of the key.
    fn did(&self) -> &Did;
    /// Signs these bytes, now or later, from any thread. A `done` that is dropped means that it failed.
    fn sign(&self, bytes: Vec<u8>, done: SignDone);
}

/// A question to a [`RemoteSigner`].
#[derive(Debug)]
pub struct SignDone {
    pub(crate) agent: Weak<Agent>,
    pub(crate) round: u32,
    pub(crate) answered: bool,
}

impl SignDone {
    /// The signature; it is checked before anything leaves.
    pub fn signed(mut self, signature: [u8; 64]) {
        self.answer(Some(signature));
    }

    fn answer(&mut self, signature: Option<[u8; 64]>) {
        self.answered = true;
        if let Some(agent) = self.agent.upgrade() {
            agent.signed(self.round, signature);
        }
    }
}

impl Drop for SignDone {
    fn drop(&mut self) {
        if !self.answered {
            self.answer(None);
        }
    }
}

/// The answer to a question, or why there is none; what [`Node::resolved`](crate::Node) takes.
pub(crate) type Answer<'a> = Result<&'a [Remote], ErrorKind>;
