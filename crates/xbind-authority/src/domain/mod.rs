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

use std::fmt::Write as _;

use xbind::record::MAX_TEXT_BYTES;
use xbind::{Did, ScopeSet, VerifyingKey};

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

/// What a token is for, and for whom, so that nobody who asks can have it read as something else: an audience has no white space.
pub(crate) fn note_token(user: Option<(&str, &str)>, audience: &str, scopes: &ScopeSet) -> Option<Box<str>> {
    match user {
        None => note(&format!("{audience} {scopes}")),
        // Whatever else there is no room for.
        Some((issuer, subject)) => note(&format!("for {} {}: {audience} {scopes}", word(issuer), word(subject))),
    }
}

/// A text as one word of a note: all but printable ASCII, and `%`, is `%` and two digits.
pub(crate) fn word(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
    }
    out
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
