//! An operator's trust domain, as a server: operators prove a domain, agents prove a key, tokens are granted by what the
//! operator allows, names lead to keys, and every decision stands on record. docs/authority.md says what goes over the wire.
#![forbid(unsafe_code)]

mod app;
mod config;
mod dns;
pub mod domain;
mod files;
mod http;
mod identity;
pub mod openapi;
pub mod problem;
pub mod routes;
mod server;
pub mod store;
mod ticket;
pub mod wire;

pub use config::{Config, LogSink, Passphrase, Rate, Times, TlsFiles};
pub use server::{Server, backup, release, restore};
pub use store::Fault;
