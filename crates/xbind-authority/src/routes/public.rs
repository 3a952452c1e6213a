//! What anybody may know: health, keys, the status of tokens.

use xbind::StatusListDraft;
use xbind_runtime::Audit;

use crate::domain::{did, token};
use crate::http::call::{Answer, Call};
use crate::problem::{Kind, Problem, Result};
use crate::routes::agents::jwk;
use crate::wire::About;

/// How often a status list is signed anew though nothing has changed: so many times in its life.
const RENEWALS: u64 = 5;
/// The most keys of the directory; those that were registered last.
const MAX_DIRECTORY: u32 = 10_000;

pub(crate) async fn live(_: Call) -> Result<Answer> {
    Ok(Answer::json(200, &serde_json::json!({ "status": "live" })))
}

pub(crate) async fn ready(call: Call) -> Result<Answer> {
    if !call.app.audit.can_write() {
        return Err(Problem::new(Kind::AuditFailed, "the audit log cannot be written"));
    }
    // A change that changes nothing: it comes back when the database has taken it.
    call.app.store.write(|_| Ok(())).await?;
    Ok(Answer::json(200, &serde_json::json!({ "status": "ready" })))
}

pub(crate) async fn metrics(call: Call) -> Result<Answer> {
    Ok(Answer::text("text/plain; version=0.0.4", call.app.metrics.text(call.app.store.written())))
}

pub(crate) async fn openapi(call: Call) -> Result<Answer> {
    Ok(Answer::json(200, &crate::openapi::document(call.app.url())).kept(300))
}

pub(crate) async fn jwks(call: Call) -> Result<Answer> {
    let set = format!("{{\"keys\":[{}]}}", jwk(call.app.did()));
    Ok(Answer::text("application/json", set).kept(300))
}

pub(crate) async fn directory(call: Call) -> Result<Answer> {
    let keys = call.app.store.read(|db| {
        let sql = "SELECT k.key FROM agents a JOIN keys k ON k.agent = a.number \
                   WHERE a.status = 0 AND k.place = (SELECT max(place) FROM keys l WHERE l.agent = a.number) \
                   ORDER BY a.number DESC LIMIT ?1";
        let mut statement = db.prepare_cached(sql)?;
        let rows = statement.query_map([MAX_DIRECTORY], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|key| Ok(jwk(&did(&key?)?))).collect::<Result<Vec<_>>>()
    })?;
    let set = format!("{{\"keys\":[{}]}}", keys.join(","));
    Ok(Answer::text("application/http-message-signatures-directory+json", set).kept(300))
}

pub(crate) async fn about(call: Call) -> Result<Answer> {
    let about = About {
        did: call.app.did().to_string(),
        url: call.app.url().to_owned(),
        time: call.now,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(Answer::json(200, &about))
}

pub(crate) async fn status_list(call: Call) -> Result<Answer> {
    let text = call.part(0)?;
    let list = text.parse::<i64>().ok().filter(|list| *list >= 0 && list.to_string() == text);
    let list = list.ok_or_else(|| Problem::new(Kind::NotFound, "no token has a place in that list"))?;
    let app = call.app.clone();
    let (now, lifetime) = (call.now, call.app.config().status_lifetime.max(RENEWALS));
    let renewal = lifetime / RENEWALS;
    let change = match app.lists.find(list, now.saturating_sub(renewal)) {
        Ok(text) => return Ok(answer(text, renewal)),
        Err(change) => change,
    };
    let made = tokio::task::spawn_blocking(move || {
        let statuses = app.store.read(|db| token::status_list(db, list))?;
        let uri = format!("{}/v1/status/{list}", app.url());
        let draft = StatusListDraft { uri: &uri, now, lifetime, ttl: Some(renewal) };
        let text = statuses.sign(&app.key, &draft)?;
        app.lists.keep(list, &text, now, change);
        Ok(text)
    });
    Ok(answer(made.await.unwrap_or_else(|_| Err(Problem::internal()))?, renewal))
}

/// Caches between may keep it no longer than half a renewal: it is a revocation that waits.
fn answer(text: String, renewal: u64) -> Answer {
    Answer::text("application/statuslist+jwt", text).kept((renewal / 2).min(30))
}
