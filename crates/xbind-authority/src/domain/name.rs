//! The registry: names within a proven domain, each of whoever came first.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::agent::Agent;
use crate::domain::{operator, seconds, time};
use crate::problem::{Kind, Problem, Result};

/// How many an agent can have.
pub const MAX_NAMES: u64 = 16;

/// A name and whose it is.
#[derive(Clone, Debug)]
pub struct Name {
    /// The agent's row.
    pub agent: i64,
    /// What it offers, in its own signed words.
    pub card: Option<String>,
    /// Its agent has given it up.
    pub withdrawn: bool,
    /// When it was first registered.
    pub registered_at: u64,
}

/// Label and domain of a full name: `writer.example.com` is `writer` in `example.com`.
///
/// # Errors
/// `malformed`.
pub fn split(full: &str) -> Result<(&str, &str)> {
    let wrong = || {
        Problem::new(Kind::Malformed, "a name is a label of a-z, 0-9, _ and - and a domain, like writer.example.com")
    };
    let (label, domain) = full.split_once('.').ok_or_else(wrong)?;
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| edge(&byte) || matches!(byte, b'-' | b'_');
    let bytes = label.as_bytes();
    let fits = bytes.len() <= 63 && bytes.first().is_some_and(edge) && bytes.last().is_some_and(edge);
    if !(fits && label.bytes().all(inner)) {
        return Err(wrong());
    }
    operator::check_domain(domain)?;
    Ok((label, domain))
}

/// Who has a name.
///
/// # Errors
/// `not-found`.
pub fn find(db: &Connection, label: &str, domain: &str) -> Result<Name> {
    look(db, label, domain)?.ok_or_else(|| Problem::new(Kind::NotFound, "nobody has registered that name"))
}

fn look(db: &Connection, label: &str, domain: &str) -> Result<Option<Name>> {
    let sql = "SELECT agent, card, withdrawn, registered_at FROM names WHERE domain = ?1 AND name = ?2";
    let found = db.prepare_cached(sql)?.query_row((domain, label), |row| {
        Ok(Name { agent: row.get(0)?, card: row.get(1)?, withdrawn: row.get(2)?, registered_at: time(row.get(3)?) })
    });
    Ok(found.optional()?)
}

/// Registers a name for an agent of that domain, or says anew what it offers.
///
/// # Errors
/// `not-permitted` in another domain, `name-taken`, `limit-reached`.
pub fn register(
    db: &Connection,
    agent: &Agent,
    (label, domain): (&str, &str),
    card: Option<&str>,
    now: u64,
) -> Result<()> {
    if agent.domain != domain {
        return Err(Problem::new(Kind::NotPermitted, format!("the agent is of the domain {}", agent.domain)));
    }
    let known = look(db, label, domain)?;
    if known.as_ref().is_some_and(|known| known.agent != agent.number) {
        return Err(Problem::new(Kind::NameTaken, format!("{label}.{domain} belongs to another agent")));
    }
    if known.is_none_or(|known| known.withdrawn) {
        if agent.names >= MAX_NAMES {
            return Err(Problem::new(Kind::LimitReached, format!("the agent has {} names", agent.names)));
        }
        db.prepare_cached("UPDATE agents SET names = names + 1 WHERE number = ?1")?.execute([agent.number])?;
    }
    let sql = "INSERT INTO names(domain, name, agent, card, withdrawn, registered_at) VALUES (?1, ?2, ?3, ?4, 0, ?5) \
               ON CONFLICT(domain, name) DO UPDATE SET card = ?4, withdrawn = 0";
    db.prepare_cached(sql)?.execute((domain, label, agent.number, card, seconds(now)))?;
    Ok(())
}

/// Gives a name up: its agent may take it again, and nobody else.
///
/// # Errors
/// `internal`.
pub fn withdraw(db: &Connection, label: &str, domain: &str) -> Result<()> {
    count_down(db, label, domain)?;
    let sql = "UPDATE names SET withdrawn = 1, card = NULL WHERE domain = ?1 AND name = ?2";
    db.prepare_cached(sql)?.execute((domain, label))?;
    Ok(())
}

/// Frees a name for any agent of the domain.
///
/// # Errors
/// `internal`.
pub fn release(db: &Connection, label: &str, domain: &str) -> Result<()> {
    count_down(db, label, domain)?;
    db.prepare_cached("DELETE FROM names WHERE domain = ?1 AND name = ?2")?.execute((domain, label))?;
    Ok(())
}

fn count_down(db: &Connection, label: &str, domain: &str) -> Result<()> {
    let sql = "UPDATE agents SET names = names - 1 WHERE number = \
               (SELECT agent FROM names WHERE domain = ?1 AND name = ?2 AND withdrawn = 0)";
    db.prepare_cached(sql)?.execute((domain, label))?;
    Ok(())
}
