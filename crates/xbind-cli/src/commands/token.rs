//! Tokens: asked for, verified, revoked.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use xbind::{
    Asked, Did, Evidence, ListSigner, Scope, StatusLists, TokenPolicy, TokenVerifier, Trust, VerifiedToken,
    VerifyingKey,
};
use xbind_authority::wire::{AskChallenge, AskToken, Challenge, SetStatus, TokenView};

use crate::args::{Inspect, Issue, Revoke, Revoked, Verify};
use crate::client::Client;
use crate::commands::Room;
use crate::commands::agent::unregistered;
use crate::failure::{Exit, Failure, Result};
use crate::said::Said;

/// How old a status list may be, in seconds, whatever it says itself.
const MAX_LIST_AGE: u64 = 600;
/// Status lists of one token: a link of its chain names one at the most.
const MAX_LISTS: usize = 16;

pub(crate) fn issue(room: &Room<'_>, args: Issue) -> Result<Said> {
    let Issue { scope: scopes, aud: audience, ttl } = args;
    let own = room.as_agent()?;
    if own.agent.operator.is_none() {
        return Err(unregistered());
    }
    let ask = AskChallenge { did: own.agent.did.clone(), audience: audience.clone(), scopes: scopes.clone() };
    let Challenge { challenge, .. } = own.client.send("POST", "/v1/challenges", &ask, Some(&own.key))?;
    let ask = AskToken { challenge, audience, scopes, ttl, subject_token: None, subject_token_type: None };
    let view: TokenView = own.client.send("POST", "/v1/tokens", &ask, Some(&own.key))?;
    let text = view.token.clone();
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(Failure::new(Exit::Invalid, "strange-answer", "what the authority issued is no token"));
    }
    Ok(Said::of(&view).with_text(text))
}

/// What a token says, once it was verified.
#[derive(Serialize)]
struct Verified {
    valid: bool,
    /// `unchecked` without a network, else `fresh`.
    revocation: &'static str,
    issuer: String,
    subject: String,
    audience: String,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    quota: BTreeMap<String, u64>,
    id: String,
    issued_at: u64,
    expires_at: u64,
    claims: Value,
}

pub(crate) fn verify(room: &Room<'_>, args: &Verify) -> Result<Said> {
    let token = room.text(&args.token)?;
    let scopes = args.scope.iter().map(|scope| Scope::parse(scope)).collect::<xbind::Result<Vec<_>>>()?;
    let issuers = issuers(room, args)?;
    let client = if args.online { Some(room.client(&room.server(args.server.server.as_ref())?)?) } else { None };
    match judge(&token, args, &scopes, &issuers, client.as_ref()) {
        Ok(verified) => {
            if !args.online {
                room.say("without --online nobody asked whether it was revoked");
            }
            Ok(Said::of(&verified))
        }
        Err(Refusal::Invalid(error)) => {
            let said = json!({ "valid": false, "code": error.kind().code(), "reason": error.message() });
            let text = format!("valid: false\ncode: {}\nreason: {}", error.kind().code(), error.message());
            Ok(Said::of(&said).with_text(text).with_exit(Exit::Invalid))
        }
        Err(Refusal::Other(failure)) => Err(failure),
    }
}

enum Refusal {
    /// The token does not hold.
    Invalid(xbind::Error),
    /// It could not be judged.
    Other(Failure),
}

