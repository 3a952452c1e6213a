//! What the server hands out and knows again without remembering it: text that is authenticated with a key which lives as
//! long as the process. Strangers can ask for as many as they like, and nothing grows.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::problem::{Problem, Result};

/// Id, expiry and authenticator.
const LEN: usize = 16 + 8 + 32;

/// The key, and what it authenticates.
pub(crate) struct Tickets {
    key: Zeroizing<[u8; 32]>,
}

/// One that was known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// No two have the same.
    pub id: [u8; 16],
    /// Its last second.
    pub expires_at: u64,
}

impl Tickets {
    /// With a new key: what was handed out before is not known any more.
    ///
    /// # Errors
    /// `internal` without a random source.
    pub(crate) fn new() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        xbind_runtime::random(&mut *key)?;
        Ok(Self { key })
    }

    /// One for this purpose, about these texts.
    ///
    /// # Errors
    /// `internal` without a random source.
    pub(crate) fn issue(&self, purpose: &str, about: &[&str], expires_at: u64) -> Result<String> {
        let mut id = [0; 16];
        xbind_runtime::random(&mut id)?;
        let ticket = Ticket { id, expires_at };
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend(id);
        bytes.extend(expires_at.to_be_bytes());
        bytes.extend(self.authenticator(purpose, about, ticket)?.finalize().into_bytes());
        Ok(BASE64URL_NOPAD.encode(&bytes))
    }

    /// The one that was issued for this purpose, about exactly these texts, if it has not expired.
    #[must_use]
    pub(crate) fn check(&self, text: &str, purpose: &str, about: &[&str], now: u64) -> Option<Ticket> {
        if text.len() != BASE64URL_NOPAD.encode_len(LEN) {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (expires_at, authenticator) = rest.split_first_chunk::<8>()?;
        let ticket = Ticket { id: *id, expires_at: u64::from_be_bytes(*expires_at) };
        self.authenticator(purpose, about, ticket).ok()?.verify_slice(authenticator).ok()?;
        (now <= ticket.expires_at).then_some(ticket)
    }

    /// Each text with its length before it, so that no two lists of texts are the same bytes.
    fn authenticator(&self, purpose: &str, about: &[&str], ticket: Ticket) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key).map_err(|_| Problem::internal())?;
        mac.update(&ticket.id);
        mac.update(&ticket.expires_at.to_be_bytes());
        for text in [purpose].iter().chain(about) {
            mac.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(text.as_bytes());
        }
        Ok(mac)
    }
}
