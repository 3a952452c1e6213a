//! Status lists at hand, and how far each can be relied upon.

use crate::error::{Error, ErrorKind, Result};
use crate::message::DEFAULT_SKEW;
use crate::rights::grant;
use crate::rights::revocation::StatusRef;
use crate::rights::status_list::{ListSigner, MAX_LIST_BYTES, SignedList, read_status_list};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What a status list says of one token. Only fresh evidence decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its status: 0 stands, anything else does not.
    Fresh(u8),
    /// The list is out of date, or dated in the future.
    Stale,
    /// No list is at hand.
    Absent,
    /// What came could not be read or verified, or the list does not reach as far as the token's index.
    Unreadable,
}

/// How many bytes the lists at hand take together, unless its owner says otherwise.
pub(crate) const DEFAULT_LISTS_BYTES: usize = 64 << 20;

/// After somebody has looked for a list in vain, so many seconds pass before the next does.
const COOLDOWN: u64 = 30;

/// How many addresses are remembered at which no list could be read.
const MAX_UNREADABLE: usize = 64;

/// Signed lists by issuer and address, bounded in number and bytes. Threads share it.
///
/// Only a list whose signature was verified takes a place. Issuers that nobody here trusts share one half of the room, and
/// each has an eighth at most; of the other half, each trusted issuer keeps an equal part whatever the others put in.
pub struct StatusLists {
    room: Room,
    max_age: u64,
    refresh: u64,
    kept: RwLock<Shelves>,
}

/// What there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Room {
    lists: usize,
    bytes: usize,
}

#[derive(Default)]
struct Shelves {
    issuers: HashMap<String, Shelf>,
    /// Issuer and address of what could not be read, for the reason only; the oldest makes room.
    unreadable: VecDeque<(String, String)>,
}

#[derive(Default)]
struct Shelf {
    trusted: bool,
    lists: HashMap<String, Kept>,
}

struct Kept {
    list: SignedList,
    received_at: u64,
    /// When somebody has last looked for the next one in vain; 0 if nobody has.
    sought_at: AtomicU64,
}

impl StatusLists {
    /// Room for that many lists of together 64 MiB, each relied upon for at most `max_age` seconds after
    /// it was signed.
    #[must_use]
    pub fn new(capacity: usize, max_age: u64) -> Self {
        Self::within(capacity, DEFAULT_LISTS_BYTES, max_age)
    }

    /// The same, with room for so many bytes.
    #[must_use]
    pub fn within(capacity: usize, bytes: usize, max_age: u64) -> Self {
        Self { room: Room { lists: capacity, bytes }, max_age, refresh: u64::MAX, kept: RwLock::default() }
    }

    /// The same, of which each has to be asked for again so many seconds after it came. Until the next one comes, it is relied
    /// upon as before.
    #[must_use]
    pub fn refreshed_after(mut self, seconds: u64) -> Self {
        self.refresh = seconds;
        self
    }

    /// Whether the list that answers for that token is to be asked for again: not within 30 seconds after somebody has looked for
    /// it in vain.
    #[must_use]
    pub fn is_due(&self, issuer: &str, status: &StatusRef, now: u64) -> bool {
        self.read().list(issuer, status).is_some_and(|list| self.wants_next(list, now))
    }

    /// Tells that somebody has looked for the list that answers for that token, and that none comes now.
    pub fn sought(&self, issuer: &str, status: &StatusRef, now: u64) {
        if let Some(list) = self.read().list(issuer, status).filter(|list| self.wants_next(list, now)) {
            list.sought_at.store(now, Ordering::Relaxed);
        }
    }

    fn wants_next(&self, list: &Kept, now: u64) -> bool {
        let since = now.checked_sub(list.sought_at.load(Ordering::Relaxed));
        now.saturating_sub(list.received_at) >= self.refresh && since.is_none_or(|since| since >= COOLDOWN)
    }

    /// Tells whose tokens are trusted here: its lists have room whatever strangers put in.
    pub fn trust(&self, issuer: &str) {
        self.write().issuers.entry(issuer.to_owned()).or_default().trusted = true;
    }

    /// Takes a list in that was fetched from `uri` at `now`. A list that cannot be read, or that is older than the one at
    /// hand, never replaces it; nor does one from the future. Of two lists of the same second both count: what one of them
    /// revokes is revoked, and the earlier end holds.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it cannot be read, `TOKEN_EXPIRED` if it is older than the one at hand, or of the same second with
    /// another number of bits, `TOKEN_NOT_YET_VALID` if it comes from the future while another is at hand, `INVALID_CONFIG`
    /// if there is no room for it.
    pub fn put(&self, text: &str, uri: &str, signer: ListSigner<'_>, now: u64) -> Result<()> {
        if !grant::is_name(uri) {
            return Err(Error::new(ErrorKind::InvalidToken, "no token can name that address"));
        }
        let read = read_status_list(text, uri, signer);
        let mut kept = self.write();
        let mut list = read.inspect_err(|_| kept.note_unreadable(signer.name(), uri))?;
        let held = kept.issuers.get(signer.name()).and_then(|shelf| shelf.lists.get(uri));
        if let Some(Kept { list: held, .. }) = held {
            check_succession(held, &list, now)?;
            if held.issued_at == list.issued_at {
                list = held.merged(list)?;
            }
        }
        let (lists, bytes) = held.map_or((0, 0), |held| (1, held.list.size()));
        let more = Room { lists: 1_usize.saturating_sub(lists), bytes: list.size().saturating_sub(bytes) };
        if more != Room::default() && !kept.has_room(signer.name(), more, self.room) {
            let why = "there is no room for another status list of that issuer";
            let hint =
                format!("{} lists and {} bytes in all, less for whom nobody trusts", self.room.lists, self.room.bytes);
            return Err(Error::new(ErrorKind::InvalidConfig, why).with_hint(hint));
        }
        kept.unreadable.retain(|(issuer, at)| issuer != signer.name() || at != uri);
        let shelf = kept.issuers.entry(signer.name().to_owned()).or_default();
        shelf.lists.insert(uri.to_owned(), Kept { list, received_at: now, sought_at: AtomicU64::new(0) });
        Ok(())
    }

