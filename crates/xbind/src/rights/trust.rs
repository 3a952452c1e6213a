//! Whose tokens are accepted.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::jwks::JwkSet;
use crate::rights::grant;
use std::collections::{HashMap, HashSet};

/// Whose tokens are accepted; nobody's, to begin with.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    dids: HashSet<Did>,
    pub(crate) issuers: HashMap<String, JwkSet>,
    /// By what they are called here.
    pub(crate) authorities: Vec<String>,
    /// The DIDs that these have now.
    pub(crate) followed: Vec<Did>,
}

impl Trust {
    /// Trusts a DID: its key is its name.
    #[must_use]
    pub fn with_did(mut self, did: Did) -> Self {
        self.dids.insert(did);
        self
    }

    /// Trusts an issuer by the exact text of its `iss`, for tokens signed with one of these keys. An empty set stands
    /// for keys that are still to be fetched.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a name that is a DID, empty, longer than 512 bytes, or has control characters in it.
    pub fn with_issuer(mut self, issuer: &str, keys: JwkSet) -> Result<Self> {
        if issuer.starts_with("did:") || !grant::is_name(issuer) {
            let why = "an issuer with a JWK set is named by an address, not a DID";
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        self.issuers.insert(issuer.to_owned(), keys);
        Ok(self)
    }

    /// Trusts an authority whose DID changes, by what it is to be called where somebody has to ask it. A
    /// [`Judge`](crate::Judge) asks for its keys.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a name that another has.
    pub fn with_authority(mut self, name: &str) -> Result<Self> {
        if self.authorities.iter().any(|other| other == name) {
            let why = format!("trust names {name} twice");
            return Err(Error::new(ErrorKind::InvalidConfig, why).with_hint("name it once, by a DID that it had"));
        }
        self.authorities.push(name.to_owned());
        Ok(self)
    }

    /// Who is trusted: DIDs, and issuers by name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.dids.iter().map(Did::as_str).chain(self.issuers.keys().map(String::as_str))
    }

    /// Whether tokens of that DID are accepted.
    pub(crate) fn counts(&self, did: &Did) -> bool {
        self.dids.contains(did) || self.followed.contains(did)
    }
}
