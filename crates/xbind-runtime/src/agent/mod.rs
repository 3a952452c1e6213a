//! One agent: its key, its bounds, and how it ends.

pub(crate) mod ending;
pub(crate) mod inbox;
pub(crate) mod lent;
pub(crate) mod line;
pub(crate) mod lookup;
pub(crate) mod outbox;
pub(crate) mod parking;
pub(crate) mod replies;
pub(crate) mod room;
pub(crate) mod signing;
pub(crate) mod turns;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use xbind::message::card::DESCRIBE;
use xbind::{Did, Error, ErrorKind, MessageId, Policy, Result, Session, SigningKey, VerifyingKey};

use crate::agent::inbox::Inbox;
use crate::agent::lent::Lender;
use crate::agent::outbox::Outbox;
use crate::agent::room::{Load, Room};
use crate::guard::policy::{Allow, Policies};
use crate::node::Node;
use crate::node::memory::Memory;
use crate::port::Port;
use crate::port::event::Outcome;
use crate::record::sink::Recording;
use crate::sync::Lock;
use crate::transport::{Peer, Resolver};

/// Where an agent's signatures come from.
#[derive(Debug)]
pub enum Signer {
    /// A key in this process, wiped when the agent closes.
    Local(SigningKey),
    /// A key elsewhere (a KMS, an HSM): the face is asked with [`Event::Sign`](crate::Event::Sign), first of all to show
    /// that the key is there.
    Elsewhere(VerifyingKey),
}

/// The bounds of one agent.
#[derive(Clone, Copy, Debug)]
pub struct AgentOptions {
    /// The most bytes of a body, sent or received.
    pub max_payload_bytes: usize,
    /// Life of a message in seconds, 1 to what the node accepts.
    pub message_ttl: u32,
    /// The most messages that wait in the inbox, and calls that wait for the handler, together.
    pub inbox_messages: usize,
    /// The most bytes of what waits there.
    pub inbox_bytes: usize,
    /// The most calls that the handler works on at once.
    pub concurrency: usize,
    /// It has a handler from the start, which anybody may call: [`Agent::guard`] sets another.
    pub handles: bool,
    /// Its face says what it offers, whether or not it has a handler.
    pub describes: bool,
    /// Its face is told what happens to messages without it, with [`Event::Decided`](crate::Event::Decided).
    pub tells: bool,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            max_payload_bytes: 1 << 20,
            message_ttl: 5,
            inbox_messages: 1024,
            inbox_bytes: 16 << 20,
            concurrency: 64,
            handles: false,
            describes: false,
            tells: false,
        }
    }
}

/// What may wait to go out of one agent.
const OUTBOX: Load = Load { messages: 65_536, bytes: 256 << 20 };

/// An agent on a node.
pub struct Agent {
    pub(crate) number: u32,
    /// Later agents of the same DID stand before earlier ones.
    pub(crate) serial: u64,
    pub(crate) node: Arc<Node>,
    pub(crate) port: Arc<Port>,
    did: Did,
    name: Option<Box<str>>,
    /// None for keys elsewhere, and after closing.
    key: Mutex<Option<SigningKey>>,
    pub(crate) remote: Option<Box<VerifyingKey>>,
    /// Who knows names that its node does not.
    registry: OnceLock<Arc<dyn Resolver>>,
    lender: OnceLock<Arc<dyn Lender>>,
    /// None before the first message: most agents of a large fleet are idle.
    memory: OnceLock<Arc<Memory>>,
    pub(crate) options: AgentOptions,
    pub(crate) recording: Option<Box<Recording>>,
    takes_calls: AtomicBool,
    /// It closes as soon as its handlers have ended.
    retiring: AtomicBool,
    pub(crate) inbox: Mutex<Inbox>,
    pub(crate) outbox: Mutex<Outbox>,
    pub(crate) room: Room,
}

impl Agent {
    #[expect(clippy::too_many_arguments, reason = "an agent is made in one place")]
    pub(crate) fn new(
        number: u32,
        serial: u64,
        node: Arc<Node>,
        port: Arc<Port>,
        signer: Signer,
        name: Option<String>,
        options: AgentOptions,
        recording: Option<Recording>,
    ) -> Self {
        let (did, key, remote) = match signer {
            Signer::Local(key) => (*key.did(), Some(key), None),
            Signer::Elsewhere(key) => (*key.did(), None, Some(Box::new(key))),
        };
        let outbox = Outbox::new(remote.is_none());
        let handled = options.handles.then(|| Policies::from(Allow::Everyone));
        let policies = if options.describes {
            Some(handled.unwrap_or_default().with_whole(DESCRIBE, Allow::Everyone.into()))
        } else {
            handled
        };
        let inbox = Inbox::new(policies);
        Self {
            number,
            serial,
            node,
            port,
            did,
            name: name.map(String::into_boxed_str),
            key: Mutex::new(key),
            remote,
            registry: OnceLock::new(),
            lender: OnceLock::new(),
            memory: OnceLock::new(),
            options,
            recording: recording.map(Box::new),
            takes_calls: AtomicBool::new(options.handles),
            retiring: AtomicBool::new(false),
            inbox: Mutex::new(inbox),
            outbox: Mutex::new(outbox),
            room: Room::default(),
        }
    }

