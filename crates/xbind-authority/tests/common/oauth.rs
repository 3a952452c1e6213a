//! An OAuth client, by hand: forms, and assertions with any header and claims.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use xbind::SigningKey;

use super::client::{Request, Response};
use super::story::Story;

pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub fn random() -> String {
    let mut id = [0; 16];
    xbind_runtime::random(&mut id).unwrap();
    BASE64URL_NOPAD.encode(&id)
}

/// A compact JWS of whatever it is told.
pub fn jws(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let part = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature = BASE64URL_NOPAD.encode(&key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// The claims of an assertion that holds.
pub fn claims(client: &str, audience: &str) -> Value {
    let now = xbind_runtime::now();
    json!({ "iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + 60, "jti": random() })
}

/// JSON with members replaced; `null` takes one out.
pub fn with(mut json: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            json.as_object_mut().unwrap().remove(name);
        } else {
            json[name] = value.clone();
        }
    }
    json
}

pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A form, each parameter as it is told.
pub fn form(target: &str, parameters: &[(&str, &str)]) -> Request {
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let mut request = Request::new("POST", target, None);
    request.fields.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    request.body = pairs.join("&");
    request
}

impl Response {
    /// The code of an OAuth error.
    #[track_caller]
    pub fn error(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.field("cache-control"), Some("no-store"), "{self:?}");
        assert!(self.json()["error_description"].is_string(), "{self:?}");
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }
}

impl Story {
    pub fn assertion(&self, key: &SigningKey) -> String {
        jws(key, &json!({ "alg": "EdDSA" }), &claims(key.did().as_str(), self.server.url()))
    }

    /// A request by that assertion for `read:x` at `a`.
    pub fn asks(&self, assertion: &str) -> Request {
        form(
            "/oauth/token",
            &[
                ("grant_type", "client_credentials"),
                ("client_assertion_type", TYPE),
                ("client_assertion", assertion),
                ("scope", "read:x"),
                ("audience", "a"),
            ],
        )
    }
}
