//! The one thread that writes: it takes what has come, makes all of it in one transaction, puts it on record, commits, and
//! only then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use xbind_runtime::{Audit, Decided, Done};

use crate::fault::{Fault, fault};
use crate::store::Refusal;

/// The most changes of one commit.
const BATCH: usize = 256;
/// After a commit of so many changes the next waits some moments for more, until there are enough to write at once.
const MANY: usize = 8;
const ENOUGH: usize = 48;
const MOMENTS: usize = 5;
const MOMENT: Duration = Duration::from_millis(1);
/// The most changes that wait.
const WAITING: usize = 4096;

/// A change that is being made: the database, and what is to be put on record with it.
pub struct Change<'a> {
    connection: &'a Connection,
    decided: &'a mut Vec<Decided>,
    after: &'a mut Vec<After>,
}

/// What is done once a change is on the disk.
type After = Box<dyn FnOnce() + Send>;

impl Change<'_> {
    /// The database, within the transaction.
    #[must_use]
    pub const fn db(&self) -> &Connection {
        self.connection
    }

    /// Makes a part of the change, which is taken back alone if it fails.
    ///
    /// # Errors
    /// Those of the database; those of the part are handed on within.
    pub fn part<T, E: From<rusqlite::Error>>(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Result<T, E>, E> {
        self.connection.execute_batch("SAVEPOINT part")?;
        let made = make(self);
        self.connection.execute_batch(if made.is_ok() { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" })?;
        Ok(made)
    }

    /// Puts a decision on record. It stands there even if the change fails, so that refusals do, too.
    pub fn record(&mut self, decided: Decided) {
        self.decided.push(decided);
    }

    /// Has that done when the change is on the disk, before anybody is told, also if nobody waits for it any more. It must be quick.
    pub fn after(&mut self, work: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(work));
    }
}

trait Job<E>: Send {
    /// Whether it is to stay.
    fn run(&mut self, change: &mut Change<'_>) -> bool;
    fn fail(&mut self, why: E);
    fn tell(self: Box<Self>, committed: Result<(), E>);
}

struct Waiting<T, E, F> {
    change: Option<F>,
    made: Result<T, E>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T: Send, E: Refusal, F: FnOnce(&mut Change<'_>) -> Result<T, E> + Send> Job<E> for Waiting<T, E, F> {
    fn run(&mut self, change: &mut Change<'_>) -> bool {
        if let Some(make) = self.change.take() {
            self.made = catch_unwind(AssertUnwindSafe(|| make(change))).unwrap_or_else(|_| Err(E::internal()));
        }
        self.made.is_ok()
    }

    fn fail(&mut self, why: E) {
        self.made = Err(why);
    }

    fn tell(self: Box<Self>, committed: Result<(), E>) {
        drop(self.answer.send(committed.and(self.made)));
    }
}

/// Shared by those who ask it.
pub(super) struct Writer<E> {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job<E>>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    commits: AtomicU64,
    changes: AtomicU64,
}

impl<E: Refusal> Writer<E> {
    pub(super) fn start(connection: Connection, audit: Arc<dyn Audit>) -> Result<Self, Fault> {
        let (queue, jobs) = mpsc::channel(WAITING);
        let counts = Arc::new(Counts::default());
        let own = counts.clone();
        let work = move || work(&connection, jobs, &*audit, &own);
        let thread = thread::Builder::new().name("xbind-store".to_owned()).spawn(work);
        let thread = thread.map_err(|_| fault("the database can have no thread"))?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)), counts })
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Waiting { change: Some(change), made: Err(E::internal()), answer });
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(queue) = queue else { return Err(E::busy("the server is stopping")) };
        queue.try_send(job).map_err(|_| E::busy("too many changes wait to be written"))?;
        answered.await.unwrap_or_else(|_| Err(E::internal()))
    }

    pub(super) fn written(&self) -> (u64, u64) {
        (self.counts.commits.load(Ordering::Relaxed), self.counts.changes.load(Ordering::Relaxed))
    }

    pub(super) fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}

fn work<E: Refusal>(
    connection: &Connection,
    mut jobs: mpsc::Receiver<Box<dyn Job<E>>>,
    audit: &dyn Audit,
    counts: &Counts,
) {
    let mut last = 0;
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        // Many write: those who have just been answered come again, and share a write to the disk with the others.
        for _ in 0..MOMENTS {
            if last < MANY || jobs.len() >= ENOUGH {
                break;
            }
            thread::sleep(MOMENT);
        }
        while batch.len() < BATCH
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        last = batch.len();
        let count = u64::try_from(last).unwrap_or_default();
        let committed = commit(connection, &mut batch, audit);
        counts.commits.fetch_add(1, Ordering::Relaxed);
        counts.changes.fetch_add(count, Ordering::Relaxed);
        for job in batch {
            job.tell(committed.clone());
        }
    }
    // What a closing reader would otherwise have to replay.
    drop(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
}

fn commit<E: Refusal>(connection: &Connection, batch: &mut [Box<dyn Job<E>>], audit: &dyn Audit) -> Result<(), E> {
    let made = make(connection, batch).and_then(|(decided, after)| {
        put_on_record::<E>(decided, audit)?;
        connection.execute_batch("COMMIT")?;
        after.into_iter().for_each(|work| work());
        Ok(())
    });
    if made.is_err() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    made
}

fn make<E: Refusal>(connection: &Connection, batch: &mut [Box<dyn Job<E>>]) -> Result<(Vec<Decided>, Vec<After>), E> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let (mut decided, mut after) = (Vec::new(), Vec::new());
    for job in batch {
        connection.execute_batch("SAVEPOINT change")?;
        let before = decided.len();
        let mut stays = job.run(&mut Change { connection, decided: &mut decided, after: &mut after });
        // One record that no log takes would hold up all others of the batch.
        let misfit = decided.iter().skip(before).find_map(Decided::misfit);
        if let Some(why) = misfit {
            decided.truncate(before);
            job.fail(E::internal().because(why));
            stays = false;
        }
        connection.execute_batch(if stays { "RELEASE change" } else { "ROLLBACK TO change; RELEASE change" })?;
    }
    Ok((decided, after))
}

/// Before the commit: what is done stands there, and what stands there without having been done was told to nobody.
fn put_on_record<E: Refusal>(decided: Vec<Decided>, audit: &dyn Audit) -> Result<(), E> {
    let (tell, told) = channel();
    let with_done = |decision| -> (Decided, Done) {
        let tell = tell.clone();
        (decision, Box::new(move |is_there| tell.send(is_there).unwrap_or_default()))
    };
    let all_taken = decided.is_empty() || audit.take_all(decided.into_iter().map(with_done).collect());
    drop(tell);
    if all_taken & told.iter().all(|is_there| is_there) {
        return Ok(());
    }
    Err(E::unrecorded())
}
