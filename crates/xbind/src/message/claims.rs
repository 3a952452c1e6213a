//! The protected header and the claims of a message, read strictly.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::key::VerifyingKey;
use crate::message::details::{self, Details, Shape};
use crate::message::jws::{self, Text, present};
use crate::message::session::Session;
use crate::message::{self, ALG_BATCH, ALG_SINGLE, Digest, InReplyTo, MessageId, Op, TYPE};
use serde::Deserialize;

/// What the third segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A signature of the message's own.
    Single,
    /// The signature of a batch, and the message's place in it.
    Batch,
}

/// Exactly these members, in any order (RFC 7515 section 4).
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(crate) struct Header<'a> {
    alg: Text<'a>,
    kid: Text<'a>,
    typ: Text<'a>,
}

impl<'a> Header<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self> {
        let header: Self =
            jws::parse_object(json).ok_or_else(|| malformed("the header is not exactly alg, kid and typ"))?;
        if *header.typ != *TYPE {
            return Err(malformed("the header's typ is not that of a message"));
        }
        Ok(header)
    }

    pub(crate) fn form(&self) -> Result<Form> {
        match &*self.alg {
            ALG_SINGLE => Ok(Form::Single),
            ALG_BATCH => Ok(Form::Batch),
            _ => Err(malformed("the header's alg is not one of a message")),
        }
    }

    /// The key that `kid` names: the DID, `#`, and the DID without `did:key:`.
    pub(crate) fn key(&self) -> Option<VerifyingKey> {
        let (did, _) = self.kid.split_once('#')?;
        VerifyingKey::from_did(did).ok().filter(|key| jws::names_key(&self.kid, key.did()))
    }
}

/// The claims of a message, each within its grammar; they need not be true.
pub(crate) struct Claims<'a> {
    pub(crate) op: Op,
    pub(crate) issuer: Text<'a>,
    pub(crate) audience: Text<'a>,
    pub(crate) id: MessageId,
    pub(crate) issued_at: u64,
    pub(crate) expires_at: u64,
    pub(crate) in_reply_to: Option<InReplyTo>,
    pub(crate) content_type: Text<'a>,
    pub(crate) body_len: u64,
    pub(crate) body_digest: Digest,
    pub(crate) token_digest: Option<Digest>,
    pub(crate) details: Details<Text<'a>>,
}

/// As they stand in the JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Wire<'a> {
    v: u64,
    op: Text<'a>,
    iss: Text<'a>,
    aud: Text<'a>,
    jti: Text<'a>,
    iat: u64,
    exp: u64,
    #[serde(default, deserialize_with = "present")]
    irt: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    rqd: Option<Text<'a>>,
    pt: Text<'a>,
    pl: u64,
    pd: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    ath: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    mth: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    dl: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    tp: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    seq: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    win: Option<u64>,
    #[serde(borrow, default, deserialize_with = "present")]
    ses: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    enc: Option<Text<'a>>,
}

impl<'a> Claims<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self> {
        let wire: Wire<'a> =
            jws::parse_object(json).ok_or_else(|| malformed("the claims are not those of a message"))?;
        if wire.v != 1 {
            return Err(malformed("the message is not of version 1"));
        }
        let op: Op = wire.op.parse().map_err(|_| malformed("the claim op is no operation"))?;
        let id = MessageId::parse(&wire.jti).ok_or_else(|| malformed("the claim jti is not 16 bytes of base64url"))?;
        if wire.iat >= wire.exp {
            return Err(malformed("the message expires before it is issued"));
        }
        if !message::is_content_type(&wire.pt) {
            return Err(malformed("the claim pt is not a media type"));
        }
        let body_digest = Digest::parse_prefixed(&wire.pd).ok_or_else(|| malformed("the claim pd is not a SHA-256"))?;
        let no_session = || malformed("the claim ses is not 16 bytes of base64url");
        let no_key = || malformed("the claim enc is not a SHA-256");
        let details = Details {
            method: wire.mth,
            deadline_ms: wire.dl,
            traceparent: wire.tp,
            seq: wire.seq,
            window: wire.win,
            session: wire.ses.map(|ses| Session::read(&ses).ok_or_else(no_session)).transpose()?,
            encryption: wire.enc.map(|enc| Digest::parse(&enc).ok_or_else(no_key)).transpose()?,
        };
        details::check(&Shape {
            op,
            names_call: (wire.irt.is_some(), wire.rqd.is_some()),
            presents: wire.ath.is_some(),
            details: details.as_deref(),
            content_type: &wire.pt,
            body_len: wire.pl,
        })
        .map_err(malformed)?;
        let in_reply_to = wire.irt.zip(wire.rqd).map(|(irt, rqd)| call(&irt, &rqd)).transpose()?;
        let no_digest = || malformed("the claim ath is not a SHA-256");
        let token_digest = wire.ath.map(|ath| Digest::parse(&ath).ok_or_else(no_digest)).transpose()?;
        Ok(Self {
            op,
            issuer: wire.iss,
            audience: wire.aud,
            id,
            issued_at: wire.iat,
            expires_at: wire.exp,
            in_reply_to,
            content_type: wire.pt,
            body_len: wire.pl,
            body_digest,
            token_digest,
            details,
        })
    }
}

pub(crate) fn malformed(message: &'static str) -> Error {
    Error::new(ErrorKind::MalformedMessage, message)
}

fn call(irt: &str, rqd: &str) -> Result<InReplyTo> {
    let id = MessageId::parse(irt).ok_or_else(|| malformed("the claim irt is not 16 bytes of base64url"))?;
    let digest = Digest::parse_prefixed(rqd).ok_or_else(|| malformed("the claim rqd is not a SHA-256"))?;
    Ok(InReplyTo { id, digest })
}
