//! HTTP requests and responses that prove who sends them.

use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;
use xbind::http::approval::{ApprovalDemand, RequestDecision};
use xbind::http::message::{RequestHead, ResponseHead};
use xbind::http::profile::Profile;
use xbind::http::response::{self, ResponseDraft, ResponsePolicy};
use xbind::http::sign::{self, NewFields, RequestDraft, UnsignedHttp};
use xbind::http::target::Scheme;
use xbind::http::verify::{AuthenticRequest, RequestPolicy, RequestVerifier};
use xbind::{Decision, Did, Error, ErrorKind};
use xbind_runtime::random;

use crate::bytes::Bytes;
use crate::convert::{Fallible, fallible, number, seconds, size, whole};
use crate::identity::KeyRef;
use crate::rights::token::fresh_id;
use crate::rights::{did, dids};

/// `fields` are names and values by turns, in their order.
#[napi(object, object_to_js = false)]
pub struct BindingRequestHead {
    pub method: String,
    pub scheme: String,
    pub authority: Option<String>,
    pub target: String,
    pub fields: Vec<String>,
}

#[napi(object, object_to_js = false)]
pub struct BindingResponseHead {
    pub status: f64,
    pub fields: Vec<String>,
}

fn pairs(fields: &[String]) -> Vec<(&str, &str)> {
    let (pairs, _) = fields.as_chunks();
    pairs.iter().map(|[name, value]| (name.as_str(), value.as_str())).collect()
}

