//! An operator's trust domain, as a server: operators prove a domain, agents prove a key, tokens are granted by what the
//! operator allows, names lead to keys, and every decision stands on record. docs/authority.md says what goes over the wire.
//!
//! ```
//! use xbind_authority::{Config, Server};
//!
//! # let directory = std::env::temp_dir().join(format!("xbind-authority-doc-{}", std::process::id()));
//! let server = Server::start(Config::new(&directory))?; // on any port of loopback
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! server.stop();
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod app;
mod config;
mod dns;
pub mod domain;
mod http;
mod identity;
pub mod issuers;
mod keychain;
mod lists;
pub mod oauth;
pub mod openapi;
pub mod problem;
mod proven;
pub mod routes;
mod server;
mod signer;
pub mod store;
mod ticket;
mod turns;
mod upkeep;
mod wishes;

pub use config::Config;
pub use keychain::{AuthorityKey, Step};
pub use server::{Server, backup, is_served, keys, look_up, release, restore};
pub use xbind_net::authority::wire;
pub use xbind_server::{Fault, LogSink, Passphrase, Rate, Times, TlsFiles};
