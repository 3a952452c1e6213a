//! What anybody may know: health, keys, the status of tokens.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use hyper::body::Bytes;
use xbind::identity::jwk::jwk_json;
use xbind::{Digest, StatusListDraft};
use xbind_runtime::Audit;

use crate::app::App;
use crate::domain::{keys, token};
use crate::http::call::{Answer, Call};
use crate::lists::DIRECTORY;
use crate::problem::{Kind, Problem, Result};
use crate::wire::About;

/// How often a status list is signed anew though nothing has changed: so many times in its life.
const RENEWALS: u64 = 5;
/// The most keys of the directory; those that were registered last.
const MAX_DIRECTORY: u32 = 10_000;
/// How long it is kept, in seconds.
const DIRECTORY_AGE: u64 = 60;

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
    let keys: Vec<_> = call.app.keys.now().chain().counting(call.now).map(jwk_json).collect();
    let set = format!("{{\"keys\":[{}]}}", keys.join(","));
    Ok(Answer::text("application/json", set).kept(call.app.config().keys_age))
}

pub(crate) async fn directory(call: Call) -> Result<Answer> {
    let set = made(&call, DIRECTORY, DIRECTORY_AGE, |app, now| async move {
        let look = move |app: &App| {
            let keys = app.store.read(|db| keys::current(db, MAX_DIRECTORY, now))?;
            let keys: Vec<_> = keys.iter().map(|key| thumbprinted(key)).collect();
            Ok(format!("{{\"keys\":[{}]}}", keys.join(",")))
        };
        looked_up(&app, look).await
    });
    Ok(Answer::text("application/http-message-signatures-directory+json", set.await?).kept(DIRECTORY_AGE))
}

/// The JWK of a key, whose `kid` is its thumbprint (RFC 7638), as Web Bot Auth names it.
fn thumbprinted(key: &[u8]) -> String {
    let x = BASE64URL_NOPAD.encode(key);
    let kid = Digest::of(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()).text();
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{kid}","alg":"EdDSA","use":"sig"}}"#)
}

/// What is kept, or is made now: once for all who ask for it, whether they wait or not. What was begun after somebody came holds
/// all that he may expect.
async fn made<M: Future<Output = Result<String>> + Send + 'static>(
    call: &Call,
    list: i64,
    age: u64,
    make: impl FnOnce(Arc<App>, u64) -> M + Send + 'static,
) -> Result<Bytes> {
    let seen = call.app.lists.change();
    let find = move |app: &App| app.lists.find(list, xbind_runtime::now().saturating_sub(age), seen);
    if let Some(found) = find(&call.app) {
        return Ok(found);
    }
    let turn = call.app.lists.turns.enter(list).await?;
    let app = call.app.clone();
    let making = tokio::spawn(async move {
        let _turn = turn;
        if let Some(found) = find(&app) {
            return Ok(found);
        }
        let (change, now) = (app.lists.change(), xbind_runtime::now());
        let text = Bytes::from(make(app.clone(), now).await?);
        app.lists.keep(list, text.clone(), now, change);
        Ok(text)
    });
    making.await.unwrap_or_else(|_| Err(Problem::internal()))
}

/// Looks at much of the database: one at a time, where that holds up nobody.
async fn looked_up<T: Send + 'static>(
    app: &Arc<App>,
    look: impl FnOnce(&App) -> Result<T> + Send + 'static,
) -> Result<T> {
    let _alone = app.lists.making.lock().await;
    let app = app.clone();
    tokio::task::spawn_blocking(move || look(&app)).await.unwrap_or_else(|_| Err(Problem::internal()))
}

pub(crate) async fn about(call: Call) -> Result<Answer> {
    let keys = call.app.keys.now();
    let chain = keys.chain();
    let about = About {
        did: chain.current().to_string(),
        url: call.app.url().to_owned(),
        time: call.now,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rotations: chain.successors.iter().map(|successor| successor.rotation.clone()).collect(),
        next: chain.next.as_ref().map(|next| next.rotation.clone()),
        doubtful: chain.doubts.iter().map(|doubt| doubt.did.to_string()).collect(),
    };
    Ok(Answer::json(200, &about))
}

pub(crate) async fn status_list(call: Call) -> Result<Answer> {
    let text = call.part(0)?;
    let list = text.parse::<i64>().ok().filter(|list| *list >= 0 && list.to_string() == text);
    let list = list.ok_or_else(|| Problem::new(Kind::NotFound, "no token has a place in that list"))?;
    let lifetime = call.app.config().status_lifetime.max(RENEWALS);
    let renewal = lifetime / RENEWALS;
    let signed = made(&call, list, renewal, move |app, now| async move {
        let over = || Problem::new(Kind::NotFound, "the tokens of that list are over");
        let signer = app.keys.now().of_list(list, now).cloned().ok_or_else(over)?;
        signer.check()?;
        let did = *signer.did();
        let look = move |app: &App| {
            let statuses = app.store.read(|db| token::status_list(db, list))?;
            let uri = format!("{}/v1/status/{list}", app.url());
            Ok(statuses.unsigned(&did, &StatusListDraft { uri: &uri, now, lifetime, ttl: Some(renewal) })?)
        };
        let unsigned = looked_up(&app, look).await?;
        let signature = signer.sign(unsigned.to_sign()).await?;
        Ok(unsigned.finish(&signature))
    });
    // Caches between may keep it no longer than half a renewal: it is a revocation that waits.
    Ok(Answer::text("application/statuslist+jwt", signed.await?).kept((renewal / 2).min(30)))
}
