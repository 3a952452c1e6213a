//! For ordinary OAuth clients: agents prove themselves with `private_key_jwt`, and are given the tokens that they are given
//! elsewhere. docs/oauth.md says what goes over the wire.

pub(crate) mod client;
pub(crate) mod client_credentials;
pub(crate) mod dpop;
pub mod error;
pub(crate) mod exchange;
pub(crate) mod form;
pub(crate) mod introspection;
pub(crate) mod logout;
pub(crate) mod metadata;
pub(crate) mod sessions;
pub(crate) mod token;

/// The paths, below the URL of the server.
pub(crate) const TOKEN_PATH: &str = "/oauth/token";
pub(crate) const INTROSPECTION_PATH: &str = "/oauth/introspect";
pub(crate) const REVOCATION_PATH: &str = "/oauth/revoke";
