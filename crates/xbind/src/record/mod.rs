//! What is on record: receipts of single calls, and logs of what was decided. No file and no clock: whoever keeps a record
//! brings both.

pub(crate) mod chain;
pub(crate) mod head;
pub(crate) mod line;
pub(crate) mod receipt;

pub use chain::{Chain, Reader, digest};
pub use head::{Head, KeptHead, MAX_HEAD_BYTES};
pub use line::{Entry, Line, MAX_CHAIN, MAX_EVENT_BYTES, MAX_LINE_BYTES, MAX_TEXT_BYTES, Record, Verdict, read};
pub use receipt::{Proven, Receipt};
