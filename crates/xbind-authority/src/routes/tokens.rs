//! Tokens: a challenge, a signed request that holds it, a token; and taking it back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use xbind::identity::jwk::thumbprint;
use xbind::rights::{DEFAULT_TOKEN_TTL, MAX_TOKEN_TTL};
use xbind::{
    Asked, Did, Evidence, MessageId, ScopeSet, StatusRef, TokenDraft, TokenPolicy, TokenVerifier, Trust, VerifiedToken,
    VerifyingKey,
};

use crate::app::{App, Who};
use crate::domain::agent::Status;
use crate::domain::root::{self, Derived};
use crate::domain::token::{self, Issued, Known, Wanted};
use crate::domain::{agent, keys, note, note_token};
use crate::http::call::{Answer, Call};
use crate::issuers::Kind as SubjectKind;
use crate::oauth::exchange;
use crate::problem::{Kind, Problem, Result};
use crate::routes::agents::check_reason;
use crate::routes::who;
use crate::wire::{AskChallenge, AskToken, Challenge, Introspect, Introspection, Revoke, TokenView};
use xbind_net::authority::UserToken;

/// How long a challenge can be signed, in seconds.
const CHALLENGE_TTL: u64 = 60;
const CHALLENGE: &str = "challenge";
/// The longest audience, in bytes.
const MAX_AUDIENCE: usize = 512;

/// Nothing is written, and nobody learns who is registered.
pub(crate) async fn challenge(call: Call) -> Result<Answer> {
    let AskChallenge { did, audience, scopes } = call.json()?;
    VerifyingKey::from_did(&did)?;
    check_audience(&audience)?;
    let scopes = ScopeSet::of(&scopes)?;
    let expires_at = call.now.saturating_add(CHALLENGE_TTL);
    let challenge = call.app.tickets.issue(CHALLENGE, &[&did, &audience, scopes.as_str()], expires_at)?;
    Ok(Answer::json(200, &Challenge { challenge, expires_at }))
}

pub(crate) async fn issue(call: Call) -> Result<Answer> {
    let AskToken { challenge, audience, scopes, ttl, subject_token, subject_token_type } = call.json()?;
    check_audience(&audience)?;
    let scopes = ScopeSet::of(&scopes)?;
    let subject = subject_of(subject_token, subject_token_type)?;
    let ttl = ttl.unwrap_or(DEFAULT_TOKEN_TTL);
    if !(1..=MAX_TOKEN_TTL).contains(&ttl) {
        return Err(Problem::new(Kind::Malformed, format!("a token lives 1 to {MAX_TOKEN_TTL} s")));
    }
    let (from, now) = (call.from()?, call.now);
    let ticket = call.app.tickets.check(&challenge, CHALLENGE, &[from.as_str(), &audience, scopes.as_str()], now);
    let user = match &subject {
        // Nobody asks an issuer who could not ask for a token.
        Some((token, kind)) if ticket.is_some() => {
            let agent = call.app.store.read(|db| who::as_agent(from, now)(db))?.what;
            exchange::user(&call.app, &agent, from, (token.text(), *kind), &scopes, now).await.map(Some)
        }
        _ => Ok(None),
    };
    let ttl = user.as_ref().ok().and_then(Option::as_ref).map_or(ttl, |(_, most)| ttl.min(*most));
    let mut id = [0; 16];
    xbind_runtime::random(&mut id)?;
    let text = MessageId::from_bytes(id).text().to_string();
    let (jti, heard, wanted_scopes) = (text.clone(), audience.clone(), scopes.clone());
    let make = move |db: &rusqlite::Connection, _: &agent::Agent, decided: &mut xbind_runtime::Decided| {
        decided.token = Some(jti.into());
        decided.to = VerifyingKey::from_did(&heard).ok().map(|key| *key.did());
        decided.note = note_token(None, &heard, &wanted_scopes);
        let ticket = ticket.ok_or_else(|| {
            Problem::new(Kind::ChallengeOver, "the challenge has expired, or is for another DID, audience or scope")
        })?;
        let derived = user?.map(|(derived, _)| derived);
        decided.note = note_token(derived.as_ref().map(Derived::on_behalf_of), &heard, &wanted_scopes);
        let wanted = Wanted { did: from, scopes: wanted_scopes, ttl, id, challenge: ticket.id };
        let issued = token::issue(db, &wanted, now)?;
        if let Some(derived) = &derived {
            root::derive(db, derived, &wanted, &issued, now)?;
        }
        Ok((issued, derived))
    };
    call.app.keys.now().current()?.check()?; // nothing is put on record that nobody will sign
    let (issued, derived) = call.app.decide(&call, "token.issued", who::as_agent(from, now), make).await?;
    if let Some(derived) = &derived {
        call.app.sessions.watch(&call.app.issuers, derived, &issued.agent.operator, ttl, now);
    }
    let on_behalf_of = derived.as_ref().map(Derived::on_behalf_of);
    // The key has signed the request: what is got for a user is good for nobody else.
    let jkt = on_behalf_of.map(|_| thumbprint(&from));
    let asks = Asks { from, audience: &audience, scopes: &scopes, ttl, now, id, cnf_jkt: jkt.as_deref(), on_behalf_of };
    let view = sign(&call.app, &issued, &asks, text).await?;
    call.app.metrics.tokens.fetch_add(1, Ordering::Relaxed);
    Ok(Answer::json(201, &view))
}

