//! What goes back: an answer of the gateway's own, or the bytes of a model's server as they come.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::api::Api;
use crate::problem::Problem;
use crate::usage::Kind as Form;

/// Pieces that wait for a reader who is slower than the server.
const WAITING: usize = 2;

/// The body of a response.
pub(crate) enum Body {
    /// All of it.
    Whole(Option<Bytes>),
    /// What comes. It is whole only if somebody says so.
    Passing(mpsc::Receiver<Piece>),
}

/// A part of an answer that comes.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// There are no more.
    End,
}

/// An answer breaks off: whoever reads it must not take it for whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for Broken {}

impl Body {
    /// One that is there.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    /// One that comes.
    pub(crate) fn passing() -> (mpsc::Sender<Piece>, Self) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (sender, Self::Passing(receiver))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Passing(pieces) => pieces.poll_recv(cx).map(|piece| match piece {
                Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Piece::End) => None,
                None => Some(Err(Broken)),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
            Self::Passing(_) => SizeHint::default(),
        }
    }
}

impl Form {
    /// Whether a reader who has got that so far, up to these last bytes, waits for the next event or line.
    pub(crate) fn is_between(self, last: &[u8]) -> bool {
        match self {
            Self::Json => false,
            Self::Lines => last.is_empty() || last.ends_with(b"\n"),
            Self::Events => {
                last.is_empty() || [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"].iter().any(|end| last.ends_with(end))
            }
        }
    }

    /// What a reader of that form is told where the rest does not come: the next event or line. A text that is whole or nothing has no
    /// room for it.
    pub(crate) fn last_word(self, api: Api, problem: &Problem) -> Option<Bytes> {
        let json = problem.json(Some(api));
        match self {
            Self::Json => None,
            Self::Lines => Some(format!("{json}\n").into()),
            // Clients of chats look for a member `error`, others for the name of the event.
            Self::Events if api == Api::Chat => Some(format!("data: {json}\n\n").into()),
            Self::Events => Some(format!("event: error\ndata: {json}\n\n").into()),
        }
    }
}
