//! A log in files: decisions wait in a queue, and one thread puts them on record, as many together as have come.

use std::collections::VecDeque;
use std::fmt;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::str::FromStr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use xbind::record::Head;
use xbind::{Did, Error, ErrorKind, Result, SigningKey};

use crate::record::files::Files;
use crate::record::index::{Index, Query};
use crate::record::writer::{Opened, Sign, Signed, Writer};
use crate::record::{Audit, Decided, Done, Taken};
use crate::sync::Lock;
use crate::sync::clock;

/// How long records gather for one signature, unless somebody waits.
const GATHER: Duration = Duration::from_millis(10);
/// How soon a write that failed is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// The most records behind one signature.
const BATCH: usize = 4096;
/// The most records that wait to be written.
const MAX_WAITING: usize = 65_536;
/// The most bytes of them.
const MAX_BYTES: usize = 64 << 20;

/// When a record counts as being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the disk has it: decisions wait for that.
    Always,
    /// When it waits to be written; the disk has it some milliseconds later.
    Batch,
    /// The same, and when the disk has it is for the system to decide.
    None,
}

impl FromStr for Durability {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "always" => Ok(Self::Always),
            "batch" => Ok(Self::Batch),
            "none" => Ok(Self::None),
            _ => Err(Error::new(ErrorKind::InvalidConfig, "sync is neither always, batch nor none")),
        }
    }
}

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// When a record counts as being there.
    pub durability: Durability,
    /// A file that is longer is continued in the next.
    pub max_file_bytes: u64,
}

/// Told how far the log goes, by its thread.
pub type Flushed = Box<dyn FnOnce(Result<(Head, String)>) + Send>;

/// A log in files.
pub struct AuditLog {
    shared: Arc<Shared>,
    files: Files,
    thread: Mutex<Option<JoinHandle<()>>>,
    did: Did,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    index: Mutex<Index>,
    waits: bool,
}

struct State {
    queue: VecDeque<(Decided, Option<Done>)>,
    bytes: usize,
    flushes: Vec<Flushed>,
    last: Signed,
    /// Why nothing could be written when it was last tried.
    failed: Option<Error>,
    /// The thread has nothing to do.
    idle: bool,
    closing: bool,
    closed: bool,
}

impl AuditLog {
    /// Opens the log at that path, or begins one there; its lines are signed by the key of that DID.
    ///
    /// # Errors
    /// `INVALID_AUDIT` for a log that was changed, or is another key's; `AUDIT_FAILED` where it cannot be read or written, or
    /// is open already; `INVALID_CONFIG` for a path that is not that of a file.
    pub fn open(path: &Path, did: Did, sign: Sign, options: LogOptions) -> Result<(Arc<Self>, Opened)> {
        let LogOptions { durability, max_file_bytes } = options;
        let files = Files::of(path)?;
        let syncs = durability != Durability::None;
        let (writer, index, opened, last) = Writer::open(files, did, sign, syncs, max_file_bytes, clock::now())?;
        let files = writer.files().clone();
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            flushes: Vec::new(),
            last,
            failed: None,
            idle: false,
            closing: false,
            closed: false,
        };
        let waits = durability == Durability::Always;
        let shared =
            Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), index: Mutex::new(index), waits });
        let own = shared.clone();
        let thread = thread::Builder::new().name("xbind-audit".to_owned()).spawn(move || own.work(writer));
        let thread = thread.map_err(|_| Error::new(ErrorKind::AuditFailed, "the log can have no thread"))?;
        Ok((Arc::new(Self { shared, files, thread: Mutex::new(Some(thread)), did }), opened))
    }

    /// The same with that key.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_with(path: &Path, key: SigningKey, options: LogOptions) -> Result<(Arc<Self>, Opened)> {
        Self::open(path, *key.did(), Box::new(move |bytes| Some(key.sign(bytes))), options)
    }

    /// Whose log it is.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// Puts on record what was decided so far, and tells how far the log goes then.
    pub fn flush(&self, flushed: Flushed) {
        let mut state = self.shared.state.guard();
        if state.closed {
            drop(state);
            return flushed(Err(over()));
        }
        state.flushes.push(flushed);
        self.shared.rouse(&mut state);
    }

    /// The same, for a thread that may wait.
    ///
    /// # Errors
    /// `AUDIT_FAILED`.
    pub fn flush_now(&self) -> Result<(Head, String)> {
        let (tell, told) = channel();
        self.flush(Box::new(move |flushed| drop(tell.send(flushed))));
        told.recv().unwrap_or_else(|_| Err(over()))
    }

    /// The records that fit, oldest first, as they stand in the log; those of the last milliseconds may be missing before a
    /// [`flush`](Self::flush). It reads files, and verifies what it reads against what was written or verified before.
    ///
    /// # Errors
    /// `INVALID_AUDIT` where somebody has changed them since; `AUDIT_FAILED` where they cannot be read.
    pub fn query(&self, query: &Query) -> Result<Vec<String>> {
        let stretches = self.shared.index.guard().find(query);
        self.files.search(&stretches, query)
    }

    /// Puts on record what was decided so far, and takes nothing more. It waits for the disk.
    ///
    /// # Errors
    /// `AUDIT_FAILED`: something could not be put on record.
    pub fn close(&self) -> Result<(Head, String)> {
        {
            let mut state = self.shared.state.guard();
            state.closing = true;
            self.shared.rouse(&mut state);
        }
        {
            let mut thread = self.thread.guard(); // others who close wait here
            if let Some(thread) = thread.take() {
                drop(thread.join());
            }
        }
        let state = self.shared.state.guard();
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(state.last.clone()),
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        let mut state = self.shared.state.guard();
        state.closing = true;
        self.shared.rouse(&mut state); // its thread writes what is left
    }
}

