//! Responses: signed by who answers, and bound to the one request that they answer (RFC 9421 section 2.4).

use std::borrow::Cow;

use super::base::{self, Component, Message};
use super::message::{Request, RequestHead, Response, ResponseHead};
use super::profile::{PRESENT, Profile};
use super::sign::{NewFields, Said, UnsignedHttp, config, digest_of, expiry, unsigned_request};
use super::signatures::{self, Texts};
use super::verify::{check_body, digests, forged};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::{SigningKey, VerifyingKey};

/// How a response is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct ResponseDraft {
    /// Seconds since the epoch.
    pub created: u64,
    /// 1 to [`MAX_TTL`](super::MAX_TTL) seconds.
    pub ttl: u64,
}

/// What is accepted as the response to a request.
#[derive(Clone, Copy, Debug)]
pub struct ResponsePolicy {
    /// Who must have answered; anybody without.
    pub from: Option<Did>,
    /// How far clocks may differ, in seconds.
    pub clock_skew: u64,
    /// How old a signature may be, in seconds.
    pub max_age: u64,
    /// The largest body, in bytes.
    pub max_body: usize,
}

/// A response whose signature was verified, with its body.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedResponse {
    from: Did,
    created: u64,
}

impl VerifiedResponse {
    /// Who signed it.
    #[must_use]
    pub const fn from(&self) -> &Did {
        &self.from
    }

    /// When, in seconds since the epoch.
    #[must_use]
    pub const fn created(&self) -> u64 {
        self.created
    }
}

const XBIND: Profile = Profile::Xbind;
/// Covered where they are there.
const BODY: [&str; 3] = ["content-digest", "content-type", "content-encoding"];

/// The signature of a request, by its label.
fn bound(label: &str) -> Component<'_> {
    Component { name: Cow::Borrowed("signature"), req: true, key: Some(Cow::Borrowed(label)) }
}

/// Prepares the response to a signed request for the signature of that DID.
///
/// # Errors
/// `MALFORMED_MESSAGE` for a message that nobody would read, and a request that is not signed; `INVALID_CONFIG` for a life out
/// of bounds, a response that is signed already, or has the `Content-Digest` of another body.
pub fn prepare(
    did: &Did,
    head: &ResponseHead<'_>,
    body: &[u8],
    request: &RequestHead<'_>,
    draft: ResponseDraft,
) -> Result<UnsignedHttp> {
    let expires = expiry(draft.created, draft.ttl)?;
    let given = Response::read(head)?;
    if given.fields.has("signature") || given.fields.has("signature-input") {
        return Err(config("the response is signed already"));
    }
    let mut fields = NewFields::new();
    if let Some(digest) = digest_of(given.fields.one("content-digest")?, body)? {
        fields.push(("content-digest", digest));
    }
    let all: Vec<_> =
        head.fields.iter().copied().chain(fields.iter().map(|(name, value)| (*name, value.as_str()))).collect();
    let response = Response::read(&ResponseHead { fields: &all, ..*head })?;
    let request = Request::read(request)?;
    let texts = Texts::read(request.fields).map_err(|_| unsigned_request())?;
    let answered = texts.with_tag(XBIND.tag()).map_err(|_| unsigned_request())?;

    let mut components = vec![Component::plain("@status")];
    components.extend(BODY.iter().filter(|name| response.fields.has(name)).map(|name| Component::plain(name)));
    components.push(bound(answered.label));
    let said = Said { created: draft.created, expires, nonce: None, keyid: did.as_str(), tag: XBIND.tag() };
    let list = said.list(&components);
    let base = base::base_of(Message::Response(&response, &request), &list, &components)?;
    Ok(UnsignedHttp::alone(*did, base, fields, XBIND.label(), &list))
}

/// Signs a response with a key that is here.
///
/// # Errors
/// Those of [`prepare`].
pub fn sign(
    key: &SigningKey,
    head: &ResponseHead<'_>,
    body: &[u8],
    request: &RequestHead<'_>,
    draft: ResponseDraft,
) -> Result<NewFields> {
    let unsigned = prepare(key.did(), head, body, request, draft)?;
    let signature = key.sign(unsigned.to_sign().as_bytes());
    Ok(unsigned.finish(&signature))
}

/// Verifies the response to a request, as it was sent, with the signature that it bears.
///
/// # Errors
/// In this order: `MALFORMED_MESSAGE`, `INVALID_SIGNATURE` (none, or one that does not cover what it must), `REPLY_MISMATCH`
/// (not bound to this request), `MESSAGE_NOT_YET_VALID`, `MESSAGE_EXPIRED`, `INVALID_DID`, `REPLY_MISMATCH` (somebody else),
/// `INVALID_SIGNATURE`, `PAYLOAD_TOO_LARGE`, `INVALID_SIGNATURE` (another body).
pub fn verify(
    policy: &ResponsePolicy,
    head: &ResponseHead<'_>,
    body: &[u8],
    request: &RequestHead<'_>,
    now: u64,
) -> Result<VerifiedResponse> {
    let request = Request::read(request)?;
    let sent = Texts::read(request.fields).map_err(|_| unsigned_request())?;
    let answered = sent.with_tag(XBIND.tag()).map_err(|_| unsigned_request())?;
    let response = Response::read(head)?;
    let texts = Texts::read(response.fields)?;
    let claimed = texts.with_tag(XBIND.tag())?;
    let covered = base::components(&claimed.list)?;
    signatures::must_cover(&covered, "@status")?;
    for name in PRESENT.iter().filter(|name| BODY.contains(name) && response.fields.has(name)) {
        signatures::must_cover(&covered, name)?;
    }
    if !covered.contains(&bound(answered.label)) {
        return Err(mismatch("the response is not bound to the signature of this request"));
    }
    signatures::check_time(&claimed, policy.clock_skew, policy.max_age, now)?;
    let key = VerifyingKey::from_did(&claimed.keyid)?;
    if policy.from.is_some_and(|from| from != *key.did()) {
        return Err(mismatch("the response is signed by somebody else"));
    }
    let signed = base::base_of(Message::Response(&response, &request), &claimed.list, &covered)?;
    if !key.verify(signed.as_bytes(), &claimed.signature) {
        return Err(forged());
    }
    if body.len() > policy.max_body {
        let why = format!("the body has more than {} bytes", policy.max_body);
        return Err(Error::new(ErrorKind::PayloadTooLarge, why));
    }
    check_body(digests(&covered, response.fields.one("content-digest")?)?.as_ref(), body)?;
    Ok(VerifiedResponse { from: *key.did(), created: claimed.created })
}

fn mismatch(why: &'static str) -> Error {
    Error::new(ErrorKind::ReplyMismatch, why).with_hint("compare the DID and the request with those of the call")
}
