//! Issuers on this machine, and what is made of their users' tokens at a time.

use serde_json::{Value, json};
use xbind_authority::issuers::{Issuers, Kind, Refused, Subject};

use super::Folder;
use super::issuer::IssuerServer;
use super::oauth::with;

pub const NOW: u64 = 1_800_000_000;
pub const AUDIENCE: &str = "https://authority.example";

pub struct World {
    pub runtime: tokio::runtime::Runtime,
    pub issuer: IssuerServer,
    pub issuers: Issuers,
}

impl World {
    /// One issuer that may sign by all algorithms.
    pub fn new() -> Self {
        Self::with(&json!({}))
    }

    pub fn with(more: &Value) -> Self {
        let (folder, issuer) = (Folder::new(), IssuerServer::start());
        let entry = with(
            json!({ "issuer": issuer.url(), "audience": AUDIENCE, "algorithms": ["RS256", "ES256", "EdDSA"] }),
            more,
        );
        let issuers = read(&folder, &json!({ "issuers": [entry] })).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, issuer, issuers }
    }

    pub fn claims(&self) -> Value {
        json!({ "iss": self.issuer.url(), "sub": "alice", "aud": AUDIENCE, "client_id": "app", "jti": "1",
            "scope": "pay read", "iat": NOW - 10, "exp": NOW + 600 })
    }

    pub fn take(&self, token: &str) -> Result<Subject, Refused> {
        self.take_at(token, Kind::AccessToken, NOW)
    }

    pub fn take_at(&self, token: &str, kind: Kind, now: u64) -> Result<Subject, Refused> {
        self.runtime.block_on(self.issuers.subject(token, kind, now))
    }

    #[track_caller]
    pub fn refuses(&self, token: &str, why: &str) {
        match self.take(token) {
            Err(Refused::Token(said, _)) if said.contains(why) => {}
            other => panic!("{other:?} instead of {why:?}"),
        }
    }

    #[track_caller]
    pub fn cannot(&self, token: &str, now: u64, why: &str) {
        match self.take_at(token, Kind::AccessToken, now) {
            Err(Refused::Unavailable(said)) if said.contains(why) => {}
            other => panic!("{other:?} instead of {why:?}"),
        }
    }
}

pub fn read(folder: &Folder, file: &Value) -> Result<Issuers, String> {
    let path = folder.join("issuers.json");
    std::fs::write(&path, file.to_string()).unwrap();
    Issuers::read(Some(&path), xbind_net::Roots::default(), 5).map_err(|fault| fault.to_string())
}

/// One claim replaced; `null` takes it out.
pub fn but(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    with(claims.clone(), &json!({ name: value.into() }))
}
