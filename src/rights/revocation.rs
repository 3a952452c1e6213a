//! Taking rights back: lists of what is revoked, and status lists.

use std::cell::RefCell;
use std::sync::Arc;

use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;
use xbind::{
    Bits, Error, ErrorKind, Evidence, JwkSet, Link, ListSigner, RevocationList, Standing, StatusList, StatusListDraft,
    StatusLists,
};

use super::token::BindingStatus;
use super::{did, time};
use crate::convert::{BindingError, Fallible, fallible, number, size, whole};
use crate::identity::KeyRef;

pub type ListRef = External<Arc<RevocationList>>;
pub type ListsRef = External<Arc<StatusLists>>;
pub type StatusListRef = External<RefCell<StatusList>>;

#[napi(catch_unwind)]
pub fn new_revocation_list(capacity: f64) -> ListRef {
    External::new(Arc::new(RevocationList::new(size(capacity))))
}

/// Without a time the entry is kept for good.
#[napi(catch_unwind)]
pub fn revoke_token(list: &ListRef, id: String, keep_until: Option<f64>) -> Option<BindingError> {
    list.revoke_id(&id, keep_until.map_or(u64::MAX, whole)).err().map(BindingError::from)
}

/// Without a time whatever the DID issues or is granted is revoked.
#[napi(catch_unwind)]
pub fn revoke_did(list: &ListRef, subject: String, issued_until: Option<f64>) -> Option<BindingError> {
    let until = issued_until.map_or(RevocationList::FOR_GOOD, whole);
    did(&subject).and_then(|did| list.revoke_did(&did, until)).err().map(BindingError::from)
}

#[napi(catch_unwind)]
pub fn reinstate(list: &ListRef, subject: String) -> bool {
    did(&subject).is_ok_and(|did| list.reinstate(&did))
}

#[napi(catch_unwind)]
pub fn is_revoked(list: &ListRef, id: Option<String>, subject: Option<String>, issued_at: f64) -> bool {
    let by_id = id.is_some_and(|id| list.standing(&Link { id, ..Link::default() }) == Standing::Revoked);
    by_id || subject.is_some_and(|subject| did(&subject).is_ok_and(|did| list.is_revoked(&did, whole(issued_at))))
}

#[napi(catch_unwind)]
pub fn purge_revocations(list: &ListRef, now: Option<f64>) {
    list.purge(time(now));
}

#[napi(catch_unwind)]
pub fn revocations(list: &ListRef) -> f64 {
    list.len().try_into().map_or(0.0, number)
}

#[napi(catch_unwind)]
pub fn new_status_list(bits: f64, len: f64) -> Fallible<StatusListRef> {
    let bits = Bits::of(whole(bits)).ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "bits is none of 1, 2, 4, 8"));
    fallible(bits.and_then(|bits| StatusList::new(bits, whole(len))).map(|list| External::new(RefCell::new(list))))
}

/// Reads a list that this DID signed for that address.
#[napi(catch_unwind)]
pub fn read_status_list(text: String, uri: String, signer: String) -> Fallible<StatusListRef> {
    let read = did(&signer).and_then(|did| xbind::read_status_list(&text, &uri, ListSigner::Did(&did)));
    fallible(read.map(|signed| External::new(RefCell::new(signed.list))))
}

#[napi(catch_unwind)]
pub fn set_status(list: &StatusListRef, index: f64, status: u8) -> Option<BindingError> {
    list.borrow_mut().set(whole(index), status).err().map(BindingError::from)
}

#[napi(catch_unwind)]
pub fn get_status(list: &StatusListRef, index: f64) -> Option<u8> {
    list.borrow().get(whole(index))
}

#[napi(catch_unwind)]
pub fn status_list_size(list: &StatusListRef) -> f64 {
    number(list.borrow().len())
}

#[napi(catch_unwind)]
pub fn status_list_bits(list: &StatusListRef) -> u8 {
    list.borrow().bits().count()
}

#[napi(object, object_to_js = false)]
pub struct BindingListDraft {
    pub uri: String,
    pub lifetime: f64,
    pub ttl: Option<f64>,
    pub now: Option<f64>,
}

#[napi(catch_unwind)]
pub fn sign_status_list(key: &KeyRef, list: &StatusListRef, draft: BindingListDraft) -> Fallible<String> {
    let BindingListDraft { uri, lifetime, ttl, now } = &draft;
    let draft = StatusListDraft { uri, now: time(*now), lifetime: whole(*lifetime), ttl: ttl.map(whole) };
    fallible(key.with(ErrorKind::SignFailed, |key| list.borrow().sign(key, &draft)))
}

#[napi(catch_unwind)]
pub fn new_status_lists(capacity: f64, max_age: f64) -> ListsRef {
    External::new(Arc::new(StatusLists::new(size(capacity), whole(max_age))))
}

/// Takes in a list by a DID, or with a JWK set by an issuer of another name.
#[napi(catch_unwind)]
pub fn put_list(
    lists: &ListsRef,
    text: String,
    uri: String,
    issuer: String,
    jwks: Option<String>,
    now: f64,
) -> Option<BindingError> {
    let put = match jwks {
        Some(jwks) => {
            JwkSet::parse(&jwks).and_then(|set| lists.put(&text, &uri, ListSigner::Issuer(&issuer, &set), whole(now)))
        }
        None => did(&issuer).and_then(|did| lists.put(&text, &uri, ListSigner::Did(&did), whole(now))),
    };
    put.err().map(BindingError::from)
}

/// A status, or why there is none: stale, absent, unreadable.
#[napi(catch_unwind)]
pub fn ask_list(lists: &ListsRef, issuer: String, status: BindingStatus, now: f64) -> Either<u8, &'static str> {
    match lists.ask(&issuer, &status.to_core(), whole(now)) {
        Evidence::Fresh(status) => Either::A(status),
        Evidence::Stale => Either::B("stale"),
        Evidence::Absent => Either::B("absent"),
        Evidence::Unreadable => Either::B("unreadable"),
    }
}

#[napi(catch_unwind)]
pub fn purge_lists(lists: &ListsRef, now: f64) {
    lists.purge(whole(now));
}