impl Audit for AuditLog {
    fn take(&self, decided: Decided, done: Option<Done>) -> Taken {
        let mut state = self.shared.state.guard();
        let has_happened = done.is_none();
        if state.closing || (state.failed.is_some() && !has_happened) {
            return Taken::No;
        }
        let size = decided.size();
        if decided.with_record(|record| record.misfit().is_some()) {
            return Taken::No; // one line that cannot be written would hold up all others
        }
        if state.queue.len() >= MAX_WAITING || state.bytes.saturating_add(size) > MAX_BYTES {
            return Taken::No;
        }
        let done = done.filter(|_| self.shared.waits);
        let taken = if done.is_some() { Taken::Later } else { Taken::Yes };
        state.bytes = state.bytes.saturating_add(size);
        state.queue.push_back((decided, done));
        if state.idle || taken == Taken::Later {
            self.shared.rouse(&mut state);
        }
        taken
    }

    fn can_write(&self) -> bool {
        let state = self.shared.state.guard();
        !state.closing && state.failed.is_none()
    }
}

impl Shared {
    fn rouse(&self, state: &mut State) {
        state.idle = false;
        self.wake.notify_one();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.wake.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn work(&self, mut writer: Writer) {
        loop {
            let (batch, flushes) = {
                let mut state = self.state.guard();
                while state.queue.is_empty() && state.flushes.is_empty() && !state.closing {
                    if state.failed.is_some() {
                        state = self.wait(state, AGAIN);
                        state.failed = None; // what comes next shows whether it still is
                        continue;
                    }
                    state.idle = true;
                    state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.failed.is_some() && !state.closing && state.flushes.is_empty() {
                    state = self.wait(state, AGAIN);
                } else if !self.waits && !state.closing && state.flushes.is_empty() {
                    state = self.wait(state, GATHER);
                }
                let count = state.queue.len().min(BATCH);
                let batch: Vec<_> = state.queue.drain(..count).collect();
                let flushes = if state.queue.is_empty() { take(&mut state.flushes) } else { Vec::new() };
                if batch.is_empty() && flushes.is_empty() && state.closing {
                    state.closed = true;
                    return;
                }
                (batch, flushes)
            };
            if self.commit(&mut writer, batch, flushes) {
                return;
            }
        }
    }

    /// True if that was the end.
    fn commit(&self, writer: &mut Writer, batch: Vec<(Decided, Option<Done>)>, mut flushes: Vec<Flushed>) -> bool {
        let decided: Vec<_> = batch.iter().map(|(decided, _)| decided).collect();
        let written = if decided.is_empty() {
            Ok(None)
        } else {
            let commit = AssertUnwindSafe(|| writer.commit(&decided, clock::now(), &self.index));
            catch_unwind(commit).unwrap_or_else(|_| Err(crate::flush::internal())).map(Some)
        };
        drop(decided);
        let mut state = self.state.guard();
        let mut dones = Vec::new();
        let is_written = written.is_ok();
        match written {
            Ok(signed) => {
                state.last = signed.unwrap_or_else(|| state.last.clone());
                for (decided, done) in batch {
                    state.bytes = state.bytes.saturating_sub(decided.size());
                    dones.extend(done);
                }
                state.failed = None;
            }
            Err(error) => {
                state.failed = Some(error);
                // What has not happened yet never will; the rest is kept.
                for (decided, done) in batch.into_iter().rev() {
                    match done {
                        Some(done) => {
                            state.bytes = state.bytes.saturating_sub(decided.size());
                            dones.push(done);
                        }
                        None => state.queue.push_front((decided, None)),
                    }
                }
            }
        }
        let flushed = state.failed.clone().map_or_else(|| Ok(state.last.clone()), Err);
        let is_over = state.closing && !is_written;
        if is_over {
            state.closed = true;
            dones.extend(state.queue.drain(..).filter_map(|(_, done)| done));
            flushes.append(&mut state.flushes);
        }
        drop(state);
        for done in dones {
            done(is_written);
        }
        for flush in flushes {
            flush(flushed.clone());
        }
        is_over
    }
}

fn over() -> Error {
    Error::new(ErrorKind::AuditFailed, "the log is closed")
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("did", &self.did).finish_non_exhaustive()
    }
}
