//! What budgets promise.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that overflows is a test that fails"
)]

mod accounts;
mod ledger;
mod model;
mod periods;
mod purge;
mod race;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::api::Api;

/// A Sunday in July 2026.
const NOW: u64 = 1_784_462_400;

fn memory() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    migrate(&mut db).unwrap();
    db
}

/// A folder that is gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xbind-gateway-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("gateway.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// As a process opens it.
fn open(file: &Path) -> Connection {
    let db = Connection::open(file).unwrap();
    db.busy_timeout(Duration::from_secs(300)).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db
}

/// Within a change, or as one.
fn within<T>(db: &Connection, work: impl FnOnce() -> T) -> T {
    if db.is_autocommit() { change(db, work) } else { work() }
}

/// A change of its own.
fn change<T>(db: &Connection, work: impl FnOnce() -> T) -> T {
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let made = work();
    db.execute_batch("COMMIT").unwrap();
    made
}

fn budget(name: &str, per: Per, period: Period, tokens: Option<u64>, money: Option<u64>) -> Budget {
    Budget { name: name.to_owned(), per, period, tokens, money }
}

fn holders(agents: &[&str]) -> Holders {
    let agents: Vec<String> = agents.iter().map(|agent| (*agent).to_owned()).collect();
    Holders { chain: agents.join(" "), root: "person".to_owned(), agents, quotas: Vec::new() }
}

fn charge(tokens: u64, money: u64) -> Charge {
    Charge { tokens, money }
}

fn ask(db: &Connection, id: &str, accounts: &[Account], most: Charge, now: u64) -> Result<(), Exhausted> {
    let reservation = Reservation { id, owner: "one", accounts, most, what: "{}" };
    within(db, || reserve(db, &reservation, now)).unwrap()
}

fn entry() -> Entry<'static> {
    Entry {
        time: NOW,
        agent: "did:key:a",
        root: "person",
        model: "small",
        api: Api::Chat,
        status: 200,
        input: 0,
        cached: 0,
        output: 0,
    }
}

fn end(db: &Connection, id: &str, used: Option<Charge>) -> bool {
    within(db, || settle(db, id, used, &entry())).unwrap()
}

/// Spent and reserved tokens, spent and reserved money, open reservations; of one account.
fn held(db: &Connection, account: &Account) -> [i64; 5] {
    db.query_row(
        "SELECT tokens_spent, tokens_reserved, money_spent, money_reserved, open FROM accounts
        WHERE holder = ?1 AND budget = ?2 AND since = ?3 AND kind = ?4 AND period = ?5",
        (&account.holder, &account.budget, stored(account.from), account.kind(), account.period.code()),
        |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]),
    )
    .unwrap_or_default()
}

fn count(db: &Connection, table: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}
