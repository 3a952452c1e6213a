//! Taking rights back: lists of what is revoked, and status lists.

use std::sync::Arc;

use napi::bindgen_prelude::{Either, External, Uint8ArraySlice};
use xbind::{RevocationList, StatusList};
use xbind_binding::revocation::{self as rights, ListDraft, ListDue, ListSource, SourcePolicy};
use xbind_binding::token::Status;

use crate::bytes::{Bytes, Copied};
use crate::convert::{Fallible, Json};
use crate::key::KeyRef;
use crate::pass::Give;

pub type ListRef = External<Arc<RevocationList>>;
pub type ListsRef = External<ListSource>;
/// Stands for native memory in the eyes of V8, as long as somebody holds it.
pub type WeightRef = External<()>;

// The bytes of a list lie in JavaScript's own memory: what native memory holds is given back only when the event loop turns,
// however many lists are read before.
give! {
    [] StatusList => (u8, Bytes): |list| (list.bits().count(), Copied(list.bytes().to_vec()));
    [] Result<u8, &'static str> => Either<u8, &'static str>: |status| status.map_or_else(Self::B, Self::A);
}

entries! {
    fn new_revocation_list(capacity: f64) -> ListRef = rights::list;
    fn revoke_token(list: &ListRef, id: String, keep_until: Option<f64>, trial: bool) -> Fallible<()> = rights::revoke_token;
    fn revoke_did(list: &ListRef, subject: String, issued_until: Option<f64>, trial: bool) -> Fallible<()> = rights::revoke_did;
    fn reinstate(list: &ListRef, subject: String) -> bool = rights::reinstate;
    fn is_revoked(list: &ListRef, id: Option<String>, subject: Option<String>, issued_at: f64) -> bool = rights::is_revoked;
    fn purge_revocations(list: &ListRef, now: Option<f64>) = rights::purge;
    fn revocations(list: &ListRef) -> f64 = rights::entries;
    fn new_status_list(count: f64, len: f64) -> Fallible<(u8, Bytes)> = rights::new_status_list;
    fn read_status_list(text: String, uri: String, signer: String) -> Fallible<(u8, Bytes)> = rights::read_status_list;
    fn set_status(count: f64, mut list: Uint8ArraySlice<'_>, index: f64, status: u8) -> Fallible<()> {
        // SAFETY: this is the only reference to it while no JavaScript runs; it is private to a `StatusList`.
        let list = unsafe { list.as_mut() };
        Give::give(rights::set_status(count, list, index, status))
    }
    fn get_status(count: f64, list: Uint8ArraySlice<'_>, index: f64) -> Option<u8> = rights::status_at;
    fn status_list_size(count: f64, bytes: f64) -> f64 = rights::room;
    fn sign_status_list(
        key: &KeyRef, count: f64, list: Uint8ArraySlice<'_>, draft: Json<ListDraft>,
    ) -> Fallible<String> = rights::sign_status_list;
    fn new_status_lists(policy: Json<SourcePolicy>) -> ListsRef = ListSource::new;
    fn lists_bytes(lists: &ListsRef) -> f64 = ListSource::bytes;
    fn weight(bytes: f64) -> WeightRef { External::new_with_size_hint((), xbind_binding::number::size(bytes)) }
    fn put_list(
        lists: &ListsRef, text: String, uri: String, issuer: String, jwks: Option<String>, now: f64,
    ) -> Fallible<()> = ListSource::put;
    fn ask_list(lists: &ListsRef, issuer: String, status: Json<Status>, now: f64) -> Either<u8, &'static str>
        as "number | 'stale' | 'absent' | 'unreadable'" = ListSource::ask;
    fn list_due(lists: &ListsRef, issuer: String, status: Json<Status>, first: bool, now: f64) -> Json<ListDue>
        = ListSource::due;
    fn list_came(lists: &ListsRef, issuer: String, uri: String, now: f64, failure: Option<String>) = ListSource::came;
}
