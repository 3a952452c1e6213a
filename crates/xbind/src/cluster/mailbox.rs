//! Mailboxes: an agent says that mail for it is kept while it is away, and for how long.

use serde::Deserialize;

use crate::base64;
use crate::cluster::MAX_STATEMENT_BYTES;
use crate::cluster::namespace::Namespace;
use crate::cluster::signed::{Common, Reading};
use crate::cluster::token;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::SigningKey;
use crate::json::Members;
use crate::message::jws::{Text, UnsignedJws, present};
use crate::message::kind::Kind;
use crate::rights::grant::invalid;

/// The longest life of a mailbox without a new word of its agent, in seconds: that of mail.
pub const MAX_MAILBOX_TTL: u64 = 604_800;

/// `typ` of the protected header.
pub(crate) const TYPE: &str = "agent-mailbox+jwt";
const MAILBOX: Kind =
    Kind { typ: TYPE, one: "a mailbox", this: "the mailbox", max_bytes: MAX_STATEMENT_BYTES, max_ttl: MAX_MAILBOX_TTL };

/// A mailbox to be signed by its agent.
#[derive(Clone, Copy, Debug)]
pub struct MailboxDraft {
    /// How long mail is kept, in seconds: 1 to [`MAX_MAIL_TTL`](crate::message::MAX_MAIL_TTL). No mail to it may live longer.
    pub retain: u32,
    /// The X25519 key to which mail is encrypted (RFC 9180 section 4.1), where it is. Whatever process of the agent reads it has it.
    pub encryption_key: Option<[u8; 32]>,
    /// How long it holds without a new word of the agent, 1 to [`MAX_MAILBOX_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

impl MailboxDraft {
    /// The statement before it is signed, for an agent whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, agent: &Did, namespace: &Namespace) -> Result<UnsignedJws> {
        let expires_at = MAILBOX.expiry(self.now, self.ttl)?;
        let retain = u64::from(self.retain);
        if !is_retention(retain) {
            return Err(Error::new(ErrorKind::InvalidConfig, RETENTION));
        }
        let mut claims = Members::new();
        claims.text("iss", agent.as_str());
        claims.text("aud", namespace.as_str());
        claims.number("iat", self.now);
        claims.number("exp", expires_at);
        claims.number("retain", retain);
        if let Some(key) = &self.encryption_key {
            claims.text("key", &base64::encode(key));
        }
        Ok(UnsignedJws::new(agent, TYPE, &claims.finish()))
    }

    /// Signs it: a compact JWS of type `agent-mailbox+jwt`.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey, namespace: &Namespace) -> Result<String> {
        Ok(self.unsigned(key.did(), namespace)?.sign(key))
    }
}

const RETENTION: &str = "mail is kept for 1 to 604800 s";

fn is_retention(retain: u64) -> bool {
    (1..=MAX_MAILBOX_TTL).contains(&retain)
}

/// A mailbox, as its agent has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    agent: Did,
    retain: u32,
    encryption_key: Option<[u8; 32]>,
    issued_at: u64,
    expires_at: u64,
}

impl Mailbox {
    /// Verifies the mailbox of `agent`. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it is no mailbox, or not signed by whom it names; `UNTRUSTED_ISSUER` if that is another agent;
    /// `WRONG_AUDIENCE` in another namespace; `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn verify(text: &str, agent: &Did, namespace: &Namespace, now: u64, clock_skew: u64) -> Result<Self> {
        let parts = MAILBOX.split(text)?;
        let (kid, claims) = MAILBOX.read::<Claims<'_>>(&parts)?;
        MAILBOX.check_life(claims.iat, claims.exp)?;
        let retain = u32::try_from(claims.retain).ok().filter(|_| is_retention(claims.retain));
        let retain = retain.ok_or_else(|| invalid(RETENTION))?;
        let no_key = || invalid("the claim key is not 32 bytes of base64url");
        let key = claims.key.as_deref().map(|key| base64::decode_array(key).ok_or_else(no_key)).transpose()?;
        let common = Common {
            kid: &kid,
            issuer: &claims.iss,
            audience: &claims.aud,
            issued_at: claims.iat,
            expires_at: claims.exp,
        };
        let reading = Reading { namespace, now, clock_skew };
        let signer = common.verify(&MAILBOX, &parts, reading, |did| did == agent)?;
        Ok(Self { agent: signer, retain, encryption_key: key, issued_at: claims.iat, expires_at: claims.exp })
    }

    /// Verifies what stands in the bucket of mailboxes under that key, which is the token of its agent.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and `INVALID_TOKEN` under a key that is no token.
    pub fn read_entry(key: &str, text: &str, namespace: &Namespace, now: u64, clock_skew: u64) -> Result<Self> {
        let agent = token::did(key).ok_or_else(|| invalid("a mailbox stands under the token of its agent"))?;
        Self::verify(text, &agent, namespace, now, clock_skew)
    }

    /// Whose it is.
    #[must_use]
    pub const fn agent(&self) -> &Did {
        &self.agent
    }

    /// How long mail to it may live, in seconds.
    #[must_use]
    pub const fn retain(&self) -> u32 {
        self.retain
    }

    /// The X25519 key to which mail is encrypted.
    #[must_use]
    pub const fn encryption_key(&self) -> Option<&[u8; 32]> {
        self.encryption_key.as_ref()
    }

    /// Seconds since the epoch, by the agent's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Until when mail is taken without a new word of the agent: seconds since the epoch, by its clock.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

/// Exactly these members, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    aud: Text<'a>,
    iat: u64,
    exp: u64,
    retain: u64,
    #[serde(borrow, default, deserialize_with = "present")]
    key: Option<Text<'a>>,
}
