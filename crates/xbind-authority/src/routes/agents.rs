//! Agents: taken in by an operator once their key has proven itself, and allowed what he says.

use xbind::{ScopeSet, VerifyingKey};

use crate::domain::agent::{self, MAX_REASON, Status};
use crate::domain::{keys, note, operator, token};
use crate::http::call::{Answer, Call};
use crate::problem::{Kind, Problem, Result};
use crate::routes::{views, who};
use crate::wire::{AddAgent, AgentList, Enrol, Enrolment, Rotate, SetScopes, SetStatus};

/// How long an enrolment can be handed on, in seconds.
pub(crate) const ENROLMENT_TTL: u64 = 3600;
const ENROLMENT: &str = "enrolment";
/// The most agents of one answer.
const MAX_LIST: u64 = 1000;
const DEFAULT_LIST: u64 = 100;

/// Nothing is written: what the agent has proven stands in what it is given.
pub(crate) async fn enrol(call: Call) -> Result<Answer> {
    let Enrol { operator } = call.json()?;
    let did = call.from()?;
    if call.app.store.read(|db| operator::by_id(db, &operator))?.is_none() {
        return Err(Problem::new(Kind::NotFound, "no operator of that id has proven its domain"));
    }
    let expires_at = call.now.saturating_add(ENROLMENT_TTL);
    let enrolment = call.app.tickets.issue(ENROLMENT, &[did.as_str(), &operator], expires_at)?;
    Ok(Answer::json(200, &Enrolment { enrolment, did: did.to_string(), operator, expires_at }))
}

pub(crate) async fn add(call: Call) -> Result<Answer> {
    let AddAgent { did, enrolment, scopes } = call.json()?;
    let scopes = ScopeSet::of(&scopes)?;
    let key = VerifyingKey::from_did(&did)?;
    let (id, from, now) = (call.part(0)?.to_owned(), call.from()?, call.now);
    // Whether it holds is asked before, and put on record with the rest.
    let proven = call.app.tickets.check(&enrolment, ENROLMENT, &[&did, &id], now).is_some();
    let make = move |db: &rusqlite::Connection, operator: &operator::Operator, decided: &mut xbind_runtime::Decided| {
        decided.to = Some(*key.did());
        decided.note = note(scopes.as_str());
        if !proven {
            return Err(Problem::new(Kind::EnrolmentOver, "the enrolment has expired, or is not of this agent"));
        }
        let agent = agent::add(db, operator, key.did(), &scopes, now)?;
        views::own_agent(db, &agent, now)
    };
    let view = call.app.decide(&call, "agent.registered", who::as_operator(id, from), make).await?;
    Ok(Answer::json(201, &view))
}

pub(crate) async fn list(call: Call) -> Result<Answer> {
    let (id, from) = (call.part(0)?.to_owned(), call.from()?);
    let status = match call.asked("status") {
        None => None,
        Some(name) => Some(Status::of(name).ok_or_else(no_status)?),
    };
    let after = i64::try_from(call.number("after")?.unwrap_or(0)).unwrap_or(i64::MAX);
    let limit = call.number("limit")?.unwrap_or(DEFAULT_LIST);
    if !(1..=MAX_LIST).contains(&limit) {
        return Err(Problem::new(Kind::Malformed, format!("limit is 1 to {MAX_LIST}")));
    }
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    call.app.claim(&call, who::as_operator(id.clone(), from)).await?;
    let now = call.now;
    let list = call.app.store.read(|db| {
        let agents = agent::of_operator(db, &id, status, after, limit)?;
        let is_full = agents.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let next = agents.last().filter(|_| is_full).map(|agent| agent.number);
        let views = agents.iter().map(|agent| views::own_agent(db, agent, now)).collect::<Result<_>>()?;
        Ok(AgentList { agents: views, next })
    })?;
    Ok(Answer::json(200, &list))
}

pub(crate) async fn own(call: Call) -> Result<Answer> {
    let (id, did) = (call.part(0)?.to_owned(), call.part(1)?.to_owned());
    let (from, now) = (call.from()?, call.now);
    let who = move |db: &rusqlite::Connection| {
        if let Err(problem) = who::operator(db, &id, &from) {
            // The agent itself may ask, too.
            let own = agent::by_key(db, &from)?.filter(|own| own.operator == id);
            let asked = agent::by_did(db, &did).ok();
            let own = own.filter(|own| asked.is_some_and(|asked| asked.number == own.number)).ok_or(problem)?;
            if own.status == Status::Revoked {
                agent::check_active(&own)?; // a suspended one may learn why it is
            }
            keys::check(db, &own, &from, now)?;
            return Ok(crate::app::Who { operator: own.chain(), what: own });
        }
        let agent = who::agent_of(db, &id, &did)?;
        Ok(crate::app::Who { operator: agent.chain(), what: agent })
    };
    let agent = call.app.claim(&call, who).await?;
    let view = call.app.store.read(|db| views::own_agent(db, &agent, now))?;
    Ok(Answer::json(200, &view))
}

