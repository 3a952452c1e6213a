//! The name of a replay window: which memory a call is meant for.

use crate::base64;
use crate::error::{Error, ErrorKind};
use std::fmt;

/// 16 random bytes that name a replay window: claim `ses`. Whoever shares the window shares its name, and a window that
/// begins anew has a new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session([u8; 16]);

impl Session {
    /// The name made of these bytes, which come from a random source.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// 22 characters of base64url, as in the claim.
    #[must_use]
    pub fn text(&self) -> String {
        base64::encode(&self.0)
    }

    /// Reads the 22 characters.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for anything else.
    pub fn parse(text: &str) -> crate::Result<Self> {
        let no_name = || Error::new(ErrorKind::InvalidConfig, "a session is 16 bytes in base64url without padding");
        Self::read(text).ok_or_else(no_name)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        base64::decode_array(text).map(Self)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.text())
    }
}
