//! The body of an `error` message: a code of the fixed list, and what a handler chose to tell.

use serde::Deserialize;
use serde_json::value::RawValue;
use xbind::{Did, Error, ErrorKind};

/// The codes that one agent may tell another. Anything else a peer says reads as `HANDLER_FAILED`, so that nobody can
/// make a caller believe in, say, an internal fault of its own.
const TOLD: &[ErrorKind] = &[
    ErrorKind::HandlerFailed,
    ErrorKind::NotAllowed,
    ErrorKind::InboxFull,
    ErrorKind::ReplayWindowFull,
    ErrorKind::PayloadTooLarge,
    ErrorKind::InvalidPayload,
    ErrorKind::AgentClosed,
    ErrorKind::Internal,
];

/// What the sender of an `error` message says.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    /// The JSON object of a `HandlerError`, as text.
    pub(crate) remote: Option<String>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    code: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    remote: Option<&'a RawValue>,
}

impl Refusal {
    pub(crate) fn of(kind: ErrorKind) -> Self {
        Self { kind, remote: None }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let code = self.kind.code();
        match &self.remote {
            Some(remote) => format!(r#"{{"code":"{code}","remote":{remote}}}"#),
            None => format!(r#"{{"code":"{code}"}}"#),
        }
        .into_bytes()
    }

    pub(crate) fn decode(body: &[u8]) -> Self {
        let wire = serde_json::from_slice::<Wire<'_>>(body).ok().filter(|_| body.starts_with(b"{"));
        let Some(wire) = wire else { return Self::of(ErrorKind::HandlerFailed) };
        let kind = ErrorKind::from_code(&wire.code).filter(|kind| TOLD.contains(kind));
        let kind = kind.unwrap_or(ErrorKind::HandlerFailed);
        let remote = wire.remote.filter(|raw| kind == ErrorKind::HandlerFailed && is_remote_error(raw.get()));
        let remote = remote.map(|raw| raw.get().to_owned());
        Self { kind, remote }
    }

    /// The error that the caller of `peer` gets. The sentence is ours: a peer chooses the code and `remote`, no more.
    pub(crate) fn into_error(self, peer: &Did) -> (Error, Option<String>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only the kinds in TOLD come here")]
        let (said, hint) = match self.kind {
            ErrorKind::NotAllowed => {
                ("does not take calls from this agent", "ask its owner to add your DID to `allow`")
            }
            ErrorKind::InboxFull => ("has no room for another message", "try again later, or let it receive faster"),
            ErrorKind::ReplayWindowFull => ("cannot remember another message", "try again in a few seconds"),
            ErrorKind::PayloadTooLarge => {
                ("refused the size of a payload", "send less, or raise maxPayloadBytes on both sides")
            }
            ErrorKind::InvalidPayload => {
                ("could not read the payload", "send what JSON can hold, at most 128 levels deep")
            }
            ErrorKind::AgentClosed => ("has left the bus", "look it up again, or make it anew"),
            ErrorKind::Internal => ("had an internal fault", "report it with the steps that led here"),
            _ if self.remote.is_some() => ("answered with an error", "look at error.remote"),
            _ => ("failed while handling the call", "the reason stays with the agent that was called"),
        };
        (Error::new(self.kind, format!("{peer} {said}")).with_hint(hint), self.remote)
    }
}

#[derive(Deserialize)]
struct RemoteError<'a> {
    #[serde(borrow, rename = "code")]
    _code: std::borrow::Cow<'a, str>,
    #[serde(borrow, rename = "message")]
    _message: std::borrow::Cow<'a, str>,
}

/// Whether it has the shape that a `HandlerError` takes; serde would also read an array as the struct.
fn is_remote_error(json: &str) -> bool {
    json.starts_with('{') && serde_json::from_str::<RemoteError<'_>>(json).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_can_tell_only_the_codes_of_the_list() {
        assert_eq!(Refusal::decode(br#"{"code":"INBOX_FULL"}"#).kind, ErrorKind::InboxFull);
        for body in [&b"{}"[..], b"null", b"[]", b"\xff", br#"{"code":"INVALID_SIGNATURE"}"#, br#"{"code":"no such"}"#]
        {
            assert_eq!(Refusal::decode(body).kind, ErrorKind::HandlerFailed);
        }
    }

    #[test]
    fn what_a_handler_tells_survives_the_way() {
        let told = Refusal { kind: ErrorKind::HandlerFailed, remote: Some(r#"{"code":"E","message":"m"}"#.to_owned()) };
        assert_eq!(Refusal::decode(&told.encode()).remote, told.remote);
    }
}
