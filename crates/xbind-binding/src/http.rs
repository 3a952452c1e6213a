//! HTTP requests and responses that prove who sends them.

use serde::{Deserialize, Serialize};
use xbind::http::approval::{self, ApprovalDemand};
use xbind::http::message;
use xbind::http::profile::Profile;
use xbind::http::response;
use xbind::http::sign::{self, NewFields};
use xbind::http::target::Scheme;
use xbind::http::verify;
use xbind::{Decision, Did, Error, ErrorKind, Result};

pub use xbind::http::sign::UnsignedHttp;
pub use xbind::http::verify::RequestVerifier;

use crate::did::{did, dids};
use crate::key::{Key, fresh_bytes};
use crate::number::{Whole, seconds, whole};

/// A request without its body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestHead {
    /// `GET` and the like.
    pub method: String,
    /// `https` or `http`.
    pub scheme: String,
    /// The host, where it is not in the fields.
    pub authority: Option<String>,
    /// Path and query.
    pub target: String,
    /// Names and values by turns, in their order.
    pub fields: Vec<String>,
}

/// A response without its body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: Whole,
    /// Names and values by turns, in their order.
    pub fields: Vec<String>,
}

fn pairs(fields: &[String]) -> Vec<(&str, &str)> {
    let (pairs, _) = fields.as_chunks();
    pairs.iter().map(|[name, value]| (name.as_str(), value.as_str())).collect()
}