/// For whom the agent is to act, if for somebody else.
fn subject_of(token: Option<UserToken>, kind: Option<String>) -> Result<Option<(UserToken, SubjectKind)>> {
    let wrong = |why: &'static str| Problem::new(Kind::Malformed, why);
    match (token, kind) {
        (None, None) => Ok(None),
        (Some(token), Some(kind)) => {
            let kind = SubjectKind::of(&kind)
                .ok_or_else(|| wrong("subject_token_type is none of access_token, id_token and jwt"))?;
            Ok(Some((token, kind)))
        }
        _ => Err(wrong("subject_token and subject_token_type come together")),
    }
}

/// What a token is to say.
pub(crate) struct Asks<'a> {
    pub from: Did,
    pub audience: &'a str,
    pub scopes: &'a ScopeSet,
    pub ttl: u64,
    pub now: u64,
    pub id: [u8; 16],
    pub cnf_jkt: Option<&'a str>,
    pub on_behalf_of: Option<(&'a str, &'a str)>,
}

pub(crate) async fn sign(app: &App, issued: &Issued, asks: &Asks<'_>, id: String) -> Result<TokenView> {
    let audit_url = format!("{}/v1/audit/tokens/{id}", app.url());
    let status = StatusRef { index: issued.place, uri: format!("{}/v1/status/{}", app.url(), issued.list) };
    let claims = serde_json::json!({
        "operator_id": issued.agent.operator,
        "operator_domain": issued.agent.domain,
        "agent": issued.agent.alias(),
        "audit_url": audit_url,
    });
    let Asks { from, audience, scopes, ttl, now, id: bytes, cnf_jkt, on_behalf_of } = *asks;
    let draft = TokenDraft {
        subject: from,
        audience,
        scopes,
        quota: None,
        ttl,
        claims: &claims.to_string(),
        cnf_jkt,
        on_behalf_of,
        status: Some(&status),
        now,
        id: bytes,
    };
    // By the key of its list: the next one may have begun since the token was given its place.
    let signer = app.keys.now().of_list(issued.list, now).cloned().ok_or_else(Problem::internal)?;
    let unsigned = draft.unsigned(signer.did())?;
    let signature = signer.sign(unsigned.to_sign()).await?;
    Ok(TokenView {
        token: unsigned.finish(&signature),
        id,
        expires_at: now.saturating_add(ttl),
        scopes: scopes.iter().map(|scope| scope.to_string()).collect(),
        audit_url,
    })
}

