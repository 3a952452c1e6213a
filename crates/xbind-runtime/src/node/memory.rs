//! What an identity must not accept twice on a node, whichever of its agents is asked, and though all of them close.

use std::sync::{Arc, Mutex};

use hashbrown::HashMap;
use xbind::{Did, ReplayWindow, Session};

use crate::sync::{Lock, clock};

/// The most messages whose signatures one identity remembers.
const REPLAY_CAPACITY: usize = 1_000_000;

/// Of one identity.
pub(crate) struct Memory {
    pub(crate) replay: ReplayWindow,
    /// The name of that window, for callers elsewhere; none if the system has no randomness, or while a store that several
    /// processes share has not told it.
    session: Mutex<Option<Session>>,
    /// Approvals that were used.
    pub(crate) used: ReplayWindow,
}

impl Memory {
    fn new(is_shared: bool) -> Self {
        let random = if is_shared { None } else { clock::message_id().ok() };
        Self {
            replay: ReplayWindow::new(REPLAY_CAPACITY),
            session: Mutex::new(random.map(|random| Session::from_bytes(*random.as_bytes()))),
            used: ReplayWindow::new(REPLAY_CAPACITY),
        }
    }

    pub(crate) fn session(&self) -> Option<Session> {
        *self.session.guard()
    }

    /// The store has told how it is called, or nobody knows any more.
    pub(crate) fn name(&self, session: Option<Session>) {
        *self.session.guard() = session;
    }

    fn is_empty(&self, now: u64) -> bool {
        self.replay.purge(now);
        self.used.purge(now);
        self.replay.is_empty() && self.used.is_empty()
    }
}

/// Those of all identities that were called on a node.
#[derive(Default)]
pub(crate) struct Memories {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_did: HashMap<Did, Arc<Memory>>,
    /// A store names their windows.
    are_shared: bool,
    /// How many there may be before those that nobody needs any more are looked for.
    sweep_at: usize,
}

impl Memories {
    pub(crate) fn of(&self, did: &Did, now: u64) -> Arc<Memory> {
        let mut kept = self.kept.guard();
        if kept.by_did.len() >= kept.sweep_at.max(1024) {
            // One that an agent holds stays; so does one that still has to refuse something.
            kept.by_did.retain(|_, memory| Arc::strong_count(memory) > 1 || !memory.is_empty(now));
            kept.sweep_at = kept.by_did.len().saturating_mul(2);
        }
        let is_shared = kept.are_shared;
        kept.by_did.entry(*did).or_insert_with(|| Arc::new(Memory::new(is_shared))).clone()
    }

    /// What they were called counts no more.
    pub(crate) fn share(&self) {
        let mut kept = self.kept.guard();
        kept.are_shared = true;
        kept.by_did.values().for_each(|memory| memory.name(None));
    }
}
