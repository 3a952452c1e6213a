//! Handing rights on, offline: each link carries its parent, and can only be narrower.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::jwk::thumbprint;
use crate::identity::key::{KeyCache, SigningKey, VerifyingKey};
use crate::json::Members;
use crate::message::DEFAULT_SKEW;
use crate::message::jws::UnsignedJws;
use crate::rights::grant::{Grant, LINK_TYPE, MAX_DELEGATION_BYTES, invalid};
use crate::rights::quota::{self, Quota};
use crate::rights::revocation::StatusRef;
use crate::rights::scope::ScopeSet;
use crate::rights::token::{self, DEFAULT_TOKEN_TTL};
use std::sync::Arc;
use std::{iter, mem};

/// How often rights can be handed on.
pub const MAX_DELEGATIONS: usize = 8;

/// A narrower grant to be signed by the subject of the token it derives from.
#[derive(Clone, Copy, Debug)]
pub struct DelegationDraft<'a> {
    /// Who may use it.
    pub subject: Did,
    /// The parent's audience, or `None` for the same: a delegation never changes it.
    pub audience: Option<&'a str>,
    /// Scopes that the parent covers, or `None` for the parent's.
    pub scopes: Option<&'a ScopeSet>,
    /// Limits, none larger than what is held by that name; whatever name is left out, the limit that is held stays.
    pub quota: Option<&'a Quota>,
    /// How long it lives, in seconds, not beyond the parent's expiry; `None` for one hour or until the parent expires.
    pub ttl: Option<u64>,
    /// Where the holder publishes whether the delegation still stands.
    pub status: Option<&'a StatusRef>,
    /// Now, in seconds since the epoch.
    pub now: u64,
    /// Fresh random bytes.
    pub id: [u8; 16],
}

/// Signs a delegation of a token whose subject is the key's DID: a compact JWS of type `agent-deleg+jwt`. Nothing wider
/// is ever cut down to fit: it is refused. So is a token that no verifier could accept, whoever it trusts: what hangs on
/// trust, and a signature by a key of a JWK set, is for the verifier to judge.
///
/// # Errors
/// `INVALID_DELEGATION` if the key is not the subject's, the draft is wider than the token, the chain gets too deep or
/// meets somebody twice, or a link of it is not by its issuer; `TOKEN_EXPIRED`, `TOKEN_NOT_YET_VALID`; `INVALID_TOKEN` if
/// the token cannot be read or is not by its issuer; `INVALID_CONFIG` for a draft outside its bounds, or a result longer
/// than 64 KiB.
pub fn delegate(holder: &SigningKey, token: &str, draft: &DelegationDraft<'_>) -> Result<String> {
    Ok(draft.unsigned(holder.did(), token)?.sign(holder))
}

impl DelegationDraft<'_> {
    /// The delegation before it is signed, for a holder whose key is elsewhere.
    ///
    /// # Errors
    /// As [`delegate`].
    pub fn unsigned(&self, holder: &Did, token: &str) -> Result<UnsignedJws> {
        let chain = Chain::parse(token)?;
        let parent = chain.last();
        if parent.link.subject != holder.as_str() {
            return Err(broken("the token was granted to another than its holder"));
        }
        if chain.delegations.len() >= MAX_DELEGATIONS {
            return Err(too_deep());
        }
        chain.check_genuine()?;
        if chain.meets(self.subject.as_str()) {
            return Err(broken("the subject is in the chain already"));
        }
        if self.audience.is_some_and(|audience| audience != parent.audience) {
            return Err(broken("a delegation cannot change the audience"));
        }
        let scopes = self.scopes.unwrap_or(&parent.scopes);
        check_scopes(&parent.scopes, scopes)?;
        check_quota(chain.grants(), self.quota)?;
        let issued_at = self.now.max(parent.link.issued_at);
        let not_before = chain.grants().map(|grant| grant.not_before).max().unwrap_or(u64::MAX);
        let expires_at = self.expiry(parent, not_before, issued_at)?;

        let mut claims = Members::new();
        claims.text("iss", holder.as_str());
        claims.text("sub", self.subject.as_str());
        claims.text("aud", &parent.audience);
        claims.number("iat", issued_at);
        claims.number("exp", expires_at);
        token::push_id(&mut claims, &self.id);
        token::push_rights(&mut claims, scopes, self.status, self.quota)?;
        claims.raw("act", &chain.act(self.subject.as_str()));
        claims.text("prf", token);
        let link = token::within(MAX_DELEGATION_BYTES, UnsignedJws::new(holder, LINK_TYPE, &claims.finish()))?;
        // Whatever was overlooked above: what no verifier could read is not made.
        Chain::parse(&link.clone().finish(&[0; 64]))?;
        Ok(link)
    }

    fn expiry(&self, parent: &Grant, not_before: u64, issued_at: u64) -> Result<u64> {
        if not_before > self.now.saturating_add(DEFAULT_SKEW) {
            return Err(Error::new(ErrorKind::TokenNotYetValid, "the token to delegate is not valid yet"));
        }
        if issued_at >= parent.expires_at {
            return Err(Error::new(ErrorKind::TokenExpired, "the token to delegate has expired"));
        }
        let Some(ttl) = self.ttl else {
            return Ok(issued_at.saturating_add(DEFAULT_TOKEN_TTL).min(parent.expires_at));
        };
        let expires_at = token::expiry(issued_at, ttl)?;
        if expires_at > parent.expires_at {
            let left = parent.expires_at.saturating_sub(issued_at);
            let why = format!("the delegation would live {ttl} s, its parent only {left} s more");
            return Err(Error::new(ErrorKind::InvalidDelegation, why).with_hint(
                "leave the life out, and it lives as long as its parent; or ask for a token that lives longer",
            ));
        }
        Ok(expires_at)
    }
}

