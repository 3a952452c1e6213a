//! What counts once, for all gateways that share the file: requests, proofs, approvals.

use rusqlite::Connection;

use super::stored;
use crate::problem::{Kind, Problem, Result};

/// Uses something up that could be accepted until that second.
///
/// # Errors
/// `replayed` if it was used before.
pub(crate) fn claim(db: &Connection, claim: &str, until: u64) -> Result<()> {
    let mut add = db.prepare_cached("INSERT OR IGNORE INTO once(claim, until) VALUES (?1, ?2)")?;
    match add.execute((claim, stored(until)))? {
        0 => Err(Problem::new(Kind::Replayed, "the request, its proof or its approval was accepted before")),
        _ => Ok(()),
    }
}
