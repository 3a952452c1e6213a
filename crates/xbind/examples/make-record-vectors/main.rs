//! Writes the vectors of what is on record: receipts, the same bytes every time.
//!
//! `cargo run -p xbind --example make-record-vectors`, from anywhere in the repository.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a program that makes test data stops at the first surprise"
)]

mod forge;
mod receipts;

use serde_json::{Value, json};
use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    files().into_iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}

const RECEIPTS: &str = "Receipts: a call and what answered it, each verified for `caller` and `agent`. `requests` and `results` \
    are what is said to be the bodies, in UTF-8; each is compared. `shows` is what an accepted one shows. Keys: Ed25519 seeds \
    of 32 equal bytes, caller 1, agent 2, stranger 9.";

/// Each file's name in vectors/, and its text.
pub fn files() -> [(&'static str, String); 1] {
    let receipts = json!({
        "note": RECEIPTS,
        "caller": forge::caller().did().as_str(),
        "agent": forge::agent().did().as_str(),
        "cases": receipts::cases(),
    });
    [("receipts.json", text(&receipts))]
}

fn text(file: &Value) -> String {
    let mut text = serde_json::to_string_pretty(file).unwrap();
    text.push('\n');
    text
}
