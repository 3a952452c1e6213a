//! What becomes of arguments and results at the border: one conversion for each type, and no entry needs one of its own.

use std::marker::PhantomData;

use napi::bindgen_prelude::{AsyncTask, Either, Env, External, JsValue, ToNapiValue, Uint8ArraySlice};
use napi::sys;
use xbind_binding::record::{Later, Telling};
use xbind_runtime::Payload;

use crate::bytes::{Bytes, Copied, SecretBytes, SecretText};
use crate::convert::{BindingError, Content, Json};
use crate::key::{Work, elsewhere};

/// An argument, as it is handed on.
pub trait Pass {
    type To<'a>
    where
        Self: 'a;

    fn pass(&mut self) -> Self::To<'_>;
}

pass! {
    [] bool => bool: |value| *value;
    [] u8 => u8: |value| *value;
    [] u32 => u32: |value| *value;
    [] f64 => f64: |value| *value;
    [] Option<bool> => Option<bool>: |value| *value;
    [] Option<u32> => Option<u32>: |value| *value;
    [] Option<f64> => Option<f64>: |value| *value;
    [] String => &'a str: |text| text;
    [] Option<String> => Option<&'a str>: |text| text.as_deref();
    [] Vec<String> => &'a [String]: |texts| texts;
    [] Option<Vec<String>> => Option<&'a [String]>: |texts| texts.as_deref();
    [] Bytes => &'a [u8]: |bytes| bytes.as_slice();
    [] Option<Bytes> => Option<&'a [u8]>: |bytes| bytes.as_ref().map(Bytes::as_slice);
    [] Vec<Bytes> => Vec<&'a [u8]>: |all| all.iter().map(Bytes::as_slice).collect();
    [] SecretBytes => &'a [u8]: |bytes| bytes.as_slice();
    [] Option<SecretText> => Option<&'a str>: |text| text.as_ref().map(|text| text.0.as_str());
    ['x] Uint8ArraySlice<'x> => &'a [u8]: |bytes| bytes;
    [T] Json<T> => &'a T: |json| &json.0;
    [T] Option<Json<T>> => Option<&'a T>: |json| json.as_ref().map(|Json(value)| value);
    ['x, T: 'static] &'x External<T> => &'a T: |native| native;
    ['x, T: 'static] Option<&'x External<T>> => Option<&'a T>: |native| native.map(|native| &**native);
    ['x, T: 'static] Vec<&'x External<T>> => Vec<&'a T>: |all| all.iter().map(|native| &***native).collect();
    [] Content => Payload: |content| std::mem::replace(&mut content.0, Payload::Bytes(Vec::new()));
}

/// A result, as it is given back.
pub trait Give<From> {
    fn give(from: From) -> Self;
}

give! {
    [T] T => T: |value| value;
    [T] T => Json<T>: |value| Self(value);
    [T: 'static] T => External<T>: |value| Self::new(value);
    [T: Send + 'static, U: Give<T> + ToNapiValue + 'static] Later<T> => AsyncTask<Work<T, U>>: |work| elsewhere(work);
    [T, U] Telling<T> => Promised<T, U>: |telling| Self(telling, PhantomData);
    [A: 'static, B] (A, B) => (External<A>, Json<B>): |(kept, says)| (External::new(kept), Json(says));
    [] [u8; 32] => Bytes: |bytes| Copied(bytes.to_vec());
    [] Vec<u8> => Bytes: |bytes| Copied(bytes);
    [] xbind::Result<()> => Option<BindingError>: |done| done.err().map(BindingError::from);
    [T, U: Give<T>] xbind::Result<T> => Either<U, BindingError>: |done| match done {
        Ok(value) => Self::A(U::give(value)),
        Err(error) => Self::B(error.into()),
    };
}

/// A promise, kept from whichever thread.
pub struct Promised<T, U>(Telling<T>, PhantomData<fn() -> U>);

impl<T: Send + 'static, U: Give<T> + ToNapiValue + 'static> ToNapiValue for Promised<T, U> {
    unsafe fn to_napi_value(env: sys::napi_env, Self(begin, _): Self) -> napi::Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let (promise, settled) = env.create_deferred()?;
        begin(Box::new(move |said| promise.resolve(move |_| Ok(U::give(said)))));
        Ok(settled.raw())
    }
}
