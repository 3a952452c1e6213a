//! What goes over the wire as JSON, for the server and for those who ask it. Times are seconds since the epoch. Members that
//! are not named here are refused in requests; `null` is no way to leave one out.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::user_token::UserToken;

/// For members that may be absent, but not `null`.
///
/// # Errors
/// Those of the value.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// For members that are arrays of objects: an array of what is in an object would be a second spelling of it.
///
/// # Errors
/// Those of the value.
pub fn objects<'de, T: DeserializeOwned, D: Deserializer<'de>>(value: D) -> Result<Vec<T>, D::Error> {
    let all = Vec::<serde_json::Map<String, Value>>::deserialize(value)?;
    all.into_iter().map(|one| T::deserialize(Value::Object(one)).map_err(D::Error::custom)).collect()
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident { $($(#[$member:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$member])* pub $field: $type,)* }
    )*};
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($(#[$member:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct $name { $($(#[$member])* pub $field: $type,)* }
    )*};
}

requests! {
    /// `POST /v1/operators` and `POST /v1/operators/{id}/verification`.
    ProveDomain {
        /// Lower case, like `example.com`.
        domain: String,
    }
    /// `POST /v1/enrolments`, signed by the key of the agent.
    Enrol {
        /// The id of the operator that shall take the agent in.
        operator: String,
    }
    /// `POST /v1/operators/{id}/agents`, signed by the operator.
    AddAgent {
        /// The agent's DID.
        did: String,
        /// What the agent was given for this operator.
        enrolment: String,
        /// What it may ask tokens for; nothing without.
        #[serde(default)]
        scopes: Vec<String>,
    }
    /// `PUT /v1/operators/{id}/agents/{did}/scopes`, signed by the operator.
    SetScopes {
        /// All that the agent may ask tokens for.
        scopes: Vec<String>,
    }
    /// `PUT /v1/operators/{id}/agents/{did}/status`, signed by the operator.
    SetStatus {
        /// `active`, `suspended` or `revoked`.
        status: String,
        /// Why: at most 256 bytes.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// `PUT /v1/operators/{id}/exchange`, signed by the operator; and what stands there.
    ExchangePolicy {
        /// Each once, 16 at most.
        #[serde(deserialize_with = "objects")]
        issuers: Vec<ExchangeIssuer>,
    }
    /// An issuer whose users the agents of an operator may act for.
    ExchangeIssuer {
        /// Its `iss`, as it is configured at the authority.
        issuer: String,
        /// What each scope of a user gives to an agent that acts for him, 64 at most.
        scopes: BTreeMap<String, Vec<String>>,
        /// How long a token lives that is got so, in seconds; 3600 without.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        max_ttl: Option<u64>,
    }
    /// `POST /v1/challenges`.
    AskChallenge {
        /// The DID whose key will sign the proof.
        did: String,
        /// Where the token is to be used.
        audience: String,
        /// What for.
        scopes: Vec<String>,
    }
    /// `POST /v1/tokens`, signed by the key of the agent.
    AskToken {
        /// What was given for this DID, audience and these scopes.
        challenge: String,
        /// Where the token is to be used.
        audience: String,
        /// What for.
        scopes: Vec<String>,
        /// How long it lives, in seconds; 3600 without.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        ttl: Option<u64>,
        /// The token of the user for whom the agent is to act (RFC 8693 section 2.1); it acts for itself without.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        subject_token: Option<UserToken>,
        /// What that is; beside it alone, and always.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        subject_token_type: Option<String>,
    }
    /// `POST /v1/tokens/{id}/revocation`, signed by the agent or its operator.
    Revoke {
        /// Why: at most 256 bytes.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// `POST /v1/introspection`.
    Introspect {
        /// A token of this authority.
        token: String,
    }
    /// `PUT /v1/names/{name}`, signed by the agent.
    PutName {
        /// What it offers, in its own signed words: a card that is valid now.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        card: Option<String>,
    }
    /// `POST /v1/agents/{did}/rotations` and `POST /v1/operators/{id}/rotations`, signed by the old key or the new one.
    Rotate {
        /// The statement, signed by both.
        rotation: String,
    }
}

answers! {
    /// `GET /v1`.
    About {
        /// The issuer of tokens.
        did: String,
        /// What the server is reached by, and what signatures have to be for.
        url: String,
        /// Its clock.
        time: u64,
        /// The version of the program.
        version: String,
        /// The statements by which its key has changed, from the first on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rotations: Vec<String>,
        /// The statement that leads to its next key, which signs nothing yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
        /// Keys whose signatures do not count any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        doubtful: Vec<String>,
    }
    /// A TXT record.
    Txt {
        /// Its name.
        name: String,
        /// Its text.
        value: String,
    }
    /// An operator.
    OperatorView {
        /// By which paths name it.
        id: String,
        /// Its domain.
        domain: String,
        /// Its root key.
        did: String,
        /// `pending` until the domain is proven, then `verified`.
        status: String,
        /// When it was proven.
        #[serde(skip_serializing_if = "Option::is_none")]
        verified_at: Option<u64>,
        /// What the domain's owner has to publish.
        txt: Txt,
        /// The statements by which the root key has changed, from the first on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rotations: Vec<String>,
    }
    /// What an agent gives to its operator.
    Enrolment {
        /// The text to hand on.
        enrolment: String,
        /// Whose it is.
        did: String,
        /// For whom.
        operator: String,
        /// Its last second.
        expires_at: u64,
    }
    /// A key of an agent.
    KeyView {
        /// Its DID.
        did: String,
        /// `prepared`, `active`, `retiring`, `retired`, `tainted` or `revoked`.
        state: String,
        /// When it came here.
        added_at: u64,
        /// The statement that brought it; the first has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        rotation: Option<String>,
    }
    /// An agent, as anybody may see it.
    AgentView {
        /// The DID of the key that it signs with now; of the last one if there is none.
        did: String,
        /// What stays when the key changes: `did:agent:<domain>:<fingerprint>`.
        alias: String,
        /// The id of its operator.
        operator: String,
        /// The domain of its operator.
        domain: String,
        /// `active`, `suspended` or `revoked`.
        status: String,
        /// All its keys, the first one first.
        keys: Vec<KeyView>,
    }
    /// An agent, as its operator and itself see it.
    OwnAgentView {
        /// The DID of the key that it signs with now.
        did: String,
        /// What stays when the key changes.
        alias: String,
        /// The id of its operator.
        operator: String,
        /// `active`, `suspended` or `revoked`.
        status: String,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What it may ask tokens for.
        scopes: Vec<String>,
        /// When it was registered.
        created_at: u64,
    }
    /// Agents of an operator.
    AgentList {
        /// At most as many as were asked for.
        agents: Vec<OwnAgentView>,
        /// What to give as `after` for those that follow; none if there are none.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<i64>,
    }
    /// A challenge.
    Challenge {
        /// The text to sign, within the request for a token.
        challenge: String,
        /// Its last second.
        expires_at: u64,
    }
    /// A token.
    TokenView {
        /// The token.
        token: String,
        /// Its `jti`.
        id: String,
        /// When it ends.
        expires_at: u64,
        /// What it is for.
        scopes: Vec<String>,
        /// Where those concerned read what became of it.
        audit_url: String,
    }
    /// `POST /oauth/token` (RFC 6749 section 5.1).
    AccessToken {
        /// The token.
        access_token: String,
        /// What an exchange gives (RFC 8693 section 2.2.1).
        #[serde(skip_serializing_if = "Option::is_none")]
        issued_token_type: Option<String>,
        /// `Bearer`, or `DPoP` for a token that is bound to a key.
        token_type: String,
        /// How long it lives, in seconds.
        expires_in: u64,
        /// What it is for.
        scope: String,
    }
    /// What the authority says of a token.
    Introspection {
        /// Whether it counts now.
        active: bool,
        /// `active`, `expired`, `revoked`, `suspended`, or `invalid` for what is no token of this authority.
        status: String,
    }
    /// A name and what it leads to.
    NameView {
        /// The name.
        name: String,
        /// Whose it is.
        agent: AgentView,
        /// What the agent offers, in its own signed words.
        #[serde(skip_serializing_if = "Option::is_none")]
        card: Option<String>,
        /// When it was registered.
        registered_at: u64,
    }
    /// Records of decisions.
    AuditView {
        /// As they stand in the log, oldest first.
        records: Vec<Box<serde_json::value::RawValue>>,
        /// What to give as `after` for those that follow; none if there are none.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
    }
}
