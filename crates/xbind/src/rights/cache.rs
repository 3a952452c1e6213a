//! Tokens whose signatures were verified, by the digest of their whole text.

use crate::message::jws;
use crate::rights::verifier::VerifiedToken;
use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};

/// Bounded in bytes; what was not asked for lately makes room. The digest is of every byte, so no other spelling of a
/// token leads to what was verified of this one.
pub(crate) struct TokenCache {
    generation: usize,
    kept: RwLock<Kept>,
}

/// SHA-256 of a token's text.
pub(crate) type Name = [u8; 32];

#[derive(Default)]
struct Kept {
    young: HashMap<Name, Arc<VerifiedToken>>,
    old: HashMap<Name, Arc<VerifiedToken>>,
    /// Of the young ones, in bytes.
    weight: usize,
}

/// What an entry costs beside the strings of its token, which are shorter than its text.
const OVERHEAD: usize = 1024;

impl TokenCache {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { generation: bytes / 2, kept: RwLock::default() }
    }

    pub(crate) fn name(token: &str) -> Name {
        jws::sha256(token.as_bytes())
    }

    pub(crate) fn get(&self, name: &Name, text_len: usize) -> Option<Arc<VerifiedToken>> {
        let old = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(token) = kept.young.get(name) {
                return Some(Arc::clone(token));
            }
            Arc::clone(kept.old.get(name)?)
        };
        self.keep(*name, text_len, &old);
        Some(old)
    }

    pub(crate) fn keep(&self, name: Name, text_len: usize, token: &Arc<VerifiedToken>) {
        let weight = text_len.saturating_add(OVERHEAD);
        if weight > self.generation {
            return;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.weight.saturating_add(weight) > self.generation {
            kept.old = mem::take(&mut kept.young);
            kept.weight = 0;
        }
        if kept.young.insert(name, Arc::clone(token)).is_none() {
            kept.weight = kept.weight.saturating_add(weight);
        }
    }

    pub(crate) fn clear(&self) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}
