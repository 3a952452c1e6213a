//! Keys and DIDs: who somebody is.

pub(crate) mod attributes;
pub mod did;
pub mod jwk;
pub mod jwks;
pub mod key;
pub(crate) mod pbes2;
pub(crate) mod pem;
pub mod pkcs8;
pub(crate) mod scrub;
pub mod statement;
