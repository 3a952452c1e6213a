//! Writes the message vectors: known answers and refusals, the same bytes every time.
//!
//! `cargo run -p xbind --example make-vectors`, from anywhere in the repository.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a program that makes test data stops at the first surprise"
)]

mod accepted;
mod batch;
mod claims;
mod details;
mod encrypted;
mod envelope;
mod forge;
mod framing;
#[path = "../vectors/jws.rs"]
mod jws;
mod mail;
mod order;
#[path = "../vectors/output.rs"]
mod output;
mod sessions;

use output::text;

fn main() -> std::io::Result<()> {
    output::write(files())
}

/// Each file's name in vectors/, and its text.
pub fn files() -> [(&'static str, String); 2] {
    let cases = [
        accepted::cases(),
        framing::cases(),
        envelope::cases(),
        claims::cases(),
        order::cases(),
        details::cases(),
        sessions::cases(),
        mail::cases(),
        encrypted::cases(),
    ]
    .concat();
    let single = forge::File {
        note: "Messages to one recipient, each opened by a fresh verifier at `now` unless the case says otherwise; \
               `after` names a case that this verifier is given first. Keys: RFC 8032 section 7.1, TEST 1 to 3.",
        now: forge::NOW,
        recipient: forge::keys().recipient.did().as_str().to_owned(),
        trees: Vec::new(),
        cases,
    };
    [("message-v1.json", text(&single)), ("message-batch.json", text(&batch::file()))]
}
