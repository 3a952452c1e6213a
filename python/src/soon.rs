//! What takes its time: it goes on in other threads, without Python, and wakes the event loop that waits for it.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use xbind::{Error, ErrorKind};
use xbind_binding::record::{Later, Telling};

use crate::pass::{Give, raised};

/// What came of it, as Python's own once a thread that runs Python takes it.
pub(crate) type Made = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

type Tell = Box<dyn FnOnce(Made) + Send>;
type Begin = Box<dyn FnOnce(Tell) + Send>;

/// Something that begins when somebody waits for it; see `Wake.begin`.
#[pyclass(frozen, module = "private_me._native")]
pub(crate) struct Soon(Mutex<Option<Begin>>);

impl Soon {
    /// None the second time.
    pub(crate) fn take(&self) -> Option<Begin> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The same, which becomes an U.
pub(crate) struct Promised<U>(Begin, PhantomData<fn() -> U>);

/// Of what tells whoever is given.
pub(crate) fn promised<T: Send + 'static, U>(telling: Telling<T>, made: fn(T) -> PyResult<U>) -> Promised<U>
where
    U: for<'py> IntoPyObject<'py> + 'static,
{
    let begin = move |tell: Tell| {
        telling(Box::new(move |said| tell(Box::new(move |py| made(said)?.into_py_any(py)))));
    };
    Promised(Box::new(begin), PhantomData)
}

/// Of what waits: it has a thread of its own meanwhile, which nobody waits for at the end of the interpreter.
pub(crate) fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> xbind::Result<T> + Send + 'static,
) -> Telling<xbind::Result<T>> {
    Box::new(move |tell: Box<dyn FnOnce(xbind::Result<T>) + Send>| {
        let (hand, handed) = mpsc::channel::<Box<dyn FnOnce(xbind::Result<T>) + Send>>();
        let run = move || {
            let done = catch_unwind(AssertUnwindSafe(work));
            if let Ok(tell) = handed.recv() {
                tell(
                    done.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "an internal fault ended this call"))),
                );
            }
        };
        match thread::Builder::new().name("private_me".to_owned()).spawn(run) {
            Ok(_) => drop(hand.send(tell)),
            Err(_) => tell(Err(Error::new(ErrorKind::Internal, "the system gave no thread"))),
        }
    })
}

impl<T: Send + 'static, U> Give<Telling<xbind::Result<T>>> for Promised<U>
where
    U: Give<T> + for<'py> IntoPyObject<'py> + 'static,
{
    fn give(telling: Telling<xbind::Result<T>>) -> Self {
        promised(telling, |said| said.map(U::give).map_err(|error| raised(&error)))
    }
}

impl<T: Send + 'static, U> Give<Later<T>> for Promised<U>
where
    U: Give<T> + for<'py> IntoPyObject<'py> + 'static,
{
    fn give(work: Later<T>) -> Self {
        Self::give(elsewhere(work))
    }
}

impl<'py, U> IntoPyObject<'py> for Promised<U> {
    type Target = Soon;
    type Output = Bound<'py, Soon>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, Soon>> {
        Bound::new(py, Soon(Mutex::new(Some(self.0))))
    }
}
