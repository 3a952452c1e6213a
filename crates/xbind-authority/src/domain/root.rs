//! Users' tokens from which tokens of agents are derived, so that these end with them.

use rusqlite::{Connection, OptionalExtension};
use xbind::{Did, ErrorKind};
use zeroize::Zeroizing;

use crate::domain::agent::{Agent, Status};
use crate::domain::token::{Issued, KEPT, Wanted};
use crate::domain::{agent, exchange, keys, seconds, word};
use crate::issuers::{Logout, MAX_AGE, REMEMBERED, Subject};
use crate::oauth::error::Code;
use crate::problem::{Kind, Problem, Result};

/// `ended` of a row: what is derived from that token of a user counts; never any more; or not, until its issuer says again that it
/// does, for nobody could say so for too long.
const GOES_ON: i64 = 0;
pub(crate) const OVER: i64 = 1;
pub(crate) const UNKNOWN: i64 = 2;

/// By how much the clock may have been set back, in seconds, since it was noted when an issuer was asked: more, and nobody knows
/// when that was.
const AHEAD: u64 = 30;

/// How many that are over one that comes clears away.
const SWEEP: i64 = 4;

/// What an agent has exchanged.
#[derive(Clone)]
pub(crate) struct Derived {
    /// The user.
    pub user: Subject,
    /// His token, where the issuer is to be asked about it; and when it was, before it said that the token counts.
    pub asked: Option<(Zeroizing<String>, u64)>,
}

impl Derived {
    /// Issuer and subject of whoever the agent acts for.
    pub(crate) fn on_behalf_of(&self) -> (&str, &str) {
        (&self.user.issuer, &self.user.subject)
    }
}

/// Notes that a token is derived from that of a user. What the operator allows is looked at here, as it is now.
///
/// # Errors
/// `subject-refused` for an issuer that the operator does not take, and a user whose session is over; `scope-denied`; `busy` for a
/// life that the operator has made shorter since it was asked for.
pub(crate) fn derive(db: &Connection, derived: &Derived, wanted: &Wanted, issued: &Issued, now: u64) -> Result<()> {
    let (user, scopes) = (&derived.user, &wanted.scopes);
    let policy = exchange::of(db, &issued.agent.operator)?;
    let own = exchange::taken(&policy, &user.issuer)?;
    if wanted.ttl > exchange::max_ttl(own) {
        return Err(Problem::new(Kind::Busy, "the operator allows less by now: ask again"));
    }
    exchange::check_scopes(own, &user.scopes, scopes)?;
    let over = || Problem::subject(ErrorKind::Revoked, "the session of the user has ended");
    if has_ended(db, user)? {
        return Err(over());
    }
    let sweep = "DELETE FROM roots WHERE number IN (SELECT number FROM roots r WHERE expires_at < ?1 \
                 AND NOT EXISTS(SELECT 1 FROM tokens t WHERE t.root = r.number) LIMIT ?2)";
    db.prepare_cached(sweep)?.execute((seconds(now.saturating_sub(KEPT)), SWEEP))?;
    let sql = "INSERT INTO roots(digest, issuer, subject, session, expires_at, asked_at, ended) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT(digest) DO UPDATE SET asked_at = CASE WHEN asked_at > ?9 THEN ?6 ELSE max(asked_at, ?6) END, \
               ended = CASE ended WHEN ?8 THEN ?7 ELSE ended END \
               RETURNING number, ended != ?7";
    // Where an issuer is asked it has just said that the token counts.
    let (healed, asked_at) = derived.asked.as_ref().map_or((GOES_ON, now), |(_, at)| (UNKNOWN, *at));
    // Nothing is derived from it later, and what is derived is over by then.
    let expires_at = user.expires_at.min(user.issued_at.saturating_add(MAX_AGE).saturating_add(MAX_AGE));
    let Subject { digest, issuer, subject, session, .. } = user;
    let ahead = seconds(asked_at.saturating_add(AHEAD));
    let row = (digest, issuer, subject, session, seconds(expires_at), seconds(asked_at), GOES_ON, healed, ahead);
    let (number, ended): (i64, bool) = db.prepare_cached(sql)?.query_row(row, |row| Ok((row.get(0)?, row.get(1)?)))?;
    if ended {
        return Err(over());
    }
    db.prepare_cached("UPDATE tokens SET root = ?2 WHERE number = ?1")?.execute((issued.number, number))?;
    Ok(())
}

