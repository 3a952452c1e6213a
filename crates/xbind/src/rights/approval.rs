//! A third party's yes or no to one call: bound to caller, recipient, method and the request's very bytes.

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::json::{self, Members};
use crate::message::details::is_method;
use crate::message::jws::{self, Text, UnsignedJws, present};
use crate::message::kind::Kind;
use crate::message::payload;
use crate::message::session::Session;
use crate::message::{self, DIGEST_PREFIX, Digest, MessageId};
use crate::rights::grant::{invalid, is_name};
use serde::Deserialize;

/// The longest life of an approval, in seconds.
pub const MAX_APPROVAL_TTL: u64 = 3600;
/// The longest approval, in bytes.
pub const MAX_APPROVAL_BYTES: usize = 4096;

/// `typ` of the protected header.
pub(crate) const TYPE: &str = "agent-approval+jwt";
const APPROVAL: Kind = Kind {
    typ: TYPE,
    one: "an approval",
    this: "the approval",
    max_bytes: MAX_APPROVAL_BYTES,
    max_ttl: MAX_APPROVAL_TTL,
};

/// What the approver decided; a refusal is a signed statement too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The call may be made.
    Approve,
    /// The call may not be made.
    Deny,
}

impl Decision {
    /// As it stands in the claim.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }

    /// The decision of that name.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        [Self::Approve, Self::Deny].into_iter().find(|decision| decision.as_str() == text)
    }
}

/// The call that is decided upon.
#[derive(Clone, Copy, Debug)]
pub struct ApprovedCall<'a> {
    /// Who makes it.
    pub caller: Did,
    /// Who is asked: a DID; for an HTTP request, whatever its verifier is known by.
    pub recipient: &'a str,
    /// Which of the recipient's methods, where the call names one.
    pub method: Option<&'a str>,
    /// The replay window of the recipient that it is for, where it comes from another process.
    pub session: Option<Session>,
    /// Media type of its body.
    pub content_type: &'a str,
    /// The very bytes of its body.
    pub body: &'a [u8],
}

/// The body of a call as whoever decides upon it is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// JSON that has one reading only.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Shown {
    /// Reads the body of a call that asks for an approval, `body` in base64url, so strictly that what is shown of it is what
    /// will be signed: JSON is UTF-8 without a byte order mark, repeats no member, nests at most 128 levels, holds whole
    /// characters, and numbers that a double holds digit for digit.
    ///
    /// # Errors
    /// `INVALID_PAYLOAD` for anything else, and for media types but `application/json` and `application/octet-stream`.
    pub fn read(content_type: &str, body: &str) -> Result<Self> {
        let refuse = |why: &'static str| Error::new(ErrorKind::InvalidPayload, why);
        let bytes = base64::decode(body).ok_or_else(|| refuse("the body to decide upon is not base64url"))?;
        match content_type {
            "application/octet-stream" => Ok(Self::Bytes(bytes)),
            "application/json" => String::from_utf8(bytes)
                .ok()
                .filter(|json| json::is_strict_within(json, payload::MAX_DEPTH) && json::has_exact_numbers(json))
                .map(Self::Json)
                .ok_or_else(|| refuse("the body to decide upon is JSON that can be read in more than one way")),
            _ => Err(refuse("the body to decide upon is neither application/json nor application/octet-stream")),
        }
    }
}

/// A decision to be signed.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalDraft<'a> {
    /// Yes or no.
    pub decision: Decision,
    /// To what.
    pub call: ApprovedCall<'a>,
    /// How long it holds, 1 to [`MAX_APPROVAL_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
    /// Fresh random bytes.
    pub id: [u8; 16],
}

/// Signs a decision: a compact JWS of type `agent-approval+jwt`.
///
/// # Errors
/// `INVALID_CONFIG` for a draft outside its bounds, and for an approver who is the caller.
pub fn approve(approver: &SigningKey, draft: &ApprovalDraft<'_>) -> Result<String> {
    Ok(draft.unsigned(approver.did())?.sign(approver))
}

impl ApprovalDraft<'_> {
    /// The decision before it is signed, for an approver whose key is elsewhere.
    ///
    /// # Errors
    /// As [`approve`].
    pub fn unsigned(&self, approver: &Did) -> Result<UnsignedJws> {
        if !message::is_content_type(self.call.content_type) {
            return Err(Error::new(ErrorKind::InvalidConfig, "the content type is not a media type"));
        }
        self.of_anything(approver)
    }

    /// The same for what is no message.
    pub(crate) fn of_anything(&self, approver: &Did) -> Result<UnsignedJws> {
        let refuse = |why: &'static str| Err(Error::new(ErrorKind::InvalidConfig, why));
        let call = &self.call;
        if *approver == call.caller {
            return refuse("nobody approves a call of its own");
        }
        if !is_name(call.recipient) {
            return refuse("the recipient is not 1 to 512 bytes without control characters");
        }
        if !call.method.is_none_or(is_method) {
            return refuse("the method is not 1 to 128 of A-Z a-z 0-9 _ . -");
        }
        let hint = "approve for as long as the call may take, an hour at most";
        let expires_at = APPROVAL.expiry(self.now, self.ttl).map_err(|error| error.with_hint(hint))?;
        let mut claims = Members::new();
        claims.text("iss", approver.as_str());
        claims.text("sub", call.caller.as_str());
        claims.text("aud", call.recipient);
        claims.text("decision", self.decision.as_str());
        claims.text("jti", &MessageId::from_bytes(self.id).text());
        claims.number("iat", self.now);
        claims.number("exp", expires_at);
        claims.text("pt", call.content_type);
        claims.number("pl", u64::try_from(call.body.len()).unwrap_or(u64::MAX));
        let mut digest = DIGEST_PREFIX.to_owned();
        base64::encode_into(Digest::of(call.body).as_bytes(), &mut digest);
        claims.text("pd", &digest);
        if let Some(method) = call.method {
            claims.text("mth", method);
        }
        if let Some(session) = &call.session {
            claims.text("ses", &session.text());
        }
        Ok(UnsignedJws::new(approver, TYPE, &claims.finish()))
    }
}

