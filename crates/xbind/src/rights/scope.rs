//! Scopes: the rights that a token names. What no scope covers is denied.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// The longest scope, in bytes.
pub const MAX_SCOPE_BYTES: usize = 128;
/// How many scopes a set holds at most.
pub const MAX_SCOPES: usize = 64;
/// The longest set, in bytes of its text.
pub(crate) const MAX_SCOPES_BYTES: usize = 4096;

/// One right: segments of letters, digits, `_` and `-`, parted by `:` or `.` (`read:payments`, `invoice.read`).
///
/// A last segment `*` covers everything below: `invoice.*` covers `invoice.read` and `invoice.read.lines`, but neither
/// `invoice` itself nor `invoice:read`. A `*` alone is no scope: whoever grants everything must name what it consists
/// of, so that the next right to be invented is not granted already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope<'a>(&'a str);

impl<'a> Scope<'a> {
    /// Reads one scope.
    ///
    /// # Errors
    /// `INVALID_CONFIG`.
    pub fn parse(text: &'a str) -> Result<Self> {
        if is_scope(text) {
            Ok(Self(text))
        } else {
            Err(refuse("a scope is not segments of A-Z, a-z, 0-9, _ and -, parted by : or ."))
        }
    }

    /// As it stands in the claim.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether who holds this right holds the other too.
    #[must_use]
    pub fn covers(self, other: Scope<'_>) -> bool {
        match self.0.strip_suffix('*') {
            // What is before the star ends in a separator, and no scope does: whatever begins so goes on, below it.
            Some(above) => other.0.starts_with(above),
            None => self.0 == other.0,
        }
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Rights together, in the order given: claim `scope` (RFC 6749 section 3.3, RFC 8693 section 4.2).
///
/// At most 64, none twice. The empty set grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet {
    text: String,
}

impl ScopeSet {
    /// The set that grants nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self { text: String::new() }
    }

    /// Reads scopes parted by single spaces; the empty text is the empty set.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a scope outside the grammar, one given twice, other white space, or too many.
    pub fn parse(text: &str) -> Result<Self> {
        check(text)?;
        Ok(Self { text: text.to_owned() })
    }

    /// The set of these scopes.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn of<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut text = String::new();
        for (scope, n) in scopes.into_iter().zip(0..=MAX_SCOPES) {
            if n > 0 {
                text.push(' ');
            }
            text.push_str(Scope::parse(scope.as_ref())?.as_str());
        }
        check(&text)?;
        Ok(Self { text })
    }

    /// As it stands in the claim: parted by single spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Each scope, in order.
    pub fn iter(&self) -> impl Iterator<Item = Scope<'_>> {
        parts(&self.text).map(Scope)
    }

    /// Whether it grants nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether one of its scopes covers this one.
    #[must_use]
    pub fn covers(&self, scope: Scope<'_>) -> bool {
        self.iter().any(|held| held.covers(scope))
    }

    /// The first scope of the other set that it does not cover; none if the other is no wider.
    #[must_use]
    pub fn first_missing<'a>(&self, other: &'a Self) -> Option<Scope<'a>> {
        other.iter().find(|scope| !self.covers(*scope))
    }

    /// A hint that names what is held.
    pub(crate) fn held(&self) -> String {
        if self.is_empty() { "no scope is held".to_owned() } else { format!("held: {self}") }
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn check(text: &str) -> Result<()> {
    if text.len() > MAX_SCOPES_BYTES {
        return Err(refuse("the scopes are longer than 4096 bytes"));
    }
    if parts(text).nth(MAX_SCOPES).is_some() {
        return Err(refuse("there are more than 64 scopes"));
    }
    for (at, scope) in parts(text).enumerate() {
        Scope::parse(scope)?;
        if parts(text).take(at).any(|before| before == scope) {
            return Err(refuse("a scope is given twice"));
        }
    }
    Ok(())
}

/// The empty text has no parts, rather than an empty one.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').take(if text.is_empty() { 0 } else { usize::MAX })
}

fn is_scope(text: &str) -> bool {
    let segments = text.strip_suffix(":*").or_else(|| text.strip_suffix(".*")).unwrap_or(text);
    text.len() <= MAX_SCOPE_BYTES && segments.split([':', '.']).all(is_segment)
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn refuse(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, why)
        .with_hint("give at most 64 different scopes like reports:write or invoice.*, of 128 bytes each")
}
