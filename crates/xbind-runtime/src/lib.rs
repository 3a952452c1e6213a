//! Agents, inboxes and the ways between them: everything that waits.
//!
//! Agents live on a [`Node`]. A face (Node.js, Python) brings them there through a [`Port`], gives commands and collects
//! [`Event`]s; a Rust program has a [`Handle`] for each. Other processes are reached over a [`Transport`](transport). All
//! messages, also those between two agents of one thread, are sealed and opened by the core, [`xbind`], which has the keys,
//! DIDs and errors that are named here.
#![forbid(unsafe_code)]

mod agent;
mod flush;
mod guard;
mod handle;
#[cfg(feature = "test-hooks")]
pub mod hooks;
mod node;
mod port;
mod record;
mod sync;
pub mod transport;

pub use agent::inbox::Letter;
pub use agent::lent::Lender;
pub use agent::{Agent, AgentOptions, Signer};
pub use guard::case::{Guarded, Question, Testimony};
pub use guard::policy::{Allow, ApprovalPolicy, MethodPolicy, Policies, Policy};
pub use handle::incoming::Incoming;
pub use handle::witness::{Inquiry, Witness};
pub use handle::{CallOptions, Handle, Key, Sent, Stream};
pub use node::mail::Mail;
pub use node::name::{MAX_NAME, check_name};
pub use node::stops::Overseer;
pub use node::windows::{SharedWindow, WindowAnswer, WindowQuestion};
pub use node::{Node, NodeOptions};
pub use port::answer::{Reply, Start};
pub use port::asking::NewCall;
pub use port::event::{Body, Event, OCTETS, Outcome, Payload, Receipt};
pub use port::parts::Flow;
pub use port::progress::Progress;
pub use port::senders::Senders;
pub use port::sink::WINDOW;
pub use port::{Port, Waker};
pub use record::callback::{Callback, HandOver};
pub use record::files::{Verified, Wanted, verify};
pub use record::index::Query;
pub use record::log::{AuditLog, Flushed};
pub use record::sink::Recording;
pub use record::writer::{Batch, Opened, Sign};
pub use record::{Audit, Decided, Done, Durability, LogOptions, Taken};
pub use sync::clock::{message_id, now, random};
pub use sync::time::{Driven, Time};
