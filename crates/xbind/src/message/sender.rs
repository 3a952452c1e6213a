//! Senders, by the protected header of their messages.

use crate::base64;
use crate::cache::Cache;
use crate::error::Result;
use crate::identity::key::VerifyingKey;
use crate::message::batch;
use crate::message::claims::{Form, Header, malformed};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex};

/// Remembers what the headers of messages say: all messages of a sender that are signed in the same way have the same one,
/// to the letter.
///
/// Holds at most `capacity` headers (about 800 bytes each); what was not asked for lately makes room. Threads may share it.
pub struct SenderCache {
    kept: Cache<Arc<str>, Arc<Sender>>,
    /// The one that was asked for last: messages of one sender come together.
    latest: Mutex<Option<Arc<Sender>>>,
}

/// What a header says.
pub(crate) struct Sender {
    header: Arc<str>,
    pub(crate) form: Form,
    pub(crate) key: VerifyingKey,
    /// Has taken in the header and the full stop after it.
    leaf: Sha256,
}

impl SenderCache {
    /// An empty cache; it owns no heap until the first header comes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { kept: Cache::new(capacity), latest: Mutex::default() }
    }

    /// Reads the first segment of a message. Refusals are not remembered.
    pub(crate) fn get(&self, header: &str) -> Result<Arc<Sender>> {
        if let Ok(latest) = self.latest.try_lock()
            && let Some(sender) = latest.as_ref().filter(|sender| *sender.header == *header)
        {
            return Ok(Arc::clone(sender));
        }
        let sender = match self.kept.get(header) {
            Some(sender) => sender,
            None => {
                let sender = Arc::new(Sender::read(header)?);
                self.kept.keep(Arc::clone(&sender.header), Arc::clone(&sender));
                sender
            }
        };
        if let Ok(mut latest) = self.latest.try_lock() {
            *latest = Some(Arc::clone(&sender));
        }
        Ok(sender)
    }
}

impl Sender {
    pub(crate) fn read(header: &str) -> Result<Self> {
        let json = base64::decode(header).ok_or_else(|| malformed("the message is not a compact JWS"))?;
        let parsed = Header::parse(&json)?;
        let form = parsed.form()?;
        let key = parsed.key().ok_or_else(|| malformed("the header's kid is not the key of a DID"))?;
        let leaf = batch::leaf_hasher().chain_update(header).chain_update(".");
        Ok(Self { header: header.into(), form, key, leaf })
    }

    /// The leaf of a message of this sender, by its second segment.
    pub(crate) fn leaf(&self, claims: &str) -> batch::Node {
        self.leaf.clone().chain_update(claims).finalize().into()
    }
}
