//! The body of an `error` message: a code of the fixed list, and at times what goes with it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use xbind::{Did, Error, ErrorKind, Handled, ScopeSet, Session};

/// The codes that one agent may tell another. Anything else a peer says reads as `HANDLER_FAILED`, so that nobody can
/// make a caller believe in, say, a wrong signature of its own.
const TOLD: &[ErrorKind] = &[
    ErrorKind::HandlerFailed,
    ErrorKind::MethodNotFound,
    ErrorKind::InvalidInput,
    ErrorKind::NotAllowed,
    ErrorKind::InboxFull,
    ErrorKind::ReplayWindowFull,
    ErrorKind::PayloadTooLarge,
    ErrorKind::InvalidPayload,
    ErrorKind::AgentClosed,
    ErrorKind::StaleSession,
    ErrorKind::EncryptionRequired,
    ErrorKind::DecryptionFailed,
    ErrorKind::WrongAudience,
    ErrorKind::InvalidToken,
    ErrorKind::TokenExpired,
    ErrorKind::TokenNotYetValid,
    ErrorKind::UntrustedIssuer,
    ErrorKind::ScopeDenied,
    ErrorKind::InvalidDelegation,
    ErrorKind::Revoked,
    ErrorKind::RevocationUnknown,
    ErrorKind::ApprovalRequired,
    ErrorKind::ApprovalRefused,
    ErrorKind::ApprovalTimeout,
    ErrorKind::ApprovalFailed,
    ErrorKind::AuditFailed,
    ErrorKind::Internal,
];

/// What the sender of an `error` message says.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    /// With `HANDLER_FAILED` the `code`, `message` and `data` of a `HandlerError`, with `SCOPE_DENIED` which scopes the call
    /// `needs` and which the caller's token `holds`, with `INVALID_INPUT` the `path` to what is wrong, with `AGENT_CLOSED`,
    /// `REVOKED` and `AUDIT_FAILED` whether anything was `begun`, with any whether a `copied` call may have begun elsewhere, with `STALE_SESSION` the `session` of whoever answers: a JSON object, as text.
    pub(crate) detail: Option<String>,
    /// Whether the one who says it ran the call, as far as the code tells.
    handled: Option<Handled>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, rename = "code")]
    _code: Cow<'a, str>,
    #[serde(borrow, rename = "message")]
    _message: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Scopes<'a> {
    #[serde(borrow)]
    needs: Cow<'a, str>,
    #[serde(borrow)]
    holds: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    session: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Begun {
    begun: bool,
}

#[derive(Deserialize)]
struct Copied {
    copied: bool,
}

/// What goes with a refusal to say that its handler had begun.
pub(crate) const BEGUN: &str = r#"{"begun":true}"#;

/// The longest path that is passed on, in bytes.
const MAX_PATH: usize = 256;

