use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use tokio::sync::watch;

use crate::{FetchError, Rules};

/// The canonical URL, and what was asked of it.
pub(crate) type Key = (String, Rules);
pub(crate) type Outcome = Result<Bytes, FetchError>;

/// What is fetched and what was fetched lately, bounded in count and in bytes.
pub(crate) struct Table {
    max_documents: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    bytes: usize,
}

enum Entry {
    Running(watch::Receiver<Option<Outcome>>),
    Kept(Outcome),
}

/// What there is for one who asks.
pub(crate) enum Found {
    /// Others have asked and wait.
    Running(watch::Receiver<Option<Outcome>>),
    /// Asked lately.
    Kept(Outcome),
    /// Nothing: to be fetched, and told here.
    Nothing(watch::Sender<Option<Outcome>>),
}

impl Table {
    pub(crate) fn new(max_documents: usize, max_bytes: usize) -> Self {
        Self { max_documents, max_bytes, state: Mutex::default() }
    }

    pub(crate) fn find(&self, key: &Key) -> Result<Found, FetchError> {
        let mut state = self.state();
        match state.entries.get(key) {
            Some(Entry::Running(flight)) => return Ok(Found::Running(flight.clone())),
            Some(Entry::Kept(outcome)) => return Ok(Found::Kept(outcome.clone())),
            None => {}
        }
        if state.entries.len() >= self.max_documents {
            return Err(FetchError::Busy);
        }
        let (sender, receiver) = watch::channel(None);
        state.entries.insert(key.clone(), Entry::Running(receiver));
        Ok(Found::Nothing(sender))
    }

    /// Keeps an outcome until it is forgotten, or, where there is no room for it, that it was asked for.
    pub(crate) fn keep(&self, key: &Key, outcome: &Outcome) {
        let mut state = self.state();
        let bytes = state.bytes.saturating_add(size(outcome));
        let kept = if bytes > self.max_bytes {
            Err(FetchError::TooSoon)
        } else {
            state.bytes = bytes;
            outcome.clone()
        };
        if let Some(entry) = state.entries.get_mut(key) {
            *entry = Entry::Kept(kept);
        }
    }

    pub(crate) fn forget(&self, key: &Key) {
        let mut state = self.state();
        if let Some(Entry::Kept(outcome)) = state.entries.remove(key) {
            state.bytes = state.bytes.saturating_sub(size(&outcome));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(outcome: &Outcome) -> usize {
    outcome.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Whose;

    fn key(url: &str) -> Key {
        let rules = Rules { whose: Whose::Stranger, max_bytes: 1, timeout: Duration::ZERO, accept: String::new() };
        (url.to_owned(), rules)
    }

    fn outcome(bytes: usize) -> Outcome {
        Ok(vec![0; bytes].into())
    }

    fn kept(table: &Table, url: &str) -> Outcome {
        match table.find(&key(url)) {
            Ok(Found::Kept(outcome)) => outcome,
            _ => panic!("{url} is not kept"),
        }
    }

    #[test]
    fn so_many_documents_and_a_place_for_each_that_is_forgotten() {
        let table = Table::new(2, 10);
        assert!(matches!(table.find(&key("a")), Ok(Found::Nothing(_))));
        assert!(matches!(table.find(&key("b")), Ok(Found::Nothing(_))));
        assert!(matches!(table.find(&key("c")), Err(FetchError::Busy)));
        assert!(matches!(table.find(&key("a")), Ok(Found::Running(_))));
        table.keep(&key("a"), &outcome(1));
        assert!(matches!(table.find(&key("c")), Err(FetchError::Busy)));
        table.forget(&key("a"));
        assert!(matches!(table.find(&key("c")), Ok(Found::Nothing(_))));
        table.forget(&key("b"));
        assert!(matches!(table.find(&key("b")), Ok(Found::Nothing(_))), "also one that never landed");
    }

    #[test]
    fn so_many_bytes_and_what_has_no_room_is_still_not_asked_for_again() {
        let table = Table::new(9, 10);
        for (url, bytes) in [("a", 6), ("b", 5), ("c", 4)] {
            assert!(matches!(table.find(&key(url)), Ok(Found::Nothing(_))));
            table.keep(&key(url), &outcome(bytes));
        }
        assert_eq!(
            [kept(&table, "a"), kept(&table, "b"), kept(&table, "c")],
            [outcome(6), Err(FetchError::TooSoon), outcome(4)]
        );
        for url in ["a", "b", "c"] {
            table.forget(&key(url));
        }
        assert!(matches!(table.find(&key("d")), Ok(Found::Nothing(_))));
        table.keep(&key("d"), &outcome(10));
        assert_eq!(kept(&table, "d"), outcome(10));
    }
}
