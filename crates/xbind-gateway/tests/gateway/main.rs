//! A gateway over real sockets, between an issuer's agents and servers that say what they are told to.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each part uses some of what is common")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that panics fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod budgets;
mod callers;
mod ends;
mod faults;
mod floods;
mod full;
mod killed;
mod record;
mod requests;
mod story;
mod targets;
