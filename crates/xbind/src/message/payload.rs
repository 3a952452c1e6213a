//! What a JSON body may hold beyond being JSON.

use crate::error::{Error, ErrorKind, Result};
use memchr::memchr2;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 128;

/// Checks the JSON text of a body, as `JSON.stringify` writes it: at most 128 levels of nesting, and no escape of half a
/// surrogate pair (which UTF-8 cannot hold, RFC 8259 section 8.2). One pass; whether it is JSON at all is not checked.
///
/// # Errors
/// `INVALID_PAYLOAD`.
pub fn check_json(text: &str) -> Result<()> {
    let mut depth = 0_usize;
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_string(after)?,
            b'[' | b'{' => {
                depth = depth.saturating_add(1);
                if depth > MAX_DEPTH {
                    return Err(invalid("the payload nests deeper than 128 levels"));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// What follows a string whose opening quote has been read.
fn after_string(text: &[u8]) -> Result<&[u8]> {
    let mut rest = text;
    loop {
        let end = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        rest = match rest.split_at_checked(end).map_or(rest, |(_, from)| from) {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'u', after @ ..] => after_unicode_escape(after)?,
            [b'\\', _, after @ ..] => after,
            _ => return Ok(&[]),
        };
    }
}

/// What follows a `\u` escape whose two first characters have been read, and its other half if it is of a pair.
fn after_unicode_escape(text: &[u8]) -> Result<&[u8]> {
    let lone = || invalid("a string of the payload holds half a surrogate pair");
    match text {
        [b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', _, _, b'\\', b'u', low @ ..] => match low {
            [b'd' | b'D', b'c' | b'd' | b'e' | b'f' | b'C' | b'D' | b'E' | b'F', after @ ..] => Ok(after),
            _ => Err(lone()),
        },
        [b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..] => Err(lone()),
        _ => Ok(text),
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidPayload, message)
}
