//! A user of an issuer on this machine, and an agent that acts for him.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use xbind::SigningKey;
use xbind_authority::{Config, LogSink};

use super::client::{Request, Response};
use super::issuer::{IssuerKey, IssuerServer};
use super::oauth::{TYPE, form, with};
use super::story::Story;
use super::{Folder, key};

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// Who users' tokens are for.
pub const AUTHORITY: &str = "authority";

pub struct Scene {
    pub story: Story,
    pub issuer: IssuerServer,
    pub key: IssuerKey,
    pub operator_id: String,
    pub operator: SigningKey,
    pub agent: SigningKey,
    folder: Folder,
    /// Lines of the server's log.
    pub log: Arc<Mutex<Vec<String>>>,
}

/// A file with a secret, with that mode.
pub fn secret(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, "open sesame\n").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Scene {
    /// An agent that may `read:*` and `pay.one`, and whose operator maps the user's `read` and `pay`.
    pub fn new() -> Self {
        Self::with(&json!({}))
    }

    /// The same, with more to be said of the issuer.
    pub fn with(more: &Value) -> Self {
        let (folder, issuer, key) = (Folder::new(), IssuerServer::start(), IssuerKey::ed25519(1));
        issuer.publishes(&[("k", &key)]);
        let entry = json!({ "issuer": issuer.url(), "audience": AUTHORITY, "algorithms": ["EdDSA"] });
        let file = folder.join("issuers.json");
        secret(&folder.join("secret"), 0o600);
        std::fs::write(&file, json!({ "issuers": [with(entry, more)] }).to_string()).unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        let mut story = Story::with(|config| {
            config.issuers = Some(file);
            config.log = Some(LogSink(Arc::new(move |line| lines.lock().unwrap().push(line.to_owned()))));
        });
        let (operator_id, operator, agent) = story.begun(&["read:*", "pay.one"]);
        let mut scene = Self { story, issuer, key, operator_id, operator, agent, folder, log };
        scene.allow(&json!({ "read": ["read:*"], "pay": ["pay.*"], "openid": ["read:name"] }));
        scene
    }

    /// What the operator says of the issuer's users.
    pub fn allow(&mut self, scopes: &Value) {
        self.say(&json!({ "issuers": [{ "issuer": self.issuer.url(), "scopes": scopes }] }));
    }

    pub fn say(&mut self, policy: &Value) {
        let path = format!("/v1/operators/{}/exchange", self.operator_id);
        self.story.client.ask(&self.operator, "PUT", &path, Some(policy)).expect(200);
    }

    pub fn restart(&mut self) {
        self.restart_after(|| ());
    }

    /// The same, with something done in between, and clocks that do not differ.
    pub fn restart_after(&mut self, between: impl FnOnce()) {
        self.restart_with(|config| {
            between();
            config.clock_skew = 0;
        });
    }

    /// The same, with something else in its configuration.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut Config)) {
        let file = self.folder.join("issuers.json");
        self.story.restart_with(|config| {
            config.issuers = Some(file);
            change(config);
        });
    }

    /// Claims of a user's token that holds.
    pub fn claims(&self) -> Value {
        let now = xbind_runtime::now();
        json!({ "iss": self.issuer.url(), "sub": "alice", "aud": AUTHORITY, "client_id": "app", "sid": "s1",
            "scope": "read pay", "jti": super::oauth::random(), "iat": now - 5, "exp": now + 600 })
    }

    /// A user's token with claims replaced.
    pub fn user(&self, changes: &Value) -> String {
        self.key.token("k", "at+jwt", &with(self.claims(), changes))
    }

    /// A request by the agent, with parameters replaced or, if empty, left out.
    pub fn request(&self, by: &SigningKey, token: &str, changes: &[(&str, &str)]) -> Request {
        let assertion = self.story.assertion(by);
        let mut all = vec![
            ("grant_type", GRANT),
            ("client_assertion_type", TYPE),
            ("client_assertion", &assertion),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
            ("scope", "read:x"),
            ("audience", "a"),
        ];
        all.retain(|(name, _)| !changes.iter().any(|(other, _)| other == name));
        all.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        form("/oauth/token", &all)
    }

    /// A request by the agent for a token to act for itself.
    pub fn own(&self, by: &SigningKey, audience: &str) -> Request {
        let assertion = self.story.assertion(by);
        let all = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("client_assertion", &assertion),
            ("scope", "read:x"),
            ("audience", audience),
        ];
        form("/oauth/token", &all)
    }

    pub fn exchange(&mut self, token: &str, changes: &[(&str, &str)]) -> Response {
        let request = self.request(&key(2), token, changes);
        self.story.client.send(&request)
    }

    /// The same by a signed request for a token, with members of its body replaced.
    pub fn signed(&mut self, token: &str, scope: &str, changes: &Value) -> Response {
        let agent = key(2);
        let challenge = self.story.challenge(&agent, "a", &[scope]);
        let body = json!({ "challenge": challenge, "audience": "a", "scopes": [scope], "subject_token": token,
            "subject_token_type": ACCESS_TOKEN });
        self.story.client.ask(&agent, "POST", "/v1/tokens", Some(&with(body, changes)))
    }

    #[track_caller]
    pub fn refused(&mut self, token: &str, changes: &[(&str, &str)], error: &str, why: &str) {
        let answer = self.exchange(token, changes);
        let said = answer.json()["error_description"].to_string();
        assert!(answer.error() == error && said.contains(why), "{answer:?} instead of {error}: {why}");
    }

    /// The token that is given for one.
    #[track_caller]
    pub fn token(&mut self, user: &str) -> String {
        self.exchange(user, &[]).expect(200).json()["access_token"].as_str().unwrap().to_owned()
    }

    pub fn standing(&mut self, token: &str) -> String {
        let asked = self.story.client.post("/v1/introspection", &json!({ "token": token })).expect(200).json();
        asked["status"].as_str().unwrap().to_owned()
    }

    /// A logout token with claims replaced.
    pub fn logout(&self, changes: &Value) -> String {
        let now = xbind_runtime::now();
        let claims = json!({ "iss": self.issuer.url(), "aud": AUTHORITY, "iat": now, "exp": now + 120, "sub": "alice", "sid": "s1",
            "jti": super::oauth::random(), "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
        self.key.token("k", "logout+jwt", &with(claims, changes))
    }

    pub fn tell(&mut self, logout: &str) -> Response {
        self.story.client.send(&form("/oauth/backchannel-logout", &[("logout_token", logout)]))
    }
}
