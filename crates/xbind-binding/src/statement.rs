//! Rotations of keys and approvals of calls.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use xbind::message::details::is_method;
use xbind::{ApprovalDraft, ApprovedCall, Decision, Did, Error, ErrorKind, Result, Session, Shown};

use crate::did::{did, dids};
use crate::key::{Key, fresh_bytes};
use crate::number::{Whole, time, whole};

/// That one key follows another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// The DID of the old key.
    pub old: String,
    /// The DID of the new key.
    pub new: String,
    /// Seconds since the epoch.
    pub issued_at: u64,
    /// Seconds since the epoch.
    pub active_from: u64,
    /// For how many seconds both are in use.
    pub overlap: u64,
}

impl From<xbind::Rotation> for Rotation {
    fn from(rotation: xbind::Rotation) -> Self {
        let xbind::Rotation { old, new, issued_at, active_from, overlap } = rotation;
        Self { old: old.to_string(), new: new.to_string(), issued_at, active_from, overlap }
    }
}

impl Rotation {
    /// Verifies one.
    ///
    /// # Errors
    /// `INVALID_TOKEN`.
    pub fn verify(statement: &str) -> Result<Self> {
        xbind::Rotation::verify(statement).map(Self::from)
    }
}

/// Signs a rotation; by default the new key starts at once.
///
/// # Errors
/// `INVALID_CONFIG`, `SIGN_FAILED`.
pub fn rotate(old: &Key, next: &Key, active_from: Option<f64>, overlap: f64, now: Option<f64>) -> Result<String> {
    let issued_at = time(now);
    let active_from = active_from.map_or(issued_at, whole);
    let overlap = whole(overlap);
    old.sign(|old| {
        next.sign(|next| {
            let rotation = xbind::Rotation { old: *old.did(), new: *next.did(), issued_at, active_from, overlap };
            rotation.sign(old, next)
        })
    })
}

/// The keys of one agent, asked by DID and time; without a time by that of the system. What is no DID is no key of it.
pub struct KeyHistory(RefCell<xbind::KeyHistory>);

impl KeyHistory {
    /// The history of an agent with that first key.
    ///
    /// # Errors
    /// `INVALID_DID`.
    pub fn new(first: &str, active_from: f64) -> Result<Self> {
        Ok(Self(RefCell::new(xbind::KeyHistory::new(did(first)?, whole(active_from)))))
    }

    /// Verifies a rotation and takes it in. A trial changes nothing.
    ///
    /// # Errors
    /// `INVALID_TOKEN`, and those of [`xbind::KeyHistory::prepare`].
    pub fn prepare(&self, statement: &str, now: Option<f64>, is_trial: bool) -> Result<Rotation> {
        let rotation = xbind::Rotation::verify(statement)?;
        let mut history = self.0.borrow().clone();
        history.prepare(&rotation, time(now))?;
        if !is_trial {
            self.0.replace(history);
        }
        Ok(rotation.into())
    }

    /// Brings the start of a key forward; whether that changes anything. A trial does not.
    #[must_use]
    pub fn activate(&self, key: &str, from: Option<f64>, is_trial: bool) -> bool {
        self.change(key, is_trial, |history, did| history.activate(did, time(from)))
    }

    /// Makes a key doubtful from some time on; whether that changes anything. A trial does not.
    #[must_use]
    pub fn taint(&self, key: &str, from: Option<f64>, is_trial: bool) -> bool {
        self.change(key, is_trial, |history, did| history.taint(did, time(from)))
    }

    /// Takes a key back for all times; whether that changes anything. A trial does not.
    #[must_use]
    pub fn revoke(&self, key: &str, is_trial: bool) -> bool {
        self.change(key, is_trial, xbind::KeyHistory::revoke)
    }

    fn change(&self, key: &str, is_trial: bool, change: impl FnOnce(&mut xbind::KeyHistory, &Did) -> bool) -> bool {
        let Ok(did) = did(key) else { return false };
        let mut history = self.0.borrow().clone();
        let has_changed = change(&mut history, &did);
        if !is_trial {
            self.0.replace(history);
        }
        has_changed
    }

