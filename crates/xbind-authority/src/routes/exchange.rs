//! What an operator says of users: whose its agents may act for.

use crate::domain::{exchange, note, operator};
use crate::http::call::{Answer, Call};
use crate::problem::{Kind, Problem, Result};
use crate::routes::who;
use crate::wire::ExchangePolicy;

pub(crate) async fn get(call: Call) -> Result<Answer> {
    let (id, from) = (call.part(0)?.to_owned(), call.from()?);
    let operator = call.app.claim(&call, who::as_operator(id, from)).await?;
    Ok(Answer::json(200, &call.app.store.read(|db| exchange::of(db, &operator.id))?))
}

pub(crate) async fn set(call: Call) -> Result<Answer> {
    // Members of a map have names of their own, of which each stands once, too.
    if !str::from_utf8(&call.body).is_ok_and(xbind::is_strict_json) {
        return Err(Problem::new(Kind::Malformed, "the body is no JSON, or a member stands twice"));
    }
    let policy: ExchangePolicy = call.json()?;
    exchange::check(&policy, |issuer| call.app.issuers.find(issuer).is_some())?;
    let (id, from) = (call.part(0)?.to_owned(), call.from()?);
    let issuers: Vec<_> = policy.issuers.iter().map(|own| own.issuer.as_str()).collect();
    let issuers = note(&issuers.join(" "));
    let make = move |db: &rusqlite::Connection, operator: &operator::Operator, decided: &mut xbind_runtime::Decided| {
        decided.note = issuers;
        exchange::set(db, &operator.id, &policy)?;
        Ok(policy)
    };
    let set = call.app.decide_lists(&call, "operator.exchange", who::as_operator(id, from), make).await;
    Ok(Answer::json(200, &set?))
}
