//! An OAuth client, by hand: forms, and assertions with any header and claims.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use xbind::{DpopRequest, SigningKey, dpop_proof};

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

/// Header or claims of one.
pub fn part(jws: &str, n: usize) -> Value {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(jws.split('.').nth(n).unwrap().as_bytes()).unwrap()).unwrap()
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

/// A request with a DPoP proof of that key, as it is told.
pub fn with_proof(mut request: Request, proof: &str) -> Request {
    request.fields.push(("dpop".to_owned(), proof.to_owned()));
    request
}

impl Story {
    pub fn token_url(&self) -> String {
        format!("{}/oauth/token", self.server.url())
    }

    /// A DPoP proof of that key for the token endpoint.
    pub fn proof(&self, key: &SigningKey) -> String {
        let url = self.token_url();
        let request = DpopRequest { method: "POST", url: &url, token: None };
        let mut id = [0; 16];
        xbind_runtime::random(&mut id).unwrap();
        dpop_proof(key, &request, id, xbind_runtime::now()).unwrap()
    }

    /// A token for `read:x` at that audience.
    pub fn access_token(&mut self, key: &SigningKey, audience: &str) -> String {
        let assertion = self.assertion(key);
        let request = form("/oauth/token", &asked(&assertion, "read:x", audience));
        self.client.send(&request).expect(200).json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The same for `a`, bound to the agent's key.
    pub fn bound_token(&mut self, key: &SigningKey) -> String {
        let request = with_proof(self.asks(&self.assertion(key)), &self.proof(key));
        let token = self.client.send(&request).expect(200).json();
        assert_eq!(token["token_type"], "DPoP");
        token["access_token"].as_str().unwrap().to_owned()
    }

    pub fn alias(&mut self, agent: &SigningKey) -> String {
        self.client.get(&format!("/v1/agents/{}", agent.did())).json()["alias"].as_str().unwrap().to_owned()
    }

    /// Asks another endpoint about a token, as that agent.
    pub fn about(&mut self, key: &SigningKey, path: &str, token: &str) -> Response {
        let assertion = self.assertion(key);
        let request =
            form(path, &[("client_assertion_type", TYPE), ("client_assertion", &assertion), ("token", token)]);
        self.client.send(&request)
    }

    pub fn assertion(&self, key: &SigningKey) -> String {
        jws(key, &json!({ "alg": "EdDSA" }), &claims(key.did().as_str(), self.server.url()))
    }

    /// A request by that assertion for `read:x` at `a`.
    pub fn asks(&self, assertion: &str) -> Request {
        form("/oauth/token", &asked(assertion, "read:x", "a"))
    }
}

pub fn asked<'a>(assertion: &'a str, scope: &'a str, audience: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
        ("scope", scope),
        ("audience", audience),
    ]
}
