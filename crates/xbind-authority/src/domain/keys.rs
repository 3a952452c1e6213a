//! The keys of an agent over time: the first one, and a rotation for each that followed.

use rusqlite::Connection;
use xbind::{Did, KeyHistory, Rotation};

use crate::domain::agent::{Agent, Status};
use crate::domain::{did, seconds, time};
use crate::problem::{Kind, Problem, Result};

/// How long a key is prepared at the most, in seconds, with what clocks differ.
const MAX_PREPARED: u64 = xbind::rights::MAX_NOTICE + 300;

/// One of them.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its DID.
    pub did: Did,
    /// When it came here.
    pub added_at: u64,
    /// The statement that brought it, but for the first.
    pub rotation: Option<String>,
}

/// All keys of an agent, from the first on.
///
/// # Errors
/// `internal`.
pub fn of_agent(db: &Connection, number: i64) -> Result<Vec<Key>> {
    let mut statement =
        db.prepare_cached("SELECT key, added_at, rotation FROM keys WHERE agent = ?1 ORDER BY place")?;
    let rows = statement.query_map([number], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    rows.map(|row| {
        let (key, added_at, rotation) = row?;
        Ok(Key { did: did(&key)?, added_at: time(added_at), rotation })
    })
    .collect()
}

/// What these keys may do when. All that follows from the statements is computed from them anew.
///
/// # Errors
/// `internal`.
pub fn history(keys: &[Key], status: Status) -> Result<KeyHistory> {
    let first = keys.first().ok_or_else(Problem::internal)?;
    let mut history = KeyHistory::new(first.did, 0);
    for key in keys.iter().skip(1) {
        let rotation = key.rotation.as_deref().ok_or_else(Problem::internal)?;
        let rotation = Rotation::verify(rotation).map_err(|_| Problem::internal())?;
        history.prepare(&rotation, key.added_at).map_err(|_| Problem::internal())?;
        if rotation.is_emergency() {
            history.taint(&rotation.old, key.added_at); // stolen, whenever the new key begins
        }
    }
    if status == Status::Revoked {
        for key in keys {
            history.revoke(&key.did);
        }
    }
    Ok(history)
}

/// Whether a key of an agent may sign for it now.
///
/// # Errors
/// `inactive`, with the state of the key.
pub fn check(db: &Connection, agent: &Agent, did: &Did, now: u64) -> Result<()> {
    let keys = of_agent(db, agent.number)?;
    if keys.len() == 1 {
        return Ok(()); // the only one there was
    }
    let history = history(&keys, Status::Active)?;
    if history.may_sign(did, now) {
        return Ok(());
    }
    let state = history.state(did, now).map_or("unknown", |state| state.as_str());
    Err(Problem::new(Kind::Inactive, format!("the key is {state}")))
}

/// The keys that the active agents sign with, of those that were registered last.
///
/// # Errors
/// `internal`.
pub(crate) fn current(db: &Connection, limit: u32, now: u64) -> Result<Vec<Vec<u8>>> {
    // Only the last one may be prepared: until a key counts it names no successor.
    let sql = "SELECT k.key, before.key, k.added_at, k.rotation FROM agents a JOIN keys k ON k.agent = a.number \
               LEFT JOIN keys before ON before.agent = a.number AND before.place = k.place - 1 \
               WHERE a.status = 0 AND k.place = (SELECT max(place) FROM keys l WHERE l.agent = a.number) \
               ORDER BY a.number DESC LIMIT ?1";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([limit], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?, row.get(2)?, row.get(3)?))
    })?;
    let current = |(last, before, added_at, rotation): (Vec<u8>, Option<Vec<u8>>, i64, Option<String>)| {
        let (Some(before), Some(rotation)) = (before, rotation) else { return Ok(last) };
        // It takes a while to read a statement, and one that came so long ago is in force.
        if time(added_at).saturating_add(MAX_PREPARED) < now {
            return Ok(last);
        }
        let rotation = Rotation::verify(&rotation).map_err(|_| Problem::internal())?;
        Ok(if rotation.active_from > now && !rotation.is_emergency() { before } else { last })
    };
    rows.map(|row| current(row?)).collect()
}

pub(crate) fn add_first(db: &Connection, number: i64, did: &Did, now: u64) -> Result<()> {
    add(db, number, 0, did, None, now)
}

fn add(db: &Connection, number: i64, place: i64, did: &Did, rotation: Option<&str>, now: u64) -> Result<()> {
    let sql = "INSERT INTO keys(key, agent, place, added_at, rotation) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute((did.public_key(), number, place, seconds(now), rotation))?;
    Ok(())
}

/// Takes the next key of an agent in, by a statement that the old and the new one signed.
///
/// # Errors
/// `rotation-refused`, `agent-taken`.
pub fn rotate(db: &Connection, agent: &Agent, statement: &str, (now, skew): (u64, u64)) -> Result<Rotation> {
    let rotation = Rotation::verify(statement)?;
    if rotation.is_emergency() && rotation.active_from > now.saturating_add(skew) {
        let why = "a stolen key is replaced at once: with an overlap of 0 the new key starts now";
        return Err(Problem::new(Kind::RotationRefused, why));
    }
    let keys = of_agent(db, agent.number)?;
    let mut history = history(&keys, agent.status)?;
    history.prepare(&rotation, now).map_err(|error| {
        let problem = Problem::from(error);
        Problem::new(Kind::RotationRefused, problem.detail().to_owned())
    })?;
    if keys.iter().any(|key| key.did == rotation.new) {
        return Ok(rotation); // it is known
    }
    if super::operator::is_known(db, &rotation.new)? {
        return Err(Problem::new(Kind::AgentTaken, "the new key is somebody else's"));
    }
    let place = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    add(db, agent.number, place, &rotation.new, Some(statement), now)?;
    if rotation.is_emergency() {
        super::token::revoke_all(db, agent.number)?; // whoever has the old key could use them
    }
    Ok(rotation)
}
