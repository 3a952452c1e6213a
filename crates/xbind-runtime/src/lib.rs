//! Agents, inboxes and the ways between them: everything that waits.
//!
//! Agents live on a [`Node`]. A face (Node.js, Python) brings them there through a [`Port`], gives commands and collects
//! [`Event`]s; a Rust program has a [`Handle`] for each. Other processes are reached over a [`Transport`](transport). All
//! messages, also those between two agents of one thread, are sealed and opened by the core.
#![forbid(unsafe_code)]

mod after;
mod agent;
mod batching;
mod bell;
mod calls;
mod clock;
mod desk;
mod desks;
mod directory;
mod event;
mod flush;
mod handle;
#[cfg(feature = "test-hooks")]
pub mod hooks;
mod inbox;
mod lane;
mod lookup;
mod memory;
mod name;
mod node;
mod outbox;
mod pool;
mod port;
mod refusal;
mod room;
mod routes;
mod signal;
mod signing;
mod slots;
mod sync;
mod tickets;
mod time;
pub mod transport;

pub use agent::{Agent, AgentOptions, Signer};
pub use clock::{now, random};
pub use event::{Body, Event, OCTETS, Outcome, Payload};
pub use handle::{CallOptions, Handle, Incoming, Key};
pub use inbox::{Allow, Letter};
pub use name::{MAX_NAME, check_name};
pub use node::{Node, NodeOptions};
pub use port::{NewCall, Port, Reply, Start, Waker};
pub use time::{Driven, Time};
