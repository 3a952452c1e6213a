//! Operators: each a domain and the root key that its TXT record names.

use rusqlite::{Connection, OptionalExtension, Row};
use xbind::{Did, Digest, KeyHistory, MessageId, Rotation, VerifyingKey};

use crate::domain::{agent, did, seconds, time};
use crate::problem::{Kind, Problem, Result};

/// How many there can be.
pub const MAX_OPERATORS: i64 = 100_000;
/// The longest domain, in bytes: what is before it in the TXT record's name has room, too.
pub const MAX_DOMAIN: usize = 230;
/// What stands before the domain in the name of its TXT record.
pub const TXT_LABEL: &str = "_xbind";
/// How the TXT record begins.
pub const TXT_BEGIN: &str = "xbind-operator=";

/// An operator whose domain was proven.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Made of domain and key: 22 characters.
    pub id: String,
    /// Lower case, without a dot at its end.
    pub domain: String,
    /// The root key.
    pub did: Did,
    /// The first one, by which records name the operator.
    pub name: Did,
    /// When the domain was proven.
    pub verified_at: u64,
    /// How many agents were registered.
    pub agents: u64,
}

impl Operator {
    /// What its records have as `chain`.
    #[must_use]
    pub fn chain(&self) -> Vec<Box<str>> {
        chain(&self.name, &self.id)
    }
}

/// Reads a domain: two labels or more of lower-case letters, digits and hyphens.
///
/// # Errors
/// `malformed`.
pub fn check_domain(text: &str) -> Result<()> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    // A last label of digits would be an address, not a name.
    let is_name = text.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    if text.len() <= MAX_DOMAIN && text.contains('.') && is_name && text.split('.').all(is_label) {
        return Ok(());
    }
    Err(Problem::new(Kind::Malformed, "a domain is two labels or more of a-z, 0-9 and hyphens, like example.com"))
}

/// The id of an operator: nothing has to be remembered of one whose domain is not proven yet.
#[must_use]
pub fn id_of(domain: &str, did: &Did) -> String {
    let digest = Digest::of(format!("xbind-operator-v1\0{domain}\0{did}").as_bytes());
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    MessageId::from_bytes(id).text().to_string()
}

/// Name and value of the TXT record by which the owner of a domain names its operator, at this authority and no other.
#[must_use]
pub fn txt(domain: &str, did: &Did, authority: &Did) -> (String, String) {
    (format!("{TXT_LABEL}.{domain}"), format!("{TXT_BEGIN}{did} authority={authority}"))
}

/// Whether the TXT records of a domain name that operator, and no other.
#[must_use]
pub fn is_named(records: &[String], expected: &str) -> bool {
    let mut named = records.iter().filter(|record| record.starts_with(TXT_BEGIN));
    named.next().is_some_and(|record| record == expected) && named.next().is_none()
}

const SELECT: &str = "SELECT id, domain, key, first_key, verified_at, agents FROM operators";

type Columns = (String, String, Vec<u8>, Vec<u8>, i64, i64);

fn read(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

fn found(row: Option<Columns>) -> Result<Option<Operator>> {
    row.map(|(id, domain, key, first_key, verified_at, agents)| {
        let (did, name) = (did(&key)?, did(&first_key)?);
        Ok(Operator { id, domain, did, name, verified_at: time(verified_at), agents: time(agents) })
    })
    .transpose()
}

/// The operator of that id, if its domain was proven, and is its own still.
///
/// # Errors
/// `internal`.
pub fn by_id(db: &Connection, id: &str) -> Result<Option<Operator>> {
    let sql = format!("{SELECT} WHERE id = ?1 AND instr(domain, ' ') = 0");
    found(db.prepare_cached(&sql)?.query_row([id], read).optional()?)
}

/// Whether a domain, as it stands in the database, is one that was freed: what follows a space then is its operator's id.
pub(crate) fn is_released(domain: &str) -> bool {
    domain.contains(' ')
}

/// The operator of that domain.
///
/// # Errors
/// `internal`.
pub fn by_domain(db: &Connection, domain: &str) -> Result<Option<Operator>> {
    found(db.prepare_cached(&format!("{SELECT} WHERE domain = ?1"))?.query_row([domain], read).optional()?)
}

/// What records name whoever has a root key by.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// The ids of the operators that he is, each with its first key.
    pub ids: Vec<(String, Did)>,
    /// First keys that are those of no operator but his: records of before the id stood there have nothing else.
    pub alone: Vec<Did>,
}

impl Named {
    /// What a record has as `chain`.
    #[must_use]
    pub fn is_in(&self, chain: &[String]) -> bool {
        match chain {
            [key] => self.alone.iter().any(|alone| alone.as_str() == key),
            chain => self.ids.iter().any(|(id, _)| chain.contains(id)),
        }
    }
}

/// What whoever has that root key now is named by: for each of his domains.
///
/// # Errors
/// `internal`.
pub fn named(db: &Connection, did: &Did) -> Result<Named> {
    let sql = "SELECT o.id, o.first_key, \
               NOT EXISTS(SELECT 1 FROM operators other WHERE other.first_key = o.first_key AND other.key != o.key) \
               FROM operators o WHERE o.key = ?1 AND instr(o.domain, ' ') = 0 ORDER BY o.id";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([did.public_key()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, bool>(2)?))
    })?;
    let mut named = Named::default();
    for row in rows {
        let (id, key, is_alone) = row?;
        let key = super::did(&key)?;
        if is_alone && !named.alone.contains(&key) {
            named.alone.push(key);
        }
        named.ids.push((id, key));
    }
    Ok(named)
}

/// What the records of an operator have as `chain`: its first key, which may be that of several domains, and its id.
#[must_use]
pub fn chain(first: &Did, id: &str) -> Vec<Box<str>> {
    vec![first.as_str().into(), id.into()]
}

