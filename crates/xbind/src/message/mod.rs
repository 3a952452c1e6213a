//! The words of a message: what it asks, its id, the digests that bind it, and its limits.

pub mod batch;
pub mod card;
pub(crate) mod claims;
pub(crate) mod content;
pub mod details;
pub mod encryption;
pub(crate) mod flat;
pub(crate) mod jws;
pub(crate) mod kind;
pub(crate) mod open;
pub mod payload;
pub(crate) mod recipient;
pub(crate) mod replay;
pub(crate) mod roots;
pub(crate) mod seal;
pub(crate) mod sender;
pub(crate) mod session;
pub(crate) mod verifier;

use crate::base64;
use crate::error::{Error, ErrorKind};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// The longest JWS, in bytes; the body travels beside it and has its own limit.
pub const MAX_JWS_BYTES: usize = 4096;
/// How long a message lives unless its sender says otherwise, in seconds.
pub const DEFAULT_TTL: u32 = 30;
/// The longest life of a message, in seconds.
pub const MAX_TTL: u32 = 300;
/// The longest life of mail, in seconds: 7 days.
pub const MAX_MAIL_TTL: u32 = 604_800;
/// How far two clocks may differ unless the recipient says otherwise, in seconds.
pub const DEFAULT_SKEW: u64 = 30;
/// The longest media type, in bytes.
pub const MAX_CONTENT_TYPE_BYTES: usize = 127;
/// The usual media type.
pub const JSON: &str = "application/json";

/// `typ` of the protected header: a message is never taken for a token, nor the reverse (RFC 8725 section 3.11).
pub(crate) const TYPE: &str = "agent-msg+jwt";
/// `alg` of a message with a signature of its own.
pub(crate) const ALG_SINGLE: &str = "EdDSA";
/// `alg` of a message that shares the signature of its batch.
pub(crate) const ALG_BATCH: &str = "Ed25519-MT-SHA256";
/// What stands before a digest in `pd` and `rqd`.
pub(crate) const DIGEST_PREFIX: &str = "sha-256:";

macro_rules! ops {
    ($($op:ident = $word:literal, $doc:literal;)*) => {
        /// What a message is for: claim `op`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Op { $(#[doc = $doc] $op),* }

        impl Op {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$op),*];

            /// As it stands in the claim.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$op => $word),* }
            }
        }

        impl FromStr for Op {
            type Err = UnknownOp;

            fn from_str(text: &str) -> Result<Self, UnknownOp> {
                match text {
                    $($word => Ok(Self::$op),)*
                    _ => Err(UnknownOp),
                }
            }
        }
    };
}

ops! {
    Call = "call", "A question.";
    Send = "send", "One way; a receipt is all that comes back.";
    Result = "result", "The value of a call.";
    Error = "error", "The failure of a call or send.";
    Receipt = "receipt", "A call or send stands in the inbox of its recipient, who has no handler for it.";
    Part = "part", "One part of the value of a call.";
    Progress = "progress", "The call is being worked on.";
    Cancel = "cancel", "The caller waits no more.";
    More = "more", "The caller takes further parts.";
    Mail = "mail", "One way, to an agent that may be away; nothing comes back.";
}

impl Op {
    /// The longest life of such a message, in seconds.
    #[must_use]
    pub const fn max_ttl(self) -> u32 {
        if matches!(self, Self::Mail) { MAX_MAIL_TTL } else { MAX_TTL }
    }

    /// Whether it comes from the one asked, and says something of a call that the recipient made.
    #[must_use]
    pub const fn is_reply(self) -> bool {
        matches!(self, Self::Result | Self::Error | Self::Receipt | Self::Part | Self::Progress)
    }

    /// Whether it comes from the caller, and says something of a call that the recipient works on.
    #[must_use]
    pub const fn is_afterthought(self) -> bool {
        matches!(self, Self::Cancel | Self::More)
    }
}

/// The word is no operation of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownOp;

impl fmt::Display for UnknownOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no operation of a message")
    }
}

impl std::error::Error for UnknownOp {}

impl From<UnknownOp> for Error {
    fn from(unknown: UnknownOp) -> Self {
        Self::new(ErrorKind::MalformedMessage, format!("op is {unknown}"))
    }
}

