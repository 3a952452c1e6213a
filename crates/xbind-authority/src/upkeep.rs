//! What a server does by itself: the wishes of commands, and its own keys on time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::app::App;
use crate::keychain::Step;
use crate::problem::{Problem, Result};
use crate::wishes;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(500);
/// The longest pause after a key that could not be prepared; the first is as long as a look, and each is twice the one before.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// After a key that could not be prepared.
struct Pause {
    until: Instant,
    length: Duration,
    why: Problem,
}

/// Looks until nobody holds the other end any more.
pub(crate) fn run(app: &Arc<App>, stop: &Receiver<()>) {
    let (mut failed, mut pause) = (None, None);
    loop {
        let outcome =
            look(app, &mut pause).err().map(|problem| problem.cause().unwrap_or_else(|| problem.detail()).to_owned());
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
fn look(app: &App, pause: &mut Option<Pause>) -> Result<()> {
    let granted = wishes::grant(&app.keys, &app.store);
    let taken = due(app).map_or(Ok(()), |step| take(app, &step, pause));
    granted.and(taken).and(app.keys.search())
}

fn take(app: &App, step: &Step, pause: &mut Option<Pause>) -> Result<()> {
    let is_prepared = matches!(step, Step::Prepare { .. });
    if let Some(pause) = pause.as_ref().filter(|pause| is_prepared && Instant::now() < pause.until) {
        return Err(pause.why.clone());
    }
    let taken = app.keys.take(&app.store, step, |_, _| Ok(())).map(drop);
    let length = pause.as_ref().map_or(LOOK, |pause| pause.length.saturating_mul(2).min(MAX_PAUSE));
    let failed = taken.as_ref().err().filter(|_| is_prepared);
    *pause =
        failed.and_then(|why| Some(Pause { until: Instant::now().checked_add(length)?, length, why: why.clone() }));
    taken
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
