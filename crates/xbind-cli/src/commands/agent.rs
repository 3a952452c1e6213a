//! Agents: registered, and allowed what their operator says.

use serde::Serialize;
use xbind_authority::wire::{AddAgent, AgentView, Enrol, Enrolment, OwnAgentView, SetScopes};

use crate::args::{AgentScopes, RegisterAgent};
use crate::commands::{OfAgent, OfOperator, Room};
use crate::failure::{Failure, Result};
use crate::plain::plain;
use crate::said::Said;

/// What became of an agent that wants to be taken in.
#[derive(Serialize)]
struct Registered {
    did: String,
    operator: String,
    /// `enrolled` until its operator has taken it in.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment: Option<String>,
}

pub(crate) fn register(room: &Room<'_>, args: RegisterAgent) -> Result<Said> {
    let RegisterAgent { operator_id, did, enrolment, scopes } = args;
    let operator_id = operator_id.map_or_else(|| operator_here(room), Ok)?;
    if let (Some(did), Some(enrolment)) = (did, enrolment) {
        let operator = room.as_operator()?;
        check_operator(&operator, &operator_id)?;
        return Ok(Said::of(&admit(&operator, AddAgent { did, enrolment, scopes })?));
    }
    let _alone = room.home.lock()?;
    let OfAgent { mut agent, key, mut client } = room.as_agent()?;
    agent.authority.pin(&mut client)?;
    agent.operator = Some(operator_id.clone());
    let mut registered = Registered {
        did: agent.did.clone(),
        operator: operator_id.clone(),
        status: "enrolled".to_owned(),
        alias: None,
        scopes: None,
        enrolment: None,
    };
    // Somebody who is known already asks what became of it.
    let known: Option<AgentView> = match client.get(&format!("/v1/agents/{}", agent.did), Some(&key)) {
        Err(failure) if failure.code == "not-found" => None,
        known => Some(known?),
    };
    let here = room.home.operator().ok().filter(|(_, here)| here.id.as_ref() == Some(&operator_id));
    match known {
        Some(known) if known.operator != operator_id => {
            return Err(Failure::setup(format!("this agent is one of the operator {} already", known.operator)));
        }
        Some(known) => {
            if !scopes.is_empty() {
                return Err(Failure::usage("this agent is registered already").hint("xbind agent-scopes set"));
            }
            (registered.status, registered.alias) = (known.status, Some(known.alias));
        }
        None => {
            let asked = Enrol { operator: operator_id.clone() };
            let enrolment: Enrolment = client.send("POST", "/v1/enrolments", &asked, Some(&key))?;
            if here.is_some() {
                let add = AddAgent { did: agent.did.clone(), enrolment: enrolment.enrolment, scopes };
                let view = admit(&room.as_operator()?, add)?;
                registered.status = view.status;
                registered.alias = Some(view.alias);
                registered.scopes = Some(view.scopes);
            } else if scopes.is_empty() {
                registered.enrolment = Some(enrolment.enrolment);
            } else {
                return Err(Failure::usage("an agent grants itself nothing: its operator gives --scopes"));
            }
        }
    }
    agent.alias.clone_from(&registered.alias);
    room.home.save_agent(&agent)?;
    room.say(if registered.enrolment.is_some() {
        "next: within an hour its operator runs xbind register agent --operator-id … --did … --enrolment …"
    } else {
        "next: xbind agent-scopes set --scopes …, then xbind issue --scope … --aud …"
    });
    Ok(Said::of(&registered))
}

/// The operator that is meant where none is named.
fn operator_here(room: &Room<'_>) -> Result<String> {
    let of_agent = room.home.find_agent()?.and_then(|agent| agent.operator);
    let here = || room.home.operator().ok().and_then(|(_, operator)| operator.id);
    of_agent.or_else(here).ok_or_else(|| Failure::usage("no operator is registered here").hint("give --operator-id"))
}

fn check_operator(operator: &OfOperator, id: &str) -> Result<()> {
    if operator.id == id {
        return Ok(());
    }
    Err(Failure::usage(format!("the operator here is {}, not {id}", operator.id)))
}

fn admit(operator: &OfOperator, add: AddAgent) -> Result<OwnAgentView> {
    operator.client.send("POST", &format!("/v1/operators/{}/agents", operator.id), &add, Some(&operator.key))
}

pub(crate) fn scopes(room: &Room<'_>, args: AgentScopes) -> Result<Said> {
    match args {
        AgentScopes::Set(args) => {
            let did = room.agent_or(args.agent.agent)?;
            let own = room.as_operator()?;
            // `--scopes ''` is one empty scope.
            let body = SetScopes { scopes: args.scopes.into_iter().filter(|scope| !scope.is_empty()).collect() };
            let path = format!("/v1/operators/{}/agents/{did}/scopes", own.id);
            let view: OwnAgentView = own.client.send("PUT", &path, &body, Some(&own.key))?;
            Ok(Said::of(&view))
        }
        AgentScopes::List(args) => {
            let did = room.agent_or(args.agent.clone())?;
            let view = if args.agent.is_none() {
                let own = room.as_agent()?;
                let operator = own.agent.operator.as_ref().ok_or_else(unregistered)?;
                own.client.get::<OwnAgentView>(&format!("/v1/operators/{operator}/agents/{did}"), Some(&own.key))?
            } else {
                let own = room.as_operator()?;
                own.client.get(&format!("/v1/operators/{}/agents/{did}", own.id), Some(&own.key))?
            };
            let text = view.scopes.iter().map(|scope| plain(scope)).collect::<Vec<_>>().join("\n");
            Ok(Said::of(&view).with_text(text))
        }
    }
}

pub(crate) fn unregistered() -> Failure {
    Failure::setup("the agent is not registered").hint("xbind register agent --operator-id …")
}
