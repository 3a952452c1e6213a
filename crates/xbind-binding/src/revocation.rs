//! Taking rights back: lists of what is revoked, and status lists.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xbind::{
    Bits, Error, ErrorKind, Evidence, JwkSet, Link, ListSigner, Result, RevocationList, Standing, StatusList,
    StatusListDraft, StatusLists,
};
use xbind_net::{Documents, Due, Whose};
use xbind_runtime::now;

use crate::did::did;
use crate::key::Key;
use crate::number::{Whole, number, size, time, whole};
use crate::token::Status;

/// A list of that many entries at most.
#[must_use]
pub fn list(capacity: f64) -> Arc<RevocationList> {
    Arc::new(RevocationList::new(size(capacity)))
}

/// How many entries there are.
#[must_use]
pub fn entries(list: &RevocationList) -> f64 {
    list.len().try_into().map_or(0.0, number)
}

/// Forgets what has expired; without a time by that of the system.
pub fn purge(list: &RevocationList, now: Option<f64>) {
    list.purge(time(now));
}

/// Revokes a token; without a time the entry is kept for good. A trial changes nothing.
///
/// # Errors
/// Those of [`RevocationList::revoke_id`].
pub fn revoke_token(list: &RevocationList, id: &str, keep_until: Option<f64>, is_trial: bool) -> Result<()> {
    if is_trial {
        return list.check_id(id);
    }
    list.revoke_id(id, keep_until.map_or(u64::MAX, whole))
}

/// Revokes a DID; without a time whatever it issues or is granted is revoked. A trial changes nothing.
///
/// # Errors
/// `INVALID_DID`, and those of [`RevocationList::revoke_did`].
pub fn revoke_did(list: &RevocationList, subject: &str, issued_until: Option<f64>, is_trial: bool) -> Result<()> {
    if is_trial {
        return list.check_did(&did(subject)?);
    }
    list.revoke_did(&did(subject)?, issued_until.map_or(RevocationList::FOR_GOOD, whole))
}

/// Takes that back; whether there was something to take back.
#[must_use]
pub fn reinstate(list: &RevocationList, subject: &str) -> bool {
    did(subject).is_ok_and(|did| list.reinstate(&did))
}

/// Whether the token of that id is revoked, or what the DID issued then.
#[must_use]
pub fn is_revoked(list: &RevocationList, id: Option<&str>, subject: Option<&str>, issued_at: f64) -> bool {
    let by_id = id.is_some_and(|id| list.standing(&Link { id: id.to_owned(), ..Link::default() }) == Standing::Revoked);
    by_id || subject.is_some_and(|subject| did(subject).is_ok_and(|did| list.is_revoked(&did, whole(issued_at))))
}

/// So many bits of each token.
///
/// # Errors
/// `INVALID_CONFIG` for other numbers than 1, 2, 4 and 8.
fn bits(count: f64) -> Result<Bits> {
    Bits::of(whole(count)).ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "bits is none of 1, 2, 4, 8"))
}

/// A new status list.
///
/// # Errors
/// `INVALID_CONFIG`.
pub fn new_status_list(count: f64, len: f64) -> Result<StatusList> {
    StatusList::new(bits(count)?, whole(len))
}

/// Reads a status list that this DID signed for that address.
///
/// # Errors
/// `INVALID_DID`, and those of [`xbind::read_status_list`].
pub fn read_status_list(text: &str, uri: &str, signer: &str) -> Result<StatusList> {
    let signer = did(signer)?;
    xbind::read_status_list(text, uri, ListSigner::Did(&signer)).map(|signed| signed.list)
}

/// How a status list is to be signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDraft {
    /// Where it will be published.
    pub uri: String,
    /// How long it may be relied upon, in seconds.
    pub lifetime: Whole,
    /// How long a copy may be kept, in seconds.
    pub ttl: Option<Whole>,
    /// The system's time by default.
    pub now: Option<Whole>,
}

/// Sets the status of the token at a place.
///
/// # Errors
/// `INVALID_CONFIG`.
pub fn set_status(count: f64, list: &mut [u8], index: f64, status: u8) -> Result<()> {
    bits(count)?.set(list, whole(index), status)
}

/// The status at a place; none beyond the end.
#[must_use]
pub fn status_at(count: f64, list: &[u8], index: f64) -> Option<u8> {
    bits(count).ok()?.get(list, whole(index))
}

/// How many tokens so many bytes have room for.
#[must_use]
pub fn room(count: f64, bytes: f64) -> f64 {
    number(bits(count).map_or(0, |bits| bits.room(size(bytes))))
}

