//! Makes statements that no honest signer would make, and the cases around them.

pub use super::jws::*;
use serde_json::{Value, json};
use xbind::cluster::{NKey, Namespace, Role};
use xbind::{Did, Session, SigningKey};

/// 2025-01-01T00:00:00Z.
pub const NOW: u64 = 1_735_689_600;
pub const NAMESPACE: &str = "main";
pub const SESSION: &str = "gIGCg4SFhoeIiYqLjI2Ojw";

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub fn operator() -> SigningKey {
    key(1)
}

pub fn agent() -> SigningKey {
    key(2)
}

pub fn worker() -> SigningKey {
    key(3)
}

pub fn second_operator() -> SigningKey {
    key(4)
}

pub fn stranger() -> SigningKey {
    key(99)
}

/// The connection of the agent's host.
pub fn host() -> NKey {
    NKey::of(Role::User, key(5).verifying_key())
}

pub fn session() -> Session {
    Session::parse(SESSION).unwrap()
}

pub fn namespace() -> Namespace {
    Namespace::parse(NAMESPACE).unwrap()
}

pub fn header_of(did: &Did, typ: &str) -> Object {
    Object::of(&[("alg", quoted("EdDSA")), ("kid", quoted(&kid(did))), ("typ", quoted(typ))])
}

/// The claims under an honest header.
pub fn by(key: &SigningKey, typ: &str, claims: &Object) -> String {
    sign(key, header_of(key.did(), typ).json(), claims.json())
}

/// One kind of statement, honest.
pub struct Kind {
    pub name: &'static str,
    pub typ: &'static str,
    pub signer: SigningKey,
    pub claims: Object,
    /// What is left out may be left out.
    pub optional: &'static [&'static str],
    pub max_ttl: Option<u64>,
}

impl Kind {
    pub fn text(&self, claims: &Object) -> String {
        by(&self.signer, self.typ, claims)
    }

    pub fn honest(&self) -> String {
        self.text(&self.claims)
    }

    pub fn accept(&self, name: &str, why: &str, text: String, is: Value) -> Value {
        json!({ "name": format!("{}-{name}", self.name), "why": why, "statement": self.name, "expect": "accept", "text": text, "is": is })
    }

    pub fn refuse(&self, code: &str, name: &str, why: &str, text: String) -> Value {
        json!({ "name": format!("{}-{name}", self.name), "why": why, "statement": self.name, "expect": "reject", "code": code, "text": text })
    }

    pub fn invalid(&self, name: &str, why: &str, text: String) -> Value {
        self.refuse("INVALID_TOKEN", name, why, text)
    }

    /// One claim of another value, which its grammar does not allow.
    pub fn grammar(&self, name: &str, claim: &str, value: impl ToString) -> Value {
        self.invalid(name, "the grammar of the claim", self.text(&self.claims.set(claim, value)))
    }
}

/// Adds what the verifier is told beside the text.
pub trait With {
    fn with(self, member: &str, value: Value) -> Self;
}

impl With for Value {
    fn with(mut self, member: &str, value: Value) -> Self {
        self[member] = value;
        self
    }
}
