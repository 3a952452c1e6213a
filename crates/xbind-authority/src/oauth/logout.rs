//! `POST /oauth/backchannel-logout`: an issuer says that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::sync::Arc;

use hyper::body::Bytes;
use xbind::Did;
use xbind::record::Verdict;
use xbind_runtime::Decided;

use crate::app::{App, Lists};
use crate::domain::note;
use crate::domain::root::{self, Ended};
use crate::http::call::{Answer, Call};
use crate::oauth::exchange::refused;
use crate::oauth::form::Form;
use crate::problem::Result;
use crate::store::Change;

/// The issuer has signed the token, and that is all that counts: whoever brings it.
pub(crate) async fn answer(call: Call) -> Result<Answer> {
    let form = Form::parse(&call.body)?;
    let (app, now) = (&call.app, call.now);
    let logout = app.issuers.logout(form.required("logout_token")?, now).await.map_err(refused)?;
    let ended = end(app, now, move |change| root::log_out(change.db(), &logout, now)).await;
    ended.map_err(|problem| {
        let why = problem.cause().unwrap_or_else(|| problem.detail()).to_owned();
        problem.because(why)
    })?;
    Ok(Answer { status: 200, content_type: "", max_age: None, body: Bytes::new() })
}

/// Ends what was derived from sessions, and puts that on record for each operator concerned.
pub(crate) async fn end(
    app: &App,
    now: u64,
    end: impl FnOnce(&mut Change<'_>) -> Result<Vec<Ended>> + Send + 'static,
) -> Result<()> {
    let (by, lists): (Did, Arc<Lists>) = (app.did(), app.lists.clone());
    let change = move |change: &mut Change<'_>| {
        let ended = end(change)?;
        if ended.is_empty() {
            return Ok(()); // whoever tells of sessions from which nothing came has no list signed anew
        }
        for Ended { agent, did, note: what } in ended {
            let mut decided = Decided::new("session.ended", Verdict::Accepted, by, now);
            decided.chain = agent.chain();
            decided.to = did;
            decided.note = note(&what);
            change.record(decided);
        }
        change.after(move || lists.forget());
        Ok(())
    };
    app.store.write(change).await
}
