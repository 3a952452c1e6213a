//! Tokens, delegation, rotation and approval, and taking rights back.

use std::sync::Arc;

use pyo3::prelude::*;
use xbind::{RevocationList, Shown, StatusList};
use xbind_binding::judge::{Answers, Judge, JudgePolicy, Judged};
use xbind_binding::revocation::{self as revoked, ListDraft, ListDue, ListSource, SourcePolicy};
use xbind_binding::statement::{self, Approval, ApprovalDemands, Call, KeyHistory, Rotation};
use xbind_binding::token::{self, Grant, Status};

use crate::key::KeyRef;
use crate::pass::{Bytes, Enter, Give, Json, raised};
use crate::port::JudgeRef;

kept! {
    /// The keys of one agent.
    HistoryRef(KeyHistory);
    /// What is revoked.
    ListRef(Arc<RevocationList>);
    /// Status lists that were taken in.
    ListsRef(ListSource);
    /// A status list that is published.
    StatusRef(StatusList);
}

/// What an approver is shown.
#[derive(IntoPyObject)]
enum Seen {
    Json(String),
    Bytes(Bytes),
}

impl Give<Shown> for Seen {
    fn give(shown: Shown) -> Self {
        match shown {
            Shown::Json(text) => Self::Json(text),
            Shown::Bytes(bytes) => Self::Bytes(Give::give(bytes)),
        }
    }
}

