//! Messages for any transport: sealing and opening.

use std::cell::RefCell;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use xbind::{
    Authentic, Error, ErrorKind, InReplyTo, MessageId, Op, Opening, Presented, Result, Session, VerifiedMessage,
};
use xbind_runtime::{message_id, now};

pub use xbind::MessageVerifier;
pub use xbind::message::payload::check_json;

use crate::did::{did, dids};
use crate::key::Key;
use crate::number::{Whole, seconds, whole};

/// What is to be sealed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Draft {
    /// One of the operations of a message.
    pub op: String,
    /// The recipient's DID.
    pub to: String,
    /// The media type of the body.
    pub content_type: String,
    /// Its life in seconds.
    pub ttl: Whole,
    /// The system's time by default.
    pub now: Option<Whole>,
    /// What is presented.
    pub token: Option<String>,
    /// The id of the call that it is about.
    pub request_id: Option<String>,
    /// The JWS of that call.
    pub request: Option<String>,
    /// The method asked for.
    pub method: Option<String>,
    /// How long its sender waits.
    pub deadline_ms: Option<Whole>,
    /// Where it belongs in a trace.
    pub traceparent: Option<String>,
    /// Which part it is.
    pub seq: Option<Whole>,
    /// How many parts its sender takes.
    pub window: Option<Whole>,
    /// The replay window of the recipient that it is for.
    pub session: Option<String>,
}

/// What was sealed.
#[derive(Debug, Serialize)]
pub struct Sealed {
    /// The signature and what it says.
    pub jws: String,
    /// Its id.
    pub id: String,
}

/// Seals a message.
///
/// # Errors
/// Those of [`xbind::seal`], and `SIGN_FAILED`.
pub fn seal(key: &Key, draft: &Draft, body: &[u8]) -> Result<Sealed> {
    key.sign(|key| {
        let call = draft.request_id.as_deref().zip(draft.request.as_deref());
        let sealed = xbind::seal(
            key,
            &xbind::Draft {
                op: draft.op.parse::<Op>()?,
                to: *xbind::VerifyingKey::from_did(&draft.to)?.did(),
                id: message_id()?,
                issued_at: draft.now.map_or_else(now, |Whole(now)| now),
                ttl: draft.ttl.life(),
                content_type: &draft.content_type,
                body,
                token: draft.token.as_deref(),
                in_reply_to: call.map(|(id, jws)| InReplyTo::parse(id, jws)).transpose()?,
                details: xbind::Details {
                    method: draft.method.as_deref(),
                    deadline_ms: draft.deadline_ms.map(|Whole(deadline)| deadline),
                    traceparent: draft.traceparent.as_deref(),
                    seq: draft.seq.map(|Whole(seq)| seq),
                    window: draft.window.map(|Whole(window)| window),
                    session: draft.session.as_deref().map(Session::parse).transpose()?,
                    encryption: None,
                },
            },
        )?;
        Ok(Sealed { jws: sealed.jws, id: sealed.id.text() })
    })
}

/// Which messages a verifier accepts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Policy {
    /// The DID to which they are addressed.
    pub audience: String,
    /// By how many seconds clocks may differ.
    pub clock_skew: Whole,
    /// The longest life in seconds.
    pub max_lifetime: Whole,
    /// The longest body.
    pub max_body: Whole,
    /// How many are remembered of one sender.
    pub max_tracked: Whole,
    /// The replay window that messages have to name.
    pub session: Option<String>,
    /// DIDs; everybody without.
    pub allow: Option<Vec<String>>,
    /// Messages wait for [`accept`], not only replies.
    pub asks: bool,
}

/// A verifier of messages.
///
/// # Errors
/// `INVALID_DID`.
pub fn verifier(policy: &Policy) -> Result<MessageVerifier> {
    let allowed = policy.allow.as_deref().map(|allow| dids(allow, "allow")).transpose()?;
    let core = xbind::Policy {
        audience: did(&policy.audience)?,
        clock_skew: policy.clock_skew.0,
        max_lifetime: policy.max_lifetime.0,
        mail: None,
        max_body: policy.max_body.size(),
        track_replies: true,
        session: policy.session.as_deref().map(Session::parse).transpose()?,
        secrecy: xbind::Secrecy::None,
    };
    Ok(MessageVerifier::new(core, policy.max_tracked.size(), allowed.map(HashSet::from_iter), policy.asks))
}