pub(crate) async fn set_scopes(call: Call) -> Result<Answer> {
    let SetScopes { scopes } = call.json()?;
    let scopes = ScopeSet::of(&scopes)?;
    let (id, did) = (call.part(0)?.to_owned(), call.part(1)?.to_owned());
    let (from, now) = (call.from()?, call.now);
    let make = move |db: &rusqlite::Connection, operator: &operator::Operator, decided: &mut xbind_runtime::Decided| {
        decided.note = note(scopes.as_str());
        let agent = who::agent_of(db, &operator.id, &did)?;
        decided.to = first_key(db, &agent)?;
        agent::set_scopes(db, &agent, &scopes)?;
        views::own_agent(db, &agent::by_number(db, agent.number)?, now)
    };
    let changed = call.app.decide_lists(&call, "agent.scopes", who::as_operator(id, from), make).await;
    Ok(Answer::json(200, &changed?))
}

pub(crate) async fn set_status(call: Call) -> Result<Answer> {
    let SetStatus { status, reason } = call.json()?;
    let status = Status::of(&status).ok_or_else(no_status)?;
    check_reason(reason.as_deref())?;
    let (id, did) = (call.part(0)?.to_owned(), call.part(1)?.to_owned());
    let (from, now) = (call.from()?, call.now);
    let event = match status {
        Status::Active => "agent.reactivated",
        Status::Suspended => "agent.suspended",
        Status::Revoked => "agent.revoked",
    };
    let make = move |db: &rusqlite::Connection, operator: &operator::Operator, decided: &mut xbind_runtime::Decided| {
        decided.note = reason.as_deref().and_then(note);
        let agent = who::agent_of(db, &operator.id, &did)?;
        decided.to = first_key(db, &agent)?;
        agent::set_status(db, &agent, status, reason.as_deref())?;
        views::own_agent(db, &agent::by_number(db, agent.number)?, now)
    };
    let changed = call.app.decide_lists(&call, event, who::as_operator(id, from), make).await;
    Ok(Answer::json(200, &changed?))
}

pub(crate) async fn get(call: Call) -> Result<Answer> {
    let (did, now) = (call.part(0)?, call.now);
    let view = call.app.store.read(|db| views::agent(db, &agent::by_did(db, did)?, now))?;
    Ok(Answer::json(200, &view))
}

pub(crate) async fn document(call: Call) -> Result<Answer> {
    let (did, now) = (call.part(0)?, call.now);
    let view = call.app.store.read(|db| views::agent(db, &agent::by_did(db, did)?, now))?;
    let alias = &view.alias;
    let may_sign = |state: &str| matches!(state, "active" | "retiring") && view.status == "active";
    let (mut methods, mut ids) = (Vec::new(), Vec::new());
    for key in view.keys.iter().filter(|key| may_sign(&key.state)) {
        let key = VerifyingKey::from_did(&key.did)?;
        let multibase = key.did().multibase();
        ids.push(format!("{alias}#{multibase}"));
        methods.push(serde_json::json!({
            "id": format!("{alias}#{multibase}"),
            "type": "Multikey",
            "controller": alias,
            "publicKeyMultibase": multibase,
        }));
    }
    let document = serde_json::json!({
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": alias,
        "alsoKnownAs": [view.did],
        "verificationMethod": methods,
        "authentication": ids,
        "assertionMethod": ids,
        "capabilityInvocation": ids,
        "capabilityDelegation": ids,
    });
    Ok(Answer::json(200, &document))
}

pub(crate) async fn rotate(call: Call) -> Result<Answer> {
    let Rotate { rotation } = call.json()?;
    let did = call.part(0)?.to_owned();
    let (from, now) = (call.from()?, call.now);
    let times = (now, call.app.config().clock_skew);
    // The new key is not known yet: whoever has signed the request, both keys have signed the statement.
    let statement = xbind::Rotation::verify(&rotation)?;
    if from != statement.old && from != statement.new {
        return Err(Problem::new(Kind::NotPermitted, "the request is signed by neither key of the rotation"));
    }
    let who = move |db: &rusqlite::Connection| {
        let agent = agent::by_key(db, &statement.old)?.ok_or_else(token::unregistered)?;
        agent::check_active(&agent)?;
        // Told once more, it changes nothing, and the old key may be over.
        let is_last = keys::of_agent(db, agent.number)?.last().is_some_and(|key| key.did == statement.new);
        if !is_last || from == statement.old {
            keys::check(db, &agent, &statement.old, now)?;
        }
        Ok(crate::app::Who { operator: agent.chain(), what: agent })
    };
    let make = move |db: &rusqlite::Connection, agent: &agent::Agent, decided: &mut xbind_runtime::Decided| {
        decided.to = Some(statement.new);
        if agent::by_did(db, &did)?.number != agent.number {
            return Err(Problem::new(Kind::NotPermitted, "the path names another agent than the rotation"));
        }
        keys::rotate(db, agent, &rotation, times)?;
        views::agent(db, agent, now)
    };
    let changed = call.app.decide_lists(&call, "agent.rotated", who, make).await;
    Ok(Answer::json(200, &changed?))
}

/// By which records name it, however its keys change.
fn first_key(db: &rusqlite::Connection, agent: &agent::Agent) -> Result<Option<xbind::Did>> {
    Ok(keys::of_agent(db, agent.number)?.first().map(|key| key.did))
}

pub(crate) fn check_reason(reason: Option<&str>) -> Result<()> {
    let fits = |reason: &str| (1..=MAX_REASON).contains(&reason.len()) && !reason.chars().any(char::is_control);
    if reason.is_none_or(fits) {
        return Ok(());
    }
    Err(Problem::new(Kind::Malformed, format!("a reason is 1 to {MAX_REASON} bytes without control characters")))
}

fn no_status() -> Problem {
    Problem::new(Kind::Malformed, "a status is active, suspended or revoked")
}
