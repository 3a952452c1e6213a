//! Keys of a NATS server, account or connection, as NATS spells them (NKeys): an Ed25519 key with its role and a checksum.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::VerifyingKey;

/// Why a key that [`is_of`](NKey::is_of) a DID is refused.
pub(crate) const OWN_KEY: &str = "the key of a DID is never that of a connection";

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Role, key and checksum.
const BYTES: usize = 35;

/// Whose key it is; the first letter of its text says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `A`: signs what a connection may do.
    Account,
    /// `N`: a server.
    Server,
    /// `U`: a connection, made anew for each.
    User,
}

impl Role {
    const ALL: [Self; 3] = [Self::Account, Self::Server, Self::User];

    /// The first byte.
    const fn prefix(self) -> u8 {
        match self {
            Self::Account => 0,
            Self::Server => 13 << 3,
            Self::User => 20 << 3,
        }
    }
}

/// A public key in that spelling: 56 characters of base32. It is never the key of an agent: servers have connections sign
/// what they choose.
///
/// Equality, order and hash are those of the text.
#[derive(Clone, Copy)]
pub struct NKey {
    text: [u8; Self::LEN],
    key: [u8; 32],
}

impl NKey {
    /// Length of the text in bytes.
    pub const LEN: usize = 56;

    /// That key in that role.
    #[must_use]
    pub fn of(role: Role, key: &VerifyingKey) -> Self {
        let key = *key.did().public_key();
        Self { text: spell(role.prefix(), &key), key }
    }

    /// Reads a key in that role.
    ///
    /// # Errors
    /// `INVALID_KEY` for another role, a checksum that does not fit, a key that [`VerifyingKey::from_bytes`] refuses, and any
    /// other text: lower case, padding, another length.
    pub fn parse(role: Role, text: &str) -> Result<Self> {
        Ok(Self::of(role, &VerifyingKey::from_bytes(&spelled(role.prefix(), text)?)?))
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text).unwrap_or_default() // ASCII by construction
    }

    /// In which role it is.
    #[must_use]
    pub fn role(&self) -> Role {
        let first = |role: &Role| Some(&NKey::letter(*role)) == self.text.first();
        Role::ALL.into_iter().find(first).unwrap_or(Role::User)
    }

    const fn letter(role: Role) -> u8 {
        match role {
            Role::Account => b'A',
            Role::Server => b'N',
            Role::User => b'U',
        }
    }

    /// Its 32 bytes (RFC 8032 section 5.1.2).
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Whether it is the key of that DID, which it must never be.
    pub(crate) fn is_of(&self, did: &Did) -> bool {
        self.key == *did.public_key()
    }

    /// Whether `signature` is this key's over `data`, by the strict rules of [`VerifyingKey::verify`].
    #[must_use]
    pub fn verify(&self, data: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.key).is_ok_and(|key| key.verify(data, signature))
    }
}

impl PartialEq for NKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NKey {}

impl PartialOrd for NKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for NKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for NKey {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for NKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for NKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NKey({self})")
    }
}

/// A key in that spelling, behind the byte that says what it is.
pub(crate) fn spell(prefix: u8, key: &[u8; 32]) -> [u8; NKey::LEN] {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(prefix);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
    let mut text = [b'A'; NKey::LEN];
    // Five bytes are eight characters, with none left over.
    for (characters, group) in text.chunks_exact_mut(8).zip(bytes.chunks_exact(5)) {
        let mut value = group.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        for character in characters.iter_mut().rev() {
            let digit = usize::try_from(value & 31).unwrap_or_default();
            *character = ALPHABET.get(digit).copied().unwrap_or_default();
            value >>= 5;
        }
    }
    text
}

/// The 32 bytes that a text spells behind that byte; not yet known to be a key.
pub(crate) fn spelled(prefix: u8, text: &str) -> Result<[u8; 32]> {
    let refuse = |why: &'static str| Error::new(ErrorKind::InvalidKey, why);
    if text.len() != NKey::LEN {
        return Err(refuse("an NKey has 56 characters"));
    }
    let mut bytes = Vec::with_capacity(BYTES);
    for group in text.as_bytes().chunks_exact(8) {
        let digit = |byte: &u8| ALPHABET.iter().zip(0_u64..).find(|(letter, _)| *letter == byte);
        let join = |value: u64, byte: &u8| digit(byte).map(|(_, digit)| value << 5 | digit);
        let value = group.iter().try_fold(0, join).ok_or_else(|| refuse("the NKey is not base32 in upper case"))?;
        bytes.extend(value.to_be_bytes().into_iter().skip(3));
    }
    let (tagged, sum) = bytes.split_at_checked(BYTES.saturating_sub(2)).unwrap_or_default();
    if checksum(tagged).to_le_bytes() != *sum {
        return Err(refuse("the checksum of the NKey does not fit"));
    }
    let (own, key) = tagged.split_first().ok_or_else(|| refuse("an NKey has 56 characters"))?;
    if *own != prefix {
        return Err(refuse("the NKey is in another role"));
    }
    key.try_into().map_err(|_| refuse("an NKey has 56 characters"))
}

/// CRC-16/XMODEM: polynomial 0x1021, beginning with 0.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| (sum << 1) ^ if sum & 0x8000 == 0 { 0 } else { 0x1021 })
    })
}
