//! Whose users the agents of an operator may act for, and what each scope of a user gives them.

use rusqlite::{Connection, OptionalExtension};
use xbind::rights::{DEFAULT_TOKEN_TTL, MAX_TOKEN_TTL};
use xbind::{ErrorKind, ScopeSet};

use crate::problem::{Kind, Problem, Result};
use crate::wire::{ExchangeIssuer, ExchangePolicy};

/// The most issuers of an operator, and scopes of the users of each.
const MAX_ISSUERS: usize = 16;
const MAX_SCOPES: usize = 64;
/// The longest scope of a user, in bytes.
const MAX_SCOPE: usize = 128;

/// Looks whether a policy can be kept.
///
/// # Errors
/// `malformed`, also for an issuer that the authority does not know.
pub fn check(policy: &ExchangePolicy, is_known: impl Fn(&str) -> bool) -> Result<()> {
    let wrong = |why: String| Err(Problem::new(Kind::Malformed, why));
    if policy.issuers.len() > MAX_ISSUERS {
        return wrong(format!("an operator has {MAX_ISSUERS} issuers at most"));
    }
    for (at, own) in policy.issuers.iter().enumerate() {
        let issuer = &own.issuer;
        if policy.issuers.iter().take(at).any(|other| other.issuer == *issuer) {
            return wrong(format!("the issuer {issuer} stands there twice"));
        }
        if !is_known(issuer) {
            return wrong(format!("{issuer} is no issuer that is configured at this authority"));
        }
        if own.scopes.len() > MAX_SCOPES {
            return wrong(format!("the users of an issuer have {MAX_SCOPES} scopes at most"));
        }
        for (scope, given) in &own.scopes {
            if !is_scope(scope) {
                return wrong("a scope of a user has 1 to 128 characters of RFC 6749 section 3.3".to_owned());
            }
            ScopeSet::of(given)?;
        }
        if own.max_ttl.is_some_and(|ttl| !(1..=MAX_TOKEN_TTL).contains(&ttl)) {
            return wrong(format!("max_ttl is 1 to {MAX_TOKEN_TTL} s"));
        }
    }
    Ok(())
}

fn is_scope(text: &str) -> bool {
    let is_one = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    (1..=MAX_SCOPE).contains(&text.len()) && text.bytes().all(is_one)
}

/// The policy of an operator: without one, its agents act for nobody.
///
/// # Errors
/// `internal`.
pub fn of(db: &Connection, operator: &str) -> Result<ExchangePolicy> {
    let sql = "SELECT policy FROM exchange_policies WHERE operator = ?1";
    let policy: Option<String> = db.prepare_cached(sql)?.query_row([operator], |row| row.get(0)).optional()?;
    let Some(policy) = policy else { return Ok(ExchangePolicy { issuers: Vec::new() }) };
    serde_json::from_str(&policy).map_err(|error| Problem::internal().because(error))
}

/// Says what an operator allows. If that is less than before in any way, the tokens that its agents have for users do not
/// count any more: one of them may hold what was taken away.
///
/// # Errors
/// `internal`.
pub fn set(db: &Connection, operator: &str, policy: &ExchangePolicy) -> Result<()> {
    if is_less(policy, &of(db, operator)?) {
        db.prepare_cached(REVOKE)?.execute([operator])?;
    }
    let text = serde_json::to_string(policy).map_err(|error| Problem::internal().because(error))?;
    let sql = "INSERT INTO exchange_policies(operator, policy) VALUES (?1, ?2) ON CONFLICT(operator) DO UPDATE SET policy = ?2";
    db.prepare_cached(sql)?.execute((operator, text))?;
    Ok(())
}

/// By `tokens_of_users`.
const REVOKE: &str = "UPDATE tokens SET revoked = 1 WHERE root IS NOT NULL AND revoked = 0 \
                      AND agent IN (SELECT number FROM agents WHERE operator = ?1)";

fn is_less(new: &ExchangePolicy, old: &ExchangePolicy) -> bool {
    old.issuers.iter().any(|old| {
        let Some(new) = issuer(new, &old.issuer) else { return true };
        let is_shorter = max_ttl(new) < max_ttl(old);
        is_shorter
            || old.scopes.iter().any(|(user, given)| {
                let now = new.scopes.get(user).and_then(|given| ScopeSet::of(given).ok()).unwrap_or_default();
                ScopeSet::of(given).is_ok_and(|before| now.first_missing(&before).is_some())
            })
    })
}

/// What a policy says of an issuer.
#[must_use]
pub fn issuer<'a>(policy: &'a ExchangePolicy, issuer: &str) -> Option<&'a ExchangeIssuer> {
    policy.issuers.iter().find(|own| own.issuer == issuer)
}

/// The same of one whose users the operator takes.
///
/// # Errors
/// `subject-refused` for any other.
pub(crate) fn taken<'a>(policy: &'a ExchangePolicy, name: &str) -> Result<&'a ExchangeIssuer> {
    let why = "the operator of the agent takes no users of that issuer";
    issuer(policy, name).ok_or_else(|| Problem::subject(ErrorKind::UntrustedIssuer, why))
}

/// How long a token lives at the most that is got from that issuer's users, in seconds.
#[must_use]
pub fn max_ttl(own: &ExchangeIssuer) -> u64 {
    own.max_ttl.unwrap_or(DEFAULT_TOKEN_TTL)
}

/// Whether the scopes of a user give all of these to whoever acts for him.
///
/// # Errors
/// `scope-denied`.
pub(crate) fn check_scopes(own: &ExchangeIssuer, user: &[String], asked: &ScopeSet) -> Result<()> {
    let given: Vec<_> = user.iter().filter_map(|scope| ScopeSet::of(own.scopes.get(scope)?).ok()).collect();
    let Some(missing) = asked.iter().find(|scope| !given.iter().any(|set| set.covers(*scope))) else { return Ok(()) };
    let why = format!("the scopes of the user do not give {missing} to an agent");
    Err(Problem::new(Kind::ScopeDenied, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn what_an_operator_takes_away_is_found_without_a_walk_over_all_tokens() -> rusqlite::Result<()> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(&schema::steps_to(schema::VERSION))?;
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {REVOKE}"))?;
        let plan: Vec<String> = statement.query_map(["op"], |row| row.get(3))?.collect::<rusqlite::Result<_>>()?;
        let plan = plan.join("\n");
        assert!(plan.contains("tokens_of_users") && !plan.contains("SCAN"), "{plan}");
        Ok(())
    }
}