/// Whether the issuer has said that the session is over in which that token was issued. Where it cannot be told which one that
/// is, for one of both names none, it is.
fn has_ended(db: &Connection, user: &Subject) -> Result<bool> {
    let sql = "SELECT EXISTS(SELECT 1 FROM logouts WHERE issuer = ?1 AND session = ?3) \
               OR EXISTS(SELECT 1 FROM logouts WHERE issuer = ?1 AND subject = ?2 AND issued_at >= ?4 \
               AND (session IS NULL OR ?3 IS NULL))";
    let row = (&user.issuer, &user.subject, &user.session, seconds(user.issued_at));
    Ok(db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
}

/// Of an agent whose tokens for a user have ended.
pub(crate) struct Ended {
    pub agent: Agent,
    /// By which records name it.
    pub did: Option<Did>,
    pub note: String,
}

/// Takes what an issuer says of a session, once, and ends what was derived from it.
///
/// # Errors
/// `invalid_request` for what was said before.
pub(crate) fn log_out(db: &Connection, logout: &Logout, now: u64) -> Result<Vec<Ended>> {
    let sweep = "DELETE FROM logouts WHERE (issuer, id) IN (SELECT issuer, id FROM logouts WHERE until < ?1 LIMIT ?2)";
    db.prepare_cached(sweep)?.execute((seconds(now), SWEEP))?;
    let sql = "INSERT INTO logouts(issuer, id, subject, session, issued_at, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
               ON CONFLICT DO NOTHING";
    let Logout { issuer, subject, session, id, issued_at } = logout;
    let until = seconds(now.saturating_add(REMEMBERED));
    if db.prepare_cached(sql)?.execute((issuer, id, subject, session, seconds(*issued_at), until))? == 0 {
        return Err(used_before());
    }
    let of_session = "SELECT number FROM roots WHERE issuer = ?1 AND session = ?3 AND ended != ?4";
    let of_subject = "SELECT number FROM roots WHERE issuer = ?1 AND subject = ?2 AND ended != ?4 \
                      AND (?3 IS NULL OR session IS NULL)";
    let mut numbers = Vec::new();
    for sql in [of_session, of_subject] {
        let mut statement = db.prepare_cached(sql)?;
        let rows = statement.query_map((issuer, subject, session, OVER), |row| row.get(0))?;
        numbers.extend(rows.collect::<rusqlite::Result<Vec<i64>>>()?);
    }
    end(db, &numbers, OVER, now)
}

fn used_before() -> Problem {
    Problem::oauth(Code::InvalidRequest, "the logout token was used before")
}

/// Whether it was said before, as far as a reader sees.
///
/// # Errors
/// `invalid_request` for what was.
pub(crate) fn check_unused(db: &Connection, logout: &Logout) -> Result<()> {
    let sql = "SELECT 1 FROM logouts WHERE issuer = ?1 AND id = ?2";
    if db.prepare_cached(sql)?.exists((&logout.issuer, &logout.id))? { Err(used_before()) } else { Ok(()) }
}

/// Ends what was derived from these tokens of users, for good; and of the tokens themselves, why: [`OVER`] or [`UNKNOWN`]. What is
/// over stays so.
///
/// # Errors
/// `internal`.
pub(crate) fn end(db: &Connection, numbers: &[i64], why: i64, now: u64) -> Result<Vec<Ended>> {
    let mut ended = Vec::new();
    for number in numbers {
        let sql = "UPDATE roots SET ended = ?2 WHERE number = ?1 AND ended NOT IN (?2, ?3) RETURNING issuer, subject";
        let named = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let row = (number, why, OVER);
        let named: Option<(String, String)> = db.prepare_cached(sql)?.query_row(row, named).optional()?;
        let Some((issuer, subject)) = named else { continue };
        let sql =
            "SELECT agent, count(*) FROM tokens WHERE root = ?1 AND revoked = 0 AND expires_at > ?2 GROUP BY agent";
        let mut statement = db.prepare_cached(sql)?;
        let rows = statement.query_map((number, seconds(now)), |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in rows {
            let (own, count): (i64, i64) = row?;
            let agent = agent::by_number(db, own)?;
            let did = keys::of_agent(db, own)?.first().map(|key| key.did);
            ended.push(Ended { agent, did, note: format!("{count} for {} {}", word(&issuer), word(&subject)) });
        }
        db.prepare_cached("UPDATE tokens SET revoked = 1 WHERE root = ?1 AND revoked = 0")?.execute([number])?;
    }
    Ok(ended)
}

/// Notes that an issuer that was asked then has said that a token counts.
///
/// # Errors
/// `internal`.
pub(crate) fn note_asked(db: &Connection, digest: &[u8; 32], at: u64) -> Result<()> {
    let sql =
        "UPDATE roots SET asked_at = CASE WHEN asked_at > ?3 THEN ?2 ELSE max(asked_at, ?2) END WHERE digest = ?1";
    db.prepare_cached(sql)?.execute((digest, seconds(at), seconds(at.saturating_add(AHEAD))))?;
    Ok(())
}

/// The row of a user's token that is not over.
///
/// # Errors
/// `internal`.
pub(crate) fn of_digest(db: &Connection, digest: &[u8; 32]) -> Result<Option<i64>> {
    let sql = "SELECT number FROM roots WHERE digest = ?1 AND ended != ?2";
    Ok(db.prepare_cached(sql)?.query_row((digest, OVER), |row| row.get(0)).optional()?)
}

/// Whether a token that is derived from that of a user counts still, or will again.
///
/// # Errors
/// `internal`.
pub(crate) fn counts(db: &Connection, digest: &[u8; 32], now: u64) -> Result<bool> {
    let row = (digest, seconds(now), Status::Revoked.number(), GOES_ON);
    Ok(db.prepare_cached(COUNTS)?.query_row(row, |row| row.get(0))?)
}

/// By `tokens_that_count`.
const COUNTS: &str = "SELECT EXISTS(SELECT 1 FROM roots r JOIN tokens t ON t.root = r.number JOIN agents a ON a.number = t.agent \
                      WHERE r.digest = ?1 AND r.ended = ?4 AND t.revoked = 0 AND t.expires_at > ?2 AND t.number > a.void_to \
                      AND a.status != ?3)";

/// By `roots_asked`, whose condition is that text: [`GOES_ON`].
const NOT_ASKED: &str = "SELECT number FROM roots WHERE issuer = ?1 AND ended = 0 AND asked_at < ?2 AND expires_at > ?3 \
                         UNION ALL \
                         SELECT number FROM roots WHERE issuer = ?1 AND ended = 0 AND asked_at > ?4 AND expires_at > ?3";

/// Of an issuer, the tokens of users that it was not asked about since then, or of which nobody knows when: by a clock that was
/// set back, that is still to come.
///
/// # Errors
/// `internal`.
pub(crate) fn not_asked_since(db: &Connection, issuer: &str, since: u64, now: u64) -> Result<Vec<i64>> {
    let ahead = since.max(now.saturating_add(AHEAD)); // none twice
    let mut statement = db.prepare_cached(NOT_ASKED)?;
    let rows = statement.query_map((issuer, seconds(since), seconds(now), seconds(ahead)), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The issuers from whose users' tokens others are derived.
///
/// # Errors
/// `internal`.
pub(crate) fn issuers(db: &Connection) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT DISTINCT issuer FROM roots WHERE ended = ?1")?;
    let rows = statement.query_map([GOES_ON], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use xbind::{ScopeSet, SigningKey};

    use super::*;
    use crate::domain::{operator, token};
    use crate::store::schema;

    #[test]
    fn nothing_lives_longer_than_the_operator_allows_when_it_is_issued() -> Result<()> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(&schema::steps_to(schema::VERSION))?;
        let (root, did) = (SigningKey::from_seed(&[1; 32]), *SigningKey::from_seed(&[2; 32]).did());
        let own = operator::add(&db, "example.com", root.verifying_key(), 100)?;
        let scopes = ScopeSet::parse("read:all")?;
        agent::add(&db, &own, &did, &scopes, 100)?;
        let user = Subject {
            issuer: "https://a.example".to_owned(),
            subject: "alice".to_owned(),
            session: None,
            digest: [3; 32],
            scopes: vec!["read".to_owned()],
            may_act: None,
            issued_at: 100,
            expires_at: 90_000,
        };
        let derived = Derived { user, asked: None };
        let mut n = 0;
        let mut asked = |policy: &str, ttl: u64| -> Result<Option<Kind>> {
            let policy = serde_json::from_str(policy).map_err(|error| Problem::internal().because(error))?;
            exchange::set(&db, &own.id, &policy)?;
            n += 1;
            let wanted = Wanted { did, scopes: scopes.clone(), ttl, id: [n; 16], challenge: [n; 16] };
            let issued = token::issue(&db, &wanted, 100)?;
            Ok(derive(&db, &derived, &wanted, &issued, 100).err().map(|problem| problem.kind()))
        };
        let of = |more: &str| {
            format!(r#"{{"issuers":[{{"issuer":"https://a.example","scopes":{{"read":["read:*"]}}{more}}}]}}"#)
        };
        assert_eq!(asked(&of(r#","max_ttl":86400"#), 86_400)?, None);
        assert_eq!(asked(&of(r#","max_ttl":7"#), 7)?, None);
        assert_eq!(asked(&of(r#","max_ttl":7"#), 8)?, Some(Kind::Busy));
        assert_eq!(asked(&of(""), 3600)?, None);
        assert_eq!(asked(&of(""), 3601)?, Some(Kind::Busy));
        assert_eq!(asked(r#"{"issuers":[]}"#, 1)?, Some(Kind::SubjectRefused));
        // By a clock that was set back since the last time.
        db.execute_batch("UPDATE roots SET asked_at = 131")?;
        assert_eq!((not_asked_since(&db, "https://a.example", 1, 100)?.len(), asked(&of(""), 1)?), (1, None));
        assert!(not_asked_since(&db, "https://a.example", 1, 100)?.is_empty());
        // Where the issuer was asked it is known since when, which may be long after the agent has asked.
        let derived = Derived { asked: Some((Zeroizing::default(), 117)), ..derived };
        let wanted = Wanted { did, scopes: scopes.clone(), ttl: 1, id: [99; 16], challenge: [99; 16] };
        derive(&db, &derived, &wanted, &token::issue(&db, &wanted, 100)?, 100)?;
        let stale = |since: u64| not_asked_since(&db, "https://a.example", since, 100);
        assert_eq!((stale(117)?.len(), stale(118)?.len()), (0, 1));
        Ok(())
    }

    fn plan(sql: &str) -> rusqlite::Result<String> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(&schema::steps_to(schema::VERSION))?;
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        let plan = statement.query_map((1, 1, 1, 1), |row| row.get(3))?;
        Ok(plan.collect::<rusqlite::Result<Vec<String>>>()?.join("\n"))
    }

    #[test]
    fn whether_a_users_token_counts_is_found_without_a_walk_over_what_was_revoked() -> rusqlite::Result<()> {
        let plan = plan(COUNTS)?;
        assert!(plan.contains("tokens_that_count (root=? AND expires_at>?)") && !plan.contains("SCAN t"), "{plan}");
        Ok(())
    }

    #[test]
    fn of_which_tokens_nobody_has_been_asked_is_found_without_a_walk_over_all() -> rusqlite::Result<()> {
        let plan = plan(NOT_ASKED)?;
        assert!(plan.matches("roots_asked (issuer=? AND asked_at").count() == 2 && !plan.contains("SCAN"), "{plan}");
        Ok(())
    }

    #[test]
    fn what_an_issuer_has_said_at_a_time_to_come_counts_no_longer_than_what_it_says_now() -> Result<()> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(&schema::steps_to(schema::VERSION))?;
        let sql = "INSERT INTO roots(digest, issuer, subject, expires_at, asked_at, ended) VALUES (?1, 'a', 'x', 9000, ?2, ?3)";
        for (digest, asked_at, ended) in [(1, 1000, GOES_ON), (2, 1030, GOES_ON), (3, 1031, GOES_ON), (4, 1031, OVER)] {
            db.execute(sql, ([digest; 32], asked_at, ended))?;
        }
        let stale = |since: u64| not_asked_since(&db, "a", since, 1000);
        assert_eq!((stale(1000)?, stale(1001)?, stale(u64::MAX)?), (vec![3], vec![1, 3], vec![1, 2, 3]));
        for digest in 1..=4 {
            note_asked(&db, &[digest; 32], 1000)?;
        }
        assert_eq!((stale(1000)?, stale(1001)?), (vec![], vec![1, 3]), "noted once more, but never as earlier");
        Ok(())
    }
}
