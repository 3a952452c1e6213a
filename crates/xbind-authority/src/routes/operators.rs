//! Operators: a domain, and the key that its owner has named in DNS.

use xbind::record::Verdict;
use xbind::{Did, Rotation, VerifyingKey};
use xbind_runtime::Decided;

use crate::app::Who;
use crate::domain::{nonce, note, operator};
use crate::http::call::{Answer, Call};
use crate::problem::{Kind, Problem, Result};
use crate::routes::views;
use crate::wire::{OperatorView, ProveDomain, Rotate};

/// Nothing is written: whoever has proven nothing leaves nothing behind.
pub(crate) async fn register(call: Call) -> Result<Answer> {
    let ProveDomain { domain } = call.json()?;
    operator::check_domain(&domain)?;
    let (from, authority) = (call.from()?, call.app.did());
    let known = known(&call, &domain, &from)?;
    Ok(Answer::json(200, &known.unwrap_or_else(|| views::pending(&domain, &from, &authority))))
}

pub(crate) async fn verify(call: Call) -> Result<Answer> {
    let ProveDomain { domain } = call.json()?;
    operator::check_domain(&domain)?;
    let (from, authority) = (call.from()?, call.app.did());
    let known = known(&call, &domain, &from);
    let id = known.as_ref().ok().and_then(|view| Some(view.as_ref()?.id.clone()));
    if call.part(0)? != id.unwrap_or_else(|| operator::id_of(&domain, &from)) {
        return Err(Problem::new(Kind::NotPermitted, "the path names another operator than the one who signed"));
    }
    if let Some(known) = known? {
        return Ok(Answer::json(200, &known));
    }
    let (name, expected) = operator::txt(&domain, &from, &authority);
    let records = call.app.dns.txt_for(call.address, &name).await?;
    if !operator::is_named(&records, &expected) {
        let found = records.iter().filter(|record| record.starts_with(operator::TXT_BEGIN)).count();
        let why = match found {
            0 => format!("{name} has no TXT record that begins with {}", operator::TXT_BEGIN),
            1 => format!("the TXT record of {name} names another operator or authority"),
            _ => format!("{name} has {found} TXT records that begin with {}", operator::TXT_BEGIN),
        };
        return Err(Problem::new(Kind::DomainNotProven, why));
    }
    let (key, now) = (VerifyingKey::from_bytes(from.public_key())?, call.now);
    let (claim, until) = (call.signed()?.claim(), call.signed()?.until());
    let change = move |change: &mut crate::store::Change<'_>| {
        nonce::claim(change.db(), &claim, until, now)?;
        let operator = operator::add(change.db(), &domain, &key, now)?;
        let mut decided = Decided::new("operator.verified", Verdict::Accepted, authority, now);
        decided.from = Some(from);
        decided.chain = operator.chain();
        decided.note = note(&domain);
        change.record(decided);
        Ok(operator)
    };
    let operator = call.app.store.write(change).await?;
    Ok(Answer::json(200, &call.app.store.read(|db| views::operator(db, &operator, &authority))?))
}

/// The operator of a domain, if it is the one who has signed.
fn known(call: &Call, domain: &str, from: &Did) -> Result<Option<OperatorView>> {
    call.app.store.read(|db| match operator::by_domain(db, domain)? {
        Some(known) if known.did == *from => views::operator(db, &known, &call.app.did()).map(Some),
        Some(_) => Err(Problem::new(Kind::DomainTaken, format!("another operator has proven {domain}"))),
        None => Ok(None),
    })
}

pub(crate) async fn rotate(call: Call) -> Result<Answer> {
    let Rotate { rotation } = call.json()?;
    let (id, from, authority) = (call.part(0)?.to_owned(), call.from()?, call.app.did());
    let times = (call.now, call.app.config().clock_skew);
    let statement = Rotation::verify(&rotation)?;
    let who = move |db: &rusqlite::Connection| {
        let none = || Problem::new(Kind::NotFound, "there is no such operator");
        let operator = operator::by_id(db, &id)?.ok_or_else(none)?;
        let may = if operator.did == statement.old {
            [statement.old, statement.new].contains(&from)
        } else {
            // Told once more by the key that it has brought, it changes nothing.
            let known = operator::rotations(db, &operator.id)?;
            let last = known.last().map(|(known, _)| Rotation::verify(known)).transpose()?;
            operator.did == from && last == Some(statement)
        };
        if may {
            return Ok(Who { operator: operator.chain(), what: operator });
        }
        Err(Problem::new(Kind::NotPermitted, "the rotation is not by the root key, or the request is by neither key"))
    };
    let make = move |db: &rusqlite::Connection, operator: &operator::Operator, decided: &mut Decided| {
        decided.to = Some(statement.new);
        if operator.did == statement.old {
            operator::rotate(db, operator, &rotation, times)?;
        }
        let changed = operator::by_id(db, &operator.id)?.ok_or_else(Problem::internal)?;
        views::operator(db, &changed, &authority)
    };
    Ok(Answer::json(200, &call.app.decide(&call, "operator.rotated", who, make).await?))
}

pub(crate) async fn get(call: Call) -> Result<Answer> {
    let id = call.part(0)?;
    let found = call.app.store.read(|db| operator::by_id(db, id))?;
    let operator = found.ok_or_else(|| Problem::new(Kind::NotFound, "no operator of that id has proven its domain"))?;
    Ok(Answer::json(200, &call.app.store.read(|db| views::operator(db, &operator, &call.app.did()))?))
}
