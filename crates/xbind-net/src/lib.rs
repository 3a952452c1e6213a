//! What opens sockets for a client: a [`Fetcher`] of documents over https, from addresses that the owner of the program
//! configured or that a stranger named, each with its [rules](Whose); and [`agents`] that are reached over HTTP.
//!
//! | file | what |
//! | --- | --- |
//! | [`address`] | which IP addresses may be asked, and by whom they may be named |
//! | `target` | one spelling of a URL, and whether it may be asked at all |
//! | `resolve` | a name becomes addresses once, and all of them are judged |
//! | `connect`, `tls` | a connection to exactly what was judged, and whose certificate it shows |
//! | `proxy` | the owner's proxy, where the owner names one: a tunnel to what was judged |
//! | `exchange` | one request, one bounded answer |
//! | `fetch`, `table` | one flight for all who ask, and not again within the interval; what is kept of it, within bounds |
//! | `ask` | one request of whatever method, and its answer, whatever its status |
//! | [`upstream`] | a fixed server of the owner's: kept connections, and answers that are passed on as they come |
//! | `status_lists` | which status lists are fetched, and when |
//! | `rules` | who named an address, and what may be asked of it |
//! | [`agents`] | agents reached over HTTP: their messages in the bodies of requests and responses |
//! | [`authority`] | an operator's authority: names registered and resolved, tokens asked for |
//! | [`signers`] | keys that are kept elsewhere, and sign there |
//! | [`nats`] | agents on several machines: messages over NATS |
//! | `thread` | the thread on which all of it waits; it starts with whoever asks first |
//!
//! Nothing here follows a redirect, asks a proxy that its owner has not named, keeps cookies, or sends credentials or takes compressed answers
//! unless its caller says so.

#![forbid(unsafe_code)]

pub mod address;
pub mod agents;
mod ask;
pub mod authority;
mod connect;
mod error;
mod exchange;
mod fetch;
pub mod nats;
mod proxy;
mod resolve;
mod rules;
pub mod signers;
mod status_lists;
mod table;
mod target;
mod thread;
mod tls;
pub mod upstream;

pub use ask::{Answer, Ask};
pub use error::FetchError;
pub use fetch::{Document, Fetcher, INTERVAL, Settings};
pub use proxy::Proxy;
pub use resolve::Lookup;
pub use rules::{Rules, Whose};
pub use status_lists::{Documents, Due};
pub use target::{MAX_URL, Target};
pub use tls::Roots;
