//! The keys of the authority itself over time: the first one, a rotation for each that followed, the one that is prepared, and
//! those that are doubtful.

use rusqlite::{Connection, OptionalExtension};
use xbind::{Did, KeyState, Rotation};

use crate::domain::token::{KEPT, PER_LIST};
use crate::domain::{did, seconds, time};
use crate::problem::{Kind, Problem, Result};

/// How long a key goes on beside its successor, in seconds: until the last token that it has signed is over.
pub const OVERLAP: u64 = xbind::rights::MAX_TOKEN_TTL + KEPT;

/// Keys that an authority can have had, those that were given up among them.
const MAX_KEYS: usize = 1024;

/// One that followed another.
#[derive(Clone, Debug)]
pub struct Successor {
    /// The statement that brought it.
    pub rotation: String,
    /// The same, read.
    pub read: Rotation,
    /// Since when it signs.
    pub active_at: u64,
    /// The first status list that it signs.
    pub first_list: i64,
}

/// One that is to follow.
#[derive(Clone, Debug)]
pub struct Next {
    /// The statement that brings it.
    pub rotation: String,
    /// The same, read: it says when its time comes.
    pub read: Rotation,
    /// When others were first told of it.
    pub added_at: u64,
}

impl Next {
    /// When nobody has a JWK set without it any more, of those that may keep one for so many seconds.
    #[must_use]
    pub const fn known_at(&self, keys_age: u64) -> u64 {
        self.added_at.saturating_add(keys_age)
    }

    /// When it begins to sign by itself: when its statement says, and not before everybody knows it. Its signatures may have
    /// taken long.
    #[must_use]
    pub fn begins_at(&self, keys_age: u64) -> u64 {
        self.read.active_from.max(self.known_at(keys_age))
    }
}

/// One that is not to be trusted.
#[derive(Clone, Copy, Debug)]
pub struct Doubt {
    /// Whose.
    pub did: Did,
    /// From when on.
    pub from: u64,
    /// Whether nothing that it signed counts, whenever it was.
    pub is_revoked: bool,
}

/// All keys, and what each may do.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Whose the log is.
    pub first: Did,
    /// When that one began, as far as anybody knows.
    pub began_at: u64,
    /// From the second one on.
    pub successors: Vec<Successor>,
    /// The one that is prepared.
    pub next: Option<Next>,
    /// Also such as never signed.
    pub doubts: Vec<Doubt>,
}

impl Chain {
    /// The one that signs tokens and answers.
    #[must_use]
    pub fn current(&self) -> &Did {
        self.successors.last().map_or(&self.first, |last| &last.read.new)
    }

    /// Since when that one does.
    #[must_use]
    pub fn active_at(&self) -> u64 {
        self.successors.last().map_or(self.began_at, |last| last.active_at)
    }

    /// All that have signed, from the first on, each with the one that followed it.
    pub fn signed(&self) -> impl DoubleEndedIterator<Item = (&Did, Option<&Successor>)> {
        let earlier = self.successors.iter().map(|successor| (&successor.read.old, Some(successor)));
        earlier.chain([(self.current(), None)])
    }

    /// What is said against a key.
    #[must_use]
    pub fn doubt(&self, did: &Did) -> Option<&Doubt> {
        self.doubts.iter().find(|doubt| doubt.did == *did)
    }

    /// Whether a key is one of these, or ever was to be.
    #[must_use]
    pub fn knows(&self, did: &Did) -> bool {
        self.signed().any(|(known, _)| known == did) || self.is_next(did) || self.doubt(did).is_some()
    }

    /// Whether it is the one that is prepared.
    #[must_use]
    pub fn is_next(&self, did: &Did) -> bool {
        self.next.as_ref().is_some_and(|next| next.read.new == *did)
    }

