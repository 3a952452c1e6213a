//! Copies of a database that is in use, and how one comes back.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::domain::token::PER_LIST;
use crate::store::{Fault, fault, private, reader, schema};

/// Places in status lists that a database which comes back leaves free at the least: tokens were issued behind its back.
const LEFT_FREE: i64 = 1 << 24;

/// Copies a database, as it stands when the copy ends, to a file that must not be there yet. Whoever uses it does not wait.
///
/// # Errors
/// A file that is there, or cannot be written.
pub(crate) fn copy_database(from: &Path, to: &Path) -> Result<(), Fault> {
    copy(&reader(from)?, to)
}

fn copy(from: &Connection, to: &Path) -> Result<(), Fault> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(to)?;
    private(to)?;
    let mut copy = Connection::open(to)?;
    // All pages in one step are one moment; in several, each change in between would begin it anew. Nobody waits for a reader.
    let step = Backup::new(from, &mut copy)?.step(-1)?;
    if step != StepResult::Done {
        return Err(fault("the database is in use by another program"));
    }
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.close().map_err(|(_, error)| error)?;
    std::fs::File::open(to)?.sync_all()?;
    Ok(())
}

/// Makes a database of a backup, at a path where there is none. What was signed until `now` is not accepted by it, because
/// it may have been before; and no token that was issued since the backup shares a place in a status list with a later one.
///
/// # Errors
/// A backup that is none or was damaged, a file that is there already.
pub(crate) fn restore(from: &Path, to: &Path, now: u64) -> Result<(), Fault> {
    let backup = reader(from)?;
    let whole: String = backup.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let version: i64 = backup.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if whole != "ok" || version < 1 {
        return Err(fault("that is no whole backup"));
    }
    copy(&backup, to)?;
    let mut database = Connection::open(to)?;
    schema::migrate(&mut database)?;
    database.execute(
        "INSERT INTO meta(name, value) VALUES ('restored_at', ?1) ON CONFLICT(name) DO UPDATE SET value = ?1",
        [i64::try_from(now).unwrap_or(i64::MAX)],
    )?;
    database.execute("DELETE FROM wishes", [])?; // nobody waits for them here
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'tokens'";
    let last: i64 = database.query_row(sql, [], |row| row.get(0))?;
    // A list for each second: one that is brought back twice begins with another each time.
    let by_time = i64::try_from(now).unwrap_or(i64::MAX).saturating_mul(PER_LIST);
    let next_list = last.saturating_add(LEFT_FREE).saturating_add(PER_LIST) / PER_LIST;
    let base = by_time.max(next_list.saturating_mul(PER_LIST));
    if database.execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'tokens'", [base])? == 0 {
        database.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('tokens', ?1)", [base])?;
    }
    database.close().map_err(|(_, error)| error)?;
    Ok(std::fs::File::open(to)?.sync_all()?)
}
