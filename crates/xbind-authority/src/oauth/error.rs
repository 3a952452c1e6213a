//! What refused OAuth requests are told: the codes of RFC 6749 section 5.2 and of its extensions.

use crate::problem::{Kind, Problem};

macro_rules! codes {
    ($($code:ident = $name:literal, $status:literal, $when:literal;)*) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $when] $code),* }

        impl Code {
            /// Every code, in the order of docs/oauth.md.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// The member `error`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name),* }
            }

            /// The status of the response.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$code => $status),* }
            }

            /// When, in words.
            #[must_use]
            pub const fn when(self) -> &'static str {
                match self { $(Self::$code => $when),* }
            }
        }
    };
}

codes! {
    InvalidRequest = "invalid_request", 400, "The request cannot be read, or the user's token does not hold";
    UnauthorizedClient = "unauthorized_client", 400, "The token that is to be revoked is another client's";
    UnsupportedGrantType = "unsupported_grant_type", 400, "There is no such grant here";
    InvalidScope = "invalid_scope", 400, "The operator has not granted that scope, or none is asked for";
    InvalidTarget = "invalid_target", 400, "Not exactly one resource or audience is named";
    InvalidDpopProof = "invalid_dpop_proof", 400, "The DPoP proof does not hold, or was used before";
    InvalidClient = "invalid_client", 401, "The client does not prove who it is, or may do nothing";
    ServerError = "server_error", 500, "A fault of this server";
    TemporarilyUnavailable = "temporarily_unavailable", 503, "The server has too much to do";
}

impl Code {
    /// What an OAuth client is told of a problem of that kind, and with which status.
    #[must_use]
    pub const fn of(kind: Kind) -> (Self, u16) {
        let code = match kind {
            Kind::NotProven | Kind::NotPermitted | Kind::Inactive | Kind::Replayed | Kind::NotFound => {
                Self::InvalidClient
            }
            Kind::ScopeDenied => Self::InvalidScope,
            Kind::RateLimited => return (Self::TemporarilyUnavailable, kind.status()),
            Kind::Busy | Kind::AuditFailed | Kind::DnsUnavailable | Kind::SignerFailed => Self::TemporarilyUnavailable,
            Kind::Internal => Self::ServerError,
            Kind::TooLarge | Kind::TooSlow | Kind::MediaType | Kind::TargetTooLong => {
                return (Self::InvalidRequest, kind.status());
            }
            // RFC 8693 section 2.2.2.
            Kind::SubjectRefused
            | Kind::Malformed
            | Kind::MethodNotAllowed
            | Kind::DomainTaken
            | Kind::AgentTaken
            | Kind::NameTaken
            | Kind::RotationRefused
            | Kind::Conflict
            | Kind::LimitReached
            | Kind::NameWithdrawn
            | Kind::ChallengeOver
            | Kind::EnrolmentOver
            | Kind::DomainNotProven => Self::InvalidRequest,
        };
        (code, code.status())
    }
}

/// Status and JSON for an OAuth client. Its description is of the characters that RFC 6749 allows there.
pub(crate) fn told(problem: &Problem) -> (u16, String) {
    let (code, status) = match problem.oauth_code() {
        Some(code) => (code, code.status()),
        None => Code::of(problem.kind()),
    };
    let plain = |c: char| match c {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => c,
        _ => '?',
    };
    let description: String = problem.detail().chars().map(plain).collect();
    (status, serde_json::json!({ "error": code.name(), "error_description": description }).to_string())
}