pub(crate) async fn revoke(call: Call) -> Result<Answer> {
    let Revoke { reason } = call.json()?;
    check_reason(reason.as_deref())?;
    let id = MessageId::parse(call.part(0)?).ok_or_else(no_token)?;
    let (from, now) = (call.from()?, call.now);
    let who = move |db: &rusqlite::Connection| {
        let known = token::by_id(db, id.as_bytes())?.ok_or_else(no_token)?;
        let is_own =
            known.agent.is_of(&from) || agent::by_key(db, &from)?.is_some_and(|own| own.number == known.agent.number);
        if !is_own {
            return Err(no_token()); // whose it is concerns nobody else
        }
        if !known.agent.is_of(&from) {
            who::check(db, &known.agent, &from, now)?;
        }
        Ok(Who { operator: known.agent.chain(), what: known })
    };
    let make = move |db: &rusqlite::Connection, known: &Known, decided: &mut xbind_runtime::Decided| {
        decided.token = Some(id.text().to_string().into());
        decided.note = reason.as_deref().and_then(note);
        decided.to = keys::of_agent(db, known.agent.number)?.first().map(|key| key.did);
        token::revoke(db, known.number)
    };
    let revoked = call.app.decide_lists(&call, "token.revoked", who, make).await;
    revoked?;
    Ok(Answer::empty())
}

fn no_token() -> Problem {
    Problem::new(Kind::NotFound, "no token of that id is known, or it is not yours")
}

/// What a token says before its signature was looked at: for whom it is, and who may present it.
#[derive(Deserialize)]
struct Unverified {
    aud: String,
    sub: String,
    client_id: Option<String>,
}

pub(crate) async fn introspect(call: Call) -> Result<Answer> {
    let Introspect { token } = call.json()?;
    let status = match genuine(&call.app, &token, call.now)? {
        Genuine::Other => "invalid",
        Genuine::Expired => "expired",
        Genuine::Token(_, known) => match (known.revoked, known.agent.status) {
            (true, _) | (_, Status::Revoked) => "revoked",
            (false, Status::Suspended) => "suspended",
            (false, Status::Active) => "active",
        },
    };
    Ok(Answer::json(200, &Introspection { active: status == "active", status: status.to_owned() }))
}

/// What a text is.
pub(crate) enum Genuine {
    /// A token of this authority, or a chain that begins with one, whose signatures hold now; whose it is, and what became of it.
    Token(Arc<VerifiedToken>, Box<Known>),
    /// One that is over.
    Expired,
    /// Anything else.
    Other,
}

/// # Errors
/// `internal`.
pub(crate) fn genuine(app: &App, text: &str, now: u64) -> Result<Genuine> {
    let Some(Unverified { aud, sub, client_id }) = unverified(text) else { return Ok(Genuine::Other) };
    let trust = app.keys.now().chain().counting(now).fold(Trust::default(), |trust, did| trust.with_did(*did));
    let policy = TokenPolicy { clock_skew: 0, cache_bytes: 0, ..TokenPolicy::new(&aud) };
    let Ok(verifier) = TokenVerifier::new(policy, trust) else { return Ok(Genuine::Other) };
    // Its signature and form; what became of it stands in the database, and nobody presents it.
    let presenter = VerifyingKey::from_did(client_id.as_deref().unwrap_or(&sub)).ok();
    let presenter = presenter.as_ref().map(VerifyingKey::did);
    let asked = Asked { presenter, status: &|_, _| Evidence::Fresh(0), ..Asked::default() };
    let verified = match verifier.verify(text, now, &asked) {
        Ok(verified) => verified,
        Err(error) if error.kind() == xbind::ErrorKind::TokenExpired => return Ok(Genuine::Expired),
        Err(_) => return Ok(Genuine::Other),
    };
    // Of a chain, the token that it begins with.
    let first = verified.links().first().map_or_else(|| verified.id(), |link| link.id.as_str());
    let Some(id) = MessageId::parse(first) else { return Ok(Genuine::Other) };
    let known = app.store.read(|db| token::by_id(db, id.as_bytes()))?;
    Ok(known.map_or(Genuine::Other, |known| Genuine::Token(verified, Box::new(known))))
}

fn unverified(token: &str) -> Option<Unverified> {
    let payload = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// One word of a record.
pub(crate) fn check_audience(audience: &str) -> Result<()> {
    let is_word = !audience.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    if is_word && (1..=MAX_AUDIENCE).contains(&audience.len()) {
        return Ok(());
    }
    Err(Problem::new(Kind::Malformed, "an audience is 1 to 512 bytes without white space and control characters"))
}