/// Grants that hang together; whether they are genuine is not known yet.
pub(crate) struct Chain {
    pub(crate) root: Grant,
    /// The delegations, in the order in which they were made.
    pub(crate) delegations: Vec<Grant>,
}

impl Chain {
    /// Takes a token apart with all the parents it carries, and checks what each owes to its parent.
    pub(crate) fn parse(token: &str) -> Result<Self> {
        if token.len() > MAX_DELEGATION_BYTES {
            return Err(invalid("the token is longer than 64 KiB"));
        }
        let mut delegations = Vec::new();
        let mut grant = Grant::parse(token.to_owned())?;
        while let Some(parent) = grant.parent.as_mut().map(|parent| mem::take(&mut parent.text)) {
            if delegations.len() >= MAX_DELEGATIONS {
                return Err(too_deep());
            }
            delegations.push(mem::replace(&mut grant, Grant::parse(parent)?));
        }
        delegations.reverse();
        let chain = Self { root: grant, delegations };
        chain.check()?;
        Ok(chain)
    }

    /// The grant that is presented.
    pub(crate) fn last(&self) -> &Grant {
        self.delegations.last().unwrap_or(&self.root)
    }

    pub(crate) fn grants(&self) -> impl DoubleEndedIterator<Item = &Grant> + Clone {
        iter::once(&self.root).chain(&self.delegations)
    }

    fn check(&self) -> Result<()> {
        let mut seen = vec![self.root.link.issuer.as_str(), self.root.link.subject.as_str()];
        if !self.delegations.is_empty() && self.root.link.issuer == self.root.link.subject {
            return Err(broken("somebody is in the chain twice"));
        }
        for (depth, (parent, child)) in self.grants().zip(&self.delegations).enumerate() {
            check_link(parent, child)?;
            check_quota(self.grants().take(depth.saturating_add(1)), child.link.quota.as_ref())?;
            let subject = child.link.subject.as_str();
            if seen.contains(&subject) {
                return Err(broken("somebody is in the chain twice"));
            }
            seen.push(subject);
            let actors = child.parent.as_ref().map_or(&[][..], |parent| &parent.actors);
            // Everybody but the first issuer, who acts for nobody; the last first.
            if !actors.iter().eq(seen.iter().skip(1).rev()) {
                return Err(broken("a delegation's act disagrees with its chain"));
            }
        }
        Ok(())
    }

    /// What can be checked without knowing whom a verifier trusts: every signature by a DID, and who each is.
    fn check_genuine(&self) -> Result<()> {
        let keys = KeyCache::new(64);
        if self.root.link.issuer.starts_with("did:") {
            let key = self.root.did_issuer(&keys)?;
            self.root.check_did_terms(&key, &keys)?;
            self.root.check_signature(&key)?;
        } else {
            self.root.check_named_terms(&keys)?;
        }
        self.check_links(&keys)
    }

    /// Whether each link is by the key of its issuer, and for a DID.
    pub(crate) fn check_links(&self, keys: &KeyCache) -> Result<()> {
        for link in &self.delegations {
            let key = keys.get(&link.link.issuer).ok().filter(|key| link.has_kid_of(key.did()));
            let key = key.ok_or_else(|| broken("a delegation is not by the key of its issuer"))?;
            if !link.is_signed_by(&key) {
                return Err(broken("a delegation is not signed by its issuer"));
            }
            keys.get(&link.link.subject).map_err(|_| broken("a delegation's subject is not a DID"))?;
        }
        Ok(())
    }

