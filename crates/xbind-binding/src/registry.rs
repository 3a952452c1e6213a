//! What an agent asks of the authority of its operator.

use serde::Deserialize;
use xbind::Result;
use xbind_net::authority::{UserToken, Wanted};

use crate::net;
use crate::number::Whole;
use crate::ports::with;
use crate::record::Telling;
use crate::serve::reach_addresses;

pub use xbind_net::authority::Registry;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryRequest {
    /// Of a token: where it is to be used. Without it the agent's name is registered.
    pub audience: Option<String>,
    /// What for.
    pub scopes: Option<Vec<String>>,
    /// How long it lives, in seconds.
    pub ttl: Option<Whole>,
    /// Of a name: what the agent offers, signed by it.
    pub card: Option<String>,
}

/// The authority at an address, behind a `#` its DID where that is known. With `resolves` the agent calls by the names there, too.
///
/// # Errors
/// `INVALID_CONFIG`, `INVALID_DID`, `AGENT_CLOSED`.
pub fn open(port: u32, agent: u32, at: &str, resolves: bool) -> Result<Registry> {
    with(port, |port| {
        let agent = port.agent(agent)?;
        if resolves {
            reach_addresses(agent.node(), None)?;
        }
        Registry::new(&agent, at, resolves, net::settings())
    })
}

/// A token, with that of a user one to act for him; or the name that is registered now.
#[must_use]
pub fn ask(registry: &Registry, request: &RegistryRequest, user: Option<&str>) -> Telling<Result<String>> {
    let registry = registry.clone();
    let RegistryRequest { audience, scopes, ttl, card } = request;
    match audience {
        Some(audience) => {
            let scopes = scopes.clone().unwrap_or_default();
            let wanted = Wanted::new(audience.clone(), scopes, ttl.as_ref().map(|ttl| ttl.0));
            let user = user.map(|text| UserToken::from(text.to_owned()));
            Box::new(move |tell| registry.token(wanted, user, tell))
        }
        None => {
            let card = card.clone();
            Box::new(move |tell| registry.register(card, |done| tell(done.map(|registered| registered.name))))
        }
    }
}
