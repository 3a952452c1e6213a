//! What signs by one of the authority's keys: the key itself, or whoever keeps it elsewhere.

use std::path::Path;
use std::sync::Arc;

use xbind::{Did, SigningKey};
use xbind_net::signers::{self, KeptKeys};

use crate::files;
use crate::problem::{Problem, Result};
use crate::store::{Fault, fault};

/// The file that names keys which are kept elsewhere: an array, with a secret of none of them.
pub(crate) const FILE: &str = "signers.json";

/// One that signs.
#[derive(Clone)]
pub(crate) enum Signer {
    Here(Arc<SigningKey>),
    Elsewhere(signers::Signer),
}

impl Signer {
    pub(crate) fn did(&self) -> &Did {
        match self {
            Self::Here(key) => key.did(),
            Self::Elsewhere(signer) => signer.did(),
        }
    }

    /// Whether it makes sense to ask for a signature.
    ///
    /// # Errors
    /// `signer-failed`.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Elsewhere(signer) => signer.check().map_err(failed),
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
        }
    }
}

fn failed(fault: signers::SignerFault) -> Problem {
    Problem::from(xbind::Error::from(fault))
}

/// All keys that are kept elsewhere for the server of that directory, the newest of each place first.
///
/// # Errors
/// A file that others may read, or that says nothing; keys that cannot be asked for.
pub(crate) fn elsewhere(directory: &Path) -> std::result::Result<Vec<Signer>, Fault> {
    let path = directory.join(FILE);
    if !files::file(directory, &path)? {
        return Ok(Vec::new());
    }
    let wrong = |why: &dyn std::fmt::Display| fault(format!("{}: {why}", path.display()));
    let places: Vec<KeptKeys> = serde_json::from_slice(&std::fs::read(&path)?).map_err(|error| wrong(&error))?;
    let mut found = Vec::new();
    for place in places {
        let signers = place.open().map_err(|error| wrong(&error))?;
        found.extend(signers.into_iter().map(Signer::Elsewhere));
    }
    Ok(found)
}
