//! One connection to where agents are, and one request on it.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::frame::MEDIA_TYPE;
use crate::{FetchError, Target};

/// The longest head of an answer: bytes and lines.
const MAX_HEAD: (usize, usize) = (16 * 1024, 64);

/// A connection that takes one request at a time.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

/// What became of a request.
pub(crate) enum Sent {
    /// The head of its response has come.
    Answered(Response<Incoming>),
    /// Nothing of it left.
    Kept,
    /// Nobody knows what arrived.
    Lost,
}

impl Connection {
    /// Speaks HTTP on a stream; `closed` runs when the connection has ended.
    pub(crate) async fn over<S>(stream: S, closed: impl FnOnce() + Send + 'static) -> Result<Self, FetchError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut client = http1::Builder::new();
        client.max_buf_size(MAX_HEAD.0).max_headers(MAX_HEAD.1);
        let shaken = client.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|_| FetchError::BrokenOff)?;
        tokio::spawn(async move {
            let _ = connection.await; // whoever waits for an answer hears of it there
            closed();
        });
        Ok(Self { sender })
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Whether the response before was read to its end, so that the next request may go.
    pub(crate) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub(crate) async fn send(&mut self, target: &Target, body: Bytes) -> Sent {
        let request = Request::post(target.path())
            .header(HOST, target.authority())
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header(ACCEPT, MEDIA_TYPE)
            .header(ACCEPT_ENCODING, "identity")
            .header(USER_AGENT, "private.me-autogen")
            .body(Full::new(body));
        let Ok(request) = request else { return Sent::Lost };
        match self.sender.try_send_request(request).await {
            Ok(response) => Sent::Answered(response),
            Err(mut refused) => refused.take_message().map_or(Sent::Lost, |_| Sent::Kept),
        }
    }
}

/// Whether that is a response with messages.
pub(crate) fn vet(response: &Response<Incoming>) -> Result<(), FetchError> {
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let headers = response.headers();
    let is_plain = headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes() == b"identity");
    if !is_plain {
        return Err(FetchError::Encoded);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (Some(media_type), None) if media_type.as_bytes().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()) => Ok(()),
        _ => Err(FetchError::MediaType),
    }
}
