//! Makes tokens that no honest issuer would make, and the cases around them.

pub use super::jws::*;
use serde_json::{Value, json};
use xbind::{Did, SigningKey};

/// 2025-01-01T00:00:00Z.
pub const NOW: u64 = 1_735_689_600;
pub const AUDIENCE: &str = "https://api.example";
/// The issuer that is known by its JWK set.
pub const ISSUER: &str = "https://login.example";
pub const ISSUER_KID: &str = "2025-01";
/// Of every root token here.
pub const ID: &str = "AAECAwQFBgcICQoLDA0ODw";

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

pub fn stranger() -> SigningKey {
    key(99)
}

pub fn issuer() -> SigningKey {
    key(50)
}

pub fn jwks() -> Value {
    let x = encode(issuer().did().public_key());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": ISSUER_KID, "x": x }] })
}

impl Object {
    /// These members, and then the other's.
    pub fn and(&self, other: &Self) -> Self {
        Self([self.0.clone(), other.0.clone()].concat())
    }
}

pub fn header_of(did: &Did, typ: &str) -> Object {
    Object::of(&[("alg", quoted("EdDSA")), ("kid", quoted(&kid(did))), ("typ", quoted(typ))])
}

pub fn header() -> Object {
    header_of(operator().did(), "at+jwt")
}

/// The operator's honest grant to the agent.
pub fn claims() -> Object {
    claims_of(operator().did().as_str(), agent().did().as_str())
}

pub fn claims_of(issuer: &str, subject: &str) -> Object {
    Object::of(&[
        ("iss", quoted(issuer)),
        ("sub", quoted(subject)),
        ("aud", quoted(AUDIENCE)),
        ("client_id", quoted(subject)),
        ("iat", NOW.to_string()),
        ("exp", (NOW + 3600).to_string()),
        ("jti", quoted(ID)),
        ("scope", quoted("invoice.* read:payments")),
    ])
}

pub fn token() -> String {
    with_claims(&claims())
}

/// The operator's token with these claims, under an honest header.
pub fn with_claims(claims: &Object) -> String {
    sign(&operator(), header().json(), claims.json())
}

/// The operator's honest claims under this header.
pub fn with_header(header: impl AsRef<[u8]>) -> String {
    sign(&operator(), header, claims().json())
}

/// A token by the JWKS issuer.
pub fn external(claims: &Object) -> String {
    let header = Object::of(&[("alg", quoted("EdDSA")), ("kid", quoted(ISSUER_KID)), ("typ", quoted("at+jwt"))]);
    sign(&issuer(), header.json(), claims.json())
}

pub fn accept(name: &str, why: &str, token: String) -> Value {
    json!({ "name": name, "why": why, "expect": "accept", "token": token })
}

pub fn refuse(code: &str, name: &str, why: &str, token: String) -> Value {
    json!({ "name": name, "why": why, "expect": "reject", "code": code, "token": token })
}

pub fn invalid(name: &str, why: &str, token: String) -> Value {
    refuse("INVALID_TOKEN", name, why, token)
}

/// Adds what the verifier is told beside the token.
pub trait With {
    fn with(self, member: &str, value: Value) -> Self;
}

impl With for Value {
    fn with(mut self, member: &str, value: Value) -> Self {
        self[member] = value;
        self
    }
}