impl Refusal {
    /// Of a call whose handler has not begun, and does not any more.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        Self::with(kind, says_begun(kind).then(|| r#"{"begun":false}"#.to_owned()))
    }

    pub(crate) fn with(kind: ErrorKind, detail: Option<String>) -> Self {
        Self { kind, detail, handled: handled(kind) }
    }

    /// The call was meant for another session than this.
    pub(crate) fn stale(session: Option<Session>) -> Self {
        let detail = session.map(|session| format!(r#"{{"session":"{}"}}"#, session.text()));
        Self::with(ErrorKind::StaleSession, detail)
    }

    /// The session of whoever says that the call was meant for another.
    pub(crate) fn session(&self) -> Option<Session> {
        let named = self.detail.as_deref().and_then(object::<Named<'_>>)?;
        Session::parse(&named.session).ok()
    }

    /// Of a call that another process, which shares the window, may have begun: nobody has looked whether it did.
    pub(crate) fn copied(kind: ErrorKind) -> Self {
        Self::with(kind, Some(r#"{"copied":true}"#.to_owned()))
    }

    /// Of a call whose handler has run, and whose end cannot be put on record.
    pub(crate) fn unrecorded() -> Self {
        Self::with(ErrorKind::AuditFailed, Some(BEGUN.to_owned()))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let code = self.kind.code();
        match &self.detail {
            Some(detail) => format!(r#"{{"code":"{code}","detail":{detail}}}"#),
            None => format!(r#"{{"code":"{code}"}}"#),
        }
        .into_bytes()
    }

    pub(crate) fn decode(body: &[u8]) -> Self {
        let wire = std::str::from_utf8(body).ok().and_then(object::<Wire<'_>>);
        let Some(wire) = wire else {
            return Self { handled: Some(Handled::Unknown), ..Self::of(ErrorKind::HandlerFailed) };
        };
        let kind = ErrorKind::from_code(&wire.code).filter(|kind| TOLD.contains(kind));
        let detail = wire.detail.map(|raw| raw.get().to_owned());
        match kind {
            Some(kind) => Self::with(kind, detail),
            None => Self { handled: Some(Handled::Unknown), ..Self::with(ErrorKind::HandlerFailed, detail) },
        }
    }

    /// The error that the caller of `peer` gets, and with `HANDLER_FAILED` what the handler told. The sentence is ours: a
    /// peer chooses the code, the scopes by the grammar of scopes, and `remote`, no more.
    pub(crate) fn into_error(self, peer: &Did) -> (Error, Option<String>) {
        let Self { kind, detail, handled } = self;
        let remote =
            detail.as_deref().filter(|text| kind == ErrorKind::HandlerFailed && object::<Told<'_>>(text).is_some());
        let (said, hint) = sentence(kind, remote.is_some());
        let place = detail.as_deref().filter(|_| kind == ErrorKind::InvalidInput).and_then(object::<Place<'_>>);
        let told = detail.as_deref().filter(|_| says_begun(kind)).and_then(object::<Begun>);
        let has_run = kind == ErrorKind::AuditFailed && told.as_ref().is_some_and(|told| told.begun);
        let copied = handled == Some(Handled::No)
            && detail.as_deref().and_then(object::<Copied>).is_some_and(|told| told.copied);
        let begun = told.is_none_or(|told| told.begun);
        let said = match place.filter(|place| is_pointer(&place.path)) {
            Some(Place { path }) => format!("{peer} {said} at {path}"),
            None if copied => format!("{peer} {said}; another process with its key may have begun the call"),
            None if begun => format!("{peer} {said}"),
            None => format!("{peer} {said}; nothing of the call was begun there"),
        };
        let error = Error::new(kind, said).with_hint(hint);
        let error = match handled {
            _ if !begun => error.with_handled(Handled::No),
            _ if has_run => error.with_handled(Handled::Yes),
            _ if copied => error.with_handled(Handled::Unknown),
            Some(handled) => error.with_handled(handled),
            None => error, // the call knows more
        };
        let scopes = detail.as_deref().filter(|_| kind == ErrorKind::ScopeDenied).and_then(object::<Scopes<'_>>);
        match scopes.and_then(|scopes| hint_of(&scopes)) {
            Some(hint) => (error.with_hint(hint), None),
            None => (error, remote.map(str::to_owned)),
        }
    }
}

/// Said before a handler begins and while it runs: which of them goes with it.
const fn says_begun(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::AgentClosed | ErrorKind::Revoked | ErrorKind::AuditFailed)
}

/// What such a refusal says of whether the call ran. An agent that closes or is stopped says the same of calls that wait and
/// of those that run; one that cannot record says beside it which it was.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are said before a handler begins")]
const fn handled(kind: ErrorKind) -> Option<Handled> {
    match kind {
        ErrorKind::HandlerFailed => Some(Handled::Yes),
        // Another copy may come when there is room, or to a process that shares the window.
        ErrorKind::ReplayWindowFull => Some(Handled::Unknown),
        // Found too large: perhaps the answer, on its way out.
        ErrorKind::PayloadTooLarge
        | ErrorKind::AgentClosed
        | ErrorKind::Revoked
        | ErrorKind::AuditFailed
        | ErrorKind::Internal => Some(Handled::Unknown),
        ErrorKind::StaleSession => None,
        _ => Some(Handled::No),
    }
}

/// One JSON object; serde would also read an array as the struct.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    json.starts_with('{').then(|| serde_json::from_str(json).ok()).flatten()
}

/// A JSON pointer (RFC 6901) of letters and what ASCII prints, so that a peer cannot write into a log with it.
fn is_pointer(path: &str) -> bool {
    let is_shown = |c: char| c.is_alphanumeric() || c == ' ' || c.is_ascii_graphic();
    path.starts_with('/') && path.len() <= MAX_PATH && path.chars().all(is_shown)
}

fn hint_of(scopes: &Scopes<'_>) -> Option<String> {
    let needs = ScopeSet::parse(&scopes.needs).ok().filter(|needs| !needs.is_empty())?;
    let holds = ScopeSet::parse(&scopes.holds).ok()?;
    let holds = if holds.is_empty() { "no scope" } else { holds.as_str() };
    Some(format!("the call needs {}; the token presented holds {holds}", needs.as_str()))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only the kinds in TOLD come here")]
fn sentence(kind: ErrorKind, told: bool) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::MethodNotFound => ("has no such method", "compare the name, letter by letter"),
        ErrorKind::InvalidInput => ("does not take this payload", "send what the method's description asks for"),
        ErrorKind::NotAllowed => ("does not take calls from this agent", "ask its owner to add your DID to `allow`"),
        ErrorKind::InboxFull => ("has no room for another message", "try again later, or let it receive faster"),
        ErrorKind::ReplayWindowFull => (
            "cannot remember another message, or the store that it shares does not answer",
            "it has begun nothing, but another process with its key may have: call again what may run twice, after some seconds",
        ),
        ErrorKind::PayloadTooLarge => {
            ("found a payload too large to take, or to send", "send or ask for less, or raise the limits on both sides")
        }
        ErrorKind::InvalidPayload => ("could not read the payload", "send what JSON can hold, at most 128 levels deep"),
        ErrorKind::WrongAudience => ("was shown a token for another agent", "ask for a token with its DID as audience"),
        ErrorKind::StaleSession => (
            "is in another session than the one that the call was meant for",
            "it may have restarted; ask what became of the call",
        ),
        ErrorKind::AgentClosed => ("has left the bus", "look it up again, or make it anew"),
        ErrorKind::InvalidToken => {
            ("did not accept the token", "present a token issued to your DID, for this agent's DID as audience")
        }
        ErrorKind::TokenExpired => ("finds the token expired", "ask its issuer for a fresh one"),
        ErrorKind::TokenNotYetValid => ("finds the token not yet valid", "compare the clocks"),
        ErrorKind::UntrustedIssuer => {
            ("does not trust the token's issuer", "present a token of an issuer that it trusts")
        }
        ErrorKind::ScopeDenied => {
            ("needs a right that was not presented", "call with { token }, issued to your DID for its DID")
        }
        ErrorKind::InvalidDelegation => {
            ("did not accept the delegation", "each link narrows its parent and is issued by its subject")
        }
        ErrorKind::Revoked => ("finds the token or identity revoked", "ask who revoked it"),
        ErrorKind::RevocationUnknown => (
            "has no fresh evidence whether the token was revoked",
            "nothing was begun: try again once the evidence is fresh",
        ),
        ErrorKind::ApprovalRequired => {
            ("needs an approval of this very call", "call with { approval } signed for these arguments")
        }
        ErrorKind::ApprovalRefused => ("was told no by the approver", "ask the approver"),
        ErrorKind::ApprovalTimeout => {
            ("got no decision from the approver in time", "nothing was begun: try again when the approver is there")
        }
        ErrorKind::ApprovalFailed => (
            "got no approval that holds from the approver",
            "nothing was begun: try again, or call with { approval } of the approver's",
        ),
        ErrorKind::AuditFailed => ("cannot put on record what it does", "try again when its log can be written"),
        ErrorKind::Internal => ("had an internal fault", "report it with the steps that led here"),
        _ if told => ("answered with an error", "look at error.remote"),
        _ => ("failed while handling the call", "the reason stays with the agent that was called"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Did {
        *xbind::SigningKey::from_seed(&[7; 32]).did()
    }

    #[test]
    fn a_peer_can_tell_only_the_codes_of_the_list() {
        assert_eq!(Refusal::decode(br#"{"code":"INBOX_FULL"}"#).kind, ErrorKind::InboxFull);
        let others = [&b"{}"[..], b"null", b"[]", b"[\"INBOX_FULL\"]", b"\xff", br#"{"code":"INVALID_SIGNATURE"}"#];
        for body in others {
            assert_eq!(Refusal::decode(body).kind, ErrorKind::HandlerFailed);
        }
    }

    #[test]
    fn what_a_handler_tells_survives_the_way() {
        let detail = Some(r#"{"code":"E","message":"m","data":[1]}"#.to_owned());
        let told = Refusal::with(ErrorKind::HandlerFailed, detail.clone());
        assert_eq!(Refusal::decode(&told.encode()).into_error(&peer()).1, detail);
        for detail in ["5", "[]", r#"["E","m"]"#, r#"{"code":1,"message":"m"}"#] {
            let body = format!(r#"{{"code":"HANDLER_FAILED","detail":{detail}}}"#);
            assert_eq!(Refusal::decode(body.as_bytes()).into_error(&peer()).1, None);
        }
    }

    #[test]
    fn an_input_is_wrong_at_a_json_pointer_and_nothing_else() {
        let message = |detail: &str| {
            let body = format!(r#"{{"code":"INVALID_INPUT","detail":{detail}}}"#);
            let (error, remote) = Refusal::decode(body.as_bytes()).into_error(&peer());
            assert_eq!((error.kind(), remote), (ErrorKind::InvalidInput, None));
            error.message().to_owned()
        };
        assert!(message("{\"path\":\"/topic/0/n\u{e4}her\"}").ends_with("payload at /topic/0/n\u{e4}her"));
        let long = format!(r#"{{"path":"/{}"}}"#, "x".repeat(256));
        for detail in
            [r#"{"path":"topic"}"#, r#"{"path":"/a\nb"}"#, r#"{"path":"/\u202e"}"#, r#"{"path":7}"#, "[]", &long]
        {
            assert!(message(detail).ends_with("payload"), "{detail}");
        }
    }

    #[test]
    fn whoever_ends_a_call_may_say_that_it_was_not_begun() {
        let message = |kind, detail: Option<&str>| {
            let told = Refusal::with(kind, detail.map(str::to_owned));
            Refusal::decode(&told.encode()).into_error(&peer()).0.message().to_owned()
        };
        let says_so = |text: &str| text.ends_with("; nothing of the call was begun there");
        for kind in [ErrorKind::AgentClosed, ErrorKind::Revoked, ErrorKind::AuditFailed] {
            assert!(says_so(&message(kind, Refusal::of(kind).detail.as_deref())));
            for detail in [None, Some(r#"{"begun":true}"#), Some("{}"), Some("false"), Some(r#"{"begun":"false"}"#)] {
                assert!(!says_so(&message(kind, detail)), "{detail:?}");
            }
        }
        assert!(!says_so(&message(ErrorKind::HandlerFailed, Some(r#"{"begun":false}"#))));
    }

    #[test]
    fn that_nothing_ran_is_said_only_by_who_refuses_before_a_handler_begins() {
        let handled = |refusal: Refusal| Refusal::decode(&refusal.encode()).into_error(&peer()).0.handled();
        let recorded = ErrorKind::AuditFailed;
        for (refusal, said) in [
            (Refusal::of(ErrorKind::NotAllowed), Handled::No),
            (Refusal::copied(ErrorKind::NotAllowed), Handled::Unknown),
            (Refusal::copied(ErrorKind::InboxFull), Handled::Unknown),
            (Refusal::copied(ErrorKind::HandlerFailed), Handled::Yes),
            (Refusal::of(ErrorKind::HandlerFailed), Handled::Yes),
            (Refusal::of(ErrorKind::PayloadTooLarge), Handled::Unknown), // its answer may be
            (Refusal::with(ErrorKind::AgentClosed, None), Handled::Unknown),
            (Refusal::copied(ErrorKind::AgentClosed), Handled::Unknown),
            (Refusal::of(ErrorKind::AgentClosed), Handled::No),
            (Refusal::of(ErrorKind::Revoked), Handled::No),
            (Refusal::with(recorded, None), Handled::Unknown),
            (Refusal::of(recorded), Handled::No),
            (Refusal::unrecorded(), Handled::Yes),
        ] {
            assert_eq!(handled(refusal), Some(said));
        }
    }

    #[test]
    fn a_denial_names_scopes_and_nothing_else() {
        let hint = |detail: &str| {
            let body = format!(r#"{{"code":"SCOPE_DENIED","detail":{detail}}}"#);
            let (error, remote) = Refusal::decode(body.as_bytes()).into_error(&peer());
            assert_eq!((error.kind(), remote), (ErrorKind::ScopeDenied, None));
            error.hint().map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(
            hint(r#"{"needs":"pay:out","holds":"read:a read:b"}"#),
            "the call needs pay:out; the token presented holds read:a read:b"
        );
        assert!(!hint(r#"{"needs":"pay:out","holds":"<script> now"}"#).contains("script"));
    }
}
