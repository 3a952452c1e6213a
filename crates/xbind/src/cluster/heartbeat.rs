//! The heartbeat of stops: an operator says, again and again, how many it has signed and which. Without it a broker could keep
//! a stop to itself.

use serde::Deserialize;

use crate::cluster::MAX_STATEMENT_BYTES;
use crate::cluster::namespace::Namespace;
use crate::cluster::signed::{Common, Reading};
use crate::error::Result;
use crate::identity::did::Did;
use crate::identity::key::SigningKey;
use crate::json::Members;
use crate::message::Digest;
use crate::message::jws::{Text, UnsignedJws};
use crate::message::kind::Kind;
use crate::rights::grant::invalid;

/// The longest life of a heartbeat, in seconds.
pub const MAX_HEARTBEAT_TTL: u64 = 60;

/// `typ` of the protected header.
pub(crate) const TYPE: &str = "agent-heartbeat+jwt";
const HEARTBEAT: Kind = Kind {
    typ: TYPE,
    one: "a heartbeat",
    this: "the heartbeat",
    max_bytes: MAX_STATEMENT_BYTES,
    max_ttl: MAX_HEARTBEAT_TTL,
};

/// A heartbeat to be signed by an operator; [`Stops::tally`](crate::cluster::Stops::tally) gives count and digest.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatDraft {
    /// Above that of the one before, also after a restart: milliseconds since the epoch will do.
    pub seq: u64,
    /// Of how many agents and tokens the operator has said something.
    pub count: u64,
    /// The digest of all that it says of them now.
    pub set: Digest,
    /// How long it holds, 1 to [`MAX_HEARTBEAT_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

impl HeartbeatDraft {
    /// The heartbeat before it is signed, for an operator whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, operator: &Did, namespace: &Namespace) -> Result<UnsignedJws> {
        let expires_at = HEARTBEAT.expiry(self.now, self.ttl)?;
        let mut claims = Members::new();
        claims.text("iss", operator.as_str());
        claims.text("aud", namespace.as_str());
        claims.number("iat", self.now);
        claims.number("exp", expires_at);
        claims.number("seq", self.seq);
        claims.number("count", self.count);
        claims.text("set", &self.set.text());
        Ok(UnsignedJws::new(operator, TYPE, &claims.finish()))
    }

    /// Signs it: a compact JWS of type `agent-heartbeat+jwt`.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey, namespace: &Namespace) -> Result<String> {
        Ok(self.unsigned(key.did(), namespace)?.sign(key))
    }
}

/// What an operator has signed so far, by its own signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub(crate) operator: Did,
    pub(crate) seq: u64,
    pub(crate) count: u64,
    pub(crate) set: Digest,
    pub(crate) issued_at: u64,
    pub(crate) expires_at: u64,
}

impl Heartbeat {
    /// Verifies a heartbeat of one of these operators. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it is no heartbeat, or not signed by whom it names; `UNTRUSTED_ISSUER` if that is no operator;
    /// `WRONG_AUDIENCE` in another namespace; `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn verify(text: &str, namespace: &Namespace, operators: &[Did], now: u64, clock_skew: u64) -> Result<Self> {
        let parts = HEARTBEAT.split(text)?;
        let (kid, claims) = HEARTBEAT.read::<Claims<'_>>(&parts)?;
        HEARTBEAT.check_life(claims.iat, claims.exp)?;
        let set = Digest::parse(&claims.set).ok_or_else(|| invalid("the claim set is not a SHA-256"))?;
        let common = Common {
            kid: &kid,
            issuer: &claims.iss,
            audience: &claims.aud,
            issued_at: claims.iat,
            expires_at: claims.exp,
        };
        let reading = Reading { namespace, now, clock_skew };
        let operator = common.verify(&HEARTBEAT, &parts, reading, |did| operators.contains(did))?;
        let Claims { seq, count, iat: issued_at, exp: expires_at, .. } = claims;
        Ok(Self { operator, seq, count, set, issued_at, expires_at })
    }

    /// Whose it is.
    #[must_use]
    pub const fn operator(&self) -> &Did {
        &self.operator
    }

    /// Which of them.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Of how many agents and tokens the operator has said something.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The digest of all that it says of them.
    #[must_use]
    pub const fn set(&self) -> &Digest {
        &self.set
    }

    /// Seconds since the epoch, by the operator's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Seconds since the epoch, by the operator's clock.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

/// Exactly these members, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    aud: Text<'a>,
    iat: u64,
    exp: u64,
    seq: u64,
    count: u64,
    set: Text<'a>,
}
