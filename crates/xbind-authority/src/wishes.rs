//! What a command asks of a server that runs, through the database: whoever may write there may do it. The server looks every
//! moment, does it in one change with its answer, and passes over what was asked too long ago.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::{Deserialize, Serialize};
use xbind_server::files;

use crate::domain::seconds;
use crate::keychain::{AuthorityKey, Keychain, Step};
use crate::problem::{Problem, Result};
use crate::server::is_served;
use crate::store::{Fault, Store, configure, fault, schema};

/// How long a command waits, and how long its wish may be done.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Done(Vec<AuthorityKey>),
    Refused(String),
}

/// Asks the server of that directory, and waits for its answer.
///
/// # Errors
/// What the server said against it; one that does not answer, or is gone, which will not do it any more.
pub(crate) fn ask(directory: &Path, database: &Path, step: &Step) -> std::result::Result<Vec<AuthorityKey>, Fault> {
    files::directory(directory)?;
    files::file(directory, database)?;
    let db =
        Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&db)?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if usize::try_from(version) != Ok(schema::VERSION) {
        return Err(fault("the server that runs is of another version of this program"));
    }
    let until = xbind_runtime::now().saturating_add(PATIENCE.as_secs());
    let text = serde_json::to_string(step).map_err(|error| fault(error.to_string()))?;
    db.execute("INSERT INTO wishes(step, until) VALUES (?1, ?2)", (text, seconds(until)))?;
    let number = db.last_insert_rowid();
    let begin = Instant::now();
    loop {
        let sql = "DELETE FROM wishes WHERE number = ?1 AND (outcome IS NOT NULL OR ?2) RETURNING outcome";
        // Another command has the log as well, and hears nobody.
        let is_gone = !is_served(directory);
        let is_over = is_gone || begin.elapsed() > PATIENCE;
        let outcome: Option<Option<String>> = db.query_row(sql, (number, is_over), |row| row.get(0)).optional()?;
        match outcome {
            Some(Some(text)) => {
                return match serde_json::from_str(&text).map_err(|error| fault(error.to_string()))? {
                    Outcome::Done(keys) => Ok(keys),
                    Outcome::Refused(why) => Err(fault(why)),
                };
            }
            None if !is_over => thread::sleep(LOOK),
            _ if is_gone => {
                let why =
                    "a server that has stopped, or another command, had that directory: nothing was changed, try again";
                return Err(fault(why));
            }
            _ => return Err(fault("the server of that directory does not answer: nothing was changed")),
        }
    }
}

/// Does what was asked.
///
/// # Errors
/// Those of the database.
pub(crate) fn grant(keychain: &Keychain, store: &Store) -> Result<()> {
    let sql = "SELECT number, step, until FROM wishes WHERE outcome IS NULL ORDER BY number LIMIT 1";
    let find = |db: &Connection| {
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
        Ok(db.prepare_cached(sql)?.query_row([], row).optional()?)
    };
    let in_time = |until: i64| seconds(xbind_runtime::now()) <= until;
    let late = || Problem::internal().because("what was asked is too old, or cannot be read");
    while let Some((number, text, until)) = store.read(find)? {
        let note = move |db: &Connection, outcome: &Outcome| -> Result<()> {
            let text = serde_json::to_string(outcome).map_err(|_| Problem::internal())?;
            let now = xbind_runtime::now();
            // Nobody waits for those that are older.
            db.execute(
                "DELETE FROM wishes WHERE until < ?1 AND number != ?2",
                (seconds(now.saturating_sub(3600)), number),
            )?;
            match db.execute("UPDATE wishes SET outcome = ?1 WHERE number = ?2", (text, number))? {
                0 => Err(Problem::internal().because("a command did not wait for what it asked")),
                _ => Ok(()),
            }
        };
        let step = serde_json::from_str::<Step>(&text).ok().filter(|_| in_time(until));
        let granted = match &step {
            Some(step) => keychain.take(store, step, move |change, keys| {
                // Whoever signs may take long.
                if in_time(until) { note(change.db(), &Outcome::Done(keys.to_vec())) } else { Err(late()) }
            }),
            None => Err(late()),
        };
        let Err(problem) = granted else { continue };
        let why = problem.cause().unwrap_or_else(|| problem.detail()).to_owned();
        store.write_and_wait(move |change| note(change.db(), &Outcome::Refused(why)))?;
    }
    Ok(())
}
