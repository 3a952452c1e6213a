//! Status lists at hand, and how far each can be relied upon.

use crate::error::{Error, ErrorKind, Result};
use crate::grant;
use crate::message::DEFAULT_SKEW;
use crate::revocation::StatusRef;
use crate::status_list::{ListSigner, SignedList, read_status_list};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// What a status list says of one token. Only fresh evidence decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its status: 0 stands, anything else does not.
    Fresh(u8),
    /// The list is out of date, or dated in the future.
    Stale,
    /// No list is at hand.
    Absent,
    /// The list could not be read or verified, or does not reach as far as the token's index.
    Unreadable,
}

/// How long a list is relied upon that says nothing else, in seconds since it was signed.
pub const DEFAULT_MAX_LIST_AGE: u64 = 86_400;

/// Signed lists by issuer and address, bounded. Threads share it.
pub struct StatusLists {
    capacity: usize,
    max_age: u64,
    kept: RwLock<HashMap<String, HashMap<String, Kept>>>,
}

enum Kept {
    Unreadable,
    List { list: SignedList, received_at: u64 },
}

impl StatusLists {
    /// Room for that many lists, each relied upon for at most `max_age` seconds after it was signed.
    #[must_use]
    pub fn new(capacity: usize, max_age: u64) -> Self {
        Self { capacity, max_age, kept: RwLock::default() }
    }

    /// Takes a list in that was fetched from `uri` at `now`. A list that cannot be read, or that is older than the one at
    /// hand, never replaces it; nor does one from the future.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it cannot be read, `TOKEN_EXPIRED` if it is older than the one at hand, `TOKEN_NOT_YET_VALID` if
    /// it comes from the future while another is at hand, `INVALID_CONFIG` if there is no room for another.
    pub fn put(&self, text: &str, uri: &str, signer: ListSigner<'_>, now: u64) -> Result<()> {
        if !grant::is_name(uri) {
            return Err(Error::new(ErrorKind::InvalidToken, "no token can name that address"));
        }
        let read = read_status_list(text, uri, signer);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(signer.name()).is_some_and(|lists| lists.contains_key(uri));
        if !known && kept.values().map(HashMap::len).sum::<usize>() >= self.capacity {
            let why = format!("there is room for {} status lists only", self.capacity);
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let lists = kept.entry(signer.name().to_owned()).or_default();
        let list = read.inspect_err(|_| {
            lists.entry(uri.to_owned()).or_insert(Kept::Unreadable);
        })?;
        if let Some(Kept::List { list: held, .. }) = lists.get(uri) {
            check_succession(held, &list, now)?;
        }
        lists.insert(uri.to_owned(), Kept::List { list, received_at: now });
        Ok(())
    }

    /// What is known of a token by that issuer, at `now`.
    #[must_use]
    pub fn ask(&self, issuer: &str, status: &StatusRef, now: u64) -> Evidence {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        match kept.get(issuer).and_then(|lists| lists.get(&status.uri)) {
            None => Evidence::Absent,
            Some(Kept::Unreadable) => Evidence::Unreadable,
            Some(Kept::List { list, received_at }) if !self.is_fresh(list, *received_at, now) => Evidence::Stale,
            Some(Kept::List { list, .. }) => list.list.get(status.index).map_or(Evidence::Unreadable, Evidence::Fresh),
        }
    }

    /// Drops the lists that are so old that none older could be fresh: a list that merely expired stays, so that an older
    /// one, which may live longer, cannot come back in its place.
    pub fn purge(&self, now: u64) {
        let earliest = now.saturating_sub(DEFAULT_SKEW);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        for lists in kept.values_mut() {
            lists.retain(|_, kept| match kept {
                Kept::Unreadable => false,
                Kept::List { list, .. } => earliest <= list.issued_at.saturating_add(self.max_age),
            });
        }
        kept.retain(|_, lists| !lists.is_empty());
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
