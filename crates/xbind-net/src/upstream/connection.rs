//! One connection to an upstream, and those that wait for their next request.

use std::collections::VecDeque;
use std::error::Error as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::FetchError;
use crate::connect::Stream;
use crate::exchange::reason;

/// The longest head of an answer: bytes and lines.
const MAX_HEAD: (usize, usize) = (32 * 1024, 128);
/// How many wait at the same time, and each how long.
const MOST: usize = 64;
const LIFE: Duration = Duration::from_secs(60);
/// How long a server may go on reading a request that it has already answered, before its connection is not kept.
const SETTLING: Duration = Duration::from_secs(1);

/// Takes one request at a time, and is closed when it is dropped.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Until when it waits for a request, if that is what it does.
    waits: watch::Sender<Option<Instant>>,
    /// Whether it ended with more than was asked for.
    ended: JoinHandle<bool>,
    /// Where it is driven: in no other runtime does anybody know whether it goes on.
    runtime: Id,
}

/// What became of a request.
pub(super) enum Sent<T> {
    Answered(T),
    /// Nothing of it left.
    Back(Box<Request<Full<Bytes>>>),
}

/// What there is behind an answer.
pub(super) enum Settled {
    /// Nothing, and the next request may go.
    Free,
    /// Nothing, and no request may go any more.
    Over,
    /// More than the answer said.
    Unasked,
}

impl Connection {
    pub(super) async fn over(stream: Stream) -> Result<Self, FetchError> {
        let mut client = http1::Builder::new();
        client.max_buf_size(MAX_HEAD.0).max_header_size(MAX_HEAD.0).max_headers(MAX_HEAD.1);
        let shaken = client.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|_| FetchError::BrokenOff)?;
        let (waits, waiting) = watch::channel(None);
        let ended = tokio::spawn(async move {
            tokio::select! {
                biased; // what was asked at the last moment goes
                ended = connection.without_shutdown() => match ended {
                    Ok(parts) => !parts.read_buf.is_empty(),
                    Err(error) => is_unasked(&error),
                },
                () = unwanted(waiting) => false,
            }
        });
        Ok(Self { sender, waits, ended, runtime: Handle::current().id() })
    }

    /// Until the head of the answer is there.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Sent<Response<Incoming>>, FetchError> {
        match self.sender.try_send_request(request).await {
            Ok(answer) => Ok(Sent::Answered(answer)),
            Err(mut refused) => match refused.take_message() {
                Some(request) => Ok(Sent::Back(Box::new(request))),
                None => Err(reason(&refused.into_error())),
            },
        }
    }

    /// After an answer that was read to its end.
    pub(super) async fn settle(&mut self) -> Settled {
        match timeout(SETTLING, self.sender.ready()).await {
            Ok(Ok(())) => Settled::Free,
            Ok(Err(_)) if (&mut self.ended).await.unwrap_or(false) => Settled::Unasked,
            Ok(Err(_)) | Err(_) => Settled::Over,
        }
    }
}

/// Until it has waited for long, or is dropped.
async fn unwanted(mut waiting: watch::Receiver<Option<Instant>>) {
    loop {
        let until = *waiting.borrow_and_update();
        let changed = match until {
            Some(until) => timeout_at(until, waiting.changed()).await.is_ok_and(|changed| changed.is_ok()),
            None => waiting.changed().await.is_ok(),
        };
        if !changed {
            return;
        }
    }
}

/// Whether a connection ended because something came that nobody waited for: such an error has no cause.
fn is_unasked(error: &hyper::Error) -> bool {
    !error.is_incomplete_message() && error.source().is_none()
}

/// Connections that wait for their next request, the one that waits longest first.
#[derive(Default)]
pub(super) struct Kept(Mutex<VecDeque<Connection>>);

impl Kept {
    /// The one that was used last, of those that this runtime drives.
    pub(super) fn take(&self) -> Option<Connection> {
        let here = Handle::current().id();
        let mut kept = self.open();
        let last = kept.iter().rposition(|connection| connection.runtime == here)?;
        let connection = kept.remove(last)?;
        connection.waits.send_replace(None);
        Some(connection)
    }

    pub(super) fn keep(&self, connection: Connection) {
        connection.waits.send_replace(Instant::now().checked_add(LIFE));
        let mut kept = self.open();
        kept.push_back(connection);
        if kept.len() > MOST {
            kept.pop_front();
        }
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<Connection>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|connection| !connection.sender.is_closed());
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_when_its_time_is_over_and_with_whoever_holds_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (now, later) = (Instant::now(), Instant::now().checked_add(LIFE.saturating_mul(60)));
            let (_waits, waiting) = watch::channel(Some(now));
            timeout(LIFE, unwanted(waiting)).await.expect("its time is over");
            for first in [None, later] {
                let (waits, waiting) = watch::channel(first);
                let mut over = tokio::spawn(unwanted(waiting));
                for next in [None, later, None] {
                    waits.send_replace(next);
                    assert!(timeout(Duration::from_millis(5), &mut over).await.is_err());
                }
                if first.is_some() {
                    waits.send_replace(Some(now));
                } else {
                    drop(waits);
                }
                timeout(LIFE, over).await.expect("it is over").unwrap();
            }
        });
    }
}
