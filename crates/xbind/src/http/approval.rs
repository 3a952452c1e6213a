//! Approvals of requests: the bytes that a third party says yes or no to, and whether what a request brings along is that yes.

use super::base::{self, Component, Message};
use super::digest::content_digest;
use super::message::{APPROVAL, Request, RequestHead};
use super::sign::config;
use super::verify::{AuthenticRequest, RequestVerifier};
use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::SigningKey;
use crate::message::jws::UnsignedJws;
use crate::message::{Digest, MessageId};
use crate::rights::approval::{Approval, ApprovalDraft, ApprovedCall, Decision};

/// The claim `pt` of an approved request: no media type, so no message of the wire format has it.
pub const REQUEST: &str = "xbind-http-request";

/// What is approved in any case.
const ALWAYS: [&str; 4] = ["@method", "@authority", "@path", "@query"];
/// What is approved where it is there: it says how the body is to be read.
const PRESENT: [&str; 2] = ["content-type", "content-encoding"];

/// What of a request is approved, but for its body.
#[derive(Clone, Debug)]
pub(super) struct Approvable(String);

impl Approvable {
    /// `"name": value` and a line feed each, as in a signature base. No value holds a line break.
    pub(super) fn of(request: &Request<'_>) -> Result<Self> {
        let mut lines = String::with_capacity(256);
        let present = PRESENT.into_iter().filter(|name| request.fields.has(name));
        for name in ALWAYS.into_iter().chain(present) {
            lines.push('"');
            lines.push_str(name);
            lines.push_str("\": ");
            base::write_value(&mut lines, Message::Request(request), &Component::plain(name))?;
            lines.push('\n');
        }
        Ok(Self(lines))
    }

    fn with(&self, body: &[u8]) -> String {
        format!("{}\"content-digest\": {}\n", self.0, content_digest(body))
    }
}

/// The bytes of a request that an approval covers: method, authority, path, query, what says how the body is to be read, and
/// the digest of the body. docs/http.md tells them line by line.
///
/// # Errors
/// `MALFORMED_MESSAGE` for a request that no verifier would read.
pub fn approved_bytes(head: &RequestHead<'_>, body: &[u8]) -> Result<String> {
    Ok(Approvable::of(&Request::read(head)?)?.with(body))
}

/// A yes or no to one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestDecision<'a> {
    /// Yes or no.
    pub decision: Decision,
    /// Who signs the request.
    pub caller: Did,
    /// For whom its verifier takes approvals.
    pub recipient: &'a str,
    /// How long it holds, in seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
    /// Fresh random bytes.
    pub id: [u8; 16],
}

impl RequestDecision<'_> {
    /// Signs it: a compact JWS of type `agent-approval+jwt`.
    ///
    /// # Errors
    /// Those of [`unsigned`](Self::unsigned).
    pub fn sign(&self, approver: &SigningKey, head: &RequestHead<'_>, body: &[u8]) -> Result<String> {
        Ok(self.unsigned(approver.did(), head, body)?.sign(approver))
    }

    /// The statement before the approver signs it.
    ///
    /// # Errors
    /// `MALFORMED_MESSAGE` for a request that no verifier would read, `INVALID_CONFIG` for a decision outside its bounds.
    pub fn unsigned(&self, approver: &Did, head: &RequestHead<'_>, body: &[u8]) -> Result<UnsignedJws> {
        let bytes = approved_bytes(head, body)?;
        let call = call(self.caller, self.recipient, &bytes);
        let Self { decision, ttl, now, id, .. } = *self;
        ApprovalDraft { decision, call, ttl, now, id }.of_anything(approver)
    }
}

const fn call<'a>(caller: Did, recipient: &'a str, bytes: &'a str) -> ApprovedCall<'a> {
    ApprovedCall { caller, recipient, method: None, session: None, content_type: REQUEST, body: bytes.as_bytes() }
}

/// Whose approval a request needs.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalDemand<'a> {
    /// Whose word counts.
    pub approvers: &'a [Did],
    /// For whom approvals are meant, as tokens are.
    pub recipient: &'a str,
}

/// An approval that has been used.
#[derive(Clone, Debug)]
pub struct UsedApproval {
    /// By which a store knows it; never that of a request.
    pub claim: String,
    /// The last second in which it could be used.
    pub until: u64,
    /// Who signed it.
    pub approver: Did,
    /// Its id.
    pub id: MessageId,
    /// When, in seconds since the epoch.
    pub issued_at: u64,
}

impl RequestVerifier {
    /// Uses the approval that an accepted request brings along, once.
    ///
    /// # Errors
    /// `APPROVAL_REQUIRED` if there is none, or one that does not hold, was used or may have been used before the verifier
    /// began; `APPROVAL_REFUSED` for a no; `REPLAY_WINDOW_FULL`.
    pub fn approve(
        &self,
        request: &AuthenticRequest,
        body: &[u8],
        demand: &ApprovalDemand<'_>,
        now: u64,
    ) -> Result<UsedApproval> {
        let required = |why: &str| {
            let names: Vec<_> = demand.approvers.iter().map(Did::as_str).collect();
            let hint = format!(
                "have one of {} sign approveRequest() for the recipient {}, and sign the request anew with it",
                names.join(", "),
                demand.recipient
            );
            Error::new(ErrorKind::ApprovalRequired, why.to_owned()).with_hint(hint)
        };
        let statement = request.approval().ok_or_else(|| required("the request needs an approval"))?;
        let bytes = request.approvable().with(body);
        let call = call(*request.from(), demand.recipient, &bytes);
        let approval = Approval::verify(statement, &call, demand.approvers, now, self.clock_skew())
            .map_err(|error| required(error.message()))?
            .granted()?;
        self.check_start(approval.issued_at(), now)
            .map_err(|_| required("the approval may have been used before this verifier began"))?;
        let until = approval.expires_at().saturating_add(self.clock_skew());
        let was_used = |error: Error| {
            let is_replay = error.kind() == ErrorKind::Replayed;
            if is_replay { required("the approval was used before") } else { error }
        };
        self.approvals().reserve(approval.approver(), approval.id(), until, now).map_err(was_used)?.commit();
        let name = format!("approval {} {}", approval.approver(), approval.id());
        let claim = base64::encode(Digest::of(name.as_bytes()).as_bytes());
        let (approver, id) = (*approval.approver(), *approval.id());
        Ok(UsedApproval { claim, until, approver, id, issued_at: approval.issued_at() })
    }
}

/// The field's value, if it has the form of an approval.
pub(super) fn field(approval: &str) -> Result<(&'static str, String)> {
    let presented = crate::rights::presented::Presented { token: None, approval: Some(approval) };
    presented.text().map_err(|_| Error::new(ErrorKind::InvalidToken, "the approval has not the form of one"))?;
    if approval.is_empty() {
        return Err(config("the approval is empty"));
    }
    Ok((APPROVAL, approval.to_owned()))
}
