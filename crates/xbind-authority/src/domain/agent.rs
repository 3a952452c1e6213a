//! Agents: keys that proved themselves, in the trust domain of an operator that took them in.

use std::fmt::Write as _;

use rusqlite::{Connection, OptionalExtension, Row};
use xbind::{Did, Digest, ScopeSet};

use crate::domain::operator::{self, Operator, is_released};
use crate::domain::{did, keys, seconds, time, token};
use crate::problem::{Kind, Problem, Result};

/// How many an operator can have.
pub const MAX_AGENTS: u64 = 1_000_000;
/// The longest reason, in bytes.
pub const MAX_REASON: usize = 256;

/// Whether an agent may do what it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Active,
    /// Not for the time being, and its tokens do not count meanwhile.
    Suspended,
    /// Never again, and neither do its tokens.
    Revoked,
}

impl Status {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Revoked].into_iter().find(|status| status.as_str() == name)
    }

    /// As the database holds it. What it does not know is the worst.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Active => 0,
            Self::Suspended => 1,
            Self::Revoked => 2,
        }
    }

    pub(crate) const fn of_number(number: i64) -> Self {
        match number {
            0 => Self::Active,
            1 => Self::Suspended,
            _ => Self::Revoked,
        }
    }
}

/// An agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its row.
    pub number: i64,
    /// The id of its operator.
    pub operator: String,
    /// The root key of its operator.
    pub operator_did: Did,
    /// The first one, by which records name the operator.
    pub operator_name: Did,
    /// The domain of its operator.
    pub domain: String,
    /// Whether the domain was freed since: whoever was its operator is none.
    pub released: bool,
    /// The first 16 bytes of the SHA-256 of its first key.
    pub fingerprint: [u8; 16],
    /// Whether it may do anything.
    pub status: Status,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// What it may ask tokens for; nothing unless its operator said so.
    pub scopes: ScopeSet,
    /// When it was registered.
    pub created_at: u64,
    /// How many names it has.
    pub names: u64,
}

impl Agent {
    /// The alias that lasts, `did:agent:<domain>:<fingerprint>`: the key changes, it does not.
    #[must_use]
    pub fn alias(&self) -> String {
        alias(&self.domain, &self.fingerprint)
    }

    /// What the records of its operator have as `chain`.
    #[must_use]
    pub fn chain(&self) -> Vec<Box<str>> {
        operator::chain(&self.operator_name, &self.operator)
    }

    /// Whether its operator has that root key.
    #[must_use]
    pub fn is_of(&self, operator: &Did) -> bool {
        !self.released && self.operator_did == *operator
    }
}

/// `did:agent:<domain>:<fingerprint>`.
#[must_use]
pub fn alias(domain: &str, fingerprint: &[u8; 16]) -> String {
    let mut text = format!("did:agent:{domain}:");
    for byte in fingerprint {
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

/// Domain and fingerprint of an alias.
#[must_use]
pub fn read_alias(text: &str) -> Option<(&str, [u8; 16])> {
    let (domain, hex) = text.strip_prefix("did:agent:")?.rsplit_once(':')?;
    let mut fingerprint = [0; 16];
    let fits = hex.len() == 32 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !fits {
        return None;
    }
    for (byte, at) in fingerprint.iter_mut().zip((0_usize..32).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at.saturating_add(2))?, 16).ok()?;
    }
    Some((domain, fingerprint))
}

/// Of a key.
#[must_use]
pub fn fingerprint(did: &Did) -> [u8; 16] {
    let mut fingerprint = [0; 16];
    for (to, from) in fingerprint.iter_mut().zip(Digest::of(did.public_key()).as_bytes()) {
        *to = *from;
    }
    fingerprint
}

const COLUMNS: &str = "a.number, a.operator, o.key, o.first_key, o.domain, a.fingerprint, a.status, a.reason, a.scopes, \
    a.created_at, a.names FROM agents a JOIN operators o ON o.id = a.operator";

type Columns = (i64, String, Vec<u8>, Vec<u8>, String, [u8; 16], i64, Option<String>, String, i64, i64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
        row.get(8)?,
        row.get(9)?,
        row.get(10)?,
    ))
}

fn agent(columns: Columns) -> Result<Agent> {
    let (number, operator, key, first_key, stored, fingerprint, status, reason, scopes, created_at, names) = columns;
    let released = is_released(&stored);
    let domain = stored.split_once(' ').map_or(&*stored, |(domain, _)| domain).to_owned();
    Ok(Agent {
        number,
        operator,
        operator_did: did(&key)?,
        operator_name: did(&first_key)?,
        domain,
        released,
        fingerprint,
        status: Status::of_number(status),
        reason,
        scopes: ScopeSet::parse(&scopes).map_err(|_| Problem::internal())?,
        created_at: time(created_at),
        names: time(names),
    })
}

