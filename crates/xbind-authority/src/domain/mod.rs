//! Who there is and what they may do: operators, their agents, tokens, names and keys, as they stand in the database.

pub mod agent;
pub mod authority;
pub mod exchange;
pub mod keys;
pub mod name;
pub mod nonce;
pub mod operator;
pub mod root;
pub mod token;

use xbind::record::MAX_TEXT_BYTES;
use xbind::{Did, VerifyingKey};

use crate::problem::{Problem, Result};

/// A note of what may be too long for one.
#[must_use]
pub fn note(text: &str) -> Option<Box<str>> {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).filter(|text| !text.is_empty()).map(Into::into)
}

/// A DID of a key that stands in the database.
pub(crate) fn did(key: &[u8]) -> Result<Did> {
    VerifyingKey::from_slice(key).map(|key| *key.did()).map_err(|_| Problem::internal())
}

/// Times as SQLite holds them.
pub(crate) fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// And back.
pub(crate) fn time(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default()
}
