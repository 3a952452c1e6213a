//! Cards: what an agent offers, signed by it.

use serde::{Deserialize, Serialize};
use xbind::message::card::DEFAULT_CARD_TTL;
use xbind::{CardMethod, Result, Scope, ScopeSet};
use xbind_runtime::now;

use crate::did::{did, known_key};
use crate::number::{time, whole};

/// A method on a card.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The text of a JSON Schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The text of a JSON Schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What a token has to grant.
    pub scopes: Vec<String>,
}

impl Method {
    fn to_core(&self) -> Result<CardMethod> {
        let Self { name, description, input, output, scopes } = self.clone();
        Ok(CardMethod { name, description, input, output, scopes: ScopeSet::of(&scopes)? })
    }
}

impl From<&CardMethod> for Method {
    fn from(method: &CardMethod) -> Self {
        let CardMethod { name, description, input, output, scopes } = method.clone();
        let scopes = scopes.iter().map(Scope::as_str).map(str::to_owned).collect();
        Self { name, description, input, output, scopes }
    }
}

/// A card that is to be signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardDraft {
    /// The agent's name.
    pub name: Option<String>,
    /// What it offers.
    pub methods: Vec<Method>,
    /// Where it is.
    pub addresses: Vec<String>,
}

impl CardDraft {
    /// What the key of that DID is to sign.
    ///
    /// # Errors
    /// `INVALID_DID`, and `INVALID_CONFIG` for what is out of the bounds of a card.
    pub fn to_sign(did: &str, draft: &Self) -> Result<String> {
        let key = known_key(did)?;
        let methods = draft.methods.iter().map(Method::to_core).collect::<Result<Vec<_>>>()?;
        let card = xbind::CardDraft {
            name: draft.name.as_deref(),
            methods: &methods,
            addresses: &draft.addresses,
            ttl: DEFAULT_CARD_TTL,
            now: now(),
        };
        Ok(card.unsigned(key.did())?.to_sign().to_owned())
    }
}

/// A card that is genuine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// Whose it is.
    pub did: String,
    /// The agent's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it offers.
    pub methods: Vec<Method>,
    /// Where it is.
    pub addresses: Vec<String>,
    /// Seconds since the epoch.
    pub expires_at: u64,
}

/// Verifies a card, as that of `agent`, or of whomever it names.
///
/// # Errors
/// `INVALID_DID`, and those of [`xbind::Card::verify`].
pub fn verify(jws: &str, agent: Option<&str>, now: Option<f64>, clock_skew: f64) -> Result<Card> {
    let agent = agent.map(did).transpose()?;
    let card = xbind::Card::verify(jws, agent.as_ref(), time(now), whole(clock_skew))?;
    Ok(Card {
        did: card.did().to_string(),
        name: card.name().map(str::to_owned),
        methods: card.methods().iter().map(Method::from).collect(),
        addresses: card.addresses().to_vec(),
        expires_at: card.expires_at(),
    })
}