    fn meets(&self, did: &str) -> bool {
        self.root.link.issuer == did || self.grants().any(|grant| grant.link.subject == did)
    }

    /// The claim `act` of a delegation to this subject.
    fn act(&self, subject: &str) -> String {
        let subjects = self.grants().map(|grant| grant.link.subject.as_str()).chain([subject]);
        subjects.fold(String::new(), |inner, subject| {
            let mut act = Members::new();
            act.text("sub", subject);
            if !inner.is_empty() {
                act.raw("act", &inner);
            }
            act.finish()
        })
    }
}

/// What a token owes to its issuer, whoever trusts it.
impl Grant {
    /// The key of an issuer that is a DID.
    pub(crate) fn did_issuer(&self, keys: &KeyCache) -> Result<Arc<VerifyingKey>> {
        keys.get(&self.link.issuer).map_err(|_| invalid("the claim iss is not a usable DID"))
    }

    /// Of a token by a DID, whose key this is.
    pub(crate) fn check_did_terms(&self, key: &VerifyingKey, keys: &KeyCache) -> Result<()> {
        if !self.has_kid_of(key.did()) {
            return Err(invalid("the header's kid is not the key of iss"));
        }
        keys.get(&self.link.subject).map_err(|_| invalid("the claim sub is not a DID"))?;
        if self.client.as_ref() != Some(&self.link.subject) {
            return Err(invalid("the claim client_id is not the subject"));
        }
        self.check_binding(keys)
    }

    /// Of a token by an issuer with a JWK set: a DID by another spelling would be a way round its revocation.
    pub(crate) fn check_named_terms(&self, keys: &KeyCache) -> Result<()> {
        if self.link.subject.starts_with("did:key:") {
            keys.get(&self.link.subject).map_err(|_| invalid("the claim sub is not a usable DID"))?;
        }
        self.check_binding(keys)
    }

    /// A key other than that of whoever may use it would be one that nobody here asks for.
    fn check_binding(&self, keys: &KeyCache) -> Result<()> {
        let Some(bound_to) = &self.bound_to else { return Ok(()) };
        let is_its = keys.get(&self.link.subject).is_ok_and(|key| thumbprint(key.did()) == *bound_to);
        if is_its { Ok(()) } else { Err(invalid("the token is bound to another key than that of who may use it")) }
    }

    pub(crate) fn check_signature(&self, key: &VerifyingKey) -> Result<()> {
        if self.is_signed_by(key) { Ok(()) } else { Err(invalid("the token is not signed by its issuer")) }
    }
}

/// Rights only shrink.
fn check_link(parent: &Grant, child: &Grant) -> Result<()> {
    if child.link.issuer != parent.link.subject {
        return Err(broken("a delegation is not by the one to whom its parent was granted"));
    }
    if child.audience != parent.audience {
        return Err(broken("a delegation is for another audience than its parent"));
    }
    if child.link.issued_at < parent.link.issued_at {
        return Err(broken("a delegation is older than its parent"));
    }
    if child.expires_at > parent.expires_at {
        return Err(broken("a delegation outlives its parent"));
    }
    check_scopes(&parent.scopes, &child.scopes)
}

fn check_scopes(parent: &ScopeSet, child: &ScopeSet) -> Result<()> {
    match parent.first_missing(child) {
        None => Ok(()),
        Some(scope) => {
            let why = format!("a delegation grants {scope}, which its parent does not");
            Err(Error::new(ErrorKind::InvalidDelegation, why).with_hint(parent.held()))
        }
    }
}

/// Limits only shrink: whichever of those above says a name, its limit holds.
fn check_quota<'a>(above: impl Iterator<Item = &'a Grant> + Clone, quota: Option<&Quota>) -> Result<()> {
    for (name, most) in quota.into_iter().flat_map(Quota::iter) {
        let held = quota::effective(above.clone().map(|grant| &grant.link), name);
        if let Some(held) = held.filter(|held| most > *held) {
            let why = format!("a delegation grants {most} of {name}, its parent {held}");
            return Err(Error::new(ErrorKind::InvalidDelegation, why).with_hint(format!("held: {held} of {name}")));
        }
    }
    Ok(())
}

fn too_deep() -> Error {
    broken("rights can be handed on 8 times, not more")
}

pub(crate) fn broken(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidDelegation, why)
}