    /// What is known of a token by that issuer, at `now`.
    #[must_use]
    pub fn ask(&self, issuer: &str, status: &StatusRef, now: u64) -> Evidence {
        let kept = self.read();
        match kept.list(issuer, status) {
            None if kept.unreadable.iter().any(|(by, at)| by == issuer && *at == status.uri) => Evidence::Unreadable,
            None => Evidence::Absent,
            Some(Kept { list, received_at, .. }) if !self.is_fresh(list, *received_at, now) => Evidence::Stale,
            Some(Kept { list, .. }) => list.list.get(status.index).map_or(Evidence::Unreadable, Evidence::Fresh),
        }
    }

    /// Drops the lists that are so old that none older could be fresh: a list that merely expired stays, so that an older
    /// one, which may live longer, cannot come back in its place.
    pub fn purge(&self, now: u64) {
        let earliest = now.saturating_sub(DEFAULT_SKEW);
        let mut kept = self.write();
        kept.unreadable.clear();
        for shelf in kept.issuers.values_mut() {
            shelf.lists.retain(|_, Kept { list, .. }| earliest <= list.issued_at.saturating_add(self.max_age));
        }
        kept.issuers.retain(|_, shelf| shelf.trusted || !shelf.lists.is_empty());
    }

    /// How many bytes the lists take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.read().issuers.values().fold(0, |sum, shelf| sum.saturating_add(shelf.used().bytes))
    }

    /// A copy may be kept for `ttl` after it came; the list is relied upon until it expires, or is older than allowed.
    fn is_fresh(&self, list: &SignedList, received_at: u64, now: u64) -> bool {
        let latest = now.saturating_add(DEFAULT_SKEW);
        let earliest = now.saturating_sub(DEFAULT_SKEW);
        list.issued_at <= latest
            && list.expires_at.is_none_or(|exp| earliest < exp)
            && earliest <= list.issued_at.saturating_add(self.max_age)
            && list.ttl.is_none_or(|ttl| now <= received_at.saturating_add(ttl))
    }

    fn read(&self) -> RwLockReadGuard<'_, Shelves> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shelves> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn list(&self, issuer: &str, status: &StatusRef) -> Option<&Kept> {
        self.issuers.get(issuer).and_then(|shelf| shelf.lists.get(&status.uri))
    }

    fn note_unreadable(&mut self, issuer: &str, uri: &str) {
        let note = (issuer.to_owned(), uri.to_owned());
        if self.unreadable.contains(&note) {
            return;
        }
        if self.unreadable.len() >= MAX_UNREADABLE {
            self.unreadable.pop_front();
        }
        self.unreadable.push_back(note);
    }

    fn has_room(&self, issuer: &str, more: Room, all: Room) -> bool {
        let own = self.issuers.get(issuer).map(Shelf::used).unwrap_or_default();
        let trusted = self.issuers.get(issuer).is_some_and(|shelf| shelf.trusted);
        let others = || self.issuers.iter().filter(|(name, _)| *name != issuer).map(|(_, shelf)| shelf);
        // Of one half, each trusted issuer keeps its part.
        let friends = self.issuers.values().filter(|shelf| shelf.trusted).count();
        let part = all.part(2).part(friends);
        let taken = others().fold(own.and(more), |sum, shelf| {
            let used = shelf.used();
            sum.and(if shelf.trusted { used.at_least(part) } else { used })
        });
        let strangers = others().filter(|shelf| !shelf.trusted).fold(own.and(more), |sum, shelf| sum.and(shelf.used()));
        let fits =
            trusted || (own.and(more).fits(all.part(8).at_least_one()) && strangers.fits(all.part(2).at_least_one()));
        fits && taken.fits(all)
    }
}

impl Shelf {
    fn used(&self) -> Room {
        let lists = self.lists.values();
        lists.fold(Room::default(), |sum, kept| sum.and(Room { lists: 1, bytes: kept.list.size() }))
    }
}

impl Room {
    const fn and(self, other: Self) -> Self {
        Self { lists: self.lists.saturating_add(other.lists), bytes: self.bytes.saturating_add(other.bytes) }
    }

    const fn fits(self, room: Self) -> bool {
        self.lists <= room.lists && self.bytes <= room.bytes
    }

    fn part(self, parts: usize) -> Self {
        let part = |of: usize| of.checked_div(parts).unwrap_or(0);
        Self { lists: part(self.lists), bytes: part(self.bytes) }
    }

    fn at_least(self, other: Self) -> Self {
        Self { lists: self.lists.max(other.lists), bytes: self.bytes.max(other.bytes) }
    }

    /// One list of any length.
    fn at_least_one(self) -> Self {
        self.at_least(Self { lists: 1, bytes: MAX_LIST_BYTES })
    }
}

/// A list from the future neither replaces one that is at hand, nor stands in the way of the next.
fn check_succession(held: &SignedList, next: &SignedList, now: u64) -> Result<()> {
    let latest = now.saturating_add(DEFAULT_SKEW);
    if next.issued_at > latest {
        Err(Error::new(ErrorKind::TokenNotYetValid, "the status list comes from the future"))
    } else if held.issued_at <= latest && held.issued_at > next.issued_at {
        Err(Error::new(ErrorKind::TokenExpired, "the status list is older than the one at hand"))
    } else {
        Ok(())
    }
}
