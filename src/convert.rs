//! Values that cross the border.

use std::ptr;

use napi::bindgen_prelude::{Either, FromNapiValue, ToNapiValue, ValidateNapiValue};
use napi::{Status, check_status, sys};
use napi_derive::napi;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xbind_binding::{port::handled, spare};
use xbind_runtime::Payload;

use crate::bytes::{Bytes, no_memory};

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

/// JSON text, or bytes, on the way of every call: napi's `Either` makes an error before it looks, its `String` fills with
/// zeros what it then writes.
pub struct Content(pub Payload);

impl FromNapiValue for Content {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        let mut length = 0;
        let read = |to: *mut u8, room, length: &mut usize| {
            // SAFETY: whoever calls this vouches for environment and value, and there is room for so much.
            unsafe { sys::napi_get_value_string_utf8(env, value, to.cast(), room, length) }
        };
        if read(ptr::null_mut(), 0, &mut length) != sys::Status::napi_ok {
            // SAFETY: the same.
            return unsafe { Bytes::from_napi_value(env, value) }.map(|bytes| Self(Payload::Bytes(bytes.0)));
        }
        let mut text = spare::take(length.saturating_add(1)).map_err(|_| no_memory())?; // a zero ends it
        check_status!(read(text.as_mut_ptr(), text.capacity(), &mut length))?;
        // SAFETY: so many bytes were written.
        unsafe { text.set_len(length) };
        // SAFETY: they are UTF-8.
        Ok(Self(Payload::Json(unsafe { String::from_utf8_unchecked(text) })))
    }
}
