//! Tokens, delegation, approvals and revocation: what somebody may do.

pub mod approval;
pub mod approval_request;
pub(crate) mod cache;
pub mod delegation;
pub mod evidence;
pub mod grant;
pub(crate) mod grant_claims;
pub mod issuer_keys;
pub mod judge;
pub mod key_history;
pub mod presented;
pub mod revocation;
pub mod rotation;
pub mod scope;
pub mod status_list;
pub mod status_lists;
pub mod token;
pub mod verifier;
