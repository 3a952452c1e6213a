//! Agent identities, signed messages and their verification: no I/O, no clock, no global random source.
#![forbid(unsafe_code)]

pub mod error;

pub use error::{Error, ErrorKind, Result};
