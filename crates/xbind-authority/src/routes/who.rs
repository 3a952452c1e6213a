//! Whose signature counts for what.

use rusqlite::Connection;
use xbind::Did;

use crate::app::Who;
use crate::domain::agent::{self, Agent};
use crate::domain::operator::{self, Operator};
use crate::domain::{keys, token};
use crate::problem::{Kind, Problem, Result};

/// The operator of that id, if he has signed.
pub(crate) fn operator(db: &Connection, id: &str, from: &Did) -> Result<Operator> {
    let operator = operator::by_id(db, id)?.ok_or_else(|| Problem::new(Kind::NotFound, "there is no such operator"))?;
    if operator.did == *from {
        return Ok(operator);
    }
    Err(Problem::new(
        Kind::NotPermitted,
        "only the operator may ask for this, signed with the root key that it has now",
    ))
}

/// The same, for a change.
pub(crate) fn as_operator(id: String, from: Did) -> impl FnOnce(&Connection) -> Result<Who<Operator>> + Send {
    move |db| {
        let operator = operator(db, &id, &from)?;
        Ok(Who { operator: operator.chain(), what: operator })
    }
}

/// The agent that has signed, which may do something now: nobody else's refusals stand on record.
pub(crate) fn as_agent(from: Did, now: u64) -> impl FnOnce(&Connection) -> Result<Who<Agent>> + Send {
    move |db| {
        let agent = agent::by_key(db, &from)?.ok_or_else(token::unregistered)?;
        check(db, &agent, &from, now)?;
        Ok(Who { operator: agent.chain(), what: agent })
    }
}

/// Refuses an agent that may do nothing now, or a key that is not its own any more.
pub(crate) fn check(db: &Connection, agent: &Agent, from: &Did, now: u64) -> Result<()> {
    agent::check_active(agent)?;
    keys::check(db, agent, from, now)
}

/// An agent of that operator.
pub(crate) fn agent_of(db: &Connection, operator: &str, did: &str) -> Result<Agent> {
    let agent = agent::by_did(db, did)?;
    if agent.operator == operator {
        return Ok(agent);
    }
    Err(Problem::new(Kind::NotFound, "no agent of this operator is registered under that DID"))
}
