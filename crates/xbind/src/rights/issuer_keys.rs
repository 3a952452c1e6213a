//! When the keys of issuers that publish them elsewhere are asked for, and how long they are relied upon.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// After how many seconds keys are asked for again, and after how many they are forgotten if none come.
const REFRESH: u64 = 600;
const MAX_AGE: u64 = 3600;
/// How many seconds lie between two questions.
const COOLDOWN: u64 = 30;

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

#[derive(Default)]
struct Document {
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
        self.documents().get(issuer).is_some_and(|document| document.is_cool(now))
    }

    /// Whether the copy at hand is so old that the issuer may have taken a key back meanwhile.
    pub(crate) fn is_due(&self, issuer: &str, now: u64) -> bool {
        let documents = self.documents();
        documents.get(issuer).is_some_and(|document| document.is_older(REFRESH, now) && document.is_cool(now))
    }

    pub(crate) fn came(&self, issuer: &str, asked_at: u64, failure: Option<String>) {
        if let Some(document) = self.documents().get_mut(issuer) {
            document.asked_at = Some(asked_at);
            if failure.is_none() {
                document.came_at = Some(asked_at);
            }
            document.failure = failure;
        }
    }

    pub(crate) fn state(&self, issuer: &str) -> Option<KeysState> {
        let documents = self.documents();
        let document = documents.get(issuer)?;
        Some(match (&document.failure, document.came_at) {
            (Some(why), _) => KeysState::Failed(why.clone()),
            (None, Some(_)) => KeysState::Came,
            (None, None) => KeysState::Unasked,
        })
    }

    /// Keys that are too old to be relied upon, because none have come since.
    pub(crate) fn forget_old(&self, now: u64, forget: impl Fn(&str)) {
        if self.is_empty {
            return;
        }
        for (issuer, document) in self.documents().iter_mut() {
            if document.is_older(MAX_AGE, now) {
                document.came_at = None;
                forget(issuer);
            }
        }
    }

    fn documents(&self) -> MutexGuard<'_, HashMap<String, Document>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Document {
    fn is_older(&self, seconds: u64, now: u64) -> bool {
        self.came_at.is_some_and(|came_at| now.saturating_sub(came_at) >= seconds)
    }

    /// A clock that was set back does not keep anybody from asking.
    fn is_cool(&self, now: u64) -> bool {
        self.asked_at.is_none_or(|asked_at| now < asked_at || now.saturating_sub(asked_at) >= COOLDOWN)
    }
}
