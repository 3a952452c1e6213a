//! A log that is written: decisions wait in a queue, and one thread puts them on record, as many together as have come.

use std::collections::VecDeque;
use std::fmt;
use std::mem::{swap, take};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use xbind::record::{Chain, Head};
use xbind::{Did, Error, ErrorKind, Result, SigningKey};

use crate::record::callback::{Callback, Taker};
use crate::record::disk::{Disk, Found};
use crate::record::files::Files;
use crate::record::index::{Index, Query};
use crate::record::now::cannot_wait;
use crate::record::queue::{Fit, State, Waiting};
use crate::record::writer::{Opened, Sign, Sink, Writer};
use crate::record::{Audit, Decided, Done, Durability, LogOptions, Taken, tell};
use crate::sync::Lock;
use crate::sync::clock;

/// How long records gather for one signature, unless somebody waits.
const GATHER: Duration = Duration::from_millis(10);
/// How soon a write that failed is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// The most records behind one signature.
const BATCH: usize = 4096;
/// Told how far the log goes, by its thread.
pub type Flushed = Box<dyn FnOnce(Result<(Head, String)>) + Send>;

/// A log, in files or with somebody who takes its lines.
pub struct AuditLog {
    shared: Arc<Shared>,
    files: Option<Files>,
    did: Did,
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    wake: Condvar,
    index: Mutex<Index>,
    pub(super) waits: bool,
}

impl AuditLog {
    /// Opens the log at that path, or begins one there; its lines are signed by the key of that DID.
    ///
    /// # Errors
    /// `INVALID_AUDIT` for a log that was changed, or is another key's; `AUDIT_FAILED` where it cannot be read or written, or
    /// is open already; `INVALID_CONFIG` for a path that is not that of a file.
    pub fn open(path: &Path, did: Did, sign: Sign, options: LogOptions) -> Result<(Arc<Self>, Opened)> {
        let LogOptions { durability, max_file_bytes, first } = options;
        let Found { disk, index, opened, chain } =
            Disk::open(Files::of(path)?, did, durability != Durability::None, max_file_bytes, first)?;
        if chain.is_none() {
            disk.sync_folder().map_err(|error| opened.naming(error))?;
        }
        let files = Some(disk.files().clone());
        let sink: Box<dyn Sink> = Box::new(disk);
        let begin = (sink, did, sign, chain, opened.lost_bytes);
        let (tell, told) = channel();
        Self::start(begin, files, index, durability, Box::new(move |log| drop(tell.send(log))));
        let log = told.recv().unwrap_or_else(|_| Err(over())).map_err(|error| opened.naming(error))?;
        Ok((log, opened))
    }

    /// Begins a log whose lines `callback` takes, or goes on behind what it has taken last: the last line then, without its
    /// line feed. Tells when its first lines were taken.
    pub fn hand_over(
        callback: Arc<Callback>,
        did: Did,
        sign: Sign,
        last: Option<&str>,
        durability: Durability,
        opened: Box<dyn FnOnce(Result<Arc<Self>>) + Send>,
    ) {
        match last.map(|last| Chain::behind(last.as_bytes(), &did)).transpose() {
            Ok(chain) => {
                let sink: Box<dyn Sink> = Box::new(Taker::new(callback));
                let begin = (sink, did, sign, chain, 0);
                Self::start(begin, None, Index::default(), durability, opened);
            }
            Err(error) => opened(Err(error)),
        }
    }

