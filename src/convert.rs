//! Values that cross the border.

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use xbind::{Error, ErrorKind, Handled};
use xbind_runtime::Payload;

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

impl From<Error> for BindingError {
    fn from(error: Error) -> Self {
        Self {
            code: error.kind().code(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
            retryable: error.kind().retryable(),
            handled: handled(error.handled()),
        }
    }
}

/// Whether the other side ran a call; none where it did not.
pub const fn handled(handled: Option<Handled>) -> Option<&'static str> {
    match handled {
        Some(Handled::Yes) => Some("yes"),
        Some(Handled::Unknown) => Some("unknown"),
        Some(Handled::No) | None => None,
    }
}

/// A value, or why there is none.
pub type Fallible<T> = Either<T, BindingError>;

pub fn fallible<T>(result: Result<T, impl Into<BindingError>>) -> Fallible<T> {
    match result {
        Ok(value) => Either::A(value),
        Err(error) => Either::B(error.into()),
    }
}

/// JSON text, or bytes.
#[napi]
pub type Content = Either<String, Bytes>;

pub fn payload(content: Content) -> Payload {
    match content {
        Either::A(text) => Payload::Json(text),
        Either::B(bytes) => Payload::Bytes(bytes.into_inner()),
    }
}

/// Seconds as JavaScript has them: exact below 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "seconds: below 2^53")]
pub fn number(value: u64) -> f64 {
    value as f64
}

/// The whole number in a JavaScript number; 0 for what is none, the largest for what is larger.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub fn whole(value: f64) -> u64 {
    value as u64
}

/// A time from JavaScript's clock.
pub fn seconds(now: f64) -> xbind::Result<u64> {
    let no_time = || Error::new(ErrorKind::InvalidConfig, "the clock gave no time");
    Some(now).filter(|now| now.is_finite() && *now >= 0.0).map(whole).ok_or_else(no_time)
}

pub fn size(value: f64) -> usize {
    usize::try_from(whole(value)).unwrap_or(usize::MAX)
}