    /// Where a key stands; none for one that never was to be.
    #[must_use]
    pub fn state(&self, did: &Did, now: u64) -> Option<KeyState> {
        if let Some(doubt) = self.doubt(did) {
            return Some(if doubt.is_revoked { KeyState::Revoked } else { KeyState::Tainted });
        }
        if self.is_next(did) {
            return Some(KeyState::Prepared);
        }
        let (_, successor) = self.signed().find(|(known, _)| *known == did)?;
        Some(match successor {
            None => KeyState::Active,
            Some(successor) if now < successor.read.old_until() => KeyState::Retiring,
            Some(_) => KeyState::Retired,
        })
    }

    /// All whose tokens may count: the one that signs them first, and last the one that is to.
    pub fn counting(&self, now: u64) -> impl Iterator<Item = &Did> {
        let counts = |state| matches!(state, KeyState::Active | KeyState::Retiring);
        let signed = self.signed().rev().map(|(did, _)| did);
        let signed = signed.filter(move |did| self.state(did, now).is_some_and(counts));
        signed.chain(self.next.iter().map(|next| &next.read.new))
    }
}

/// As it stands in the database, for the authority with that first key.
///
/// # Errors
/// `internal` for statements that do not follow from that key.
pub fn chain(db: &Connection, first: Did) -> Result<Chain> {
    let broken = || Problem::internal().because("the statements do not lead from the first key to the last");
    let began_at: Option<i64> =
        db.query_row("SELECT value FROM meta WHERE name = 'began_at'", [], |row| row.get(0)).optional()?;
    let mut chain = Chain {
        first,
        began_at: time(began_at.unwrap_or_default()),
        successors: Vec::new(),
        next: None,
        doubts: doubts(db)?,
    };
    let sql = "SELECT rotation, active_at, first_list FROM authority_keys ORDER BY place";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get(2)?)))?;
    for row in rows {
        let (rotation, active_at, first_list) = row?;
        let read = Rotation::verify(&rotation).map_err(|error| Problem::internal().because(error))?;
        if read.old != *chain.current() {
            return Err(broken());
        }
        chain.successors.push(Successor { rotation, read, active_at: time(active_at), first_list });
    }
    let sql = "SELECT rotation, added_at FROM authority_next";
    let next: Option<(String, i64)> = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((rotation, added_at)) = next {
        let read = Rotation::verify(&rotation).map_err(|error| Problem::internal().because(error))?;
        if read.old != *chain.current() {
            return Err(broken());
        }
        chain.next = Some(Next { rotation, read, added_at: time(added_at) });
    }
    Ok(chain)
}

fn doubts(db: &Connection) -> Result<Vec<Doubt>> {
    let mut statement = db.prepare_cached("SELECT key, tainted_from, revoked FROM authority_doubts")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get(2)?)))?;
    rows.map(|row| {
        let (key, from, is_revoked) = row?;
        Ok(Doubt { did: did(&key)?, from: time(from), is_revoked })
    })
    .collect()
}

/// Tells of the next key. Nothing changes before it is activated.
///
/// # Errors
/// `conflict` for a statement that does not follow from the keys until now, or while another one is prepared.
pub fn prepare(db: &Connection, first: Did, statement: &str, now: u64) -> Result<()> {
    let conflict = |why: String| Problem::new(Kind::Conflict, why);
    let chain = chain(db, first)?;
    let read = Rotation::verify(statement).map_err(|error| conflict(error.message().to_owned()))?;
    if let Some(next) = &chain.next {
        return Err(conflict(format!("the next key is prepared already: {}", next.read.new)));
    }
    if read.old != *chain.current() || chain.knows(&read.new) {
        return Err(conflict(
            "the next key is signed over to by the one that signs now, and never used again".to_owned(),
        ));
    }
    if chain.successors.len().saturating_add(chain.doubts.len()) >= MAX_KEYS.saturating_sub(1) {
        return Err(Problem::new(Kind::LimitReached, format!("an authority has {MAX_KEYS} keys at most")));
    }
    let sql = "INSERT INTO authority_next(one, rotation, added_at) VALUES (1, ?1, ?2)";
    db.execute(sql, (statement, seconds(now)))?;
    Ok(())
}

