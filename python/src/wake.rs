//! How another thread wakes an event loop: it writes to a socket that the loop reads. That needs no Python, so nothing can
//! wait for the interpreter, and at its end nothing is missed.

use std::io::{self, Read, Write};
#[cfg(windows)]
use std::net::TcpStream as Stream;
#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(unix)]
use std::os::unix::net::UnixStream as Stream;
#[cfg(windows)]
use std::os::windows::io::AsRawSocket;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::soon::{Made, Soon};

/// Both ends stay open as long as somebody has one: nobody writes to what is closed.
struct Pair {
    reader: Stream,
    writer: Stream,
    /// What was begun here and is done, by the numbers that it was given.
    came: Mutex<Vec<(u64, Made)>>,
}

impl Pair {
    /// If there is no room, it is awake.
    fn ring(&self) {
        let _ = (&self.writer).write(&[1]);
    }
}

/// Where an event loop hears that there is something to do.
#[pyclass(frozen, module = "private_me._native")]
pub(crate) struct Wake(Arc<Pair>);

/// A number, what came of it, or why nothing did.
type Done = (u64, Option<Py<PyAny>>, Option<Py<PyAny>>);

/// Whoever wakes it.
pub(crate) struct Waker(Arc<Pair>);

#[cfg(unix)]
fn pair() -> io::Result<(Stream, Stream)> {
    Stream::pair()
}

#[cfg(windows)]
fn pair() -> io::Result<(Stream, Stream)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let writer = Stream::connect(listener.local_addr()?)?;
    loop {
        let (reader, from) = listener.accept()?;
        if from == writer.local_addr()? {
            writer.set_nodelay(true)?;
            return Ok((reader, writer)); // whoever else came first is not us
        }
    }
}

/// Both ends.
pub(crate) fn wake() -> io::Result<(Wake, Waker)> {
    let (reader, writer) = pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    let both = Arc::new(Pair { reader, writer, came: Mutex::default() });
    Ok((Wake(both.clone()), Waker(both)))
}

impl Waker {
    /// Wakes it.
    pub(crate) fn wake(&self) {
        self.0.ring();
    }
}

#[pymethods]
impl Wake {
    /// What an event loop reads.
    #[cfg(unix)]
    fn fileno(&self) -> i32 {
        self.0.reader.as_raw_fd()
    }

    /// What an event loop reads.
    #[cfg(windows)]
    fn fileno(&self) -> u64 {
        self.0.reader.as_raw_socket()
    }

    /// Waits until it is woken: for a thread of its own, where no event loop can read it.
    fn wait(&self, py: Python<'_>) {
        let pair = &self.0;
        py.detach(|| {
            let mut bytes = [0; 64];
            let _ = pair.reader.set_nonblocking(false).and_then(|()| (&pair.reader).read(&mut bytes));
            let _ = pair.reader.set_nonblocking(true);
        });
    }

    /// Wakes it.
    fn ring(&self) {
        self.0.ring();
    }

    /// Begins what takes its time. When it is done, it is among what `came`, by that number.
    fn begin(&self, number: u64, soon: &Soon) -> PyResult<()> {
        let begin = soon.take().ok_or_else(|| PyRuntimeError::new_err("it was begun before"))?;
        let pair = self.0.clone();
        begin(Box::new(move |made| {
            pair.came.lock().unwrap_or_else(PoisonError::into_inner).push((number, made));
            pair.ring();
        }));
        Ok(())
    }

    /// What is done since it was asked for: numbers, what came of each, or why nothing did.
    fn came(&self, py: Python<'_>) -> Vec<Done> {
        let came = std::mem::take(&mut *self.0.came.lock().unwrap_or_else(PoisonError::into_inner));
        let told = came.into_iter().map(|(number, made)| match made(py) {
            Ok(value) => (number, Some(value), None),
            Err(error) => (number, None, Some(error.into_value(py).into_any())),
        });
        told.collect()
    }

    /// It was heard.
    fn drain(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.0.reader).read(&mut bytes), Ok(1..)) {}
    }
}
