//! Who opens messages: what it accepts, what it remembers, and the calls that it has under way.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::VerifyingKey;
use crate::message::claims::{Claims, malformed};
use crate::message::encryption::Secrecy;
use crate::message::jws::{self};
use crate::message::replay::ReplayWindow;
use crate::message::roots::RootCache;
use crate::message::sender::SenderCache;
use crate::message::session::Session;
use crate::message::{Digest, MAX_JWS_BYTES, MAX_TTL, MessageId, Op};
use crate::time::{self, Untimely};

/// What a recipient accepts.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The recipient.
    pub audience: Did,
    /// How far the sender's clock may differ, in seconds.
    pub clock_skew: u64,
    /// The longest life of a message, in seconds; never more than [`MAX_TTL`](crate::message::MAX_TTL).
    pub max_lifetime: u64,
    /// The longest life of mail, in seconds; never more than [`MAX_MAIL_TTL`](crate::message::MAX_MAIL_TTL). None takes no mail.
    /// A replay window forgets mail long before it expires: only who keeps elsewhere, for as long, what mail was accepted may
    /// take any.
    pub mail: Option<u64>,
    /// The longest body, in bytes.
    pub max_body: usize,
    /// Whether results and errors are kept in the replay window. Not needed where opening one consumes the pending call
    /// that it answers.
    pub track_replies: bool,
    /// The name of its replay window, which calls and sends must name; without one they must name none.
    pub session: Option<Session>,
    /// Which bodies it takes, as to encryption.
    pub secrecy: Secrecy,
}

impl Policy {
    pub(crate) fn check_sizes(&self, jws: &str, body_len: usize) -> Result<()> {
        if jws.len() > MAX_JWS_BYTES {
            return Err(malformed("the JWS is longer than 4096 bytes"));
        }
        if body_len > self.max_body {
            let why = format!("the body is {body_len} bytes long, the limit is {}", self.max_body);
            return Err(Error::new(ErrorKind::PayloadTooLarge, why));
        }
        Ok(())
    }

    pub(crate) fn check_audience(&self, sender: &Did, audience: &str) -> Result<()> {
        if audience.as_bytes() != self.audience.as_bytes() {
            VerifyingKey::from_did(audience).map_err(|_| malformed("the claim aud is not a DID"))?;
            return Err(Error::new(ErrorKind::WrongAudience, "the message is for another recipient"));
        }
        if *sender == self.audience {
            return Err(Error::new(ErrorKind::WrongAudience, "the message comes from its own recipient"));
        }
        Ok(())
    }

    pub(crate) fn check_time(&self, now: u64, claims: &Claims<'_>) -> Result<()> {
        let (iat, exp) = (claims.issued_at, claims.expires_at);
        let longest = self.longest_life(claims.op);
        let life = exp.saturating_sub(iat);
        if life > longest {
            let why = format!("the message lives {life} s, the limit is {longest}");
            return Err(Error::new(ErrorKind::MalformedMessage, why));
        }
        time::check(iat, exp, now, self.clock_skew).map_err(|untimely| match untimely {
            Untimely::Early(by) => {
                Error::new(ErrorKind::MessageNotYetValid, format!("the message was issued {by} s in the future"))
            }
            Untimely::Late(by) => Error::new(ErrorKind::MessageExpired, format!("the message expired {by} s ago")),
        })
    }

    /// The longest life of such a message, in seconds.
    pub(crate) fn longest_life(&self, op: Op) -> u64 {
        let takes = if op == Op::Mail { self.mail.unwrap_or_default() } else { self.max_lifetime };
        takes.min(op.max_ttl().into())
    }

    /// Through which second the replay window keeps a message; of mail, no longer than copies are under way.
    pub(crate) fn kept_until(&self, op: Op, expires_at: u64, now: u64) -> u64 {
        let latest = if op == Op::Mail { now.saturating_add(MAX_TTL.into()) } else { u64::MAX };
        expires_at.min(latest).saturating_add(self.clock_skew)
    }
}

/// What was verified once and need not be again; all recipients of a process may share it.
pub struct Caches {
    /// Senders.
    pub senders: SenderCache,
    /// Roots of batches.
    pub roots: RootCache,
}