/// A message that was accepted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Unique for its sender.
    pub id: String,
    /// What it is.
    // ts: 'call' | 'send' | 'result' | 'error' | 'receipt' | 'part' | 'progress' | 'cancel' | 'more'
    pub op: &'static str,
    /// The sender's DID.
    pub from: String,
    /// The recipient's DID.
    pub to: String,
    /// The media type of its body.
    pub content_type: String,
    /// Seconds since the epoch.
    pub issued_at: u64,
    /// Seconds since the epoch.
    pub expires_at: u64,
    /// The id of the call that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// The method asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How long its sender waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Where it belongs in a trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Which part it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// How many parts its sender takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// The replay window of the recipient that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl<B> From<VerifiedMessage<B>> for Message {
    fn from(message: VerifiedMessage<B>) -> Self {
        Self {
            id: message.id().text(),
            op: message.op().as_str(),
            from: message.from().to_string(),
            to: message.to().to_string(),
            content_type: message.content_type().to_owned(),
            issued_at: message.issued_at(),
            expires_at: message.expires_at(),
            in_reply_to: message.in_reply_to().map(|id| id.text()),
            method: message.method().map(str::to_owned),
            deadline_ms: message.deadline_ms(),
            traceparent: message.traceparent().map(str::to_owned),
            seq: message.seq(),
            window: message.window(),
            session: message.session().map(Session::text),
        }
    }
}

/// A genuine message about which somebody is to be asked first.
pub struct Waiting {
    message: RefCell<Option<Authentic>>,
    claim: Claim,
}

/// What a message that waits claims.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The sender's DID.
    pub from: String,
    /// Seconds since the epoch.
    pub issued_at: u64,
    /// The id of the call that it claims to be about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether it answers a call of this side; else it comes from the caller of one.
    pub is_reply: bool,
}

impl Waiting {
    /// What it claims.
    #[must_use]
    pub fn claim(&self) -> Claim {
        self.claim.clone()
    }
}

impl From<Authentic> for Waiting {
    fn from(message: Authentic) -> Self {
        let claim = Claim {
            from: message.from().to_string(),
            issued_at: message.issued_at(),
            about: message.in_reply_to().map(|call| call.id.text()),
            is_reply: message.op().is_reply(),
        };
        Self { message: RefCell::new(Some(message)), claim }
    }
}

/// How opening went.
pub enum Opened {
    /// The message was accepted.
    Message(Box<Message>),
    /// It waits for [`accept`].
    Waits(Box<Waiting>),
}

/// Opens a message. One about which the user has something to say first waits for [`accept`]: nothing is called from here.
///
/// # Errors
/// Those of [`MessageVerifier::open`]; `INVALID_CONFIG` for what is no time.
pub fn open(verifier: &MessageVerifier, now: f64, jws: &str, body: &[u8], token: Option<&str>) -> Result<Opened> {
    Ok(match verifier.open(seconds(now)?, jws, body, token)? {
        Opening::Accepted(message) => Opened::Message(Box::new(message.into())),
        Opening::Waits(message) => Opened::Waits(Box::new(message.into())),
    })
}

/// Goes on with an opening, at the same time and with the same body; `call` is the JWS of the call that the message claims
/// to be about.
///
/// # Errors
/// Those of [`MessageVerifier::accept`]; `INTERNAL` the second time.
pub fn accept(
    verifier: &MessageVerifier,
    waiting: &Waiting,
    now: f64,
    body: &[u8],
    token: Option<&str>,
    call: Option<&str>,
) -> Result<Message> {
    let twice = || Error::new(ErrorKind::Internal, "a message is accepted once");
    let message = waiting.message.take().ok_or_else(twice)?;
    verifier.accept(message, whole(now), body, token, call).map(Message::from)
}

/// Takes back that a message of that sender and id was accepted, of which nothing was begun.
///
/// # Errors
/// `INVALID_DID`.
pub fn forget(verifier: &MessageVerifier, from: &str, id: &str) -> Result<()> {
    if let Some(id) = MessageId::parse(id) {
        verifier.forget(&did(from)?, &id);
    }
    Ok(())
}

/// One text of a token and an approval; nothing if there is neither.
///
/// # Errors
/// `INVALID_TOKEN`.
pub fn presented(token: Option<&str>, approval: Option<&str>) -> Result<Option<String>> {
    Presented { token, approval }.text()
}
