//! What becomes of arguments and results at the border: one conversion for each type, and no entry needs one of its own.

use std::sync::MutexGuard;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xbind_binding::port::handled;
use xbind_runtime::Payload;
use zeroize::Zeroizing;

pyo3::import_exception!(private_me._errors, XBindError);

/// A failure as what is raised.
pub(crate) fn raised(error: &xbind::Error) -> PyErr {
    let (code, retryable) = (error.kind().code(), error.kind().retryable());
    let (message, hint) = (error.message().to_owned(), error.hint().map(str::to_owned));
    XBindError::new_err((code, message, hint, retryable, handled(error.handled())))
}

/// An argument as it comes in: what is under a lock is locked for as long as the entry lasts.
pub(crate) trait Enter {
    type Entered;

    fn enter(self) -> Self::Entered;
}

/// An argument, as it is handed on.
pub(crate) trait Pass {
    type To<'a>
    where
        Self: 'a;

    fn pass(&mut self) -> Self::To<'_>;
}

/// A result, as it is given back.
pub(crate) trait Give<From> {
    fn give(from: From) -> Self;
}

macro_rules! pass {
    ($([$($of:tt)*] $type:ty => $to:ty: |$value:ident| $pass:expr;)*) => {$(
        impl<$($of)*> Enter for $type {
            type Entered = Self;

            fn enter(self) -> Self { self }
        }

        impl<$($of)*> Pass for $type {
            type To<'a> = $to where Self: 'a;

            fn pass(&mut self) -> Self::To<'_> { let $value = self; $pass }
        }
    )*};
}

pass! {
    [] bool => bool: |value| *value;
    [] u8 => u8: |value| *value;
    [] u32 => u32: |value| *value;
    [] f64 => f64: |value| *value;
    [] Option<bool> => Option<bool>: |value| *value;
    [] Option<u32> => Option<u32>: |value| *value;
    [] Option<f64> => Option<f64>: |value| *value;
    ['x] &'x str => &'a str: |text| text;
    ['x] Option<&'x str> => Option<&'a str>: |text| *text;
    [] Vec<String> => &'a [String]: |texts| texts;
    [] Option<Vec<String>> => Option<&'a [String]>: |texts| texts.as_deref();
    ['x] &'x [u8] => &'a [u8]: |bytes| bytes;
    ['x] Option<&'x [u8]> => Option<&'a [u8]>: |bytes| *bytes;
    [T] Json<T> => &'a T: |json| &json.0;
    [T] Option<Json<T>> => Option<&'a T>: |json| json.as_ref().map(|Json(value)| value);
    [] Content => Payload: |content| std::mem::replace(&mut content.0, Payload::Bytes(Vec::new()));
    [] String => String: |text| std::mem::take(text);
}

impl<G: Enter> Enter for Option<G>
where
    G: Locked,
{
    type Entered = Option<G::Entered>;

    fn enter(self) -> Self::Entered {
        self.map(Enter::enter)
    }
}

/// What is behind a lock.
pub(crate) trait Locked {}

impl<T> Pass for MutexGuard<'_, T> {
    type To<'a>
        = &'a T
    where
        Self: 'a;

    fn pass(&mut self) -> &T {
        self
    }
}

impl<T> Pass for Option<MutexGuard<'_, T>> {
    type To<'a>
        = Option<&'a T>
    where
        Self: 'a;

    fn pass(&mut self) -> Option<&T> {
        self.as_deref()
    }
}

impl<G> Pass for Vec<MutexGuard<'_, G>> {
    type To<'a>
        = Vec<&'a G>
    where
        Self: 'a;

    fn pass(&mut self) -> Vec<&G> {
        self.iter().map(|guard| &**guard).collect()
    }
}

impl<T> Give<T> for T {
    fn give(from: T) -> Self {
        from
    }
}

impl<T, U: Give<T>> Give<xbind::Result<T>> for PyResult<U> {
    fn give(done: xbind::Result<T>) -> Self {
        done.map(U::give).map_err(|error| raised(&error))
    }
}

/// What crosses as JSON text: one string costs less than an object with members.
pub(crate) struct Json<T>(pub(crate) T);

impl<T> Give<T> for Json<T> {
    fn give(value: T) -> Self {
        Self(value)
    }
}

impl<T: DeserializeOwned> FromPyObject<'_, '_> for Json<T> {
    type Error = PyErr;

    fn extract(text: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        // What serde says may hold a part of the text, which may be secret.
        let read = serde_json::from_str(text.cast::<PyString>()?.to_str()?).map(Json);
        read.map_err(|_| PyValueError::new_err("not what the native side takes"))
    }
}

impl<'py, T: Serialize> IntoPyObject<'py> for Json<T> {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let text = serde_json::to_string(&self.0).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyString::new(py, &text))
    }
}

/// JSON text, or bytes.
pub(crate) struct Content(Payload);

impl FromPyObject<'_, '_> for Content {
    type Error = PyErr;

    fn extract(content: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = content.cast::<PyString>() {
            return Ok(Self(Payload::Json(text.to_str()?.to_owned())));
        }
        Ok(Self(Payload::Bytes(content.cast::<PyBytes>()?.as_bytes().to_vec())))
    }
}

/// Bytes on their way out.
pub(crate) struct Bytes(Vec<u8>);

impl Give<Vec<u8>> for Bytes {
    fn give(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> Give<[u8; N]> for Bytes {
    fn give(bytes: [u8; N]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Give<Zeroizing<Vec<u8>>> for Bytes {
    fn give(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(std::mem::take(&mut *bytes))
    }
}

impl<'py> IntoPyObject<'py> for Bytes {
    type Target = PyBytes;
    type Output = Bound<'py, PyBytes>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &Zeroizing::new(self.0)))
    }
}
