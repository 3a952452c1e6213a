//! Client assertions: how an agent proves itself to an OAuth authorization server (`private_key_jwt`, RFC 7523 section 3).

use crate::error::{Error, ErrorKind, Result};
use crate::identity::jwk::thumbprint;
use crate::identity::key::VerifyingKey;
use crate::json;
use crate::message::jws::{self, Compact, Text, present};
use crate::rights::grant::{invalid, is_name};
use crate::rights::grant_claims::Audience;
use crate::time::{self, Untimely};
use serde::Deserialize;

/// The longest assertion, in bytes.
const MAX_ASSERTION_BYTES: usize = 4096;
/// How far its end may be ahead, in seconds, and how long it may live.
pub const MAX_ASSERTION_LIFE: u64 = 300;

/// `typ` by the successor of RFC 7523; most clients write `JWT`, or nothing.
pub(crate) const TYPE: &str = "client-authentication+jwt";

/// What somebody has signed to prove that he is a client. Nothing of it counts before [`check`](Self::check).
pub struct ClientAssertion<'a> {
    compact: Compact<'a>,
    kid: Option<String>,
    client: String,
    audience: String,
    id: String,
    issued_at: Option<u64>,
    not_before: u64,
    expires_at: u64,
}

/// Exactly these members: nothing may lead to another key or another reading.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Header<'a> {
    alg: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    typ: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    kid: Option<Text<'a>>,
}

/// Others are allowed (RFC 7523 section 3, 7), and say nothing here.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    sub: Text<'a>,
    aud: Audience<'a>,
    jti: Text<'a>,
    exp: u64,
    #[serde(default, deserialize_with = "present")]
    iat: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<u64>,
}

impl<'a> ClientAssertion<'a> {
    /// Reads one: a compact JWS of at most 4096 bytes whose header has `alg` (`EdDSA` or `Ed25519`) and perhaps `typ` and `kid`,
    /// and whose claims are `iss`, `sub` (the same), `aud` (one), `exp`, `jti`, perhaps `iat` and `nbf`, and others.
    ///
    /// # Errors
    /// `INVALID_TOKEN`.
    pub fn parse(text: &'a str) -> Result<Self> {
        if text.len() > MAX_ASSERTION_BYTES {
            return Err(invalid("the client assertion is longer than 4096 bytes"));
        }
        let compact = jws::split(text).ok_or_else(|| invalid("the client assertion is not a compact JWS"))?;
        let header: Header<'_> = jws::parse_object(&compact.header)
            .filter(|header: &Header<'_>| matches!(&*header.alg, "EdDSA" | "Ed25519"))
            .ok_or_else(|| {
                invalid(
                    "the client assertion's header is not alg (EdDSA or Ed25519), and at most typ and kid beside it",
                )
            })?;
        if header.typ.as_ref().is_some_and(|typ| !is_type(typ)) {
            return Err(invalid("the client assertion's typ is neither JWT nor client-authentication+jwt"));
        }
        let kid = header.kid.map(|kid| kid.into_cow().into_owned());
        let wrong = || invalid("the client assertion's claims are not iss, sub, one aud, exp and jti, each once");
        if !str::from_utf8(&compact.payload).is_ok_and(json::is_strict) {
            return Err(wrong());
        }
        let claims: Claims<'_> = jws::parse_object(&compact.payload).ok_or_else(wrong)?;
        if *claims.iss != *claims.sub {
            return Err(invalid("iss and sub of a client assertion are both the client's id"));
        }
        if ![&claims.sub, &claims.aud.0, &claims.jti].into_iter().all(|name| is_name(name)) {
            return Err(wrong());
        }
        let text = |text: Text<'_>| text.into_cow().into_owned();
        Ok(Self {
            kid,
            client: text(claims.sub),
            audience: text(claims.aud.0),
            id: text(claims.jti),
            issued_at: claims.iat,
            not_before: claims.nbf.unwrap_or(0).max(claims.iat.unwrap_or(0)),
            expires_at: claims.exp,
            compact,
        })
    }

    /// Whom it claims to be by.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Claim `jti`: its client uses it once.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it ends, in seconds since the epoch.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// When it may have been signed, at the earliest.
    #[must_use]
    pub fn signed_at(&self) -> u64 {
        self.issued_at.unwrap_or_else(|| self.expires_at.saturating_sub(MAX_ASSERTION_LIFE))
    }

    /// Whether that key has signed it, for one of these audiences, and it is its time. `kid` chooses no key: where it is there it
    /// has to be this one's DID, the DID with `#` and its multibase, or its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// `INVALID_TOKEN`, `WRONG_AUDIENCE`, `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn check(&self, key: &VerifyingKey, audiences: &[&str], now: u64, skew: u64) -> Result<()> {
        let did = key.did();
        let names_it = |kid: &str| kid == did.as_str() || jws::names_key(kid, did) || kid == thumbprint(did);
        if self.kid.as_deref().is_some_and(|kid| !names_it(kid)) {
            return Err(invalid("the client assertion's kid is not the key that the client has now"));
        }
        if !audiences.contains(&self.audience.as_str()) {
            return Err(Error::new(ErrorKind::WrongAudience, "the client assertion is for another audience"));
        }
        // Counted from now for who dates it ahead, or not at all.
        let life = self.expires_at.saturating_sub(self.issued_at.unwrap_or(now).min(now));
        if life > MAX_ASSERTION_LIFE {
            let why = format!("a client assertion ends {MAX_ASSERTION_LIFE} s after it was signed at the latest");
            return Err(Error::new(ErrorKind::InvalidToken, why));
        }
        time::check(self.not_before, self.expires_at, now, skew).map_err(|untimely| match untimely {
            Untimely::Early(by) => {
                Error::new(ErrorKind::TokenNotYetValid, format!("the client assertion is valid only in {by} s"))
            }
            Untimely::Late(by) => {
                Error::new(ErrorKind::TokenExpired, format!("the client assertion expired {by} s ago"))
            }
        })?;
        if self.compact.is_signed_by(key) {
            Ok(())
        } else {
            Err(invalid("the client assertion is not signed by its client"))
        }
    }
}

/// Media types know no case (RFC 7515 section 4.1.9).
fn is_type(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    };
    [TYPE, "JWT"].iter().any(|known| short.eq_ignore_ascii_case(known))
}
