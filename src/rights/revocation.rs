//! Taking rights back: lists of what is revoked, and status lists.

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Either, External, Uint8ArraySlice};
use napi_derive::napi;
use xbind::{
    Bits, Error, ErrorKind, Evidence, JwkSet, Link, ListSigner, RevocationList, Standing, StatusList, StatusListDraft,
    StatusLists,
};

use super::token::BindingStatus;
use super::{did, time};
use crate::convert::{Fallible, fallible, number, size, whole};
use crate::identity::KeyRef;

pub type ListRef = External<Arc<RevocationList>>;
pub type ListsRef = External<Arc<StatusLists>>;

#[napi(catch_unwind)]
pub fn new_revocation_list(capacity: f64) -> ListRef {
    External::new(Arc::new(RevocationList::new(size(capacity))))
}

/// Without a time the entry is kept for good.
#[napi(catch_unwind)]
pub fn revoke_token(list: &ListRef, id: String, keep_until: Option<f64>) -> Fallible<()> {
    fallible(list.revoke_id(&id, keep_until.map_or(u64::MAX, whole)))
}

/// Without a time whatever the DID issues or is granted is revoked.
#[napi(catch_unwind)]
pub fn revoke_did(list: &ListRef, subject: String, issued_until: Option<f64>) -> Fallible<()> {
    let until = issued_until.map_or(RevocationList::FOR_GOOD, whole);
    fallible(did(&subject).and_then(|did| list.revoke_did(&did, until)))
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

/// A list whose bytes lie in JavaScript's own memory: what native memory holds is given back only when the event loop
/// turns, however many lists are read before.
#[napi(object, object_from_js = false)]
pub struct BindingStatusList<'env> {
    pub bits: u8,
    pub bytes: BufferSlice<'env>,
}

fn copied(env: &Env, list: xbind::Result<StatusList>) -> napi::Result<Fallible<BindingStatusList<'_>>> {
    let copy = |list: StatusList| {
        Ok(BindingStatusList { bits: list.bits().count(), bytes: BufferSlice::copy_from(env, list.bytes())? })
    };
    list.map(copy).map_or_else(|error| Ok(Either::B(error.into())), |copy| copy.map(Either::A))
}

fn bits(count: impl Into<u64>) -> xbind::Result<Bits> {
    Bits::of(count.into()).ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "bits is none of 1, 2, 4, 8"))
}

#[napi(catch_unwind)]
pub fn new_status_list(env: &Env, count: f64, len: f64) -> napi::Result<Fallible<BindingStatusList<'_>>> {
    copied(env, bits(whole(count)).and_then(|bits| StatusList::new(bits, whole(len))))
}

/// Reads a list that this DID signed for that address.
#[napi(catch_unwind)]
pub fn read_status_list(
    env: &Env,
    text: String,
    uri: String,
    signer: String,
) -> napi::Result<Fallible<BindingStatusList<'_>>> {
    let read = did(&signer).and_then(|did| xbind::read_status_list(&text, &uri, ListSigner::Did(&did)));
    copied(env, read.map(|signed| signed.list))
}

// These borrow the private memory of a `StatusList` for as long as they run, which nobody else can write to.

#[napi(catch_unwind)]
pub fn set_status(count: u8, mut list: Uint8ArraySlice<'_>, index: f64, status: u8) -> Fallible<()> {
    // SAFETY: this is the only reference to it while no JavaScript runs.
    let list = unsafe { list.as_mut() };
    fallible(bits(count).and_then(|bits| bits.set(list, whole(index), status)))
}

#[napi(catch_unwind)]
pub fn get_status(count: u8, list: Uint8ArraySlice<'_>, index: f64) -> Option<u8> {
    bits(count).ok()?.get(&list, whole(index))
}

#[napi(catch_unwind)]
pub fn status_list_size(count: u8, bytes: f64) -> f64 {
    number(bits(count).map_or(0, |bits| bits.room(size(bytes))))
}

#[napi(object, object_to_js = false)]
pub struct BindingListDraft {
    pub uri: String,
    pub lifetime: f64,
    pub ttl: Option<f64>,
    pub now: Option<f64>,
}

#[napi(catch_unwind)]
pub fn sign_status_list(
    key: &KeyRef,
    count: u8,
    list: Uint8ArraySlice<'_>,
    draft: BindingListDraft,
) -> Fallible<String> {
    let BindingListDraft { uri, lifetime, ttl, now } = &draft;
    let draft = StatusListDraft { uri, now: time(*now), lifetime: whole(*lifetime), ttl: ttl.map(whole) };
    let list = bits(count).and_then(|bits| StatusList::from_bytes(bits, list.to_vec()));
    fallible(list.and_then(|list| key.with(ErrorKind::SignFailed, |key| list.sign(key, &draft))))
}

#[napi(catch_unwind)]
pub fn new_status_lists(capacity: f64, bytes: f64, max_age: f64) -> ListsRef {
    External::new(Arc::new(StatusLists::within(size(capacity), size(bytes), whole(max_age))))
}

/// How many bytes the lists take in native memory.
#[napi(catch_unwind)]
pub fn lists_bytes(lists: &ListsRef) -> f64 {
    lists.bytes().try_into().map_or(0.0, number)
}

/// Stands for so much native memory in the eyes of V8, as long as somebody holds it.
#[napi(catch_unwind, ts_return_type = "object")]
pub fn weight(bytes: f64) -> External<()> {
    External::new_with_size_hint((), size(bytes))
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
) -> Fallible<()> {
    fallible(match jwks {
        Some(jwks) => {
            JwkSet::parse(&jwks).and_then(|set| lists.put(&text, &uri, ListSigner::Issuer(&issuer, &set), whole(now)))
        }
        None => did(&issuer).and_then(|did| lists.put(&text, &uri, ListSigner::Did(&did), whole(now))),
    })
}

/// A status, or why there is none.
#[napi(catch_unwind, ts_return_type = "number | 'stale' | 'absent' | 'unreadable'")]
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
