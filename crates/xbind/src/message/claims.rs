//! The protected header and the claims of a message, read strictly.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::key::VerifyingKey;
use crate::message::details::{self, Details, Shape};
use crate::message::flat::{self, Value};
use crate::message::jws::{self, Text};
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

/// As they stand in the JSON, each at most once.
#[derive(Default)]
struct Wire<'a> {
    v: Option<u64>,
    op: Option<Text<'a>>,
    iss: Option<Text<'a>>,
    aud: Option<Text<'a>>,
    jti: Option<Text<'a>>,
    iat: Option<u64>,
    exp: Option<u64>,
    irt: Option<Text<'a>>,
    rqd: Option<Text<'a>>,
    pt: Option<Text<'a>>,
    pl: Option<u64>,
    pd: Option<Text<'a>>,
    ath: Option<Text<'a>>,
    mth: Option<Text<'a>>,
    dl: Option<u64>,
    tp: Option<Text<'a>>,
    seq: Option<u64>,
    win: Option<u64>,
    ses: Option<Text<'a>>,
    enc: Option<Text<'a>>,
}

impl<'a> Wire<'a> {
    /// `None` for another claim, one that is repeated, and one that is not what it has to be.
    fn take(&mut self, name: &str, value: Value<'a>) -> Option<()> {
        match name {
            "v" => set(&mut self.v, value.number()),
            "op" => set(&mut self.op, value.text()),
            "iss" => set(&mut self.iss, value.text()),
            "aud" => set(&mut self.aud, value.text()),
            "jti" => set(&mut self.jti, value.text()),
            "iat" => set(&mut self.iat, value.number()),
            "exp" => set(&mut self.exp, value.number()),
            "irt" => set(&mut self.irt, value.text()),
            "rqd" => set(&mut self.rqd, value.text()),
            "pt" => set(&mut self.pt, value.text()),
            "pl" => set(&mut self.pl, value.number()),
            "pd" => set(&mut self.pd, value.text()),
            "ath" => set(&mut self.ath, value.text()),
            "mth" => set(&mut self.mth, value.text()),
            "dl" => set(&mut self.dl, value.number()),
            "tp" => set(&mut self.tp, value.text()),
            "seq" => set(&mut self.seq, value.number()),
            "win" => set(&mut self.win, value.number()),
            "ses" => set(&mut self.ses, value.text()),
            "enc" => set(&mut self.enc, value.text()),
            _ => None,
        }
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    place.replace(value?).is_none().then_some(())
}

impl<'a> Claims<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self> {
        let not_claims = || malformed("the claims are not those of a message");
        let mut wire = Wire::default();
        flat::read(json, |name, value| wire.take(name, value)).ok_or_else(not_claims)?;
        let Wire { v: Some(version), op: Some(op), iss: Some(issuer), aud: Some(audience), jti: Some(jti), .. } = wire
        else {
            return Err(not_claims());
        };
        let (Some(issued_at), Some(expires_at), Some(content_type)) = (wire.iat, wire.exp, wire.pt) else {
            return Err(not_claims());
        };
        let (Some(body_len), Some(pd)) = (wire.pl, wire.pd) else { return Err(not_claims()) };
        if version != 1 {
            return Err(malformed("the message is not of version 1"));
        }
        let op: Op = op.parse().map_err(|_| malformed("the claim op is no operation"))?;
        let id = MessageId::parse(&jti).ok_or_else(|| malformed("the claim jti is not 16 bytes of base64url"))?;
        if issued_at >= expires_at {
            return Err(malformed("the message expires before it is issued"));
        }
        if !message::is_content_type(&content_type) {
            return Err(malformed("the claim pt is not a media type"));
        }
        let body_digest = Digest::parse_prefixed(&pd).ok_or_else(|| malformed("the claim pd is not a SHA-256"))?;
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
            content_type: &content_type,
            body_len,
        })
        .map_err(malformed)?;
        let in_reply_to = wire.irt.zip(wire.rqd).map(|(irt, rqd)| call(&irt, &rqd)).transpose()?;
        let no_digest = || malformed("the claim ath is not a SHA-256");
        let token_digest = wire.ath.map(|ath| Digest::parse(&ath).ok_or_else(no_digest)).transpose()?;
        Ok(Self {
            op,
            issuer,
            audience,
            id,
            issued_at,
            expires_at,
            in_reply_to,
            content_type,
            body_len,
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