    /// The agent's DID.
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// The agent's label.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it is.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Lends the signing key, while the agent is open and the key is here.
    pub fn with_key<T>(&self, use_key: impl FnOnce(&SigningKey) -> T) -> Option<T> {
        self.key.guard().as_ref().map(use_key)
    }

    /// # Errors
    /// `REVOKED` if its identity was stopped on its node.
    pub fn check_may_speak(&self) -> Result<()> {
        self.node.check_running(&[&self.did])
    }

    /// Asks this resolver for names that the agent calls and nobody on its node has; the first one stays. It answers with
    /// [`Resolved::leads_to`](crate::transport::Resolved::leads_to).
    pub fn resolve_names_with(&self, registry: Arc<dyn Resolver>) {
        let _ = self.registry.set(registry);
    }

    pub(crate) fn registry(&self) -> Option<&Arc<dyn Resolver>> {
        self.registry.get()
    }

    /// Notes that something signed by `signer` was used here, until the second `until` has passed. All agents of one DID
    /// share this memory, which outlives them.
    ///
    /// # Errors
    /// `REPLAYED` if it was used before, `REPLAY_WINDOW_FULL`.
    pub fn use_once(&self, signer: &Did, id: &MessageId, until: u64) -> Result<()> {
        let until = until.saturating_add(xbind::message::DEFAULT_SKEW);
        self.memory().used.reserve(signer, id, until, self.node.time().unix())?.commit();
        Ok(())
    }

    /// A message that was accepted here came to nothing: it may come again, as it is.
    pub(crate) fn forget_message(&self, sender: &Did, id: &MessageId) {
        self.memory().replay.forget(sender, id);
    }

    /// The same where its sender is here. One from elsewhere may have a copy on its way, which would count although it was said that
    /// nothing has begun.
    pub(crate) fn forget_local(&self, sender: &Peer, id: &MessageId) {
        if let Peer::Here(sender) = sender {
            self.forget_message(sender.did(), id);
        }
    }

    /// What was used once may be used again: nothing came of it.
    pub(crate) fn use_again(&self, signer: &Did, id: &MessageId) {
        self.memory().used.forget(signer, id);
    }

    /// Whether its key is elsewhere.
    pub(crate) fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    pub(crate) fn takes_calls(&self) -> bool {
        self.takes_calls.load(Ordering::Acquire)
    }

    pub(crate) fn set_takes_calls(&self, takes: bool) {
        self.takes_calls.store(takes, Ordering::Release);
    }

    /// Whether it has closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inbox.guard().closed
    }

    /// Tells the face of something that it had no part in.
    pub(crate) fn tell(&self, id: MessageId, from: Did, refused: Option<ErrorKind>) {
        if self.options.tells || (refused.is_some() && self.port.is_watched()) {
            self.port.push(crate::Event::Decided { agent: self.number, id, from, refused });
        }
    }

    /// The bound of what waits here.
    pub(crate) fn bound(&self) -> Load {
        Load { messages: self.options.inbox_messages, bytes: self.options.inbox_bytes }
    }

    pub(crate) fn outbox_bound(&self) -> Load {
        OUTBOX
    }

    pub(crate) fn check_size(&self, bytes: usize) -> Result<()> {
        let limit = self.options.max_payload_bytes;
        if bytes <= limit {
            return Ok(());
        }
        Err(Error::new(ErrorKind::PayloadTooLarge, format!("a payload of {bytes} bytes is over the limit of {limit}"))
            .with_hint("send less, or raise the limit on both sides"))
    }

    /// Whether that peer may be called at all.
    pub(crate) fn check_recipient(&self, to: &Peer) -> Result<()> {
        self.node.check_running(&[&self.did, to.did()])?;
        if *to.did() == self.did {
            return Err(Error::new(ErrorKind::WrongAudience, "an agent cannot call itself")
                .with_hint("call the function directly, or make a second agent"));
        }
        Ok(())
    }

    /// What it accepts of senders whose clocks differ by so much, in calls that name that session.
    pub(crate) fn policy(&self, clock_skew: u64, max_lifetime: u64, session: Option<Session>) -> Policy {
        Policy {
            audience: self.did,
            clock_skew,
            max_lifetime,
            mail: None,
            secrecy: xbind::Secrecy::None, // among agents here; see `take_in`
            max_body: self.options.max_payload_bytes,
            track_replies: false, // opening one consumes the pending call it answers
            session,
        }
    }

    pub(crate) fn memory(&self) -> &Memory {
        self.memory.get_or_init(|| self.node.memory_of(&self.did))
    }

    /// Ends the pending call that this request was, if it still is.
    pub(crate) fn settle_request(&self, request: &MessageId, outcome: Outcome) {
        let taken = self.port.calls.guard().take_id(request, None);
        if let Some(call) = taken {
            if call.sink.is_some() {
                Port::give_up(&call); // the other side may be in the middle of its answer
            }
            self.port.settle(&call, outcome);
        }
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::AgentClosed, "this agent is closed")
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("did", &self.did).field("name", &self.name).finish_non_exhaustive()
    }
}