/// 16 random bytes that its sender never uses twice: claim `jti` (RFC 7519 section 4.1.7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId([u8; 16]);

impl MessageId {
    /// The id made of these bytes, which come from a random source.
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
        let mut text = String::with_capacity(22);
        base64::encode_into(&self.0, &mut text);
        text
    }

    /// Reads the 22 characters; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        base64::decode_array(text).map(Self)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

/// A SHA-256 digest (FIPS 180-4). Comparing two takes the same time whether or not they differ.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(jws::sha256(bytes))
    }

    /// The digest that these 32 bytes are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 43 characters of base64url.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(43);
        base64::encode_into(&self.0, &mut text);
        text
    }

    /// Reads `sha-256:` and 43 characters of base64url.
    pub(crate) fn parse_prefixed(text: &str) -> Option<Self> {
        Self::parse(text.strip_prefix(DIGEST_PREFIX)?)
    }

    /// The digest that those 43 characters of base64url spell.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for anything else.
    pub fn of_text(text: &str) -> crate::Result<Self> {
        let none = || Error::new(ErrorKind::InvalidConfig, "that is no SHA-256 in base64url");
        Self::parse(text).ok_or_else(none)
    }

    /// Reads 43 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        base64::decode_array(text).map(Self)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        let (own, others) = (self.0.as_chunks::<8>().0, other.0.as_chunks::<8>().0);
        let differ = |own: &[u8; 8], other: &[u8; 8]| u64::from_ne_bytes(*own) ^ u64::from_ne_bytes(*other);
        own.iter().zip(others).fold(0, |all, (own, other)| all | differ(own, other)).ct_eq(&0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.text())
    }
}

/// The call that a message says something of: claims `irt` and `rqd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InReplyTo {
    /// The call's id.
    pub id: MessageId,
    /// The digest of the call's whole JWS.
    pub digest: Digest,
}

impl InReplyTo {
    /// The call of that id in text, whose whole JWS this is.
    ///
    /// # Errors
    /// `MALFORMED_MESSAGE` for what is no message id.
    pub fn parse(id: &str, jws: &str) -> crate::Result<Self> {
        let no_id = || Error::new(ErrorKind::MalformedMessage, "inReplyTo.id is no message id");
        MessageId::parse(id).ok_or_else(no_id).map(|id| Self::of(id, jws))
    }

    /// The call of that id, whose whole JWS this is.
    #[must_use]
    pub fn of(id: MessageId, jws: &str) -> Self {
        Self { id, digest: Digest::of(jws.as_bytes()) }
    }
}

/// Whether the text is a media type: `type/subtype` (RFC 6838 section 4.2), with parameters or without
/// (RFC 9110 section 8.3.1), printable ASCII, at most 127 bytes.
pub(crate) fn is_content_type(text: &str) -> bool {
    if text == JSON {
        return true; // nearly always
    }
    if text.len() > MAX_CONTENT_TYPE_BYTES {
        return false;
    }
    let (essence, mut rest) = text.split_at(text.find([';', ' ']).unwrap_or(text.len()));
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    if !is_restricted_name(kind) || !is_restricted_name(subtype) {
        return false;
    }
    while !rest.is_empty() {
        let Some(after) = parameter(rest) else { return false };
        rest = after;
    }
    true
}

/// What follows one `; name=value`, the value a token or a quoted string.
fn parameter(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(' ').strip_prefix(';')?.trim_start_matches(' ');
    let (name, value) = text.split_once('=')?;
    if !is_token(name) {
        return None;
    }
    if let Some(mut quoted) = value.strip_prefix('"') {
        loop {
            let end = quoted.find(['"', '\\'])?;
            let (inside, rest) = quoted.split_at(end);
            if !is_printable(inside) {
                return None;
            }
            if let Some(after) = rest.strip_prefix('"') {
                return Some(after);
            }
            let mut escaped = rest.strip_prefix('\\')?.chars();
            escaped.next().filter(|c| matches!(c, ' '..='~'))?;
            quoted = escaped.as_str();
        }
    }
    let (token, rest) = value.split_at(value.find([';', ' ']).unwrap_or(value.len()));
    is_token(token).then_some(rest)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn is_restricted_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
