//! What was decided, for those whom it concerns.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use xbind::{Did, MessageId};
use xbind_runtime::{AuditLog, Query};

use crate::app::Who;
use crate::domain::operator::Named;
use crate::domain::{agent, keys, operator};
use crate::http::call::{Answer, Call};
use crate::problem::{Kind, Problem, Result};
use crate::routes::who;
use crate::wire::AuditView;

/// The most records of one answer.
const MAX_LIMIT: u64 = 1000;
const DEFAULT_LIMIT: u64 = 100;
/// How often the log is gone on with for one answer; what is left then is for the next.
const ROUNDS: usize = 16;

/// What of a record says whom it concerns.
#[derive(Deserialize)]
struct Concerned {
    seq: u64,
    event: String,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    chain: Vec<String>,
}

/// The operator who asks, as records name him in each of his domains.
async fn asks(call: &Call) -> Result<Named> {
    let from = call.from()?;
    let who = move |db: &rusqlite::Connection| {
        let named = operator::named(db, &from)?;
        let none = || Problem::new(Kind::NotPermitted, "the records of a domain are for its operator");
        let (id, first) = named.ids.first().ok_or_else(none)?;
        Ok(Who { operator: operator::chain(first, id), what: named })
    };
    call.app.decide(call, "audit.read", who, |_, named, _| Ok(named.clone())).await
}

pub(crate) async fn query(call: Call) -> Result<Answer> {
    let limit = call.number("limit")?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::new(Kind::Malformed, format!("limit is 1 to {MAX_LIMIT}")));
    }
    let mut query = Query {
        agent: call.asked("agent").map(str::to_owned),
        token: call.asked("token").map(str::to_owned),
        since: call.number("since")?,
        until: call.number("until")?,
        after: call.number("after")?,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let named = asks(&call).await?;
    if let [(_, first)] = &*named.ids {
        query.agent.get_or_insert_with(|| first.to_string()); // all of his name that, of whatever time
    }
    let log = call.app.audit.clone();
    let id = named.ids.first().map(|(id, _)| id.clone()).unwrap_or_default();
    let found = call.app.searches.work(id, move || find(&log, query, &named)).await?;
    Ok(Answer::json(200, &found))
}

/// Those of one operator among the records that fit.
fn find(log: &Arc<AuditLog>, mut query: Query, named: &Named) -> Result<AuditView> {
    let limit = query.limit;
    let mut records = Vec::new();
    for _ in 0..ROUNDS {
        let lines = log.query(&query)?;
        let is_end = lines.len() < query.limit;
        for line in lines {
            let concerned: Concerned = serde_json::from_str(&line).map_err(|_| Problem::internal())?;
            query.after = Some(concerned.seq);
            if named.is_in(&concerned.chain) {
                records.push(RawValue::from_string(line).map_err(|_| Problem::internal())?);
            }
            if records.len() >= limit {
                return Ok(AuditView { records, next: query.after });
            }
        }
        if is_end {
            return Ok(AuditView { records, next: None });
        }
    }
    Ok(AuditView { records, next: query.after })
}

/// Everything about a token. Whoever is not concerned is told that there is nothing.
pub(crate) async fn trail(call: Call) -> Result<Answer> {
    let (from, now) = (call.from()?, call.now);
    let who = move |db: &rusqlite::Connection| {
        if let Some(own) = agent::by_key(db, &from)? {
            who::check(db, &own, &from, now)?;
            let keys = keys::of_agent(db, own.number)?.into_iter().map(|key| key.did).collect();
            return Ok(Who { operator: own.chain(), what: (own.operator, Named::default(), keys) });
        }
        let named = operator::named(db, &from)?;
        let (id, first) = named.ids.first().cloned().ok_or_else(not_concerned)?;
        let keys = named.alone.iter().copied().chain([from]).collect();
        Ok(Who { operator: operator::chain(&first, &id), what: (id, named, keys) })
    };
    let id =
        MessageId::parse(call.part(0)?).ok_or_else(|| Problem::new(Kind::Malformed, "that is no id of a token"))?;
    let (log, id) = (call.app.audit.clone(), id.text().to_string());
    let token = id.clone();
    let make =
        move |_: &rusqlite::Connection, who: &(String, Named, Vec<Did>), decided: &mut xbind_runtime::Decided| {
            decided.token = Some(token.into());
            Ok(who.clone())
        };
    let (operator, named, keys) = call.app.decide(&call, "audit.read", who, make).await?;
    let query = Query { token: Some(id), limit: usize::try_from(MAX_LIMIT).unwrap_or(usize::MAX), ..Query::default() };
    let lines = call.app.searches.work(operator, move || Ok(log.query(&query)?)).await?;
    let mut is_concerned = false;
    let mut records = Vec::new();
    for line in lines {
        let concerned: Concerned = serde_json::from_str(&line).map_err(|_| Problem::internal())?;
        // The record of the token itself says who its parties are; what others have asked about it does not.
        let mut parties = concerned.from.iter().chain(&concerned.to);
        let is_party = parties.any(|did| keys.iter().any(|key| key.as_str() == did)) || named.is_in(&concerned.chain);
        is_concerned |= concerned.event == "token.issued" && is_party;
        if concerned.event != "audit.read" {
            records.push(RawValue::from_string(line).map_err(|_| Problem::internal())?);
        }
    }
    if is_concerned {
        return Ok(Answer::json(200, &AuditView { records, next: None }));
    }
    Err(not_concerned())
}

fn not_concerned() -> Problem {
    Problem::new(Kind::NotPermitted, "the trail of a token is for its operator and its parties")
}
