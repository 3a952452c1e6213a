//! Names: claims, honest and forged.

use super::faults;
use super::forge::*;
use serde_json::{Value, json};
use xbind::cluster::NameDraft;

const CLAIM: &str = "agent-name+jwt";

fn claims() -> Object {
    Object::of(&[
        ("iss", quoted(agent().did().as_str())),
        ("aud", quoted(NAMESPACE)),
        ("iat", NOW.to_string()),
        ("name", quoted("team.writer")),
    ])
}

pub fn cases() -> Vec<Value> {
    let kind = Kind { name: "name", typ: CLAIM, signer: agent(), claims: claims(), optional: &[], max_ttl: None };
    let honest = kind.honest();
    let made = NameDraft { name: "team.writer", now: NOW }.sign(&agent(), &namespace()).unwrap();
    let is = json!({ "agent": agent().did().as_str(), "name": "team.writer", "issuedAt": NOW });
    let under = |case: Value, key: &str| case.with("key", json!(key));
    let old = kind.text(&kind.claims.set("iat", 1));
    let mut cases = vec![
        kind.accept("honest", "signed by the agent", honest.clone(), is.clone()),
        kind.accept("made-here", "as this library makes it", made, is.clone()),
        kind.accept("old", "a claim has no end", old, is.clone().with("issuedAt", json!(1))),
        under(kind.accept("under-its-key", "with its full stop spelled", honest.clone(), is), "team=2Ewriter"),
        under(kind.invalid("under-a-subject", "a full stop parts two tokens", honest.clone()), "team.writer"),
        under(kind.invalid("under-lower-case", "a key has one spelling", honest.clone()), "team=2ewriter"),
        under(kind.invalid("under-another-name", "under its own key", honest.clone()), "boss"),
        kind.invalid("tilde", "nothing stands behind it", format!("{honest}~")),
        kind.grammar("name-empty", "name", quoted("")),
        kind.grammar("name-spelled", "name", quoted("team=2Ewriter")),
        kind.grammar("name-wildcard", "name", quoted("*")),
        kind.grammar("name-dot-last", "name", quoted("a.")),
        kind.grammar("name-long", "name", quoted(&"n".repeat(65))),
    ];
    cases.extend(faults::of(&kind));
    cases
}
