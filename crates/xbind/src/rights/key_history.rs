//! The keys of one agent over time, and what each may do when.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::message::DEFAULT_SKEW;
use crate::rights::rotation::Rotation;

/// How many keys an agent can have had.
pub const MAX_KEYS: usize = 64;

/// Where a key stands at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Announced, and not to be used yet.
    Prepared,
    /// In use.
    Active,
    /// In use beside its successor, for a while.
    Retiring,
    /// Replaced. What it signed in its time stands.
    Retired,
    /// Doubtful from this time on. What it signed before stands.
    Tainted,
    /// Taken back. Nothing that it signed stands, whenever it was signed.
    Revoked,
}

impl KeyState {
    /// Its name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Tainted => "tainted",
            Self::Revoked => "revoked",
        }
    }
}

/// The keys of one agent, from the first on; the first one's DID is the agent's lasting name.
///
/// All who hold the same statements give the same answers: a key becomes active and retires at the times signed in its
/// rotations. An earlier start, taint and revocation are the holder's own verdicts.
#[derive(Clone, Debug)]
pub struct KeyHistory {
    first: Key,
    later: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    did: Did,
    active_from: u64,
    /// When its successor takes over, and when it stops, exclusive.
    succeeded: Option<(u64, u64)>,
    tainted_from: Option<u64>,
    revoked: bool,
}

impl KeyHistory {
    /// The history of an agent whose first key is in use since that second.
    #[must_use]
    pub const fn new(first: Did, active_from: u64) -> Self {
        Self { first: Key::new(first, active_from), later: Vec::new() }
    }

    /// The DID of the first key, which the agent keeps as its name.
    #[must_use]
    pub const fn name(&self) -> &Did {
        &self.first.did
    }

    /// Takes a verified rotation in at `now`, in seconds since the epoch: the successor is prepared, and becomes active
    /// when the rotation says. A rotation that is known already changes nothing.
    ///
    /// # Errors
    /// `TOKEN_NOT_YET_VALID` if the rotation is dated more than 30 s ahead: it would be the one successor of its key, and
    /// let nobody sign until then.
    /// `INVALID_DELEGATION` if the old key is not the latest (so that it has one successor at most), if it is doubtful or
    /// revoked, if it had no right to sign at the time of the statement, if the new key was used before, or after 64 keys.
    pub fn prepare(&mut self, rotation: &Rotation, now: u64) -> Result<()> {
        if self.knows(rotation) {
            return Ok(());
        }
        if self.key(&rotation.new).is_some() {
            return Err(refuse("a key is never used again"));
        }
        if self.later.len().saturating_add(1) >= MAX_KEYS {
            return Err(refuse("an agent has 64 keys at most"));
        }
        let latest = self.later.last_mut().unwrap_or(&mut self.first);
        if latest.did != rotation.old {
            return Err(refuse("the rotation is not by the latest key"));
        }
        // Whatever time the statement gives: it is the signer's word, and a thief would date it back.
        if latest.tainted_from.is_some() {
            return Err(refuse("the old key is doubtful, so it cannot name its successor"));
        }
        if !latest.may_sign(rotation.issued_at) {
            return Err(refuse("the old key had no right to sign when the rotation was signed"));
        }
        if rotation.issued_at > now.saturating_add(DEFAULT_SKEW) {
            let why = format!("the rotation is dated {} s ahead", rotation.issued_at.saturating_sub(now));
            return Err(Error::new(ErrorKind::TokenNotYetValid, why));
        }
        latest.succeeded = Some((rotation.active_from, rotation.old_until()));
        if rotation.is_emergency() {
            latest.taint(rotation.active_from);
        }
        self.later.push(Key::new(rotation.new, rotation.active_from));
        Ok(())
    }

    /// Brings the start of a prepared key forward, as when the one before it was lost; a later start changes nothing.
    /// Tells whether anything has changed.
    pub fn activate(&mut self, did: &Did, from: u64) -> bool {
        let key = self.key_mut(did).filter(|key| from < key.active_from);
        key.map(|key| key.active_from = from).is_some()
    }

    /// Marks a key as doubtful from that second on. The earliest of several such times holds. Tells whether anything has
    /// changed.
    pub fn taint(&mut self, did: &Did, from: u64) -> bool {
        let key = self.key_mut(did).filter(|key| key.tainted_from.is_none_or(|earlier| from < earlier));
        key.map(|key| key.taint(from)).is_some()
    }

    /// Takes a key back, for all times. Tells whether anything has changed.
    pub fn revoke(&mut self, did: &Did) -> bool {
        self.key_mut(did).map(|key| key.revoked = true).is_some()
    }

    /// Where a key stands at that second; `None` for a key that is not the agent's.
    #[must_use]
    pub fn state(&self, did: &Did, at: u64) -> Option<KeyState> {
        self.key(did).map(|key| key.state(at))
    }

    /// Whether a key may sign for the agent at that second.
    #[must_use]
    pub fn may_sign(&self, did: &Did, at: u64) -> bool {
        self.key(did).is_some_and(|key| key.may_sign(at))
    }

    /// Whether a receipt by that key stands that was signed at `signed_at`, asked at any later time. `signed_at` must
    /// come from a witness: who holds a stolen key writes what time he likes.
    #[must_use]
    pub fn verifies(&self, did: &Did, signed_at: u64) -> bool {
        self.may_sign(did, signed_at)
    }

    /// The newest key that may sign at that second.
    #[must_use]
    pub fn current(&self, at: u64) -> Option<&Did> {
        let keys = [&self.first].into_iter().chain(&self.later);
        keys.rev().find(|key| key.may_sign(at)).map(|key| &key.did)
    }

    fn key(&self, did: &Did) -> Option<&Key> {
        [&self.first].into_iter().chain(&self.later).find(|key| key.did == *did)
    }

    /// That key, unless it was taken back, which is for ever.
    fn key_mut(&mut self, did: &Did) -> Option<&mut Key> {
        [&mut self.first].into_iter().chain(&mut self.later).find(|key| key.did == *did && !key.revoked)
    }

    fn knows(&self, rotation: &Rotation) -> bool {
        let span = Some((rotation.active_from, rotation.old_until()));
        let mut pairs = [&self.first].into_iter().chain(&self.later).zip(&self.later);
        pairs.any(|(old, new)| old.did == rotation.old && new.did == rotation.new && old.succeeded == span)
    }
}

impl Key {
    const fn new(did: Did, active_from: u64) -> Self {
        Self { did, active_from, succeeded: None, tainted_from: None, revoked: false }
    }

    fn taint(&mut self, from: u64) {
        self.tainted_from = Some(self.tainted_from.map_or(from, |earlier| earlier.min(from)));
    }

    fn state(&self, at: u64) -> KeyState {
        if self.revoked {
            KeyState::Revoked
        } else if self.tainted_from.is_some_and(|from| from <= at) {
            KeyState::Tainted
        } else if at < self.active_from {
            KeyState::Prepared
        } else {
            match self.succeeded {
                Some((_, until)) if until <= at => KeyState::Retired,
                Some((from, _)) if from <= at => KeyState::Retiring,
                _ => KeyState::Active,
            }
        }
    }

    fn may_sign(&self, at: u64) -> bool {
        matches!(self.state(at), KeyState::Active | KeyState::Retiring)
    }
}

fn refuse(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidDelegation, why)
}
