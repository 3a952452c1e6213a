//! How far a log goes, signed by its key, and by others who have seen it.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::json::Members;
use crate::message::jws::{self, Header, Text, UnsignedJws};
use crate::message::{Digest, MessageId};

/// `typ` of what a log signs about itself.
pub(crate) const TYPE: &str = "agent-audit+jwt";
/// `typ` of what others sign about it.
pub(crate) const WITNESS_TYPE: &str = "agent-audit-witness+jwt";

/// The longest statement about a log, in bytes.
pub const MAX_HEAD_BYTES: usize = 4096;

/// How far a log goes. Kept elsewhere, it shows that what it names was not changed, nor its end cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose log it is.
    pub did: Did,
    /// Which of them.
    pub log: MessageId,
    /// Its last line, from 0.
    pub seq: u64,
    /// The digest of that line, which names all lines before it.
    pub digest: Digest,
    /// When that was signed, in seconds since the epoch, by the clock of whoever signed.
    pub time: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: Text<'a>,
    #[serde(borrow)]
    sub: Text<'a>,
    iat: u64,
    #[serde(borrow)]
    log: Text<'a>,
    seq: u64,
    #[serde(borrow)]
    head: Text<'a>,
}

impl Head {
    /// What that key signs about it: a compact JWS.
    fn unsigned(&self, signer: &Did, typ: &str) -> UnsignedJws {
        let mut claims = Members::new();
        claims.text("iss", signer.as_str());
        claims.text("sub", self.did.as_str());
        claims.number("iat", self.time);
        claims.text("log", &self.log.text());
        claims.number("seq", self.seq);
        claims.text("head", &self.digest.text());
        UnsignedJws::new(signer, typ, &claims.finish())
    }

    /// What the log's own key signs.
    pub(crate) fn to_seal(self) -> UnsignedJws {
        self.unsigned(&self.did, TYPE)
    }

    /// What it says, as JSON, with the JWS that says so.
    #[must_use]
    pub fn json(&self, jws: &str) -> String {
        let mut head = Members::new();
        head.text("did", self.did.as_str());
        head.text("log", &self.log.text());
        head.number("seq", self.seq);
        head.text("digest", &self.digest.text());
        head.number("time", self.time);
        head.text("jws", jws);
        head.finish()
    }

    /// Verifies what a log signed about itself.
    ///
    /// # Errors
    /// `INVALID_AUDIT`.
    pub fn read(text: &str) -> Result<Self> {
        let (signer, head) = read(text, TYPE)?;
        if signer != head.did {
            return Err(invalid("the head is not signed by the key of its log"));
        }
        Ok(head)
    }

    /// A witness signs that it has seen this head at that time: a compact JWS of type `agent-audit-witness+jwt`.
    #[must_use]
    pub fn witness(&self, witness: &SigningKey, now: u64) -> String {
        Self { time: now, ..*self }.unsigned(witness.did(), WITNESS_TYPE).sign(witness)
    }

    /// Verifies what a witness signed; its time is the witness's.
    ///
    /// # Errors
    /// `INVALID_AUDIT`; `UNTRUSTED_ISSUER` for the word of another.
    pub fn witnessed(text: &str, witness: &Did) -> Result<Self> {
        let (signer, head) = read(text, WITNESS_TYPE)?;
        if signer != *witness {
            return Err(Error::new(ErrorKind::UntrustedIssuer, "the head was witnessed by another"));
        }
        Ok(head)
    }
}

/// What somebody has kept of a head: as JSON, the members of [`Head::json`], of which some may be left out.
#[derive(Clone, Copy, Debug)]
pub struct KeptHead {
    /// Whose log it is.
    pub did: Option<Did>,
    /// Which of them.
    pub log: Option<MessageId>,
    /// Its last line then.
    pub seq: u64,
    /// The digest of that line.
    pub digest: Digest,
    signed: Option<Head>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    did: Option<String>,
    log: Option<String>,
    seq: Option<u64>,
    digest: Option<String>,
    time: Option<u64>,
    jws: Option<String>,
}

impl KeptHead {
    /// Reads it. Where it has a JWS, of the log or of a witness, that holds, and every other member says the same.
    ///
    /// # Errors
    /// `INVALID_AUDIT`; `INVALID_DID`, `INVALID_CONFIG` for what is no head.
    pub fn read(json: &str) -> Result<Self> {
        let no_head = || Error::new(ErrorKind::InvalidConfig, "the head has no seq, or no digest in base64url");
        let kept: Kept = serde_json::from_str(json).map_err(|_| no_head())?;
        let signed = kept.jws.as_deref().map(Head::read);
        let said = match (&signed, kept.jws.as_deref()) {
            (Some(Ok(head)), _) => Some(*head),
            (Some(Err(error)), Some(jws)) => Some(read(jws, WITNESS_TYPE).map_err(|_| error.clone())?.1),
            _ => None,
        };
        let did = kept.did.map(|did| VerifyingKey::from_did(&did).map(|key| *key.did())).transpose()?;
        let log = kept.log.map(|log| MessageId::parse(&log).ok_or_else(no_head)).transpose()?;
        let digest = kept.digest.map(|digest| Digest::parse(&digest).ok_or_else(no_head)).transpose()?;
        let differs = said.is_some_and(|head| {
            did.is_some_and(|did| did != head.did)
                || log.is_some_and(|log| log != head.log)
                || kept.seq.is_some_and(|seq| seq != head.seq)
                || digest.is_some_and(|digest| digest != head.digest)
                || kept.time.is_some_and(|time| time != head.time)
        });
        if differs {
            return Err(invalid("the head says something else than what was signed of it"));
        }
        Ok(Self {
            did: did.or_else(|| said.map(|head| head.did)),
            log: log.or_else(|| said.map(|head| head.log)),
            seq: kept.seq.or_else(|| said.map(|head| head.seq)).ok_or_else(no_head)?,
            digest: digest.or_else(|| said.map(|head| head.digest)).ok_or_else(no_head)?,
            signed: signed.and_then(Result::ok),
        })
    }

    /// What the log itself has signed of it.
    ///
    /// # Errors
    /// `INVALID_AUDIT`: nothing.
    pub fn signed(&self) -> Result<&Head> {
        self.signed.as_ref().ok_or_else(|| invalid("the log has not signed that head"))
    }
}

fn read(text: &str, typ: &str) -> Result<(Did, Head)> {
    let not_one = || invalid("that is no signed head of a log");
    if text.len() > MAX_HEAD_BYTES {
        return Err(not_one());
    }
    let parts = jws::split(text).ok_or_else(not_one)?;
    let header = Header::parse(&parts.header).filter(|header| *header.typ == *typ).ok_or_else(not_one)?;
    let claims: Claims<'_> = jws::parse_object(&parts.payload).ok_or_else(not_one)?;
    let key = VerifyingKey::from_did(&claims.iss).map_err(|_| not_one())?;
    let head = Head {
        did: *VerifyingKey::from_did(&claims.sub).map_err(|_| not_one())?.did(),
        log: MessageId::parse(&claims.log).ok_or_else(not_one)?,
        seq: claims.seq,
        digest: Digest::parse(&claims.head).ok_or_else(not_one)?,
        time: claims.iat,
    };
    if !jws::names_key(&header.kid, key.did()) {
        return Err(not_one());
    }
    if !parts.is_signed_by(&key) {
        return Err(invalid("the signature does not cover the head"));
    }
    Ok((*key.did(), head))
}

pub(crate) fn invalid(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidAudit, why)
}
