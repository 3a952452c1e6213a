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
    made: HashMap<i64, Made>,
}

struct Made {
    text: Bytes,
    at: u64,
    /// How many changes there were before it was asked what stands in it.
    change: u64,
}

impl Default for Lists {
    fn default() -> Self {
        Self { kept: Mutex::default(), turns: Turns::new(AT_ONCE, 1), making: tokio::sync::Mutex::default() }
    }
}

impl Lists {
    /// One that is not older than that, and holds so many changes at least; of the directory its age is enough.
    pub(crate) fn find(&self, list: i64, not_before: u64, change: u64) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let made = kept.made.get(&list)?;
        let is_known = made.change >= change || list == DIRECTORY;
        (is_known && made.at >= not_before).then(|| made.text.clone())
    }

    /// Keeps one, for those who came before there were more changes, too.
    pub(crate) fn keep(&self, list: i64, text: Bytes, at: u64, change: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.made.len() >= KEPT_LISTS && !kept.made.contains_key(&list) {
            kept.made.clear();
        }
        kept.made.insert(list, Made { text, at, change });
    }

    /// How many changes there were.
    pub(crate) fn change(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).change
    }

    /// Something has changed: whoever comes now is given none from before.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.change = kept.change.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_before_a_change_is_for_those_who_came_before_it() {
        let lists = Lists::default();
        let (first, text) = (lists.change(), |text: &'static str| Bytes::from_static(text.as_bytes()));
        lists.forget();
        lists.keep(1, text("old"), 10, first);
        lists.keep(DIRECTORY, text("keys"), 10, first);
        let second = lists.change();
        let find = |list, change| lists.find(list, 10, change);
        assert_eq!((find(1, first), find(1, second)), (Some(text("old")), None));
        assert_eq!(find(DIRECTORY, second), Some(text("keys")));
        assert_eq!(lists.find(1, 11, first), None, "it is too old");
        lists.keep(1, text("new"), 10, second);
        assert_eq!((find(1, first), find(1, second)), (Some(text("new")), Some(text("new"))));
        for list in 2..1000 {
            lists.keep(list, text("another"), 10, second);
            assert!(find(list, second).is_some());
        }
        assert!(lists.kept.lock().unwrap_or_else(PoisonError::into_inner).made.len() <= KEPT_LISTS);
    }
}