impl From<xbind::Error> for Refusal {
    fn from(error: xbind::Error) -> Self {
        Self::Invalid(error)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

fn judge(
    token: &str,
    args: &Verify,
    scopes: &[Scope<'_>],
    issuers: &[Did],
    client: Option<&Client>,
) -> std::result::Result<Verified, Refusal> {
    let policy = TokenPolicy { cache_bytes: 1 << 17, ..TokenPolicy::new(&args.aud) };
    let trust = issuers.iter().fold(Trust::default(), |trust, issuer| trust.with_did(*issuer));
    let verifier = TokenVerifier::new(policy, trust).map_err(Failure::from)?;
    let now = xbind_runtime::now();
    // First without revocation: only what verifies says where its lists are.
    let offline = Asked { scopes, status: &|_, _| Evidence::Fresh(0), ..Asked::default() };
    let verified = verifier.verify(token, now, &offline)?;
    if let Some(client) = client {
        let lists = fetch_lists(&verified, client)?;
        let status = |issuer: &str, place: &xbind::StatusRef| lists.ask(issuer, place, xbind_runtime::now());
        verifier.verify(token, xbind_runtime::now(), &Asked { scopes, status: &status, ..Asked::default() })?;
    }
    Ok(Verified {
        valid: true,
        revocation: if client.is_some() { "fresh" } else { "unchecked" },
        issuer: verified.issuer().to_owned(),
        subject: verified.subject().to_owned(),
        audience: verified.audience().to_owned(),
        scopes: verified.scopes().iter().map(|scope| scope.to_string()).collect(),
        quota: verified.quotas().into_iter().map(|(name, most)| (name.to_owned(), most)).collect(),
        id: verified.id().to_owned(),
        issued_at: verified.issued_at(),
        expires_at: verified.expires_at(),
        claims: serde_json::from_str(verified.claims()).unwrap_or_default(),
    })
}

fn fetch_lists(verified: &VerifiedToken, client: &Client) -> Result<StatusLists> {
    let lists = StatusLists::new(MAX_LISTS, MAX_LIST_AGE);
    for link in verified.links() {
        let Some(status) = &link.status else { continue };
        let signer = *VerifyingKey::from_did(&link.issuer)?.did();
        let text = client.text(&status.uri)?;
        lists.put(&text, &status.uri, ListSigner::Did(&signer), xbind_runtime::now())?;
    }
    Ok(lists)
}

/// The DIDs that tokens may be signed by: of the authority that is known here, also one that it had until lately.
fn issuers(room: &Room<'_>, args: &Verify) -> Result<Vec<Did>> {
    if let Some(issuer) = &args.issuer {
        return Ok(vec![*VerifyingKey::from_did(issuer)?.did()]);
    }
    let of_agent = room.home.find_agent()?.map(|agent| agent.authority.counting()).transpose()?.unwrap_or_default();
    if !of_agent.is_empty() {
        return Ok(of_agent);
    }
    match room.home.operator() {
        Ok((_, operator)) if operator.id.is_some() => operator.authority.counting(),
        _ => {
            Err(Failure::setup("nobody here says whose tokens count")
                .hint("give --issuer with the DID of the authority"))
        }
    }
}

pub(crate) fn revoke(room: &Room<'_>, args: Revoke) -> Result<Said> {
    let Revoke { what: Revoked { token, id, agent }, reason } = args;
    if let Some(agent) = agent {
        let status = SetStatus { status: "revoked".to_owned(), reason };
        return super::status::set(room, Some(agent), &status);
    }
    let id = match (id, token) {
        (Some(id), _) => id,
        (None, Some(token)) => id_of(&room.text(&token)?)?,
        (None, None) => return Err(Failure::usage("name a token or an agent")),
    };
    if xbind::MessageId::parse(&id).is_none() {
        return Err(Failure::usage("that is no id of a token"));
    }
    let body = xbind_authority::wire::Revoke { reason };
    let path = format!("/v1/tokens/{id}/revocation");
    // The operator may revoke what any of his agents was given, an agent what it was given itself.
    let by_operator = room.home.operator().ok().filter(|(_, operator)| operator.id.is_some());
    if by_operator.is_some() {
        let own = room.as_operator()?;
        match own.client.tell("POST", &path, &body, &own.key) {
            Err(failure) if failure.code == "not-found" && room.home.find_agent()?.is_some() => {}
            done => return done.map(|()| revoked(&id)),
        }
    }
    let own = room.as_agent()?;
    own.client.tell("POST", &path, &body, &own.key)?;
    Ok(revoked(&id))
}

fn revoked(id: &str) -> Said {
    Said::of(&json!({ "id": id, "status": "revoked" }))
}

/// Claim `jti`; the authority decides whether it is one of its tokens.
fn id_of(token: &str) -> Result<String> {
    let claims = part(token, 1)?;
    let id = claims.get("jti").and_then(Value::as_str);
    id.map(str::to_owned).ok_or_else(|| Failure::usage("the token has no id"))
}

pub(crate) fn inspect(room: &Room<'_>, args: &Inspect) -> Result<Said> {
    let token = room.text(&args.token)?;
    let said = json!({ "verified": false, "header": part(&token, 0)?, "claims": part(&token, 1)? });
    room.say("nothing of this was verified: xbind verify does");
    Ok(Said::of(&said))
}

/// What a token says of itself, before anything of it was verified.
fn part(token: &str, at: usize) -> Result<Value> {
    let wrong = || Failure::new(Exit::Invalid, "INVALID_TOKEN", "that is no token: three parts of base64url and JSON");
    let parts: Vec<_> = token.split('.').collect();
    let part = parts.get(at).filter(|_| parts.len() == 3).ok_or_else(wrong)?;
    let bytes = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| wrong())?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object).ok_or_else(wrong)
}