/// Lets the key that is prepared sign. No list has tokens of two keys: each is signed by the key of its tokens.
///
/// # Errors
/// `conflict` where none is prepared.
pub fn activate(db: &Connection, first: Did, now: u64) -> Result<()> {
    let chain = chain(db, first)?;
    let next = chain.next.as_ref().ok_or_else(|| Problem::new(Kind::Conflict, "no key is prepared"))?;
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
    let sql =
        "INSERT INTO authority_keys(place, rotation, added_at, active_at, first_list) VALUES (?1, ?2, ?3, ?4, ?5)";
    let place = i64::try_from(chain.successors.len()).unwrap_or(i64::MAX).saturating_add(1);
    db.execute(sql, (place, &next.rotation, seconds(next.added_at), seconds(now), first_list))?;
    db.execute("DELETE FROM authority_next", [])?;
    Ok(())
}

/// Says that a key is not to be trusted, and takes back the tokens that it signed: all of them, or those since that time. One that
/// is prepared is given up. The one that signs now must have been followed by another.
///
/// # Errors
/// `not-found` for a key that is none of these; `conflict` for the one that signs now, or where that was said before.
pub fn doubt(db: &Connection, first: Did, doubt: &Doubt) -> Result<()> {
    let chain = chain(db, first)?;
    if !chain.knows(&doubt.did) {
        return Err(Problem::new(Kind::NotFound, "that is no key of this authority"));
    }
    if *chain.current() == doubt.did {
        return Err(Problem::new(Kind::Conflict, "the key that signs now needs a successor first"));
    }
    let is_known = |known: &Doubt| known.is_revoked || (!doubt.is_revoked && known.from <= doubt.from);
    if chain.doubt(&doubt.did).is_some_and(is_known) {
        return Err(Problem::new(Kind::Conflict, "that was said of this key before"));
    }
    if chain.is_next(&doubt.did) {
        db.execute("DELETE FROM authority_next", [])?;
    }
    let sql = "INSERT INTO authority_doubts(key, tainted_from, revoked) VALUES (?1, ?2, ?3) \
               ON CONFLICT(key) DO UPDATE SET tainted_from = ?2, revoked = ?3";
    db.execute(sql, (doubt.did.public_key(), seconds(doubt.from), doubt.is_revoked))?;
    let Some(place) = chain.signed().position(|(did, _)| *did == doubt.did) else { return Ok(()) };
    let first_of = |successor: &Successor| successor.first_list.saturating_mul(PER_LIST);
    let begin = place.checked_sub(1).and_then(|before| chain.successors.get(before)).map_or(0, first_of);
    let end = chain.successors.get(place).map_or(i64::MAX, first_of);
    let from = if doubt.is_revoked { 0 } else { seconds(doubt.from) };
    // Of those that were issued before anybody noted when, nobody knows.
    let sql = "UPDATE tokens SET revoked = 1 WHERE number >= ?1 AND number < ?2 AND (issued_at >= ?3 OR issued_at = 0)";
    db.execute(sql, (begin, end, from))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use xbind::SigningKey;

    use super::*;

    #[test]
    fn a_key_begins_when_it_was_to_and_everybody_knows_it() {
        let [old, new] = [1, 2].map(|seed| *SigningKey::from_seed(&[seed; 32]).did());
        for (added_at, active_from, begins_at) in
            [(100, 400, 400), (100, 86_500, 86_500), (160, 400, 460), (160, 100, 460), (u64::MAX, 400, u64::MAX)]
        {
            let read = Rotation { old, new, issued_at: 100, active_from, overlap: OVERLAP };
            assert_eq!(Next { rotation: String::new(), read, added_at }.begins_at(300), begins_at);
        }
    }
}
