//! Opening messages from any transport.

use std::cell::RefCell;
use std::collections::HashSet;

use napi::bindgen_prelude::{Either3, External};
use napi_derive::napi;
use xbind::{Authentic, Error, ErrorKind, MessageVerifier, Opening, Policy, Session, VerifiedMessage};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, fallible, number, seconds, size, whole};
use crate::rights::{did, dids};

pub type VerifierRef = External<MessageVerifier>;

#[napi(object)]
pub struct BindingPolicy {
    pub audience: String,
    pub clock_skew: f64,
    pub max_lifetime: f64,
    pub max_body: f64,
    pub max_tracked: f64,
    pub session: Option<String>,
    /// DIDs; everybody without.
    pub allow: Option<Vec<String>>,
    /// Messages wait for [`accept`], not only replies.
    pub asks: bool,
}

#[napi(catch_unwind)]
pub fn new_verifier(policy: BindingPolicy) -> Fallible<VerifierRef> {
    fallible(verifier(policy).map(External::new))
}

fn verifier(policy: BindingPolicy) -> xbind::Result<MessageVerifier> {
    let allowed = policy.allow.as_deref().map(dids).transpose()?;
    let core = Policy {
        audience: did(&policy.audience)?,
        clock_skew: whole(policy.clock_skew),
        max_lifetime: whole(policy.max_lifetime),
        max_body: size(policy.max_body),
        track_replies: true,
        session: policy.session.as_deref().map(Session::parse).transpose()?,
    };
    Ok(MessageVerifier::new(core, size(policy.max_tracked), allowed.map(HashSet::from_iter), policy.asks))
}

#[napi(object, object_from_js = false)]
pub struct BindingMessage {
    pub id: String,
    #[napi(ts_type = "'call' | 'send' | 'result' | 'error' | 'receipt' | 'part' | 'progress' | 'cancel' | 'more'")]
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
    pub session: Option<String>,
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
    match seconds(now).and_then(|now| verifier.open(now, &jws, body.as_slice(), token.as_deref())) {
        Ok(Opening::Accepted(message)) => Either3::A(message.into()),
        Ok(Opening::Waits(message)) => Either3::B(message.into()),
        Err(error) => Either3::C(error.into()),
    }
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
    let accepted = verifier.accept(message, whole(now), body.as_slice(), token.as_deref(), call.as_deref());
    fallible(accepted.map(BindingMessage::from))
}

impl From<Authentic> for BindingOpening {
    fn from(message: Authentic) -> Self {
        Self {
            from: message.from().to_string(),
            issued_at: number(message.issued_at()),
            is_reply: message.op().is_reply(),
            about: message.in_reply_to().map(|call| call.id.text()),
            opening: External::new(RefCell::new(Some(message))),
        }
    }
}

impl<B> From<VerifiedMessage<B>> for BindingMessage {
    fn from(message: VerifiedMessage<B>) -> Self {
        Self {
            id: message.id().text(),
            op: message.op().as_str(),
            from: message.from().to_string(),
            to: message.to().to_string(),
            content_type: message.content_type().to_owned(),
            issued_at: number(message.issued_at()),
            expires_at: number(message.expires_at()),
            in_reply_to: message.in_reply_to().map(|id| id.text()),
            method: message.method().map(str::to_owned),
            deadline_ms: message.deadline_ms().map(number),
            traceparent: message.traceparent().map(str::to_owned),
            seq: message.seq().map(number),
            window: message.window().map(number),
            session: message.session().map(Session::text),
        }
    }
}
