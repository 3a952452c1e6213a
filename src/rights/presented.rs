//! What a caller presents: a token, an approval, or both.

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use xbind::Presented;

use crate::convert::{BindingError, Fallible, fallible};

#[napi(object, object_from_js = false)]
pub struct BindingPresented {
    pub token: Option<String>,
    pub approval: Option<String>,
}

#[napi(catch_unwind)]
pub fn read_presented(text: String) -> Fallible<BindingPresented> {
    fallible(Presented::parse(&text).map(|Presented { token, approval }| BindingPresented {
        token: token.map(str::to_owned),
        approval: approval.map(str::to_owned),
    }))
}

/// One text of both; nothing if there is neither.
#[napi(catch_unwind)]
pub fn write_presented(token: Option<String>, approval: Option<String>) -> Either<Option<String>, BindingError> {
    fallible(Presented { token: token.as_deref(), approval: approval.as_deref() }.text())
}
