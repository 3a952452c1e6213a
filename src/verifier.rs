//! Opening messages from any transport.

use napi::bindgen_prelude::{External, Function};
use napi_derive::napi;
use xbind::{Acquaintances, Error, ErrorKind, PendingCall, Policy, ReplayWindow, RootCache, SenderCache, VerifyingKey};

use crate::bytes::Bytes;
use crate::convert::{Fallible, fallible, number, size, whole};

/// How many keys and batch roots a verifier remembers having verified.
const KNOWN: usize = 4096;

pub struct Verifier {
    policy: Policy,
    replay: ReplayWindow,
    known: Acquaintances,
}

pub type VerifierRef = External<Verifier>;

#[napi(object)]
pub struct BindingPolicy {
    pub audience: String,
    pub clock_skew: f64,
    pub max_lifetime: f64,
    pub max_body: f64,
    pub max_tracked: f64,
}

#[napi(catch_unwind)]
pub fn new_verifier(policy: BindingPolicy) -> Fallible<VerifierRef> {
    fallible(VerifyingKey::from_did(&policy.audience).map(|key| {
        External::new(Verifier {
            policy: Policy {
                audience: *key.did(),
                clock_skew: whole(policy.clock_skew),
                max_lifetime: whole(policy.max_lifetime),
                max_body: size(policy.max_body),
                track_replies: true,
            },
            replay: ReplayWindow::new(size(policy.max_tracked)),
            known: Acquaintances { senders: SenderCache::new(KNOWN), roots: RootCache::new(KNOWN) },
        })
    }))
}

#[napi(object, object_from_js = false)]
pub struct BindingMessage {
    pub id: String,
    pub op: &'static str,
    pub from: String,
    pub to: String,
    pub content_type: String,
    pub issued_at: f64,
    pub expires_at: f64,
    pub in_reply_to: Option<String>,
}

/// Opens a message; `pending` gives the JWS of the call of an id.
#[napi(catch_unwind)]
pub fn open(
    verifier: &VerifierRef,
    now: f64,
    jws: String,
    body: Bytes,
    token: Option<String>,
    pending: Function<'_, String, Option<String>>,
) -> Fallible<BindingMessage> {
    let find = |id: &xbind::MessageId| PendingCall::of(&pending.call(id.text()).ok()??);
    let Verifier { policy, replay, known } = &**verifier;
    if !now.is_finite() || now < 0.0 {
        return fallible(Err(Error::new(ErrorKind::InvalidConfig, "the clock gave no time")));
    }
    let opened = xbind::open(policy, known, replay, whole(now), &jws, body.as_slice(), token.as_deref(), find);
    fallible(opened.map(|message| BindingMessage {
        id: message.id().text(),
        op: message.op().as_str(),
        from: message.from().as_str().to_owned(),
        to: message.to().as_str().to_owned(),
        content_type: message.content_type().to_owned(),
        issued_at: number(message.issued_at()),
        expires_at: number(message.expires_at()),
        in_reply_to: message.in_reply_to().map(|id| id.text()),
    }))
}
