//! `POST /oauth/backchannel-logout`: an issuer says that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::sync::Arc;

use hyper::body::Bytes;
use xbind::Did;
use xbind::record::Verdict;
use xbind_runtime::Decided;

use crate::app::App;
use crate::domain::note;
use crate::domain::root::{self, Ended};
use crate::http::call::{Answer, Call};
use crate::http::pipeline;
use crate::issuers::Logout;
use crate::lists::Lists;
use crate::oauth::exchange::refused;
use crate::oauth::form::Form;
use crate::problem::{Problem, Result};
use crate::store::Change;

/// The issuer has signed the token, and that is all that counts: whoever brings it, and whoever else is at that address, which is
/// counted for what does not hold, and for copies. The issuer is counted for what it says itself.
pub(crate) async fn answer(call: Call) -> Result<Answer> {
    let (app, now) = (&call.app, call.now);
    let logout = match verified(&call).await {
        Ok(logout) => logout,
        Err(problem) => {
            pipeline::take(&app.by_address, call.address)?;
            return Err(explained(problem));
        }
    };
    pipeline::take(&app.by_issuer, logout.issuer.clone())?;
    end(app, now, move |change| root::log_out(change.db(), &logout, now)).await.map_err(explained)?;
    Ok(Answer { status: 200, content_type: "", max_age: None, body: Bytes::new() })
}

/// The log says why, too: who tells of a logout may show nobody what he is answered.
fn explained(problem: Problem) -> Problem {
    let why = problem.cause().unwrap_or_else(|| problem.detail()).to_owned();
    problem.because(why)
}

async fn verified(call: &Call) -> Result<Logout> {
    let form = Form::parse(&call.body)?;
    let token = form.required("logout_token")?;
    let logout = call.app.issuers.logout(token, call.now).await.map_err(refused)?;
    call.app.store.read(|db| root::check_unused(db, &logout))?;
    Ok(logout)
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
