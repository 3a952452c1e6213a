//! One bus of many machines, over a broker that nobody trusts: the statements that travel, and how they are named there.
//! docs/nats.md tells them; nothing in here talks to a broker.

pub(crate) mod callout;
pub(crate) mod callout_box;
pub(crate) mod connection;
pub(crate) mod heartbeat;
pub(crate) mod mailbox;
pub(crate) mod name;
pub(crate) mod namespace;
pub(crate) mod nkey;
pub(crate) mod permit;
pub(crate) mod presence;
mod signed;
pub(crate) mod stop;
pub(crate) mod stops;
pub mod token;

pub use callout::{AuthRequest, MAX_REQUEST_BYTES, callout_key};
pub use callout_box::CalloutBox;
pub use connection::{Connection, ConnectionDraft, MAX_CONNECTION_TTL};
pub use heartbeat::{Heartbeat, HeartbeatDraft, MAX_HEARTBEAT_TTL};
pub use mailbox::{MAX_MAILBOX_TTL, Mailbox, MailboxDraft};
pub use name::{NameDraft, NameRecord};
pub use namespace::{Bucket, Namespace};
pub use nkey::{NKey, Role};
pub use permit::{MAX_PERMIT_TTL, Names, Permit, Rights};
pub use presence::{MAX_FRAME_BYTES, MAX_PRESENCE_TTL, MIN_FRAME_BYTES, Presence, PresenceDraft};
pub use stop::{Stop, StopDraft, Stopped, Verb};
pub use stops::Stops;

/// The longest statement of a cluster, in bytes: it fits the first line that a NATS client may send, with all else in it.
pub const MAX_STATEMENT_BYTES: usize = 2048;
