//! Issuing access tokens: scopes granted offline with the issuer's own key (RFC 9068, EdDSA).

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::{KeyCache, SigningKey};
use crate::json::Members;
use crate::message::jws::UnsignedJws;
use crate::rights::grant::{self, Grant, MAX_TOKEN_BYTES, TOKEN_TYPE};
use crate::rights::grant_claims;
use crate::rights::quota::Quota;
use crate::rights::revocation::StatusRef;
use crate::rights::scope::ScopeSet;

/// How long a token lives unless its issuer says otherwise, in seconds.
pub const DEFAULT_TOKEN_TTL: u64 = 3600;
/// The longest life of a token, in seconds.
pub const MAX_TOKEN_TTL: u64 = 86_400;

/// A grant to be signed.
#[derive(Clone, Copy, Debug)]
pub struct TokenDraft<'a> {
    /// Who may use it: also its `client_id`.
    pub subject: Did,
    /// Where it may be used: a DID or a URI, 1 to 512 bytes without control characters. Verifiers compare it exactly.
    pub audience: &'a str,
    /// What it grants; the empty set grants nothing.
    pub scopes: &'a ScopeSet,
    /// Limits in numbers, by their names; they hold for whomever it is handed on to as well.
    pub quota: Option<&'a Quota>,
    /// How long it lives, 1 to [`MAX_TOKEN_TTL`] seconds.
    pub ttl: u64,
    /// Further claims: the text of a JSON object of at most 64 members, nested at most 16 levels deep, none of them a
    /// claim of this format. `"{}"` for none.
    pub claims: &'a str,
    /// The thumbprint of the subject's key (RFC 7638), for a token that counts only where its presenter is proven: claim `cnf`.
    pub cnf_jkt: Option<&'a str>,
    /// Issuer and subject of whoever the subject acts for, such as a person who has signed in there. The token's `sub` is that one
    /// then, and the DID that may use it stands in `act` and `client_id`.
    pub on_behalf_of: Option<(&'a str, &'a str)>,
    /// Where the issuer publishes whether the token still stands.
    pub status: Option<&'a StatusRef>,
    /// Now, in seconds since the epoch.
    pub now: u64,
    /// Fresh random bytes.
    pub id: [u8; 16],
}

/// Signs a token: a compact JWS of type `at+jwt`, at most 32 KiB of ASCII.
///
/// # Errors
/// `INVALID_CONFIG` for a draft outside its bounds.
pub fn issue(key: &SigningKey, draft: &TokenDraft<'_>) -> Result<String> {
    Ok(draft.unsigned(key.did())?.sign(key))
}

impl TokenDraft<'_> {
    /// The token before it is signed, for an issuer whose key is elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, issuer: &Did) -> Result<UnsignedJws> {
        if !grant::is_name(self.audience) {
            return Err(refuse("the audience is not 1 to 512 bytes without control characters"));
        }
        let expires_at = expiry(self.now, self.ttl)?;
        let mut claims = Members::new();
        claims.text("iss", issuer.as_str());
        claims.text("sub", self.on_behalf_of.map_or(self.subject.as_str(), |(_, subject)| subject));
        claims.text("aud", self.audience);
        claims.text("client_id", self.subject.as_str());
        claims.number("iat", self.now);
        claims.number("exp", expires_at);
        push_id(&mut claims, &self.id);
        push_rights(&mut claims, self.scopes, self.status, self.quota)?;
        self.push_holder(&mut claims);
        if self.claims != "{}" {
            grant_claims::push_further(&mut claims, self.claims).ok_or_else(|| {
                refuse("the further claims are not a JSON object within bounds, or name a claim of the token's own")
                    .with_hint(
                        "leave out iss, sub, aud, client_id, jti, scope, iat, exp, nbf, prf, act, may_act, status, cnf, quota",
                    )
            })?;
        }
        let token = within(MAX_TOKEN_BYTES, UnsignedJws::new(issuer, TOKEN_TYPE, &claims.finish()))?;
        if self.cnf_jkt.is_some() || self.on_behalf_of.is_some() {
            self.check_readable(issuer, &token)?;
        }
        Ok(token)
    }

    /// Adds `act` and `sub_id` (RFC 8693 section 4.1, RFC 9493 section 3.2.3), and `cnf` (RFC 9449 section 6.1).
    fn push_holder(&self, claims: &mut Members) {
        if let Some((issuer, subject)) = self.on_behalf_of {
            let (mut act, mut named) = (Members::new(), Members::new());
            act.text("sub", self.subject.as_str());
            named.text("format", "iss_sub");
            named.text("iss", issuer);
            named.text("sub", subject);
            claims.raw("act", &act.finish());
            claims.raw("sub_id", &named.finish());
        }
        if let Some(jkt) = self.cnf_jkt {
            let mut cnf = Members::new();
            cnf.text("jkt", jkt);
            claims.raw("cnf", &cnf.finish());
        }
    }

    /// What no verifier could read is not made.
    fn check_readable(&self, issuer: &Did, token: &UnsignedJws) -> Result<()> {
        let keys = KeyCache::new(4);
        let read = || {
            let grant = Grant::parse(token.clone().finish(&[0; 64]))?;
            let key = keys.get(issuer.as_str())?;
            grant.check_did_terms(&key, &keys)?;
            Ok(grant.on_behalf_of.is_some() == self.on_behalf_of.is_some())
        };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse("the one on whose behalf is not named by an issuer and a subject that is no DID")),
            Err(error) => Err(refuse_owned(Error::message(&error).to_owned())),
        }
    }
}

/// When a grant of that life expires.
pub(crate) fn expiry(now: u64, ttl: u64) -> Result<u64> {
    if !(1..=MAX_TOKEN_TTL).contains(&ttl) {
        return Err(refuse_owned(format!("a token lives 1 to {MAX_TOKEN_TTL} s, not {ttl}"))
            .with_hint("issue one that lives a day at most, and a new one when it has expired"));
    }
    now.checked_add(ttl).ok_or_else(|| refuse("the time of expiry is beyond what can be counted"))
}

/// Adds `jti`.
pub(crate) fn push_id(claims: &mut Members, id: &[u8; 16]) {
    let mut text = String::with_capacity(22);
    base64::encode_into(id, &mut text);
    claims.text("jti", &text);
}

/// Adds `scope`, `status` and `quota`.
pub(crate) fn push_rights(
    claims: &mut Members,
    scopes: &ScopeSet,
    status: Option<&StatusRef>,
    quota: Option<&Quota>,
) -> Result<()> {
    if !scopes.is_empty() {
        claims.text("scope", scopes.as_str());
    }
    if let Some(status) = status {
        if !grant::is_name(&status.uri) {
            return Err(refuse("the address of the status list is not 1 to 512 bytes without control characters"));
        }
        grant::push_status(claims, status);
    }
    if let Some(quota) = quota {
        quota.push_to(claims);
    }
    Ok(())
}

/// A statement, unless it would be longer than that.
pub(crate) fn within(limit: usize, jws: UnsignedJws) -> Result<UnsignedJws> {
    if jws.finished_len() > limit {
        return Err(refuse_owned(format!(
            "the token would be {} bytes long, the limit is {limit}",
            jws.finished_len()
        )));
    }
    Ok(jws)
}

pub(crate) fn refuse(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, why)
}

fn refuse_owned(why: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, why)
}
