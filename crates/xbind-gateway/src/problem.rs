//! What a refused request is told: a problem (RFC 9457) that clients of models read as an error of theirs.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use xbind::ErrorKind;

use crate::api::Api;

macro_rules! kinds {
    ($($kind:ident = $slug:literal, $status:literal, $error:literal, $title:literal;)*) => {
        /// What went wrong. Types are added, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Kind { $(#[doc = $title] $kind),* }

        impl Kind {
            /// The last part of its type, `urn:xbind:problem:<slug>`.
            pub(crate) const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug),* }
            }

            /// The status of the response.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$kind => $status),* }
            }

            /// What clients of models call it.
            const fn error(self) -> &'static str {
                match self { $(Self::$kind => $error),* }
            }

            /// What it is, for people.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),* }
            }
        }
    };
}

kinds! {
    Malformed = "malformed", 400, "invalid_request_error", "The request cannot be read";
    NotProven = "not-proven", 401, "authentication_error", "The request does not prove who sends it";
    BudgetExhausted = "budget-exhausted", 402, "billing_error", "The budget does not cover what the request may cost";
    NotPermitted = "not-permitted", 403, "permission_error", "Whoever sends it may not ask for this";
    ScopeDenied = "scope-denied", 403, "permission_error", "The token does not grant that scope";
    Revoked = "revoked", 403, "permission_error", "The token was revoked, or somebody in it";
    ApprovalRequired = "approval-required", 403, "permission_error", "Somebody has to approve what may cost so much";
    NotFound = "not-found", 404, "not_found_error", "There is no such path";
    UnknownModel = "unknown-model", 404, "not_found_error", "There is no such model here";
    MethodNotAllowed = "method-not-allowed", 405, "invalid_request_error", "The path does not take this method";
    TooSlow = "too-slow", 408, "timeout_error", "The body did not come in time";
    Replayed = "replayed", 409, "invalid_request_error", "The request was accepted before";
    TooLarge = "too-large", 413, "request_too_large", "The body is too large";
    TargetTooLong = "target-too-long", 414, "invalid_request_error", "The request target is too long";
    MediaType = "media-type", 415, "invalid_request_error", "The body is of another media type";
    RateLimited = "rate-limited", 429, "rate_limit_error", "Too many requests";
    Internal = "internal", 500, "api_error", "A fault of the gateway";
    UpstreamFailed = "upstream-failed", 502, "api_error", "The model's server has failed";
    Busy = "busy", 503, "overloaded_error", "The gateway has too much to do";
    RevocationUnknown = "revocation-unknown", 503, "api_error", "Nobody can tell whether the token was revoked";
    AuditFailed = "audit-failed", 503, "api_error", "The request could not be put on record, so it was not made";
    UpstreamSlow = "upstream-slow", 504, "timeout_error", "The model's server did not answer in time";
}

/// The result of everything that a request asks for.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// A refusal: its kind, one sentence, the code of the core if it comes from there, and when to come again.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    code: Option<&'static str>,
    retry_after: Option<u64>,
    is_final: bool,
    cause: Option<String>,
}

