//! What others see of what stands in the database.

use rusqlite::Connection;
use xbind::Did;

use crate::domain::agent::{Agent, Status};
use crate::domain::keys::{self, Key};
use crate::domain::operator::{self, Operator};
use crate::problem::{Problem, Result};
use crate::wire::{AgentView, KeyView, OperatorView, OwnAgentView, Txt};

pub(crate) fn operator(db: &Connection, operator: &Operator, authority: &Did) -> Result<OperatorView> {
    let rotations = operator::rotations(db, &operator.id)?;
    Ok(OperatorView {
        id: operator.id.clone(),
        status: "verified".to_owned(),
        verified_at: Some(operator.verified_at),
        rotations: rotations.into_iter().map(|(rotation, _)| rotation).collect(),
        ..pending(&operator.domain, &operator.did, authority)
    })
}

pub(crate) fn pending(domain: &str, did: &Did, authority: &Did) -> OperatorView {
    let (name, value) = operator::txt(domain, did, authority);
    OperatorView {
        id: operator::id_of(domain, did),
        domain: domain.to_owned(),
        did: did.to_string(),
        status: "pending".to_owned(),
        verified_at: None,
        rotations: Vec::new(),
        txt: Txt { name, value },
    }
}

/// The key that it signs with, or the last one if it may not sign.
fn current(keys: &[Key], now: u64) -> Result<Did> {
    let history = keys::history(keys, Status::Active)?;
    let current = history.current(now).copied().or_else(|| keys.last().map(|key| key.did));
    current.ok_or_else(Problem::internal)
}

pub(crate) fn agent(db: &Connection, agent: &Agent, now: u64) -> Result<AgentView> {
    let keys = keys::of_agent(db, agent.number)?;
    let history = keys::history(&keys, agent.status)?;
    Ok(AgentView {
        did: current(&keys, now)?.to_string(),
        alias: agent.alias(),
        operator: agent.operator.clone(),
        domain: agent.domain.clone(),
        status: agent.status.as_str().to_owned(),
        keys: keys
            .into_iter()
            .map(|key| KeyView {
                state: history.state(&key.did, now).map_or("revoked", |state| state.as_str()).to_owned(),
                did: key.did.to_string(),
                added_at: key.added_at,
                rotation: key.rotation,
            })
            .collect(),
    })
}

pub(crate) fn own_agent(db: &Connection, agent: &Agent, now: u64) -> Result<OwnAgentView> {
    Ok(OwnAgentView {
        did: current(&keys::of_agent(db, agent.number)?, now)?.to_string(),
        alias: agent.alias(),
        operator: agent.operator.clone(),
        status: agent.status.as_str().to_owned(),
        reason: agent.reason.clone(),
        scopes: agent.scopes.iter().map(|scope| scope.to_string()).collect(),
        created_at: agent.created_at,
    })
}
