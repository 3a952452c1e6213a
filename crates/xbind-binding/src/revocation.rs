//! Taking rights back: lists of what is revoked, and status lists.

use std::sync::Arc;

use serde::Deserialize;
use xbind::{
    Bits, Error, ErrorKind, Evidence, JwkSet, Link, ListSigner, Result, RevocationList, Standing, StatusList,
    StatusListDraft, StatusLists,
};
use xbind_runtime::now;

use crate::did::did;
use crate::key::Key;
use crate::number::{Whole, number, size, time, whole};
use crate::token::Status;

/// A list of that many entries at most.
#[must_use]
pub fn list(capacity: f64) -> Arc<RevocationList> {
    Arc::new(RevocationList::new(size(capacity)))
}

/// How many entries there are.
#[must_use]
pub fn entries(list: &RevocationList) -> f64 {
    list.len().try_into().map_or(0.0, number)
}

/// Forgets what has expired; without a time by that of the system.
pub fn purge(list: &RevocationList, now: Option<f64>) {
    list.purge(time(now));
}

/// Revokes a token; without a time the entry is kept for good.
///
/// # Errors
/// Those of [`RevocationList::revoke_id`].
pub fn revoke_token(list: &RevocationList, id: &str, keep_until: Option<f64>) -> Result<()> {
    list.revoke_id(id, keep_until.map_or(u64::MAX, whole))
}

/// Revokes a DID; without a time whatever it issues or is granted is revoked.
///
/// # Errors
/// `INVALID_DID`, and those of [`RevocationList::revoke_did`].
pub fn revoke_did(list: &RevocationList, subject: &str, issued_until: Option<f64>) -> Result<()> {
    list.revoke_did(&did(subject)?, issued_until.map_or(RevocationList::FOR_GOOD, whole))
}

/// Takes that back; whether there was something to take back.
#[must_use]
pub fn reinstate(list: &RevocationList, subject: &str) -> bool {
    did(subject).is_ok_and(|did| list.reinstate(&did))
}

/// Whether the token of that id is revoked, or what the DID issued then.
#[must_use]
pub fn is_revoked(list: &RevocationList, id: Option<&str>, subject: Option<&str>, issued_at: f64) -> bool {
    let by_id = id.is_some_and(|id| list.standing(&Link { id: id.to_owned(), ..Link::default() }) == Standing::Revoked);
    by_id || subject.is_some_and(|subject| did(subject).is_ok_and(|did| list.is_revoked(&did, whole(issued_at))))
}

/// So many bits of each token.
///
/// # Errors
/// `INVALID_CONFIG` for other numbers than 1, 2, 4 and 8.
fn bits(count: f64) -> Result<Bits> {
    Bits::of(whole(count)).ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "bits is none of 1, 2, 4, 8"))
}

/// A new status list.
///
/// # Errors
/// `INVALID_CONFIG`.
pub fn new_status_list(count: f64, len: f64) -> Result<StatusList> {
    StatusList::new(bits(count)?, whole(len))
}

/// Reads a status list that this DID signed for that address.
///
/// # Errors
/// `INVALID_DID`, and those of [`xbind::read_status_list`].
pub fn read_status_list(text: &str, uri: &str, signer: &str) -> Result<StatusList> {
    let signer = did(signer)?;
    xbind::read_status_list(text, uri, ListSigner::Did(&signer)).map(|signed| signed.list)
}

/// How a status list is to be signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDraft {
    /// Where it will be published.
    pub uri: String,
    /// How long it may be relied upon, in seconds.
    pub lifetime: Whole,
    /// How long a copy may be kept, in seconds.
    pub ttl: Option<Whole>,
    /// The system's time by default.
    pub now: Option<Whole>,
}

/// Sets the status of the token at a place.
///
/// # Errors
/// `INVALID_CONFIG`.
pub fn set_status(count: f64, list: &mut [u8], index: f64, status: u8) -> Result<()> {
    bits(count)?.set(list, whole(index), status)
}

/// The status at a place; none beyond the end.
#[must_use]
pub fn status_at(count: f64, list: &[u8], index: f64) -> Option<u8> {
    bits(count).ok()?.get(list, whole(index))
}

/// How many tokens so many bytes have room for.
#[must_use]
pub fn room(count: f64, bytes: f64) -> f64 {
    number(bits(count).map_or(0, |bits| bits.room(size(bytes))))
}

/// Signs a status list.
///
/// # Errors
/// `INVALID_CONFIG`, `SIGN_FAILED`.
pub fn sign_status_list(key: &Key, count: f64, list: &[u8], draft: &ListDraft) -> Result<String> {
    let ListDraft { uri, lifetime, ttl, now: at } = draft;
    let now = at.map_or_else(now, |Whole(now)| now);
    let draft = StatusListDraft { uri, now, lifetime: lifetime.0, ttl: ttl.map(|Whole(ttl)| ttl) };
    let list = StatusList::from_bytes(bits(count)?, list.to_vec())?;
    key.sign(|key| list.sign(key, &draft))
}

/// Room for that many status lists of so many bytes, each for so many seconds.
#[must_use]
pub fn lists(capacity: f64, bytes: f64, max_age: f64) -> Arc<StatusLists> {
    Arc::new(StatusLists::within(size(capacity), size(bytes), whole(max_age)))
}

/// How many bytes the lists take.
#[must_use]
pub fn lists_bytes(lists: &StatusLists) -> f64 {
    lists.bytes().try_into().map_or(0.0, number)
}

/// Forgets lists that are too old.
pub fn purge_lists(lists: &StatusLists, now: f64) {
    lists.purge(whole(now));
}

/// Takes in a list by a DID, or with a JWK set by an issuer of another name.
///
/// # Errors
/// `INVALID_DID`, `INVALID_KEY` (the JWK set), and those of [`StatusLists::put`].
pub fn put_list(lists: &StatusLists, text: &str, uri: &str, issuer: &str, jwks: Option<&str>, now: f64) -> Result<()> {
    match jwks {
        Some(jwks) => lists.put(text, uri, ListSigner::Issuer(issuer, &JwkSet::parse(jwks)?), whole(now)),
        None => lists.put(text, uri, ListSigner::Did(&did(issuer)?), whole(now)),
    }
}

/// A status, or why there is none.
///
/// # Errors
/// The word for it: `stale`, `absent` or `unreadable`.
pub fn ask_list(lists: &StatusLists, issuer: &str, status: &Status, now: f64) -> std::result::Result<u8, &'static str> {
    match lists.ask(issuer, &status.into(), whole(now)) {
        Evidence::Fresh(status) => Ok(status),
        Evidence::Stale => Err("stale"),
        Evidence::Absent => Err("absent"),
        Evidence::Unreadable => Err("unreadable"),
    }
}
