//! Writes the vectors of HTTP message signatures: the same bytes every time, by a signer of its own.
//!
//! `cargo run -p xbind --example make-http-vectors`, from anywhere in the repository.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a program that makes test data stops at the first surprise"
)]

mod approvals;
mod bots;
mod covered;
mod forge;
mod heads;
#[path = "../vectors/output.rs"]
mod output;
mod responses;
mod times;

use serde_json::{Value, json};

fn main() -> std::io::Result<()> {
    output::write([file()])
}

const NOTE: &str = "HTTP requests, each verified by a fresh verifier with `authorities`, at `now` unless the case says \
    otherwise: 5 s of skew, signatures up to 300 s old, bodies up to 1 MiB, or what its `policy` says; `after` names a case \
    that this verifier is given first. Header fields are in their order, none joined; the body is `bodyUtf8` or nothing. A \
    case with a `response` is about that, as the answer to `request` by `from`. Keys: Ed25519 seeds of 32 equal bytes, sender 1, \
    server 2, approver 3, stranger 9; and test-key-ed25519 of RFC 9421, B.1.4. `base` is the signature base of RFC 9421, B.2.6.";

/// The file's name in vectors/, and its text.
pub fn file() -> (&'static str, String) {
    let cases: Vec<Value> =
        [heads::cases(), covered::cases(), times::cases(), bots::cases(), responses::cases(), approvals::cases()]
            .concat();
    let file = json!({
        "note": NOTE,
        "now": forge::NOW,
        "authorities": [forge::AUTHORITY],
        "sender": forge::sender().did().as_str(),
        "server": forge::server().did().as_str(),
        "rfc9421": bots::rfc9421(),
        "approval": approvals::known(),
        "cases": cases,
    });
    ("http.json", output::text(&file))
}

/// The test key of RFC 9421, B.1.4.
pub fn rfc_key() -> xbind::SigningKey {
    forge::rfc_key()
}
