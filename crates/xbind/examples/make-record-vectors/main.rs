//! Writes the vectors of what is on record: receipts and logs, the same bytes every time.
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
mod logs;
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

const LOGS: &str = "Logs, each verified as one of `did`, and one that holds `head` where there is one. `line` is where the first \
    fault is found, from 1; where lines are missing at the end, the last. Key: the Ed25519 seed of 32 bytes 9.";

/// Each file's name in vectors/, and its text.
pub fn files() -> [(&'static str, String); 2] {
    let receipts = json!({
        "note": RECEIPTS,
        "caller": forge::caller().did().as_str(),
        "agent": forge::agent().did().as_str(),
        "cases": receipts::cases(),
    });
    let logs = json!({ "note": LOGS, "did": forge::stranger().did().as_str(), "cases": logs::cases() });
    [("receipts.json", text(&receipts)), ("audit.json", text(&logs))]
}

fn text(file: &Value) -> String {
    let mut text = serde_json::to_string_pretty(file).unwrap();
    text.push('\n');
    text
}