/// Whether somebody is registered under that key, as operator or agent, or was.
///
/// # Errors
/// `internal`.
pub fn is_known(db: &Connection, did: &Did) -> Result<bool> {
    let sql = "SELECT EXISTS(SELECT 1 FROM keys WHERE key = ?1) OR EXISTS(SELECT 1 FROM operators WHERE key = ?1) \
               OR EXISTS(SELECT 1 FROM operator_keys WHERE key = ?1) OR EXISTS(SELECT 1 FROM operators WHERE first_key = ?1)";
    Ok(db.prepare_cached(sql)?.query_row([did.public_key()], |row| row.get(0))?)
}

/// Makes the holder of a key the operator of a domain, which its TXT record was found to say. Who was first stays.
///
/// # Errors
/// `domain-taken`, `not-permitted` for a key that was replaced or is an agent's, `limit-reached`.
pub fn add(db: &Connection, domain: &str, key: &VerifyingKey, now: u64) -> Result<Operator> {
    let id = id_of(domain, key.did());
    if let Some(operator) = by_domain(db, domain)? {
        return if operator.did == *key.did() {
            Ok(operator)
        } else {
            Err(Problem::new(Kind::DomainTaken, format!("another operator has proven {domain}")))
        };
    }
    let count: i64 = db.query_row("SELECT count(*) FROM operators", [], |row| row.get(0))?;
    if count >= MAX_OPERATORS {
        return Err(Problem::new(Kind::LimitReached, format!("there are {count} operators")));
    }
    if was_replaced(db, key.did())? {
        return Err(Problem::new(Kind::NotPermitted, "that root key was replaced, for good"));
    }
    if agent::by_key(db, key.did())?.is_some() {
        return Err(Problem::new(Kind::NotPermitted, "the key of an agent is no root key"));
    }
    // One whose domain was freed comes back; his agents stay revoked.
    let sql = "INSERT INTO operators(id, domain, key, first_key, verified_at) VALUES (?1, ?2, ?3, ?3, ?4) \
               ON CONFLICT(id) DO UPDATE SET domain = ?2, verified_at = ?4";
    db.prepare_cached(sql)?.execute((&id, domain, key.did().public_key(), seconds(now)))?;
    by_id(db, &id)?.ok_or_else(Problem::internal)
}

/// Whether somebody has replaced that key, the first or a later one.
fn was_replaced(db: &Connection, did: &Did) -> Result<bool> {
    let sql = "SELECT EXISTS(SELECT 1 FROM operators WHERE first_key = ?1 AND key != ?1) OR \
               EXISTS(SELECT 1 FROM operator_keys k JOIN operators o ON o.id = k.operator WHERE k.key = ?1 AND o.key != ?1)";
    Ok(db.prepare_cached(sql)?.query_row([did.public_key()], |row| row.get(0))?)
}

/// The statements by which its root key has changed, from the first on, with the times at which they came.
///
/// # Errors
/// `internal`.
pub fn rotations(db: &Connection, id: &str) -> Result<Vec<(String, u64)>> {
    let sql = "SELECT rotation, added_at FROM operator_keys WHERE operator = ?1 ORDER BY place";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| Ok((row.get(0)?, time(row.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Changes the root key of an operator, by a statement that the old and the new one have signed. The old one ends at once.
///
/// # Errors
/// `rotation-refused`, `agent-taken`.
pub fn rotate(db: &Connection, operator: &Operator, statement: &str, (now, skew): (u64, u64)) -> Result<()> {
    let refused = |why: &str| Problem::new(Kind::RotationRefused, why.to_owned());
    let rotation = Rotation::verify(statement)?;
    if !rotation.is_emergency() || rotation.active_from > now.saturating_add(skew) {
        return Err(refused("a root key is replaced at once: the overlap is 0, and the new key starts now"));
    }
    let mut history = KeyHistory::new(operator.name, 0);
    let known = rotations(db, &operator.id)?;
    for (known, at) in &known {
        let known = Rotation::verify(known).map_err(|_| Problem::internal())?;
        history.prepare(&known, *at).map_err(|_| Problem::internal())?;
    }
    history.prepare(&rotation, now).map_err(|error| refused(Problem::from(error).detail()))?;
    if is_known(db, &rotation.new)? {
        return Err(Problem::new(Kind::AgentTaken, "the new key is somebody else's"));
    }
    let sql = "INSERT INTO operator_keys(operator, place, key, added_at, rotation) VALUES (?1, ?2, ?3, ?4, ?5)";
    let place = i64::try_from(known.len()).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?.execute((&operator.id, place, rotation.new.public_key(), seconds(now), statement))?;
    let sql = "UPDATE operators SET key = ?2 WHERE id = ?1";
    db.prepare_cached(sql)?.execute((&operator.id, rotation.new.public_key()))?;
    Ok(())
}

/// Frees a domain for another operator, and gives the one that is gone. Its agents and names are revoked.
///
/// # Errors
/// `not-found`.
pub fn release(db: &Connection, domain: &str) -> Result<Operator> {
    let operator = by_domain(db, domain)?
        .ok_or_else(|| Problem::new(Kind::NotFound, format!("no operator has proven {domain}")))?;
    db.execute("UPDATE agents SET status = 2, reason = 'domain released' WHERE operator = ?1", [&operator.id])?;
    db.execute("DELETE FROM names WHERE domain = ?1", [domain])?;
    db.execute("DELETE FROM exchange_policies WHERE operator = ?1", [&operator.id])?;
    // The row stays for its agents; what it is called frees the domain.
    db.execute("UPDATE operators SET domain = ?1 || ' ' || id WHERE id = ?2", (domain, &operator.id))?;
    Ok(operator)
}
