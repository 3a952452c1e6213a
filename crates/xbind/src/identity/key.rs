//! Ed25519 keys (RFC 8032): the one that signs, the one that verifies, and a cache of the latter.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Signature, Verifier};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::cache::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::{self, Did};
use crate::identity::scrub;

/// A public key that is safe to verify with: canonical, on the curve, not of small order.
#[derive(Clone)]
pub struct VerifyingKey {
    key: ed25519_dalek::VerifyingKey,
    did: Did,
}

impl VerifyingKey {
    /// The key that a DID names. This is the only parser of DIDs.
    ///
    /// # Errors
    /// `INVALID_DID` for anything but the canonical text of a usable key: another multibase letter, a version segment,
    /// a fragment, a non-minimal varint, a key that [`from_bytes`](Self::from_bytes) refuses.
    pub fn from_did(did: &str) -> Result<Self> {
        Self::spelled(did).map_err(|error| error.with_hint("give a DID as getDID() returns it: did:key:z6Mk…"))
    }

    fn spelled(did: &str) -> Result<Self> {
        let key = did::spelled_key(did)?;
        let key = Self::from_bytes(&key).map_err(|e| Error::new(ErrorKind::InvalidDid, e.message().to_owned()))?;
        // Whatever the decoder lets pass, no second text leads to the key.
        if key.did.as_str() == did {
            Ok(key)
        } else {
            Err(Error::new(ErrorKind::InvalidDid, "the DID is not in its canonical form"))
        }
    }

    /// The key of these 32 bytes (RFC 8032 section 5.1.3).
    ///
    /// # Errors
    /// `INVALID_KEY` if the encoding is not canonical, not a point of the curve, or of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        let refuse = |why: &'static str| Error::new(ErrorKind::InvalidKey, why);
        if !is_reduced(bytes) {
            return Err(refuse("the key is not in its canonical encoding"));
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|_| refuse("the key is not a point of the curve"))?;
        // Of the encodings with y < p, only two are not canonical, those of x = 0 with a sign; both are of small order.
        if key.is_weak() {
            return Err(refuse("the key is of small order: anybody can sign for it"));
        }
        Ok(Self { did: Did::of_vetted_key(bytes), key })
    }

    /// The same of bytes in any number.
    ///
    /// # Errors
    /// `INVALID_KEY` as there, and for another length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes(sized(bytes, "a public key")?)
    }

    /// The name of this key.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// Whether `signature` is this key's over `data`: RFC 8032 section 5.1.7 without the cofactor, S < L, and no R of
    /// small order.
    #[must_use]
    pub fn verify(&self, data: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        // The plain check compares R with a canonical encoding, byte by byte, so listing the canonical encodings of
        // small order is all that separates it from `verify_strict`, which decompresses R to find out (+10 % time).
        self.key.verify(data, &signature).is_ok() && !SMALL_ORDER.contains(signature.r_bytes())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifyingKey").field(&self.did).finish()
    }
}

fn sized<'a>(bytes: &'a [u8], what: &str) -> Result<&'a [u8; 32]> {
    let wrong = |_| Error::new(ErrorKind::InvalidKey, format!("{what} has 32 bytes, not {}", bytes.len()));
    bytes.try_into().map_err(wrong)
}

/// A private key, wiped when dropped.
pub struct SigningKey {
    // The seed alone, since the scalar is hashed out of it in well under a microsecond. On the heap, because what is moved
    // leaves a copy behind.
    seed: Box<Zeroizing<[u8; 32]>>,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// The key of an RFC 8032 seed (section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let made: std::result::Result<Self, Infallible> = Self::generate(|own| {
            own.copy_from_slice(seed);
            Ok(())
        });
        let Ok(key) = made;
        key
    }

    /// The same of bytes in any number.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length.
    pub fn from_seed_slice(seed: &[u8]) -> Result<Self> {
        sized(seed, "a seed").map(Self::from_seed)
    }

    /// The key of the seed that `fill` writes, for one, from a random source.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn generate<E>(fill: impl FnOnce(&mut [u8; 32]) -> std::result::Result<(), E>) -> std::result::Result<Self, E> {
        scrub::after::<{ scrub::SIGNING }, _>(|| {
            let mut seed = Box::new(Zeroizing::new([0; 32]));
            fill(&mut seed)?;
            let key = ed25519_dalek::VerifyingKey::from(&ExpandedSecretKey::from(&**seed));
            let did = Did::of_vetted_key(key.as_bytes());
            Ok(Self { seed, verifying: VerifyingKey { key, did } })
        })
    }

    /// The name of this key.
    #[must_use]
    pub const fn did(&self) -> &Did {
        self.verifying.did()
    }

    /// The public half.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs (RFC 8032 section 5.1.6): deterministic, 64 bytes.
    #[must_use]
    pub fn sign(&self, data: &[u8]) -> [u8; 64] {
        scrub::after::<{ scrub::SIGNING }, _>(|| {
            raw_sign::<Sha512>(&ExpandedSecretKey::from(&**self.seed), data, &self.verifying.key).to_bytes()
        })
    }

    /// The same key once more, for another thread; wiped when dropped as well.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::from_seed(&self.seed)
    }

    pub(crate) fn seed(&self) -> &[u8] {
        &**self.seed
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Remembers the keys of DIDs met lately, because decompressing one costs as much as a tenth of a verification.
///
/// Holds at most `capacity` keys (about 400 bytes each); what was not asked for lately makes room. Threads may share it.
#[derive(Debug)]
pub struct KeyCache {
    /// By the exact text of their DIDs, so that no other spelling can lead to one.
    kept: Cache<Box<str>, Arc<VerifyingKey>>,
}

impl KeyCache {
    /// An empty cache; it owns no heap until the first key comes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { kept: Cache::new(capacity) }
    }

    /// The key that a DID names, as [`VerifyingKey::from_did`] gives it.
    ///
    /// # Errors
    /// `INVALID_DID`; refusals are not remembered.
    pub fn get(&self, did: &str) -> Result<Arc<VerifyingKey>> {
        if let Some(key) = self.kept.get(did) {
            return Ok(key);
        }
        let key = Arc::new(VerifyingKey::from_did(did)?);
        self.kept.keep(did.into(), Arc::clone(&key));
        Ok(key)
    }
}

/// Whether the y of an encoding is below p = 2^255 - 19; 255 bits leave 19 values that are not.
fn is_reduced(encoding: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = encoding;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// The canonical encodings of the eight points whose order divides 8.
const SMALL_ORDER: [[u8; 32]; 8] = [
    around(0x01, 0x00, 0x00),
    around(0xec, 0xff, 0x7f),
    around(0x00, 0x00, 0x00),
    around(0x00, 0x00, 0x80),
    ORDER_8_A,
    negated(ORDER_8_A),
    ORDER_8_B,
    negated(ORDER_8_B),
];

#[rustfmt::skip]
const ORDER_8_A: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
    0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];

#[rustfmt::skip]
const ORDER_8_B: [u8; 32] = [
    0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
    0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
];

const fn around(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut encoding = [middle; 32];
    encoding[0] = first;
    encoding[31] = last;
    encoding
}

const fn negated(mut encoding: [u8; 32]) -> [u8; 32] {
    encoding[31] |= 0x80;
    encoding
}
