//! What all statements of a cluster have in common.

use crate::cluster::namespace::Namespace;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::VerifyingKey;
use crate::message::jws::{self, Compact};
use crate::message::kind::Kind;
use crate::rights::grant::invalid;

/// The claims that each of them has, as they stand there. One without an end expires at the end of time.
pub(crate) struct Common<'a> {
    pub(crate) kid: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) issued_at: u64,
    pub(crate) expires_at: u64,
}

/// Who reads it, and when.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) now: u64,
    pub(crate) clock_skew: u64,
}

impl Common<'_> {
    /// Who signed it; those alone may whom `is_trusted` names.
    pub(crate) fn verify(
        &self,
        kind: &Kind,
        parts: &Compact<'_>,
        reading: Reading<'_>,
        is_trusted: impl FnOnce(&Did) -> bool,
    ) -> Result<Did> {
        let key = VerifyingKey::from_did(self.issuer).map_err(|_| invalid("the claim iss is no DID"))?;
        if !is_trusted(key.did()) {
            let why = format!("{} is by nobody who may sign it", kind.this);
            return Err(Error::new(ErrorKind::UntrustedIssuer, why));
        }
        if self.audience != reading.namespace.as_str() {
            let why = format!("{} is for another namespace", kind.this);
            return Err(Error::new(ErrorKind::WrongAudience, why));
        }
        if !jws::names_key(self.kid, key.did()) {
            return Err(invalid("the header's kid is not the key of iss"));
        }
        kind.check_time(self.issued_at, self.expires_at, reading.now, reading.clock_skew)?;
        if !parts.is_signed_by(&key) {
            return Err(invalid(format!("{} is not signed by its issuer", kind.this)));
        }
        Ok(*key.did())
    }
}
