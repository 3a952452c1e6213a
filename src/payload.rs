//! What JSON text may hold that goes into a body.

use napi_derive::napi;
use xbind::message::payload;

use crate::convert::BindingError;

#[napi(catch_unwind)]
pub fn check_json(text: String) -> Option<BindingError> {
    payload::check_json(&text).err().map(BindingError::from)
}