impl Problem {
    /// A refusal of that kind. `detail` is one sentence, lower case, without a full stop.
    pub(crate) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = (kind.status() == 503).then_some(1);
        Self {
            kind,
            detail: detail.into(),
            code: None,
            retry_after,
            is_final: matches!(kind, Kind::BudgetExhausted | Kind::Replayed),
            cause: None,
        }
    }

    /// The request cannot be read.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Malformed, detail)
    }

    /// A fault that says nothing of itself to strangers.
    pub(crate) fn internal() -> Self {
        Self::new(Kind::Internal, "the gateway has failed at this, and its log says why")
    }

    /// The same, with what the log says of it and nobody else is told.
    #[must_use]
    pub(crate) fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Seconds to wait.
    #[must_use]
    pub(crate) const fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same, of which nobody knows how far it came: who sends it again may pay twice.
    #[must_use]
    pub(crate) const fn once(mut self) -> Self {
        self.is_final = true;
        self
    }

    /// Whether a client that sends it again by itself wins nothing, or pays twice.
    pub(crate) const fn is_final(&self) -> bool {
        self.is_final
    }

    /// What went wrong.
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// One sentence.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// What the log says of it.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// When to come again, in seconds.
    pub(crate) const fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// The code under which it stands in the log.
    pub(crate) fn record_code(&self) -> String {
        self.code.map_or_else(|| self.kind.slug().to_ascii_uppercase().replace('-', "_"), str::to_owned)
    }

    /// The JSON of the response to a request of that kind.
    pub(crate) fn json(&self, api: Option<Api>) -> String {
        let urn = format!("urn:xbind:problem:{}", self.kind.slug());
        let code = self.code.unwrap_or(self.kind.slug());
        let error = match api {
            Some(Api::Generate | Api::OllamaChat) => json!(self.detail),
            _ => json!({ "message": self.detail, "type": self.kind.error(), "code": code, "param": null }),
        };
        let mut members = Map::new();
        // Clients of that API look for this word there.
        let is_typed = api == Some(Api::Messages);
        members.insert("type".to_owned(), if is_typed { "error".into() } else { urn.clone().into() });
        if is_typed {
            members.insert("problem".to_owned(), urn.into());
        }
        members.insert("title".to_owned(), self.kind.title().into());
        members.insert("status".to_owned(), self.kind.status().into());
        members.insert("detail".to_owned(), self.detail.as_ref().into());
        members.insert("code".to_owned(), code.into());
        members.insert("error".to_owned(), error);
        Value::Object(members).to_string()
    }
}

impl From<xbind::Error> for Problem {
    fn from(error: xbind::Error) -> Self {
        let kind = kind_of(error.kind());
        if kind == Kind::Internal {
            return Self::internal().because(error);
        }
        Self { code: Some(error.kind().code()), ..Self::new(kind, error.message().to_owned()) }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DiskFull, SystemIoFailure};
        let cannot = matches!(error.sqlite_error_code(), Some(DatabaseBusy | DiskFull | SystemIoFailure));
        let problem =
            if cannot { Self::new(Kind::Busy, "the database cannot be written or read now") } else { Self::internal() };
        problem.because(error)
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of the core are open, and what has no row here is a fault"
)]
const fn kind_of(kind: ErrorKind) -> Kind {
    match kind {
        ErrorKind::MalformedMessage | ErrorKind::InvalidDid | ErrorKind::InvalidKey => Kind::Malformed,
        ErrorKind::InvalidSignature
        | ErrorKind::WrongAudience
        | ErrorKind::MessageExpired
        | ErrorKind::MessageNotYetValid
        | ErrorKind::InvalidToken
        | ErrorKind::InvalidDelegation
        | ErrorKind::UntrustedIssuer
        | ErrorKind::TokenExpired
        | ErrorKind::TokenNotYetValid => Kind::NotProven,
        ErrorKind::NotAllowed => Kind::NotPermitted,
        ErrorKind::ScopeDenied => Kind::ScopeDenied,
        ErrorKind::Revoked => Kind::Revoked,
        ErrorKind::RevocationUnknown => Kind::RevocationUnknown,
        ErrorKind::ApprovalRequired | ErrorKind::ApprovalRefused => Kind::ApprovalRequired,
        ErrorKind::Replayed => Kind::Replayed,
        ErrorKind::PayloadTooLarge => Kind::TooLarge,
        ErrorKind::ReplayWindowFull => Kind::Busy,
        ErrorKind::AuditFailed => Kind::AuditFailed,
        _ => Kind::Internal,
    }
}

impl xbind_server::Refusal for Problem {
    fn busy(why: &'static str) -> Self {
        Self::new(Kind::Busy, why)
    }

    fn unrecorded() -> Self {
        Self::new(Kind::AuditFailed, "the request could not be put on record")
    }

    fn internal() -> Self {
        Self::internal()
    }

    fn because(self, cause: impl std::fmt::Display) -> Self {
        self.because(cause)
    }
}