entries! {
    /// Whether one scope covers another.
    fn covers(granted: &str, needed: &str) -> PyResult<bool> = token::covers;
    fn issue_token(key: &KeyRef, grant: Json<Grant>) -> PyResult<String> = Grant::issue;
    fn delegate_token(key: &KeyRef, token: &str, grant: Json<Grant>) -> PyResult<String> = Grant::delegate;
    fn new_judge(policy: Json<JudgePolicy>, revoked: Vec<PyRef<'_, ListRef>>, lists: Vec<PyRef<'_, ListsRef>>) -> PyResult<JudgeRef> {
        let revoked: Vec<_> = revoked.iter().map(|list| (**list).enter().clone()).collect();
        let lists: Vec<_> = lists.iter().map(|lists| (**lists).enter()).collect();
        Give::give(Judge::new(&policy.0, revoked.iter().collect(), lists.iter().map(|lists| &**lists).collect()))
    }
    /// Judges a token, or says what has to be found out first.
    fn judge_token(
        judge: &JudgeRef, token: &str, now: f64, scopes: Vec<String>, presenter: Option<&str>, answers: Json<Answers>,
    ) -> Json<Judged> = |judge: &Judge, token, now, scopes: &[String], presenter, answers| {
        let judged = judge.judge(token, now, scopes, presenter, answers);
        judge.forget(); // every token is judged whole here
        judged
    };
    /// The keys of an issuer that were asked for at that time, or why there are none; why they cannot be used.
    fn keys_came(judge: &JudgeRef, issuer: &str, asked_at: f64, jwks: Option<&str>, why: &str) -> Option<String>
        = Judge::keys_came;
    /// Asks the authorities that may be asked now which keys they have.
    fn ask_authorities(judge: &JudgeRef, now: f64) -> crate::soon::Promised<()> {
        crate::soon::promised(judge.enter().ask_authorities(now), Ok)
    }
    /// Takes in a status list that was fetched for a link of a token.
    fn put_issuers_list(judge: &JudgeRef, lists: &ListsRef, text: &str, uri: &str, issuer: &str, now: f64) -> PyResult<()>
        = Judge::put_list;
    /// By default the new key starts at once.
    fn sign_rotation(
        old: &KeyRef, next: &KeyRef, active_from: Option<f64>, overlap: f64, now: Option<f64>,
    ) -> PyResult<String> {
        if std::ptr::eq(old, next) {
            let same = xbind::Error::new(xbind::ErrorKind::InvalidConfig, "a key cannot follow itself");
            return Err(raised(&same));
        }
        Give::give(statement::rotate(&old.enter(), &next.enter(), active_from, overlap, now))
    }
    fn verify_rotation(statement: &str) -> PyResult<Json<Rotation>> = Rotation::verify;
    fn new_key_history(first: &str, active_from: f64) -> PyResult<HistoryRef> = KeyHistory::new;
    fn prepare_key(history: &HistoryRef, statement: &str, now: Option<f64>, trial: bool) -> PyResult<Json<Rotation>>
        = KeyHistory::prepare;
    fn activate_key(history: &HistoryRef, key: &str, from_time: Option<f64>, trial: bool) -> bool = KeyHistory::activate;
    fn taint_key(history: &HistoryRef, key: &str, from_time: Option<f64>, trial: bool) -> bool = KeyHistory::taint;
    fn revoke_key(history: &HistoryRef, key: &str, trial: bool) -> bool = KeyHistory::revoke;
    fn key_state(history: &HistoryRef, key: &str, at: Option<f64>) -> Option<&'static str> = KeyHistory::state;
    fn may_sign(history: &HistoryRef, key: &str, at: Option<f64>) -> bool = KeyHistory::may_sign;
    fn receipt_stands(history: &HistoryRef, key: &str, signed_at: f64) -> bool = KeyHistory::receipt_stands;
    fn current_key(history: &HistoryRef, at: Option<f64>) -> Option<String> = KeyHistory::current;
    /// What an approver is shown, JSON text or bytes, of a body in base64url for that method.
    fn shown_body(content_type: &str, body: &str, method: Option<&str>) -> PyResult<Seen> = statement::shown;
    fn approve_call(
        key: &KeyRef, decision: &str, call: Json<Call>, body: &[u8], ttl: f64, now: Option<f64>,
    ) -> PyResult<String> = Call::approve;
    fn verify_approval(
        statement: &str, call: Json<Call>, body: &[u8], demands: Json<ApprovalDemands>,
    ) -> PyResult<Json<Approval>> = Call::verify;

    fn new_revocation_list(capacity: f64) -> ListRef = revoked::list;
    /// Without a time the entry is kept for good.
    fn revoke_token(list: &ListRef, id: &str, keep_until: Option<f64>, trial: bool) -> PyResult<()>
        = |list: &Arc<_>, id, until, trial| revoked::revoke_token(list, id, until, trial);
    /// Without a time whatever the DID issues or is granted is revoked.
    fn revoke_did(list: &ListRef, subject: &str, issued_until: Option<f64>, trial: bool) -> PyResult<()>
        = |list: &Arc<_>, did, until, trial| revoked::revoke_did(list, did, until, trial);
    fn reinstate(list: &ListRef, subject: &str) -> bool = |list: &Arc<_>, did| revoked::reinstate(list, did);
    fn is_revoked(list: &ListRef, id: Option<&str>, subject: Option<&str>, issued_at: f64) -> bool
        = |list: &Arc<_>, id, did, at| revoked::is_revoked(list, id, did, at);
    fn purge_revocations(list: &ListRef, now: Option<f64>) = |list: &Arc<_>, now| revoked::purge(list, now);
    fn revocations(list: &ListRef) -> f64 = |list: &Arc<_>| revoked::entries(list);

    fn new_status_list(count: f64, len: f64) -> PyResult<StatusRef> = revoked::new_status_list;
    /// Reads a list that this DID signed for that address.
    fn read_status_list(text: &str, uri: &str, signer: &str) -> PyResult<StatusRef> = revoked::read_status_list;
    fn set_status(list: &StatusRef, index: f64, status: u8) -> PyResult<()> {
        let mut list = list.enter();
        let set = list.set(xbind_binding::number::whole(index), status);
        set.map_err(|error| raised(&error))
    }
    fn get_status(list: &StatusRef, index: f64) -> Option<u8> = |list: &StatusList, index|
        list.get(xbind_binding::number::whole(index));
    fn sign_status_list(key: &KeyRef, list: &StatusRef, draft: Json<ListDraft>) -> PyResult<String>
        = |key, list: &StatusList, draft| revoked::sign_status_list(key, f64::from(list.bits().count()), list.bytes(), draft);
    fn new_status_lists(policy: Json<SourcePolicy>) -> ListsRef = ListSource::new;
    /// Takes in a list by a DID, or with a JWK set by an issuer of another name.
    fn put_list(
        lists: &ListsRef, text: &str, uri: &str, issuer: &str, jwks: Option<&str>, now: f64,
    ) -> PyResult<()> = ListSource::put;
    /// What has to be done about the list that a link names, the first of its token or another.
    fn list_due(lists: &ListsRef, issuer: &str, status: Json<Status>, first: bool, now: f64) -> Json<ListDue>
        = ListSource::due;
    /// A list that was due at that time came, or did not for this reason.
    fn list_came(lists: &ListsRef, issuer: &str, uri: &str, now: f64, failure: Option<&str>) = ListSource::came;
    /// A status, and else why there is none.
    fn ask_list(lists: &ListsRef, issuer: &str, status: Json<Status>, now: f64) -> (Option<u8>, Option<&'static str>)
        = |lists: &ListSource, issuer, status, now| match lists.ask(issuer, status, now) {
            Ok(status) => (Some(status), None),
            Err(why) => (None, Some(why)),
        };
}
