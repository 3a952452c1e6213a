//! What must not be lost: a SQLite database. One thread writes, as many changes at once as have come; readers do not wait
//! for it.

pub(crate) mod backup;
pub mod schema;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use xbind_runtime::Audit;

use crate::problem::{Kind, Problem, Result};
pub use writer::Change;
use writer::Writer;

/// Why a database cannot be opened, copied or brought back: a sentence for whoever runs the server.
#[derive(Debug)]
pub struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("the database has failed: {error}"))
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self(format!("a file cannot be read or written: {error}"))
    }
}

impl From<xbind::Error> for Fault {
    fn from(error: xbind::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::internal().because(fault)
    }
}

pub(crate) fn fault(why: impl Into<String>) -> Fault {
    Fault(why.into())
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DiskFull, SystemIoFailure};
        let cannot = matches!(error.sqlite_error_code(), Some(DatabaseBusy | DiskFull | SystemIoFailure));
        let problem =
            if cannot { Self::new(Kind::Busy, "the database cannot be written or read now") } else { Self::internal() };
        problem.because(error)
    }
}

/// Connections for readers that are kept open.
const KEPT_READERS: usize = 8;
/// What each keeps of the file in memory, in KiB.
const CACHE_KIB: i64 = 16 * 1024;

/// The database of an authority.
pub struct Store {
    path: PathBuf,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens the database in that file, or makes one; every change is put on record there before it is made.
    ///
    /// # Errors
    /// A file that is no database of this program, or of a later version of it, or that cannot be written.
    pub fn open(path: &Path, audit: Arc<dyn Audit>) -> std::result::Result<Self, Fault> {
        let mut connection = Connection::open(path)?;
        private(path)?;
        configure(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection)?;
        let now = i64::try_from(xbind_runtime::now()).unwrap_or(i64::MAX);
        connection.execute("INSERT OR IGNORE INTO meta(name, value) VALUES ('began_at', ?1)", [now])?;
        let writer = Writer::start(connection, audit)?;
        Ok(Self { path: path.to_owned(), writer, readers: Mutex::default() })
    }

    /// Reads what stands there now.
    ///
    /// # Errors
    /// Those of `read`, and a database that cannot be opened once more.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
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
    /// Those of `change`; `busy`, `audit-failed`.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(change).await
    }

    /// The same on a thread that may wait.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_and_wait<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.map_err(|error| Problem::internal().because(error))?.block_on(self.write(change))
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

pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    Ok(connection)
}

pub(crate) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Nobody else may read it: SQLite gives its other files the mode of this one.
#[cfg(unix)]
pub(crate) fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
pub(crate) fn private(_: &Path) -> std::io::Result<()> {
    Ok(())
}
