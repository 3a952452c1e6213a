//! Accepting nothing twice: a bounded memory of the messages that are still in time.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::message::MessageId;
use sha2::{Digest as _, Sha256};
use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembers accepted messages until they have expired, and refuses new ones when it is full: it never makes room by
/// forgetting one that could come again.
///
/// However much one sender sends, there is room left for others: a third more than one of them may take.
///
/// Threads share it. An empty one owns no heap; an entry takes at most 160 bytes.
pub struct ReplayWindow {
    /// Of one sender.
    share: usize,
    seen: Mutex<Seen>,
}

/// A place in the window for a message that is being opened: no other copy of it gets in meanwhile. Dropping the
/// reservation gives the place up again.
pub struct Reservation<'a> {
    window: &'a ReplayWindow,
    key: Key,
    sender: u64,
    until: u64,
    committed: bool,
}

/// The first half of the SHA-256 of sender and id. Two messages that share one (2^64 attempts, both by one sender) cost
/// that sender the second of them, and nobody else anything.
type Key = [u8; 16];

#[derive(Default)]
struct Seen {
    /// Every entry, reserved or committed, with the second until which it stays.
    entries: HashMap<Key, u64>,
    /// The committed ones by that second, so that the expired are found without a search, and whose they are.
    by_expiry: BTreeMap<u64, Vec<(Key, u64)>>,
    /// How many each sender has, by a keyed hash, so that nobody can look for a second sender of the same number.
    by_sender: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    hasher: RandomState,
    /// The latest second of which entries were dropped: what expires no later may have been among them.
    forgotten: Option<u64>,
}

/// What is hashed already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, _: &[u8]) {} // only numbers are

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How many expired entries one reservation clears away: more than the one it adds, few enough to go unnoticed.
const SWEEP: usize = 64;
/// Below this many places the tables are not worth shrinking.
const SMALL: usize = 1024;

impl ReplayWindow {
    /// An empty window for that many messages of one sender, and a third more of others.
    #[must_use]
    pub fn new(share: usize) -> Self {
        Self { share, seen: Mutex::default() }
    }

    /// Reserves the place of a message that stays in time until the second `until`, inclusive.
    ///
    /// # Errors
    /// `REPLAYED` if it was accepted before or is being opened right now, and also if the clock went back so far that
    /// it may have been forgotten; `REPLAY_WINDOW_FULL` if no entry has expired that could make room.
    pub fn reserve(&self, sender: &Did, id: &MessageId, until: u64, now: u64) -> Result<Reservation<'_>> {
        let key = key(sender, id);
        let mut seen = self.lock();
        seen.purge(now, SWEEP);
        let Seen { entries, by_sender, hasher, forgotten, .. } = &mut *seen;
        let all = entries.len();
        let place = entries.entry(key);
        if matches!(&place, Entry::Occupied(before) if *before.get() >= now) {
            return Err(Error::new(ErrorKind::Replayed, format!("message {id} was accepted before")));
        }
        if forgotten.is_some_and(|latest| until <= latest) {
            let why = format!("message {id} may have been accepted before: the clock went back");
            return Err(Error::new(ErrorKind::Replayed, why));
        }
        let sender = hasher.hash_one(sender.public_key());
        let own = by_sender.get(&sender).copied().unwrap_or_default();
        let most = self.share.saturating_add(self.share.div_ceil(3));
        if own >= self.share || all >= most {
            let count = if own >= self.share { own } else { all };
            let why = format!("{count} messages are still in time, no other can be remembered");
            return Err(Error::new(ErrorKind::ReplayWindowFull, why)
                .with_hint("allow more tracked messages, or shorten the life of messages"));
        }
        match place {
            Entry::Occupied(mut expired) => *forgotten = (*forgotten).max(Some(expired.insert(until))),
            Entry::Vacant(free) => {
                free.insert(until);
                by_sender.insert(sender, own.saturating_add(1));
            }
        }
        Ok(Reservation { window: self, key, sender, until, committed: false })
    }

    /// Takes back that a message was accepted: nothing came of it, and it may come again. Only for whoever has accepted it.
    pub fn forget(&self, sender: &Did, id: &MessageId) {
        let key = key(sender, id);
        let mut seen = self.lock();
        let sender = seen.hasher.hash_one(sender.public_key());
        if let Some(until) = seen.entries.get(&key).copied() {
            seen.remove(&key, sender, until);
            // It was accepted lately, so it stands near the end.
            if let Some(bucket) = seen.by_expiry.get_mut(&until)
                && let Some(place) = bucket.iter().rposition(|(other, _)| *other == key)
            {
                bucket.swap_remove(place);
            }
            seen.give_back();
        }
    }

    /// Drops what expired before `now` and gives its memory back; reserving does so too, a little at a time.
    pub fn purge(&self, now: u64) {
        self.lock().purge(now, usize::MAX);
    }

    /// How many messages it remembers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether it remembers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation<'_> {
    /// Remembers the message until it has expired.
    pub fn commit(mut self) {
        self.committed = true;
        self.window.lock().by_expiry.entry(self.until).or_default().push((self.key, self.sender));
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.committed {
            let mut seen = self.window.lock();
            seen.remove(&self.key, self.sender, self.until);
            seen.give_back();
        }
    }
}

impl Seen {
    fn purge(&mut self, now: u64, limit: usize) {
        let mut left = limit;
        while let Some(mut bucket) = self.by_expiry.first_entry().filter(|bucket| *bucket.key() < now && left > 0) {
            let until = *bucket.key();
            match bucket.get_mut().pop() {
                Some((key, sender)) => {
                    self.remove(&key, sender, until);
                    self.forgotten = self.forgotten.max(Some(until));
                    left = left.saturating_sub(1);
                }
                None => drop(bucket.remove()),
            }
        }
        if left < limit {
            self.give_back();
        }
    }

    /// Unless a later message took the place over.
    fn remove(&mut self, key: &Key, sender: u64, until: u64) {
        match self.entries.entry(*key) {
            Entry::Occupied(entry) if *entry.get() == until => drop(entry.remove()),
            Entry::Occupied(_) | Entry::Vacant(_) => return,
        }
        if let Entry::Occupied(mut own) = self.by_sender.entry(sender) {
            let left = own.get().saturating_sub(1);
            if left == 0 {
                own.remove();
            } else {
                own.insert(left);
            }
        }
    }

    fn give_back(&mut self) {
        if self.entries.is_empty() {
            let forgotten = self.forgotten;
            drop(mem::replace(self, Self { forgotten, ..Self::default() }));
        } else if self.entries.capacity() > SMALL && self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(self.entries.len().saturating_mul(2));
            self.by_sender.shrink_to(self.by_sender.len().saturating_mul(2));
        }
    }
}

fn key(sender: &Did, id: &MessageId) -> Key {
    let digest = Sha256::new().chain_update(sender.public_key()).chain_update(id.as_bytes()).finalize();
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(digest) {
        *to = from;
    }
    key
}
