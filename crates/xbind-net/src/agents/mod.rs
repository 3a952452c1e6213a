//! Agents over HTTP: messages in the bodies of requests and responses, as docs/http.md has it.

mod address;
mod book;
mod client;
mod connection;
mod exchange;
mod frame;
mod idle;
mod server;
mod why;

pub use client::Client;
pub(crate) use frame::HEAD;
pub use frame::{Frames, MEDIA_TYPE, Unreadable, write};
pub use server::{Exposed, Server, Taken, Wake};

/// What waits to go out on one exchange, or to one address, in bytes; a larger message goes alone.
const QUEUED: usize = 256 << 10;

const LIMITS: xbind_runtime::transport::Limits = xbind_runtime::transport::Limits {
    max_parcel: 2_200_000_000, // as large as bodies can be here, with what travels beside them
    clock_skew: 30,
    message_ttl: 30,
};
