//! A request that was read and, where its route asks for it, verified; and its answer.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Bytes;
use hyper::http::HeaderMap;
use serde::Deserialize;
use xbind::Did;
use xbind::http::verify::AuthenticRequest;

use crate::app::App;
use crate::problem::{Kind, Problem, Result};

/// What a handler is given.
pub(crate) struct Call {
    /// The server.
    pub app: Arc<App>,
    /// The variable parts of its path, decoded, in their order.
    pub path: Vec<String>,
    /// Members of its query, decoded, each once.
    pub query: Vec<(String, String)>,
    /// Its header fields.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Who signed it, on routes that ask for a signature.
    pub signed: Option<AuthenticRequest>,
    /// Whence it came: of IPv6, its /64.
    pub address: IpAddr,
    /// Seconds since the epoch.
    pub now: u64,
}

impl Call {
    /// A variable part of the path.
    ///
    /// # Errors
    /// `internal` for one that its route does not have.
    pub(crate) fn part(&self, at: usize) -> Result<&str> {
        self.path.get(at).map(String::as_str).ok_or_else(Problem::internal)
    }

    /// Who signed it.
    ///
    /// # Errors
    /// `internal` on a route that asks for no signature.
    pub(crate) fn signed(&self) -> Result<&AuthenticRequest> {
        self.signed.as_ref().ok_or_else(Problem::internal)
    }

    /// The DID of whoever signed it.
    ///
    /// # Errors
    /// As [`signed`](Self::signed).
    pub(crate) fn from(&self) -> Result<Did> {
        Ok(*self.signed()?.from())
    }

    /// The body, read strictly: one object with the members that the route names, each once.
    ///
    /// # Errors
    /// `malformed`.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        // Where an object belongs, the parser would take an array of what is in it as well.
        if self.body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::new(Kind::Malformed, "the body is no JSON object"));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = if error.is_data() { "has not the members of this request" } else { "is no JSON" };
            Problem::new(Kind::Malformed, format!("the body {what}: {error}"))
        })
    }

    /// A member of the query.
    #[must_use]
    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A member of the query that is a whole number.
    ///
    /// # Errors
    /// `malformed`.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>> {
        let read = |text: &str| {
            let wrong = || Problem::new(Kind::Malformed, format!("{name} is no whole number"));
            let number: u64 = text.parse().map_err(|_| wrong())?;
            if number.to_string() == text { Ok(number) } else { Err(wrong()) }
        };
        self.asked(name).map(read).transpose()
    }
}

/// What a handler gives.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub status: u16,
    /// Its media type.
    pub content_type: &'static str,
    /// How long others may keep it, in seconds; not at all without.
    pub max_age: Option<u64>,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// A JSON value that nobody keeps.
    #[must_use]
    pub(crate) fn json(status: u16, value: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self { status, content_type: "application/json", max_age: None, body: body.into() }
    }

    /// Text of that type.
    #[must_use]
    pub(crate) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type, max_age: None, body: text.into() }
    }

    /// Nothing.
    #[must_use]
    pub(crate) const fn empty() -> Self {
        Self { status: 204, content_type: "", max_age: None, body: Bytes::new() }
    }

    /// The same, which others may keep for so many seconds.
    #[must_use]
    pub(crate) const fn kept(mut self, seconds: u64) -> Self {
        self.max_age = Some(seconds);
        self
    }
}

/// What becomes of a call.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;
