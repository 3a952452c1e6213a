//! Opening messages: every check in its order, and the only maker of a [`VerifiedMessage`].

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::message::batch::Membership;
use crate::message::claims::{Claims, Form, malformed};
use crate::message::content::{Content, Hashed};
use crate::message::details::Details;
use crate::message::jws::{self, Segments};
use crate::message::recipient::{PendingCall, Policy, Recipient};
use crate::message::roots::RootCache;
use crate::message::sender::Sender;
use crate::message::session::Session;
use crate::message::{Digest, InReplyTo, JSON, MessageId, Op};
use std::borrow::Cow;

/// A message that its sender has signed for this recipient and that is in time. Nobody has looked at what travels beside it,
/// whether it was accepted before, or whether anybody waits for it: [`Authentic::accept`] does.
#[derive(Debug)]
pub struct Authentic {
    id: MessageId,
    op: Op,
    from: Did,
    content_type: Cow<'static, str>,
    issued_at: u64,
    expires_at: u64,
    in_reply_to: Option<InReplyTo>,
    body_len: u64,
    body_digest: Digest,
    token_digest: Option<Digest>,
    details: Details<Box<str>>,
}

/// A message whose every check has passed.
#[derive(Clone, Debug)]
pub struct VerifiedMessage<B> {
    id: MessageId,
    op: Op,
    from: Did,
    to: Did,
    pub(super) body: B, // what was encrypted stands here once it was read
    content_type: Cow<'static, str>,
    issued_at: u64,
    expires_at: u64,
    in_reply_to: Option<MessageId>,
    details: Details<Box<str>>,
}

/// Opens a message: the checks of docs/wire-format.md, in that order. `now` is in seconds since the epoch; `pending`
/// looks up the call that a message claims to say something of. It is asked before anything of the reply takes a place, so that
/// answers to nothing cost nothing; whoever takes calls off a list does so when the reply was accepted.
///
/// # Errors
/// `MALFORMED_MESSAGE`, `PAYLOAD_TOO_LARGE`, `WRONG_AUDIENCE`, `MESSAGE_NOT_YET_VALID`, `MESSAGE_EXPIRED`,
/// `INVALID_SIGNATURE`, what the recipient refuses the sender with, `STALE_SESSION`, `REPLY_MISMATCH`, `REPLAYED`,
/// `REPLAY_WINDOW_FULL`.
pub fn open<B: Content>(
    recipient: &Recipient<'_>,
    now: u64,
    jws: &str,
    body: B,
    token: Option<&str>,
    pending: impl FnOnce(Op, &MessageId) -> Option<PendingCall>,
) -> Result<VerifiedMessage<B>> {
    let message = authenticate(recipient, now, jws, body.bytes().len())?;
    let call = message.in_reply_to().and_then(|call| pending(message.op(), &call.id));
    message.accept(recipient, now, body, token, call.as_ref())
}

/// The first nine checks of docs/wire-format.md, for those who must look for the call that a reply answers before they go
/// on. Nothing is remembered of the message.
///
/// # Errors
/// `MALFORMED_MESSAGE`, `PAYLOAD_TOO_LARGE`, `WRONG_AUDIENCE`, `MESSAGE_NOT_YET_VALID`, `MESSAGE_EXPIRED`,
/// `INVALID_SIGNATURE`, what the recipient refuses the sender with.
pub fn authenticate(recipient: &Recipient<'_>, now: u64, jws: &str, body_len: usize) -> Result<Authentic> {
    let Recipient { policy, known, refused, .. } = recipient;
    policy.check_sizes(jws, body_len)?;
    let not_compact = || malformed("the message is not a compact JWS");
    let segments = jws::segments(jws).ok_or_else(not_compact)?;
    let claims = base64::decode(segments.payload).ok_or_else(not_compact)?;
    let proof = base64::decode(segments.signature).ok_or_else(not_compact)?;
    let sender = known.senders.get(segments.header)?;
    let claims = Claims::parse(&claims)?;
    let key = &sender.key;
    if claims.issuer.as_bytes() != key.did().as_bytes() {
        return Err(malformed("the header's kid is not the key of iss"));
    }
    policy.check_audience(key.did(), &claims.audience)?;
    policy.check_time(now, &claims)?;
    if !is_signed(&sender, &segments, &proof, &known.roots) {
        return Err(Error::new(ErrorKind::InvalidSignature, "the signature does not cover the message"));
    }
    if let Some(kind) = refused(key.did(), claims.issued_at) {
        let why = if kind == ErrorKind::Revoked { "was revoked" } else { "is not one whose messages are taken" };
        return Err(Error::new(kind, format!("{} {why}", key.did())));
    }
    Ok(Authentic {
        id: claims.id,
        op: claims.op,
        from: *key.did(),
        content_type: match &*claims.content_type {
            JSON => Cow::Borrowed(JSON), // costs no allocation
            other => Cow::Owned(other.to_owned()),
        },
        issued_at: claims.issued_at,
        expires_at: claims.expires_at,
        in_reply_to: claims.in_reply_to,
        body_len: claims.body_len,
        body_digest: claims.body_digest,
        token_digest: claims.token_digest,
        details: claims.details.map(|text| Box::from(&*text)),
    })
}

