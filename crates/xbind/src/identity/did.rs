//! The name of a key: `did:key` (W3C CCG did:key v0.9), Ed25519 only.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::error::{Error, ErrorKind, Result};

const SCHEME: &str = "did:key:";
/// Multicodec `ed25519-pub`, 0xed as a varint.
const CODEC: [u8; 2] = [0xed, 0x01];

/// A canonical `did:key` of a usable Ed25519 key: always 56 bytes of ASCII, always `did:key:z6Mk…`.
///
/// Only a [`VerifyingKey`](crate::VerifyingKey) makes one. Equality, order and hash are those of the key's 32 bytes.
#[derive(Clone, Copy)]
pub struct Did {
    key: [u8; 32],
    text: [u8; Self::LEN],
}

impl Did {
    /// Length of the text in bytes.
    pub const LEN: usize = 56;

    /// The whole DID, `did:key:z6Mk…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The text is ASCII by construction, so the fallback is never taken.
        str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The same as bytes, which needs no look at them.
    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.text
    }

    /// The part after `did:key:`, 48 bytes `z6Mk…`: also the fragment of the key's id.
    #[must_use]
    pub fn multibase(&self) -> &str {
        self.as_str().strip_prefix(SCHEME).unwrap_or_default()
    }

    /// The 32 bytes of the public key (RFC 8032 section 5.1.2).
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Names a key that the caller has vetted.
    pub(crate) fn of_vetted_key(key: &[u8; 32]) -> Self {
        let mut tagged = [0; 34];
        for (to, from) in tagged.iter_mut().zip(CODEC.iter().chain(key)) {
            *to = *from;
        }
        let multibase = multibase::encode(multibase::Base::Base58Btc, tagged);
        let mut text = [0; Self::LEN];
        for (to, from) in text.iter_mut().zip(SCHEME.bytes().chain(multibase.bytes())) {
            *to = from;
        }
        Self { key: *key, text }
    }
}

/// The 32 bytes that a DID text spells, not yet known to be a key.
///
/// The caller still has to vet the key and to compare the text with the DID it makes.
pub(crate) fn spelled_key(did: &str) -> Result<[u8; 32]> {
    let refuse = |why: &'static str| Error::new(ErrorKind::InvalidDid, why);
    // Before any decoding: base58 takes quadratic time.
    if did.len() != Did::LEN {
        return Err(Error::new(
            ErrorKind::InvalidDid,
            format!("a DID is {} bytes long, this one {}", Did::LEN, did.len()),
        ));
    }
    let multibase = did.strip_prefix(SCHEME).ok_or_else(|| refuse("not a did:key"))?;
    if !multibase.starts_with('z') {
        return Err(refuse("the key of a DID is written in base58btc, which begins with z"));
    }
    let (_, tagged) = multibase::decode(multibase).map_err(|_| refuse("the key of the DID is not base58btc"))?;
    let key = tagged.strip_prefix(&CODEC).ok_or_else(|| refuse("not the DID of an Ed25519 key"))?;
    key.try_into().map_err(|_| refuse("the key of the DID is not 32 bytes long"))
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.as_str().get(Self::LEN - 4..).unwrap_or_default();
        write!(f, "Did(z6Mk…{end})")
    }
}

impl PartialEq for Did {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Did {}

impl PartialOrd for Did {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Did {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl Hash for Did {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}
