//! Getting in: a connection is a fresh key, named once by a DID.

use serde::Deserialize;

use crate::cluster::MAX_STATEMENT_BYTES;
use crate::cluster::namespace::Namespace;
use crate::cluster::nkey::{NKey, OWN_KEY, Role};
use crate::cluster::signed::{Common, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::SigningKey;
use crate::json::Members;
use crate::message::MessageId;
use crate::message::jws::{Text, UnsignedJws};
use crate::message::kind::Kind;
use crate::rights::grant::invalid;

/// The longest life of the statement, in seconds: it is made for one connection, at once.
pub const MAX_CONNECTION_TTL: u64 = 60;

/// `typ` of the protected header.
pub(crate) const TYPE: &str = "agent-connection+jwt";
const CONNECTION: Kind = Kind {
    typ: TYPE,
    one: "a connection statement",
    this: "the connection statement",
    max_bytes: MAX_STATEMENT_BYTES,
    max_ttl: MAX_CONNECTION_TTL,
};

/// A connection statement to be signed by the DID that connects; it travels as `auth_token` of the first line.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionDraft {
    /// The key of the connection, made for it and for nothing else: servers have it sign what they choose.
    pub key: NKey,
    /// How long it can be used, 1 to [`MAX_CONNECTION_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
    /// Fresh random bytes.
    pub id: [u8; 16],
}

impl ConnectionDraft {
    /// The statement before it is signed, for an agent whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds, or for a connection with the key of the DID itself.
    pub fn unsigned(&self, agent: &Did, namespace: &Namespace) -> Result<UnsignedJws> {
        let expires_at = CONNECTION.expiry(self.now, self.ttl)?;
        if let Some(why) = fault(&self.key, agent) {
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let mut claims = Members::new();
        claims.text("iss", agent.as_str());
        claims.text("aud", namespace.as_str());
        claims.text("jti", &MessageId::from_bytes(self.id).text());
        claims.number("iat", self.now);
        claims.number("exp", expires_at);
        claims.text("nkey", self.key.as_str());
        Ok(UnsignedJws::new(agent, TYPE, &claims.finish()))
    }

    /// Signs it: a compact JWS of type `agent-connection+jwt`.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey, namespace: &Namespace) -> Result<String> {
        Ok(self.unsigned(key.did(), namespace)?.sign(key))
    }
}

/// Who connects with which key, by its own signature. That it is used once, and by whoever has the key, is for
/// [`AuthRequest::admit`](crate::cluster::AuthRequest::admit) to see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    agent: Did,
    key: NKey,
    id: MessageId,
    issued_at: u64,
    expires_at: u64,
}

impl Connection {
    /// Verifies a statement. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it is no connection statement, or not signed by whom it names; `WRONG_AUDIENCE` in another namespace;
    /// `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn verify(text: &str, namespace: &Namespace, now: u64, clock_skew: u64) -> Result<Self> {
        let parts = CONNECTION.split(text)?;
        let (kid, claims) = CONNECTION.read::<Claims<'_>>(&parts)?;
        CONNECTION.check_life(claims.iat, claims.exp)?;
        let id = MessageId::parse(&claims.jti).ok_or_else(|| invalid("the claim jti is not 16 bytes of base64url"))?;
        let key =
            NKey::parse(Role::User, &claims.nkey).map_err(|_| invalid("the claim nkey is no key of a connection"))?;
        let common = Common {
            kid: &kid,
            issuer: &claims.iss,
            audience: &claims.aud,
            issued_at: claims.iat,
            expires_at: claims.exp,
        };
        let agent = common.verify(&CONNECTION, &parts, Reading { namespace, now, clock_skew }, |_| true)?;
        if let Some(why) = fault(&key, &agent) {
            return Err(invalid(why));
        }
        Ok(Self { agent, key, id, issued_at: claims.iat, expires_at: claims.exp })
    }

    /// Who connects.
    #[must_use]
    pub const fn agent(&self) -> &Did {
        &self.agent
    }

    /// With which key; it names the host from now on.
    #[must_use]
    pub const fn key(&self) -> &NKey {
        &self.key
    }

    /// Its id, unique for its agent.
    #[must_use]
    pub const fn id(&self) -> &MessageId {
        &self.id
    }

    /// Seconds since the epoch, by the agent's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Seconds since the epoch, by the agent's clock.
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
    jti: Text<'a>,
    iat: u64,
    exp: u64,
    nkey: Text<'a>,
}

fn fault(key: &NKey, agent: &Did) -> Option<&'static str> {
    if key.role() != Role::User {
        Some("the key is no key of a connection")
    } else if key.is_of(agent) {
        Some(OWN_KEY)
    } else {
        None
    }
}
