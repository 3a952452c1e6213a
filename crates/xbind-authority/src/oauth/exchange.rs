//! Token exchange (RFC 8693): an agent gives the token of a user, and is given one of its own to act for him.

use xbind::rights::MAX_TOKEN_TTL;
use xbind::{Did, ErrorKind, ScopeSet};
use zeroize::Zeroizing;

use crate::app::App;
use crate::domain::agent::Agent;
use crate::domain::root::Derived;
use crate::domain::{exchange, token};
use crate::issuers::{Activity, Kind, Refused};
use crate::oauth::client_credentials::{scopes, target};
use crate::oauth::error::Code;
use crate::oauth::token::{Asking, Draft};
use crate::problem::{Kind as ProblemKind, Problem, Result};

/// `grant_type`.
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is given: `issued_token_type` of the answer (section 2.2.1).
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Reads what is asked, and finds out whether the user's token holds. Whether the operator allows it is looked at when the token
/// is issued.
///
/// # Errors
/// `invalid_request` also for a user's token that does not hold (RFC 8693 section 2.2.2); `invalid_scope`, `invalid_target`,
/// `temporarily_unavailable`.
pub(crate) async fn draft(asking: &Asking) -> Result<Draft> {
    let Asking { app, client, form, now, .. } = asking;
    let wrong = |why: &'static str| Problem::oauth(Code::InvalidRequest, why);
    let token = form.required("subject_token")?;
    let kind = Kind::of(form.required("subject_token_type")?)
        .ok_or_else(|| wrong("subject_token_type is none of access_token, id_token and jwt"))?;
    if form.get("requested_token_type").is_some_and(|requested| requested != ACCESS_TOKEN) {
        return Err(wrong("requested_token_type is another than that of an access token"));
    }
    if form.get("actor_token").or_else(|| form.get("actor_token_type")).is_some() {
        return Err(wrong("the actor is the client, which has proven itself: there is no actor_token"));
    }
    let (scopes, audience) = (scopes(form)?, target(form)?);
    let (derived, ttl) = user(app, &client.agent, client.proven.from, (token, kind), &scopes, *now).await?;
    Ok(Draft { audience, scopes, ttl, derived: Some(derived) })
}

/// Finds out whether the token of a user holds for an agent that has proven that key and asks for these scopes, and for how many
/// seconds what is derived from it may live.
///
/// # Errors
/// `subject-refused`, `busy`; `scope-denied` where its issuer would be asked for nothing.
pub(crate) async fn user(
    app: &App,
    agent: &Agent,
    from: Did,
    (text, kind): (&str, Kind),
    scopes: &ScopeSet,
    now: u64,
) -> Result<(Derived, u64)> {
    let user = app.issuers.subject(text, kind, now).await.map_err(refused)?;
    let is_agent = |actor: &String| *actor == from.as_str() || *actor == agent.alias();
    if !user.may_act.as_ref().is_none_or(is_agent) {
        return Err(Problem::subject(ErrorKind::NotAllowed, "may_act of the user's token names another actor"));
    }
    let policy = app.store.read(|db| exchange::of(db, &agent.operator))?;
    // The issuer is asked for no operator that does not take its users, and for nothing that nobody will get.
    let own = exchange::taken(&policy, &user.issuer)?;
    let max_ttl = exchange::max_ttl(own);
    let ttl = user.expires_at.saturating_sub(now).min(max_ttl).min(MAX_TOKEN_TTL);
    let issuer = app.issuers.find(&user.issuer).ok_or_else(Problem::internal)?;
    let is_asked = issuer.settings().asked().is_some();
    let sure_from = app.restored_at().map(|at| at.saturating_add(app.config().clock_skew));
    if !is_asked && sure_from.is_some_and(|from| user.issued_at <= from) {
        let why = "the user's session may have ended before the server was brought back from a copy";
        return Err(Problem::subject(ErrorKind::TokenExpired, why));
    }
    let mut asked = None;
    if is_asked {
        token::check_scopes(agent, scopes)?;
        exchange::check_scopes(own, &user.scopes, scopes)?;
        if !app.sessions.has_room(&user.digest, &agent.operator) {
            return Err(Problem::new(ProblemKind::Busy, "too many sessions of users are asked about"));
        }
        let (activity, at) = issuer.activity_in_turn(&agent.operator, text, &user.subject).await.map_err(refused)?;
        if activity == Activity::Inactive {
            let why = "the issuer says that the user's token does not count any more";
            return Err(Problem::subject(ErrorKind::Revoked, why));
        }
        asked = Some((Zeroizing::new(text.to_owned()), at));
    }
    Ok((Derived { user, asked }, ttl))
}

/// The log says why, too: who tells of a logout, or asks for an agent, may show nobody what he is answered.
pub(crate) fn refused(refused: Refused) -> Problem {
    let cause = match &refused {
        Refused::Token(why, kind) => format!("{}: {why}", kind.code()),
        Refused::Unavailable(why) => why.to_string(),
    };
    let problem = match refused {
        Refused::Token(why, kind) => Problem::subject(kind, why),
        Refused::Unavailable(why) => Problem::new(ProblemKind::Busy, why),
    };
    problem.because(cause)
}
