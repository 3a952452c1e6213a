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
use std::sync::Arc;

use pyo3::prelude::*;

/// Both ends stay open as long as somebody has one: nobody writes to what is closed.
struct Pair {
    reader: Stream,
    writer: Stream,
}

/// Where an event loop hears that there is something to do.
#[pyclass(frozen, module = "private_me._native")]
pub(crate) struct Wake(Arc<Pair>);

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
    let both = Arc::new(Pair { reader, writer });
    Ok((Wake(both.clone()), Waker(both)))
}

impl Waker {
    /// If there is no room, it is awake.
    pub(crate) fn wake(&self) {
        let _ = (&self.0.writer).write(&[1]);
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
        let _ = (&self.0.writer).write(&[1]);
    }

    /// It was heard.
    fn drain(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.0.reader).read(&mut bytes), Ok(1..)) {}
    }
}
