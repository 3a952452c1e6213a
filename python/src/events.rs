//! What happened, as `xbind-binding` writes it: values are collected while other threads may run Python, and become Python's
//! own afterwards.

use std::convert::Infallible;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use xbind::Error;
use xbind_binding::events::{Letter, List, Value, write_letters};
use xbind_binding::number::whole;
use xbind_binding::port::handled;

use crate::pass::Give;

enum Item {
    None,
    Small(i32),
    Whole(u64),
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
    Failure(Error),
}

/// A flat list of values.
#[derive(Default)]
pub(crate) struct Flat(Vec<Item>);

impl List for Flat {
    type Error = Infallible;
    type Mark = usize;

    fn push(&mut self, value: Value<'_>) -> Result<(), Infallible> {
        self.0.push(match value {
            Value::None => Item::None,
            Value::Small(value) => Item::Small(value),
            Value::Whole(value) => Item::Whole(value),
            Value::Number(value) => Item::Number(value),
            Value::Text(text) => Item::Text(text.to_owned()),
            Value::Bytes(bytes) => Item::Bytes(bytes),
            Value::Failure(error) => Item::Failure(error),
        });
        Ok(())
    }

    fn mark(&self) -> usize {
        self.0.len()
    }

    fn cut(&mut self, mark: usize) {
        self.0.truncate(mark);
    }
}

impl<'py> IntoPyObject<'py> for Item {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::None => py.None().into_bound(py),
            Self::Small(value) => value.into_pyobject(py)?.into_any(),
            Self::Whole(value) => value.into_pyobject(py)?.into_any(),
            Self::Number(value) if value >= 0.0 && value.fract() == 0.0 => whole(value).into_pyobject(py)?.into_any(),
            Self::Number(value) => value.into_pyobject(py)?.into_any(),
            Self::Text(text) => PyString::new(py, &text).into_any(),
            Self::Bytes(bytes) => PyBytes::new(py, &bytes).into_any(),
            Self::Failure(error) => failure(&error).into_pyobject(py)?.into_any(),
        })
    }
}

impl<'py> IntoPyObject<'py> for Flat {
    type Target = PyList;
    type Output = Bound<'py, PyList>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0)
    }
}

impl Give<Vec<Letter>> for Flat {
    fn give(letters: Vec<Letter>) -> Self {
        let mut flat = Self::default();
        let Ok(()) = write_letters(&mut flat, letters);
        flat
    }
}

/// A failure as data, for who waits for it elsewhere.
type Failure = (&'static str, String, Option<String>, bool, Option<&'static str>);

pub(crate) fn failure(error: &Error) -> Failure {
    let (code, retryable) = (error.kind().code(), error.kind().retryable());
    (code, error.message().to_owned(), error.hint().map(str::to_owned), retryable, handled(error.handled()))
}
