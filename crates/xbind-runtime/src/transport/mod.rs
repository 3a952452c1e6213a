//! The seam between the runtime and whatever carries messages: another process, another machine, a test.
//!
//! A transport moves [`Departure`]s and hands in [`Arrival`]s; it decides nothing and is trusted with nothing. Who sent an
//! arrival is what its signature proves; where answers to it go is the route it came from.
//!
//! What to write for a new one: [`Transport::carry`] and [`Transport::limits`], and a call of
//! [`Node::deliver`](crate::Node::deliver) for what comes in, [`Node::writable`](crate::Node::writable) when there is room
//! again, [`Node::gone`](crate::Node::gone) when a connection is lost and [`Node::failed`](crate::Node::failed) when a
//! message certainly did not arrive, or [`Node::lost`](crate::Node::lost) when nobody knows. A [`Resolver`] says which names and DIDs are reached over it.
//!
//! A connection keeps the order of its messages, or ends: an answer in parts that come out of order fails. What comes twice
//! does no harm. Of a departure, `to`, `jws`, `body` and `token` cross; the frame around them is the transport's own.
//!
//! # The life of a connection
//!
//! 1. Both ends find out who is there, see below, and choose a [`Route`]. The node need not be told of it: it learns the
//!    route from a resolver, or from what is delivered.
//! 2. What comes in is delivered, what is carried goes out. Both ends send over the one connection.
//! 3. When it is lost, first nothing is taken or delivered for its route any more, and then `gone` is called.
//! 4. Whoever connects again does so with a new generation, and its resolver says that from now on. Calls that ended are
//!    not made again: only their caller knows whether they may be.
//!
//! A resolver's answer may be older than the loss, so [`Transport::carry`] may still be asked to use the old route. It takes
//! everything then, and `gone` is called once more, so that these calls end too.
//!
//! # Threads and locks
//!
//! The node asks on any thread, also where no async runtime is, and under none of its locks. It may ask on the thread that
//! calls it, before that call returns, so whoever calls a node holds no lock that `carry`, `limits` or `resolve` take.
//! A node holds its transports and its resolver until it is closed; they hold it as a [`Weak`].
//!
//! # Who is at the other end
//!
//! Nothing can be forged over a connection, whoever is there: each message is signed for one recipient, and an answer counts
//! only from the agent that was asked. But messages are not encrypted. Whoever a route leads to reads what goes there, and
//! may keep it to himself. So a transport encrypts, and its resolver names a DID only for a route whose other end has shown
//! that it has the key:
//!
//! 1. Each side sends 32 fresh bytes of [`random`](crate::random).
//! 2. Each side sends its DIDs, and for each a signature ([`Handle::sign_data`](crate::Handle::sign_data)) of: a label of the
//!    transport's own, another one for either side; the other side's bytes; and what only this connection has, such as keying
//!    material exported from TLS (RFC 9266), or somebody between the two could pass the signatures on.
//! 3. Each side verifies them ([`VerifyingKey::verify`](xbind::VerifyingKey::verify)) before its resolver names the route.
//!
//! A name that the other side gives itself is no more than a claim; which DID may have which name is for the resolver to
//! know. Who only answers calls needs none of this, because answers go back over the route of the call.
//!
//! # Example
//!
//! Two nodes, and a thread for each direction in place of a socket.
//!
//! ```
//! use std::collections::VecDeque;
//! use std::sync::{Arc, Condvar, Mutex, Weak};
//! use std::time::Duration;
//!
//! use xbind::SigningKey;
//! use xbind_runtime::transport::{Arrival, Departure, Limits, Remote, Resolved, Resolver, Route, Transport};
//! use xbind_runtime::{AgentOptions, CallOptions, Key, Node, NodeOptions, Payload};
//!
//! #[derive(Default)]
//! struct Wire {
//!     queue: Mutex<VecDeque<Departure>>,
//!     filled: Condvar,
//! }
//!
//! impl Transport for Wire {
//!     fn carry(&self, _: Route, parcels: &mut Vec<Departure>) {
//!         let mut queue = self.queue.lock().unwrap();
//!         let room = 16_usize.saturating_sub(queue.len()).min(parcels.len());
//!         queue.extend(parcels.drain(..room)); // the rest stays with the node
//!         self.filled.notify_one();
//!     }
//!
//!     fn limits(&self, _: Route) -> Limits {
//!         Limits { max_parcel: 2 << 20, clock_skew: 5, message_ttl: 30 }
//!     }
//!
//!     fn names_sessions(&self) -> bool {
//!         true
//!     }
//!
//!     fn close(&self, _: Duration) {}
//! }
//!
//! impl Wire {
//!     fn run(&self, own: &Weak<Node>, way: Route, other: &Weak<Node>, back: Route) {
//!         loop {
//!             let queue = self.filled.wait_while(self.queue.lock().unwrap(), |queue| queue.is_empty());
//!             let parcel = queue.unwrap().pop_front(); // the lock is free again
//!             let (Some(Departure { to, jws, body, token, .. }), Some(own), Some(other)) =
//!                 (parcel, own.upgrade(), other.upgrade())
//!             else {
//!                 return;
//!             };
//!             other.deliver(vec![Arrival { to, jws, body, token }], back);
//!             own.writable(way);
//!         }
//!     }
//! }
//!
//! struct Book(Remote);
//!
//! impl Resolver for Book {
//!     fn resolve(&self, to: &str, done: Resolved) {
//!         if to == "writer" || to == self.0.did.as_str() {
//!             done.found(&[self.0]);
//!         } // else it is dropped: not found
//!     }
//! }
//!
//! let nodes = [Node::new(NodeOptions::default()), Node::new(NodeOptions::default())];
//! let wires = [Arc::new(Wire::default()), Arc::new(Wire::default())];
//! let routes = [0, 1].map(|at| nodes[at].attach(wires[at].clone()).route(1, 0));
//! for (at, other) in [(0, 1), (1, 0)] {
//!     let (wire, own, peer) = (wires[at].clone(), Arc::downgrade(&nodes[at]), Arc::downgrade(&nodes[other]));
//!     std::thread::spawn(move || wire.run(&own, routes[at], &peer, routes[other]));
//! }
//!
//! let join = |at: usize, handles| {
//!     let key = Key::Local(SigningKey::from_seed(&[at as u8; 32]));
//!     nodes[at].join(key, None, AgentOptions { handles, ..AgentOptions::default() })
//! };
//! let (reader, writer) = (join(0, false)?, join(1, true)?);
//! nodes[0].resolve_with(Arc::new(Book(Remote { did: *writer.did(), route: routes[0] })));
//!
//! # fn block_on<F: Future>(future: F) -> F::Output {
//! #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
//! # }
//! std::thread::spawn(move || {
//!     while let Some(call) = block_on(writer.next()) {
//!         call.reply(Payload::Json("2".into()));
//!     }
//! });
//! let answer = block_on(reader.call("writer", Payload::Json("1".into()), CallOptions::default()))?;
//! assert!(matches!(answer, Payload::Json(text) if text == "2"));
//! # Ok::<(), xbind::Error>(())
//! ```

