//! Tokens whose signatures were verified, by the digest of their whole text.

use crate::cache::Cache;
use crate::message::jws;
use crate::rights::verifier::VerifiedToken;
use std::sync::Arc;

/// Bounded in bytes; what was not asked for lately makes room. The digest is of every byte, so no other spelling of a
/// token leads to what was verified of this one.
pub(crate) struct TokenCache {
    /// With the length of its text.
    kept: Cache<Name, (Arc<VerifiedToken>, usize)>,
}

/// SHA-256 of a token's text.
pub(crate) type Name = [u8; 32];

/// What an entry costs beside the strings of its token, which are shorter than its text.
const OVERHEAD: usize = 1024;

impl TokenCache {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { kept: Cache::weighing(bytes, |(_, text_len)| text_len.saturating_add(OVERHEAD)) }
    }

    pub(crate) fn name(token: &str) -> Name {
        jws::sha256(token.as_bytes())
    }

    pub(crate) fn get(&self, name: &Name) -> Option<Arc<VerifiedToken>> {
        self.kept.get(name).map(|(token, _)| token)
    }

    pub(crate) fn keep(&self, name: Name, text_len: usize, token: &Arc<VerifiedToken>) {
        self.kept.keep(name, (Arc::clone(token), text_len));
    }

    pub(crate) fn clear(&self) {
        self.kept.clear();
    }
}
