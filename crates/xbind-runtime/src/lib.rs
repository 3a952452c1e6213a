//! Agents, buses and inboxes: everything that waits.
//!
//! Agents live on a [`Bus`] and belong to a [`Port`], the place where a face (Node.js, later Python) gives commands and
//! collects [`Event`]s. All messages, also those between two agents of one thread, are sealed and opened by the core.
#![forbid(unsafe_code)]

mod agent;
mod bus;
mod calls;
mod clock;
mod event;
mod flush;
#[cfg(feature = "test-hooks")]
pub mod hooks;
mod name;
mod pool;
mod port;
mod refusal;
mod sync;
mod tickets;

pub use agent::{Agent, AgentOptions, Allow, Signer};
pub use bus::Bus;
pub use clock::{now, random};
pub use event::{Body, Event, OCTETS, Outcome, Payload};
pub use name::{MAX_NAME, check_name};
pub use port::{NewCall, Port, Reply, Waker};
