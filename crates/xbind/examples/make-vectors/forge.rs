//! Makes messages that no honest sender would make, and the cases around them.

pub use super::jws::*;
use data_encoding::HEXLOWER;
use serde::Serialize;
use xbind::{Did, Digest, SigningKey};

/// 2025-01-01T00:00:00Z.
pub const NOW: u64 = 1_735_689_600;
/// The body of most cases.
pub const BODY: &str = r#"{"task":"write-summary","topic":"AI trends"}"#;

#[derive(Serialize)]
pub struct File {
    pub note: &'static str,
    pub now: u64,
    #[serde(rename = "self")]
    pub recipient: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trees: Vec<super::batch::TreeAnswer>,
    pub cases: Vec<Case>,
}

/// One message, and what its recipient must say.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    pub name: &'static str,
    pub why: &'static str,
    pub expect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tracked_messages: Option<usize>,
    /// Whose messages are taken, if not everybody's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<String>,
    /// The recipient's session, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<&'static str>,
    pub jws: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_utf8: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_hex: Option<String>,
}

/// The call that the recipient still waits for.
#[derive(Clone, Serialize)]
pub struct Pending {
    pub jti: &'static str,
    pub to: String,
    pub jws: String,
}

/// The call that the recipient works on.
#[derive(Clone, Serialize)]
pub struct Running {
    pub jti: &'static str,
    pub from: String,
    pub jws: String,
}

pub fn accept(name: &'static str, why: &'static str, jws: String) -> Case {
    Case {
        name,
        why,
        expect: "accept",
        code: None,
        after: None,
        now: None,
        clock_skew_seconds: None,
        max_lifetime_seconds: None,
        max_body_bytes: None,
        max_tracked_messages: None,
        allow: Vec::new(),
        revoked: Vec::new(),
        session: None,
        pending: None,
        running: None,
        token: None,
        jws,
        body_utf8: Some(BODY.to_owned()),
        body_hex: None,
    }
}

pub fn refuse(code: &'static str, name: &'static str, why: &'static str, jws: String) -> Case {
    Case { expect: "reject", code: Some(code), ..accept(name, why, jws) }
}

impl Case {
    pub fn body(self, text: &str) -> Self {
        Self { body_utf8: Some(text.to_owned()), ..self }
    }

    pub fn bytes(self, bytes: &[u8]) -> Self {
        Self { body_utf8: None, body_hex: Some(HEXLOWER.encode(bytes)), ..self }
    }

    pub fn after(self, name: &'static str) -> Self {
        Self { after: Some(name), ..self }
    }

    pub fn at(self, now: u64) -> Self {
        Self { now: Some(now), ..self }
    }

    pub fn token(self, token: &'static str) -> Self {
        Self { token: Some(token), ..self }
    }
}

/// The three parties.
pub struct Keys {
    pub sender: SigningKey,
    pub recipient: SigningKey,
    pub stranger: SigningKey,
}

/// RFC 8032 section 7.1, TEST 1 to 3.
pub fn keys() -> Keys {
    let key = |seed: &str| {
        let seed = HEXLOWER.decode(seed.as_bytes()).unwrap();
        SigningKey::from_seed(&seed.try_into().unwrap())
    };
    Keys {
        sender: key("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
        recipient: key("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
        stranger: key("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
    }
}

pub fn header(did: &Did) -> Object {
    Object::of(&[("alg", quoted("EdDSA")), ("kid", quoted(&kid(did))), ("typ", quoted("agent-msg+jwt"))])
}

impl Object {
    pub fn reversed(&self) -> Self {
        Self(self.0.iter().rev().cloned().collect())
    }
}

/// The claims of the known answer.
pub fn claims(from: &Did, to: &Did) -> Object {
    claims_for(from, to, BODY.as_bytes(), "application/json")
}

pub fn claims_for(from: &Did, to: &Did, body: &[u8], content_type: &str) -> Object {
    Object::of(&[
        ("v", "1".to_owned()),
        ("op", quoted("call")),
        ("iss", quoted(from.as_str())),
        ("aud", quoted(to.as_str())),
        ("jti", quoted("AAECAwQFBgcICQoLDA0ODw")),
        ("iat", NOW.to_string()),
        ("exp", (NOW + 30).to_string()),
        ("pt", quoted(content_type)),
        ("pl", body.len().to_string()),
        ("pd", quoted(&format!("sha-256:{}", encode(Digest::of(body).as_bytes())))),
    ])
}

/// The sender's message with these claims, under an honest header.
pub fn with_claims(claims: &Object) -> String {
    let sender = keys().sender;
    sign(&sender, header(sender.did()).json(), claims.json())
}

/// The sender's honest claims under this header.
pub fn with_header(header: impl AsRef<[u8]>) -> String {
    let keys = keys();
    sign(&keys.sender, header, claims(keys.sender.did(), keys.recipient.did()).json())
}
