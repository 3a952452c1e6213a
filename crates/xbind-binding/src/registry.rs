//! What an agent asks of the authority of its operator.

use std::sync::Arc;

use serde::Deserialize;
use xbind::{Error, ErrorKind, Result};
use xbind_net::authority::{UserToken, Wanted};
use xbind_runtime::{Agent, Node};

use crate::net;
use crate::number::Whole;
use crate::ports::{self, with};
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

/// The agent of that DID or name among those of a port that are on a node, the newest of its DID.
///
/// # Errors
/// `AGENT_NOT_FOUND`, `AMBIGUOUS_NAME`.
pub fn agent_of(port: u32, node: &Arc<Node>, id: &str) -> Result<u32> {
    let is_it =
        |agent: &Agent| Arc::ptr_eq(agent.node(), node) && (agent.did().as_str() == id || agent.name() == Some(id));
    let found = ports::ask(port, Vec::new(), |port| port.agents(is_it));
    let id = || id.chars().filter(char::is_ascii_graphic).take(64).collect::<String>();
    let Some((number, newest)) = found.iter().max_by_key(|(number, _)| number) else {
        return Err(Error::new(ErrorKind::AgentNotFound, format!("no agent of this thread on this bus is {}", id()))
            .with_hint("make the agent first, on this bus and in this thread; one elsewhere asks by itself, with the user's token"));
    };
    if found.iter().any(|(_, other)| other.did() != newest.did()) {
        return Err(Error::new(ErrorKind::AmbiguousName, format!("several agents here are {}", id()))
            .with_hint("ask by the DID"));
    }
    Ok(*number)
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