fn flat(fields: NewFields) -> Vec<String> {
    fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

impl RequestHead {
    fn with<T>(&self, use_head: impl FnOnce(&message::RequestHead<'_>) -> Result<T>) -> Result<T> {
        let unknown = || Error::new(ErrorKind::MalformedMessage, "a request by neither http nor https");
        use_head(&message::RequestHead {
            method: &self.method,
            scheme: Scheme::parse(&self.scheme).ok_or_else(unknown)?,
            authority: self.authority.as_deref(),
            target: &self.target,
            fields: &pairs(&self.fields),
        })
    }
}

impl ResponseHead {
    fn with<T>(&self, use_head: impl FnOnce(&message::ResponseHead<'_>) -> Result<T>) -> Result<T> {
        let status = u16::try_from(self.status.0).unwrap_or(u16::MAX);
        use_head(&message::ResponseHead { status, fields: &pairs(&self.fields) })
    }
}

fn profile(name: &str) -> Result<Profile> {
    let unknown = || Error::new(ErrorKind::InvalidConfig, "profile is none of xbind, wba and wba-legacy");
    Profile::parse(name).ok_or_else(unknown)
}

/// How a request is to be signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestDraft {
    /// The rules of the signature.
    pub profile: String,
    /// Seconds since the epoch.
    pub now: Whole,
    /// Its life in seconds.
    pub ttl: Whole,
    /// What is presented.
    pub token: Option<String>,
    /// An approval of this very request.
    pub approval: Option<String>,
    /// Where the key is published.
    pub agent: Option<String>,
}

/// A message to which a signature is to be added, or was.
pub enum Signed {
    /// The fields to be set, names and values by turns.
    Fields(Vec<String>),
    /// Its key is elsewhere, and is to sign [`base`].
    Unsigned(Box<UnsignedHttp>),
}

/// Signs with the key; without one, prepares it for that of the DID.
fn signed(
    key: Option<&Key>,
    signer: Option<&str>,
    prepare: impl FnOnce(&Did) -> Result<UnsignedHttp>,
) -> Result<Signed> {
    match (key, signer) {
        (Some(key), _) => key.sign(|key| {
            let message = prepare(key.did())?;
            let signature = key.sign(message.to_sign().as_bytes());
            Ok(Signed::Fields(flat(message.finish(&signature))))
        }),
        (None, signer) => prepare(&did(signer.unwrap_or_default())?).map(|message| Signed::Unsigned(Box::new(message))),
    }
}

/// Signs a request with a key; or, for a DID whose key is elsewhere, says what that is to sign.
///
/// # Errors
/// `INVALID_DID`, `SIGN_FAILED`, and those of [`sign::prepare`].
pub fn sign_request(
    key: Option<&Key>,
    signer: Option<&str>,
    request: &RequestHead,
    body: &[u8],
    draft: &RequestDraft,
) -> Result<Signed> {
    signed(key, signer, |did| {
        let draft = sign::RequestDraft {
            nonce: fresh_bytes()?,
            profile: profile(&draft.profile)?,
            created: draft.now.0,
            ttl: draft.ttl.0,
            token: draft.token.as_deref(),
            approval: draft.approval.as_deref(),
            agent: draft.agent.as_deref(),
        };
        request.with(|head| sign::prepare(did, head, body, &draft))
    })
}

/// The same for the response to a request, signed now for so many seconds.
///
/// # Errors
/// `INVALID_DID`, `SIGN_FAILED`, and those of [`response::prepare`].
pub fn sign_response(
    key: Option<&Key>,
    signer: Option<&str>,
    response: &ResponseHead,
    body: &[u8],
    request: &RequestHead,
    now: f64,
    ttl: f64,
) -> Result<Signed> {
    let draft = response::ResponseDraft { created: whole(now), ttl: whole(ttl) };
    signed(key, signer, |did| {
        request.with(|request| response.with(|head| response::prepare(did, head, body, request, draft)))
    })
}

/// What a key elsewhere is to sign.
#[must_use]
pub fn base(unsigned: &UnsignedHttp) -> String {
    unsigned.to_sign().to_owned()
}

/// The fields to be set, with the signature that a key elsewhere has made.
///
/// # Errors
/// Those of [`UnsignedHttp::finish_checked`].
pub fn finish(unsigned: &UnsignedHttp, signature: &[u8]) -> Result<Vec<String>> {
    unsigned.clone().finish_checked(signature).map(flat)
}

/// Which responses are accepted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ResponsePolicy {
    /// The DID that must have signed; anybody without.
    pub from: Option<String>,
    /// By how many seconds clocks may differ.
    pub clock_skew: Whole,
    /// The longest life in seconds.
    pub max_age: Whole,
    /// The longest body.
    pub max_body: Whole,
}

/// A response that is genuine.
#[derive(Debug, Serialize)]
pub struct VerifiedResponse {
    /// The DID that signed it.
    pub from: String,
    /// Seconds since the epoch.
    pub created: u64,
}

/// Verifies the response to a request.
///
/// # Errors
/// `INVALID_DID`, `INVALID_CONFIG` (the time), and those of [`response::verify`].
pub fn verify_response(
    policy: &ResponsePolicy,
    response: &ResponseHead,
    body: &[u8],
    request: &RequestHead,
    now: f64,
) -> Result<VerifiedResponse> {
    let core = response::ResponsePolicy {
        from: policy.from.as_deref().map(did).transpose()?,
        clock_skew: policy.clock_skew.0,
        max_age: policy.max_age.0,
        max_body: policy.max_body.size(),
    };
    let verified =
        request.with(|request| response.with(|head| response::verify(&core, head, body, request, seconds(now)?)))?;
    Ok(VerifiedResponse { from: verified.from().to_string(), created: verified.created() })
}

/// Which requests are accepted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RequestPolicy {
    /// The rules of the signature.
    pub profile: String,
    /// Hosts to which they have to go.
    pub authorities: Vec<String>,
    /// By how many seconds clocks may differ.
    pub clock_skew: Whole,
    /// The longest life in seconds.
    pub max_age: Whole,
    /// The longest body.
    pub max_body: Whole,
    /// How many are remembered of one sender.
    pub max_tracked: Whole,
    /// DIDs; everybody without.
    pub allow: Option<Vec<String>>,
    /// The DIDs of keys that sign.
    pub keys: Vec<String>,
}

/// A verifier of requests; with `started` it accepts none that is older.
///
/// # Errors
/// `INVALID_DID`, `INVALID_CONFIG`.
pub fn verifier(policy: &RequestPolicy, started: Option<f64>) -> Result<RequestVerifier> {
    RequestVerifier::new(verify::RequestPolicy {
        profile: profile(&policy.profile)?,
        clock_skew: policy.clock_skew.0,
        max_age: policy.max_age.0,
        max_body: policy.max_body.size(),
        max_tracked: policy.max_tracked.size(),
        started: started.map(seconds).transpose()?,
        allowed: policy.allow.as_deref().map(|allow| dids(allow, "allow")).transpose()?,
        keys: dids(&policy.keys, "keys")?,
        authorities: policy.authorities.clone(),
    })
}

