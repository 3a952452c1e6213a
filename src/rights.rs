//! Tokens, delegation, rotation and approval.

use napi::bindgen_prelude::{Either3, External};
use xbind::Shown;
use xbind_binding::judge::{Answers, Judge, JudgePolicy, Judged};
use xbind_binding::statement::{self, Approval, ApprovalDemands, Call, KeyHistory, Rotation};
use xbind_binding::token::{self, Grant};

use crate::bytes::{Bytes, Copied};
use crate::convert::{BindingError, Fallible, Json};
use crate::key::KeyRef;
use crate::revocation::{ListRef, ListsRef};

pub type JudgeRef = External<Judge>;
pub type HistoryRef = External<KeyHistory>;

give! {
    [] xbind::Result<Shown> => Either3<String, Bytes, BindingError>: |shown| match shown {
        Ok(Shown::Json(text)) => Self::A(text),
        Ok(Shown::Bytes(bytes)) => Self::B(Copied(bytes)),
        Err(error) => Self::C(error.into()),
    };
}

entries! {
    fn covers(granted: String, needed: String) -> Fallible<bool> = token::covers;
    fn issue_token(key: &KeyRef, grant: Json<Grant>) -> Fallible<String> = Grant::issue;
    fn delegate_token(key: &KeyRef, token: String, grant: Json<Grant>) -> Fallible<String> = Grant::delegate;
    fn new_judge(policy: Json<JudgePolicy>, revoked: Vec<&ListRef>, lists: Vec<&ListsRef>) -> Fallible<JudgeRef>
        = Judge::new;
    fn keys_came(judge: &JudgeRef, issuer: String, asked_at: f64, jwks: Option<String>, why: String) -> Option<String>
        = Judge::keys_came;
    fn ask_authorities(judge: &JudgeRef, now: f64) -> crate::pass::Promised<(), ()> as "Promise<void>" = Judge::ask_authorities;
    fn put_issuers_list(judge: &JudgeRef, lists: &ListsRef, text: String, uri: String, issuer: String, now: f64)
        -> Option<BindingError> = Judge::put_list;
    fn judge_token(
        judge: &JudgeRef, token: String, now: f64, scopes: Vec<String>, presenter: Option<String>, answers: Json<Answers>,
    ) -> Json<Judged> = Judge::judge;
    fn verify_known_token(
        judge: &JudgeRef, token: u32, now: f64, scopes: Option<Vec<String>>, presenter: Option<String>,
    ) -> Option<&'static str> as "Token['revocation'] | null" = Judge::judge_known;
    fn forget_known_tokens(judge: &JudgeRef) = Judge::forget;
    fn sign_rotation(
        old: &KeyRef, next: &KeyRef, active_from: Option<f64>, overlap: f64, now: Option<f64>,
    ) -> Fallible<String> = statement::rotate;
    fn verify_rotation(statement: String) -> Fallible<Json<Rotation>> = Rotation::verify;
    fn new_key_history(first: String, active_from: f64) -> Fallible<HistoryRef> = KeyHistory::new;
    fn prepare_key(history: &HistoryRef, statement: String, now: Option<f64>, trial: bool) -> Fallible<Json<Rotation>>
        = KeyHistory::prepare;
    fn activate_key(history: &HistoryRef, key: String, from: Option<f64>, trial: bool) -> bool = KeyHistory::activate;
    fn taint_key(history: &HistoryRef, key: String, from: Option<f64>, trial: bool) -> bool = KeyHistory::taint;
    fn revoke_key(history: &HistoryRef, key: String, trial: bool) -> bool = KeyHistory::revoke;
    fn key_state(history: &HistoryRef, key: String, at: Option<f64>) -> Option<&'static str> = KeyHistory::state;
    fn may_sign(history: &HistoryRef, key: String, at: Option<f64>) -> bool = KeyHistory::may_sign;
    fn receipt_stands(history: &HistoryRef, key: String, signed_at: f64) -> bool = KeyHistory::receipt_stands;
    fn current_key(history: &HistoryRef, at: Option<f64>) -> Option<String> = KeyHistory::current;
    fn shown_body(content_type: String, body: String, method: Option<String>) -> Either3<String, Bytes, BindingError>
        = statement::shown;
    fn approve_call(
        key: &KeyRef, decision: String, call: Json<Call>, body: Bytes, ttl: f64, now: Option<f64>,
    ) -> Fallible<String> = Call::approve;
    fn verify_approval(
        statement: String, call: Json<Call>, body: Bytes, demands: Json<ApprovalDemands>,
    ) -> Fallible<Json<Approval>> = Call::verify;
}