/// The agent of a key, whatever that key may still do.
///
/// # Errors
/// `internal`.
pub fn by_key(db: &Connection, did: &Did) -> Result<Option<Agent>> {
    let sql = format!("SELECT {COLUMNS} JOIN keys k ON k.agent = a.number WHERE k.key = ?1");
    db.prepare_cached(&sql)?.query_row([did.public_key()], columns).optional()?.map(agent).transpose()
}

/// The agent of a row.
///
/// # Errors
/// `internal`.
pub fn by_number(db: &Connection, number: i64) -> Result<Agent> {
    let sql = format!("SELECT {COLUMNS} WHERE a.number = ?1");
    agent(db.prepare_cached(&sql)?.query_row([number], columns)?)
}

/// The agent of a DID of either kind, or a problem that says there is none.
///
/// # Errors
/// `malformed`, `not-found`.
pub fn by_did(db: &Connection, text: &str) -> Result<Agent> {
    let found = if text.starts_with("did:agent:") {
        let (domain, fingerprint) = read_alias(text)
            .ok_or_else(|| Problem::new(Kind::Malformed, "that is no did:agent:<domain>:<32 digits of hex>"))?;
        // Also one of a domain that was freed: behind its name, as it stands there then, is a space.
        let sql = format!(
            "SELECT {COLUMNS} WHERE (o.domain = ?1 OR o.domain > ?1 || ' ' AND o.domain < ?1 || '!') AND a.fingerprint = ?2"
        );
        db.prepare_cached(&sql)?.query_row((domain, fingerprint), columns).optional()?.map(agent).transpose()?
    } else {
        by_key(db, xbind::VerifyingKey::from_did(text)?.did())?
    };
    found.ok_or_else(|| Problem::new(Kind::NotFound, "no agent is registered under that DID"))
}

/// The agents of an operator behind that row, at most so many.
///
/// # Errors
/// `internal`.
pub fn of_operator(
    db: &Connection,
    operator: &str,
    status: Option<Status>,
    after: i64,
    limit: u32,
) -> Result<Vec<Agent>> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE a.operator = ?1 AND a.number > ?2 AND (?3 IS NULL OR a.status = ?3) \
         ORDER BY a.number LIMIT ?4"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map((operator, after, status.map(Status::number), limit), columns)?;
    rows.map(|row| agent(row?)).collect()
}

/// Takes an agent in whose key proved itself.
///
/// # Errors
/// `agent-taken`, `conflict` for a root key, `limit-reached`.
pub fn add(db: &Connection, operator: &Operator, did: &Did, scopes: &ScopeSet, now: u64) -> Result<Agent> {
    if by_key(db, did)?.is_some() {
        return Err(Problem::new(Kind::AgentTaken, format!("{did} is registered already")));
    }
    if operator::is_known(db, did)? {
        return Err(Problem::new(Kind::Conflict, "the root key of an operator is none of an agent"));
    }
    if operator.agents >= MAX_AGENTS {
        return Err(Problem::new(Kind::LimitReached, format!("the operator has {} agents", operator.agents)));
    }
    db.prepare_cached("UPDATE operators SET agents = agents + 1 WHERE id = ?1")?.execute([&operator.id])?;
    let sql = "INSERT INTO agents(operator, fingerprint, status, scopes, created_at) VALUES (?1, ?2, 0, ?3, ?4)";
    let row = (&operator.id, fingerprint(did), scopes.as_str(), seconds(now));
    db.prepare_cached(sql)?.execute(row)?;
    let number = db.last_insert_rowid();
    keys::add_first(db, number, did, now)?;
    by_number(db, number)
}

/// Says what it may ask tokens for. If that is less than before in any way, the tokens that it has do not count any more: one
/// of them may hold what was taken away.
///
/// # Errors
/// `internal`.
pub fn set_scopes(db: &Connection, agent: &Agent, scopes: &ScopeSet) -> Result<()> {
    if scopes.first_missing(&agent.scopes).is_some() {
        token::revoke_all(db, agent.number)?;
    }
    db.prepare_cached("UPDATE agents SET scopes = ?2 WHERE number = ?1")?.execute((agent.number, scopes.as_str()))?;
    Ok(())
}

/// Suspends it, lets it go on, or revokes it for good.
///
/// # Errors
/// `conflict` for one that is revoked.
pub fn set_status(db: &Connection, agent: &Agent, status: Status, reason: Option<&str>) -> Result<()> {
    if agent.status == Status::Revoked && status != Status::Revoked {
        return Err(Problem::new(Kind::Conflict, "the agent is revoked, for good"));
    }
    let sql = "UPDATE agents SET status = ?2, reason = ?3 WHERE number = ?1";
    db.prepare_cached(sql)?.execute((agent.number, status.number(), reason))?;
    Ok(())
}

/// Refuses an agent that may do nothing.
///
/// # Errors
/// `inactive`.
pub fn check_active(agent: &Agent) -> Result<()> {
    if agent.status == Status::Active {
        return Ok(());
    }
    Err(Problem::new(Kind::Inactive, format!("the agent is {}", agent.status.as_str())))
}
