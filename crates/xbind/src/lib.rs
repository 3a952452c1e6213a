//! Agent identities, signed messages and their verification: no I/O, no clock, no global random source.
#![forbid(unsafe_code)]

pub mod batch;
mod claims;
pub mod did;
pub mod error;
pub mod jwk;
mod jws;
pub mod key;
pub mod message;
pub mod open;
pub mod payload;
pub mod pkcs8;
pub mod replay;
pub mod seal;

pub use batch::RootCache;
pub use did::Did;
pub use error::{Error, ErrorKind, Result};
pub use key::{KeyCache, SigningKey, VerifyingKey};
pub use message::{Digest, InReplyTo, MessageId, Op};
pub use open::{Acquaintances, PendingCall, Policy, VerifiedMessage, open};
pub use replay::{ReplayWindow, Reservation};
pub use seal::{Draft, Sealed, Unsigned, seal};
