//! What was decided, for those whom it concerns.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use xbind::MessageId;
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

/// The operator who asks.
async fn asks(call: &Call) -> Result<String> {
    let from = call.from()?;
    let who = move |db: &rusqlite::Connection| {
        let sql = "SELECT EXISTS(SELECT 1 FROM operators WHERE key = ?1)";
        let is_operator: bool = db.prepare_cached(sql)?.query_row([from.public_key()], |row| row.get(0))?;
        if is_operator {
            return Ok(Who { operator: from, what: () });
        }
        Err(Problem::new(Kind::NotPermitted, "the records of a domain are for its operator"))
    };
    call.app.decide(call, "audit.read", who, |_, (), _| Ok(())).await?;
    Ok(from.to_string())
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
    let operator = asks(&call).await?;
    query.agent.get_or_insert_with(|| operator.clone());
    let log = call.app.audit.clone();
    let found = blocking(&call.app, move || find(&log, query, &operator)).await?;
    Ok(Answer::json(200, &found))
}

/// Those of one operator among the records that fit.
fn find(log: &Arc<AuditLog>, mut query: Query, operator: &str) -> Result<AuditView> {
    let limit = query.limit;
    let mut records = Vec::new();
    for _ in 0..ROUNDS {
        let lines = log.query(&query)?;
        let is_end = lines.len() < query.limit;
        for line in lines {
            let concerned: Concerned = serde_json::from_str(&line).map_err(|_| Problem::internal())?;
            query.after = Some(concerned.seq);
            if concerned.chain.iter().any(|link| link == operator) {
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
            return Ok(Who { operator: own.operator_did, what: () });
        }
        if operator::is_known(db, &from)? {
            return Ok(Who { operator: from, what: () });
        }
        Err(Problem::new(Kind::NotPermitted, "the trail of a token is for its operator and its parties"))
    };
    let id =
        MessageId::parse(call.part(0)?).ok_or_else(|| Problem::new(Kind::Malformed, "that is no id of a token"))?;
    let (log, id) = (call.app.audit.clone(), id.text().to_string());
    let token = id.clone();
    call.app
        .decide(&call, "audit.read", who, move |_, (), decided| {
            decided.token = Some(token.into());
            Ok(())
        })
        .await?;
    let query = Query { token: Some(id), limit: usize::try_from(MAX_LIMIT).unwrap_or(usize::MAX), ..Query::default() };
    let lines = blocking(&call.app, move || Ok(log.query(&query)?)).await?;
    let from = from.to_string();
    let mut is_concerned = false;
    let mut records = Vec::new();
    for line in lines {
        let concerned: Concerned = serde_json::from_str(&line).map_err(|_| Problem::internal())?;
        // The record of the token itself says who its parties are; what others have asked about it does not.
        let parties = concerned.from.iter().chain(&concerned.to).chain(&concerned.chain);
        is_concerned |= concerned.event == "token.issued" && parties.into_iter().any(|did| *did == from);
        if concerned.event != "audit.read" {
            records.push(RawValue::from_string(line).map_err(|_| Problem::internal())?);
        }
    }
    if is_concerned {
        return Ok(Answer::json(200, &AuditView { records, next: None }));
    }
    Err(Problem::new(Kind::NotPermitted, "the trail of a token is for its operator and its parties"))
}

/// Reads files, which may take a while, where that holds up nobody.
async fn blocking<T: Send + 'static>(app: &App, read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let _place = app.searches.acquire().await.map_err(|_| Problem::internal())?;
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err(Problem::internal()))
}
