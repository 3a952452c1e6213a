//! The authority's own keys: each made once, and kept in a file that nobody else reads. The first one signs the log for good,
//! the last one tokens and answers, and one that was replaced the status lists of its tokens until these are over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xbind::{Did, SigningKey};
use xbind_server::keys;

use crate::domain::authority::{self, Chain, Successor};
use crate::signer::{self, Signer};
use crate::store::{Fault, Store, fault};

/// The first key's file. Others have their number in the name.
const FIRST: &str = "authority.key";

/// Where the key of that place is kept: 0 is the first one.
pub(crate) fn path(directory: &Path, place: usize) -> PathBuf {
    directory.join(if place == 0 { FIRST.to_owned() } else { format!("authority.{place}.key") })
}

/// Whether a file of that name is one of a key.
pub(crate) fn is_key(name: &str) -> bool {
    let place = name.strip_prefix("authority.").and_then(|rest| rest.strip_suffix(".key"));
    name == FIRST || place.is_some_and(|place| !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The key in the file of that place; a new one if there is no file.
///
/// # Errors
/// Those of [`keys::open`].
pub(crate) fn open(directory: &Path, place: usize, passphrase: Option<&str>) -> Result<SigningKey, Fault> {
    keys::open(directory, &path(directory, place), passphrase)
}

/// A key that was never the authority's: where keys are kept elsewhere, one of these, or else that in the file of its place. What was
/// given up there goes.
///
/// # Errors
/// As [`open`]; none that is new where keys are kept elsewhere.
pub(crate) fn fresh(directory: &Path, chain: &Chain, passphrase: Option<&str>) -> Result<Signer, Fault> {
    let elsewhere = signer::elsewhere(directory)?;
    if !elsewhere.signers.is_empty() || elsewhere.fault.is_some() {
        let unused = elsewhere.signers.into_iter().find(|signer| !chain.knows(signer.did()));
        let why = elsewhere.fault.map_or_else(String::new, |why| format!(": {why}"));
        return unused.ok_or_else(|| fault(format!("{} names no key that is new{why}", signer::FILE)));
    }
    let place = chain.successors.len().saturating_add(1);
    let mut key = open(directory, place, passphrase)?;
    if chain.knows(key.did()) {
        std::fs::remove_file(path(directory, place))?;
        key = open(directory, place, passphrase)?;
    }
    Ok(Signer::Here(Arc::new(key)))
}

/// Every key that signs something still, and what each may do.
pub(crate) struct Keys {
    chain: Chain,
    /// What was deleted once it was over is missing.
    held: Vec<Signer>,
}

impl Keys {
    /// The first one, and those that the database says have followed, or are to.
    ///
    /// # Errors
    /// A key that is needed and not there, or is not the one that its statement names. Where a place that keeps keys elsewhere
    /// tells none, it may have had it: that key is away.
    pub(crate) fn read(
        directory: &Path,
        first: SigningKey,
        store: &Store,
        passphrase: Option<&str>,
    ) -> Result<Self, Fault> {
        let wrong = |_| fault("the authority's keys in the database do not follow from authority.key");
        let chain = store.read(|db| authority::chain(db, *first.did())).map_err(wrong)?;
        let now = xbind_runtime::now();
        let mut held = vec![Signer::Here(Arc::new(first))];
        let elsewhere = signer::elsewhere(directory)?;
        let later = chain.signed().skip(1).map(|(did, successor)| (did, Self::is_needed(successor, now)));
        let next = chain.next.iter().map(|next| (&next.read.new, true));
        for (at, (did, is_needed)) in later.chain(next).enumerate() {
            if let Some(signer) = elsewhere.signers.iter().find(|signer| signer.did() == did) {
                held.push(signer.clone());
                continue;
            }
            let path = path(directory, at.saturating_add(1));
            match (keys::read(directory, &path, passphrase)?, &elsewhere.fault) {
                (Some(key), _) if key.did() == did => held.push(Signer::Here(Arc::new(key))),
                (None, _) if !is_needed => {}
                (None, Some(why)) => held.push(Signer::Away(*did, why.clone())),
                _ => {
                    let name = signer::FILE;
                    return Err(fault(format!("{} has not the key {did}, nor does {name} name it", path.display())));
                }
            }
        }
        Ok(Self { chain, held })
    }

    /// The same after a change, with one more key where there is one.
    pub(crate) fn after(&self, chain: Chain, new: Option<Signer>) -> Self {
        Self { chain, held: self.held.iter().cloned().chain(new).collect() }
    }

    /// The first that is away.
    pub(crate) fn away(&self) -> Option<&Signer> {
        self.held.iter().find(|signer| signer.is_away())
    }

    /// The same, with those that were away and have been found.
    pub(crate) fn with(&self, found: &[Signer]) -> Self {
        let find = |held: &Signer| found.iter().find(|signer| held.is_away() && signer.did() == held.did());
        let held = self.held.iter().map(|held| find(held).unwrap_or(held).clone()).collect();
        Self { chain: self.chain.clone(), held }
    }

    /// What each key may do.
    pub(crate) const fn chain(&self) -> &Chain {
        &self.chain
    }

    fn key(&self, did: &Did) -> Option<&Signer> {
        self.held.iter().find(|key| key.did() == did)
    }

    /// The one that signs answers, and tokens to come.
    ///
    /// # Errors
    /// None after [`read`](Self::read), which has seen it.
    pub(crate) fn current(&self) -> crate::problem::Result<&Signer> {
        self.key(self.did()).ok_or_else(crate::problem::Problem::internal)
    }

    /// Its DID.
    pub(crate) fn did(&self) -> &Did {
        self.chain.current()
    }

    /// The one that signs the tokens of a status list, and the list, unless they are over. A doubtful key goes on with its lists:
    /// they say that its tokens do not count.
    pub(crate) fn of_list(&self, list: i64, now: u64) -> Option<&Signer> {
        let place = self.chain.successors.iter().filter(|successor| successor.first_list <= list).count();
        let (did, successor) = self.chain.signed().nth(place)?;
        Self::is_needed(successor, now).then(|| self.key(did)).flatten()
    }

    /// Whether tokens that a key has signed are not over yet.
    fn is_needed(successor: Option<&Successor>, now: u64) -> bool {
        successor.is_none_or(|by| now < by.active_at.saturating_add(authority::OVERLAP).max(by.read.old_until()))
    }
}
