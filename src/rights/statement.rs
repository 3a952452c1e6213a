//! Rotations of keys and approvals of calls.

use std::cell::RefCell;

use napi::bindgen_prelude::{Buffer, Either3, External};
use napi_derive::napi;
use xbind::message::details::is_method;
use xbind::{Approval, ApprovalDraft, ApprovedCall, Decision, Error, ErrorKind, KeyHistory, Rotation, Session, Shown};

use super::token::fresh_id;
use super::{did, dids, time};
use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, fallible, number, whole};
use crate::identity::KeyRef;

pub type HistoryRef = External<RefCell<KeyHistory>>;

#[napi(object, object_from_js = false)]
pub struct BindingRotation {
    pub old: String,
    pub new: String,
    pub issued_at: f64,
    pub active_from: f64,
    pub overlap: f64,
}

impl From<Rotation> for BindingRotation {
    fn from(rotation: Rotation) -> Self {
        Self {
            old: rotation.old.to_string(),
            new: rotation.new.to_string(),
            issued_at: number(rotation.issued_at),
            active_from: number(rotation.active_from),
            overlap: number(rotation.overlap),
        }
    }
}

/// By default the new key starts at once.
#[napi(catch_unwind)]
pub fn sign_rotation(
    old: &KeyRef,
    next: &KeyRef,
    active_from: Option<f64>,
    overlap: f64,
    now: Option<f64>,
) -> Fallible<String> {
    let issued_at = time(now);
    let active_from = active_from.map_or(issued_at, whole);
    let overlap = whole(overlap);
    fallible(old.with(ErrorKind::SignFailed, |old| {
        next.with(ErrorKind::SignFailed, |next| {
            Rotation { old: *old.did(), new: *next.did(), issued_at, active_from, overlap }.sign(old, next)
        })
    }))
}

#[napi(catch_unwind)]
pub fn verify_rotation(statement: String) -> Fallible<BindingRotation> {
    fallible(Rotation::verify(&statement).map(BindingRotation::from))
}

#[napi(catch_unwind)]
pub fn new_key_history(first: String, active_from: f64) -> Fallible<HistoryRef> {
    fallible(did(&first).map(|first| External::new(RefCell::new(KeyHistory::new(first, whole(active_from))))))
}

#[napi(catch_unwind)]
pub fn prepare_key(history: &HistoryRef, statement: String, now: Option<f64>) -> Fallible<BindingRotation> {
    fallible(Rotation::verify(&statement).and_then(|rotation| {
        history.borrow_mut().prepare(&rotation, time(now))?;
        Ok(rotation.into())
    }))
}

#[napi(catch_unwind)]
pub fn activate_key(history: &HistoryRef, key: String, from: Option<f64>) -> bool {
    did(&key).is_ok_and(|did| history.borrow_mut().activate(&did, time(from)))
}

#[napi(catch_unwind)]
pub fn taint_key(history: &HistoryRef, key: String, from: Option<f64>) -> bool {
    did(&key).is_ok_and(|did| history.borrow_mut().taint(&did, time(from)))
}

#[napi(catch_unwind)]
pub fn revoke_key(history: &HistoryRef, key: String) -> bool {
    did(&key).is_ok_and(|did| history.borrow_mut().revoke(&did))
}

#[napi(catch_unwind)]
pub fn key_state(history: &HistoryRef, key: String, at: Option<f64>) -> Option<&'static str> {
    Some(history.borrow().state(&did(&key).ok()?, time(at))?.as_str())
}

#[napi(catch_unwind)]
pub fn may_sign(history: &HistoryRef, key: String, at: Option<f64>) -> bool {
    did(&key).is_ok_and(|did| history.borrow().may_sign(&did, time(at)))
}

#[napi(catch_unwind)]
pub fn receipt_stands(history: &HistoryRef, key: String, signed_at: f64) -> bool {
    did(&key).is_ok_and(|did| history.borrow().verifies(&did, whole(signed_at)))
}

#[napi(catch_unwind)]
pub fn current_key(history: &HistoryRef, at: Option<f64>) -> Option<String> {
    history.borrow().current(time(at)).map(ToString::to_string)
}

/// What an approver is shown, JSON text or bytes, of a body in base64url for that method.
#[napi(catch_unwind)]
pub fn shown_body(content_type: String, body: String, method: Option<String>) -> Either3<String, Buffer, BindingError> {
    if !method.as_deref().is_none_or(is_method) {
        let why = "the method to decide upon is not 1 to 128 of A-Z a-z 0-9 _ . -";
        return Either3::C(Error::new(ErrorKind::InvalidPayload, why).into());
    }
    match Shown::read(&content_type, &body) {
        Ok(Shown::Json(text)) => Either3::A(text),
        Ok(Shown::Bytes(bytes)) => Either3::B(bytes.into()),
        Err(error) => Either3::C(error.into()),
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingCall {
    pub caller: String,
    pub recipient: String,
    pub method: Option<String>,
    pub session: Option<String>,
    pub content_type: String,
}

impl BindingCall {
    fn with<'a>(&'a self, body: &'a [u8]) -> xbind::Result<ApprovedCall<'a>> {
        let caller = did(&self.caller)?;
        did(&self.recipient)?;
        let session = self.session.as_deref().map(Session::parse).transpose()?;
        let (recipient, method, content_type) = (&self.recipient, self.method.as_deref(), self.content_type.as_str());
        Ok(ApprovedCall { caller, recipient, method, session, content_type, body })
    }
}

#[napi(catch_unwind)]
pub fn approve_call(
    key: &KeyRef,
    decision: String,
    call: BindingCall,
    body: Bytes,
    ttl: f64,
    now: Option<f64>,
) -> Fallible<String> {
    fallible(key.with(ErrorKind::SignFailed, |key| {
        let unknown = || Error::new(ErrorKind::InvalidConfig, "decision is neither approve nor deny");
        let decision = Decision::of(&decision).ok_or_else(unknown)?;
        let call = call.with(body.as_slice())?;
        xbind::approve(key, &ApprovalDraft { decision, call, ttl: whole(ttl), now: time(now), id: fresh_id()? })
    }))
}

#[napi(object, object_from_js = false)]
pub struct BindingApproval {
    #[napi(ts_type = "'approve' | 'deny'")]
    pub decision: &'static str,
    pub approver: String,
    pub id: String,
    pub issued_at: f64,
    pub expires_at: f64,
}

#[napi(catch_unwind)]
pub fn verify_approval(
    statement: String,
    call: BindingCall,
    body: Bytes,
    approvers: Vec<String>,
    now: Option<f64>,
    clock_skew: f64,
) -> Fallible<BindingApproval> {
    let verified = dids(&approvers).and_then(|approvers| {
        Approval::verify(&statement, &call.with(body.as_slice())?, &approvers, time(now), whole(clock_skew))
    });
    fallible(verified.map(|approval| BindingApproval {
        decision: approval.decision().as_str(),
        approver: approval.approver().to_string(),
        id: approval.id().text(),
        issued_at: number(approval.issued_at()),
        expires_at: number(approval.expires_at()),
    }))
}
