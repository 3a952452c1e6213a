//! Scopes, tokens, delegation, revocation, rotation and approval.

pub mod judge;
mod presented;
mod revocation;
mod statement;
pub mod token;

use crate::convert::whole;
use crate::identity::known_key;
use xbind::Did;
use xbind_runtime::now;

pub fn did(text: &str) -> xbind::Result<Did> {
    known_key(text).map(|key| *key.did())
}

pub fn dids(texts: &[String]) -> xbind::Result<Vec<Did>> {
    texts.iter().map(|text| did(text)).collect()
}

fn time(seconds: Option<f64>) -> u64 {
    seconds.map_or_else(now, whole)
}
