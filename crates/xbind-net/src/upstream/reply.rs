use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::{Response, StatusCode};
use tokio::time::timeout;

use super::connection::{Connection, Kept, Settled};
use super::late;
use crate::FetchError;
use crate::exchange::reason;

/// An answer, whatever its status.
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its fields as they came, those of the connection (`connection`, `transfer-encoding` and the like) among them.
    pub fields: HeaderMap,
    /// What is still to come of it.
    pub body: ReplyBody,
}

/// The body of an answer, as it comes. Dropped before its end was read, it closes the connection, so that the server notices that
/// nobody reads any more.
pub struct ReplyBody {
    body: Incoming,
    /// Whether the head says where the body ends.
    is_measured: bool,
    is_read: bool,
    end: Option<Result<(), FetchError>>,
    idle: Duration,
    connection: Option<Connection>,
    kept: Arc<Kept>,
}

impl Reply {
    pub(super) fn of(
        answer: Response<Incoming>,
        connection: Connection,
        kept: Arc<Kept>,
        idle: Duration,
    ) -> Result<Self, FetchError> {
        let (head, body) = answer.into_parts();
        let is_measured = is_measured(head.status, &head.headers, &body)?;
        let connection = Some(connection);
        let body = ReplyBody { body, is_measured, is_read: false, end: None, idle, connection, kept };
        Ok(Self { status: head.status.as_u16(), fields: head.headers, body })
    }
}

/// Whether it is known where the body ends. One way at most to tell it is taken, so that nobody behind us reads another end.
fn is_measured(status: StatusCode, fields: &HeaderMap, body: &Incoming) -> Result<bool, FetchError> {
    let mut lengths = fields.get_all(CONTENT_LENGTH).iter();
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    let (length, coding) = (lengths.next(), codings.next());
    let is_one = lengths.next().is_none() && codings.next().is_none() && (length.is_none() || coding.is_none());
    let is_number = length.is_none_or(|length| length.as_bytes().iter().all(u8::is_ascii_digit));
    let is_chunked = coding.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if status.is_informational() || !is_one || !is_number || !is_chunked {
        return Err(FetchError::NotHttp);
    }
    Ok(body.is_end_stream() || length.is_some() || coding.is_some())
}

impl ReplyBody {
    /// The next piece, as soon as it is there. None only at the end that the head has told: where a length was said, so many
    /// bytes came and none behind them; else the last chunk. Trailers are dropped. After an error comes the same error.
    ///
    /// May be dropped while it waits, and called again.
    ///
    /// # Errors
    /// `BrokenOff` if it ended before, or the head did not tell where it ends; `NotHttp` if more came; `Timeout` if nothing came
    /// for so long.
    pub async fn next(&mut self) -> Option<Result<Bytes, FetchError>> {
        loop {
            if let Some(end) = self.end {
                return end.err().map(Err);
            }
            if self.is_read {
                self.settle().await;
                continue;
            }
            match timeout(self.idle, self.body.frame()).await {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Some(Ok(data)),
                    Ok(_) | Err(_) => {}
                },
                Ok(None) if self.is_measured => self.is_read = true,
                Ok(None) => self.ends(Err(FetchError::BrokenOff)),
                Ok(Some(Err(error))) => self.ends(Err(reason(&error))),
                Err(_) => self.ends(Err(late(self.idle))),
            }
        }
    }

    /// What it was read from is kept, if nothing came behind it.
    async fn settle(&mut self) {
        let Some(connection) = &mut self.connection else { return self.ends(Ok(())) };
        match connection.settle().await {
            Settled::Unasked => self.ends(Err(FetchError::NotHttp)),
            Settled::Over => self.ends(Ok(())),
            Settled::Free => {
                let free = self.connection.take();
                self.ends(Ok(()));
                free.into_iter().for_each(|connection| self.kept.keep(connection));
            }
        }
    }

    /// A connection that was not kept is closed.
    fn ends(&mut self, end: Result<(), FetchError>) {
        self.end = Some(end);
        self.connection = None;
    }
}

/// Fields may hold secrets.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("end", &self.end).finish_non_exhaustive()
    }
}
