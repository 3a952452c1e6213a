//! A signer that signs anything, and requests that can be wrong in one place only.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use xbind::SigningKey;

pub const NOW: u64 = 1_800_000_000;
pub const AUTHORITY: &str = "api.example";
pub const NONCE: &str = "AAECAwQFBgcICQoLDA0ODw";
pub const BODY: &str = r#"{"amount":12}"#;

pub fn sender() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub fn server() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub fn stranger() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

pub fn digest(body: &str) -> String {
    format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(body)))
}

#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub scheme: &'static str,
    pub authority: Option<String>,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

pub fn get(target: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        scheme: "https",
        authority: None,
        target: target.to_owned(),
        headers: vec![("Host".to_owned(), AUTHORITY.to_owned())],
        body: None,
    }
}

pub fn post() -> Request {
    let request = Request { method: "POST".to_owned(), body: Some(BODY.to_owned()), ..get("/orders?draft=1") };
    request.with("Content-Type", "application/json").with("Content-Digest", &digest(BODY))
}

impl Request {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another value for a field.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)).unwrap().1 = value.to_owned();
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub fn value(&self, name: &str) -> Option<String> {
        let all: Vec<_> =
            self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    pub fn json(&self) -> Value {
        let mut request =
            json!({ "method": self.method, "scheme": self.scheme, "target": self.target, "headers": self.headers });
        if let Some(authority) = &self.authority {
            request["authority"] = json!(authority);
        }
        if let Some(body) = &self.body {
            request["bodyUtf8"] = json!(body);
        }
        request
    }

    pub fn component(&self, name: &str) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let authority = || self.authority.clone().or_else(|| self.value("host")).unwrap_or_default().to_lowercase();
        match name {
            "@method" => self.method.clone(),
            "@authority" => authority(),
            "@path" => path.to_owned(),
            "@query" => format!("?{query}"),
            "@scheme" => self.scheme.to_owned(),
            "@request-target" => self.target.clone(),
            "@target-uri" => format!("{}://{}{}", self.scheme, authority(), self.target),
            name => self.value(name).unwrap_or_default(),
        }
    }
}

/// How a signature is made: each part can be another.
pub struct Signing {
    pub label: &'static str,
    /// Identifiers as they stand in the list, and their values.
    pub components: Vec<(String, String)>,
    pub params: Vec<(&'static str, String)>,
    pub key: SigningKey,
}

pub fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// As the profile wants it.
pub fn signing(request: &Request) -> Signing {
    let present =
        ["content-digest", "content-type", "content-encoding", "authorization", "xbind-token", "xbind-approval"];
    let names = ["@method", "@authority", "@path", "@query"].into_iter();
    let names = names.chain(present.into_iter().filter(|name| request.value(name).is_some()));
    let key = sender();
    Signing {
        label: "xbind",
        components: names.map(|name| (quoted(name), request.component(name))).collect(),
        params: vec![
            ("created", NOW.to_string()),
            ("expires", (NOW + 60).to_string()),
            ("nonce", quoted(NONCE)),
            ("keyid", quoted(key.did().as_str())),
            ("alg", quoted("ed25519")),
            ("tag", quoted("xbind")),
        ],
        key,
    }
}

impl Signing {
    pub fn set(mut self, name: &'static str, value: impl ToString) -> Self {
        match self.params.iter_mut().find(|(other, _)| *other == name) {
            Some(param) => param.1 = value.to_string(),
            None => self.params.push((name, value.to_string())),
        }
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.params.retain(|(other, _)| *other != name);
        self
    }

    pub fn uncover(mut self, name: &str) -> Self {
        self.components.retain(|(other, _)| *other != quoted(name));
        self
    }

    pub fn cover(mut self, identifier: &str, value: &str) -> Self {
        self.components.push((identifier.to_owned(), value.to_owned()));
        self
    }

    pub fn covering(self, request: &Request, name: &str) -> Self {
        let value = request.component(name);
        self.cover(&quoted(name), &value)
    }

    pub fn by(self, key: SigningKey) -> Self {
        Self { key, ..self }
    }

    pub fn label(self, label: &'static str) -> Self {
        Self { label, ..self }
    }

    fn input(&self) -> String {
        let names: Vec<_> = self.components.iter().map(|(name, _)| name.as_str()).collect();
        let params: String = self
            .params
            .iter()
            .map(|(key, value)| if value.is_empty() { format!(";{key}") } else { format!(";{key}={value}") })
            .collect();
        format!("({}){params}", names.join(" "))
    }

    pub fn base(&self) -> String {
        let lines: String = self.components.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{lines}\"@signature-params\": {}", self.input())
    }

    /// The members of `Signature-Input` and `Signature`.
    pub fn members(&self) -> (String, String) {
        let signature = BASE64.encode(&self.key.sign(self.base().as_bytes()));
        (format!("{}={}", self.label, self.input()), format!("{}=:{signature}:", self.label))
    }

    pub fn on(&self, request: Request) -> Request {
        let (input, signature) = self.members();
        request.with("Signature-Input", &input).with("Signature", &signature)
    }
}

/// A request, signed as it should be.
pub fn signed(request: Request) -> Request {
    signing(&request).on(request)
}

pub fn case(name: &str, why: &str, request: &Request) -> Value {
    json!({ "name": name, "why": why, "expect": "accept", "request": request.json() })
}

pub fn accept(name: &str, why: &str, request: &Request) -> Value {
    let mut case = case(name, why, request);
    case["is"] = json!({ "from": sender().did().as_str(), "nonce": NONCE });
    case
}

pub fn refuse(code: &str, name: &str, why: &str, request: &Request) -> Value {
    let mut case = case(name, why, request);
    case["expect"] = json!("reject");
    case["code"] = json!(code);
    case
}

pub const MALFORMED: &str = "MALFORMED_MESSAGE";
pub const INVALID: &str = "INVALID_SIGNATURE";

/// The test key of RFC 9421, B.1.4.
pub fn rfc_key() -> SigningKey {
    let seed = BASE64URL_NOPAD.decode(b"n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU").unwrap();
    SigningKey::from_seed(&seed.try_into().unwrap())
}

pub fn digest512(body: &str) -> String {
    format!("sha-512=:{}:", BASE64.encode(&sha2::Sha512::digest(body)))
}
