//! Names on a cluster: an agent claims one, and the broker keeps the first claim.

use serde::Deserialize;

use crate::cluster::MAX_STATEMENT_BYTES;
use crate::cluster::namespace::Namespace;
use crate::cluster::signed::{Common, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::SigningKey;
use crate::json::Members;
use crate::message::card::is_label;
use crate::message::jws::{Text, UnsignedJws};
use crate::message::kind::Kind;
use crate::rights::grant::invalid;

/// `typ` of the protected header of a claim.
pub(crate) const TYPE: &str = "agent-name+jwt";
const CLAIM: Kind = Kind {
    typ: TYPE,
    one: "a claim of a name",
    this: "the claim of a name",
    max_bytes: MAX_STATEMENT_BYTES,
    max_ttl: u64::MAX,
};

/// An agent's claim, to be signed by it.
#[derive(Clone, Copy, Debug)]
pub struct NameDraft<'a> {
    /// The name.
    pub name: &'a str,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

impl NameDraft<'_> {
    /// The claim before it is signed, for an agent whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for what is no name.
    pub fn unsigned(&self, agent: &Did, namespace: &Namespace) -> Result<UnsignedJws> {
        if !is_label(self.name) {
            return Err(Error::new(ErrorKind::InvalidConfig, NO_NAME));
        }
        let mut claims = Members::new();
        claims.text("iss", agent.as_str());
        claims.text("aud", namespace.as_str());
        claims.number("iat", self.now);
        claims.text("name", self.name);
        Ok(UnsignedJws::new(agent, TYPE, &claims.finish()))
    }

    /// Signs it: a compact JWS of type `agent-name+jwt`.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey, namespace: &Namespace) -> Result<String> {
        Ok(self.unsigned(key.did(), namespace)?.sign(key))
    }
}

const NO_NAME: &str = "the name does not follow the grammar of names";

/// Whose a name is, as its agent has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRecord {
    agent: Did,
    name: String,
    issued_at: u64,
}

impl NameRecord {
    /// Verifies a claim. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN` for anything else, or not signed by whom it names; `WRONG_AUDIENCE` in another namespace;
    /// `TOKEN_NOT_YET_VALID`.
    pub fn verify(text: &str, namespace: &Namespace, now: u64, clock_skew: u64) -> Result<Self> {
        let parts = CLAIM.split(text)?;
        let (kid, Claims { iss, aud, iat, name }) = CLAIM.read(&parts)?;
        if !is_label(&name) {
            return Err(invalid(NO_NAME));
        }
        let common = Common { kid: &kid, issuer: &iss, audience: &aud, issued_at: iat, expires_at: u64::MAX };
        let agent = common.verify(&CLAIM, &parts, Reading { namespace, now, clock_skew }, |_| true)?;
        Ok(Self { agent, name: (*name).to_owned(), issued_at: iat })
    }

    /// Verifies what stands in the bucket of names under that key.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and `INVALID_TOKEN` under another key than that of the name.
    pub fn read_entry(key: &str, text: &str, namespace: &Namespace, now: u64, clock_skew: u64) -> Result<Self> {
        let record = Self::verify(text, namespace, now, clock_skew)?;
        if Namespace::name_key(&record.name).as_deref() != Some(key) {
            return Err(invalid("the claim of a name does not stand under its own key"));
        }
        Ok(record)
    }

    /// Whose name it is.
    #[must_use]
    pub const fn agent(&self) -> &Did {
        &self.agent
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was claimed: seconds since the epoch, by the agent's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }
}

/// Exactly these members, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    aud: Text<'a>,
    iat: u64,
    name: Text<'a>,
}
