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

pub(crate) fn look(app: &App) -> Result<()> {
    wishes::grant(&app.keys, &app.store)?;
    let (keys, now) = (app.keys.now(), xbind_runtime::now());
    let chain = keys.chain();
    let step = match (&chain.next, app.config().rotate_every) {
        (Some(next), _) if next.read.active_from <= now => Step::Activate { at_once: true },
        (None, Some(every)) => {
            let due = chain.active_at().saturating_add(every);
            let notice = app.config().notice.min(every);
            if now.saturating_add(notice) < due {
                return Ok(());
            }
            Step::Prepare { after: due.saturating_sub(now).max(app.config().keys_age) }
        }
        _ => return Ok(()),
    };
    app.keys.take(&app.store, &step, |_, _| Ok(()))?;
    Ok(())
}
