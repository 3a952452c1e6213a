//! Cards: what an agent offers, signed by it.

use napi_derive::napi;
use xbind::message::card::DEFAULT_CARD_TTL;
use xbind::{Card, CardDraft, CardMethod, Scope, ScopeSet};

use crate::convert::{Fallible, fallible, number, whole};
use crate::identity::known_key;
use xbind_runtime::now;

#[napi(object)]
pub struct BindingMethod {
    pub name: String,
    pub description: Option<String>,
    /// The text of a JSON Schema.
    pub input: Option<String>,
    /// The text of a JSON Schema.
    pub output: Option<String>,
    pub scopes: Vec<String>,
}

impl BindingMethod {
    fn to_core(&self) -> xbind::Result<CardMethod> {
        let Self { name, description, input, output, scopes } = self;
        Ok(CardMethod {
            name: name.clone(),
            description: description.clone(),
            input: input.clone(),
            output: output.clone(),
            scopes: ScopeSet::of(scopes)?,
        })
    }
}

impl From<&CardMethod> for BindingMethod {
    fn from(method: &CardMethod) -> Self {
        Self {
            name: method.name.clone(),
            description: method.description.clone(),
            input: method.input.clone(),
            output: method.output.clone(),
            scopes: method.scopes.iter().map(Scope::as_str).map(str::to_owned).collect(),
        }
    }
}

#[napi(object, object_to_js = false)]
pub struct BindingCardDraft {
    pub name: Option<String>,
    pub methods: Vec<BindingMethod>,
    pub addresses: Vec<String>,
}

/// What the key of that DID is to sign.
#[napi(catch_unwind)]
pub fn card_to_sign(did: String, draft: BindingCardDraft) -> Fallible<String> {
    fallible(known_key(&did).and_then(|key| {
        let methods = draft.methods.iter().map(BindingMethod::to_core).collect::<xbind::Result<Vec<_>>>()?;
        let card = CardDraft {
            name: draft.name.as_deref(),
            methods: &methods,
            addresses: &draft.addresses,
            ttl: DEFAULT_CARD_TTL,
            now: now(),
        };
        Ok(card.unsigned(key.did())?.to_sign().to_owned())
    }))
}

#[napi(object, object_from_js = false)]
pub struct BindingCard {
    pub did: String,
    pub name: Option<String>,
    pub methods: Vec<BindingMethod>,
    pub addresses: Vec<String>,
    pub expires_at: f64,
}

/// As the card of `did`, or of whomever it names.
#[napi(catch_unwind)]
pub fn verify_card(jws: String, did: Option<String>, time: Option<f64>, clock_skew: f64) -> Fallible<BindingCard> {
    let agent = did.map(|did| known_key(&did).map(|key| *key.did())).transpose();
    let card =
        agent.and_then(|agent| Card::verify(&jws, agent.as_ref(), time.map_or_else(now, whole), whole(clock_skew)));
    fallible(card.map(|card| BindingCard {
        did: card.did().as_str().to_owned(),
        name: card.name().map(str::to_owned),
        methods: card.methods().iter().map(BindingMethod::from).collect(),
        addresses: card.addresses().to_vec(),
        expires_at: number(card.expires_at()),
    }))
}
