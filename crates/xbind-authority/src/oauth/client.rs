//! Who asks: an agent that proves itself with an assertion of its own key (RFC 7523, `private_key_jwt`).

use rusqlite::Connection;
use xbind::{ClientAssertion, Did, Digest, VerifyingKey};

use crate::app::{Once, Proven};
use crate::domain::agent::{self, Agent};
use crate::domain::{keys, nonce};
use crate::http::call::Call;
use crate::http::pipeline;
use crate::oauth::TOKEN_PATH;
use crate::oauth::error::Code;
use crate::oauth::form::Form;
use crate::problem::{Kind, Problem, Result};
use crate::routes::who;

/// `client_assertion_type` (RFC 7523 section 2.2).
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An agent that has proven its key.
pub(crate) struct Client {
    /// The agent, as it stood when it proved itself.
    pub agent: Agent,
    /// The key that it has proven, and what of the request counts once.
    pub proven: Proven,
}

/// Finds out who asks. Nothing is written: the assertion is used up with what is decided, which looks at agent and key again.
///
/// # Errors
/// `invalid_request`, `invalid_client`, of which there is no record, for strangers could fill it; `rate-limited`.
pub(crate) fn authenticate(call: &Call, form: &Form) -> Result<Client> {
    if call.fields.contains_key("authorization") || form.get("client_secret").is_some() {
        let why = "clients prove themselves with private_key_jwt, and in one way only";
        return Err(Problem::oauth(Code::InvalidRequest, why));
    }
    let unproven = |why: &'static str| Problem::oauth(Code::InvalidClient, why);
    let (Some(text), Some(typ)) = (form.get("client_assertion"), form.get("client_assertion_type")) else {
        return Err(unproven("the client proves nothing: client_assertion and client_assertion_type are missing"));
    };
    if typ != TYPE {
        return Err(Problem::oauth(Code::InvalidClient, format!("client_assertion_type has to be {TYPE}")));
    }
    let assertion = ClientAssertion::parse(text).map_err(refused)?;
    if form.get("client_id").is_some_and(|id| id != assertion.client()) {
        return Err(unproven("client_id is not the subject of the client assertion"));
    }
    let (app, now) = (&call.app, call.now);
    let (agent, did) = app.store.read(|db| current(db, assertion.client(), now))?;
    let key = VerifyingKey::from_did(did.as_str())?;
    let (issuer, skew) = (app.url(), app.config().clock_skew);
    assertion.check(&key, &[issuer, &format!("{issuer}{TOKEN_PATH}")], now, skew).map_err(refused)?;
    if app.restored_at().is_some_and(|at| assertion.signed_at() <= at.saturating_add(skew)) {
        return Err(unproven("the client assertion may have been used before the server was brought back from a copy"));
    }
    let claim = Digest::of(format!("oauth assertion {did} {}", assertion.id()).as_bytes()).text().to_string();
    // Copies of what it has signed use up nothing of its own.
    if app.store.read(|db| nonce::is_claimed(db, &claim))? {
        return Err(unproven(REPLAYED));
    }
    pipeline::take(&app.by_did, did)?;
    let proof =
        Once { claim, until: assertion.expires_at().saturating_add(skew), again: (Code::InvalidClient, REPLAYED) };
    Ok(Client { agent, proven: Proven { from: did, proof, once: Vec::new() } })
}

const REPLAYED: &str = "the client assertion was used before";

/// The agent of that name, and the key that it proves itself with now: that of its `did:key`, or of its alias the one that it has.
fn current(db: &Connection, name: &str, now: u64) -> Result<(Agent, Did)> {
    let unknown = || Problem::oauth(Code::InvalidClient, "no agent is registered under that client id");
    let is_no_agent = |problem: &Problem| matches!(problem.kind(), Kind::Malformed | Kind::NotFound);
    let agent = agent::by_did(db, name).map_err(|problem| if is_no_agent(&problem) { unknown() } else { problem })?;
    let did = match VerifyingKey::from_did(name) {
        Ok(key) => *key.did(),
        Err(_) => {
            let keys = keys::of_agent(db, agent.number)?;
            let history = keys::history(&keys, agent.status)?;
            *history
                .current(now)
                .ok_or_else(|| Problem::oauth(Code::InvalidClient, "the agent has no key that may sign now"))?
        }
    };
    who::check(db, &agent, &did, now)?;
    Ok((agent, did))
}

/// An assertion that does not hold, whatever is wrong with it.
fn refused(error: xbind::Error) -> Problem {
    Problem::oauth(Code::InvalidClient, error.message().to_owned())
}
