//! A node: where agents meet, find each other, and are reached from elsewhere.

pub(crate) mod directory;
pub(crate) mod finding;
pub(crate) mod held;
pub(crate) mod lane;
pub(crate) mod mail;
pub(crate) mod memory;
pub(crate) mod name;
pub(crate) mod routes;
pub(crate) mod secrecy;
pub(crate) mod sessions;
pub(crate) mod stops;
pub(crate) mod windows;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};

use xbind::{Caches, Did, Error, ErrorKind, Result, RootCache, SenderCache, UnsignedJws};

use crate::agent::Agent;
use crate::handle::desks::Desks;
use crate::node::directory::Directory;
use crate::node::memory::{Memories, Memory};
use crate::node::name::check_name;
use crate::node::routes::Routes;
use crate::node::secrecy::Secrets;
use crate::node::sessions::Sessions;
use crate::node::stops::Stops;
use crate::node::windows::Windows;
use crate::port::Port;
use crate::port::event::Event;
use crate::record::sink::Recording;
use crate::sync::Lock;
use crate::sync::after::{Task, enter, later};
use crate::sync::time::Time;
use crate::{AgentOptions, Signer};

/// How many headers of senders a node remembers, two for each: about 800 bytes each.
const KNOWN_SENDERS: usize = 65_536;
/// How many batch roots a node remembers having verified: about 200 bytes each.
const KNOWN_ROOTS: usize = 16_384;

/// The bounds of a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The longest life of a message that agents here accept from each other, in seconds, 1 to 300. A replay window keeps
    /// each message for its life.
    pub max_lifetime: u32,
    /// Where its time comes from.
    pub time: Time,
    /// Where its agents put on record what they decide, but for those that have a log of their own.
    pub recording: Option<Recording>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { max_lifetime: 30, time: Time::System, recording: None }
    }
}

/// Where agents meet, find each other, and are reached from elsewhere.
///
/// [`Node::join`] brings an agent of a Rust program, [`Port::join`] one of a face. A new node reaches nobody elsewhere:
/// [`Node::attach`] gives it a transport, [`Node::resolve_with`] tells it whom that reaches. What a transport calls may be
/// called from any thread, and from async code: it waits for nobody.
pub struct Node {
    directory: Mutex<Directory>,
    /// What was verified once for one agent here holds for all of them.
    pub(crate) known: Caches,
    /// The name under which [`Node::shared`] finds it.
    shared: Option<Box<str>>,
    stops: Stops,
    memories: Memories,
    options: NodeOptions,
    /// Ports that have, or had, agents here.
    pub(crate) ports: Mutex<Vec<Weak<Port>>>,
    pub(crate) routes: Routes,
    pub(crate) sessions: Sessions,
    pub(crate) secrets: Secrets,
    pub(crate) windows: Windows,
    longest_body: AtomicUsize,
    pub(crate) desks: Desks,
    /// Who waits for an agent of that name or DID that is about to show its key, each once.
    seeking: Mutex<BTreeMap<Box<str>, Seekers>>,
}

/// Agents by their serial number.
type Seekers = BTreeMap<u64, Weak<Agent>>;

static SHARED: LazyLock<Mutex<HashMap<Box<str>, Weak<Node>>>> = LazyLock::new(Mutex::default);

impl Node {
    /// A node of its own.
    #[must_use]
    pub fn new(options: NodeOptions) -> Arc<Self> {
        Arc::new(Self::named(None, options))
    }

    fn named(shared: Option<Box<str>>, options: NodeOptions) -> Self {
        let known = Caches { senders: SenderCache::new(KNOWN_SENDERS), roots: RootCache::new(KNOWN_ROOTS) };
        Self {
            directory: Mutex::default(),
            known,
            shared,
            stops: Stops::default(),
            memories: Memories::default(),
            options,
            ports: Mutex::default(),
            routes: Routes::default(),
            sessions: Sessions::default(),
            secrets: Secrets::default(),
            windows: Windows::default(),
            longest_body: AtomicUsize::new(0),
            desks: Desks::default(),
            seeking: Mutex::default(),
        }
    }

    /// The node of that name in this process, with the options of whoever asked first.
    ///
    /// # Errors
    /// `INVALID_NAME`.
    pub fn shared(name: &str) -> Result<Arc<Self>> {
        check_name(name)?;
        let mut shared = SHARED.guard();
        if let Some(node) = shared.get(name).and_then(Weak::upgrade) {
            return Ok(node);
        }
        shared.retain(|_, node| node.strong_count() > 0);
        let node = Arc::new(Self::named(Some(name.into()), NodeOptions::default()));
        shared.insert(name.into(), Arc::downgrade(&node));
        Ok(node)
    }

    /// The agents here, in the order in which they came.
    pub fn agents(&self) -> Vec<(Did, Option<String>)> {
        let directory = self.directory.guard();
        let mut agents: Vec<_> = directory.iter().collect();
        agents.sort_by_key(|agent| agent.serial);
        agents.into_iter().map(|agent| (*agent.did(), agent.name().map(str::to_owned))).collect()
    }

    /// Has an agent here sign what a transport says of it, such as where it is. `done` is told at once or, where the key is
    /// elsewhere, once that has answered; none if it did not, or has been asked for another one meanwhile. It may be called on
    /// any thread, and must not call the node.
    pub fn state(&self, did: &Did, unsigned: UnsignedJws, done: impl FnOnce(Option<String>) + Send + 'static) {
        let _entry = enter();
        match self.newest_of(did) {
            Some(agent) => agent.state(unsigned, Box::new(done)),
            None => done(None),
        }
    }

