//! What may be spent, and what was: the most that a request can cost is reserved in every account that it concerns, in all of
//! them or in none, before anything is forwarded; settling gives back what was not used. Everything here happens within a
//! transaction that its caller has begun with `BEGIN IMMEDIATE`, so that several gateways share one file.
//!
//! | file | what |
//! | --- | --- |
//! | `account` | which accounts a request concerns |
//! | `period` | from when to when one counts |
//! | `ledger` | what is reserved and spent in them |
//! | `once` | what counts once |
//! | `report` | what agents, people and models have used, by the hour |
//! | `schema` | the tables, and what of them is over |

mod account;
mod ledger;
mod once;
mod period;
mod report;
mod schema;

pub(crate) use account::{Account, Budget, Holders, Per, Quota, accounts};
pub(crate) use ledger::{Charge, Exhausted, Orphan, Reservation, Unit, orphans, reserve, settle};
pub(crate) use once::claim;
pub(crate) use period::Period;
pub use report::{By, Question, Row, Step};
pub(crate) use report::{Entry, note, usage};
pub(crate) use schema::{KEEP, migrate, purge};

#[cfg(test)]
mod tests;

/// The most that an amount can be: what SQLite holds.
const MOST: i64 = i64::MAX;

/// An amount or a time as it is stored: what is beyond that counts as the most there is.
fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(MOST)
}

/// And back.
fn read(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
