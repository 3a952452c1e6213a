//! Tokens, delegation, approvals and revocation: what somebody may do.

pub(crate) mod approval;
pub(crate) mod approval_request;
pub(crate) mod assertion;
pub(crate) mod authorities;
pub(crate) mod bits;
pub(crate) mod cache;
pub(crate) mod delegation;
pub(crate) mod dpop;
pub(crate) mod evidence;
pub(crate) mod grant;
pub(crate) mod grant_claims;
pub(crate) mod issuer_keys;
pub(crate) mod judge;
pub(crate) mod key_history;
pub(crate) mod presented;
pub(crate) mod quota;
pub(crate) mod revocation;
pub(crate) mod rotation;
pub(crate) mod scope;
pub(crate) mod status_list;
pub(crate) mod status_lists;
pub(crate) mod token;
pub(crate) mod trust;
pub(crate) mod verifier;

pub use approval::{MAX_APPROVAL_BYTES, MAX_APPROVAL_TTL};
pub use assertion::MAX_ASSERTION_LIFE;
pub use delegation::MAX_DELEGATIONS;
pub use dpop::MAX_PROOF_AGE;
pub use grant::MAX_DELEGATION_BYTES;
pub use key_history::MAX_KEYS;
pub use presented::MAX_PRESENTED_BYTES;
pub use quota::{MAX_LIMIT, MAX_LIMIT_NAME_BYTES, MAX_LIMITS};
pub use rotation::{DEFAULT_OVERLAP, MAX_NOTICE, MAX_OVERLAP};
pub use scope::{MAX_SCOPE_BYTES, MAX_SCOPES};
pub use status_list::{INVALID, MAX_LIST_BYTES, SUSPENDED, VALID};
pub use token::{DEFAULT_TOKEN_TTL, MAX_TOKEN_TTL};
