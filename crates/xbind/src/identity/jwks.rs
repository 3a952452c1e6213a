//! The keys of an issuer that is known by an address: a JWK set (RFC 7517 section 5) that was fetched already.

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::key::VerifyingKey;
use crate::json;
use crate::message::jws;
use crate::rights::grant::is_name;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// The longest JWK set, in bytes.
pub const MAX_JWKS_BYTES: usize = 64 * 1024;

/// Ed25519 keys by their `kid`. An empty one trusts nothing.
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    keys: HashMap<String, VerifyingKey>,
}

impl JwkSet {
    /// Reads a JWK set. Keys other than Ed25519, and keys for another purpose than signatures, are passed over.
    ///
    /// # Errors
    /// `INVALID_KEY` for anything but an object with an array `keys` of objects, a repeated member, a private or
    /// symmetric key of any kind, an Ed25519 key without `kid`, a `kid` that two keys share, or an unusable Ed25519 key.
    pub fn parse(json: &str) -> Result<Self> {
        if json.len() > MAX_JWKS_BYTES {
            return Err(refuse("the JWK set is longer than 64 KiB"));
        }
        #[derive(Deserialize)]
        struct Set<'a> {
            #[serde(borrow)]
            keys: &'a RawValue,
        }
        if !json::is_strict(json) {
            return Err(refuse("the JWK set is no JSON, repeats a member or nests deeper than 16 levels"));
        }
        let keys = jws::parse_object::<Set<'_>>(json.as_bytes())
            .and_then(|set| serde_json::from_str::<Vec<Map<String, Value>>>(set.keys.get()).ok())
            .ok_or_else(|| refuse("the JWK set is not an object with an array of keys"))?;
        let mut kids = HashSet::new();
        let mut set = Self::default();
        for jwk in &keys {
            if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
                return Err(refuse("the JWK set holds a private key")
                    .with_hint("replace that key: whoever read the set can sign with it"));
            }
            let kid = jwk.get("kid").and_then(Value::as_str).filter(|kid| is_name(kid));
            if kid.is_some_and(|kid| !kids.insert(kid)) {
                return Err(refuse("two keys of the JWK set share a kid"));
            }
            if is_ed25519(jwk) && may_verify(jwk) {
                let kid = kid.ok_or_else(|| refuse("an Ed25519 key of the JWK set has no kid"))?;
                set.keys.insert(kid.to_owned(), key(jwk)?);
            }
        }
        Ok(set)
    }

    /// The key of that `kid`.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// The public Ed25519 key of a single JWK that may verify and has no private or symmetric part; other members say nothing here.
pub(crate) fn public_key(jwk: &str) -> Option<VerifyingKey> {
    let jwk = jws::parse_object::<Map<String, Value>>(json::is_strict(jwk).then_some(jwk)?.as_bytes())?;
    let is_public = !PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member));
    (is_public && is_ed25519(&jwk) && may_verify(&jwk)).then(|| key(&jwk).ok())?
}

/// RFC 7518 section 6, RFC 8037 section 2.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

fn is_ed25519(jwk: &Map<String, Value>) -> bool {
    let is = |member: &str, value: &str| jwk.get(member).is_some_and(|it| it == value);
    is("kty", "OKP") && is("crv", "Ed25519")
}

fn may_verify(jwk: &Map<String, Value>) -> bool {
    let purpose = jwk.get("use").is_none_or(|purpose| purpose == "sig");
    let algorithm = jwk.get("alg").is_none_or(|alg| alg == "EdDSA" || alg == "Ed25519");
    let operations = match jwk.get("key_ops") {
        None => true,
        Some(operations) => operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify")),
    };
    purpose && algorithm && operations
}

fn key(jwk: &Map<String, Value>) -> Result<VerifyingKey> {
    let x = jwk.get("x").and_then(Value::as_str).and_then(base64::decode_array::<32>);
    let x = x.ok_or_else(|| refuse("the x of an Ed25519 key is not 32 bytes of base64url"))?;
    VerifyingKey::from_bytes(&x)
}

fn refuse(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidKey, why)
}
