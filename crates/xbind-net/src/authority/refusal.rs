use std::fmt;

use serde_json::Value;
use xbind::{Did, Error, ErrorKind};

use crate::{Answer, FetchError};

/// What is shown of a DID that a stranger gives.
const MAX_DID: usize = 64;
/// The longest sentence of a server that is shown, in characters.
const MAX_SENTENCE: usize = 1000;
/// The longest end of a `type`.
const MAX_SLUG: usize = 64;
/// That nothing can be had now, told by whoever has not signed it: a limit by address before anything is proven, a server that
/// cannot sign.
const LATER: [&str; 6] = ["rate-limited", "internal", "busy", "dns-unavailable", "audit-failed", "signer-failed"];

pub(super) type Result<T> = std::result::Result<T, Refusal>;

/// Why an authority has not done what it was asked for.
#[derive(Debug)]
pub enum Refusal {
    /// It cannot be reached, or may not be asked.
    Fetch(FetchError),
    /// What answers is no authority: what it gave.
    Strange(String),
    /// The answer is not signed by the authority for this request.
    Unproven(Error),
    /// It has another key than the one that is known, and that one has not signed it over.
    Changed {
        /// The DID that is known.
        was: Did,
        /// The one that it says it has.
        is: String,
    },
    /// It refuses (RFC 9457).
    Problem {
        /// What `type` ends with.
        slug: String,
        /// A sentence.
        detail: String,
        /// A code of docs/errors.md, where the refusal comes from one.
        code: Option<ErrorKind>,
        /// It is busy, or at fault: later it may not.
        later: bool,
    },
    /// A failure of ours.
    Own(Error),
}

impl Refusal {
    /// What an answer without success says.
    pub(super) fn of(answer: &Answer) -> Self {
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |member: &str| problem.get(member).and_then(Value::as_str);
        let is_slug =
            |slug: &&str| slug.len() <= MAX_SLUG && slug.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-'));
        let slug = text("type").and_then(|kind| kind.strip_prefix("urn:xbind:problem:")).filter(is_slug);
        match (slug, answer.media_type.as_str()) {
            (Some(slug), "application/problem+json") => Self::Problem {
                slug: slug.to_owned(),
                detail: shown(text("detail").unwrap_or(slug)),
                code: text("code").and_then(ErrorKind::from_code),
                later: is_later(answer),
            },
            _ => Self::Strange(format!("status {} and no problem of an authority", answer.status)),
        }
    }

    /// What is believed of such an answer where nobody has signed it: that nothing can be had now, for whoever stands on the way
    /// could as well say nothing. Nothing else that it says is a decision of the authority.
    pub(super) fn unsigned(answer: &Answer) -> Self {
        let mut said = Self::of(answer);
        if let Self::Problem { slug, code, later, .. } = &mut said {
            *code = None;
            if !*later || !LATER.contains(&slug.as_str()) {
                return Self::Strange(format!("status {} without a signature", answer.status));
            }
        }
        said
    }

    /// Whether the authority has decided so: that problem, and for good.
    #[must_use]
    pub fn is(&self, problem: &str) -> bool {
        matches!(self, Self::Problem { slug, later: false, .. } if slug == problem)
    }
}

/// Whether an answer says that there may be another later.
pub(super) const fn is_later(answer: &Answer) -> bool {
    answer.status == 429 || answer.status >= 500
}

/// Words of a server, as they stand in errors: none of them moves a cursor, or fills a log.
pub(super) fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(MAX_SENTENCE).map(plain).collect()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => write!(f, "{error}"),
            Self::Strange(what) => write!(f, "the server gave {what}"),
            Self::Unproven(error) => write!(f, "the answer is not the authority's: {}", error.message()),
            Self::Changed { was, is } => {
                write!(f, "the authority was {was}, and is {} now", is.chars().take(MAX_DID).collect::<String>())
            }
            Self::Problem { detail, .. } => write!(f, "{detail}"),
            Self::Own(error) => write!(f, "{}", error.message()),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

/// What an agent is told.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let message = format!("the registry: {refusal}");
        let (kind, hint) = match refusal {
            Refusal::Own(error) => return error,
            Refusal::Fetch(_) | Refusal::Strange(_) => (ErrorKind::RegistryUnavailable, REACH),
            Refusal::Unproven(_) | Refusal::Changed { .. } => (ErrorKind::RegistryUnavailable, CHANGED),
            Refusal::Problem { later: true, .. } => (ErrorKind::RegistryUnavailable, "try again in a moment"),
            Refusal::Problem { slug, code, .. } => match slug.as_str() {
                "name-taken" | "name-withdrawn" => (ErrorKind::NameTaken, "choose another name"),
                "scope-denied" => (ErrorKind::ScopeDenied, SCOPES),
                "subject-refused" => {
                    let kind = code.unwrap_or(ErrorKind::InvalidToken);
                    (kind, of_user(kind))
                }
                "inactive" => (ErrorKind::Revoked, "its operator lets a suspended agent go on: xbind reactivate"),
                "not-permitted" => (ErrorKind::NotAllowed, "its operator takes it in: xbind register agent"),
                "malformed" => (code.unwrap_or(ErrorKind::InvalidConfig), "correct what is asked for"),
                "challenge-over" | "replayed" => (ErrorKind::RegistryUnavailable, "try again in a moment"),
                "not-proven" => {
                    (code.unwrap_or(ErrorKind::NotAllowed), "compare the clocks, and the address: xbind health")
                }
                _ => (code.unwrap_or(ErrorKind::NotAllowed), "look what the authority says: docs/authority.md"),
            },
        };
        Self::new(kind, message).with_hint(hint)
    }
}

/// What to do about a user's token that is not taken.
#[expect(clippy::wildcard_enum_match_arm, reason = "of all others a new one is the way out")]
const fn of_user(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UntrustedIssuer => USERS,
        ErrorKind::WrongAudience => ACCESS_TOKEN,
        ErrorKind::InvalidConfig => ISSUER,
        _ => SIGN_IN,
    }
}

const REACH: &str = "look whether it runs, and at its address: xbind health";
const SCOPES: &str = "its operator grants scopes: xbind agent-scopes set, and those of users: xbind exchange set";
const USERS: &str = "its operator says whose users its agents act for: xbind exchange set";
const ACCESS_TOKEN: &str =
    "take the access token, not the ID token, and have the provider name the authority's audience in it";
const ISSUER: &str = "whoever runs the authority corrects what its file says of the provider: docs/oauth.md";
const SIGN_IN: &str = "let the user sign in again";
const CHANGED: &str =
    "give the DID of the authority with its address; behind a proxy, look whether that changes answers";
