//! When the keys of issuers that publish them elsewhere are asked for, and how long they are relied upon.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How documents age that are asked for, in seconds.
pub(crate) struct Ages {
    /// After which one is asked for again.
    pub(crate) refresh: u64,
    /// After which it is forgotten if none has come.
    pub(crate) max_age: u64,
    /// Which lie between two questions.
    pub(crate) cooldown: u64,
}

/// Of JWK sets.
const KEYS: Ages = Ages { refresh: 600, max_age: 3600, cooldown: 30 };

/// Whose keys are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysOf {
    /// An issuer's, by its name in tokens.
    Issuer(String),
    /// An authority's, by what it is called here.
    Authority(String),
}

/// How the keys of an issuer came, or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysState {
    /// Nobody has asked for them.
    Unasked,
    /// They came, when they were last asked for.
    Came,
    /// They did not, and why.
    Failed(String),
}

/// When one was asked for, and what came of it.
#[derive(Default)]
pub(crate) struct Document {
    asked_at: Option<u64>,
    /// When the copy at hand was asked for.
    came_at: Option<u64>,
    failure: Option<String>,
}

/// Of each issuer whose keys are fetched.
pub(crate) struct IssuerKeys {
    documents: Mutex<HashMap<String, Document>>,
    is_empty: bool,
}

impl IssuerKeys {
    pub(crate) fn new(issuers: &[String]) -> Self {
        let documents = issuers.iter().map(|issuer| (issuer.clone(), Document::default()));
        Self { documents: Mutex::new(documents.collect()), is_empty: issuers.is_empty() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether asking could help: they were not asked for lately.
    pub(crate) fn may_be_asked(&self, issuer: &str, now: u64) -> bool {
        self.documents().get(issuer).is_some_and(|document| document.is_cool(&KEYS, now))
    }

    /// Whether the copy at hand is so old that the issuer may have taken a key back meanwhile.
    pub(crate) fn is_due(&self, issuer: &str, now: u64) -> bool {
        let documents = self.documents();
        documents.get(issuer).is_some_and(|document| document.is_old(&KEYS, now) && document.is_cool(&KEYS, now))
    }

    pub(crate) fn came(&self, issuer: &str, asked_at: u64, failure: Option<String>) {
        if let Some(document) = self.documents().get_mut(issuer) {
            document.came(asked_at, failure);
        }
    }

    pub(crate) fn state(&self, issuer: &str) -> Option<KeysState> {
        self.documents().get(issuer).map(Document::state)
    }

    /// Keys that are too old to be relied upon, because none have come since.
    pub(crate) fn forget_old(&self, now: u64, forget: impl Fn(&str)) {
        if self.is_empty {
            return;
        }
        for (issuer, document) in self.documents().iter_mut() {
            if document.forgets(&KEYS, now) {
                forget(issuer);
            }
        }
    }

    fn documents(&self) -> MutexGuard<'_, HashMap<String, Document>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Document {
    pub(crate) fn came(&mut self, asked_at: u64, failure: Option<String>) {
        self.asked_at = Some(asked_at);
        if failure.is_none() {
            self.came_at = Some(asked_at);
        }
        self.failure = failure;
    }

    pub(crate) fn state(&self) -> KeysState {
        match (&self.failure, self.came_at) {
            (Some(why), _) => KeysState::Failed(why.clone()),
            (None, Some(_)) => KeysState::Came,
            (None, None) => KeysState::Unasked,
        }
    }

    /// Whether it was asked for once.
    pub(crate) const fn is_asked(&self) -> bool {
        self.asked_at.is_some()
    }

    /// Whether a copy is at hand.
    pub(crate) const fn is_here(&self) -> bool {
        self.came_at.is_some()
    }

    /// Whether the copy at hand is to be renewed.
    pub(crate) fn is_old(&self, ages: &Ages, now: u64) -> bool {
        self.is_older(ages.refresh, now)
    }

    /// Whether the copy that was at hand until now is too old to be relied upon.
    pub(crate) fn forgets(&mut self, ages: &Ages, now: u64) -> bool {
        let is_over = self.is_older(ages.max_age, now);
        if is_over {
            self.came_at = None;
        }
        is_over
    }

    /// A clock that was set back does not keep anybody from asking.
    pub(crate) fn is_cool(&self, ages: &Ages, now: u64) -> bool {
        self.asked_at.is_none_or(|asked_at| now < asked_at || now.saturating_sub(asked_at) >= ages.cooldown)
    }

    fn is_older(&self, seconds: u64, now: u64) -> bool {
        self.came_at.is_some_and(|came_at| now.saturating_sub(came_at) >= seconds)
    }
}