impl Authentic {
    /// The sender, as the signature proves it.
    #[must_use]
    pub const fn from(&self) -> &Did {
        &self.from
    }

    /// What it is for.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.op
    }

    /// The method that it asks for.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.details.method.as_deref()
    }

    /// Its id, unique for its sender.
    #[must_use]
    pub const fn id(&self) -> &MessageId {
        &self.id
    }

    /// Seconds since the epoch, by the sender's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// The call that it claims to say something of.
    #[must_use]
    pub const fn in_reply_to(&self) -> Option<&InReplyTo> {
        self.in_reply_to.as_ref()
    }

    /// What only some messages say.
    #[must_use]
    pub const fn details(&self) -> &Details<Box<str>> {
        &self.details
    }

    /// Whether it is meant for this replay window: check 10 of docs/wire-format.md, which [`accept`](Self::accept) makes too,
    /// for those who look at more of the message before that.
    ///
    /// # Errors
    /// `STALE_SESSION`.
    pub fn check_session(&self, policy: &Policy) -> Result<()> {
        let named = self.details.session;
        if !matches!(self.op, Op::Call | Op::Send) || named == policy.session {
            return Ok(());
        }
        let why = match named {
            None => "the message names no session of its recipient",
            Some(_) => "the message is meant for another session of its recipient",
        };
        Err(Error::new(ErrorKind::StaleSession, why))
    }

    /// The rest of the checks. `call` is the one that it claims to say something of: one that waits for an answer, where
    /// [`Op::is_reply`], one of this sender that is worked on, where [`Op::is_afterthought`]. Recipient and time are those
    /// that it was authenticated with.
    ///
    /// # Errors
    /// `STALE_SESSION`, `REPLY_MISMATCH`, `REPLAYED`, `REPLAY_WINDOW_FULL`, `INVALID_SIGNATURE`.
    pub fn accept<B: Content>(
        self,
        recipient: &Recipient<'_>,
        now: u64,
        body: B,
        token: Option<&str>,
        call: Option<&PendingCall>,
    ) -> Result<VerifiedMessage<B>> {
        let Recipient { policy, replay, .. } = recipient;
        self.check_session(policy)?;
        policy.secrecy.check(self.op, self.details.encryption)?;
        if let Some(claimed) = &self.in_reply_to {
            self.check_call(claimed, call)?;
        }
        let takes_place = !self.op.is_afterthought() && (!self.op.is_reply() || policy.track_replies);
        let reservation = if takes_place {
            let until = policy.kept_until(self.op, self.expires_at, now);
            Some(replay.reserve(&self.from, &self.id, until, now)?)
        } else {
            None
        };
        self.check_beside(&body, token)?; // a failure gives the reservation up
        if let Some(reservation) = reservation {
            reservation.commit();
        }
        Ok(VerifiedMessage {
            id: self.id,
            op: self.op,
            from: self.from,
            to: policy.audience,
            body,
            content_type: self.content_type,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            in_reply_to: self.in_reply_to.map(|call| call.id),
            details: self.details,
        })
    }

    fn check_call(&self, claimed: &InReplyTo, call: Option<&PendingCall>) -> Result<()> {
        let why = match call {
            None if self.op.is_reply() => "the reply answers no pending call",
            None => "no such call is worked on",
            Some(call) if call.peer != self.from && self.op.is_reply() => {
                "the reply is not from the agent that was asked"
            }
            Some(call) if call.peer != self.from => "the message is not from the caller",
            Some(call) if call.digest != claimed.digest => "the message names another call of the same id",
            Some(call) => match call.excludes(self.op, self.details.seq.is_some()) {
                Some(why) => why,
                None => return call.check_encryption(self.op, self.details.encryption),
            },
        };
        Err(Error::new(ErrorKind::ReplyMismatch, why))
    }

    /// What travels beside the JWS: the body, and the token if one is presented.
    fn check_beside(&self, body: &impl Content, token: Option<&str>) -> Result<()> {
        let refuse = |why: &'static str| Err(Error::new(ErrorKind::InvalidSignature, why));
        if u64::try_from(body.bytes().len()) != Ok(self.body_len) || body.digest() != self.body_digest {
            return refuse("the signature does not cover the body");
        }
        match (&self.token_digest, token) {
            (None, None) => Ok(()),
            (Some(signed), Some(token)) if *signed == Digest::of(token.as_bytes()) => Ok(()),
            (Some(_), Some(_)) => refuse("the signature does not cover the token"),
            (Some(_), None) => refuse("the token that the message presents is missing"),
            (None, Some(_)) => refuse("the message presents no token"),
        }
    }
}

