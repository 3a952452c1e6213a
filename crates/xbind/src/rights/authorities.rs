//! Authorities whose keys change: when each is asked for the DIDs that it has, and how long its answer counts.

use crate::identity::did::Did;
use crate::rights::issuer_keys::{Ages, Document, KeysState};
use crate::rights::verifier::TokenVerifier;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An answer counts as long as the JWK set of an authority may be kept, and is renewed before. Who does not know a DID asks at
/// once, but for strangers no more often than this.
const ANSWERS: Ages = Ages { refresh: 120, max_age: 300, cooldown: 5 };

/// A DID whose tokens an authority stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityKey {
    /// The DID.
    pub did: Did,
    /// When its last token is over, in seconds since the epoch, exclusive; `None` for one that goes on.
    pub until: Option<u64>,
}

/// Of each authority that is followed.
pub(crate) struct Authorities {
    all: Mutex<Vec<Authority>>,
    is_empty: bool,
}

struct Authority {
    name: String,
    answer: Document,
    keys: Vec<AuthorityKey>,
}

impl Authorities {
    pub(crate) fn new(names: &[String]) -> Self {
        let unasked = |name: &String| Authority { name: name.clone(), answer: Document::default(), keys: Vec::new() };
        Self { all: Mutex::new(names.iter().map(unasked).collect()), is_empty: names.is_empty() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Those that were not asked lately.
    pub(crate) fn to_ask(&self, now: u64) -> Vec<String> {
        let all = self.all();
        all.iter().filter(|each| each.answer.is_cool(&ANSWERS, now)).map(|each| each.name.clone()).collect()
    }

    /// Those that were asked once, and whose answer is to be renewed.
    pub(crate) fn due(&self, now: u64) -> Vec<String> {
        let is_due = |answer: &Document| {
            let is_old = !answer.is_here() || answer.is_old(&ANSWERS, now);
            answer.is_asked() && is_old && answer.is_cool(&ANSWERS, now)
        };
        self.all().iter().filter(|each| is_due(&each.answer)).map(|each| each.name.clone()).collect()
    }

    /// Takes in what an authority has said, or why it has not.
    pub(crate) fn came(&self, name: &str, asked_at: u64, said: Result<Vec<AuthorityKey>, String>) {
        let mut all = self.all();
        let Some(authority) = all.iter_mut().find(|each| each.name == name) else { return };
        authority.answer.came(asked_at, said.as_ref().err().cloned());
        if let Ok(keys) = said {
            authority.keys = keys;
        }
    }

    /// Tells the verifier every DID that counts now. What was said too long ago is forgotten.
    pub(crate) fn settle(&self, now: u64, verifier: &TokenVerifier) {
        let mut all = self.all();
        for authority in all.iter_mut() {
            if authority.answer.forgets(&ANSWERS, now) {
                authority.keys.clear();
            }
        }
        let counts = |key: &&AuthorityKey| key.until.is_none_or(|until| now < until);
        verifier.set_followed(all.iter().flat_map(|each| &each.keys).filter(counts).map(|key| &key.did));
    }

    /// Why one of them does not know a DID.
    pub(crate) fn state(&self) -> Option<(String, KeysState)> {
        let all = self.all();
        let states = || all.iter().map(|each| (&each.name, each.answer.state()));
        let (name, state) = states().find(|(_, state)| *state != KeysState::Came).or_else(|| states().next())?;
        Some((name.clone(), state))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Authority>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
