//! Taking rights back: a local list of revoked ids and DIDs, and what evidence about a grant can say.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::rights::grant::{self, Link};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What is known of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing speaks against it.
    Valid,
    /// It was taken back.
    Revoked,
    /// Nobody here can tell: refused with `REVOCATION_UNKNOWN`.
    Unknown,
}

/// Where an issuer publishes whether a token still stands: claim `status` (Token Status List).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatusRef {
    /// Place in the list.
    pub index: u64,
    /// Address of the list, and the subject of its token.
    pub uri: String,
}

/// Revoked ids and DIDs, bounded. Threads share it.
///
/// A chain of delegations falls with any of its links: by the link's id, or by the DID of anybody in it.
pub struct RevocationList {
    capacity: usize,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Each id, and the second through which it must be kept.
    ids: HashMap<String, u64>,
    /// Each DID, and the last second of issue that is revoked.
    dids: HashMap<String, u64>,
}

impl RevocationList {
    /// Revokes whatever a DID issues or is granted, at whatever time: for a key that was stolen, whose thief writes the
    /// time of issue as he likes.
    pub const FOR_GOOD: u64 = u64::MAX;

    /// An empty list for that many ids and DIDs.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, kept: RwLock::default() }
    }

    /// Revokes a token or a link of a delegation, and with it everything delegated from it. The entry may be dropped
    /// once `now` passes `keep_until`: give the time of expiry and the verifiers' clock skew, or [`u64::MAX`].
    ///
    /// # Errors
    /// `INVALID_CONFIG` if the list is full, or no token could have that id: nothing was revoked, and nothing forgotten.
    pub fn revoke_id(&self, id: &str, keep_until: u64) -> Result<()> {
        let mut kept = self.write();
        self.check_id_in(&kept, id)?;
        let until = kept.ids.entry(id.to_owned()).or_default();
        *until = keep_until.max(*until);
        Ok(())
    }

    /// Whether that id can be revoked.
    ///
    /// # Errors
    /// Those of [`revoke_id`](Self::revoke_id).
    pub fn check_id(&self, id: &str) -> Result<()> {
        self.check_id_in(&self.read(), id)
    }

    /// Whether that DID can be revoked.
    ///
    /// # Errors
    /// Those of [`revoke_did`](Self::revoke_did).
    pub fn check_did(&self, did: &Did) -> Result<()> {
        let kept = self.read();
        self.make_sure_of_room(&kept, kept.dids.contains_key(did.as_str()))
    }

    fn check_id_in(&self, kept: &Kept, id: &str) -> Result<()> {
        if !grant::is_name(id) {
            return Err(Error::new(ErrorKind::InvalidConfig, "an id is 1 to 512 bytes without control characters"));
        }
        self.make_sure_of_room(kept, kept.ids.contains_key(id))
    }

    /// Revokes every grant that names the DID as issuer or subject and whose `iat` is at most `issued_until`. What is
    /// issued later stands, so that rights can be granted anew; add the clock skew to `now` if issuers' clocks may run
    /// ahead. For a stolen key use [`FOR_GOOD`](Self::FOR_GOOD). The later of two calls' times holds.
    ///
    /// # Errors
    /// `INVALID_CONFIG` if the list is full: nothing was revoked, and nothing forgotten.
    pub fn revoke_did(&self, did: &Did, issued_until: u64) -> Result<()> {
        let mut kept = self.write();
        self.make_sure_of_room(&kept, kept.dids.contains_key(did.as_str()))?;
        let until = kept.dids.entry(did.as_str().to_owned()).or_default();
        *until = issued_until.max(*until);
        Ok(())
    }

    /// Takes the revocation of a DID back, as after a suspension; tells whether there was one. Ids stay revoked.
    pub fn reinstate(&self, did: &Did) -> bool {
        self.write().dids.remove(did.as_str()).is_some()
    }

    /// What the list says of a grant: revoked or not. It knows nothing of status lists.
    #[must_use]
    pub fn standing(&self, link: &Link) -> Standing {
        let kept = self.read();
        let covers = |did: &str| kept.dids.get(did).is_some_and(|until| link.issued_at <= *until);
        if kept.ids.contains_key(&link.id) || covers(&link.issuer) || covers(&link.subject) {
            Standing::Revoked
        } else {
            Standing::Valid
        }
    }

    /// Whether the DID is revoked for what is issued at that time.
    #[must_use]
    pub fn is_revoked(&self, did: &Did, issued_at: u64) -> bool {
        self.read().dids.get(did.as_str()).is_some_and(|until| issued_at <= *until)
    }

    /// Drops the ids that need not be kept any longer.
    pub fn purge(&self, now: u64) {
        let mut kept = self.write();
        kept.ids.retain(|_, until| now <= *until);
        let len = kept.ids.len();
        kept.ids.shrink_to(len.saturating_mul(2));
    }

    /// How many ids and DIDs it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn make_sure_of_room(&self, kept: &Kept, known: bool) -> Result<()> {
        if known || kept.len() < self.capacity {
            return Ok(());
        }
        let why = format!("the revocation list is full with {} entries", self.capacity);
        Err(Error::new(ErrorKind::InvalidConfig, why).with_hint("purge what has expired, or allow more entries"))
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn len(&self) -> usize {
        self.ids.len().saturating_add(self.dids.len())
    }
}