/// A genuine request that was not accepted yet.
pub type Authentic = verify::AuthenticRequest;

/// What such a request says.
#[derive(Debug, Serialize)]
pub struct AuthenticRequest {
    /// The DID that signed it.
    pub from: String,
    /// Seconds since the epoch.
    pub created: u64,
    /// Until when it may be accepted.
    pub until: u64,
    /// Unique for its sender.
    pub nonce: String,
    /// What it presents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What the signature covers.
    pub covered: Vec<String>,
}

impl From<&Authentic> for AuthenticRequest {
    fn from(request: &Authentic) -> Self {
        Self {
            from: request.from().to_string(),
            created: request.created(),
            until: request.until(),
            nonce: request.nonce().to_owned(),
            token: request.token().map(str::to_owned),
            covered: request.covered().to_vec(),
        }
    }
}

/// Verifies the head of a request.
///
/// # Errors
/// `INVALID_CONFIG` (the time), and those of [`RequestVerifier::authenticate`].
pub fn authenticate(
    verifier: &RequestVerifier,
    request: &RequestHead,
    now: f64,
) -> Result<(Authentic, AuthenticRequest)> {
    let now = seconds(now)?;
    let authentic = request.with(|head| verifier.authenticate(head, now))?;
    let says = AuthenticRequest::from(&authentic);
    Ok((authentic, says))
}

/// Verifies its body; gives that by which a store knows it.
///
/// # Errors
/// `INVALID_CONFIG` (the time), and those of [`RequestVerifier::accept`].
pub fn accept(verifier: &RequestVerifier, request: &Authentic, body: &[u8], now: f64) -> Result<String> {
    verifier.accept(request, body, seconds(now)?).map(|()| request.claim())
}

/// An approval that was used.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedApproval {
    /// By which a store knows it.
    pub claim: String,
    /// Until when it has to be remembered.
    pub until: u64,
    /// The DID that signed it.
    pub approver: String,
    /// Its id.
    pub id: String,
    /// Seconds since the epoch.
    pub issued_at: u64,
}

/// Uses the approval that an accepted request brings along, by one of these for that recipient.
///
/// # Errors
/// `INVALID_DID`, `INVALID_CONFIG` (the time), and those of [`RequestVerifier::approve`].
pub fn approve(
    verifier: &RequestVerifier,
    request: &Authentic,
    body: &[u8],
    approvers: &[String],
    recipient: &str,
    now: f64,
) -> Result<UsedApproval> {
    let approvers = dids(approvers, "approval.by")?;
    let demand = ApprovalDemand { approvers: &approvers, recipient };
    let used = verifier.approve(request, body, &demand, seconds(now)?)?;
    let (approver, id) = (used.approver.to_string(), used.id.text());
    Ok(UsedApproval { claim: used.claim, until: used.until, approver, id, issued_at: used.issued_at })
}

/// A yes or no to a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestDecision {
    /// Yes or no.
    // ts: 'approve' | 'deny'
    pub decision: String,
    /// The DID that sends it.
    pub caller: String,
    /// By which its verifier is known.
    pub recipient: String,
    /// How many seconds the decision counts.
    pub ttl: Whole,
    /// Seconds since the epoch.
    pub now: Whole,
}

/// Signs it.
///
/// # Errors
/// `INVALID_CONFIG`, `INVALID_DID`, `SIGN_FAILED`, and those of [`approval::RequestDecision::sign`].
pub fn decide(key: &Key, request: &RequestHead, body: &[u8], decided: &RequestDecision) -> Result<String> {
    let unknown = || Error::new(ErrorKind::InvalidConfig, "decision is neither approve nor deny");
    key.sign(|key| {
        let draft = approval::RequestDecision {
            decision: Decision::of(&decided.decision).ok_or_else(unknown)?,
            caller: did(&decided.caller)?,
            recipient: &decided.recipient,
            ttl: decided.ttl.0,
            now: decided.now.0,
            id: fresh_bytes()?,
        };
        request.with(|head| draft.sign(key, head, body))
    })
}