/// A decision that is genuine, in time, and about the very call it was held against.
#[derive(Clone, Copy, Debug)]
pub struct Approval {
    decision: Decision,
    approver: Did,
    id: MessageId,
    issued_at: u64,
    expires_at: u64,
}

impl Approval {
    /// Verifies a decision about a call by one of these approvers. `now` is in seconds since the epoch. That it is used
    /// once is for a replay window to see to: [`approver`](Self::approver), [`id`](Self::id) and
    /// [`expires_at`](Self::expires_at) are what it needs.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it is no approval, not signed by its approver, or about another caller; `UNTRUSTED_ISSUER` if the
    /// approver is none of these, or the caller itself; `WRONG_AUDIENCE` if another recipient was asked;
    /// `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`; `INVALID_SIGNATURE` if the body, its type, the method or the session is
    /// another.
    pub fn verify(text: &str, call: &ApprovedCall<'_>, approvers: &[Did], now: u64, clock_skew: u64) -> Result<Self> {
        let parts = APPROVAL.split(text)?;
        let (kid, claims) = APPROVAL.read::<Claims<'_>>(&parts)?;
        let approval = claims.approval(approvers, call)?;
        if !jws::names_key(&kid, &approval.approver) {
            return Err(invalid("the header's kid is not the key of iss"));
        }
        if *claims.aud != *call.recipient {
            return Err(Error::new(ErrorKind::WrongAudience, "the approval is for another recipient"));
        }
        if *claims.sub != *call.caller.as_str() {
            return Err(invalid("the approval is for another caller"));
        }
        APPROVAL.check_time(approval.issued_at, approval.expires_at, now, clock_skew)?;
        if !parts.is_signed_by(&VerifyingKey::from_bytes(approval.approver.public_key())?) {
            return Err(invalid("the approval is not signed by its approver"));
        }
        claims.check_call(call)?;
        Ok(approval)
    }

    /// Yes, or an error.
    ///
    /// # Errors
    /// `APPROVAL_REFUSED` if the decision is no.
    pub fn granted(self) -> Result<Self> {
        match self.decision {
            Decision::Approve => Ok(self),
            Decision::Deny => Err(Error::new(ErrorKind::ApprovalRefused, "the approver said no to the call")),
        }
    }

    /// Yes or no.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        self.decision
    }

    /// Who decided, as the signature proves it.
    #[must_use]
    pub const fn approver(&self) -> &Did {
        &self.approver
    }

    /// Its id, unique for its approver.
    #[must_use]
    pub const fn id(&self) -> &MessageId {
        &self.id
    }

    /// Seconds since the epoch, by the approver's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Seconds since the epoch, by the approver's clock.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

/// Exactly these members, in any order; `mth` where the call names a method, `ses` where it comes from another process.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    sub: Text<'a>,
    aud: Text<'a>,
    decision: Text<'a>,
    jti: Text<'a>,
    iat: u64,
    exp: u64,
    pt: Text<'a>,
    pl: u64,
    pd: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    mth: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ses: Option<Text<'a>>,
}

impl Claims<'_> {
    fn approval(&self, approvers: &[Did], call: &ApprovedCall<'_>) -> Result<Approval> {
        let decision = Decision::of(&self.decision).ok_or_else(|| invalid("the claim decision is no decision"))?;
        let id = MessageId::parse(&self.jti).ok_or_else(|| invalid("the claim jti is not 16 bytes of base64url"))?;
        APPROVAL.check_life(self.iat, self.exp)?;
        if !self.mth.as_deref().is_none_or(is_method) {
            return Err(invalid("the claim mth names no method"));
        }
        if self.ses.as_deref().is_some_and(|ses| Session::read(ses).is_none()) {
            return Err(invalid("the claim ses is not 16 bytes of base64url"));
        }
        let approver = approvers.iter().find(|approver| *self.iss == *approver.as_str());
        let approver = *approver
            .filter(|approver| **approver != call.caller)
            .ok_or_else(|| Error::new(ErrorKind::UntrustedIssuer, "the approval is not by an approver of this call"))?;
        Ok(Approval { decision, approver, id, issued_at: self.iat, expires_at: self.exp })
    }

    fn check_call(&self, call: &ApprovedCall<'_>) -> Result<()> {
        if self.mth.as_deref() != call.method {
            return Err(Error::new(ErrorKind::InvalidSignature, "the approval is for another method"));
        }
        if self.ses.as_deref().and_then(Session::read) != call.session {
            return Err(Error::new(
                ErrorKind::InvalidSignature,
                "the approval is for another session of the recipient",
            ));
        }
        let same = *self.pt == *call.content_type
            && u64::try_from(call.body.len()) == Ok(self.pl)
            && Digest::parse_prefixed(&self.pd) == Some(Digest::of(call.body));
        if same {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::InvalidSignature, "the approval does not cover this body"))
        }
    }
}
