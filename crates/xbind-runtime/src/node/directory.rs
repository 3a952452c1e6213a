//! Who is on a node, by name and by DID.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use xbind::{Did, Error, ErrorKind, Result};

use crate::agent::Agent;

/// Two indexes over the same agents; an entry costs one pointer.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) closed: bool,
    pub(crate) serial: u64,
    hasher: RandomState,
    by_did: HashTable<Arc<Agent>>,
    by_name: HashTable<Arc<Agent>>,
    /// Agents that have not shown yet that their key is there.
    unproved: Vec<Arc<Agent>>,
    /// Agents that could not, for whoever needs them next.
    failed: Vec<Failed>,
}

/// An agent whose key could not be shown, and when it may be asked for again.
#[derive(Debug)]
struct Failed {
    agent: Arc<Agent>,
    again: Instant,
    pause: Duration,
}

/// How soon a key is asked for again that could not be shown, the first time and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is known here of a name or DID.
pub(crate) enum Known {
    /// The newest agent of the one DID that it means.
    Agent(Arc<Agent>),
    /// One may be listed soon.
    Soon,
    /// Nobody.
    Nobody,
}

impl Directory {
    pub(crate) fn insert(&mut self, agent: &Arc<Agent>) {
        self.give_up(agent);
        let Self { hasher, by_did, by_name, .. } = self;
        let hash_did = |agent: &Arc<Agent>| hasher.hash_one(agent.did().as_str());
        by_did.insert_unique(hash_did(agent), agent.clone(), hash_did);
        if agent.name().is_some() {
            let hash_name = |agent: &Arc<Agent>| hasher.hash_one(agent.name().unwrap_or_default());
            by_name.insert_unique(hash_name(agent), agent.clone(), hash_name);
        }
    }

    pub(crate) fn insert_unproved(&mut self, agent: &Arc<Agent>) {
        if !self.is_unproved(agent) {
            self.unproved.push(agent.clone());
        }
    }

    /// Whether somebody still waits for it to show its key.
    pub(crate) fn is_unproved(&self, agent: &Arc<Agent>) -> bool {
        self.unproved.iter().any(|other| Arc::ptr_eq(other, agent))
    }

    /// All agents of an identity, proved or not.
    pub(crate) fn agents_of(&self, did: &Did) -> Vec<Arc<Agent>> {
        let hash = self.hasher.hash_one(did.as_str());
        let failed = self.failed.iter().map(|failed| &failed.agent);
        let failed = failed.filter(|agent| !self.is_unproved(agent));
        let known = self.by_did.iter_hash(hash).chain(&self.unproved).chain(failed);
        let mut all: Vec<_> = known.filter(|agent| agent.did() == did).cloned().collect();
        all.sort_by_key(|agent| agent.serial);
        all
    }

    /// Nobody waits for it to show its key any more.
    pub(crate) fn give_up(&mut self, agent: &Arc<Agent>) {
        self.unproved.retain(|other| !Arc::ptr_eq(other, agent));
        self.failed.retain(|failed| !Arc::ptr_eq(&failed.agent, agent));
    }

    /// It could not show its key; whoever needs it later may ask again.
    pub(crate) fn proof_failed(&mut self, agent: &Arc<Agent>, now: Instant) {
        self.unproved.retain(|other| !Arc::ptr_eq(other, agent));
        if !self.failed.iter().any(|failed| Arc::ptr_eq(&failed.agent, agent)) {
            let (again, pause) = (now.checked_add(FIRST_PAUSE).unwrap_or(now), FIRST_PAUSE.saturating_mul(2));
            self.failed.push(Failed { agent: agent.clone(), again, pause });
        }
    }

    /// An agent of that name or DID that could not show its key, if it is time to ask for it again. Then the next pause is
    /// twice as long.
    pub(crate) fn ask_again(&mut self, to: &str, now: Instant) -> Option<Arc<Agent>> {
        let is_meant = |agent: &Agent| agent.did().as_str() == to || agent.name() == Some(to);
        let failed = self.failed.iter_mut().find(|failed| failed.again <= now && is_meant(&failed.agent))?;
        failed.again = now.checked_add(failed.pause).unwrap_or(now);
        failed.pause = failed.pause.saturating_mul(2).min(LONGEST_PAUSE);
        Some(failed.agent.clone())
    }

    pub(crate) fn remove(&mut self, agent: &Arc<Agent>) {
        self.give_up(agent);
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Agent>> {
        self.by_did.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_did.len()
    }

    /// Everybody, when the node closes.
    pub(crate) fn drain(&mut self) -> Vec<Arc<Agent>> {
        self.by_name.clear();
        let failed: Vec<_> = self.failed.drain(..).map(|failed| failed.agent).collect();
        let failed = failed.into_iter().filter(|agent| !self.unproved.iter().any(|other| Arc::ptr_eq(other, agent)));
        let failed: Vec<_> = failed.collect();
        let mut all: Vec<_> = self.by_did.drain().chain(self.unproved.drain(..)).chain(failed).collect();
        all.sort_by_key(|agent| agent.serial);
        all
    }

    pub(crate) fn newest_of<'a>(&'a self, did: &'a str) -> Option<&'a Arc<Agent>> {
        let hash = self.hasher.hash_one(did);
        let same = self.by_did.iter_hash(hash).filter(move |agent| agent.did().as_str() == did);
        same.max_by_key(|agent| agent.serial)
    }

    pub(crate) fn find_did(&self, did: &str) -> Known {
        match self.newest_of(did) {
            Some(agent) => Known::Agent(agent.clone()),
            None if self.unproved.iter().any(|agent| agent.did().as_str() == did) => Known::Soon,
            None => Known::Nobody,
        }
    }

    /// # Errors
    /// `AMBIGUOUS_NAME`.
    pub(crate) fn find_name(&self, name: &str) -> Result<Known> {
        let hash = self.hasher.hash_one(name);
        let mut named = self.by_name.iter_hash(hash).filter(move |agent| agent.name() == Some(name));
        let Some(mut newest) = named.next() else {
            let soon = self.unproved.iter().any(|agent| agent.name() == Some(name));
            return Ok(if soon { Known::Soon } else { Known::Nobody });
        };
        for other in named {
            if other.did() != newest.did() {
                return Err(ambiguous(name));
            }
            if other.serial > newest.serial {
                newest = other;
            }
        }
        Ok(Known::Agent(newest.clone()))
    }
}

pub(crate) fn ambiguous(name: &str) -> Error {
    Error::new(ErrorKind::AmbiguousName, format!("several agents answer to the name {name}"))
        .with_hint("call the one you mean by its DID")
}

pub(crate) fn not_found(to: &str) -> Error {
    Error::new(ErrorKind::AgentNotFound, format!("no agent {to} is known here"))
        .with_hint("make it first, on the same bus, and do not close it")
}
