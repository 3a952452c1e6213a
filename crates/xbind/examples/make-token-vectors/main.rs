//! Writes the vectors of tokens, delegations, status lists, rotations, approvals and cards: the same bytes every time.
//!
//! `cargo run -p xbind --example make-token-vectors`, from anywhere in the repository.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a program that makes test data stops at the first surprise"
)]

mod cards;
mod claims;
mod delegation;
mod forge;
mod framing;
mod header;
mod holders;
mod jwks;
#[path = "../vectors/jws.rs"]
mod jws;
#[path = "../vectors/output.rs"]
mod output;
mod policy;
mod presented;
mod quota;
mod statements;
mod status;

use output::text;
use serde_json::{Value, json};

fn main() -> std::io::Result<()> {
    output::write(files())
}

/// Each file's name in vectors/, and its text.
pub fn files() -> Vec<(&'static str, String)> {
    let single =
        [header::cases(), framing::cases(), claims::cases(), holders::cases(), policy::cases(), quota::cases()]
            .concat();
    vec![
        ("token-v1.json", text(&file(TOKENS, single))),
        ("token-delegation.json", text(&file(TOKENS, delegation::cases()))),
        ("token-status-list.json", text(&json!({ "note": LISTS, "now": forge::NOW, "cases": status::cases() }))),
        ("token-rotation.json", text(&json!({ "note": ROTATIONS, "cases": statements::rotations() }))),
        ("token-approval.json", text(&statements::approvals())),
        ("jwk-set.json", text(&json!({ "note": JWKS, "cases": jwks::cases() }))),
        ("cards.json", text(&cards::file())),
        ("presented.json", text(&json!({ "note": PRESENTED, "cases": presented::cases() }))),
    ]
}

const TOKENS: &str = "Tokens, each verified by a fresh verifier for `audience` that trusts `trust`, at `now` unless the \
    case says otherwise: `scopes` must be granted, `presenter` presents it, `revoked` are ids, or DIDs with the last \
    second of issue that is revoked. An accepted token has the properties in `token`'s neighbour `is`. Keys: Ed25519 \
    seeds of 32 equal bytes, operator 1, agent 2, worker 3, helper 4 and so on, stranger 99, the JWKS issuer 50.";
const LISTS: &str = "Status lists, each fetched from `uri` at `now`, of which the signer is asked about `index` at `at`: \
    `evidence` is fresh (with `status`), stale, absent or unreadable; `code` tells why a list was not taken in. Before \
    it, `held` was taken in if it is there.";
const JWKS: &str = "JWK sets; `kids` are those of the usable keys of an accepted one.";
const PRESENTED: &str = "What a call presents beside its body, taken apart: `token` and `approval`, or neither.";
const ROTATIONS: &str = "Rotations of a key; `rotation` is what an accepted one says.";

fn file(note: &str, cases: Vec<Value>) -> Value {
    json!({
        "note": note,
        "now": forge::NOW,
        "audience": forge::AUDIENCE,
        "trust": [forge::operator().did().as_str(), { "issuer": forge::ISSUER, "jwks": forge::jwks() }],
        "cases": cases,
    })
}
