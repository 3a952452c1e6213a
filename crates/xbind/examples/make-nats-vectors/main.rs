//! Writes the vectors of what travels over NATS: the same bytes every time.
//!
//! `cargo run -p xbind --example make-nats-vectors`, from anywhere in the repository.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a program that makes test data stops at the first surprise"
)]

mod connections;
mod encryption;
mod faults;
mod forge;
mod histories;
#[path = "../vectors/jws.rs"]
mod jws;
mod mail;
mod mailboxes;
mod names;
#[path = "../vectors/output.rs"]
mod output;
mod presence;
mod spelling;
mod stops;

use forge::{NAMESPACE, NOW, operator};
use output::text;
use serde_json::{Value, json};
use xbind::cluster::{NKey, Role};

fn main() -> std::io::Result<()> {
    output::write(files())
}

/// Each file's name in vectors/, and its text.
pub fn files() -> Vec<(&'static str, String)> {
    let statements: Vec<Value> = [
        presence::cases(),
        names::cases(),
        mailboxes::cases(),
        stops::cases(),
        stops::heartbeats(),
        connections::cases(),
    ]
    .concat();
    let file = json!({
        "note": NOTE,
        "now": NOW,
        "skew": 30,
        "namespace": NAMESPACE,
        "operators": [operator().did().as_str()],
        "statements": statements,
        "histories": histories::cases(),
        "account": NKey::of(Role::Account, forge::key(7).verifying_key()).as_str(),
        "requests": connections::requests(),
        "answers": connections::answers(),
        "mail": mail::file(),
        "encryption": encryption::file(),
        "names": spelling::names(),
        "dids": spelling::dids(),
        "nkeys": spelling::nkeys(),
    });
    vec![("nats.json", text(&file))]
}

const NOTE: &str = "What travels over NATS. `statements` are verified by themselves at `now`, in `namespace`, with these `operators` \
    and a skew of 30 s, unless the case says otherwise; with `key`, as what stands under that key. An accepted one says what `is` \
    holds. `histories` are what one reader of stops is given, step by step: the `code` of each step, and after it how agents and \
    tokens stand. `requests` are what servers ask about connections to `account`, each of a reader who has used no statement, but those of \
    the case `after`; `at` is where it fails, when the request is verified or when its connection is admitted. `answers` are what follows \
    from one of them: subjects, and the words of the account. `mail` are messages as in message-v1.json, to `self`, who takes mail \
    that lives `maxMailSeconds`; `seen` is the key under which the first is noted. `encryption` has messages alike, \
    to a recipient that `offers` or `requires` the key of that digest, and known answers: `ikm` is what the recipient's key is made of, \
    `randomness` what the encapsulated one is made of, `secret` what answers are encrypted under; `wrong` are bodies that do not open. `names` and `dids` are tokens of subjects and what they spell (none where there is only one of the two). `nkeys` are \
    keys as NATS spells them. Keys: Ed25519 seeds of 32 equal bytes, operator 1, agent 2, worker 3, second operator 4, host 5, \
    account 7, server 8, stranger 99.";
