//! The keys of an issuer (RFC 7517), each good for one algorithm.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};
use xbind::VerifyingKey;

use crate::issuers::jws::is_name;

/// The longest JWK set, in bytes.
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// The most keys of a set.
const MAX_KEYS: usize = 64;
/// RFC 7518 section 6, RFC 8037 section 2.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// Lengths of an RSA modulus, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// The public exponent of RSA keys, 65537.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// How an issuer may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA, P-256, SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519, by its old name or its new one (RFC 9864).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// The one of that `alg`.
    pub(crate) fn of(alg: &str) -> Option<Self> {
        match alg {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A public key; its kind is its algorithm.
pub(crate) enum Key {
    Rsa {
        n: Vec<u8>,
    },
    /// The point, uncompressed.
    P256([u8; 65]),
    Ed25519(Box<VerifyingKey>),
}

impl Key {
    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { n } => RsaPublicKeyComponents { n: n.as_slice(), e: RSA_EXPONENT.as_slice() }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            Self::Ed25519(key) => signature.try_into().is_ok_and(|signature| key.verify(message, signature)),
        }
    }

    /// What cannot be used, and what is for another purpose, is none.
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |member: &str| jwk.get(member).and_then(Value::as_str);
        let bytes = |member: &str| BASE64URL_NOPAD.decode(text(member)?.as_bytes()).ok();
        let key = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let n = bytes("n")?;
                let zeros = usize::try_from(n.first()?.leading_zeros()).ok()?;
                let bits = n.len().checked_mul(8)?.checked_sub(zeros)?;
                // A zero before it would be a second spelling.
                let fits = zeros < 8 && RSA_BITS.contains(&bits) && bytes("e")? == RSA_EXPONENT;
                fits.then_some(Self::Rsa { n })?
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                let whole = x.len() == 32 && y.len() == 32;
                let point = whole.then(|| [&[4], x.as_slice(), y.as_slice()].concat())?;
                Self::P256(point.try_into().ok()?)
            }
            ("OKP", Some("Ed25519")) => Self::Ed25519(Box::new(VerifyingKey::from_slice(&bytes("x")?).ok()?)),
            _ => return None,
        };
        let is = |member: &str, fits: &dyn Fn(&Value) -> bool| jwk.get(member).is_none_or(fits);
        let fits = is("use", &|it| it == "sig")
            && is("alg", &|it| it.as_str().and_then(Algorithm::of) == Some(key.algorithm()))
            && is("key_ops", &|it| it.as_array().is_some_and(|all| all.iter().any(|one| one == "verify")));
        fits.then_some(key)
    }
}

/// Keys by their `kid`.
#[derive(Default)]
pub(crate) struct KeySet(HashMap<String, Arc<Key>>);

impl KeySet {
    /// Reads a set. Keys for another purpose or algorithm than these are passed over, and so are those that cannot be used.
    ///
    /// # Errors
    /// What is no set, holds a private or symmetric key, or two keys of one `kid`.
    pub(crate) fn parse(json: &[u8], algorithms: &[Algorithm]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Map<String, Value>>,
        }
        let text = str::from_utf8(json).map_err(|_| "the JWK set is no text")?;
        if !xbind::is_strict_json(text) || !text.trim_start().starts_with('{') {
            return Err("the JWK set is no JSON, repeats a member or nests too deep");
        }
        let set: Set = serde_json::from_str(text).map_err(|_| "the JWK set is not an object with an array of keys")?;
        if set.keys.len() > MAX_KEYS {
            return Err("the JWK set has more than 64 keys");
        }
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
                return Err("the JWK set holds a private key");
            }
            let Some(kid) = jwk.get("kid").and_then(Value::as_str).filter(|kid| is_name(kid)) else { continue };
            let Some(key) = Key::read(jwk).filter(|key| algorithms.contains(&key.algorithm())) else { continue };
            if keys.insert(kid.to_owned(), Arc::new(key)).is_some() {
                return Err("two keys of the JWK set share a kid");
            }
        }
        Ok(Self(keys))
    }

    pub(crate) fn find(&self, kid: &str) -> Option<Arc<Key>> {
        self.0.get(kid).cloned()
    }
}
