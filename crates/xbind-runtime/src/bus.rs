//! Where agents meet: names and DIDs of one process.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

use hashbrown::HashTable;
use xbind::{Acquaintances, Did, Error, ErrorKind, Result, RootCache, SenderCache, VerifyingKey};

use crate::agent::Agent;
use crate::event::{Event, Outcome};
use crate::name::check_name;
use crate::port::Port;
use crate::sync::Lock;
use crate::{AgentOptions, Signer};

/// How many headers of senders a bus remembers, two for each: about 800 bytes each.
const KNOWN_SENDERS: usize = 65_536;
/// How many batch roots a bus remembers having verified: about 200 bytes each.
const KNOWN_ROOTS: usize = 16_384;

/// An in-process bus.
pub struct Bus {
    directory: Mutex<Directory>,
    /// What was verified once for one agent here holds for all of them.
    pub(crate) known: Acquaintances,
    /// The name under which [`Bus::shared`] finds it.
    shared: Option<Box<str>>,
    /// Identities that may neither call nor be called here any more.
    stopped: RwLock<HashSet<Did>>,
    any_stopped: AtomicBool,
}

/// Two indexes over the same agents; an entry costs one pointer.
#[derive(Debug, Default)]
struct Directory {
    closed: bool,
    serial: u64,
    hasher: RandomState,
    by_did: HashTable<Arc<Agent>>,
    by_name: HashTable<Arc<Agent>>,
}

static SHARED: LazyLock<Mutex<HashMap<Box<str>, Weak<Bus>>>> = LazyLock::new(Mutex::default);

impl Bus {
    /// A bus of its own.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::named(None))
    }

    fn named(shared: Option<Box<str>>) -> Self {
        let known = Acquaintances { senders: SenderCache::new(KNOWN_SENDERS), roots: RootCache::new(KNOWN_ROOTS) };
        Self {
            directory: Mutex::default(),
            known,
            shared,
            stopped: RwLock::default(),
            any_stopped: AtomicBool::new(false),
        }
    }

    /// The bus of that name in this process.
    ///
    /// # Errors
    /// `INVALID_NAME`.
    pub fn shared(name: &str) -> Result<Arc<Self>> {
        check_name(name)?;
        let mut shared = SHARED.guard();
        if let Some(bus) = shared.get(name).and_then(Weak::upgrade) {
            return Ok(bus);
        }
        shared.retain(|_, bus| bus.strong_count() > 0);
        let bus = Arc::new(Self::named(Some(name.into())));
        shared.insert(name.into(), Arc::downgrade(&bus));
        Ok(bus)
    }

    /// The agents here, in the order in which they came.
    pub fn agents(&self) -> Vec<(Did, Option<String>)> {
        let directory = self.directory.guard();
        let mut agents: Vec<_> = directory.by_did.iter().collect();
        agents.sort_by_key(|agent| agent.serial);
        agents.into_iter().map(|agent| (*agent.did(), agent.name().map(str::to_owned))).collect()
    }

    pub(crate) fn admit(
        self: &Arc<Self>,
        port: &Arc<Port>,
        number: u32,
        signer: Signer,
        name: Option<String>,
        options: AgentOptions,
    ) -> Result<Arc<Agent>> {
        if let Some(name) = &name {
            check_name(name)?;
        }
        let mut directory = self.directory.guard();
        if directory.closed {
            return Err(Error::new(ErrorKind::AgentClosed, "this bus is closed"));
        }
        directory.serial = directory.serial.saturating_add(1);
        let agent = Arc::new(Agent::new(number, directory.serial, self.clone(), port.clone(), signer, name, options));
        directory.insert(&agent);
        Ok(agent)
    }

    /// Who answers to a name or a DID.
    pub(crate) fn find(&self, to: &str) -> Result<Arc<Agent>> {
        let directory = self.directory.guard();
        if to.starts_with("did:") {
            return match directory.newest_of(to) {
                Some(agent) => Ok(agent.clone()),
                None => Err(not_found(VerifyingKey::from_did(to)?.did().as_str())),
            };
        }
        let mut named = directory.named(to);
        let Some(mut newest) = named.next() else {
            check_name(to)?;
            return Err(not_found(to));
        };
        for other in named {
            if other.did() != newest.did() {
                return Err(Error::new(ErrorKind::AmbiguousName, format!("several agents answer to the name {to}"))
                    .with_hint("call the one you mean by its DID"));
            }
            if other.serial > newest.serial {
                newest = other;
            }
        }
        Ok(newest.clone())
    }

    pub(crate) fn remove(&self, agent: &Arc<Agent>) {
        self.directory.guard().remove(agent);
    }

    /// Stops an identity on this bus, at once: its queued and running calls, and those to it, end with `REVOKED`, handlers
    /// that work for it see their signal abort, and it can neither call nor be called any more.
    pub fn stop(&self, did: &Did) {
        self.stopped.write().unwrap_or_else(PoisonError::into_inner).insert(*did);
        self.any_stopped.store(true, Ordering::Release);
        let agents: Vec<_> = {
            let directory = self.directory.guard();
            directory.by_did.iter().filter(|agent| agent.did() == did).cloned().collect()
        };
        for agent in agents {
            agent.end_all(&|| Outcome::Failed { error: stopped(did), remote: None });
        }
    }

    pub(crate) fn check_running(&self, dids: &[&Did]) -> Result<()> {
        if !self.any_stopped.load(Ordering::Acquire) {
            return Ok(());
        }
        let all = self.stopped.read().unwrap_or_else(PoisonError::into_inner);
        dids.iter().find(|did| all.contains(**did)).map_or(Ok(()), |did| Err(stopped(did)))
    }

    /// Closes every agent here; their faces get [`Event::Closed`]. Under its shared name a fresh bus begins.
    pub fn close(&self) {
        if let Some(name) = &self.shared {
            let mut shared = SHARED.guard();
            if shared.get(name).is_some_and(|bus| std::ptr::eq(bus.as_ptr(), self)) {
                shared.remove(name);
            }
        }
        let agents: Vec<_> = {
            let mut directory = self.directory.guard();
            directory.closed = true;
            directory.by_name.clear();
            directory.by_did.drain().collect()
        };
        for agent in agents {
            agent.close();
            agent.port.push(Event::Closed { agent: agent.number });
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("agents", &self.directory.guard().by_did.len()).finish_non_exhaustive()
    }
}