    /// Its time.
    #[must_use]
    pub const fn time(&self) -> &Time {
        &self.options.time
    }

    pub(crate) fn max_lifetime(&self) -> u64 {
        self.options.max_lifetime.into()
    }

    pub(crate) fn memory_of(&self, did: &Did) -> Arc<Memory> {
        self.memories.of(did, self.time().unix())
    }

    pub(crate) fn admit(
        self: &Arc<Self>,
        port: &Arc<Port>,
        number: u32,
        signer: Signer,
        name: Option<String>,
        options: AgentOptions,
        recording: Option<Recording>,
    ) -> Result<Arc<Agent>> {
        if let Some(name) = &name {
            check_name(name)?;
        }
        if options.message_ttl == 0 || options.message_ttl > self.options.max_lifetime {
            let (ttl, longest) = (options.message_ttl, self.options.max_lifetime);
            let why = format!("messages that live {ttl} s, where 1 to {longest} s are accepted");
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let mut directory = self.directory.guard();
        if directory.closed {
            return Err(Error::new(ErrorKind::AgentClosed, "this bus is closed"));
        }
        directory.serial = directory.serial.saturating_add(1);
        self.longest_body.fetch_max(options.max_payload_bytes, Ordering::Relaxed);
        let recording = recording.or_else(|| self.options.recording.clone());
        let agent = Arc::new(Agent::new(
            number,
            directory.serial,
            self.clone(),
            port.clone(),
            signer,
            name,
            options,
            recording,
        ));
        if !agent.record_own("agent.joined") {
            return Err(Error::new(ErrorKind::AuditFailed, "it cannot be put on record that the agent is here"));
        }
        if agent.is_remote() {
            directory.insert_unproved(&agent);
            drop(directory);
        } else {
            let older = directory.newest_of(agent.did().as_str()).cloned();
            directory.insert(&agent);
            drop(directory);
            supersede(older);
            later(Task::AgentsChanged(self.clone()));
        }
        self.know_port(port);
        Ok(agent)
    }

    fn know_port(&self, port: &Arc<Port>) {
        let mut ports = self.ports.guard();
        if !ports.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(port))) {
            ports.retain(|known| known.strong_count() > 0);
            ports.push(Arc::downgrade(port));
        }
    }

    pub(crate) fn each_port(&self, act: impl Fn(&Arc<Port>)) {
        let ports: Vec<_> = self.ports.guard().iter().filter_map(Weak::upgrade).collect();
        for port in &ports {
            act(port);
        }
    }

    pub(crate) fn all_agents(&self) -> Vec<Arc<Agent>> {
        let mut all: Vec<_> = self.directory.guard().iter().cloned().collect();
        all.sort_by_key(|agent| agent.serial);
        all
    }

    pub(crate) fn agents_of(&self, did: &Did) -> Vec<Arc<Agent>> {
        self.directory.guard().agents_of(did)
    }

    pub(crate) fn newest_of(&self, did: &Did) -> Option<Arc<Agent>> {
        self.directory.guard().newest_of(did.as_str()).cloned()
    }

    /// The DID of that text, if it is one of an agent here: that it is one was found out when the agent came.
    #[must_use]
    pub fn did_here(&self, text: &str) -> Option<Did> {
        self.directory.guard().newest_of(text).map(|agent| *agent.did())
    }

    /// Whether it shows its key is waited for, unless the node is closed.
    pub(crate) fn expect_proof(&self, agent: &Arc<Agent>) {
        let mut directory = self.directory.guard();
        if !directory.closed {
            directory.insert_unproved(agent);
        }
    }

    /// Nobody waits for it to show its key any more.
    pub(crate) fn give_up(&self, agent: &Arc<Agent>) {
        self.directory.guard().give_up(agent);
    }

    /// It is neither listed nor waited for.
    pub(crate) fn forget(&self, agent: &Arc<Agent>) {
        self.directory.guard().remove(agent);
        later(Task::AgentsChanged(agent.node.clone()));
    }

    pub(crate) fn remove(self: &Arc<Self>, agent: &Arc<Agent>) {
        self.directory.guard().remove(agent);
        later(Task::AgentsChanged(self.clone()));
        self.seek_again(agent);
    }

    /// Closes every agent here; their faces get [`Event::Closed`]. Under its shared name a fresh node begins.
    pub fn close(self: &Arc<Self>) {
        let _entry = enter();
        if let Some(name) = &self.shared {
            let mut shared = SHARED.guard();
            if shared.get(name).is_some_and(|node| std::ptr::eq(node.as_ptr(), Arc::as_ptr(self))) {
                shared.remove(name);
            }
        }
        let agents = {
            let mut directory = self.directory.guard();
            directory.closed = true;
            directory.drain()
        };
        for agent in agents {
            agent.close();
            agent.port.push(Event::Closed { agent: agent.number });
            self.seek_again(&agent);
        }
        self.windows.close();
        self.routes.close();
        self.desks.wake();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("agents", &self.directory.guard().len()).finish_non_exhaustive()
    }
}

/// Tells the face of an agent that a newer one of its DID has come.
pub(crate) fn supersede(older: Option<Arc<Agent>>) {
    if let Some(older) = older {
        older.port.push(Event::Superseded { agent: older.number });
    }
}
