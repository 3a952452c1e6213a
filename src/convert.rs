//! Values that cross the border.

use napi::bindgen_prelude::{Either, FromNapiValue, ToNapiValue, ValidateNapiValue};
use napi::{Status, sys};
use napi_derive::napi;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xbind_binding::port::handled;

use crate::bytes::Bytes;

/// A failure as data; `ts/errors.ts` makes the exception of it.
#[napi(object, object_from_js = false, js_name = "Failure")]
pub struct BindingError {
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
    pub retryable: bool,
    /// Whether the other side ran the call; none where it did not.
    #[napi(ts_type = "'yes' | 'no' | 'unknown'")]
    pub handled: Option<&'static str>,
}

impl From<xbind::Error> for BindingError {
    fn from(error: xbind::Error) -> Self {
        Self {
            code: error.kind().code(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
            retryable: error.kind().retryable(),
            handled: handled(error.handled()),
        }
    }
}

/// A value, or why there is none.
pub type Fallible<T> = Either<T, BindingError>;

/// What crosses as JSON text: one string costs less than an object with members.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromNapiValue for Json<T> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        // SAFETY: whoever calls this vouches for environment and value.
        let text = unsafe { String::from_napi_value(env, value) }?;
        // What serde says may hold a part of the text, which may be secret.
        let read = serde_json::from_str(&text).map(Json);
        read.map_err(|_| napi::Error::new(Status::InvalidArg, "not what the native side takes"))
    }
}

impl<T: Serialize> ToNapiValue for Json<T> {
    unsafe fn to_napi_value(env: sys::napi_env, Self(value): Self) -> napi::Result<sys::napi_value> {
        let text = serde_json::to_string(&value).map_err(|error| napi::Error::from_reason(error.to_string()))?;
        // SAFETY: whoever calls this vouches for the environment.
        unsafe { String::to_napi_value(env, text) }
    }
}

impl<T: DeserializeOwned> ValidateNapiValue for Json<T> {}

named! { String, Json<T>, T }

/// JSON text, or bytes.
#[napi]
pub type Content = Either<String, Bytes>;