impl Directory {
    fn insert(&mut self, agent: &Arc<Agent>) {
        let Self { hasher, by_did, by_name, .. } = self;
        let hash_did = |agent: &Arc<Agent>| hasher.hash_one(agent.did().as_str());
        by_did.insert_unique(hash_did(agent), agent.clone(), hash_did);
        if agent.name().is_some() {
            let hash_name = |agent: &Arc<Agent>| hasher.hash_one(agent.name().unwrap_or_default());
            by_name.insert_unique(hash_name(agent), agent.clone(), hash_name);
        }
    }

    fn remove(&mut self, agent: &Arc<Agent>) {
        let Self { hasher, by_did, by_name, .. } = self;
        let same = |other: &Arc<Agent>| Arc::ptr_eq(other, agent);
        let hash_did = |agent: &Arc<Agent>| hasher.hash_one(agent.did().as_str());
        let hash_name = |agent: &Arc<Agent>| hasher.hash_one(agent.name().unwrap_or_default());
        if let Ok(entry) = by_did.find_entry(hash_did(agent), same) {
            entry.remove();
        }
        if let Ok(entry) = by_name.find_entry(hash_name(agent), same) {
            entry.remove();
        }
        if by_did.len() < by_did.capacity() / 4 {
            by_did.shrink_to_fit(hash_did);
            by_name.shrink_to_fit(hash_name);
        }
    }

    fn newest_of<'a>(&'a self, did: &'a str) -> Option<&'a Arc<Agent>> {
        let hash = self.hasher.hash_one(did);
        let same = self.by_did.iter_hash(hash).filter(move |agent| agent.did().as_str() == did);
        same.max_by_key(|agent| agent.serial)
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Arc<Agent>> {
        let hash = self.hasher.hash_one(name);
        self.by_name.iter_hash(hash).filter(move |agent| agent.name() == Some(name))
    }
}

fn stopped(did: &Did) -> Error {
    Error::new(ErrorKind::Revoked, format!("{did} was stopped on this bus"))
        .with_hint("ask whoever runs the bus; a stopped identity stays stopped")
}

fn not_found(to: &str) -> Error {
    Error::new(ErrorKind::AgentNotFound, format!("no agent {to} is on this bus"))
        .with_hint("make it first, on the same bus (across threads: MessageBus.shared), and do not close it")
}
