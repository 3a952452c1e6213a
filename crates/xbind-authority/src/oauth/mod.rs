//! For ordinary OAuth clients: agents prove themselves with `private_key_jwt`, and are given the tokens that they are given
//! elsewhere. docs/oauth.md says what goes over the wire.

pub(crate) mod client;
pub(crate) mod client_credentials;
pub mod error;
pub(crate) mod exchange;
pub(crate) mod form;
pub(crate) mod logout;
pub(crate) mod sessions;
pub(crate) mod token;

/// The paths, below the URL of the server.
pub(crate) const TOKEN_PATH: &str = "/oauth/token";
