//! Requests of those who are registered, each accepted once, also by a server that was killed in between.

use rusqlite::Connection;

use crate::domain::seconds;
use crate::problem::{Kind, Problem, Result};

/// How long one is kept after the last second of its request, in seconds: a request that is verified may wait to be written.
const KEPT: u64 = 300;
/// How many that are over one request clears away.
const SWEEP: i64 = 4;

/// Accepts a request by what a store knows it by, until the last second in which it could be accepted.
///
/// # Errors
/// `replayed`.
pub fn claim(db: &Connection, claim: &str, until: u64, now: u64) -> Result<()> {
    let sweep = "DELETE FROM nonces WHERE claim IN (SELECT claim FROM nonces WHERE until < ?1 LIMIT ?2)";
    db.prepare_cached(sweep)?.execute((seconds(now.saturating_sub(KEPT)), SWEEP))?;
    let added = db
        .prepare_cached("INSERT INTO nonces(claim, until) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((claim.as_bytes(), seconds(until)))?;
    if added == 1 { Ok(()) } else { Err(Problem::new(Kind::Replayed, "this request was accepted before")) }
}

/// Whether it was accepted, as far as a reader sees.
///
/// # Errors
/// `internal`.
pub(crate) fn is_claimed(db: &Connection, claim: &str) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM nonces WHERE claim = ?1")?.exists([claim.as_bytes()])?)
}
