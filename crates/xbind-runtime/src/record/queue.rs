//! What waits to be put on record.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use xbind::record::Verdict;
use xbind::{Error, Result};

use crate::record::log::Flushed;
use crate::record::writer::Signed;
use crate::record::{Decided, Done, Taken};

/// The most records that wait to be written.
const MAX_WAITING: usize = 65_536;
/// The most bytes of them.
const MAX_BYTES: usize = 64 << 20;

/// How long one write may be under way before nothing more is begun: what is let in waits no longer than that to be written, or
/// to fail.
pub(super) const LONGEST_WRITE: Duration = Duration::from_secs(3);

/// A decision whose line can be written: one that cannot would hold up all others. Made under no lock.
pub(super) struct Fit {
    decided: Decided,
    size: usize,
}

impl Fit {
    pub(super) fn of(decided: Decided) -> Option<Self> {
        let size = decided.size();
        decided.misfit().is_none().then_some(Self { decided, size })
    }
}

/// A decision that waits to be written.
pub(super) struct Waiting {
    id: u64,
    pub(super) decided: Decided,
    /// What it takes of the bounds.
    pub(super) size: usize,
    pub(super) done: Option<Done>,
}

/// What the thread of a log and those who ask it share.
pub(super) struct State {
    pub(super) queue: VecDeque<Waiting>,
    /// The id of what came last.
    pub(super) newest: u64,
    pub(super) bytes: usize,
    pub(super) flushes: Vec<Flushed>,
    pub(super) last: Signed,
    /// Why nothing could be written when it was last tried.
    pub(super) failed: Option<Error>,
    /// Since when.
    pub(super) failed_at: Option<Instant>,
    /// Since when a write is under way.
    pub(super) writing: Option<Instant>,
    /// The thread has nothing to do.
    pub(super) idle: bool,
    pub(super) closing: bool,
    pub(super) closed: bool,
    /// Told once nothing holds the log any more.
    pub(super) ends: Vec<Flushed>,
    pub(super) ended: bool,
}

impl State {
    pub(super) const fn new(last: Signed) -> Self {
        Self {
            queue: VecDeque::new(),
            newest: 0,
            bytes: 0,
            flushes: Vec::new(),
            last,
            failed: None,
            failed_at: None,
            writing: None,
            idle: false,
            closing: false,
            closed: false,
            ends: Vec::new(),
            ended: false,
        }
    }

    pub(super) fn result(&self) -> Result<Signed> {
        self.failed.clone().map_or_else(|| Ok(self.last.clone()), Err)
    }

    /// Whether what is decided now can be written, as far as is known.
    pub(super) fn can_write(&self) -> bool {
        let is_late = self.writing.is_some_and(|since| since.elapsed() >= LONGEST_WRITE);
        !self.closing && self.failed.is_none() && !is_late
    }

    /// Puts a decision into the queue, if there is room for it; with `waits`, whoever asked is told when the disk has it.
    pub(super) fn put(&mut self, fit: Option<Fit>, done: Option<Done>, waits: bool) -> Taken {
        let has_happened = done.is_none();
        let Some(fit) = fit else { return Taken::No };
        if self.closing || (!has_happened && !self.can_write()) {
            return Taken::No;
        }
        // What is refused is refused in any case: strangers who are leave room for what is to be done.
        let of = if fit.decided.outcome == Verdict::Refused { 2 } else { 1 };
        let (records, bytes) =
            (self.queue.len().saturating_mul(of), self.bytes.saturating_add(fit.size).saturating_mul(of));
        if records >= MAX_WAITING || bytes > MAX_BYTES {
            return Taken::No;
        }
        let done = done.filter(|_| waits);
        let taken = if done.is_some() { Taken::Later } else { Taken::Yes };
        self.push(fit, done);
        taken
    }

    /// Puts behind what was just written what has become of it.
    pub(super) fn follow(&mut self, decided: Decided) {
        if !self.closed {
            let size = decided.size();
            self.push(Fit { decided, size }, None);
        }
    }

    /// Takes a decision out again whose writing has not begun.
    pub(super) fn withdraw(&mut self, id: u64) {
        if let Some(at) = self.queue.iter().position(|waiting| waiting.id == id)
            && let Some(withdrawn) = self.queue.remove(at)
        {
            self.bytes = self.bytes.saturating_sub(withdrawn.size);
        }
    }

    fn push(&mut self, Fit { decided, size }: Fit, done: Option<Done>) {
        self.bytes = self.bytes.saturating_add(size);
        self.newest = self.newest.wrapping_add(1);
        self.queue.push_back(Waiting { id: self.newest, decided, size, done });
    }
}
