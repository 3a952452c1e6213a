//! What must not be lost: the database of an authority.

pub(crate) mod backup;
pub mod schema;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use xbind_runtime::Audit;
use xbind_server::Refusal;
pub use xbind_server::{Change, Fault};
pub(crate) use xbind_server::{configure, fault, files::private, reader};

use crate::problem::{Kind, Problem};

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::internal().because(fault)
    }
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

impl Refusal for Problem {
    fn busy(why: &'static str) -> Self {
        Self::new(Kind::Busy, why)
    }

    fn unrecorded() -> Self {
        Self::new(Kind::AuditFailed, "the decision could not be put on record")
    }

    fn internal() -> Self {
        Self::internal()
    }

    fn because(self, cause: impl std::fmt::Display) -> Self {
        self.because(cause)
    }
}

/// The database of an authority.
pub struct Store(xbind_server::Store<Problem>);

impl Store {
    /// Opens the database in that file, or makes one; every change is put on record there before it is made.
    ///
    /// # Errors
    /// A file that is no database of this program, or of a later version of it, or that cannot be written.
    pub fn open(path: &Path, audit: Arc<dyn Audit>) -> Result<Self, Fault> {
        let open = xbind_server::Store::open(path, audit, |connection| {
            schema::migrate(connection)?;
            let now = i64::try_from(xbind_runtime::now()).unwrap_or(i64::MAX);
            connection.execute("INSERT OR IGNORE INTO meta(name, value) VALUES ('began_at', ?1)", [now])?;
            Ok(())
        });
        open.map(Self)
    }
}

impl Deref for Store {
    type Target = xbind_server::Store<Problem>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
