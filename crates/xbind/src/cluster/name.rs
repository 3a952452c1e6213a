//! Names on a cluster: an agent claims one, and, where there are operators, one of them has granted it.

use serde::Deserialize;

use crate::cluster::MAX_STATEMENT_BYTES;
use crate::cluster::namespace::Namespace;
use crate::cluster::signed::{Common, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::json::Members;
use crate::message::card::is_label;
use crate::message::jws::{Text, UnsignedJws};
use crate::message::kind::Kind;
use crate::rights::grant::invalid;

/// The longest life of a claim, in seconds.
pub const MAX_NAME_TTL: u64 = 3600;
/// The longest life of an operator's grant, in seconds: 90 days.
pub const MAX_GRANT_TTL: u64 = 7_776_000;

/// `typ` of the protected header of a claim.
pub(crate) const TYPE: &str = "agent-name+jwt";
/// `typ` of the protected header of a grant.
pub(crate) const GRANT_TYPE: &str = "agent-name-grant+jwt";
const CLAIM: Kind = Kind {
    typ: TYPE,
    one: "a claim of a name",
    this: "the claim of a name",
    max_bytes: MAX_STATEMENT_BYTES,
    max_ttl: MAX_NAME_TTL,
};
const GRANT: Kind = Kind {
    typ: GRANT_TYPE,
    one: "a grant of a name",
    this: "the grant of a name",
    max_bytes: MAX_STATEMENT_BYTES,
    max_ttl: MAX_GRANT_TTL,
};

/// An agent's claim, to be signed by it.
#[derive(Clone, Copy, Debug)]
pub struct NameDraft<'a> {
    /// The name.
    pub name: &'a str,
    /// How long it holds, 1 to [`MAX_NAME_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

impl NameDraft<'_> {
    /// The claim before it is signed, for an agent whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, agent: &Did, namespace: &Namespace) -> Result<UnsignedJws> {
        let times = (self.now, CLAIM.expiry(self.now, self.ttl)?);
        unsigned(agent, TYPE, None, self.name, namespace, times)
    }

    /// Signs it: a compact JWS of type `agent-name+jwt`.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey, namespace: &Namespace) -> Result<String> {
        Ok(self.unsigned(key.did(), namespace)?.sign(key))
    }
}

/// An operator's grant, to be signed by the operator: the agent may renew its claim with it by itself.
#[derive(Clone, Copy, Debug)]
pub struct NameGrantDraft<'a> {
    /// The name.
    pub name: &'a str,
    /// Whose name it is.
    pub agent: Did,
    /// How long it holds, 1 to [`MAX_GRANT_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

impl NameGrantDraft<'_> {
    /// The grant before it is signed, for an operator whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, operator: &Did, namespace: &Namespace) -> Result<UnsignedJws> {
        let times = (self.now, GRANT.expiry(self.now, self.ttl)?);
        unsigned(operator, GRANT_TYPE, Some(&self.agent), self.name, namespace, times)
    }

    /// Signs it: a compact JWS of type `agent-name-grant+jwt`.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey, namespace: &Namespace) -> Result<String> {
        Ok(self.unsigned(key.did(), namespace)?.sign(key))
    }
}

fn unsigned(
    signer: &Did,
    typ: &str,
    agent: Option<&Did>,
    name: &str,
    namespace: &Namespace,
    (issued_at, expires_at): (u64, u64),
) -> Result<UnsignedJws> {
    if !is_label(name) {
        return Err(Error::new(ErrorKind::InvalidConfig, NO_NAME));
    }
    let mut claims = Members::new();
    claims.text("iss", signer.as_str());
    if let Some(agent) = agent {
        claims.text("sub", agent.as_str());
    }
    claims.text("aud", namespace.as_str());
    claims.number("iat", issued_at);
    claims.number("exp", expires_at);
    claims.text("name", name);
    Ok(UnsignedJws::new(signer, typ, &claims.finish()))
}

const NO_NAME: &str = "the name does not follow the grammar of names";

/// Whose a name is, as it stands in the bucket of names: a claim, and behind a tilde the grant, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRecord {
    agent: Did,
    name: String,
    operator: Option<Did>,
    issued_at: u64,
    expires_at: u64,
}

