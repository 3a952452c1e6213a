//! Presence: an agent says that it is there, in which session, and which host speaks for it.

use std::collections::HashSet;

use serde::Deserialize;

use crate::base64;
use crate::cluster::MAX_STATEMENT_BYTES;
use crate::cluster::namespace::Namespace;
use crate::cluster::nkey::{NKey, OWN_KEY, Role};
use crate::cluster::signed::{Common, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::SigningKey;
use crate::json::Members;
use crate::message::card::is_label;
use crate::message::jws::{Text, UnsignedJws, present};
use crate::message::kind::Kind;
use crate::message::session::Session;
use crate::rights::grant::invalid;

/// The longest life of a presence, in seconds.
pub const MAX_PRESENCE_TTL: u64 = 30;
/// The shortest that the largest message of a host may be, in bytes: one JWS with what belongs to it fits.
pub const MIN_FRAME_BYTES: u64 = 8192;
/// The largest message that any host takes, in bytes.
pub const MAX_FRAME_BYTES: u64 = 64 << 20;
/// How many capabilities a presence names at most.
const MAX_CAPABILITIES: usize = 16;
/// The longest capability, in bytes.
const MAX_CAPABILITY_BYTES: usize = 32;

/// `typ` of the protected header.
pub(crate) const TYPE: &str = "agent-presence+jwt";
const PRESENCE: Kind = Kind {
    typ: TYPE,
    one: "a presence",
    this: "the presence",
    max_bytes: MAX_STATEMENT_BYTES,
    max_ttl: MAX_PRESENCE_TTL,
};

/// A presence to be signed.
#[derive(Clone, Copy, Debug)]
pub struct PresenceDraft<'a> {
    /// The agent's label, which proves nothing here: see [`NameRecord`](crate::cluster::NameRecord).
    pub name: Option<&'a str>,
    /// The replay window that its calls must name.
    pub session: Session,
    /// The key of the connection whose host speaks for the agent: what is for the agent goes there, and nowhere else.
    pub host: NKey,
    /// The X25519 key of this process to which bodies are encrypted (RFC 9180 section 4.1), where they can be.
    pub encryption_key: Option<[u8; 32]>,
    /// The largest message of the broker that the host takes, in bytes: [`MIN_FRAME_BYTES`] to [`MAX_FRAME_BYTES`].
    pub max_frame: u64,
    /// What else it can do: at most 16 words of 1 to 32 of `a-z 0-9 -`, none twice. Who does not know a word passes it over.
    pub capabilities: &'a [&'a str],
    /// How long it holds, 1 to [`MAX_PRESENCE_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

impl PresenceDraft<'_> {
    /// The presence before it is signed, for an agent whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, agent: &Did, namespace: &Namespace) -> Result<UnsignedJws> {
        let expires_at = PRESENCE.expiry(self.now, self.ttl)?;
        if let Some(why) = fault(self.name, &self.host, self.max_frame, self.capabilities)
            .or_else(|| self.host.is_of(agent).then_some(OWN_KEY))
        {
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let mut claims = Members::new();
        claims.text("iss", agent.as_str());
        claims.text("aud", namespace.as_str());
        claims.number("iat", self.now);
        claims.number("exp", expires_at);
        if let Some(name) = self.name {
            claims.text("name", name);
        }
        claims.text("ses", &self.session.text());
        claims.text("host", self.host.as_str());
        if let Some(key) = &self.encryption_key {
            claims.text("key", &base64::encode(key));
        }
        claims.number("frame", self.max_frame);
        claims.raw(
            "caps",
            &format!("[{}]", self.capabilities.iter().map(|word| format!(r#""{word}""#)).collect::<Vec<_>>().join(",")),
        );
        Ok(UnsignedJws::new(agent, TYPE, &claims.finish()))
    }

    /// Signs it: a compact JWS of type `agent-presence+jwt`.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey, namespace: &Namespace) -> Result<String> {
        Ok(self.unsigned(key.did(), namespace)?.sign(key))
    }
}

/// An agent that is there, by its own signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    agent: Did,
    name: Option<String>,
    session: Session,
    host: NKey,
    encryption_key: Option<[u8; 32]>,
    max_frame: u64,
    capabilities: Vec<String>,
    issued_at: u64,
    expires_at: u64,
}

