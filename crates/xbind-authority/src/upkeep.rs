//! What a server does by itself: the wishes of commands, and its own keys on time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::app::App;
use crate::keychain::Step;
use crate::problem::Result;
use crate::wishes;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(500);

/// Looks until nobody holds the other end any more.
pub(crate) fn run(app: &Arc<App>, stop: &Receiver<()>) {
    let mut failed = None;
    loop {
        let outcome = look(app).err().map(|problem| problem.cause().unwrap_or_else(|| problem.detail()).to_owned());
        if outcome.is_some() && outcome != failed {
            app.log(&serde_json::json!({ "time": xbind_runtime::now(), "upkeep": outcome }));
        }
        failed = outcome;
        if stop.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// What a server that starts must not begin without: the key whose time came signs. That asks nobody for a signature.
///
/// # Errors
/// Those of [`Keychain::take`](crate::keychain::Keychain::take).
pub(crate) fn begin(app: &App) -> Result<()> {
    match due(app) {
        Some(step @ Step::Activate { .. }) => app.keys.take(&app.store, &step, |_, _| Ok(())).map(drop),
        _ => Ok(()),
    }
}

/// One thing that fails keeps no other from being done.
fn look(app: &App) -> Result<()> {
    let granted = wishes::grant(&app.keys, &app.store);
    let taken = due(app).map_or(Ok(()), |step| app.keys.take(&app.store, &step, |_, _| Ok(())).map(drop));
    granted.and(taken).and(app.keys.search())
}

/// The step whose time came.
fn due(app: &App) -> Option<Step> {
    let (keys, now) = (app.keys.now(), xbind_runtime::now());
    let chain = keys.chain();
    match (&chain.next, app.config().rotate_every) {
        (Some(next), _) if next.begins_at(app.config().keys_age) <= now => Some(Step::Activate { at_once: true }),
        (None, Some(every)) => {
            let due = chain.active_at().saturating_add(every);
            let notice = app.config().notice.min(every);
            let after = due.saturating_sub(now).max(app.config().keys_age);
            (due <= now.saturating_add(notice)).then_some(Step::Prepare { after })
        }
        _ => None,
    }
}
