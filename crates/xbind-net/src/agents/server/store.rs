//! How the node asks the store that replicas share: its questions wait here for the face.

use std::sync::{Arc, PoisonError, Weak};

use xbind_runtime::{SharedWindow, WindowQuestion};

use super::Shared;

/// Whoever asks the store, as long as there is its server.
pub(super) struct Store(Arc<Shared>);

/// The same, as far as the node knows it.
pub(super) struct Asked(Weak<Store>);

impl SharedWindow for Asked {
    fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    fn ask(&self, question: WindowQuestion) {
        let Some(store) = self.0.upgrade() else { return };
        let shared = &store.0;
        let is_first = {
            let mut questions = shared.questions.lock().unwrap_or_else(PoisonError::into_inner);
            questions.push(question);
            questions.len() == 1
        };
        if is_first {
            (shared.wake)(0);
        }
    }
}

impl Store {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl Asked {
    pub(super) fn of(store: &Arc<Store>) -> Self {
        Self(Arc::downgrade(store))
    }
}
