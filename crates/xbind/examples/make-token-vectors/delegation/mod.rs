//! Chains, honest and forged.

mod asked;
mod forged;
mod parents;
mod people;
mod quota;
mod rights;

use super::forge::*;
use serde_json::{Value, json};
use xbind::{DelegationDraft, ScopeSet, SigningKey, delegate};

const TYPE: &str = "agent-deleg+jwt";

pub fn cases() -> Vec<Value> {
    [
        rights::accepted(),
        rights::refused(),
        people::refused(),
        people::acts(),
        parents::cases(),
        forged::cases(),
        asked::cases(),
        quota::accepted(),
        quota::refused(),
    ]
    .concat()
}

fn broken(name: &str, why: &str, token: String) -> Value {
    refuse("INVALID_DELEGATION", name, why, token)
}

/// The claims of an honest link from one to the other.
fn link(from: &SigningKey, to: &SigningKey, act: &str, parent: &str) -> Object {
    Object::of(&[
        ("iss", quoted(from.did().as_str())),
        ("sub", quoted(to.did().as_str())),
        ("aud", quoted(AUDIENCE)),
        ("iat", (NOW + 1).to_string()),
        ("exp", (NOW + 3000).to_string()),
        ("jti", quoted("EBESExQVFhcYGRobHB0eHw")),
        ("scope", quoted("invoice.read")),
        ("act", act.to_owned()),
        ("prf", quoted(parent)),
    ])
}

/// The `act` of a chain to these, the last of them first.
fn act(subjects: &[&SigningKey]) -> String {
    let sub = |key: &SigningKey| quoted(key.did().as_str());
    match subjects {
        [] => String::new(),
        [first] => format!(r#"{{"sub":{}}}"#, sub(first)),
        [last, rest @ ..] => format!(r#"{{"sub":{},"act":{}}}"#, sub(last), act(rest)),
    }
}

fn signed(key: &SigningKey, claims: &Object) -> String {
    sign(key, header_of(key.did(), TYPE).json(), claims.json())
}

/// The agent's honest link to the worker.
fn honest() -> Object {
    link(&agent(), &worker(), &act(&[&worker(), &agent()]), &token())
}

fn by_agent(claims: &Object) -> String {
    signed(&agent(), claims)
}

/// Delegates down from the agent to keys 3, 4, ….
fn chain(token: String, links: u8) -> String {
    (0..links).fold(token, |token, n| delegated(&token, 2 + n, 3 + n, None))
}

fn delegated(token: &str, from: u8, to: u8, scopes: Option<&str>) -> String {
    let scopes = scopes.map(|scopes| ScopeSet::parse(scopes).unwrap());
    let draft = DelegationDraft {
        subject: *key(to).did(),
        audience: None,
        scopes: scopes.as_ref(),
        quota: None,
        ttl: None,
        status: None,
        now: NOW,
        id: [to; 16],
    };
    delegate(&key(from), token, &draft).unwrap()
}
