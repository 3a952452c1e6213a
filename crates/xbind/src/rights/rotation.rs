//! Changing an agent's key: a statement that names the old and the new one, signed by both.

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::json::Members;
use crate::message::jws::{self, Header, Text};
use crate::rights::grant::invalid;
use serde::Deserialize;
use serde_json::value::RawValue;

/// How long the old key goes on beside the new one unless the statement says otherwise, in seconds.
pub const DEFAULT_OVERLAP: u64 = 86_400;
/// The longest overlap, in seconds.
pub const MAX_OVERLAP: u64 = 604_800;
/// How long before the new key is used a rotation can be announced, in seconds.
pub const MAX_NOTICE: u64 = 2_592_000;
/// The longest statement, in bytes.
pub(crate) const MAX_ROTATION_BYTES: usize = 4096;

/// `typ` of both protected headers: nothing else that a key signs can be taken for its consent.
pub(crate) const TYPE: &str = "agent-rotation+jwt";

/// From one key to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The key until now.
    pub old: Did,
    /// The key from now on.
    pub new: Did,
    /// When it was signed, in seconds since the epoch.
    pub issued_at: u64,
    /// From when on the new key may sign: at most 30 days after `issued_at`.
    pub active_from: u64,
    /// How long the old key may sign beside the new one from then on, in seconds: at most 7 days. 0 is an emergency: the
    /// old key is not to be trusted any more.
    pub overlap: u64,
}

impl Rotation {
    /// Whether the old key stops when the new one starts.
    #[must_use]
    pub const fn is_emergency(&self) -> bool {
        self.overlap == 0
    }

    /// When the old key stops, exclusive.
    #[must_use]
    pub const fn old_until(&self) -> u64 {
        self.active_from.saturating_add(self.overlap)
    }

    /// What each of the two keys signs: first a statement is prepared, then signed by both, wherever they are.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a rotation outside its bounds.
    pub fn unsigned(self) -> Result<UnsignedRotation> {
        if let Some(why) = self.fault() {
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let mut claims = Members::new();
        claims.text("iss", self.old.as_str());
        claims.text("sub", self.new.as_str());
        claims.number("iat", self.issued_at);
        claims.number("nbf", self.active_from);
        claims.number("overlap", self.overlap);
        let mut payload = String::new();
        base64::encode_into(claims.finish().as_bytes(), &mut payload);
        let headers = [self.old, self.new].map(|did| jws::header(&did, TYPE));
        Ok(UnsignedRotation { payload, headers })
    }

    /// Signs with both keys: a JWS in general JSON serialization (RFC 7515 section 7.2.1).
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a rotation outside its bounds, or keys that are not those it names.
    pub fn sign(self, old: &SigningKey, new: &SigningKey) -> Result<String> {
        if *old.did() != self.old || *new.did() != self.new {
            return Err(Error::new(ErrorKind::InvalidConfig, "the keys are not those that the rotation names"));
        }
        let unsigned = self.unsigned()?;
        let [by_old, by_new] = unsigned.to_sign();
        Ok(unsigned.finish(&old.sign(by_old.as_bytes()), &new.sign(by_new.as_bytes())))
    }

    /// Reads a statement and verifies both signatures. Whether the old key had the right to choose its successor at that
    /// time is for a [`KeyHistory`](crate::KeyHistory) to say.
    ///
    /// # Errors
    /// `INVALID_TOKEN` for anything but a statement within bounds, signed by the old key and by the new one.
    pub fn verify(text: &str) -> Result<Self> {
        if text.len() > MAX_ROTATION_BYTES {
            return Err(invalid("the rotation is longer than 4096 bytes"));
        }
        let general: General<'_> = jws::parse_object(text.as_bytes())
            .ok_or_else(|| invalid("the rotation is not a JWS with two signatures"))?;
        let payload = base64::decode(&general.payload).ok_or_else(|| invalid("the payload is not base64url"))?;
        let claims: Claims<'_> =
            jws::parse_object(&payload).ok_or_else(|| invalid("the claims are not those of a rotation"))?;
        let key = |did: &str| VerifyingKey::from_did(did).map_err(|_| invalid("the rotation names a key by no DID"));
        let (old, new) = (key(&claims.iss)?, key(&claims.sub)?);
        let rotation = Self {
            old: *old.did(),
            new: *new.did(),
            issued_at: claims.iat,
            active_from: claims.nbf,
            overlap: claims.overlap,
        };
        if let Some(why) = rotation.fault() {
            return Err(invalid(why));
        }
        for (key, signature) in [&old, &new].into_iter().zip(general.signatures) {
            let signature: Option<Signature<'_>> = jws::parse_object(signature.get().as_bytes());
            if !signature.is_some_and(|signature| signature.is_by(key, &general.payload)) {
                return Err(invalid("the rotation is not signed by the old key and then by the new one"));
            }
        }
        Ok(rotation)
    }

    fn fault(&self) -> Option<&'static str> {
        if self.old == self.new {
            Some("a rotation leads from one key to another")
        } else if self.overlap > MAX_OVERLAP {
            Some("the keys overlap for 7 days at most")
        } else if self.active_from < self.issued_at || self.active_from.saturating_sub(self.issued_at) > MAX_NOTICE {
            Some("the new key starts when the rotation is signed, or at most 30 days later")
        } else if self.active_from.checked_add(self.overlap).is_none() {
            Some("the end of the overlap is beyond what can be counted")
        } else {
            None
        }
    }
}

/// A rotation that waits for its two signatures.
pub struct UnsignedRotation {
    payload: String,
    headers: [String; 2],
}

impl UnsignedRotation {
    /// What the old key signs, and what the new one.
    #[must_use]
    pub fn to_sign(&self) -> [String; 2] {
        self.headers.each_ref().map(|header| format!("{header}.{}", self.payload))
    }

    /// The statement. The signatures are not checked here.
    #[must_use]
    pub fn finish(self, by_old: &[u8; 64], by_new: &[u8; 64]) -> String {
        let [old, new] = &self.headers;
        let signature = |header: &str, signature: &[u8]| {
            let mut text = String::new();
            base64::encode_into(signature, &mut text);
            format!(r#"{{"protected":"{header}","signature":"{text}"}}"#)
        };
        let (old, new) = (signature(old, by_old), signature(new, by_new));
        format!(r#"{{"payload":"{}","signatures":[{old},{new}]}}"#, self.payload)
    }
}

/// General JSON serialization, without unprotected headers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct General<'a> {
    payload: Text<'a>,
    signatures: [&'a RawValue; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Signature<'a> {
    protected: Text<'a>,
    signature: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    sub: Text<'a>,
    iat: u64,
    nbf: u64,
    overlap: u64,
}

impl Signature<'_> {
    fn is_by(&self, key: &VerifyingKey, payload: &str) -> bool {
        let names = |header: Header<'_>| *header.typ == *TYPE && jws::names_key(&header.kid, key.did());
        let right = base64::decode(&self.protected).is_some_and(|header| Header::parse(&header).is_some_and(names));
        let input = format!("{}.{payload}", &*self.protected);
        right && base64::decode_array(&self.signature).is_some_and(|signature| key.verify(input.as_bytes(), &signature))
    }
}
