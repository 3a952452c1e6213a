//! What JSON text may hold that goes into a body.

use napi_derive::napi;
use xbind::message::payload;

use crate::convert::{Fallible, fallible};

#[napi(catch_unwind)]
pub fn check_json(text: String) -> Fallible<()> {
    fallible(payload::check_json(&text))
}
