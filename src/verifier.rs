//! Opening messages from any transport.

use std::cell::RefCell;
use std::collections::HashSet;

use napi::bindgen_prelude::{Either3, External};
use napi_derive::napi;
use xbind::{
    Authentic, Caches, Did, Error, ErrorKind, PendingCall, Policy, Recipient, ReplayWindow, RootCache, SenderCache,
    VerifiedMessage, VerifyingKey, authenticate,
};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, fallible, number, size, whole};

/// How many keys and batch roots a verifier remembers having verified.
const KNOWN: usize = 4096;

pub struct Verifier {
    policy: Policy,
    replay: ReplayWindow,
    known: Caches,
    /// Everybody, or these.
    allowed: Option<HashSet<Did>>,
    /// Whether somebody is asked about every sender before a message of his is taken.
    asks: bool,
}

impl Verifier {
    fn with_recipient<T>(&self, use_recipient: impl FnOnce(&Recipient<'_>) -> T) -> T {
        let Self { policy, replay, known, allowed, .. } = self;
        let refused = |sender: &Did, _| {
            let is_allowed = allowed.as_ref().is_none_or(|allowed| allowed.contains(sender));
            (!is_allowed).then_some(ErrorKind::NotAllowed)
        };
        use_recipient(&Recipient { policy, known, replay, refused: &refused })
    }
}

pub type VerifierRef = External<Verifier>;

#[napi(object)]
pub struct BindingPolicy {
    pub audience: String,
    pub clock_skew: f64,
    pub max_lifetime: f64,
    pub max_body: f64,
    pub max_tracked: f64,
    /// DIDs; everybody without.
    pub allow: Option<Vec<String>>,
    /// Messages wait for [`accept`], not only replies.
    pub asks: bool,
}

#[napi(catch_unwind)]
pub fn new_verifier(policy: BindingPolicy) -> Fallible<VerifierRef> {
    fallible(verifier(policy).map(External::new))
}

fn verifier(policy: BindingPolicy) -> xbind::Result<Verifier> {
    let did_of = |did: &String| VerifyingKey::from_did(did).map(|key| *key.did());
    Ok(Verifier {
        policy: Policy {
            audience: did_of(&policy.audience)?,
            clock_skew: whole(policy.clock_skew),
            max_lifetime: whole(policy.max_lifetime),
            max_body: size(policy.max_body),
            track_replies: true,
        },
        replay: ReplayWindow::new(size(policy.max_tracked)),
        known: Caches { senders: SenderCache::new(KNOWN), roots: RootCache::new(KNOWN) },
        allowed: policy.allow.map(|dids| dids.iter().map(did_of).collect()).transpose()?,
        asks: policy.asks,
    })
}

#[napi(object, object_from_js = false)]
pub struct BindingMessage {
    pub id: String,
    #[napi(ts_type = "'call' | 'send' | 'result' | 'error'")]
    pub op: &'static str,
    pub from: String,
    pub to: String,
    pub content_type: String,
    pub issued_at: f64,
    pub expires_at: f64,
    pub in_reply_to: Option<String>,
    pub method: Option<String>,
    pub deadline_ms: Option<f64>,
    pub traceparent: Option<String>,
    pub seq: Option<f64>,
    pub window: Option<f64>,
}

/// A genuine message about which JavaScript is to be asked first; none once it was accepted.
pub type OpeningRef = External<RefCell<Option<Authentic>>>;

#[napi(object, object_from_js = false)]
pub struct BindingOpening {
    pub opening: OpeningRef,
    pub from: String,
    pub issued_at: f64,
    /// The id of the call that it claims to be about.
    pub about: Option<String>,
    /// Whether it answers a call of this side; else it comes from the caller of one.
    pub is_reply: bool,
}

#[napi]
pub type Opened = Either3<BindingMessage, BindingOpening, BindingError>;

/// Opens a message. One about which JavaScript has something to say first waits for [`accept`]: nothing is called from here,
/// so that no exception and no depth of a callback can meet a native frame.
#[napi(catch_unwind)]
pub fn open(verifier: &VerifierRef, now: f64, jws: String, body: Bytes, token: Option<String>) -> Opened {
    if !now.is_finite() || now < 0.0 {
        return Either3::C(Error::new(ErrorKind::InvalidConfig, "the clock gave no time").into());
    }
    let opened = verifier.with_recipient(|recipient| {
        let message = authenticate(recipient, whole(now), &jws, body.as_slice().len())?;
        if verifier.asks || message.in_reply_to().is_some() {
            return Ok(Either3::B(BindingOpening {
                from: message.from().as_str().to_owned(),
                issued_at: number(message.issued_at()),
                is_reply: message.op().is_reply(),
                about: message.in_reply_to().map(|call| call.id.text()),
                opening: External::new(RefCell::new(Some(message))),
            }));
        }
        message
            .accept(recipient, whole(now), body.as_slice(), token.as_deref(), None)
            .map(|message| Either3::A(message.into()))
    });
    opened.unwrap_or_else(|error: Error| Either3::C(error.into()))
}

/// Goes on with an opening, at the same time and with the same body; `call` is the JWS of the call that the message claims
/// to be about.
#[napi(catch_unwind)]
pub fn accept(
    verifier: &VerifierRef,
    opening: &OpeningRef,
    now: f64,
    body: Bytes,
    token: Option<String>,
    call: Option<String>,
) -> Fallible<BindingMessage> {
    let Some(message) = opening.take() else {
        return fallible(Err(Error::new(ErrorKind::Internal, "a message is accepted once")));
    };
    let read = if message.op().is_reply() { PendingCall::of } else { PendingCall::running };
    let call = message.in_reply_to().zip(call).and_then(|(claimed, jws)| read(&claimed.id, &jws));
    let accepted = verifier.with_recipient(|recipient| {
        message.accept(recipient, whole(now), body.as_slice(), token.as_deref(), call.as_ref())
    });
    fallible(accepted.map(BindingMessage::from))
}

impl<B> From<VerifiedMessage<B>> for BindingMessage {
    fn from(message: VerifiedMessage<B>) -> Self {
        Self {
            id: message.id().text(),
            op: message.op().as_str(),
            from: message.from().as_str().to_owned(),
            to: message.to().as_str().to_owned(),
            content_type: message.content_type().to_owned(),
            issued_at: number(message.issued_at()),
            expires_at: number(message.expires_at()),
            in_reply_to: message.in_reply_to().map(|id| id.text()),
            method: message.method().map(str::to_owned),
            deadline_ms: message.deadline_ms().map(number),
            traceparent: message.traceparent().map(str::to_owned),
            seq: message.seq().map(number),
            window: message.window().map(number),
        }
    }
}
