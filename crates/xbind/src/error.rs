//! One fieldless kind per failure, one stable code per kind; docs/errors.md has a heading for each.

use std::borrow::Cow;
use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($($kind:ident = $code:literal, $retryable:literal, $doc:literal;)*) => {
        /// What went wrong. Codes are added, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $(#[doc = $doc] $kind),* }

        impl ErrorKind {
            /// Every kind, in the order of docs/errors.md.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The stable code, the same in every language.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code),* }
            }

            /// Whether the same call may succeed later without a change.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$kind => $retryable),* }
            }
        }
    };
}

kinds! {
    InvalidDid = "INVALID_DID", false, "Not a canonical `did:key` of a usable Ed25519 key.";
    InvalidKey = "INVALID_KEY", false, "Bytes that are no usable Ed25519 key.";
    ImportFailed = "IMPORT_FAILED", false, "A private key file that cannot be read.";
    ExportFailed = "EXPORT_FAILED", false, "The private key cannot leave.";
    WrongPassphrase = "WRONG_PASSPHRASE", false, "The passphrase does not open the key file.";
    SignFailed = "SIGN_FAILED", false, "The identity provider did not sign with the key of its DID.";
    InvalidName = "INVALID_NAME", false, "A label outside the grammar of names.";
    AgentNotFound = "AGENT_NOT_FOUND", true, "Nobody of that name or DID is on the bus.";
    AmbiguousName = "AMBIGUOUS_NAME", false, "Several identities answer to the name.";
    AgentClosed = "AGENT_CLOSED", false, "The agent, or the one asked, has left the bus.";
    InvalidPayload = "INVALID_PAYLOAD", false, "A payload that JSON cannot hold.";
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", false, "A body over the limit.";
    MalformedMessage = "MALFORMED_MESSAGE", false, "Not a message of this format.";
    InvalidSignature = "INVALID_SIGNATURE", false, "The signature does not cover this message and body.";
    WrongAudience = "WRONG_AUDIENCE", false, "A message for somebody else, or from oneself.";
    MessageExpired = "MESSAGE_EXPIRED", false, "The message is too old.";
    MessageNotYetValid = "MESSAGE_NOT_YET_VALID", true, "The message comes from the future.";
    Replayed = "REPLAYED", false, "The message was accepted before.";
    ReplayWindowFull = "REPLAY_WINDOW_FULL", true, "No room to remember another message.";
    StaleSession = "STALE_SESSION", false, "The message is meant for another replay window of its recipient.";
    EncryptionRequired = "ENCRYPTION_REQUIRED", false, "The recipient takes encrypted bodies alone.";
    DecryptionFailed = "DECRYPTION_FAILED", false, "The body is encrypted to another key, or was not made with it.";
    ReplyMismatch = "REPLY_MISMATCH", false, "A reply that answers no pending call.";
    Timeout = "TIMEOUT", true, "No answer in time.";
    Aborted = "ABORTED", false, "The caller gave up.";
    InboxFull = "INBOX_FULL", true, "The recipient has no room.";
    NotAllowed = "NOT_ALLOWED", false, "The recipient does not take calls from this DID.";
    HandlerFailed = "HANDLER_FAILED", false, "The other agent's handler failed.";
    MethodNotFound = "METHOD_NOT_FOUND", false, "The other agent has no such method.";
    InvalidInput = "INVALID_INPUT", false, "The method does not take this payload.";
    InvalidToken = "INVALID_TOKEN", false, "Not a token of this format, or not signed by its issuer.";
    TokenExpired = "TOKEN_EXPIRED", false, "The token is too old.";
    TokenNotYetValid = "TOKEN_NOT_YET_VALID", true, "The token comes from the future.";
    UntrustedIssuer = "UNTRUSTED_ISSUER", false, "Nobody here trusts the token's issuer.";
    ScopeDenied = "SCOPE_DENIED", false, "The right was not granted.";
    InvalidDelegation = "INVALID_DELEGATION", false, "A chain of delegations that does not hold.";
    Revoked = "REVOKED", false, "The right or identity was taken back.";
    RevocationUnknown = "REVOCATION_UNKNOWN", true, "No fresh evidence whether it was revoked.";
    ApprovalRequired = "APPROVAL_REQUIRED", false, "The call needs an approval, and none that holds was brought along.";
    ApprovalRefused = "APPROVAL_REFUSED", false, "The approver said no.";
    ApprovalTimeout = "APPROVAL_TIMEOUT", true, "The approver did not decide in time.";
    ApprovalFailed = "APPROVAL_FAILED", true, "The approver could not be asked, or gave no approval that holds.";
    AuditFailed = "AUDIT_FAILED", true, "The decision could not be put on record.";
    InvalidAudit = "INVALID_AUDIT", false, "A log that was changed, cut or torn.";
    RegistryUnavailable = "REGISTRY_UNAVAILABLE", true, "The registry cannot be reached.";
    BrokerUnavailable = "BROKER_UNAVAILABLE", true, "The message broker cannot be reached, or does not do its part.";
    NameTaken = "NAME_TAKEN", false, "The name belongs to another identity.";
    InvalidConfig = "INVALID_CONFIG", false, "An option outside its bounds.";
    Internal = "INTERNAL", false, "A fault of this library.";
}

/// A failure: its kind, one sentence with the values concerned, and at times a remedy. Never key material or payload.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    handled: Option<Handled>,
}

/// Whether the other side of a call ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Handled {
    /// It says so itself, signed.
    Yes,
    /// It did not, and it will not: nothing left, or the other side says so itself, signed.
    No,
    /// Nobody knows.
    Unknown,
}

impl Error {
    /// A failure of that kind. `message` is one sentence, lower case, without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), hint: None, handled: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says whether the other side ran the call that failed.
    #[must_use]
    pub fn with_handled(mut self, handled: Handled) -> Self {
        self.handled = Some(handled);
        self
    }

    /// Whether the other side ran the call that failed, where that was said.
    #[must_use]
    pub const fn handled(&self) -> Option<Handled> {
        self.handled
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// One sentence with the values concerned.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.message)
    }
}

impl std::error::Error for Error {}

impl ErrorKind {
    /// The kind of a stable code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}
