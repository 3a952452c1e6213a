//! What every face (Node.js, Python) needs and none should write again: options and drafts as plain data, which become the
//! types of the crates below; results as plain data; keys, ports and events.
//!
//! A face reads each value once, hands it on, and makes its own errors of ours. What derives `Deserialize` crosses as JSON
//! text, knows its members and refuses others; the types of TypeScript are made of these structs (`scripts/binding.mjs`).
#![forbid(unsafe_code)]

pub mod agent;
pub mod card;
pub mod did;
pub mod events;
pub mod guard;
pub mod http;
pub mod judge;
pub mod kept;
pub mod key;
pub mod message;
pub mod nats;
pub mod nats_service;
pub mod net;
pub mod number;
pub mod port;
pub mod ports;
pub mod record;
pub mod registry;
pub mod revocation;
pub mod serve;
pub mod spare;
pub mod statement;
pub mod tape;
pub mod token;
pub mod trust;
