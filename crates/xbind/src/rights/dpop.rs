//! DPoP (RFC 9449): how somebody proves to hold a key with a request, beside the token that is bound to it.

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::http::target::{Authority, Scheme, Target};
use crate::identity::did::Did;
use crate::identity::jwk::thumbprint;
use crate::identity::jwks::public_key;
use crate::identity::key::SigningKey;
use crate::json::{self, Members};
use crate::message::Digest;
use crate::message::jws::{self, Text, UnsignedJws, present};
use crate::rights::grant::{invalid, is_name};
use crate::time::{self, Untimely};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;

/// The longest proof, in bytes.
const MAX_PROOF_BYTES: usize = 4096;
/// The oldest proof that is looked at, in seconds, beside what clocks may differ.
pub const MAX_PROOF_AGE: u64 = 60;

/// `typ` of a proof (RFC 9449 section 4.2).
pub(crate) const TYPE: &str = "dpop+jwt";

/// The request that a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct DpopRequest<'a> {
    /// Its method, as it is sent.
    pub method: &'a str,
    /// Its URL; what follows a question mark is not looked at.
    pub url: &'a str,
    /// The access token that travels with it; none where one is asked for.
    pub token: Option<&'a str>,
}

/// A proof that holds. Whether it was used before is for a store to say, by [`claim`](Self::claim).
#[derive(Clone, Debug)]
pub struct DpopProof {
    did: Did,
    id: String,
    issued_at: u64,
}

/// Exactly these members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Header<'a> {
    alg: Text<'a>,
    typ: Text<'a>,
    jwk: &'a RawValue,
}

/// Others are allowed, and say nothing here.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    jti: Text<'a>,
    htm: Text<'a>,
    htu: Text<'a>,
    iat: u64,
    #[serde(default, deserialize_with = "present")]
    exp: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    ath: Option<Text<'a>>,
}

/// Signs a proof for a request. `id` is of fresh random bytes.
///
/// # Errors
/// As [`DpopRequest::unsigned`].
pub fn dpop_proof(key: &SigningKey, request: &DpopRequest<'_>, id: [u8; 16], now: u64) -> Result<String> {
    Ok(request.unsigned(key.did(), id, now)?.sign(key))
}

impl DpopRequest<'_> {
    /// The proof before it is signed, for a key that is elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for what is no absolute URL of http or https in one spelling, or no method.
    pub fn unsigned(&self, did: &Did, id: [u8; 16], now: u64) -> Result<UnsignedJws> {
        let refuse = |why: &'static str| Error::new(ErrorKind::InvalidConfig, why);
        let url =
            self.url().ok_or_else(|| refuse("the URL is not an absolute one of http or https in one spelling"))?;
        if self.method.is_empty() || !self.method.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse("the method is no token"));
        }
        let mut jwk = Members::new();
        jwk.text("kty", "OKP");
        jwk.text("crv", "Ed25519");
        jwk.text("x", &base64::encode(did.public_key()));
        let mut header = Members::new();
        header.text("alg", "EdDSA");
        header.text("typ", TYPE);
        header.raw("jwk", &jwk.finish());
        let mut claims = Members::new();
        claims.text("jti", &base64::encode(&id));
        claims.text("htm", self.method);
        claims.text("htu", &url);
        claims.number("iat", now);
        if let Some(token) = self.token {
            claims.text("ath", &hash(token));
        }
        Ok(UnsignedJws::under(&header.finish(), &claims.finish()))
    }

    fn url(&self) -> Option<String> {
        normal(self.url.split_once('?').map_or(self.url, |(before, _)| before))
    }
}

