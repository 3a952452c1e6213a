//! The way of a request that `xbind-server` has accepted: measured, read within its bounds, verified, answered.

pub(crate) mod call;
pub(crate) mod metrics;
pub(crate) mod pipeline;

/// The largest body of a request: a card and what is around it.
pub(crate) const MAX_BODY: usize = 96 * 1024;
/// What a first line and header fields take at most.
pub(crate) const MAX_HEAD: usize = 32 * 1024;
/// The most header fields.
pub(crate) const MAX_FIELDS: usize = 64;