pub(crate) mod local;
mod peer;

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use xbind::{Did, Error, ErrorKind, MessageId};

pub use self::peer::{Hold, Peer, Remote, Route, SpeaksFor, There, TransportId, Way};
use crate::agent::Agent;
use crate::port::event::Body;

/// A sealed message on its way out.
pub struct Departure {
    /// Who signed it.
    pub from: Did,
    /// Whom it is for.
    pub to: Did,
    /// The call or send that it is; none for answers and what else is said of a call.
    /// [`Node::failed`](crate::Node::failed) takes it.
    pub call: Option<CallId>,
    /// The message, compact.
    pub jws: String,
    /// Its body.
    pub body: Body,
    /// What it presents.
    pub token: Option<String>,
    /// What came with the call that it is about.
    pub hold: Option<Hold>,
}

impl Departure {
    /// Its size in bytes: `jws`, `body` and `token`, without what a transport puts around them.
    #[must_use]
    pub fn size(&self) -> usize {
        let token = self.token.as_ref().map_or(0, String::len);
        self.jws.len().saturating_add(self.body.len()).saturating_add(token)
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
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
    /// The largest [`Departure`], by its [`size`](Departure::size). A larger call ends with `PAYLOAD_TOO_LARGE`, and so
    /// does the call to which there is a larger answer or part: its caller gets a signed error, of some 1000 bytes. So leave room for what agents here may send: 4096 bytes, and
    /// [`max_payload_bytes`](crate::AgentOptions::max_payload_bytes), and 68 KiB where tokens are presented.
    pub max_parcel: usize,
    /// How far the clocks of both ends may differ, in seconds, at most 300.
    pub clock_skew: u64,
    /// The life of messages that leave on it, in seconds, and the longest life of those that arrive: 1 to 300. It is the
    /// same at both ends, because a message that says more than the other end takes is dropped there.
    pub message_ttl: u32,
}

/// What carries messages.
pub trait Transport: Send + Sync {
    /// Takes parcels from the front, as many as there is room for; what it leaves waits for
    /// [`Node::writable`](crate::Node::writable), and is not lost where that comes before this returns. Never blocks, and
    /// never calls the node: what it has to say of a parcel is said later, or on another thread. For each route one thread at
    /// a time calls it.
    ///
    /// Of a route that is gone it takes all: what it leaves would stay with the node. See the
    /// [life of a connection](self#the-life-of-a-connection).
    fn carry(&self, route: Route, parcels: &mut Vec<Departure>);
    /// The bounds of a route. Asked for with each message, and for routes that are gone too; answers at once.
    fn limits(&self, route: Route) -> Limits;
    /// Whether calls name the session of their recipient, so that what was accepted once is never accepted again after a
    /// restart of the process, or in another process with the same key. It is the same at both ends. Only where the other end
    /// lives and dies with this one may it be false. Asked once.
    fn names_sessions(&self) -> bool;
    /// Agents of the node have come or gone: [`Node::agents`](crate::Node::agents) says who is there. Returns at once.
    fn agents_changed(&self) {}
    /// Whoever got that call has not taken it, because it names the session of another process with the same key: sends the very
    /// same bytes once more, where they may come to that one. False if that cannot be. It does not block, and does not call the node.
    fn again(&self, route: Route, call: CallId) -> bool {
        let _ = (route, call);
        false
    }
    /// Whether that agent is away, and what goes to it on that route is kept for it: how long at most, in seconds. A send leaves as mail
    /// then, which names no session and which nobody answers: [`Node::kept`](crate::Node::kept) ends it. A call ends with
    /// `AGENT_NOT_FOUND`. Asked for like [`limits`](Self::limits).
    fn keeps(&self, to: &Remote) -> Option<u32> {
        let _ = to;
        None
    }
    /// An agent here was asked for so many messages more than its inbox has: what is kept for it may come. Returns at once.
    fn wants(&self, agent: &Did, messages: usize) {
        let _ = (agent, messages);
    }
    /// The node has closed: what was taken, the last words of its agents among it, may still leave within `drain`. Returns at
    /// once. Nothing is carried any more, and what is delivered is dropped. A node that is dropped without
    /// [`Node::close`](crate::Node::close) does not call it.
    fn close(&self, drain: Duration);
}

/// Says where names and DIDs are that this node does not have.
pub trait Resolver: Send + Sync {
    /// Answers with [`Resolved::found`], now or later, from any thread. A question that is dropped is answered: not found.
    /// The node asks once for all calls that wait for the same name. Answer soon: a name may mean any agent elsewhere, so
    /// what its caller asks of agents elsewhere later waits until it is answered or nobody waits for it any more.
    ///
    /// No answer is remembered, so it is asked anew for each later call, on the thread of the caller, and must not block. Where
    /// an arrival came from is no answer either: an agent that has called here can be called back only if the resolver says
    /// over which route. For a DID only answers with that DID count.
    fn resolve(&self, to: &str, done: Resolved);
}

/// A question to a [`Resolver`].
pub struct Resolved {
    pub(crate) asker: Weak<Agent>,
    pub(crate) to: Box<str>,
    /// The name that led there, where it was another one.
    pub(crate) name: Option<Box<str>>,
    /// Nobody else is asked after this.
    pub(crate) last: bool,
    pub(crate) answered: bool,
}

impl Resolved {
    /// There it is. Several agents of different DIDs make the name ambiguous; of one DID the first is taken. None at all is
    /// `AGENT_NOT_FOUND`, which the caller may try again later.
    pub fn found(mut self, remotes: &[Remote]) {
        self.answer(Ok(remotes));
    }