impl Presence {
    /// Verifies the presence of `agent`, or of whomever it names when that is `None`: for a presence that a caller brings along.
    /// `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it is no presence, or not signed by the agent that it names; `UNTRUSTED_ISSUER` if that is another
    /// one; `WRONG_AUDIENCE` in another namespace; `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn verify(text: &str, agent: Option<&Did>, namespace: &Namespace, now: u64, clock_skew: u64) -> Result<Self> {
        let parts = PRESENCE.split(text)?;
        let (kid, claims) = PRESENCE.read::<Claims<'_>>(&parts)?;
        PRESENCE.check_life(claims.iat, claims.exp)?;
        let host =
            NKey::parse(Role::User, &claims.host).map_err(|_| invalid("the claim host is no key of a connection"))?;
        let session =
            Session::read(&claims.ses).ok_or_else(|| invalid("the claim ses is not 16 bytes of base64url"))?;
        let no_key = || invalid("the claim key is not 32 bytes of base64url");
        let key = claims.key.as_deref().map(|key| base64::decode_array(key).ok_or_else(no_key)).transpose()?;
        let capabilities: Vec<&str> = claims.caps.iter().map(|word| &**word).collect();
        if let Some(why) = fault(claims.name.as_deref(), &host, claims.frame, &capabilities) {
            return Err(invalid(why));
        }
        let common = Common {
            kid: &kid,
            issuer: &claims.iss,
            audience: &claims.aud,
            issued_at: claims.iat,
            expires_at: claims.exp,
        };
        let reading = Reading { namespace, now, clock_skew };
        let signer = common.verify(&PRESENCE, &parts, reading, |did| agent.is_none_or(|agent| agent == did))?;
        if host.is_of(&signer) {
            return Err(invalid(OWN_KEY));
        }
        Ok(Self {
            agent: signer,
            name: claims.name.as_deref().map(str::to_owned),
            session,
            host,
            encryption_key: key,
            max_frame: claims.frame,
            capabilities: capabilities.into_iter().map(str::to_owned).collect(),
            issued_at: claims.iat,
            expires_at: claims.exp,
        })
    }

    /// Verifies what stands in the bucket of agents: the presence must stand under its own key. Where connections get in by a
    /// statement, only the host's own connection can write there; so agent and host have both spoken.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and `INVALID_TOKEN` under another key.
    pub fn read_entry(key: &str, text: &str, namespace: &Namespace, now: u64, clock_skew: u64) -> Result<Self> {
        let presence = Self::verify(text, None, namespace, now, clock_skew)?;
        if Namespace::presence_key(&presence.host, &presence.agent) != key {
            return Err(invalid("the presence does not stand under its own key"));
        }
        Ok(presence)
    }

    /// Who is there.
    #[must_use]
    pub const fn agent(&self) -> &Did {
        &self.agent
    }

    /// The agent's label, which proves nothing.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The replay window that calls must name.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The host that speaks for the agent; [`Namespace::inbox`] says where it takes messages.
    #[must_use]
    pub const fn host(&self) -> &NKey {
        &self.host
    }

    /// The X25519 key to which bodies are encrypted.
    #[must_use]
    pub const fn encryption_key(&self) -> Option<&[u8; 32]> {
        self.encryption_key.as_ref()
    }

    /// The largest message of the broker that the host takes, in bytes.
    #[must_use]
    pub const fn max_frame(&self) -> u64 {
        self.max_frame
    }

    /// What else it can do.
    #[must_use]
    pub fn capabilities(&self) -> &[String] {
        &self.capabilities
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
    iat: u64,
    exp: u64,
    #[serde(borrow, default, deserialize_with = "present")]
    name: Option<Text<'a>>,
    ses: Text<'a>,
    host: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    key: Option<Text<'a>>,
    frame: u64,
    caps: Vec<Text<'a>>,
}

fn fault(name: Option<&str>, host: &NKey, max_frame: u64, capabilities: &[&str]) -> Option<&'static str> {
    let mut seen = HashSet::new();
    if !name.is_none_or(is_label) {
        Some("the name does not follow the grammar of names")
    } else if host.role() != Role::User {
        Some("the host is no key of a connection")
    } else if !(MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&max_frame) {
        Some("the largest message of a host is 8192 to 67108864 bytes")
    } else if capabilities.len() > MAX_CAPABILITIES {
        Some("a presence names at most 16 capabilities")
    } else if !capabilities.iter().all(|word| is_capability(word) && seen.insert(*word)) {
        Some("a capability is 1 to 32 of a-z 0-9 -, and named once")
    } else {
        None
    }
}

fn is_capability(word: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_CAPABILITY_BYTES).contains(&word.len()) && word.bytes().all(allowed)
}
