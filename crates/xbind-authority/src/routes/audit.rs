//! What was decided, for those whom it concerns.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use xbind::{Did, MessageId};
use xbind_runtime::{AuditLog, Query};

use crate::app::{App, Who};
use crate::domain::{agent, keys, operator};
use crate::http::call::{Answer, Call};
use crate::problem::{Kind, Problem, Result};
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

/// The operator who asks, by the lasting name that he has in each of his domains.
async fn asks(call: &Call) -> Result<Vec<String>> {
    let from = call.from()?;
    let who = move |db: &rusqlite::Connection| {
        let names = operator::names_of(db, &from)?;
        let operator = *names
            .first()
            .ok_or_else(|| Problem::new(Kind::NotPermitted, "the records of a domain are for its operator"))?;
        Ok(Who { operator, what: names })
    };
    let names = call.app.decide(call, "audit.read", who, |_, names, _| Ok(names.clone())).await?;
    Ok(names.iter().map(ToString::to_string).collect())
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
    let names = asks(&call).await?;
    if let [name] = &*names {
        query.agent.get_or_insert_with(|| name.clone());
    }
    let log = call.app.audit.clone();
    let found = blocking(&call.app, move || find(&log, query, &names)).await?;
    Ok(Answer::json(200, &found))
}

/// Those of one operator among the records that fit.
fn find(log: &Arc<AuditLog>, mut query: Query, names: &[String]) -> Result<AuditView> {
    let limit = query.limit;
    let mut records = Vec::new();
    for _ in 0..ROUNDS {
        let lines = log.query(&query)?;
        let is_end = lines.len() < query.limit;
        for line in lines {
            let concerned: Concerned = serde_json::from_str(&line).map_err(|_| Problem::internal())?;
            query.after = Some(concerned.seq);
            if concerned.chain.iter().any(|link| names.contains(link)) {
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
            keys::check(db, &own, &from, now)?;
            let names = keys::of_agent(db, own.number)?.into_iter().map(|key| key.did).collect();
            return Ok(Who { operator: own.operator_name, what: names });
        }
        let names = operator::names_of(db, &from)?;
        let operator = *names.first().ok_or_else(not_concerned)?;
        Ok(Who { operator, what: names })
    };
    let id =
        MessageId::parse(call.part(0)?).ok_or_else(|| Problem::new(Kind::Malformed, "that is no id of a token"))?;
    let (log, id) = (call.app.audit.clone(), id.text().to_string());
    let token = id.clone();
    let make = move |_: &rusqlite::Connection, names: &Vec<Did>, decided: &mut xbind_runtime::Decided| {
        decided.token = Some(token.into());
        Ok(names.iter().map(ToString::to_string).collect())
    };
    let names: Vec<String> = call.app.decide(&call, "audit.read", who, make).await?;
    let query = Query { token: Some(id), limit: usize::try_from(MAX_LIMIT).unwrap_or(usize::MAX), ..Query::default() };
    let lines = blocking(&call.app, move || Ok(log.query(&query)?)).await?;
    let mut is_concerned = false;
    let mut records = Vec::new();
    for line in lines {
        let concerned: Concerned = serde_json::from_str(&line).map_err(|_| Problem::internal())?;
        // The record of the token itself says who its parties are; what others have asked about it does not.
        let mut parties = concerned.from.iter().chain(&concerned.to).chain(&concerned.chain);
        is_concerned |= concerned.event == "token.issued" && parties.any(|did| names.contains(did));
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

/// Reads files, which may take a while, where that holds up nobody.
async fn blocking<T: Send + 'static>(app: &App, read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let _place = app.searches.acquire().await.map_err(|_| Problem::internal())?;
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err(Problem::internal()))
}
