//! Operators: a domain, and the key that its owner has named in DNS.

use xbind::VerifyingKey;
use xbind::record::Verdict;
use xbind_runtime::Decided;

use crate::domain::{note, operator};
use crate::http::call::{Answer, Call};
use crate::problem::{Kind, Problem, Result};
use crate::routes::views;
use crate::wire::ProveDomain;

/// Nothing is written: whoever has proven nothing leaves nothing behind.
pub(crate) async fn register(call: Call) -> Result<Answer> {
    let ProveDomain { domain } = call.json()?;
    operator::check_domain(&domain)?;
    let (from, authority) = (call.from()?, *call.app.did());
    let known = call.app.store.read(|db| operator::by_domain(db, &domain))?;
    let view = match known {
        None => views::pending(&domain, &from, &authority, None),
        Some(known) if known.did == from => views::operator(&known, &authority),
        Some(_) => return Err(Problem::new(Kind::DomainTaken, format!("another operator has proven {domain}"))),
    };
    Ok(Answer::json(200, &view))
}

pub(crate) async fn verify(call: Call) -> Result<Answer> {
    let ProveDomain { domain } = call.json()?;
    operator::check_domain(&domain)?;
    let (from, authority) = (call.from()?, *call.app.did());
    if call.part(0)? != operator::id_of(&domain, &from) {
        return Err(Problem::new(Kind::NotPermitted, "the path names another operator than the one who signed"));
    }
    let known = call.app.store.read(|db| operator::by_domain(db, &domain))?;
    if let Some(known) = known {
        return if known.did == from {
            Ok(Answer::json(200, &views::operator(&known, &authority)))
        } else {
            Err(Problem::new(Kind::DomainTaken, format!("another operator has proven {domain}")))
        };
    }
    let (name, expected) = operator::txt(&domain, &from, &authority);
    let records = call.app.dns.txt(&name).await?;
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
    let change = move |change: &mut crate::store::Change<'_>| {
        let operator = operator::add(change.db(), &domain, &key, now)?;
        let mut decided = Decided::new("operator.verified", Verdict::Accepted, authority, now);
        decided.from = Some(from);
        decided.chain = vec![from.as_str().into()];
        decided.note = note(&domain);
        change.record(decided);
        Ok(operator)
    };
    let operator = call.app.store.write(change).await?;
    Ok(Answer::json(200, &views::operator(&operator, &authority)))
}

pub(crate) async fn get(call: Call) -> Result<Answer> {
    let id = call.part(0)?;
    let found = call.app.store.read(|db| operator::by_id(db, id))?;
    let operator = found.ok_or_else(|| Problem::new(Kind::NotFound, "no operator of that id has proven its domain"))?;
    Ok(Answer::json(200, &views::operator(&operator, call.app.did())))
}
