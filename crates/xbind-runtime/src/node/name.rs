//! Names are labels: they select a recipient and prove nothing.

use xbind::{Error, ErrorKind, Result};

/// The most characters of a name.
pub const MAX_NAME: usize = 64;

/// Checks a name: letters, digits, `.`, `_`, `-`, 1 to 64 of them, the first and the last a letter or digit. No name can
/// be mistaken for a DID, because `:` is not among them.
///
/// # Errors
/// `INVALID_NAME`.
pub fn check_name(name: &str) -> Result<()> {
    let bytes = name.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if bytes.len() <= MAX_NAME && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidName, "a name does not follow the grammar of names")
        .with_hint("use 1 to 64 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit"))
}