impl BindingRequestHead {
    fn with<T>(&self, use_head: impl FnOnce(&RequestHead<'_>) -> xbind::Result<T>) -> xbind::Result<T> {
        let unknown = || Error::new(ErrorKind::MalformedMessage, "a request by neither http nor https");
        use_head(&RequestHead {
            method: &self.method,
            scheme: Scheme::parse(&self.scheme).ok_or_else(unknown)?,
            authority: self.authority.as_deref(),
            target: &self.target,
            fields: &pairs(&self.fields),
        })
    }
}

impl BindingResponseHead {
    fn with<T>(&self, use_head: impl FnOnce(&ResponseHead<'_>) -> xbind::Result<T>) -> xbind::Result<T> {
        let status = u16::try_from(whole(self.status)).unwrap_or(u16::MAX);
        use_head(&ResponseHead { status, fields: &pairs(&self.fields) })
    }
}

fn profile(name: &str) -> xbind::Result<Profile> {
    let unknown = || Error::new(ErrorKind::InvalidConfig, "profile is none of xbind, wba and wba-legacy");
    Profile::parse(name).ok_or_else(unknown)
}

fn flat(fields: NewFields) -> Vec<String> {
    fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

#[napi(object, object_to_js = false)]
pub struct BindingRequestDraft {
    pub profile: String,
    pub now: f64,
    pub ttl: f64,
    pub token: Option<String>,
    pub approval: Option<String>,
    pub agent: Option<String>,
}

/// What a key elsewhere is to sign.
#[napi(object, object_from_js = false)]
pub struct BindingUnsigned {
    pub unsigned: UnsignedRef,
    pub base: String,
}

pub type UnsignedRef = External<UnsignedHttp>;

fn prepared(
    signer: Either<String, &KeyRef>,
    prepare: impl FnOnce(&Did) -> xbind::Result<UnsignedHttp>,
) -> Fallible<Either<Vec<String>, BindingUnsigned>> {
    fallible(match signer {
        Either::A(remote) => did(&remote).and_then(|did| prepare(&did)).map(|message| {
            let base = message.to_sign().to_owned();
            Either::B(BindingUnsigned { unsigned: External::new(message), base })
        }),
        Either::B(key) => key.with(ErrorKind::SignFailed, |key| {
            let message = prepare(key.did())?;
            let signature = key.sign(message.to_sign().as_bytes());
            Ok(Either::A(flat(message.finish(&signature))))
        }),
    })
}

/// The fields to be set, names and values by turns; for a DID, whose key is elsewhere, what that is to sign.
#[napi(catch_unwind)]
pub fn sign_request(
    signer: Either<String, &KeyRef>,
    request: BindingRequestHead,
    body: Bytes,
    draft: BindingRequestDraft,
) -> Fallible<Either<Vec<String>, BindingUnsigned>> {
    prepared(signer, |did| {
        let mut nonce = [0; 64];
        random(&mut nonce)?;
        let draft = RequestDraft {
            profile: profile(&draft.profile)?,
            created: whole(draft.now),
            ttl: whole(draft.ttl),
            nonce,
            token: draft.token.as_deref(),
            approval: draft.approval.as_deref(),
            agent: draft.agent.as_deref(),
        };
        request.with(|head| sign::prepare(did, head, body.as_slice(), &draft))
    })
}

/// The same for the response to a request.
#[napi(catch_unwind)]
pub fn sign_response(
    signer: Either<String, &KeyRef>,
    response: BindingResponseHead,
    body: Bytes,
    request: BindingRequestHead,
    now: f64,
    ttl: f64,
) -> Fallible<Either<Vec<String>, BindingUnsigned>> {
    let draft = ResponseDraft { created: whole(now), ttl: whole(ttl) };
    prepared(signer, |did| {
        request.with(|request| response.with(|head| response::prepare(did, head, body.as_slice(), request, draft)))
    })
}

/// The fields to be set, with the signature that a key elsewhere has made.
#[napi(catch_unwind)]
pub fn signed_fields(unsigned: &UnsignedRef, signature: Bytes) -> Fallible<Vec<String>> {
    fallible(unsigned.as_ref().clone().finish_checked(signature.as_slice()).map(flat))
}

#[napi(object, object_to_js = false)]
pub struct BindingResponsePolicy {
    pub from: Option<String>,
    pub clock_skew: f64,
    pub max_age: f64,
    pub max_body: f64,
}

#[napi(object, object_from_js = false)]
pub struct BindingVerifiedResponse {
    pub from: String,
    pub created: f64,
}

#[napi(catch_unwind)]
pub fn verify_response(
    policy: BindingResponsePolicy,
    response: BindingResponseHead,
    body: Bytes,
    request: BindingRequestHead,
    now: f64,
) -> Fallible<BindingVerifiedResponse> {
    let verified = policy.from.as_deref().map(did).transpose().and_then(|from| {
        let policy = ResponsePolicy {
            from,
            clock_skew: whole(policy.clock_skew),
            max_age: whole(policy.max_age),
            max_body: size(policy.max_body),
        };
        request.with(|request| {
            response.with(|head| response::verify(&policy, head, body.as_slice(), request, seconds(now)?))
        })
    });
    fallible(verified.map(|response| BindingVerifiedResponse {
        from: response.from().as_str().to_owned(),
        created: number(response.created()),
    }))
}

pub type RequestVerifierRef = External<RequestVerifier>;

#[napi(object, object_to_js = false)]
pub struct BindingRequestPolicy {
    pub profile: String,
    pub authorities: Vec<String>,
    pub clock_skew: f64,
    pub max_age: f64,
    pub max_body: f64,
    pub max_tracked: f64,
    pub started: Option<f64>,
    pub allow: Option<Vec<String>>,
    pub keys: Vec<String>,
}

#[napi(catch_unwind)]
pub fn new_request_verifier(policy: BindingRequestPolicy) -> Fallible<RequestVerifierRef> {
    fallible(verifier(policy).map(External::new))
}

fn verifier(policy: BindingRequestPolicy) -> xbind::Result<RequestVerifier> {
    RequestVerifier::new(RequestPolicy {
        profile: profile(&policy.profile)?,
        clock_skew: whole(policy.clock_skew),
        max_age: whole(policy.max_age),
        max_body: size(policy.max_body),
        max_tracked: size(policy.max_tracked),
        started: policy.started.map(seconds).transpose()?,
        allowed: policy.allow.as_deref().map(dids).transpose()?,
        keys: dids(&policy.keys)?,
        authorities: policy.authorities,
    })
}

/// A genuine request that was not accepted yet.
pub type RequestRef = External<AuthenticRequest>;

#[napi(object, object_from_js = false)]
pub struct BindingAuthenticRequest {
    pub request: RequestRef,
    pub from: String,
    pub created: f64,
    pub until: f64,
    pub nonce: String,
    pub token: Option<String>,
    pub covered: Vec<String>,
}

#[napi(catch_unwind)]
pub fn authenticate_request(
    verifier: &RequestVerifierRef,
    request: BindingRequestHead,
    now: f64,
) -> Fallible<BindingAuthenticRequest> {
    let authentic = seconds(now).and_then(|now| request.with(|head| verifier.authenticate(head, now)));
    fallible(authentic.map(|request| BindingAuthenticRequest {
        from: request.from().as_str().to_owned(),
        created: number(request.created()),
        until: number(request.until()),
        nonce: request.nonce().to_owned(),
        token: request.token().map(str::to_owned),
        covered: request.covered().to_vec(),
        request: External::new(request),
    }))
}

/// By which a store knows the request, or a failure.
#[napi(catch_unwind)]
pub fn accept_request(verifier: &RequestVerifierRef, request: &RequestRef, body: Bytes, now: f64) -> Fallible<String> {
    fallible(seconds(now).and_then(|now| verifier.accept(request, body.as_slice(), now)).map(|()| request.claim()))
}

#[napi(object, object_from_js = false)]
pub struct BindingUsedApproval {
    pub claim: String,
    pub until: f64,
}

/// Uses the approval that an accepted request brings along, by one of these for that recipient.
#[napi(catch_unwind)]
pub fn approve_request(
    verifier: &RequestVerifierRef,
    request: &RequestRef,
    body: Bytes,
    approvers: Vec<String>,
    recipient: String,
    now: f64,
) -> Fallible<BindingUsedApproval> {
    let used = dids(&approvers).and_then(|approvers| {
        let demand = ApprovalDemand { approvers: &approvers, recipient: &recipient };
        verifier.approve(request, body.as_slice(), &demand, seconds(now)?)
    });
    fallible(used.map(|used| BindingUsedApproval { claim: used.claim, until: number(used.until) }))
}

#[napi(object, object_to_js = false)]
pub struct BindingRequestDecision {
    #[napi(ts_type = "'approve' | 'deny'")]
    pub decision: String,
    pub caller: String,
    pub recipient: String,
    pub ttl: f64,
    pub now: f64,
}

/// Signs a yes or no to a request.
#[napi(catch_unwind)]
pub fn decide_request(
    key: &KeyRef,
    request: BindingRequestHead,
    body: Bytes,
    decided: BindingRequestDecision,
) -> Fallible<String> {
    fallible(key.with(ErrorKind::SignFailed, |key| {
        let unknown = || Error::new(ErrorKind::InvalidConfig, "decision is neither approve nor deny");
        let draft = RequestDecision {
            decision: Decision::of(&decided.decision).ok_or_else(unknown)?,
            caller: did(&decided.caller)?,
            recipient: &decided.recipient,
            ttl: whole(decided.ttl),
            now: whole(decided.now),
            id: fresh_id()?,
        };
        request.with(|head| draft.sign(key, head, body.as_slice()))
    }))
}
