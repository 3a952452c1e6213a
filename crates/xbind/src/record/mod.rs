//! What is on record: receipts of single calls, and logs of what was decided. No file and no clock: whoever keeps a record
//! brings both.

pub(crate) mod receipt;

pub use receipt::{Proven, Receipt};
