//! What a caller presents beside its call: a token, an approval of this very call, or both, in one text.

use crate::error::Result;
use crate::rights::approval::MAX_APPROVAL_BYTES;
use crate::rights::grant::{MAX_DELEGATION_BYTES, invalid};

/// The longest text that is presented, in bytes: the longest delegation, a tilde, and the longest approval.
pub const MAX_PRESENTED_BYTES: usize = MAX_DELEGATION_BYTES + 1 + MAX_APPROVAL_BYTES;

/// `<token>`, `<token>~<approval>` or `~<approval>`, taken apart. Each part has the form of a compact JWS; what it says is
/// not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented<'a> {
    /// A token, or a chain of delegations.
    pub token: Option<&'a str>,
    /// The approval of the call.
    pub approval: Option<&'a str>,
}

impl<'a> Presented<'a> {
    /// Takes apart what was presented.
    ///
    /// # Errors
    /// `INVALID_TOKEN` for any other text: an empty one, a part that is not three segments of base64url characters, a
    /// tilde with no approval behind it, a second tilde, or a part that is too long.
    pub fn parse(text: &'a str) -> Result<Self> {
        let (token, approval) = match text.split_once('~') {
            None => (Some(text), None),
            Some(("", approval)) => (None, Some(approval)),
            Some((token, approval)) => (Some(token), Some(approval)),
        };
        let presented = Self { token, approval };
        presented.check()?;
        Ok(presented)
    }

    /// The text to present; `None` if there is nothing to present.
    ///
    /// # Errors
    /// `INVALID_TOKEN` for a part that [`parse`](Self::parse) would refuse.
    pub fn text(&self) -> Result<Option<String>> {
        self.check()?;
        Ok(match (self.token, self.approval) {
            (None, None) => None,
            (Some(token), None) => Some(token.to_owned()),
            (token, Some(approval)) => Some(format!("{}~{approval}", token.unwrap_or_default())),
        })
    }

    fn check(&self) -> Result<()> {
        if self.token.is_some_and(|token| token.len() > MAX_DELEGATION_BYTES) {
            return Err(invalid("the token is longer than 64 KiB"));
        }
        if self.approval.is_some_and(|approval| approval.len() > MAX_APPROVAL_BYTES) {
            return Err(invalid("the approval is longer than 4096 bytes"));
        }
        if [self.token, self.approval].into_iter().flatten().all(is_compact) {
            return Ok(());
        }
        Err(invalid("what is presented is not a token, an approval behind a tilde, or both"))
    }
}

/// Whether a text is three segments of base64url characters, none of them empty.
fn is_compact(text: &str) -> bool {
    let segment = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.bytes().filter(|byte| *byte == b'.').count() == 2 && text.split('.').all(segment)
}
