//! Tokens as an issuer makes them, and as agents hand them on.

use xbind::{
    DelegationDraft, Did, DpopRequest, ScopeSet, SigningKey, StatusRef, TokenDraft, delegate, dpop_proof, issue,
};

pub const AUDIENCE: &str = "https://llm.example";
/// What most agents may.
pub const SCOPES: &str = "llm:read model:gpt";

/// A token with something special.
pub struct Special<'a> {
    pub audience: &'a str,
    pub scopes: &'a str,
    pub bound_to: Option<&'a str>,
    pub person: Option<(&'a str, &'a str)>,
    pub status: Option<&'a StatusRef>,
    pub now: u64,
    pub ttl: u64,
}

impl Default for Special<'_> {
    fn default() -> Self {
        Self {
            audience: AUDIENCE,
            scopes: SCOPES,
            bound_to: None,
            person: None,
            status: None,
            now: xbind_runtime::now(),
            ttl: 600,
        }
    }
}

impl Special<'_> {
    pub fn token(&self, issuer: &SigningKey, subject: &Did) -> String {
        let draft = TokenDraft {
            subject: *subject,
            audience: self.audience,
            scopes: &ScopeSet::parse(self.scopes).unwrap(),
            ttl: self.ttl,
            quota: None,
            claims: "{}",
            cnf_jkt: self.bound_to,
            on_behalf_of: self.person,
            status: self.status,
            now: self.now,
            id: super::bytes(),
        };
        issue(issuer, &draft).unwrap()
    }
}

pub fn handed_on(holder: &SigningKey, token: &str, to: &Did, scopes: &str) -> String {
    published(holder, token, to, scopes, None)
}

/// Handed on, with the address where the holder says that he publishes whether it still stands.
pub fn published(holder: &SigningKey, token: &str, to: &Did, scopes: &str, status: Option<&StatusRef>) -> String {
    let scopes = ScopeSet::parse(scopes).unwrap();
    let draft = DelegationDraft {
        quota: None,
        subject: *to,
        audience: None,
        scopes: Some(&scopes),
        ttl: None,
        status,
        now: xbind_runtime::now(),
        id: super::bytes(),
    };
    delegate(holder, token, &draft).unwrap()
}

pub fn proof(key: &SigningKey, method: &str, url: &str, token: &str) -> String {
    dpop_proof(key, &DpopRequest { method, url, token: Some(token) }, super::bytes(), xbind_runtime::now()).unwrap()
}
