//! Keys and DIDs: who somebody is.

pub(crate) mod attributes;
pub(crate) mod did;
pub mod jwk;
pub(crate) mod jwks;
pub(crate) mod key;
pub(crate) mod pbes2;
pub(crate) mod pem;
pub mod pkcs8;
pub(crate) mod scrub;
pub mod statement;

pub use jwks::MAX_JWKS_BYTES;
