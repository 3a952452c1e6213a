//! What a caller is told when an address gives no answer: what has happened there, by our own words.

use xbind::{Error, ErrorKind};

use super::client::MAX_ADDRESSES;
use crate::{FetchError, Target};

/// That code, with what has happened at the address.
pub(super) fn error(kind: ErrorKind, target: &Target, why: FetchError) -> Error {
    Error::new(kind, format!("no agent was reached at {}: {why}", target.authority())).with_hint(hint(why))
}

/// The address itself cannot be used.
pub(super) fn unusable(why: FetchError) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("this address cannot be called: {why}"))
        .with_hint("give https://host/path, or http:// to localhost or a loopback address")
}

/// Something is under way to all addresses that are remembered.
pub(super) fn too_many() -> Error {
    let why = format!("calls are under way to {MAX_ADDRESSES} addresses, and no more are remembered");
    Error::new(ErrorKind::InboxFull, why).with_hint("wait until some of them have ended")
}

/// One message alone is more than is taken there.
pub(super) fn too_large(target: &Target, bytes: usize) -> Error {
    let why = format!("what is at {} takes no request of {bytes} bytes", target.authority());
    Error::new(ErrorKind::PayloadTooLarge, why)
        .with_hint("send less, or raise maxBodyBytes of serveAgents and the bound of what is in front of it")
}

/// The response has ended, and has not said what became of the call.
pub(super) fn unanswered(target: &Target) -> Error {
    let why = format!("the response of {} ended without an answer to the call", target.authority());
    Error::new(ErrorKind::AgentClosed, why)
        .with_hint("nobody knows whether it ran; look whether an agent of that DID is mounted there")
}

/// The response has ended, and does not name the session that it was asked for.
pub(super) fn unnamed(target: &Target) -> Error {
    let why = format!("the response of {} ended without the session that a call has to name", target.authority());
    Error::new(ErrorKind::AgentClosed, why).with_hint("look whether an agent of that DID is mounted there")
}

const fn hint(why: FetchError) -> &'static str {
    match why {
        FetchError::NoAddress => "look whether the name of the host is right",
        FetchError::NoConnection | FetchError::Timeout(_) => {
            "look whether a server listens there, and lets this one through"
        }
        FetchError::Proxy => "look whether the proxy of this bus is there, and lets through to that host and port",
        FetchError::UnknownIssuer => "name its authority in `http.ca` of the bus, if it is one of your own",
        FetchError::Certificate => {
            "a certificate of an authority is no server's, also where it is its own: make an authority, and let it sign one"
        }
        FetchError::Tls | FetchError::WrongName | FetchError::Expired | FetchError::Roots => {
            "look at the certificate of the server, and at the roots that this bus believes"
        }
        FetchError::Status(404) => "look at the path: agents are at the one that serveAgents was mounted at",
        FetchError::Status(401 | 403 | 407) => "something in front of the agents refuses the request",
        FetchError::Status(300..=399) => "redirects are not followed: give the address that it leads to",
        FetchError::Status(_)
        | FetchError::Encoded
        | FetchError::MediaType
        | FetchError::NotHttp
        | FetchError::TooLong(_) => {
            "look whether serveAgents is mounted at that path, and whether something in front changes its answers"
        }
        FetchError::BrokenOff => {
            "look whether that port speaks the scheme of the address, and whether its server still runs"
        }
        FetchError::Busy | FetchError::TooSoon => "call again in a moment, or name the DID beside the address",
        FetchError::NotPublic | FetchError::Port | FetchError::Forbidden => {
            "an address that a card or a message names reaches public hosts at port 443 only"
        }
        FetchError::BadUrl | FetchError::NotHttps | FetchError::Credentials | FetchError::Internal => {
            "look at the address, and call again"
        }
    }
}
