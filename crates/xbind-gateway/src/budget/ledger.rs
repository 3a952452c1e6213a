//! What is reserved and spent in accounts.

use rusqlite::{Connection, OptionalExtension, Row};

use super::account::{Account, Per};
use super::period::Period;
use super::report::{self, Entry};
use super::{MOST, read, stored};
use crate::problem::{Problem, Result};

/// The most reservations that are told of at once.
const ORPHANS: i64 = 1_000;

/// What something costs, or the most that it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) tokens: u64,
    /// In nano units.
    pub(crate) money: u64,
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Tokens.
    Tokens,
    /// Nano units of the currency.
    Money,
}

/// What a request needs before it is forwarded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reservation<'a> {
    /// Of which there is no second one.
    pub(crate) id: &'a str,
    /// Which gateway makes it.
    pub(crate) owner: &'a str,
    pub(crate) accounts: &'a [Account],
    pub(crate) most: Charge,
    /// What the record says of it if it never ends.
    pub(crate) what: &'a str,
}

/// Why nothing is reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub(crate) budget: String,
    /// None: the quota of a delegation, or an amount that no account holds.
    pub(crate) per: Option<Per>,
    pub(crate) unit: Unit,
    pub(crate) limit: u64,
    /// What is neither spent nor reserved.
    pub(crate) left: u64,
    /// When the period ends. None: waiting brings nothing, because it never does, or the limit is too low for the request.
    pub(crate) until: Option<u64>,
}

/// A reservation that nobody has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) id: String,
    pub(crate) what: String,
    pub(crate) most: Charge,
}

/// What an account holds.
#[derive(Clone, Copy, Default)]
struct Held {
    number: Option<i64>,
    until: Option<i64>,
    spent: [i64; 2],
    reserved: [i64; 2],
}

/// Reserves the most that a request can cost in all of its accounts, or in none.
///
/// # Errors
/// `busy`; `internal` outside of a transaction, and for an id that is taken. The caller rolls back then.
pub(crate) fn reserve(
    db: &Connection,
    reservation: &Reservation<'_>,
    now: u64,
) -> Result<std::result::Result<(), Exhausted>> {
    in_transaction(db)?;
    let Reservation { id, owner, accounts, most, what } = *reservation;
    let mut held = Vec::with_capacity(accounts.len());
    let mut lacks = Vec::new();
    for account in accounts {
        let found = find(db, account)?;
        lacks.extend(wanting(account, &found, most));
        held.push(found);
    }
    // Whoever waits has to wait for the last of them.
    if let Some(longest) = lacks.into_iter().max_by_key(|lack| lack.until.unwrap_or(u64::MAX)) {
        return Ok(Err(longest));
    }
    let (Ok(tokens), Ok(money)) = (i64::try_from(most.tokens), i64::try_from(most.money)) else {
        let unit = if i64::try_from(most.tokens).is_err() { Unit::Tokens } else { Unit::Money };
        let (limit, left) = (read(MOST), read(MOST));
        return Ok(Err(Exhausted { budget: String::new(), per: None, unit, limit, left, until: None }));
    };
    let mut numbers = Vec::with_capacity(accounts.len());
    for (account, held) in accounts.iter().zip(held) {
        numbers.push(match held.number {
            Some(number) if held.until >= account.until.map(stored) || held.until.is_none() => number,
            _ => open(db, account)?,
        });
    }
    numbers.sort_unstable();
    numbers.dedup();
    let of_accounts = serde_json::to_string(&numbers).map_err(|error| Problem::internal().because(error))?;
    db.prepare_cached(
        "INSERT INTO reservations(id, owner, made_at, tokens, money, accounts, what) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((id, owner, stored(now), tokens, money, of_accounts, what))?;
    let mut take = db.prepare_cached(
        "UPDATE accounts SET tokens_reserved = tokens_reserved + ?2, money_reserved = money_reserved + ?3, open = open + 1
        WHERE number = ?1",
    )?;
    for number in numbers {
        take.execute((number, tokens, money))?;
    }
    Ok(Ok(()))
}

/// Charges what was used, or all that was reserved where nobody knows, and gives back the rest, in the periods where it was
/// reserved. Whether there was such a reservation: what was settled before is not settled again.
pub(crate) fn settle(db: &Connection, id: &str, used: Option<Charge>, entry: &Entry<'_>) -> Result<bool> {
    let Some(charged) = charge(db, id, used)? else { return Ok(false) };
    report::add(db, entry, charged, used.is_none())?;
    Ok(true)
}

/// What was charged for that reservation, which is no more then.
pub(super) fn charge(db: &Connection, id: &str, used: Option<Charge>) -> Result<Option<Charge>> {
    in_transaction(db)?;
    let taken: Option<(i64, i64, String)> = db
        .prepare_cached("DELETE FROM reservations WHERE id = ?1 RETURNING tokens, money, accounts")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((tokens, money, of_accounts)) = taken else { return Ok(None) };
    let numbers: Vec<i64> = serde_json::from_str(&of_accounts).map_err(|error| Problem::internal().because(error))?;
    let charged = used.unwrap_or(Charge { tokens: read(tokens), money: read(money) });
    let mut settle = db.prepare_cached(
        "UPDATE accounts SET open = open - 1,
            tokens_reserved = tokens_reserved - ?2, tokens_spent = min(tokens_spent, 9223372036854775807 - ?4) + ?4,
            money_reserved = money_reserved - ?3, money_spent = min(money_spent, 9223372036854775807 - ?5) + ?5
        WHERE number = ?1",
    )?;
    for number in numbers {
        settle.execute((number, tokens, money, stored(charged.tokens), stored(charged.money)))?;
    }
    Ok(Some(charged))
}

/// Reservations of an earlier run of that gateway, the first thousand by id: there are more as long as there are any.
pub(crate) fn orphans(db: &Connection, owner: &str) -> Result<Vec<Orphan>> {
    let orphan = |row: &Row<'_>| {
        let most = Charge { tokens: read(row.get(2)?), money: read(row.get(3)?) };
        Ok(Orphan { id: row.get(0)?, what: row.get(1)?, most })
    };
    let of_owner = "SELECT id, what, tokens, money FROM reservations WHERE owner = ?1 ORDER BY id LIMIT ?2";
    let mut of_owner = db.prepare_cached(of_owner)?;
    Ok(of_owner.query_map((owner, ORPHANS), orphan)?.collect::<rusqlite::Result<_>>()?)
}