    /// Writes the first lines, on the thread of the log, and goes on there.
    fn start(
        (sink, did, sign, chain, lost): (Box<dyn Sink>, Did, Sign, Option<Chain>, u64),
        files: Option<Files>,
        index: Index,
        durability: Durability,
        opened: Box<dyn FnOnce(Result<Arc<Self>>) + Send>,
    ) {
        let told = Arc::new(Mutex::new(Some(opened)));
        let own = told.clone();
        let work = move || {
            let begin = AssertUnwindSafe(|| Writer::begin(sink, did, sign, chain, lost, clock::now()));
            match catch_unwind(begin).unwrap_or_else(|_| Err(crate::flush::internal())) {
                Ok((writer, last)) => {
                    let shared = Arc::new(Shared {
                        state: Mutex::new(State::new(last)),
                        wake: Condvar::new(),
                        index: Mutex::new(index),
                        waits: durability == Durability::Always,
                    });
                    tell(&own, Ok(Arc::new(Self { shared: shared.clone(), files, did })));
                    let _ = catch_unwind(AssertUnwindSafe(|| shared.work(writer)));
                    shared.end();
                }
                Err(error) => tell(&own, Err(error)),
            }
        };
        if thread::Builder::new().name("xbind-audit".to_owned()).spawn(work).is_err() {
            tell(&told, Err(Error::new(ErrorKind::AuditFailed, "the log can have no thread")));
        }
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

    /// Puts on record what a program decides, before it does that; false if it must not. Where decisions wait for the disk, this
    /// thread does; not for somebody who takes the lines, whom [`flush`](Self::flush) waits for.
    #[must_use]
    pub fn append(&self, decided: Decided) -> bool {
        if self.shared.waits && !self.cannot_wait() {
            return self.shared.take_now(decided, false).is_ok();
        }
        let fit = Fit::of(decided);
        let mut state = self.shared.state.guard();
        let is_taken = state.can_write() && state.put(fit, None, false) != Taken::No;
        if is_taken && state.idle {
            self.shared.rouse(&mut state);
        }
        is_taken
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

    /// The records that fit, oldest first, as they stand in the log; those of the last milliseconds may be missing before a
    /// [`flush`](Self::flush). It reads files, and verifies what it reads against what was written or verified before.
    ///
    /// # Errors
    /// `INVALID_AUDIT` where somebody has changed them since; `AUDIT_FAILED` where they cannot be read; `INVALID_CONFIG` where
    /// somebody else has them.
    pub fn query(&self, query: &Query) -> Result<Vec<String>> {
        let Some(files) = &self.files else {
            return Err(Error::new(ErrorKind::InvalidConfig, "a log without files is searched where its lines are"));
        };
        let stretches = self.shared.index.guard().find(query);
        files.search(&stretches, query)
    }

    /// Puts on record what was decided so far, takes nothing more, and tells how far the log goes once nothing holds it any more:
    /// then somebody else may open it.
    pub fn end(&self, ended: Flushed) {
        let mut state = self.shared.state.guard();
        state.closing = true;
        if state.ended {
            let result = state.result();
            drop(state);
            return ended(result);
        }
        state.ends.push(ended);
        self.shared.rouse(&mut state);
    }

    /// The same, for a thread that may wait.
    ///
    /// # Errors
    /// `AUDIT_FAILED`: something could not be put on record.
    pub fn close(&self) -> Result<(Head, String)> {
        let (tell, told) = channel();
        self.end(Box::new(move |ended| drop(tell.send(ended))));
        told.recv().unwrap_or_else(|_| Err(over()))
    }
}

impl AuditLog {
    /// Whether whoever waits for the log may be whom it waits for.
    fn cannot_wait(&self) -> bool {
        self.shared.waits && self.files.is_none()
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
        let fit = Fit::of(decided);
        let mut state = self.shared.state.guard();
        let taken = state.put(fit, done, self.shared.waits);
        if taken == Taken::Later || (taken == Taken::Yes && state.idle) {
            self.shared.rouse(&mut state);
        }
        taken
    }

    fn take_all(&self, decided: Vec<(Decided, Done)>) -> bool {
        let fit: Vec<_> = decided.into_iter().map(|(one, done)| (Fit::of(one), done)).collect();
        let mut state = self.shared.state.guard();
        let put = |all, (one, done)| (state.put(one, Some(done), self.shared.waits) != Taken::No) & all;
        let all = fit.into_iter().fold(true, put);
        self.shared.rouse(&mut state);
        all
    }

    fn can_write(&self) -> bool {
        self.shared.state.guard().can_write()
    }

    fn waits(&self) -> bool {
        self.shared.waits
    }

    fn take_now(&self, decided: Decided, goes_on: bool) -> Result<()> {
        if !self.cannot_wait() {
            return self.shared.take_now(decided, goes_on);
        }
        let taken = if goes_on { self.take(decided, None) } else { Taken::No };
        (taken != Taken::No).then_some(()).ok_or_else(cannot_wait)
    }
}

impl Shared {
    pub(super) fn rouse(&self, state: &mut State) {
        state.idle = false;
        self.wake.notify_one();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.wake.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn work(&self, mut writer: Writer) {
        let mut batch = VecDeque::new();
        loop {
            let flushes = {
                let mut state = self.state.guard();
                while state.queue.is_empty() && state.flushes.is_empty() && !state.closing {
                    if let Some(left) = state.failed_at.and_then(|at| AGAIN.checked_sub(at.elapsed())) {
                        state = self.wait(state, left);
                        continue;
                    }
                    (state.failed, state.failed_at) = (None, None); // what comes next shows whether it still is
                    state.idle = true;
                    state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.failed.is_some() && !state.closing && state.flushes.is_empty() {
                    state = self.wait(state, AGAIN);
                } else if !self.waits && !state.closing && state.flushes.is_empty() && state.queue.len() < BATCH {
                    state = self.wait(state, GATHER);
                }
                if state.queue.len() <= BATCH {
                    swap(&mut batch, &mut state.queue); // nothing is moved while others wait for the lock
                } else {
                    batch.extend(state.queue.drain(..BATCH));
                }
                let flushes = if state.queue.is_empty() { take(&mut state.flushes) } else { Vec::new() };
                if batch.is_empty() && flushes.is_empty() && state.closing {
                    state.closed = true;
                    return;
                }
                state.writing = (!batch.is_empty()).then(Instant::now);
                flushes
            };
            if self.commit(&mut writer, &mut batch, flushes) {
                return;
            }
            batch.shrink_to(BATCH);
        }
    }

    /// Nothing holds the log any more.
    fn end(&self) {
        let mut state = self.state.guard();
        (state.closing, state.closed, state.ended) = (true, true, true);
        let mut tell = take(&mut state.ends);
        tell.append(&mut state.flushes);
        let left: Vec<_> = state.queue.drain(..).collect();
        if !left.is_empty() && state.failed.is_none() {
            state.failed = Some(crate::flush::internal());
        }
        let lost = left.iter().filter(|left| left.done.is_none()).count();
        if let (1.., Some(error)) = (lost, &state.failed) {
            let lost = if lost == 1 { "1 record is lost".to_owned() } else { format!("{lost} records are lost") };
            state.failed = Some(Error::new(ErrorKind::AuditFailed, format!("{lost}: {}", error.message())));
        }
        let result = state.result();
        drop(state);
        for done in left.into_iter().filter_map(|left| left.done) {
            done(false);
        }
        for tell in tell {
            tell(result.clone());
        }
    }

    /// Leaves nothing of the batch; true if that was the end.
    fn commit(&self, writer: &mut Writer, batch: &mut VecDeque<Waiting>, mut flushes: Vec<Flushed>) -> bool {
        let decided: Vec<_> = batch.iter().map(|waiting| &waiting.decided).collect();
        let written = if decided.is_empty() {
            Ok(None)
        } else {
            let commit = AssertUnwindSafe(|| writer.commit(&decided, clock::now(), &self.index));
            catch_unwind(commit).unwrap_or_else(|_| Err(crate::flush::internal())).map(Some)
        };
        drop(decided);
        let is_written = written.is_ok();
        let (mut dones, mut freed) = (Vec::new(), 0_usize);
        // What was not written and has not happened yet never will; what has is kept.
        batch.retain_mut(|waiting| {
            let done = waiting.done.take();
            let is_kept = !is_written && done.is_none();
            if !is_kept {
                freed = freed.saturating_add(waiting.size);
            }
            dones.extend(done);
            is_kept
        });
        let mut state = self.state.guard();
        state.writing = None;
        state.bytes = state.bytes.saturating_sub(freed);
        match written {
            Ok(signed) => {
                if let Some(signed) = signed {
                    (state.last, state.failed, state.failed_at) = (signed, None, None);
                }
            }
            Err(error) => {
                (state.failed, state.failed_at) = (Some(error), Some(Instant::now()));
                for kept in batch.drain(..).rev() {
                    state.queue.push_front(kept);
                }
            }
        }
        let flushed = state.result();
        let is_over = state.closing && !is_written;
        if is_over {
            state.closed = true;
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
