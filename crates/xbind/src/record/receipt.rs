//! Receipts: a call and what answered it, which anybody can verify later, by the two DIDs alone.

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::json::Members;
use crate::message::claims::{Claims, malformed};
use crate::message::jws::{self, Segments};
use crate::message::open::is_signed;
use crate::message::recipient::PendingCall;
use crate::message::roots::RootCache;
use crate::message::sender::Sender;
use crate::message::{Digest, MAX_JWS_BYTES, MAX_TTL, MessageId, Op};

/// A call or send and the message that ended it, and as much of their bodies as is shown.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    /// The JWS of the call or send.
    pub call: &'a str,
    /// The JWS of the result, error or receipt.
    pub answer: &'a str,
    /// What is said to be the body of the call; each is compared.
    pub requests: &'a [&'a [u8]],
    /// What is said to be the body of the answer; each is compared.
    pub results: &'a [&'a [u8]],
}

/// What a receipt shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The id of the call.
    pub id: MessageId,
    /// What was asked: [`Op::Call`] or [`Op::Send`].
    pub op: Op,
    /// What came back: [`Op::Result`], [`Op::Error`] or [`Op::Receipt`].
    pub answer: Op,
    /// The method asked for.
    pub method: Option<String>,
    /// When the caller signed, by its clock, in seconds since the epoch.
    pub issued_at: u64,
    /// When the agent answered, by its own.
    pub answered_at: u64,
    /// How many parts were sent before the end of the answer; what they held is not in the receipt.
    pub parts: Option<u64>,
    /// The digest of the call's body.
    pub request: Digest,
    /// The digest of the answer's body.
    pub result: Digest,
    /// The digest of what the call presented.
    pub token: Option<Digest>,
}

impl Receipt<'_> {
    /// Verifies that `caller` asked `agent` this, and that it answered that. No time is looked at: a receipt holds for ever.
    ///
    /// # Errors
    /// In this order: `MALFORMED_MESSAGE`, `REPLY_MISMATCH` (other kinds of messages), `WRONG_AUDIENCE` (between others),
    /// `INVALID_SIGNATURE`, `REPLY_MISMATCH` (the answer is to another call), `INVALID_SIGNATURE` (a body that was not signed).
    pub fn verify(&self, caller: &Did, agent: &Did) -> Result<Proven> {
        let (asked, said) = (Decoded::of(self.call)?, Decoded::of(self.answer)?);
        let (call, answer) = (asked.claims()?, said.claims()?);
        let mismatch = |why: &'static str| Err(Error::new(ErrorKind::ReplyMismatch, why));
        if !matches!(call.op, Op::Call | Op::Send) {
            return mismatch("the first message is neither a call nor a send");
        }
        if !matches!(answer.op, Op::Result | Op::Error | Op::Receipt) {
            return mismatch("the second message does not end a call");
        }
        check_parties(&call, caller, agent, "the call is not from this caller to this agent")?;
        check_parties(&answer, agent, caller, "the answer is not from this agent to this caller")?;
        asked.check_signature("the signature does not cover the call")?;
        said.check_signature("the signature does not cover the answer")?;
        let pending = PendingCall {
            peer: *agent,
            digest: Digest::of(self.call.as_bytes()),
            one_way: call.op == Op::Send,
            has_method: call.details.method.is_some(),
            has_window: call.details.window.is_some(),
            encryption: call.details.encryption,
        };
        let names = answer.in_reply_to.as_ref().filter(|named| named.id == call.id);
        if names.is_none_or(|named| named.digest != pending.digest) {
            return mismatch("the answer is to another call");
        }
        if let Some(why) = pending.excludes(answer.op, answer.details.seq.is_some()) {
            return mismatch(why);
        }
        pending.check_encryption(answer.op, answer.details.encryption)?;
        check_bodies(&call, self.requests, "the call was not signed with this body")?;
        check_bodies(&answer, self.results, "the answer was not signed with this body")?;
        Ok(Proven {
            id: call.id,
            op: call.op,
            answer: answer.op,
            method: call.details.method.map(|method| method.into_cow().into_owned()),
            issued_at: call.issued_at,
            answered_at: answer.issued_at,
            parts: answer.details.seq,
            request: call.body_digest,
            result: answer.body_digest,
            token: call.token_digest,
        })
    }
}

impl Proven {
    /// The same, as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let mut proven = Members::new();
        proven.text("messageId", &self.id.text());
        proven.text("op", self.op.as_str());
        proven.text("answer", self.answer.as_str());
        if let Some(method) = &self.method {
            proven.text("method", method);
        }
        proven.number("issuedAt", self.issued_at);
        proven.number("answeredAt", self.answered_at);
        if let Some(parts) = self.parts {
            proven.number("parts", parts);
        }
        proven.text("requestDigest", &self.request.text());
        proven.text("resultDigest", &self.result.text());
        if let Some(token) = self.token {
            proven.text("tokenDigest", &token.text());
        }
        proven.finish()
    }
}

struct Decoded<'a> {
    segments: Segments<'a>,
    sender: Sender,
    claims: Vec<u8>,
    proof: Vec<u8>,
}

impl<'a> Decoded<'a> {
    fn of(jws: &'a str) -> Result<Self> {
        if jws.len() > MAX_JWS_BYTES {
            return Err(malformed("the JWS is longer than 4096 bytes"));
        }
        let not_compact = || malformed("the message is not a compact JWS");
        let segments = jws::segments(jws).ok_or_else(not_compact)?;
        let claims = base64::decode(segments.payload).ok_or_else(not_compact)?;
        let proof = base64::decode(segments.signature).ok_or_else(not_compact)?;
        Ok(Self { sender: Sender::read(segments.header)?, segments, claims, proof })
    }

    fn claims(&self) -> Result<Claims<'_>> {
        let claims = Claims::parse(&self.claims)?;
        if *claims.issuer != *self.sender.key.did().as_str() {
            return Err(malformed("the header's kid is not the key of iss"));
        }
        if claims.expires_at.saturating_sub(claims.issued_at) > MAX_TTL.into() {
            return Err(malformed("the message lives longer than 300 s"));
        }
        Ok(claims)
    }

    fn check_signature(&self, why: &'static str) -> Result<()> {
        let holds = is_signed(&self.sender, &self.segments, &self.proof, &RootCache::new(1));
        holds.then_some(()).ok_or_else(|| Error::new(ErrorKind::InvalidSignature, why))
    }
}

fn check_parties(message: &Claims<'_>, from: &Did, to: &Did, why: &'static str) -> Result<()> {
    let between = *message.issuer == *from.as_str() && *message.audience == *to.as_str() && from != to;
    between.then_some(()).ok_or_else(|| Error::new(ErrorKind::WrongAudience, why))
}

fn check_bodies(message: &Claims<'_>, bodies: &[&[u8]], why: &'static str) -> Result<()> {
    let is_signed =
        |body: &&[u8]| u64::try_from(body.len()) == Ok(message.body_len) && Digest::of(body) == message.body_digest;
    bodies.iter().all(is_signed).then_some(()).ok_or_else(|| Error::new(ErrorKind::InvalidSignature, why))
}
