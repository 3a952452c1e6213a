//! HTTP requests and responses that prove who sends them: message signatures (RFC 9421) with Ed25519 over structured fields
//! (RFC 9651) and digests of bodies (RFC 9530). docs/http.md is the page for it.

pub mod approval;
pub mod base;
pub mod digest;
pub mod message;
pub mod profile;
pub mod response;
pub mod sfv;
pub mod sign;
pub mod signatures;
pub mod target;
pub mod verify;

/// The most header fields of a message.
pub const MAX_FIELDS: usize = 256;
/// The most bytes of all their names and values: a chain of delegations and as much again.
pub const MAX_FIELDS_BYTES: usize = 128 * 1024;
/// The longest request target.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;
/// The longest `Signature-Input`, `Signature`, `Signature-Agent` and `Content-Digest`, each with all its lines.
pub const MAX_STRUCTURED_BYTES: usize = 8 * 1024;
/// The most signatures of a message.
pub const MAX_SIGNATURES: usize = 8;
/// The most components that a signature may cover.
pub const MAX_COMPONENTS: usize = 64;
/// The longest nonce and `keyid`.
pub const MAX_PARAMETER_BYTES: usize = 256;
/// How long a signature lives unless its signer says otherwise, in seconds.
pub const DEFAULT_TTL: u64 = 60;
/// The longest life of a signature made here, in seconds.
pub const MAX_TTL: u64 = 300;
