//! The keys of the authority itself over time: the first one, and a rotation for each that followed.

use rusqlite::{Connection, OptionalExtension};
use xbind::{Did, KeyHistory, Rotation};

use crate::domain::token::{KEPT, PER_LIST};
use crate::domain::{seconds, time};
use crate::problem::{Kind, Problem, Result};

/// How long a key goes on beside its successor, in seconds: until the last token that it has signed is over.
pub const OVERLAP: u64 = xbind::rights::MAX_TOKEN_TTL + KEPT;

/// One that followed another.
#[derive(Clone, Debug)]
pub struct Successor {
    /// The statement that brought it.
    pub rotation: String,
    /// The same, read.
    pub read: Rotation,
    /// The first status list that it signs.
    pub first_list: i64,
}

/// All that followed the first one, and what each key may do when.
///
/// # Errors
/// `internal` for statements that do not follow from that key.
pub fn successors(db: &Connection, first: Did) -> Result<(Vec<Successor>, KeyHistory)> {
    let mut history = KeyHistory::new(first, 0);
    let sql = "SELECT rotation, added_at, first_list FROM authority_keys ORDER BY place";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get(2)?)))?;
    let read = |row: rusqlite::Result<(String, i64, i64)>| -> Result<Successor> {
        let (rotation, added_at, first_list) = row?;
        let read = Rotation::verify(&rotation).map_err(|error| Problem::internal().because(error))?;
        history.prepare(&read, time(added_at)).map_err(|error| Problem::internal().because(error))?;
        Ok(Successor { rotation, read, first_list })
    };
    Ok((rows.map(read).collect::<Result<_>>()?, history))
}

/// Takes the next key in. No list has tokens of two keys: each is signed by the key of its tokens.
///
/// # Errors
/// `conflict` for a statement that does not follow from the keys until now.
pub fn rotate(db: &Connection, first: Did, statement: &str, now: u64) -> Result<()> {
    let (known, mut history) = successors(db, first)?;
    let refused = |error: xbind::Error| Problem::new(Kind::Conflict, error.message().to_owned());
    history.prepare(&Rotation::verify(statement).map_err(refused)?, now).map_err(refused)?;
    let last: Option<i64> =
        db.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'tokens'", [], |row| row.get(0)).optional()?;
    let first_list = last.unwrap_or(0).saturating_add(PER_LIST) / PER_LIST;
    let reserved = first_list.saturating_mul(PER_LIST).saturating_sub(1);
    let sql = if last.is_some() {
        "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'tokens'"
    } else {
        "INSERT INTO sqlite_sequence(name, seq) VALUES ('tokens', ?1)"
    };
    db.execute(sql, [reserved])?;
    let sql = "INSERT INTO authority_keys(place, rotation, added_at, first_list) VALUES (?1, ?2, ?3, ?4)";
    let place = i64::try_from(known.len()).unwrap_or(i64::MAX).saturating_add(1);
    db.execute(sql, (place, statement, seconds(now), first_list))?;
    Ok(())
}