fn find(db: &Connection, account: &Account) -> Result<Held> {
    let held = |row: &Row<'_>| {
        let (number, until) = (row.get(0)?, row.get(1)?);
        Ok(Held { number, until, spent: [row.get(2)?, row.get(3)?], reserved: [row.get(4)?, row.get(5)?] })
    };
    let found = db
        .prepare_cached(
            "SELECT number, until, tokens_spent, money_spent, tokens_reserved, money_reserved FROM accounts
            WHERE holder = ?1 AND budget = ?2 AND kind = ?3 AND period = ?4 AND since = ?5",
        )?
        .query_row(key(account), held)
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// The number of an account that is new, or that lasts longer than it was known to.
fn open(db: &Connection, account: &Account) -> Result<i64> {
    let (holder, budget, kind, period, since) = key(account);
    Ok(db
        .prepare_cached(
            "INSERT INTO accounts(holder, budget, kind, period, since, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT(holder, budget, kind, period, since) DO UPDATE SET until = max(until, excluded.until)
            RETURNING number",
        )?
        .query_row((holder, budget, kind, period, since, account.until.map(stored)), |row| row.get(0))?)
}

fn key(account: &Account) -> (&str, &str, i64, i64, i64) {
    (&account.holder, &account.budget, account.kind(), account.period.code(), stored(account.from))
}

/// What of an account does not cover that much more.
fn wanting(account: &Account, held: &Held, most: Charge) -> impl Iterator<Item = Exhausted> {
    let units = [(Unit::Tokens, account.tokens, most.tokens), (Unit::Money, account.money, most.money)];
    units.into_iter().zip(held.spent).zip(held.reserved).filter_map(|(((unit, limit, most), spent), reserved)| {
        // Without a limit, what is reserved still has to be a number that can be given back.
        let spent = if limit.is_some() { spent } else { 0 };
        let bound = limit.map_or(MOST, stored);
        let taken = spent.checked_add(reserved);
        let all = taken.and_then(|taken| taken.checked_add(i64::try_from(most).ok()?));
        let fits = all.is_some_and(|all| all <= bound);
        let begins_anew = account.period != Period::Total && most <= read(bound);
        (!fits).then(|| Exhausted {
            budget: account.budget.clone(),
            per: account.per,
            unit,
            limit: read(bound),
            left: read(bound.saturating_sub(taken.unwrap_or(MOST))),
            until: account.until.filter(|_| begins_anew),
        })
    })
}

/// Two of them that read at the same time would both see what is left.
fn in_transaction(db: &Connection) -> Result<()> {
    if db.is_autocommit() {
        Err(Problem::internal().because("a budget is used outside of a transaction"))
    } else {
        Ok(())
    }
}
