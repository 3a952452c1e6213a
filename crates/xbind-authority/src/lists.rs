//! What is made for many and changes seldom, as it was made last: status lists, and the directory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;

use crate::turns::Turns;

/// Status lists that are kept signed.
const KEPT_LISTS: usize = 256;
/// Those that are made at once; others wait. Most of the signatures that are waited for are left to tokens and answers.
const AT_ONCE: usize = 64;

/// Those that were made, and who makes one.
pub(crate) struct Lists {
    kept: Mutex<Kept>,
    /// Few are made at once, each of them once: who waits for it finds it made.
    pub(crate) turns: Arc<Turns<i64>>,
    /// What goes into them is looked up for one at a time.
    pub(crate) making: tokio::sync::Mutex<()>,
}

/// The directory of keys; no status list has that number.
pub(crate) const DIRECTORY: i64 = -1;

#[derive(Default)]
struct Kept {
    change: u64,
    made: HashMap<i64, (Bytes, u64)>,
}

impl Default for Lists {
    fn default() -> Self {
        Self { kept: Mutex::default(), turns: Turns::new(AT_ONCE, 1), making: tokio::sync::Mutex::default() }
    }
}

impl Lists {
    /// One that is not older than that; otherwise the number of changes until now, to be given to [`keep`](Self::keep).
    pub(crate) fn find(&self, list: i64, not_before: u64) -> Result<Bytes, u64> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.made.get(&list) {
            Some((text, at)) if *at >= not_before => Ok(text.clone()),
            _ => Err(kept.change),
        }
    }

    /// Keeps one unless something has changed since it was asked what stands in it.
    pub(crate) fn keep(&self, list: i64, text: Bytes, at: u64, change: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.change != change {
            return;
        }
        if kept.made.len() >= KEPT_LISTS {
            kept.made.clear();
        }
        kept.made.insert(list, (text, at));
    }

    /// How many changes there were.
    pub(crate) fn change(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).change
    }

    /// Something has changed.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.change = kept.change.wrapping_add(1);
        kept.made.retain(|list, _| *list == DIRECTORY);
    }
}
