//! The registry: names within a proven domain.

use xbind::Card;

use crate::app::Who;
use crate::domain::{agent, name, note};
use crate::http::call::{Answer, Call};
use crate::problem::{Kind, Problem, Result};
use crate::routes::{views, who};
use crate::wire::{NameView, PutName};

pub(crate) async fn get(call: Call) -> Result<Answer> {
    let (full, now) = (call.part(0)?, call.now);
    let (label, domain) = name::split(full)?;
    let view = call.app.store.read(|db| view(db, full, (label, domain), now))?;
    Ok(Answer::json(200, &view))
}

fn view(db: &rusqlite::Connection, full: &str, (label, domain): (&str, &str), now: u64) -> Result<NameView> {
    let found = name::find(db, label, domain)?;
    if found.withdrawn {
        return Err(Problem::new(Kind::NameWithdrawn, "the agent of that name has given it up"));
    }
    Ok(NameView {
        name: full.to_owned(),
        agent: views::agent(db, &agent::by_number(db, found.agent)?, now)?,
        card: found.card,
        registered_at: found.registered_at,
    })
}

pub(crate) async fn put(call: Call) -> Result<Answer> {
    let PutName { card } = call.json()?;
    let full = call.part(0)?.to_owned();
    name::split(&full)?;
    let (from, now) = (call.from()?, call.now);
    if let Some(card) = &card {
        Card::verify(card, Some(&from), now, call.app.config().clock_skew)?;
    }
    let make = move |db: &rusqlite::Connection, agent: &agent::Agent, decided: &mut xbind_runtime::Decided| {
        decided.note = note(&full);
        let (label, domain) = name::split(&full)?;
        name::register(db, agent, (label, domain), card.as_deref(), now)?;
        view(db, &full, (label, domain), now)
    };
    let view = call.app.decide(&call, "name.registered", who::as_agent(from, now), make).await?;
    Ok(Answer::json(200, &view))
}

pub(crate) async fn delete(call: Call) -> Result<Answer> {
    let full = call.part(0)?.to_owned();
    name::split(&full)?;
    let (from, now) = (call.from()?, call.now);
    let asked = full.clone();
    let who = move |db: &rusqlite::Connection| {
        let (label, domain) = name::split(&asked)?;
        let found = name::find(db, label, domain)?;
        let owner = agent::by_number(db, found.agent)?;
        let is_operator = owner.is_of(&from);
        let is_owner = agent::by_key(db, &from)?.is_some_and(|own| own.number == owner.number);
        match (is_operator, is_owner) {
            (true, _) => Ok(Who { operator: owner.chain(), what: None }),
            (_, true) => {
                who::check(db, &owner, &from, now)?;
                Ok(Who { operator: owner.chain(), what: Some(()) })
            }
            _ => Err(Problem::new(Kind::NotPermitted, "the name belongs to another agent")),
        }
    };
    let make = move |db: &rusqlite::Connection, owner: &Option<()>, decided: &mut xbind_runtime::Decided| {
        decided.note = note(&full);
        let (label, domain) = name::split(&full)?;
        match owner {
            None => name::release(db, label, domain), // the operator asks
            Some(()) => name::withdraw(db, label, domain),
        }
    };
    call.app.decide(&call, "name.deleted", who, make).await?;
    Ok(Answer::empty())
}