impl DpopProof {
    /// Verifies a proof for a request: a compact JWS of at most 4096 bytes, whose header is `typ`, `alg` (`EdDSA` or `Ed25519`)
    /// and the public `jwk` that has signed it, and whose claims name the method, the URL without query and fragment, the hash of the
    /// token exactly where there is one, and a time at most [`MAX_PROOF_AGE`] ago.
    ///
    /// # Errors
    /// `INVALID_TOKEN`, `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn verify(proof: &str, request: &DpopRequest<'_>, now: u64, skew: u64) -> Result<Self> {
        if proof.len() > MAX_PROOF_BYTES {
            return Err(invalid("the DPoP proof is longer than 4096 bytes"));
        }
        let compact = jws::split(proof).ok_or_else(|| invalid("the DPoP proof is not a compact JWS"))?;
        let header: Header<'_> = jws::parse_object(&compact.header)
            .filter(|header: &Header<'_>| matches!(&*header.alg, "EdDSA" | "Ed25519") && *header.typ == *TYPE)
            .ok_or_else(|| invalid("the DPoP proof's header is not exactly typ, alg (EdDSA or Ed25519) and jwk"))?;
        let key = public_key(header.jwk.get())
            .ok_or_else(|| invalid("the DPoP proof's jwk is not the public part of an Ed25519 key"))?;
        let wrong = || invalid("the DPoP proof's claims are not jti, htm, htu, iat and perhaps ath, each once");
        if !str::from_utf8(&compact.payload).is_ok_and(json::is_strict) {
            return Err(wrong());
        }
        let claims: Claims<'_> =
            jws::parse_object(&compact.payload).filter(|claims: &Claims<'_>| is_name(&claims.jti)).ok_or_else(wrong)?;
        if *claims.htm != *request.method {
            return Err(invalid("the DPoP proof is for another method"));
        }
        if normal(&claims.htu).is_none_or(|named| request.url() != Some(named)) {
            return Err(invalid("the DPoP proof is for another URL"));
        }
        match (request.token, &claims.ath) {
            (None, None) => {}
            (Some(token), Some(ath)) if **ath == *hash(token) => {}
            (None, Some(_)) => return Err(invalid("the DPoP proof is for a token, and there is none")),
            (Some(_), _) => return Err(invalid("the DPoP proof is not for this token")),
        }
        let begins = claims.iat.max(claims.nbf.unwrap_or(0));
        let last = claims.iat.saturating_add(MAX_PROOF_AGE);
        let ends = claims.exp.unwrap_or(u64::MAX).min(last.saturating_add(1));
        time::check(begins, ends, now, skew).map_err(|untimely| match untimely {
            Untimely::Early(by) => {
                Error::new(ErrorKind::TokenNotYetValid, format!("the DPoP proof is valid only in {by} s"))
            }
            Untimely::Late(_) => Error::new(
                ErrorKind::TokenExpired,
                format!("the DPoP proof is older than {MAX_PROOF_AGE} s, or expired"),
            ),
        })?;
        if !compact.is_signed_by(&key) {
            return Err(invalid("the DPoP proof is not signed by its jwk"));
        }
        Ok(Self { did: *key.did(), id: claims.jti.into_cow().into_owned(), issued_at: claims.iat })
    }

    /// Whose key has signed it: the presenter of the token.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// The thumbprint of that key (RFC 7638): `cnf.jkt` of a token that is bound to it.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.did)
    }

    /// When it was signed, in seconds since the epoch, by its signer's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// By which a store knows it: one text for each key and `jti`.
    #[must_use]
    pub fn claim(&self) -> String {
        Digest::of(format!("dpop {} {}", self.did, self.id).as_bytes()).text().to_string()
    }

    /// The last second in which it could be accepted.
    #[must_use]
    pub const fn until(&self, skew: u64) -> u64 {
        self.issued_at.saturating_add(MAX_PROOF_AGE).saturating_add(skew)
    }
}

/// Claim `ath` (RFC 9449 section 4.2).
fn hash(token: &str) -> String {
    base64::encode(&jws::sha256(token.as_bytes()))
}

/// A URL of http or https without query and fragment, in one spelling (RFC 3986 sections 6.2.2 and 6.2.3). `None` for any other,
/// and for what servers read in different ways; see [`Target::parse`].
fn normal(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = Scheme::parse(&scheme.to_ascii_lowercase())?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let target = Target::parse(path).ok().filter(|target| target.query.is_none() && !target.text.contains('?'))?;
    let mut text = format!("{}://", scheme.as_str());
    Authority::parse(authority)?.normal(scheme).write(&mut text);
    let mut parts = target.path.split('%');
    text.push_str(parts.next()?);
    for part in parts {
        let (hex, after) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(hex, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").ok()?;
        }
        text.push_str(after);
    }
    Some(text)
}