impl NameRecord {
    /// What stands in the bucket: the claim, and the grant where there is one.
    #[must_use]
    pub fn text(claim: &str, grant: Option<&str>) -> String {
        grant.map_or_else(|| claim.to_owned(), |grant| format!("{claim}~{grant}"))
    }

    /// Verifies a claim, with its grant. Where there are operators, one of them must have granted the name; a grant by anybody
    /// else is refused even where none is needed. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN` for anything else, or not signed by whom it names; `UNTRUSTED_ISSUER` without a grant by one of the
    /// operators; `WRONG_AUDIENCE` in another namespace; `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn verify(text: &str, namespace: &Namespace, operators: &[Did], now: u64, clock_skew: u64) -> Result<Self> {
        let reading = Reading { namespace, now, clock_skew };
        let (claim, grant) = text.split_once('~').map_or((text, None), |(claim, grant)| (claim, Some(grant)));
        let parts = CLAIM.split(claim)?;
        let (kid, claims) = CLAIM.read::<Claims<'_>>(&parts)?;
        let common = claims.common(&CLAIM, &kid)?;
        let agent = common.verify(&CLAIM, &parts, reading, |_| true)?;
        let operator = match grant {
            Some(grant) => Some(granted(grant, &agent, &claims.name, reading, operators)?),
            None if operators.is_empty() => None,
            None => return Err(Error::new(ErrorKind::UntrustedIssuer, "no operator has granted the name")),
        };
        let name = (*claims.name).to_owned();
        Ok(Self { agent, name, operator, issued_at: claims.iat, expires_at: claims.exp })
    }

    /// Verifies what stands in the bucket of names under that key.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and `INVALID_TOKEN` under another key than that of the name.
    pub fn read_entry(
        key: &str,
        text: &str,
        namespace: &Namespace,
        operators: &[Did],
        now: u64,
        clock_skew: u64,
    ) -> Result<Self> {
        let record = Self::verify(text, namespace, operators, now, clock_skew)?;
        if Namespace::name_key(&record.name).as_deref() != Some(key) {
            return Err(invalid("the claim of a name does not stand under its own key"));
        }
        Ok(record)
    }

    /// Whose name it is.
    #[must_use]
    pub const fn agent(&self) -> &Did {
        &self.agent
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who granted it.
    #[must_use]
    pub const fn operator(&self) -> Option<&Did> {
        self.operator.as_ref()
    }

    /// When it was claimed: seconds since the epoch, by the agent's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// When the claim ends: seconds since the epoch, by the agent's clock.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

fn granted(grant: &str, agent: &Did, name: &str, reading: Reading<'_>, operators: &[Did]) -> Result<Did> {
    let parts = GRANT.split(grant)?;
    let (kid, Grant { iss, sub, aud, iat, exp, name: granted }) = GRANT.read(&parts)?;
    let claims = Claims { iss, aud, iat, exp, name: granted };
    let common = claims.common(&GRANT, &kid)?;
    VerifyingKey::from_did(&sub).map_err(|_| invalid("the claim sub is no DID"))?;
    let operator = common.verify(&GRANT, &parts, reading, |did| operators.contains(did))?;
    if *sub != *agent.as_str() || *claims.name != *name {
        return Err(invalid("the grant is of another name, or to another agent"));
    }
    Ok(operator)
}

/// Exactly these members, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    aud: Text<'a>,
    iat: u64,
    exp: u64,
    name: Text<'a>,
}

/// Exactly these members, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Grant<'a> {
    iss: Text<'a>,
    sub: Text<'a>,
    aud: Text<'a>,
    iat: u64,
    exp: u64,
    name: Text<'a>,
}

impl Claims<'_> {
    fn common<'c>(&'c self, kind: &Kind, kid: &'c str) -> Result<Common<'c>> {
        kind.check_life(self.iat, self.exp)?;
        if !is_label(&self.name) {
            return Err(invalid(NO_NAME));
        }
        let Self { iss, aud, iat, exp, .. } = self;
        Ok(Common { kid, issuer: iss, audience: aud, issued_at: *iat, expires_at: *exp })
    }
}
