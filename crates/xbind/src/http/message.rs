//! Requests and responses as they came, and what of them can be signed.

use std::borrow::Cow;

use super::target::{Authority, Scheme, Target};
use super::{MAX_FIELDS, MAX_FIELDS_BYTES};
use crate::error::{Error, ErrorKind, Result};

/// A request without its body, as it came or is to go.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// How it travels.
    pub scheme: Scheme,
    /// Of a URL or of `:authority` (HTTP/2); without it there is one `Host` field.
    pub authority: Option<&'a str>,
    /// The target of the request line.
    pub target: &'a str,
    /// Names and values in their order, nothing left out or joined.
    pub fields: &'a [(&'a str, &'a str)],
}

/// A response without its body.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// 100 to 599.
    pub status: u16,
    /// Names and values in their order.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Header fields within their bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a [(&'a str, &'a str)]);

pub(crate) fn malformed(why: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::MalformedMessage, why)
}

impl<'a> Fields<'a> {
    fn read(fields: &'a [(&'a str, &'a str)]) -> Result<Self> {
        if fields.len() > MAX_FIELDS {
            return Err(malformed(format!("more than {MAX_FIELDS} header fields")));
        }
        let size = fields
            .iter()
            .fold(0_usize, |sum, (name, value)| sum.saturating_add(name.len()).saturating_add(value.len()));
        if size > MAX_FIELDS_BYTES {
            return Err(malformed(format!("more than {MAX_FIELDS_BYTES} bytes of header fields")));
        }
        for (name, value) in fields {
            if !is_token(name) {
                return Err(malformed("a header field without a proper name"));
            }
            // A line break would be one in the signature base, or the old folding.
            if value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return Err(malformed(format!("a line break in the header field {}", name.to_ascii_lowercase())));
            }
        }
        Ok(Self(fields))
    }

    fn all(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| trimmed(value))
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// All values of a name, joined (RFC 9421 section 2.1).
    pub(crate) fn joined(self, name: &str) -> Result<Option<Cow<'a, str>>> {
        let mut values = self.all(name);
        let Some(first) = values.next() else { return Ok(None) };
        let mut value = Cow::Borrowed(first);
        for next in values {
            let value = value.to_mut();
            value.push_str(", ");
            value.push_str(next);
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(malformed(format!("the header field {name} is not plain ASCII")));
        }
        Ok(Some(value))
    }

    /// The value of a field that comes once.
    pub(crate) fn one(self, name: &str) -> Result<Option<&'a str>> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(malformed(format!("more than one header field {name}")));
        }
        Ok(first)
    }
}

fn trimmed(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Fields that say how a message is to be read; of each there is one at most.
const ONCE: [&str; 7] =
    ["content-type", "content-encoding", "content-digest", "content-length", "authorization", TOKEN, APPROVAL];
/// Where a token travels.
pub const TOKEN: &str = "xbind-token";
/// Where an approval travels.
pub const APPROVAL: &str = "xbind-approval";

/// A request that can be read in one way only.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) target: Target<'a>,
    pub(crate) fields: Fields<'a>,
}

impl<'a> Request<'a> {
    /// Looks at its form.
    ///
    /// # Errors
    /// `MALFORMED_MESSAGE`: bounds, names and values of header fields, several or no `Host`, one that differs from the
    /// authority, a target that [`Target::parse`] refuses, a field twice that says how to read the message.
    pub fn read(head: &RequestHead<'a>) -> Result<Self> {
        let RequestHead { method, scheme, authority, target, fields } = *head;
        if !is_token(method) || method.len() > 32 {
            return Err(malformed("the method is no token of at most 32 characters"));
        }
        let fields = read_fields(fields)?;
        let host = fields.one("host")?;
        let authority_of = |text: &str| {
            let authority = Authority::parse(text).map(|authority| authority.normal(scheme));
            authority.ok_or_else(|| malformed("the authority is no host with or without a port"))
        };
        let named = host.map(authority_of).transpose()?;
        let authority = match (authority.map(authority_of).transpose()?, named) {
            (Some(authority), Some(host)) if authority != host => {
                return Err(malformed("the Host field names another authority than the request"));
            }
            (Some(authority), _) | (None, Some(authority)) => authority,
            (None, None) => return Err(malformed("no Host field")),
        };
        Ok(Self { method, scheme, authority, target: Target::parse(target)?, fields })
    }

    /// The authority that it names.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// A response that can be read in one way only.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) fields: Fields<'a>,
}

impl<'a> Response<'a> {
    /// Looks at its form.
    ///
    /// # Errors
    /// `MALFORMED_MESSAGE`, as for requests.
    pub fn read(head: &ResponseHead<'a>) -> Result<Self> {
        if !(100..=599).contains(&head.status) {
            return Err(malformed("the status is none from 100 to 599"));
        }
        Ok(Self { status: head.status, fields: read_fields(head.fields)? })
    }
}

fn read_fields<'a>(fields: &'a [(&'a str, &'a str)]) -> Result<Fields<'a>> {
    let fields = Fields::read(fields)?;
    ONCE.iter().try_for_each(|name| fields.one(name).map(drop))?;
    Ok(fields)
}