    /// Where a key stands.
    #[must_use]
    pub fn state(&self, key: &str, at: Option<f64>) -> Option<&'static str> {
        Some(self.0.borrow().state(&did(key).ok()?, time(at))?.as_str())
    }

    /// Whether a key may sign.
    #[must_use]
    pub fn may_sign(&self, key: &str, at: Option<f64>) -> bool {
        did(key).is_ok_and(|did| self.0.borrow().may_sign(&did, time(at)))
    }

    /// Whether what a key signed then still counts.
    #[must_use]
    pub fn receipt_stands(&self, key: &str, signed_at: f64) -> bool {
        did(key).is_ok_and(|did| self.0.borrow().verifies(&did, whole(signed_at)))
    }

    /// The key to be used.
    #[must_use]
    pub fn current(&self, at: Option<f64>) -> Option<String> {
        self.0.borrow().current(time(at)).map(ToString::to_string)
    }
}

/// What an approver is shown of a body in base64url for that method.
///
/// # Errors
/// `INVALID_PAYLOAD`.
pub fn shown(content_type: &str, body: &str, method: Option<&str>) -> Result<Shown> {
    if !method.is_none_or(is_method) {
        let why = "the method to decide upon is not 1 to 128 of A-Z a-z 0-9 _ . -";
        return Err(Error::new(ErrorKind::InvalidPayload, why));
    }
    Shown::read(content_type, body)
}

/// A call that is decided upon.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Call {
    /// The DID that makes it.
    pub caller: String,
    /// The DID that is asked.
    pub recipient: String,
    /// The method asked for.
    pub method: Option<String>,
    /// The replay window of the recipient that it is for.
    pub session: Option<String>,
    /// The media type of its body.
    pub content_type: String,
}

impl Call {
    fn with<'a>(&'a self, body: &'a [u8]) -> Result<ApprovedCall<'a>> {
        let caller = did(&self.caller)?;
        did(&self.recipient)?;
        let session = self.session.as_deref().map(Session::parse).transpose()?;
        let (recipient, method, content_type) = (&self.recipient, self.method.as_deref(), self.content_type.as_str());
        Ok(ApprovedCall { caller, recipient, method, session, content_type, body })
    }

    /// Signs a decision about it.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, `INVALID_DID`, `SIGN_FAILED`.
    pub fn approve(key: &Key, decision: &str, call: &Self, body: &[u8], ttl: f64, now: Option<f64>) -> Result<String> {
        let unknown = || Error::new(ErrorKind::InvalidConfig, "decision is neither approve nor deny");
        key.sign(|key| {
            let decision = Decision::of(decision).ok_or_else(unknown)?;
            let call = call.with(body)?;
            let draft = ApprovalDraft { decision, call, ttl: whole(ttl), now: time(now), id: fresh_bytes()? };
            xbind::approve(key, &draft)
        })
    }

    /// Verifies a decision about it.
    ///
    /// # Errors
    /// `INVALID_DID`, and those of [`xbind::Approval::verify`].
    pub fn verify(statement: &str, call: &Self, body: &[u8], demands: &ApprovalDemands) -> Result<Approval> {
        let approvers = dids(&demands.approvers, "approvers")?;
        let now = demands.now.map_or_else(xbind_runtime::now, |Whole(now)| now);
        let call = call.with(body)?;
        let approval = xbind::Approval::verify(statement, &call, &approvers, now, demands.clock_skew.0)?;
        Ok(Approval {
            decision: approval.decision().as_str(),
            approver: approval.approver().to_string(),
            id: approval.id().text(),
            issued_at: approval.issued_at(),
            expires_at: approval.expires_at(),
        })
    }
}

/// Which approvals count.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApprovalDemands {
    /// DIDs.
    pub approvers: Vec<String>,
    /// The system's time by default.
    pub now: Option<Whole>,
    /// By how many seconds clocks may differ.
    pub clock_skew: Whole,
}

/// A decision that is genuine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Yes or no.
    // ts: 'approve' | 'deny'
    pub decision: &'static str,
    /// The DID of whoever decided.
    pub approver: String,
    /// Unique for its approver.
    pub id: String,
    /// Seconds since the epoch.
    pub issued_at: u64,
    /// Seconds since the epoch.
    pub expires_at: u64,
}