/// Signs a status list.
///
/// # Errors
/// `INVALID_CONFIG`, `SIGN_FAILED`.
pub fn sign_status_list(key: &Key, count: f64, list: &[u8], draft: &ListDraft) -> Result<String> {
    let ListDraft { uri, lifetime, ttl, now: at } = draft;
    let now = at.map_or_else(now, |Whole(now)| now);
    let draft = StatusListDraft { uri, now, lifetime: lifetime.0, ttl: ttl.map(|Whole(ttl)| ttl) };
    let list = StatusList::from_bytes(bits(count)?, list.to_vec())?;
    key.sign(|key| list.sign(key, &draft))
}

/// Which status lists there is room for, and where they may come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SourcePolicy {
    /// How many lists.
    pub max_lists: Whole,
    /// How many bytes they take together.
    pub max_bytes: Whole,
    /// How long each is relied upon, in seconds.
    pub max_age: Whole,
    /// How old a copy may be before the next is asked for, in seconds.
    pub refresh: Whole,
    /// Where they are fetched from; by default where a trusted issuer's own token points.
    pub origins: Option<Vec<String>>,
}

/// Status lists of others, and which of them have to be fetched.
pub struct ListSource {
    /// Those at hand.
    pub lists: Arc<StatusLists>,
    documents: Documents,
}

/// What has to be done about a list.
#[derive(Debug, Serialize)]
pub struct ListDue {
    /// It has to be fetched, from an address of that kind.
    // ts: 'listed' | 'stranger'
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch: Option<&'static str>,
    /// It is being fetched.
    pub running: bool,
    /// Why it did not come a moment ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl ListSource {
    /// A source without any list.
    #[must_use]
    pub fn new(policy: &SourcePolicy) -> Self {
        let SourcePolicy { max_lists, max_bytes, max_age, refresh, origins } = policy;
        let documents = Documents::new(
            origins.clone().map(|all| all.into_iter().collect()),
            max_lists.size(),
            refresh.0,
            max_age.0,
        );
        let lists = StatusLists::within(max_lists.size(), max_bytes.size(), max_age.0);
        Self { lists: Arc::new(lists.refreshed_after(refresh.0)), documents }
    }

    /// How many bytes the lists take.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        self.lists.bytes().try_into().map_or(0.0, number)
    }

    /// What has to be done about the list that a link names, the first of its token or another. Where that is nothing, guards do
    /// with what is at hand for a while.
    #[must_use]
    pub fn due(&self, issuer: &str, status: &Status, first: bool, now: f64) -> ListDue {
        let due = |fetch: Option<Whose>, running, failure| ListDue { fetch: fetch.map(Whose::name), running, failure };
        let (status, now) = (status.into(), whole(now));
        let found = self.documents.due(&self.lists, issuer, &status, first, now);
        if matches!(found, Due::No | Due::Failed(_)) {
            self.lists.sought(issuer, &status, now);
        }
        match found {
            Due::No => due(None, false, None),
            Due::Fetch(whose) => due(Some(whose), false, None),
            Due::Running => due(None, true, None),
            Due::Failed(why) => due(None, false, Some(why)),
        }
    }

    /// A list that was due at that time came, or did not for this reason.
    pub fn came(&self, issuer: &str, uri: &str, now: f64, failure: Option<&str>) {
        self.documents.came(issuer, uri, whole(now), failure.map(str::to_owned));
    }

    /// Takes in a list by a DID, or with a JWK set by an issuer of another name.
    ///
    /// # Errors
    /// `INVALID_DID`, `INVALID_KEY` (the JWK set), and those of [`StatusLists::put`].
    pub fn put(&self, text: &str, uri: &str, issuer: &str, jwks: Option<&str>, now: f64) -> Result<()> {
        match jwks {
            Some(jwks) => self.lists.put(text, uri, ListSigner::Issuer(issuer, &JwkSet::parse(jwks)?), whole(now)),
            None => self.lists.put(text, uri, ListSigner::Did(&did(issuer)?), whole(now)),
        }
    }

    /// A status, or why there is none.
    ///
    /// # Errors
    /// The word for it: `stale`, `absent` or `unreadable`.
    pub fn ask(&self, issuer: &str, status: &Status, now: f64) -> std::result::Result<u8, &'static str> {
        match self.lists.ask(issuer, &status.into(), whole(now)) {
            Evidence::Fresh(status) => Ok(status),
            Evidence::Stale => Err("stale"),
            Evidence::Absent => Err("absent"),
            Evidence::Unreadable => Err("unreadable"),
        }
    }
}