/// Who opens messages for one DID: what it accepts, what it remembers, and from whom it takes nothing.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    /// What it accepts.
    pub policy: &'a Policy,
    /// What it need not verify again.
    pub known: &'a Caches,
    /// What it has accepted.
    pub replay: &'a ReplayWindow,
    /// Why nothing of this sender is taken that was issued in that second, if so: `REVOKED`, or `NOT_ALLOWED` for one who is
    /// not on a fixed list. Asked when the signature is verified, and before anything of the message takes a place.
    pub refused: &'a dyn Fn(&Did, u64) -> Option<ErrorKind>,
}

/// A call that is under way: one that this side made, or, for what its caller says of it later, one that this side works on.
#[derive(Clone, Copy, Debug)]
pub struct PendingCall {
    /// The other side: who was asked, or who calls.
    pub peer: Did,
    /// The digest of the call's whole JWS.
    pub digest: Digest,
    /// A `send`, which gets no more than a receipt or an error.
    pub one_way: bool,
    /// It names a method, so that no receipt answers it.
    pub has_method: bool,
    /// It takes parts.
    pub has_window: bool,
    /// Its claim `enc`: what answers it is encrypted as well.
    pub encryption: Option<Digest>,
}

impl PendingCall {
    /// What a reply to the call of this id must match, read from the call's JWS, which this side has sealed itself.
    #[must_use]
    pub fn of(id: &MessageId, jws: &str) -> Option<Self> {
        Self::read(id, jws, |claims| VerifyingKey::from_did(&claims.audience).ok())
    }

    /// What its caller may say of a call later must match, read from the call's JWS, which this side has opened.
    #[must_use]
    pub fn running(id: &MessageId, jws: &str) -> Option<Self> {
        Self::read(id, jws, |claims| VerifyingKey::from_did(&claims.issuer).ok())
    }

    fn read(id: &MessageId, jws: &str, peer: impl FnOnce(&Claims<'_>) -> Option<VerifyingKey>) -> Option<Self> {
        let claims = jws::split(jws)?.payload;
        let claims = Claims::parse(&claims).ok().filter(|claims| claims.id == *id)?;
        if !matches!(claims.op, Op::Call | Op::Send) {
            return None;
        }
        Some(Self {
            peer: *peer(&claims)?.did(),
            digest: Digest::of(jws.as_bytes()),
            one_way: claims.op == Op::Send,
            has_method: claims.details.method.is_some(),
            has_window: claims.details.window.is_some(),
            encryption: claims.details.encryption,
        })
    }

    /// Whether an answer is encrypted as its call was. A refusal may come from somebody who could not read the call, and a
    /// receipt tells nothing.
    pub(crate) fn check_encryption(&self, op: Op, named: Option<Digest>) -> Result<()> {
        let may_be_plain = !op.is_reply() || matches!(op, Op::Error | Op::Receipt);
        match (self.encryption, named) {
            (None, None) => Ok(()),
            (Some(call), Some(answer)) if call == answer => Ok(()),
            (Some(_), None) if may_be_plain => Ok(()),
            (Some(_), None) => {
                Err(Error::new(ErrorKind::EncryptionRequired, "the call was encrypted, and its answer is not"))
            }
            (_, Some(_)) => Err(Error::new(ErrorKind::ReplyMismatch, "the reply is not encrypted as its call was")),
        }
    }

    /// Why a message of that kind, with a `seq` or without, cannot be about this call; none if it can.
    pub(crate) fn excludes(&self, op: Op, has_seq: bool) -> Option<&'static str> {
        let has_parts = matches!(op, Op::Part | Op::More) || has_seq;
        match self {
            Self { one_way: true, .. } if !matches!(op, Op::Receipt | Op::Error) => {
                Some("a send gets a receipt or an error")
            }
            Self { one_way: false, has_method: true, .. } if op == Op::Receipt => {
                Some("a call with a method gets no receipt")
            }
            Self { has_window: false, .. } if has_parts && op != Op::Progress => Some("the call takes no parts"),
            _ => None,
        }
    }
}
