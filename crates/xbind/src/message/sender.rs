//! Senders met lately, by the protected header of their messages.

use crate::error::Result;
use crate::identity::key::VerifyingKey;
use crate::lately::Lately;
use crate::message::batch;
use crate::message::claims::{Form, Header, malformed};
use crate::message::jws;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, PoisonError, RwLock};

/// Remembers what the headers of messages say: all messages of a sender that are signed in the same way have the same one,
/// to the letter.
///
/// Holds at most `capacity` headers (about 800 bytes each); what was not asked for lately makes room. Threads may share it.
pub struct SenderCache {
    kept: RwLock<Lately<Box<str>, Arc<Sender>>>,
}

/// What a header says.
pub(crate) struct Sender {
    pub(crate) form: Form,
    pub(crate) key: VerifyingKey,
    /// Has taken in the header and the full stop after it.
    leaf: Sha256,
}

impl SenderCache {
    /// An empty cache; it owns no heap until the first header comes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { kept: RwLock::new(Lately::new(capacity)) }
    }

    /// Reads the first segment of a message. Refusals are not remembered.
    pub(crate) fn get(&self, header: &str) -> Result<Arc<Sender>> {
        let seen = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(sender) = kept.young(header) {
                return Ok(Arc::clone(sender));
            }
            kept.old(header).map(Arc::clone)
        };
        let sender = match seen {
            Some(sender) => sender,
            None => Arc::new(Sender::read(header)?),
        };
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.keep(header.into(), Arc::clone(&sender));
        Ok(sender)
    }
}

impl Sender {
    fn read(header: &str) -> Result<Self> {
        let json = jws::decode(header).ok_or_else(|| malformed("the message is not a compact JWS"))?;
        let parsed = Header::parse(&json)?;
        let form = parsed.form()?;
        let key = parsed.key().ok_or_else(|| malformed("the header's kid is not the key of a DID"))?;
        Ok(Self { form, key, leaf: batch::leaf_hasher().chain_update(header).chain_update(".") })
    }

    /// The leaf of a message of this sender, by its second segment.
    pub(crate) fn leaf(&self, claims: &str) -> batch::Node {
        self.leaf.clone().chain_update(claims).finalize().into()
    }
}
