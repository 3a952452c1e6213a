//! Where a request goes: authority, path and query, each in one spelling.

use std::fmt::Write as _;

use super::MAX_TARGET_BYTES;
use crate::error::{Error, ErrorKind, Result};

/// How a request travels; it says which port needs no mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain, port 80.
    Http,
    /// Over TLS, port 443.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The scheme of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.as_str() == text)
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host, in lower case, and the port if one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// Reads `host` or `host:port`: a name, an IPv4 address or an IPv6 address in brackets. `None` for anything else, such
    /// as user names, percent signs, an empty port or one with zeros before it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end =
            if text.starts_with('[') { text.find(']')?.checked_add(1)? } else { text.find(':').unwrap_or(text.len()) };
        let (host, rest) = text.split_at_checked(end)?;
        let fits = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(address) => address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')),
            None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
        };
        if !fits || host.is_empty() || host.len() > 255 {
            return None;
        }
        let port = match rest {
            "" => None,
            _ => {
                let digits = rest.strip_prefix(':')?;
                let port = digits.parse::<u16>().ok()?;
                (port.to_string() == digits).then_some(Some(port))?
            }
        };
        Some(Self { host: host.to_ascii_lowercase(), port })
    }

    /// Without the port that the scheme implies (RFC 9110 section 4.2.3).
    #[must_use]
    pub fn normal(mut self, scheme: Scheme) -> Self {
        self.port = self.port.filter(|port| *port != scheme.port());
        self
    }

    /// Appends `host` or `host:port`.
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str(&self.host);
        if let Some(port) = self.port {
            write!(out, ":{port}").unwrap_or_default();
        }
    }

    /// `host` or `host:port`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.host.len().saturating_add(6));
        self.write(&mut text);
        text
    }
}

/// What the request line asks for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// As it was sent.
    pub text: &'a str,
    /// Begins with a slash.
    pub path: &'a str,
    /// Without the question mark; none or not empty.
    pub query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reads a target in origin-form: path and query (RFC 9112 section 3.2.1), as they stand there.
    ///
    /// # Errors
    /// `MALFORMED_MESSAGE` for any other form, and for what servers and libraries read in different ways: dot segments, also
    /// with percent signs, backslashes, fragments, broken percent-encoding, a question mark with nothing behind it.
    pub fn parse(text: &'a str) -> Result<Self> {
        let refuse = |why: &'static str| Err(Error::new(ErrorKind::MalformedMessage, why));
        if text.len() > MAX_TARGET_BYTES {
            return refuse("the request target is longer than 8192 bytes");
        }
        if !text.starts_with('/') {
            return Err(Error::new(ErrorKind::MalformedMessage, "the request target does not begin with a slash")
                .with_hint("give path and query as they stand in the request line, no absolute URL"));
        }
        if !text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !b"\"#<>".contains(&byte)) {
            return refuse("the request target holds characters that none may hold");
        }
        if !is_percent_encoded(text) {
            return refuse("a percent sign in the request target begins no byte");
        }
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        if query == Some("") {
            return Err(Error::new(ErrorKind::MalformedMessage, "a question mark without a query")
                .with_hint("leave it out: signed, it is not told from no query"));
        }
        if path.contains('\\') {
            return refuse("a backslash in the path");
        }
        if path.split('/').any(is_dots) {
            return refuse("the path holds dot segments");
        }
        Ok(Self { text, path, query })
    }
}

fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|after| after.get(..2).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())))
}

/// `.` or `..`, however the dots are written.
fn is_dots(segment: &str) -> bool {
    if segment.len() > 6 || segment.is_empty() {
        return false;
    }
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}
