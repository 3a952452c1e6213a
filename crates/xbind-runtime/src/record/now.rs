//! Decisions that a thread waits for, as long as it has the patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use xbind::record::Verdict;
use xbind::{Error, ErrorKind, Result};

use crate::record::log::Shared;
use crate::record::queue::{Fit, LONGEST_WRITE};
use crate::record::{Decided, Done, Taken, unrecorded};
use crate::sync::Lock;

impl Shared {
    /// Takes a decision and waits until the disk has it. What is given up is not written; or, where its writing has begun, and
    /// ends well, what has become of it stands behind it. What is done in any case (`goes_on`) stays as it was decided.
    pub(super) fn take_now(self: &Arc<Self>, decided: Decided, goes_on: bool) -> Result<()> {
        let undone = (!goes_on).then(|| decided.failed(ErrorKind::AuditFailed));
        let (tell, told) = channel();
        let is_settled = Arc::new(AtomicBool::new(false));
        let (own, shared) = (is_settled.clone(), Arc::downgrade(self));
        let done: Done = Box::new(move |there| {
            if !own.swap(true, Ordering::AcqRel) {
                _ = tell.send(there);
            } else if let (true, Some(undone), Some(shared)) = (there, undone, shared.upgrade()) {
                shared.state.guard().follow(undone);
            }
        });
        let fit = Fit::of(decided);
        let (taken, id) = {
            let mut state = self.state.guard();
            let taken = state.put(fit, Some(done), self.waits);
            if taken == Taken::Later || state.idle {
                self.rouse(&mut state);
            }
            (taken, state.newest)
        };
        let is_there = match taken {
            Taken::Later => told.recv_timeout(LONGEST_WRITE).unwrap_or_else(|_| {
                let is_told = is_settled.swap(true, Ordering::AcqRel);
                if !is_told && !goes_on {
                    self.state.guard().withdraw(id);
                }
                is_told && told.recv().unwrap_or(false)
            }),
            Taken::Yes => true,
            Taken::No => false,
        };
        is_there.then_some(()).ok_or_else(unrecorded)
    }
}

impl Decided {
    /// That it came to nothing all the same.
    pub(crate) fn failed(&self, why: ErrorKind) -> Self {
        Self { outcome: Verdict::Failed, code: Some(why.code().into()), ..self.clone() }
    }
}

/// It would be waited for by whom it waits for.
pub(super) fn cannot_wait() -> Error {
    let why = "it cannot wait for whoever takes the lines of the log, and so it was not done";
    Error::new(ErrorKind::AuditFailed, why).with_hint("keep the log in files, or with sync batch; what can wait does")
}
