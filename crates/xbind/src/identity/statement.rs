//! What keys sign for this project, so that nobody is made to sign it unawares.

use std::iter;

use memchr::memmem;

use crate::cluster::{callout, connection, heartbeat, mailbox, name, presence, stop};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::key::SigningKey;
use crate::message::{self, card};
use crate::record::head;
use crate::rights::{approval, assertion, dpop, grant, rotation, status_list};

/// `typ` of whatever is signed as a JWS; of what is signed for NATS `alg`, because it shares its `typ` with the world.
pub(crate) const TYPES: [&str; 18] = [
    message::TYPE,
    card::TYPE,
    grant::TOKEN_TYPE,
    grant::LINK_TYPE,
    approval::TYPE,
    assertion::TYPE,
    dpop::TYPE,
    rotation::TYPE,
    status_list::TYPE,
    head::TYPE,
    head::WITNESS_TYPE,
    presence::TYPE,
    mailbox::TYPE,
    name::TYPE,
    stop::TYPE,
    heartbeat::TYPE,
    connection::TYPE,
    callout::ALG,
];

/// How the context begins before whatever else is signed.
pub(crate) const CONTEXTS: &str = "xbind-";

/// What stands in every signature base of HTTP (RFC 9421 section 2.5), and only there.
const SIGNATURE_BASE: &[u8] = b"\"@signature-params\"";

/// What the claims of a client assertion begin their members with (RFC 7523 section 3). It shares its `typ` with the world, too:
/// what tells it is that a DID says this of itself.
const ASSERTION: [&str; 5] = ["\"iss\":\"did:", "\"sub\":\"did:", "\"aud\":", "\"exp\":", "\"jti\":"];

/// Whether somebody could take these bytes for a statement of this project: they begin with `xbind-`, what stands before the
/// first full stop may pass for the header of a JWS (RFC 7515 section 5.1) with one of its types, or what stands behind it for the
/// claims of a client assertion, or they hold what only the signature base of an HTTP message does. The header is read as leniently as anybody might: either alphabet of base64, with
/// or without padding, and with other characters in between; JSON with any escapes; `typ` in any case and with any prefix, and
/// wherever it stands.
#[must_use]
pub fn is_statement(data: &[u8]) -> bool {
    let begins = |text: &str| data.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()));
    begins(CONTEXTS)
        || memmem::find(data, SIGNATURE_BASE).is_some()
        || header(data)
            .is_some_and(|header| names_type(header, false) || (header.contains(&b'=') && names_type(header, true)))
        || is_assertion(data)
}

/// What stands before the first full stop, but for what nobody reads.
fn header(data: &[u8]) -> Option<&[u8]> {
    let begin = data.iter().position(|byte| digit(*byte).is_some())?;
    let (_, data) = data.split_at_checked(begin)?;
    let end = data.iter().position(|byte| *byte == b'.')?;
    data.get(..end)
}

fn names_type(header: &[u8], anew: bool) -> bool {
    let json = unescaped(&String::from_utf8_lossy(&decoded(header, anew)));
    TYPES.iter().any(|typ| json.contains(typ))
}

fn is_assertion(data: &[u8]) -> bool {
    let Some(claims) = data.split(|byte| *byte == b'.').nth(1) else { return false };
    let json = unescaped(&String::from_utf8_lossy(&decoded(claims, false)));
    ASSERTION.iter().all(|member| json.contains(member))
}

/// Base64 of both alphabets. Other characters are skipped; some decoders begin `anew` after padding.
fn decoded(text: &[u8], anew: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0_u32);
    for character in text {
        match digit(*character) {
            Some(digit) => {
                bits = (bits << 6) | digit;
                count = count.saturating_add(6);
                if count >= 8 {
                    count = count.saturating_sub(8);
                    let [.., byte] = (bits >> count).to_be_bytes();
                    bytes.push(byte);
                }
            }
            None if anew && *character == b'=' => count = 0,
            None => {}
        }
    }
    bytes
}

fn digit(character: u8) -> Option<u32> {
    let from = |first: u8, value: u32| u32::from(character.saturating_sub(first)).saturating_add(value);
    match character {
        b'A'..=b'Z' => Some(from(b'A', 0)),
        b'a'..=b'z' => Some(from(b'a', 26)),
        b'0'..=b'9' => Some(from(b'0', 52)),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// The text without white space and control characters, in lower case, its escapes resolved.
fn unescaped(json: &str) -> String {
    let mut characters = json.chars().filter(|c| !c.is_control() && !c.is_whitespace());
    let mut text = String::with_capacity(json.len());
    let mut push = |c: char| text.extend(c.to_uppercase().flat_map(char::to_lowercase));
    while let Some(first) = characters.next() {
        let digits = match first {
            '\\' => match characters.next() {
                Some('u' | 'U') => 4,
                Some('x' | 'X') => 2,
                Some(other) => {
                    push(other);
                    continue;
                }
                None => break,
            },
            other => {
                push(other);
                continue;
            }
        };
        let code = iter::from_fn(|| characters.next()).take(digits).collect::<String>();
        u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).map(&mut push);
    }
    text
}

impl SigningKey {
    /// Signs bytes that somebody else may have made.
    ///
    /// # Errors
    /// `SIGN_FAILED` for what [`is_statement`] takes for a statement of this project.
    pub fn sign_data(&self, data: &[u8]) -> Result<[u8; 64]> {
        if is_statement(data) {
            return Err(Error::new(
                ErrorKind::SignFailed,
                "the bytes have the shape of a message, token or other statement",
            )
            .with_hint("make statements with the functions for them, or sign any bytes with dangerouslySign"));
        }
        Ok(self.sign(data))
    }
}
