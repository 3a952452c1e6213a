//! What a refused request is told: problems (RFC 9457) with stable types. docs/authority.md has a row for each.

use std::borrow::Cow;

use xbind::ErrorKind;

use crate::oauth::error::Code;

macro_rules! kinds {
    ($($kind:ident = $slug:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong. Types are added, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $(#[doc = $title] $kind),* }

        impl Kind {
            /// Every kind, in the order of docs/authority.md.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The last part of its type, `urn:xbind:problem:<slug>`.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug),* }
            }

            /// The status of the response.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status),* }
            }

            /// What it is, for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),* }
            }
        }
    };
}

kinds! {
    Malformed = "malformed", 400, "The request cannot be read";
    NotProven = "not-proven", 401, "The request does not prove who sends it";
    NotPermitted = "not-permitted", 403, "Whoever sends it may not ask for this";
    ScopeDenied = "scope-denied", 403, "The operator has not granted that scope";
    SubjectRefused = "subject-refused", 403, "The token of the user does not hold, or not any more";
    Inactive = "inactive", 403, "The agent is suspended or revoked";
    NotFound = "not-found", 404, "There is no such thing";
    MethodNotAllowed = "method-not-allowed", 405, "The path does not take this method";
    TooSlow = "too-slow", 408, "The body did not come in time";
    Replayed = "replayed", 409, "The request was accepted before";
    DomainTaken = "domain-taken", 409, "Another operator has proven this domain";
    AgentTaken = "agent-taken", 409, "This key is registered already";
    NameTaken = "name-taken", 409, "The name belongs to another agent";
    RotationRefused = "rotation-refused", 409, "The rotation does not continue the keys of the agent";
    Conflict = "conflict", 409, "What is asked for does not fit what is so";
    LimitReached = "limit-reached", 409, "There is no room for more of these";
    NameWithdrawn = "name-withdrawn", 410, "The name was given up";
    ChallengeOver = "challenge-over", 410, "The challenge has expired, was used, or is for something else";
    EnrolmentOver = "enrolment-over", 410, "The enrolment has expired, or is for another operator";
    TooLarge = "too-large", 413, "The body is too large";
    TargetTooLong = "target-too-long", 414, "The request target is too long";
    MediaType = "media-type", 415, "The body is of another media type";
    DomainNotProven = "domain-not-proven", 422, "The domain's TXT record does not name this operator";
    RateLimited = "rate-limited", 429, "Too many requests";
    Internal = "internal", 500, "A fault of this server";
    Busy = "busy", 503, "The server has too much to do";
    DnsUnavailable = "dns-unavailable", 503, "The domain's TXT record could not be asked for";
    AuditFailed = "audit-failed", 503, "The decision could not be put on record, so it was not made";
    SignerFailed = "signer-failed", 503, "The authority's key is kept elsewhere, and gave no signature";
}

/// The result of everything that a request asks for.
pub type Result<T> = std::result::Result<T, Problem>;

/// A refusal: its kind, one sentence, the code of the core if it comes from there, and when to come again.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    code: Option<&'static str>,
    oauth: Option<Code>,
    retry_after: Option<u64>,
    cause: Option<String>,
}

impl Problem {
    /// A refusal of that kind. `detail` is one sentence, lower case, without a full stop.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after =
            matches!(kind, Kind::Busy | Kind::DnsUnavailable | Kind::AuditFailed | Kind::SignerFailed).then_some(1);
        Self { kind, detail: detail.into(), code: None, oauth: None, retry_after, cause: None }
    }

    /// A refusal that OAuth has a code for. Its kind is what the log says of it.
    pub fn oauth(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let kind = if code == Code::InvalidClient { Kind::NotProven } else { Kind::Malformed };
        Self { oauth: Some(code), ..Self::new(kind, detail) }
    }

    /// A user's token that is not taken, and what docs/errors.md calls that.
    pub fn subject(code: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Some(code.code()), ..Self::new(Kind::SubjectRefused, detail) }
    }

    /// A fault that says nothing of itself to strangers.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Kind::Internal, "the server has failed at this, and its log says why")
    }

    /// The same, with what the log says of it and nobody else is told.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// What the log says of it.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Seconds to wait.
    #[must_use]
    pub const fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// One sentence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The code of the core (docs/errors.md), if it comes from there.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// The code of OAuth, if it has one of its own.
    #[must_use]
    pub const fn oauth_code(&self) -> Option<Code> {
        self.oauth
    }

    /// When to come again, in seconds.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// The code under which a refusal stands in the audit log.
    #[must_use]
    pub fn record_code(&self) -> String {
        let name = self.oauth.map_or_else(|| self.kind.slug(), Code::name);
        self.code.map_or_else(|| name.to_ascii_uppercase().replace('-', "_"), str::to_owned)
    }

    /// The JSON of the response.
    #[must_use]
    pub fn json(&self) -> String {
        let mut members = serde_json::Map::new();
        members.insert("type".to_owned(), format!("urn:xbind:problem:{}", self.kind.slug()).into());
        members.insert("title".to_owned(), self.kind.title().into());
        members.insert("status".to_owned(), self.kind.status().into());
        members.insert("detail".to_owned(), self.detail.as_ref().into());
        if let Some(code) = self.code {
            members.insert("code".to_owned(), code.into());
        }
        serde_json::Value::Object(members).to_string()
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

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of the core are open, and what has no row here is a fault"
)]
const fn kind_of(kind: ErrorKind) -> Kind {
    match kind {
        ErrorKind::MalformedMessage
        | ErrorKind::InvalidDid
        | ErrorKind::InvalidKey
        | ErrorKind::InvalidName
        | ErrorKind::InvalidPayload
        | ErrorKind::InvalidConfig => Kind::Malformed,
        ErrorKind::InvalidSignature
        | ErrorKind::WrongAudience
        | ErrorKind::MessageExpired
        | ErrorKind::MessageNotYetValid
        | ErrorKind::InvalidToken
        | ErrorKind::UntrustedIssuer
        | ErrorKind::TokenExpired
        | ErrorKind::TokenNotYetValid => Kind::NotProven,
        ErrorKind::NotAllowed => Kind::NotPermitted,
        ErrorKind::ScopeDenied => Kind::ScopeDenied,
        ErrorKind::Revoked => Kind::Inactive,
        ErrorKind::Replayed => Kind::Replayed,
        ErrorKind::InvalidDelegation => Kind::RotationRefused,
        ErrorKind::PayloadTooLarge => Kind::TooLarge,
        ErrorKind::ReplayWindowFull => Kind::Busy,
        ErrorKind::AuditFailed => Kind::AuditFailed,
        ErrorKind::SignFailed => Kind::SignerFailed,
        _ => Kind::Internal,
    }
}