    /// The name is that of a DID, or of what answers at an address: for a registry, which knows of no routes. Whoever finds these
    /// is asked on.
    pub fn leads_to(mut self, to: &str) {
        self.answered = true;
        if let Some(asker) = self.asker.upgrade() {
            asker.node.led(&asker, &self.to, to);
        }
    }

    /// The name is that identity's and nobody else's, here or elsewhere: its agent here is meant or, if there is none, the first
    /// of these. Other agents of that name do not count, and the name is never ambiguous.
    pub fn belongs(mut self, did: &Did, remotes: &[Remote]) {
        self.answered = true;
        if let Some(asker) = self.asker.upgrade() {
            asker.node.settled(&asker, &self, did, remotes);
        }
    }

    /// It could not be found out.
    ///
    /// `why` is what the caller is told, such as [`ErrorKind::RegistryUnavailable`].
    pub fn failed(self, why: ErrorKind) {
        let error = Error::new(why, format!("where {} is could not be found out", self.to));
        self.failed_with(error);
    }

    /// It could not be found out: what the caller is told.
    pub fn failed_with(mut self, error: Error) {
        self.answer(Err(error));
    }

    fn answer(&mut self, answer: Answer<'_>) {
        self.answered = true;
        if let Some(asker) = self.asker.upgrade() {
            asker.node.resolved(&asker, self, answer);
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
pub(crate) type Answer<'a> = Result<&'a [Remote], Error>;
