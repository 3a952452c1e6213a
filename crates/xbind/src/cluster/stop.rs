//! Stops: an operator ends an agent, or a token, everywhere; and lets it go on, if it changes its mind.

use serde::Deserialize;

use crate::base64;
use crate::cluster::MAX_STATEMENT_BYTES;
use crate::cluster::namespace::Namespace;
use crate::cluster::signed::{Common, Reading};
use crate::cluster::token;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::json::Members;
use crate::message::jws::{self, Text, UnsignedJws, present};
use crate::message::kind::Kind;
use crate::rights::grant::{invalid, is_name};

/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 32;

/// `typ` of the protected header.
pub(crate) const TYPE: &str = "agent-stop+jwt";
const STOP: Kind =
    Kind { typ: TYPE, one: "a stop", this: "the stop", max_bytes: MAX_STATEMENT_BYTES, max_ttl: u64::MAX };

/// Who or what is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stopped {
    /// An agent: nothing of it is taken any more, and nothing goes to it.
    Agent(Did),
    /// A token or a link of a delegation, by its id, 1 to 512 bytes without control characters; and all that derives from it.
    Token(String),
}

impl Stopped {
    /// How its key ends: `d.` and the token of the DID, or `t.` and the SHA-256 of the id in base64url.
    pub(crate) fn token(&self) -> String {
        match self {
            Self::Agent(did) => Self::agent_token(did),
            Self::Token(id) => Self::token_token(id),
        }
    }

    pub(crate) fn agent_token(did: &Did) -> String {
        format!("d.{}", token::of_did(did))
    }

    pub(crate) fn token_token(id: &str) -> String {
        format!("t.{}", base64::encode(&jws::sha256(id.as_bytes())))
    }
}

/// What an operator says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// It goes on. Of two words of one operator in the same second, this is the weaker one.
    Resume,
    /// It ends.
    Stop,
}

impl Verb {
    /// As it stands in the claim.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }
}

/// A stop to be signed by an operator.
#[derive(Clone, Debug)]
pub struct StopDraft<'a> {
    /// Whether it ends or goes on.
    pub verb: Verb,
    /// Who or what.
    pub stopped: Stopped,
    /// From when on its signatures are in doubt, in seconds since the epoch, not after `now`: for those who look at what was
    /// signed before. It lets nothing through now.
    pub since: Option<u64>,
    /// A word for why: 1 to 32 of `a-z 0-9 -`.
    pub reason: Option<&'a str>,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

impl StopDraft<'_> {
    /// The stop before it is signed, for an operator whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, operator: &Did, namespace: &Namespace) -> Result<UnsignedJws> {
        if let Some(why) = fault(self.verb, &self.stopped, self.since, self.reason, self.now) {
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let mut claims = Members::new();
        claims.text("iss", operator.as_str());
        claims.text("aud", namespace.as_str());
        claims.number("iat", self.now);
        claims.text("verb", self.verb.as_str());
        match &self.stopped {
            Stopped::Agent(did) => claims.text("sub", did.as_str()),
            Stopped::Token(id) => claims.text("tok", id),
        }
        if let Some(since) = self.since {
            claims.number("since", since);
        }
        if let Some(reason) = self.reason {
            claims.text("reason", reason);
        }
        let jws = UnsignedJws::new(operator, TYPE, &claims.finish());
        if jws.finished_len() > MAX_STATEMENT_BYTES {
            return Err(Error::new(ErrorKind::InvalidConfig, "the stop would be longer than 2048 bytes"));
        }
        Ok(jws)
    }

    /// Signs it: a compact JWS of type `agent-stop+jwt`.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey, namespace: &Namespace) -> Result<String> {
        Ok(self.unsigned(key.did(), namespace)?.sign(key))
    }
}

/// What an operator has said of somebody, by its own signature. It holds until the same operator says something newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    operator: Did,
    verb: Verb,
    stopped: Stopped,
    since: Option<u64>,
    reason: Option<String>,
    issued_at: u64,
}

impl Stop {
    /// Verifies a stop by one of these operators. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it is no stop, or not signed by whom it names; `UNTRUSTED_ISSUER` if that is no operator;
    /// `WRONG_AUDIENCE` in another namespace; `TOKEN_NOT_YET_VALID`.
    pub fn verify(text: &str, namespace: &Namespace, operators: &[Did], now: u64, clock_skew: u64) -> Result<Self> {
        let parts = STOP.split(text)?;
        let (kid, claims) = STOP.read::<Claims<'_>>(&parts)?;
        let verb = [Verb::Stop, Verb::Resume].into_iter().find(|verb| *claims.verb == *verb.as_str());
        let verb = verb.ok_or_else(|| invalid("the claim verb is neither stop nor resume"))?;
        let stopped = match (&claims.sub, &claims.tok) {
            (Some(did), None) => {
                let key = VerifyingKey::from_did(did).map_err(|_| invalid("the claim sub is no DID"))?;
                Stopped::Agent(*key.did())
            }
            (None, Some(id)) => Stopped::Token((**id).to_owned()),
            _ => return Err(invalid("a stop names an agent or a token")),
        };
        if let Some(why) = fault(verb, &stopped, claims.since, claims.reason.as_deref(), claims.iat) {
            return Err(invalid(why));
        }
        let common = Common {
            kid: &kid,
            issuer: &claims.iss,
            audience: &claims.aud,
            issued_at: claims.iat,
            expires_at: u64::MAX,
        };
        let reading = Reading { namespace, now, clock_skew };
        let operator = common.verify(&STOP, &parts, reading, |did| operators.contains(did))?;
        let reason = claims.reason.as_deref().map(str::to_owned);
        Ok(Self { operator, verb, stopped, since: claims.since, reason, issued_at: claims.iat })
    }

    /// Who said it.
    #[must_use]
    pub const fn operator(&self) -> &Did {
        &self.operator
    }

    /// Whether it ends or goes on.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        self.verb
    }

    /// Who or what.
    #[must_use]
    pub const fn stopped(&self) -> &Stopped {
        &self.stopped
    }

    /// From when on its signatures are in doubt: seconds since the epoch.
    #[must_use]
    pub const fn since(&self) -> Option<u64> {
        self.since
    }

    /// A word for why.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Seconds since the epoch, by the operator's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// The key under which it stands in the bucket of stops.
    #[must_use]
    pub fn key(&self) -> String {
        Namespace::stop_key(&self.operator, &self.stopped)
    }
}

/// Exactly these members, in any order; one of `sub` and `tok`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    aud: Text<'a>,
    iat: u64,
    verb: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    sub: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    tok: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    since: Option<u64>,
    #[serde(borrow, default, deserialize_with = "present")]
    reason: Option<Text<'a>>,
}

fn fault(verb: Verb, stopped: &Stopped, since: Option<u64>, reason: Option<&str>, now: u64) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_reason = |word: &str| (1..=MAX_REASON_BYTES).contains(&word.len()) && word.bytes().all(allowed);
    if matches!(stopped, Stopped::Token(id) if !is_name(id)) {
        Some("the id of a token is 1 to 512 bytes without control characters")
    } else if since.is_some_and(|since| since > now || verb == Verb::Resume) {
        Some("since stands on a stop, and is not after it")
    } else if !reason.is_none_or(is_reason) {
        Some("a reason is 1 to 32 of a-z 0-9 -")
    } else {
        None
    }
}
