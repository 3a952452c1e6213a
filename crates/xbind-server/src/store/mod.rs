//! What must not be lost: a SQLite database. One thread writes, as many changes at once as have come; readers do not wait
//! for it.

mod writer;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use xbind_runtime::Audit;

use crate::fault::{Fault, fault};
use crate::files::private;
pub use writer::Change;
use writer::Writer;

/// Why a change is not made or something cannot be read: the error of a server, with what the database itself has to say.
pub trait Refusal: Clone + Send + From<rusqlite::Error> + 'static {
    /// There is no room now, and there may be soon. `why` is one sentence, lower case, without a full stop.
    fn busy(why: &'static str) -> Self;

    /// A change could not be put on record, so it was not made.
    fn unrecorded() -> Self;

    /// A fault of the server.
    fn internal() -> Self;

    /// The same, with what whoever runs the server is told of it.
    #[must_use]
    fn because(self, cause: impl Display) -> Self;
}

/// Connections for readers that are kept open.
const KEPT_READERS: usize = 8;
/// What each keeps of the file in memory, in KiB.
const CACHE_KIB: i64 = 16 * 1024;

/// A database, whose changes and readers give `E` when they give nothing else.
pub struct Store<E> {
    path: PathBuf,
    writer: Writer<E>,
    readers: Mutex<Vec<Connection>>,
}

impl<E: Refusal> Store<E> {
    /// Opens the database in that file, or makes one, and has `migrate` bring it to its schema. What changes say of themselves
    /// ([`Change::record`]) is put on record in `audit` before they are made.
    ///
    /// # Errors
    /// A file that is no database, or that cannot be written; those of `migrate`.
    pub fn open(
        path: &Path,
        audit: Arc<dyn Audit>,
        migrate: impl FnOnce(&mut Connection) -> Result<(), Fault>,
    ) -> Result<Self, Fault> {
        let mut connection = Connection::open(path)?;
        private(path)?;
        configure(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        migrate(&mut connection)?;
        let writer = Writer::start(connection, audit)?;
        Ok(Self { path: path.to_owned(), writer, readers: Mutex::default() })
    }

    /// Reads what stands there now.
    ///
    /// # Errors
    /// Those of `read`, and a database that cannot be opened once more.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => reader(&self.path)?,
        };
        let found = read(&connection);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < KEPT_READERS {
            readers.push(connection);
        }
        found
    }

    /// Makes a change, or none if it fails. When this returns, the disk has it, and its record.
    ///
    /// # Errors
    /// Those of `change`; [`busy`](Refusal::busy), [`unrecorded`](Refusal::unrecorded).
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.writer.write(change).await
    }

    /// The same on a thread that may wait.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_and_wait<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.map_err(|error| E::internal().because(error))?.block_on(self.write(change))
    }

    /// How many commits there were, and how many changes they held.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        self.writer.written()
    }

    /// Makes the changes that wait, and takes no more.
    pub fn close(&self) {
        self.writer.close();
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A connection that only reads, to a database that is there.
///
/// # Errors
/// Those of the database.
pub fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    Ok(connection)
}

/// What holds for every connection.
///
/// # Errors
/// Those of the database.
pub fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Brings a database to the schema to which all these steps lead. Each leads from the schema of its place to the next, so steps
/// are added, and never changed.
///
/// # Errors
/// A database that has taken more steps than there are; those of the database.
pub fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), Fault> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let version: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = usize::try_from(version).ok().filter(|version| *version <= steps.len());
    let at = known.ok_or_else(|| fault("the database is of a later version of this program"))?;
    for step in steps.iter().skip(at) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", i64::try_from(steps.len()).unwrap_or(i64::MAX))?;
    Ok(tx.commit()?)
}
