//! Granting rights and handing them on.

use napi_derive::napi;
use xbind::DelegationDraft;
use xbind::rights::DEFAULT_TOKEN_TTL;
use xbind::{ErrorKind, Scope, ScopeSet, SigningKey, StatusRef, TokenDraft};
use xbind_runtime::random;

use super::{did, time};
use crate::convert::{Fallible, fallible, whole};
use crate::identity::KeyRef;

/// What is left out keeps its default, which for a delegation is its parent's.
#[napi(object, object_to_js = false)]
pub struct BindingGrant {
    pub subject: String,
    pub audience: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub ttl: Option<f64>,
    /// The text of a JSON object.
    pub claims: Option<String>,
    pub status: Option<BindingStatus>,
    pub now: Option<f64>,
}

#[napi(object)]
pub struct BindingStatus {
    pub index: f64,
    pub uri: String,
}

impl BindingStatus {
    pub fn to_core(&self) -> StatusRef {
        StatusRef { index: whole(self.index), uri: self.uri.clone() }
    }
}

impl BindingGrant {
    pub fn issue(&self, key: &SigningKey) -> xbind::Result<String> {
        let scopes = ScopeSet::of(self.scopes.as_deref().unwrap_or_default())?;
        let status = self.status.as_ref().map(BindingStatus::to_core);
        xbind::issue(
            key,
            &TokenDraft {
                subject: did(&self.subject)?,
                audience: self.audience.as_deref().unwrap_or_default(),
                scopes: &scopes,
                ttl: self.ttl.map_or(DEFAULT_TOKEN_TTL, whole),
                claims: self.claims.as_deref().unwrap_or("{}"),
                status: status.as_ref(),
                now: time(self.now),
                id: fresh_id()?,
            },
        )
    }

    pub fn delegate(&self, key: &SigningKey, token: &str) -> xbind::Result<String> {
        let scopes = self.scopes.as_ref().map(ScopeSet::of).transpose()?;
        let status = self.status.as_ref().map(BindingStatus::to_core);
        xbind::delegate(
            key,
            token,
            &DelegationDraft {
                subject: did(&self.subject)?,
                audience: self.audience.as_deref(),
                scopes: scopes.as_ref(),
                ttl: self.ttl.map(whole),
                status: status.as_ref(),
                now: time(self.now),
                id: fresh_id()?,
            },
        )
    }
}

pub fn fresh_id() -> xbind::Result<[u8; 16]> {
    let mut id = [0; 16];
    random(&mut id)?;
    Ok(id)
}

/// Whether one scope covers another.
#[napi(catch_unwind)]
pub fn covers(granted: String, needed: String) -> Fallible<bool> {
    fallible(Scope::parse(&granted).and_then(|granted| Ok(granted.covers(Scope::parse(&needed)?))))
}

#[napi(catch_unwind)]
pub fn issue_token(key: &KeyRef, grant: BindingGrant) -> Fallible<String> {
    fallible(key.with(ErrorKind::SignFailed, |key| grant.issue(key)))
}

#[napi(catch_unwind)]
pub fn delegate_token(key: &KeyRef, token: String, grant: BindingGrant) -> Fallible<String> {
    fallible(key.with(ErrorKind::SignFailed, |key| grant.delegate(key, &token)))
}
