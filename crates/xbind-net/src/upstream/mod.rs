//! A server of the owner's that stands behind this program, such as that of a model behind a gateway: asked over HTTP/1.1 on
//! connections that are kept, and its answers are passed on as they come.
//!
//! Where it is follows the rules of [`Whose::Owner`]. No redirect is followed, and nothing is sent twice but what certainly
//! never left. How many requests run at the same time is for the caller to bound.

mod connection;
mod reply;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Uri};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use crate::connect::Ways;
use crate::{FetchError, Settings, Target, Whose};
use connection::{Connection, Kept, Sent};
pub use reply::{Reply, ReplyBody};

/// What is said of the connection and of how the body is sent is said here.
const MADE_HERE: [HeaderName; 10] = [
    HOST,
    CONTENT_LENGTH,
    CONNECTION,
    TRANSFER_ENCODING,
    TE,
    TRAILER,
    UPGRADE,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A server of the owner's. A clone is the same one, with the same connections; the last one closes those that wait.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    /// Scheme, host and port.
    origin: String,
    /// What all paths begin with, without a slash at its end.
    prefix: String,
    ways: Ways,
    kept: Arc<Kept>,
}

/// What is asked. Its fields hold keys, so it has no `Debug`.
#[derive(Clone)]
pub struct UpstreamRequest {
    /// `POST` and the like; not `CONNECT`.
    pub method: Method,
    /// Begins with a slash, and comes behind the path of the upstream; a query may follow. In the one spelling of
    /// [`Target::parse`], without `.` and `..`.
    pub path: String,
    /// All fields but those of the connection and of the length (`host`, `content-length`, `connection` and the like), which are
    /// made here and left out if they are named. `accept-encoding` is `identity` where nothing else is said.
    pub fields: HeaderMap,
    /// What is sent along.
    pub body: Bytes,
}

/// How long what may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimes {
    /// From looking the name up to a connection, TLS included.
    pub connect: Duration,
    /// From when the request is handed to a connection to the head of its answer: sending it is a part of that.
    pub head: Duration,
    /// Between two pieces of the answer's body, while somebody waits for the next.
    pub idle: Duration,
}

/// Why there is no answer. It holds nothing secret and no word of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// Nothing of the request was taken: it may be sent elsewhere.
    NotSent(FetchError),
    /// Nobody knows what arrived, or what came back is no answer.
    Lost(FetchError),
    /// The head of the answer did not come in time. What arrived, nobody knows.
    Late,
}

impl Upstream {
    /// `https://host`, with a port and with a path that all paths begin with, as they are needed; `http` on this machine only.
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// Those of [`Target::parse`]; `BadUrl` for one with a query.
    pub fn new(base: &str, settings: Settings) -> Result<Self, FetchError> {
        let target = Target::parse(base, Whose::Owner)?;
        if base.contains('?') {
            return Err(FetchError::BadUrl);
        }
        let origin = format!("{}://{}", if target.secure() { "https" } else { "http" }, target.authority());
        let path = target.path();
        let prefix = path.strip_suffix('/').unwrap_or(&path).to_owned();
        let inner = Inner { target, origin, prefix, ways: Ways::new(settings), kept: Arc::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks, on whatever runtime of tokio this is awaited, and gives the answer as soon as its head is there. Whoever no longer
    /// waits closes the connection.
    ///
    /// # Errors
    /// [`Unsent`].
    pub async fn send(&self, request: UpstreamRequest, times: UpstreamTimes) -> Result<Reply, Unsent> {
        let mut request = self.inner.request(request).map_err(Unsent::NotSent)?;
        if let Some(kept) = self.inner.kept.take() {
            yield_now().await; // if the server has closed it meanwhile, it is heard of before anything goes
            match self.ask(kept, request, times).await? {
                Sent::Answered(reply) => return Ok(reply),
                Sent::Back(back) => request = *back,
            }
        }
        let fresh = self.inner.connect(times.connect).await.map_err(Unsent::NotSent)?;
        match self.ask(fresh, request, times).await? {
            Sent::Answered(reply) => Ok(reply),
            Sent::Back(_) => Err(Unsent::NotSent(FetchError::BrokenOff)),
        }
    }

    async fn ask(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        times: UpstreamTimes,
    ) -> Result<Sent<Reply>, Unsent> {
        let sent = timeout(times.head, connection.send(request)).await.map_err(|_| Unsent::Late)?;
        match sent.map_err(Unsent::Lost)? {
            Sent::Answered(answer) => {
                let reply = Reply::of(answer, connection, Arc::clone(&self.inner.kept), times.idle);
                reply.map(Sent::Answered).map_err(Unsent::Lost)
            }
            Sent::Back(back) => Ok(Sent::Back(back)),
        }
    }
}

impl Inner {
    fn request(&self, asked: UpstreamRequest) -> Result<Request<Full<Bytes>>, FetchError> {
        let UpstreamRequest { method, path, mut fields, body } = asked;
        let uri = self.uri(&path).filter(|_| method != Method::CONNECT).ok_or(FetchError::BadUrl)?;
        MADE_HERE.iter().for_each(|name| drop(fields.remove(name)));
        let host = HeaderValue::from_str(self.target.authority()).map_err(|_| FetchError::BadUrl)?;
        let mut headers = HeaderMap::with_capacity(fields.len().saturating_add(3));
        headers.insert(HOST, host);
        if !fields.contains_key(ACCEPT_ENCODING) {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        headers.extend(fields);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// None if it would be read as another one than it says.
    fn uri(&self, path: &str) -> Option<Uri> {
        let whole = format!("{}{path}", self.prefix);
        let read = Target::parse(&format!("{}{whole}", self.origin), Whose::Owner).ok()?;
        let is_it = path.starts_with('/') && read.authority() == self.target.authority() && read.path() == whole;
        if is_it { Uri::try_from(whole).ok() } else { None }
    }

    async fn connect(&self, patience: Duration) -> Result<Connection, FetchError> {
        let late = late(patience);
        let deadline = Instant::now().checked_add(patience).ok_or(late)?;
        let connecting = async { Connection::over(self.ways.open(&self.target, Whose::Owner, deadline).await?).await };
        timeout(patience, connecting).await.unwrap_or(Err(late))
    }
}

fn late(patience: Duration) -> FetchError {
    FetchError::Timeout(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("origin", &self.inner.origin).finish_non_exhaustive()
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "the request was not sent: {why}"),
            Self::Lost(why) => write!(f, "nobody knows whether the request arrived: {why}"),
            Self::Late => f.write_str("the server did not begin to answer in time"),
        }
    }
}

impl std::error::Error for Unsent {}
