use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use xbind::Digest;
use zeroize::Zeroizing;

/// `subject_token_type` of it (RFC 8693 section 3).
pub const USER_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The token of a user, from which that of an agent is derived: wiped when dropped.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct UserToken(Zeroizing<String>);

impl UserToken {
    /// The token.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// By which it is known again.
    pub(super) fn digest(&self) -> [u8; 32] {
        *Digest::of(self.0.as_bytes()).as_bytes()
    }
}

/// For the one request in which it goes to the authority.
impl Serialize for UserToken {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.text())
    }
}

impl From<String> for UserToken {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for UserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserToken(..)")
    }
}
