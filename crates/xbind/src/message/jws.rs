//! Compact JWS (RFC 7515) and strict JSON: what messages and tokens share.

use crate::base64::{decode, encode, encode_into};
use crate::identity::did::Did;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::identity::statement;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fmt;

/// A compact JWS taken apart: what was signed, and its three segments decoded.
pub(crate) struct Compact<'a> {
    /// Header and payload as they travel, with the full stop between them (RFC 7515 section 5.1).
    pub(crate) signing_input: &'a str,
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The segments of a compact JWS as they travel; one that is not base64url stands out when it is decoded.
#[derive(Clone, Copy)]
pub(crate) struct Segments<'a> {
    /// Header and payload, with the full stop between them (RFC 7515 section 5.1).
    pub(crate) signing_input: &'a str,
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    /// A fourth segment would leave a full stop in here.
    pub(crate) signature: &'a str,
}

/// Takes a compact JWS apart.
pub(crate) fn segments(text: &str) -> Option<Segments<'_>> {
    let (header, rest) = split_once(text)?;
    let (payload, signature) = split_once(rest)?;
    let signing_input = text.get(..header.len().checked_add(1)?.checked_add(payload.len())?)?;
    Some(Segments { signing_input, header, payload, signature })
}

/// What stands before and behind the first full stop.
fn split_once(text: &str) -> Option<(&str, &str)> {
    let (before, after) = text.split_at_checked(memchr::memchr(b'.', text.as_bytes())?)?;
    Some((before, after.strip_prefix('.')?))
}

/// The same, decoded: exactly three segments of strict base64url.
pub(crate) fn split(text: &str) -> Option<Compact<'_>> {
    let Segments { signing_input, header, payload, signature } = segments(text)?;
    Some(Compact { signing_input, header: decode(header)?, payload: decode(payload)?, signature: decode(signature)? })
}

impl Compact<'_> {
    /// The third segment, if it is as long as a signature.
    fn signature(&self) -> Option<&[u8; 64]> {
        self.signature.as_slice().try_into().ok()
    }

    pub(crate) fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        self.signature().is_some_and(|signature| key.verify(self.signing_input.as_bytes(), signature))
    }
}

/// The protected header of all but messages: exactly these members, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(crate) struct Header<'a> {
    alg: Text<'a>,
    pub(crate) kid: Text<'a>,
    pub(crate) typ: Text<'a>,
}

impl<'a> Header<'a> {
    /// `None` also for an `alg` other than Ed25519 by its old or its new name (RFC 9864).
    pub(crate) fn parse(json: &'a [u8]) -> Option<Self> {
        parse_object(json).filter(|header: &Self| matches!(&*header.alg, "EdDSA" | "Ed25519"))
    }
}

/// Whether `kid` names the key of that DID: the DID, `#`, and the DID without `did:key:`.
pub(crate) fn names_key(kid: &str, signer: &Did) -> bool {
    let fragment = kid.strip_prefix(signer.as_str()).and_then(|rest| rest.strip_prefix('#'));
    fragment == Some(signer.multibase())
}

/// The protected header under which a key signs things of that `typ`, encoded.
pub(crate) fn header(signer: &Did, typ: &str) -> String {
    debug_assert!(statement::TYPES.contains(&typ), "statement.rs lists each type");
    let (did, fragment) = (signer.as_str(), signer.multibase());
    let json = format!(r#"{{"alg":"EdDSA","kid":"{did}#{fragment}","typ":"{typ}"}}"#);
    encode(json.as_bytes())
}

/// A token, delegation or statement that waits for its signature, by a key that may be elsewhere.
#[derive(Clone, Debug)]
pub struct UnsignedJws {
    input: String,
}

impl UnsignedJws {
    pub(crate) fn new(signer: &Did, typ: &str, claims: &str) -> Self {
        let mut input = header(signer, typ);
        input.reserve_exact(claims.len().saturating_mul(4).div_ceil(3).saturating_add(90)); // the signature's room too
        input.push('.');
        encode_into(claims.as_bytes(), &mut input);
        Self { input }
    }

    /// The same under a header of another format.
    pub(crate) fn under(header: &str, claims: &str) -> Self {
        Self { input: format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes())) }
    }

    /// What the signer's key signs: ASCII.
    #[must_use]
    pub fn to_sign(&self) -> &str {
        &self.input
    }

    /// The compact JWS. The signature is not checked here.
    #[must_use]
    pub fn finish(self, signature: &[u8; 64]) -> String {
        let mut jws = self.input;
        jws.push('.');
        encode_into(signature, &mut jws);
        jws
    }

    /// How long the compact JWS will be.
    pub(crate) fn finished_len(&self) -> usize {
        self.input.len().saturating_add(87)
    }

    pub(crate) fn sign(self, key: &SigningKey) -> String {
        let signature = key.sign(self.input.as_bytes());
        self.finish(&signature)
    }
}

/// SHA-256 (FIPS 180-4).
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Reads one JSON object. `T` derives `Deserialize` with `deny_unknown_fields`, which refuses repeated members as well,
/// however they are spelled; but the derive also takes an array for a struct, so that is refused here.
pub(crate) fn parse_object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let first = bytes.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
    if *first != b'{' {
        return None;
    }
    serde_json::from_str(str::from_utf8(bytes).ok()?).ok()
}

/// A JSON string, borrowed from the input unless an escape is in it.
#[derive(Debug)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl<'a> Text<'a> {
    pub(crate) fn into_cow(self) -> Cow<'a, str> {
        self.0
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// For an optional member: when it is there it has a value, so `null` is refused.
/// Use with `#[serde(default, deserialize_with = "present")]`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
