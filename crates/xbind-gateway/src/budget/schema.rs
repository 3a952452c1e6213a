//! The tables, and what of them is over.

use rusqlite::Connection;
use xbind_server::Fault;

use super::{ledger, stored};
use crate::problem::Result;

/// Each step leads from the schema of its place to the next. Steps are added, never changed.
const STEPS: &[&str] = &[V1];

/// What is reserved can be given back to each account after its period has ended: it stays as long as a reservation is open.
const V1: &str = "
CREATE TABLE accounts(
    number INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    budget TEXT NOT NULL,
    period INTEGER NOT NULL,
    holder TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    tokens_spent INTEGER NOT NULL DEFAULT 0 CHECK (tokens_spent >= 0),
    tokens_reserved INTEGER NOT NULL DEFAULT 0 CHECK (tokens_reserved >= 0),
    money_spent INTEGER NOT NULL DEFAULT 0 CHECK (money_spent >= 0),
    money_reserved INTEGER NOT NULL DEFAULT 0 CHECK (money_reserved >= 0),
    open INTEGER NOT NULL DEFAULT 0 CHECK (open >= 0)
) STRICT;
CREATE UNIQUE INDEX accounts_by_holder ON accounts(holder, budget, kind, period, since);
CREATE INDEX accounts_by_end ON accounts(until) WHERE until IS NOT NULL;
CREATE TABLE reservations(
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens >= 0),
    money INTEGER NOT NULL CHECK (money >= 0),
    accounts TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE usage(
    hour INTEGER NOT NULL,
    agent TEXT NOT NULL,
    root TEXT NOT NULL,
    model TEXT NOT NULL,
    api TEXT NOT NULL,
    requests INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    whole INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    output INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    money INTEGER NOT NULL,
    PRIMARY KEY(hour, agent, root, model, api)
) STRICT, WITHOUT ROWID;
CREATE TABLE once(claim TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX once_by_end ON once(until);
";

/// How long usage is kept unless somebody says otherwise, and a reservation that nobody settles, in seconds: 400 days.
pub(crate) const KEEP: u64 = 400 * 86_400;
/// How long an account is kept that is over, in seconds: a clock that goes back by less brings nothing back.
const SLACK: u64 = 3_600;
/// The most rows of each table that are purged at once.
pub(super) const AT_ONCE: i64 = 256;

/// Brings a database to the schema of this version, whole or not at all, whoever else opens it meanwhile.
///
/// # Errors
/// One of a later version; those of the database.
pub(crate) fn migrate(db: &mut Connection) -> std::result::Result<(), Fault> {
    xbind_server::migrate(db, STEPS)
}

/// Removes some of what is over: accounts in which nothing is reserved, what counted once, and usage of more than `keep` seconds ago. A reservation
/// that nobody has settled for 400 days is charged. How many rows that were; none: there is nothing left to remove.
pub(crate) fn purge(db: &Connection, now: u64, keep: u64) -> Result<usize> {
    let stale = "SELECT id FROM reservations WHERE made_at < ?1 LIMIT ?2";
    let mut stale = db.prepare_cached(stale)?;
    let stale = stale
        .query_map([stored(now.saturating_sub(KEEP)), AT_ONCE], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    for id in &stale {
        ledger::charge(db, id, None)?;
    }
    let accounts = "DELETE FROM accounts WHERE number IN
        (SELECT number FROM accounts WHERE until < ?1 AND open = 0 LIMIT ?2)";
    let accounts = db.prepare_cached(accounts)?.execute([stored(now.saturating_sub(SLACK)), AT_ONCE])?;
    let usage = "DELETE FROM usage WHERE (hour, agent, root, model, api) IN
        (SELECT hour, agent, root, model, api FROM usage WHERE hour < ?1 LIMIT ?2)";
    let usage = db.prepare_cached(usage)?.execute([stored(now.saturating_sub(keep)), AT_ONCE])?;
    let once = "DELETE FROM once WHERE claim IN (SELECT claim FROM once WHERE until < ?1 LIMIT ?2)";
    let once = db.prepare_cached(once)?.execute([stored(now.saturating_sub(SLACK)), AT_ONCE])?;
    Ok(stale.len().saturating_add(accounts).saturating_add(usage).saturating_add(once))
}
