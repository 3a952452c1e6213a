//! Which status lists are fetched, and when. Whoever fetches asks here first, and says what came.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use url::Url;
use xbind::{Evidence, StatusLists, StatusRef};

use crate::Whose;

/// After an attempt, so many seconds pass before the next.
const COOLDOWN: u64 = 30;
/// Clocks may differ by so much, where a list was signed and here.
const SKEW: u64 = 30;

/// What is to be done about the list that a link of a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing: what is at hand is new enough, or it may not be fetched from there.
    No,
    /// It has to be fetched, at an address of that kind, and [`Documents::came`] told.
    Fetch(Whose),
    /// It is being fetched.
    Running,
    /// It was asked for a moment ago, and this is why it did not come.
    Failed(String),
}

/// The addresses of status lists, bounded in number, and when each was asked. Threads share it.
///
/// Lists that a trusted issuer's own token names may take all the room; those that a link of a delegation names one half at
/// most, since nobody here has chosen who made it.
pub struct Documents {
    origins: Option<HashSet<String>>,
    capacity: usize,
    refresh: u64,
    max_age: u64,
    known: Mutex<HashMap<(String, String), Document>>,
}

#[derive(Default)]
struct Document {
    first: bool,
    running: bool,
    asked_at: Option<u64>,
    fetched_at: Option<u64>,
    failure: Option<String>,
}

impl Documents {
    /// For lists from these origins, or from wherever a trusted issuer's own token points; a copy is asked for again after
    /// `refresh` seconds, and none is relied upon after `max_age`.
    #[must_use]
    pub fn new(origins: Option<HashSet<String>>, capacity: usize, refresh: u64, max_age: u64) -> Self {
        Self { origins, capacity, refresh, max_age, known: Mutex::default() }
    }

    /// What is to be done, at `now`, about the list that a link names, the first of its token or another.
    #[must_use]
    pub fn due(&self, lists: &StatusLists, issuer: &str, status: &StatusRef, first: bool, now: u64) -> Due {
        let whose = match &self.origins {
            Some(origins) if origins.contains(&origin(&status.uri)) => Whose::Listed,
            None if first => Whose::Stranger,
            Some(_) | None => return Due::No,
        };
        let answers = matches!(lists.ask(issuer, status, now), Evidence::Fresh(_));
        let name = (issuer.to_owned(), status.uri.clone());
        let mut known = self.lock();
        if !known.contains_key(&name) {
            if answers || !self.has_room(&mut known, lists, first, now) {
                return Due::No;
            }
            known.insert(name.clone(), Document { first, ..Document::default() });
        }
        let document = known.entry(name).or_default();
        if answers && !document.is_older(self.refresh, now) {
            return Due::No;
        }
        if document.running {
            return Due::Running;
        }
        let cools = document.asked_at.and_then(|at| now.checked_sub(at)).is_some_and(|since| since < COOLDOWN);
        if cools {
            return document.failure.clone().map_or(Due::No, Due::Failed);
        }
        document.asked_at = Some(now);
        document.running = true;
        Due::Fetch(whose)
    }

    /// A list that was due came, or did not for this reason; `now` is the time at which it was due.
    pub fn came(&self, issuer: &str, uri: &str, now: u64, failure: Option<String>) {
        if let Some(document) = self.lock().get_mut(&(issuer.to_owned(), uri.to_owned())) {
            document.running = false;
            if failure.is_none() {
                document.fetched_at = Some(now);
            }
            document.failure = failure;
        }
    }

    fn has_room(
        &self,
        known: &mut HashMap<(String, String), Document>,
        lists: &StatusLists,
        first: bool,
        now: u64,
    ) -> bool {
        if self.fits(known, first) {
            return true;
        }
        lists.purge(now);
        // After which no list that was fetched then is at hand any more.
        let kept = self.max_age.saturating_add(SKEW).saturating_add(SKEW).saturating_add(1);
        known
            .retain(|_, document| document.running || (document.fetched_at.is_some() && !document.is_older(kept, now)));
        self.fits(known, first)
    }

    fn fits(&self, known: &HashMap<(String, String), Document>, first: bool) -> bool {
        let half = self.capacity.checked_div(2).unwrap_or_default().max(1);
        known.len() < self.capacity && (first || known.values().filter(|document| !document.first).count() < half)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Document>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Document {
    fn is_older(&self, seconds: u64, now: u64) -> bool {
        self.fetched_at.is_some_and(|at| now.saturating_sub(at) >= seconds)
    }
}

/// Empty for what is no URL.
fn origin(uri: &str) -> String {
    Url::parse(uri).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}
