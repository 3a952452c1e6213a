//! Kinds of signed statements that live for a while: what their makers and readers check alike.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::message::jws::{self, Compact, Header, Text};
use crate::rights::grant::invalid;
use crate::time::{self, Untimely};

/// A kind of statement.
pub(crate) struct Kind {
    /// `typ` of the protected header.
    pub(crate) typ: &'static str,
    /// Its name with its article, as in `a card`.
    pub(crate) one: &'static str,
    /// The same of a certain one, as in `the card`.
    pub(crate) this: &'static str,
    /// The longest statement, in bytes.
    pub(crate) max_bytes: usize,
    /// The longest life, in seconds.
    pub(crate) max_ttl: u64,
}

impl Kind {
    /// When one that is made now expires.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a life outside its bounds.
    pub(crate) fn expiry(&self, now: u64, ttl: u64) -> Result<u64> {
        let expires_at = now.checked_add(ttl).filter(|_| (1..=self.max_ttl).contains(&ttl));
        let why = || format!("{} lives 1 to {} s", self.one, self.max_ttl);
        expires_at.ok_or_else(|| Error::new(ErrorKind::InvalidConfig, why()))
    }

    /// Takes one apart.
    pub(crate) fn split<'a>(&self, text: &'a str) -> Result<Compact<'a>> {
        if text.len() > self.max_bytes {
            return Err(invalid(format!("{} is longer than {} bytes", self.this, self.max_bytes)));
        }
        jws::split(text).ok_or_else(|| invalid(format!("{} is not a compact JWS", self.this)))
    }

    /// Reads its `kid` and its claims.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&self, parts: &'a Compact<'_>) -> Result<(Text<'a>, T)> {
        let header = Header::parse(&parts.header)
            .filter(|header| *header.typ == *self.typ)
            .ok_or_else(|| invalid(format!("the header is not that of {}", self.one)))?;
        let claims = jws::parse_object(&parts.payload)
            .ok_or_else(|| invalid(format!("the claims are not those of {}", self.one)))?;
        Ok((header.kid, claims))
    }

    pub(crate) fn check_life(&self, issued_at: u64, expires_at: u64) -> Result<()> {
        if issued_at < expires_at && expires_at.saturating_sub(issued_at) <= self.max_ttl {
            return Ok(());
        }
        Err(invalid(format!("{} does not live 1 to {} s", self.this, self.max_ttl)))
    }

    pub(crate) fn check_time(&self, issued_at: u64, expires_at: u64, now: u64, skew: u64) -> Result<()> {
        time::check(issued_at, expires_at, now, skew).map_err(|untimely| match untimely {
            Untimely::Early(by) => {
                Error::new(ErrorKind::TokenNotYetValid, format!("{} was issued {by} s in the future", self.this))
            }
            Untimely::Late(by) => Error::new(ErrorKind::TokenExpired, format!("{} expired {by} s ago", self.this)),
        })
    }
}
