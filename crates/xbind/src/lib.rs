//! Agent identities, signed messages and their verification: no I/O, no clock, no global random source.
#![forbid(unsafe_code)]

pub mod did;
pub mod error;
pub mod jwk;
pub mod key;
pub mod pkcs8;

pub use did::Did;
pub use error::{Error, ErrorKind, Result};
pub use key::{KeyCache, SigningKey, VerifyingKey};
