//! `POST /oauth/introspect` (RFC 7662) and `POST /oauth/revoke` (RFC 7009): what became of a token, and taking it back.

use rusqlite::Connection;
use serde_json::{Map, Value};
use xbind_runtime::Decided;

use crate::domain::agent::{self, Agent};
use crate::domain::keys;
use crate::domain::token::{self, Known};
use crate::http::call::{Answer, Call};
use crate::oauth::client::{self, Client};
use crate::oauth::error::Code;
use crate::oauth::form::Form;
use crate::problem::{Kind, Problem, Result};
use crate::routes::tokens::{Genuine, genuine};
use crate::routes::who;

/// What an answer repeats of the token.
const CLAIMS: [&str; 12] =
    ["iss", "sub", "aud", "client_id", "iat", "nbf", "exp", "jti", "scope", "act", "sub_id", "cnf"];

pub(crate) async fn introspect(call: Call) -> Result<Answer> {
    let form = Form::parse(&call.body)?;
    let Client { agent, proven } = client::authenticate(&call, &form)?;
    let text = form.required("token")?;
    let (from, now) = (proven.from, call.now);
    call.app.claim_for(proven, now, who::as_agent(from, now)).await?;
    let active = match genuine(&call.app, text, now)? {
        Genuine::Token(token, known) if token.links().len() == 1 => {
            call.app.store.read(|db| Ok(counts(&known) && concerns(db, &agent, &known, token.audience())?))?
        }
        Genuine::Token(..) | Genuine::Expired | Genuine::Other => false, // nor a delegation, which is its holder's
    };
    let answer =
        active.then(|| claims(text)).flatten().unwrap_or_else(|| Map::from_iter([("active".to_owned(), false.into())]));
    Ok(Answer::json(200, &answer))
}

fn counts(known: &Known) -> bool {
    !known.revoked && agent::check_active(&known.agent).is_ok()
}

/// Whether an agent may be told: it is the token's, its audience, or of the same operator.
fn concerns(db: &Connection, asks: &Agent, known: &Known, audience: &str) -> Result<bool> {
    if asks.operator == known.agent.operator {
        return Ok(true);
    }
    match agent::by_did(db, audience) {
        Ok(heard) => Ok(heard.number == asks.number),
        Err(problem) if problem.kind() == Kind::Internal => Err(problem),
        Err(_) => Ok(false),
    }
}

/// Of a token whose signature holds.
fn claims(text: &str) -> Option<Map<String, Value>> {
    let payload = data_encoding::BASE64URL_NOPAD.decode(text.split('.').nth(1)?.as_bytes()).ok()?;
    let mut said: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let token_type = if said.contains_key("cnf") { "DPoP" } else { "Bearer" };
    let mut answer = Map::from_iter([("active".to_owned(), true.into()), ("token_type".to_owned(), token_type.into())]);
    answer.extend(CLAIMS.into_iter().filter_map(|name| said.remove_entry(name)));
    Some(answer)
}

pub(crate) async fn revoke(call: Call) -> Result<Answer> {
    let form = Form::parse(&call.body)?;
    let Client { agent, proven } = client::authenticate(&call, &form)?;
    let text = form.required("token")?;
    let (app, from, now) = (&call.app, proven.from, call.now);
    let found = match genuine(app, text, now)? {
        Genuine::Token(token, known) if token.links().len() == 1 => Some((known, token.id().to_owned())),
        Genuine::Token(..) | Genuine::Expired | Genuine::Other => None,
    };
    let (number, id) = match found {
        Some((known, id)) if known.agent.number == agent.number => (known.number, id),
        other => {
            app.claim_for(proven, now, who::as_agent(from, now)).await?;
            let others = || Problem::oauth(Code::UnauthorizedClient, "the token was issued to another client");
            return if other.is_none() { Ok(done()) } else { Err(others()) };
        }
    };
    let make = move |db: &Connection, agent: &Agent, decided: &mut Decided| {
        decided.token = Some(id.into());
        decided.to = keys::of_agent(db, agent.number)?.first().map(|key| key.did);
        token::revoke(db, number)
    };
    app.decide_lists_for(proven, now, "token.revoked", who::as_agent(from, now), make).await?;
    Ok(done())
}

/// Nothing (RFC 7009 section 2.2).
fn done() -> Answer {
    Answer { status: 200, ..Answer::empty() }
}
