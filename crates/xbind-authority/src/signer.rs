//! What signs by one of the authority's keys: the key itself, or whoever keeps it elsewhere.

use std::path::Path;
use std::sync::Arc;

use xbind::{Did, SigningKey};
use xbind_net::signers::{self, KeptKeys, SignerFault};
use xbind_server::files;

use crate::problem::{Problem, Result};
use crate::store::{Fault, fault};

/// The file that names keys which are kept elsewhere: an array, with a secret of none of them.
pub(crate) const FILE: &str = "signers.json";

/// One that signs.
#[derive(Clone)]
pub(crate) enum Signer {
    Here(Arc<SigningKey>),
    Elsewhere(signers::Signer),
    /// One that its place did not tell, and why. Everything that needs it fails until it does.
    Away(Did, SignerFault),
}

impl Signer {
    pub(crate) fn did(&self) -> &Did {
        match self {
            Self::Here(key) => key.did(),
            Self::Elsewhere(signer) => signer.did(),
            Self::Away(did, _) => did,
        }
    }

    pub(crate) const fn is_away(&self) -> bool {
        matches!(self, Self::Away(..))
    }

    pub(crate) const fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// Whether it makes sense to ask for a signature.
    ///
    /// # Errors
    /// `signer-failed`.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Elsewhere(signer) => signer.check().map_err(failed),
            Self::Away(_, why) => Err(failed(why.clone())),
        }
    }

    /// Signs; what comes from elsewhere has been verified.
    ///
    /// # Errors
    /// `signer-failed`, within the time that the signer has.
    pub(crate) async fn sign(&self, text: &str) -> Result<[u8; 64]> {
        match self {
            Self::Here(key) => Ok(key.sign(text.as_bytes())),
            Self::Elsewhere(signer) => signer.sign(text.as_bytes()).await.map_err(failed),
            Self::Away(_, why) => Err(failed(why.clone())),
        }
    }

    /// The same on a thread that may wait.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub(crate) fn sign_and_wait(&self, text: &str) -> Result<[u8; 64]> {
        match self {
            Self::Here(key) => Ok(key.sign(text.as_bytes())),
            Self::Elsewhere(signer) => signer.sign_and_wait(text.as_bytes()).map_err(failed),
            Self::Away(_, why) => Err(failed(why.clone())),
        }
    }
}

fn failed(fault: SignerFault) -> Problem {
    Problem::from(xbind::Error::from(fault))
}

/// What is kept elsewhere for a server.
#[derive(Default)]
pub(crate) struct Elsewhere {
    /// All keys, the newest of each place first.
    pub(crate) signers: Vec<Signer>,
    /// The first place that told none, and why.
    pub(crate) fault: Option<SignerFault>,
}

/// Asks every place that the directory of a server names, one after the other.
///
/// # Errors
/// A file that others may read, or that says nothing.
pub(crate) fn elsewhere(directory: &Path) -> std::result::Result<Elsewhere, Fault> {
    let (path, mut found) = (directory.join(FILE), Elsewhere::default());
    if !files::file(directory, &path)? {
        return Ok(found);
    }
    let wrong = |why: &dyn std::fmt::Display| fault(format!("{}: {why}", path.display()));
    let places: Vec<KeptKeys> = serde_json::from_slice(&std::fs::read(&path)?).map_err(|error| wrong(&error))?;
    for place in places {
        match place.open() {
            Ok(signers) => found.signers.extend(signers.into_iter().map(Signer::Elsewhere)),
            Err(why @ SignerFault::Config(_)) => return Err(wrong(&why)),
            Err(why) => drop(found.fault.get_or_insert(why)),
        }
    }
    Ok(found)
}
