//! Granting rights and handing them on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xbind::rights::DEFAULT_TOKEN_TTL;
use xbind::{DelegationDraft, Quota, Result, Scope, ScopeSet, StatusRef, TokenDraft};

use crate::did::did;
use crate::key::{Key, fresh_bytes};
use crate::number::Whole;

/// What is left out keeps its default, which for a delegation is its parent's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The DID that may use it.
    pub subject: String,
    /// For whom it counts.
    pub audience: Option<String>,
    /// What it grants.
    pub scopes: Option<Vec<String>>,
    /// Limits by their names.
    pub quota: Option<BTreeMap<String, Whole>>,
    /// Its life in seconds.
    pub ttl: Option<Whole>,
    /// The text of a JSON object.
    pub claims: Option<String>,
    /// Where its status is published.
    pub status: Option<Status>,
    /// The system's time by default.
    pub now: Option<Whole>,
}

/// For whom somebody acts, by the word of a token's issuer.
#[derive(Debug, Serialize)]
pub struct OnBehalfOf {
    /// Who knows the subject by that name.
    pub issuer: String,
    /// Its name there.
    pub subject: String,
}

/// A place in a status list.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The place.
    pub index: Whole,
    /// Where the list is published.
    pub uri: String,
}

impl From<&Status> for StatusRef {
    fn from(Status { index, uri }: &Status) -> Self {
        Self { index: index.0, uri: uri.clone() }
    }
}

impl From<&StatusRef> for Status {
    fn from(status: &StatusRef) -> Self {
        Self { index: Whole(status.index), uri: status.uri.clone() }
    }
}

impl Grant {
    /// Issues a token.
    ///
    /// # Errors
    /// Those of [`xbind::issue`], and `SIGN_FAILED`.
    pub fn issue(key: &Key, grant: &Self) -> Result<String> {
        key.sign(|key| {
            let scopes = ScopeSet::of(grant.scopes.as_deref().unwrap_or_default())?;
            let quota = grant.quota()?;
            let status = grant.status.as_ref().map(StatusRef::from);
            let draft = TokenDraft {
                subject: did(&grant.subject)?,
                audience: grant.audience.as_deref().unwrap_or_default(),
                scopes: &scopes,
                quota: quota.as_ref(),
                ttl: grant.ttl.map_or(DEFAULT_TOKEN_TTL, |Whole(ttl)| ttl),
                claims: grant.claims.as_deref().unwrap_or("{}"),
                cnf_jkt: None,
                on_behalf_of: None,
                status: status.as_ref(),
                now: grant.now.map_or_else(xbind_runtime::now, |Whole(now)| now),
                id: fresh_bytes()?,
            };
            xbind::issue(key, &draft)
        })
    }

    /// Hands a token on.
    ///
    /// # Errors
    /// Those of [`xbind::delegate`], and `SIGN_FAILED`.
    pub fn delegate(key: &Key, token: &str, grant: &Self) -> Result<String> {
        key.sign(|key| {
            let scopes = grant.scopes.as_ref().map(ScopeSet::of).transpose()?;
            let quota = grant.quota()?;
            let status = grant.status.as_ref().map(StatusRef::from);
            let draft = DelegationDraft {
                subject: did(&grant.subject)?,
                audience: grant.audience.as_deref(),
                scopes: scopes.as_ref(),
                quota: quota.as_ref(),
                ttl: grant.ttl.map(|Whole(ttl)| ttl),
                status: status.as_ref(),
                now: grant.now.map_or_else(xbind_runtime::now, |Whole(now)| now),
                id: fresh_bytes()?,
            };
            xbind::delegate(key, token, &draft)
        })
    }

    fn quota(&self) -> Result<Option<Quota>> {
        let limits = |limits: &BTreeMap<String, Whole>| Quota::of(limits.iter().map(|(name, most)| (name, most.0)));
        self.quota.as_ref().map(limits).transpose()
    }
}

/// Whether one scope covers another.
///
/// # Errors
/// `INVALID_CONFIG` for what is no scope.
pub fn covers(granted: &str, needed: &str) -> Result<bool> {
    Ok(Scope::parse(granted)?.covers(Scope::parse(needed)?))
}
