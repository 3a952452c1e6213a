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
mod files;
mod http;
mod identity;
pub mod issuers;
pub mod oauth;
pub mod openapi;
pub mod problem;
mod proven;
pub mod routes;
mod server;
pub mod store;
mod ticket;
mod turns;

pub use config::{Config, LogSink, Passphrase, Rate, Times, TlsFiles};
pub use server::{Rotated, Server, backup, look_up, release, restore, rotate};
pub use store::Fault;
pub use xbind_net::authority::wire;