impl VerifiedMessage<Hashed> {
    /// The same with its bytes alone.
    #[must_use]
    pub fn plain(self) -> VerifiedMessage<Vec<u8>> {
        let Self { id, op, from, to, body, content_type, issued_at, expires_at, in_reply_to, details } = self;
        let body = body.into_bytes();
        VerifiedMessage { id, op, from, to, body, content_type, issued_at, expires_at, in_reply_to, details }
    }
}

impl<B> VerifiedMessage<B> {
    /// Its id, unique for its sender.
    #[must_use]
    pub const fn id(&self) -> &MessageId {
        &self.id
    }

    /// What it is for.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.op
    }

    /// The sender, as the signature proves it.
    #[must_use]
    pub const fn from(&self) -> &Did {
        &self.from
    }

    /// The recipient: the audience of the policy that it was opened with.
    #[must_use]
    pub const fn to(&self) -> &Did {
        &self.to
    }

    /// The bytes that the sender signed for.
    #[must_use]
    pub const fn body(&self) -> &B {
        &self.body
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_body(self) -> B {
        self.body
    }

    /// Media type of the body.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Seconds since the epoch, by the sender's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Seconds since the epoch, by the sender's clock.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// The id of the call that it answers or says something of.
    #[must_use]
    pub const fn in_reply_to(&self) -> Option<&MessageId> {
        self.in_reply_to.as_ref()
    }

    /// The method that a call or send asks for.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.details.method.as_deref()
    }

    /// How long the caller waits, in milliseconds from now on.
    #[must_use]
    pub const fn deadline_ms(&self) -> Option<u64> {
        self.details.deadline_ms
    }

    /// Where the message belongs in a trace (W3C Trace Context); proves nothing.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.details.traceparent.as_deref()
    }

    /// Which part of an answer it is, from 0, or which word of progress; on a result or error, how many parts there were.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        self.details.seq
    }

    /// How many parts the caller takes, counted from the first.
    #[must_use]
    pub const fn window(&self) -> Option<u64> {
        self.details.window
    }

    /// The SHA-256 of the key that the body is encrypted to.
    #[must_use]
    pub const fn encryption(&self) -> Option<&Digest> {
        self.details.encryption.as_ref()
    }

    /// The replay window that a call or send is meant for.
    #[must_use]
    pub const fn session(&self) -> Option<&Session> {
        self.details.session.as_ref()
    }
}

pub(crate) fn is_signed(sender: &Sender, segments: &Segments<'_>, proof: &[u8], roots: &RootCache) -> bool {
    match sender.form {
        Form::Single => {
            let signed = segments.signing_input.as_bytes();
            <&[u8; 64]>::try_from(proof).is_ok_and(|signature| sender.key.verify(signed, signature))
        }
        Form::Batch => Membership::parse(proof)
            .is_some_and(|place| roots.has_member(&sender.key, &sender.leaf(segments.payload), &place)),
    }
}
