//! Tokens: the rights of an agent for one audience, for a while; and which of them do not count any more.

use rusqlite::{Connection, OptionalExtension};
use xbind::rights::{INVALID, SUSPENDED, VALID};
use xbind::{Bits, Did, ScopeSet, StatusList};

use crate::domain::agent::{self, Agent, Status};
use crate::domain::{keys, seconds, time};
use crate::problem::{Kind, Problem, Result};

/// Tokens that share a status list.
pub const PER_LIST: i64 = 1 << 17;
/// How long a token stays known after its end, in seconds: clocks differ.
pub(crate) const KEPT: u64 = 300;
/// How many that are over one that is issued clears away.
const SWEEP: i64 = 4;

/// A token to be issued.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose request this is.
    pub did: Did,
    /// What it may be used for.
    pub scopes: ScopeSet,
    /// How long, in seconds.
    pub ttl: u64,
    /// Its id.
    pub id: [u8; 16],
    /// The challenge that is used up.
    pub challenge: [u8; 16],
}

/// A token that is issued, and waits for its signature.
#[derive(Clone, Debug)]
pub struct Issued {
    /// For whom.
    pub agent: Agent,
    /// Its row.
    pub number: i64,
    /// The number of its status list.
    pub list: i64,
    /// Its place there.
    pub place: u64,
}

/// Issues a token: the challenge is used up, whoever used it.
///
/// # Errors
/// `not-permitted`, `inactive`, `scope-denied`, `challenge-over`.
pub fn issue(db: &Connection, wanted: &Wanted, now: u64) -> Result<Issued> {
    let agent = agent::by_key(db, &wanted.did)?.ok_or_else(unregistered)?;
    agent::check_active(&agent)?;
    keys::check(db, &agent, &wanted.did, now)?;
    check_scopes(&agent, &wanted.scopes)?;
    let sweep = "DELETE FROM tokens WHERE number IN (SELECT number FROM tokens WHERE expires_at < ?1 LIMIT ?2)";
    db.prepare_cached(sweep)?.execute((seconds(now.saturating_sub(KEPT)), SWEEP))?;
    let sql = "INSERT INTO tokens(id, challenge, agent, expires_at, revoked, issued_at) VALUES (?1, ?2, ?3, ?4, 0, ?5) \
               ON CONFLICT(challenge) DO NOTHING";
    let expires_at = seconds(now.saturating_add(wanted.ttl));
    if db.prepare_cached(sql)?.execute((wanted.id, wanted.challenge, agent.number, expires_at, seconds(now)))? == 0 {
        return Err(Problem::new(Kind::ChallengeOver, "the challenge was used before"));
    }
    let number = db.last_insert_rowid();
    Ok(Issued { agent, number, list: number / PER_LIST, place: time(number % PER_LIST) })
}

/// Whether an agent may ask for these at all.
///
/// # Errors
/// `malformed` for none; `scope-denied`.
pub(crate) fn check_scopes(agent: &Agent, wanted: &ScopeSet) -> Result<()> {
    if wanted.is_empty() {
        return Err(Problem::new(Kind::Malformed, "a token is for one scope at least"));
    }
    match agent.scopes.first_missing(wanted) {
        None => Ok(()),
        Some(missing) => {
            Err(Problem::new(Kind::ScopeDenied, format!("the scope {missing} was not granted to this agent")))
        }
    }
}

pub(crate) fn unregistered() -> Problem {
    Problem::new(Kind::NotPermitted, "no agent is registered under the key that signed the request")
}

/// A token by its id.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its row.
    pub number: i64,
    /// Whose it is.
    pub agent: Agent,
    /// Whether it was revoked, alone or with all of its agent's until then.
    pub revoked: bool,
    /// Its end.
    pub expires_at: u64,
}

/// The token of that id, if it has not been over for long.
///
/// # Errors
/// `internal`.
pub fn by_id(db: &Connection, id: &[u8; 16]) -> Result<Option<Known>> {
    let sql = "SELECT t.number, t.agent, t.revoked != 0 OR t.number <= a.void_to, t.expires_at \
               FROM tokens t JOIN agents a ON a.number = t.agent WHERE t.id = ?1";
    let row: Option<(i64, i64, bool, i64)> = db
        .prepare_cached(sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    row.map(|(number, owner, revoked, expires_at)| {
        Ok(Known { number, agent: agent::by_number(db, owner)?, revoked, expires_at: time(expires_at) })
    })
    .transpose()
}

/// Revokes one token, for good.
///
/// # Errors
/// `internal`.
pub fn revoke(db: &Connection, number: i64) -> Result<()> {
    db.prepare_cached("UPDATE tokens SET revoked = 1 WHERE number = ?1")?.execute([number])?;
    Ok(())
}

/// Revokes all tokens that an agent was issued so far; those to come count.
///
/// # Errors
/// `internal`.
pub fn revoke_all(db: &Connection, agent: i64) -> Result<()> {
    let sql = "UPDATE agents SET void_to = (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'tokens') \
               WHERE number = ?1";
    db.prepare_cached(sql)?.execute([agent])?;
    Ok(())
}

/// The statuses of all tokens of a list: those of agents that are suspended or revoked among them.
///
/// # Errors
/// `not-found` for a list that no token is in.
pub fn status_list(db: &Connection, list: i64) -> Result<StatusList> {
    let none = || Problem::new(Kind::NotFound, "no token has a place in that list");
    let first = list.checked_mul(PER_LIST).filter(|first| *first >= 0).ok_or_else(none)?;
    let last: i64 =
        db.query_row("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'tokens'", [], |row| row.get(0))?;
    if first > last {
        return Err(none());
    }
    let mut statuses = StatusList::new(Bits::Two, time(PER_LIST))?;
    let sql = "SELECT t.number - ?1, t.revoked != 0 OR t.number <= a.void_to, a.status FROM tokens t JOIN agents a ON a.number = t.agent \
               WHERE t.number >= ?1 AND t.number < ?1 + ?2 AND (t.revoked != 0 OR a.status != 0 OR t.number <= a.void_to)";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query((first, PER_LIST))?;
    while let Some(row) = rows.next()? {
        let (place, revoked, status): (i64, bool, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let status = match (revoked, Status::of_number(status)) {
            (true, _) | (_, Status::Revoked) => INVALID,
            (false, Status::Suspended) => SUSPENDED,
            (false, Status::Active) => VALID,
        };
        statuses.set(time(place), status)?;
    }
    Ok(statuses)
}
