//! Taking connections: so many at once, each with limits to what it may take, from its first byte on.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{Either, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::peers::Peers;

/// How long to wait when no connection can be taken, for one, because there are no file descriptors left.
const REST: Duration = Duration::from_millis(50);

/// What hyper reads into has so many bytes at least.
const LEAST_BUFFER: usize = 8 * 1024;

/// How long a connection may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The first line and the header fields, counted from the end of the request before.
    pub head: Duration,
    /// The body.
    pub body: Duration,
    /// Everything: whoever reads slowly holds a connection no longer than that.
    pub connection: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), body: Duration::from_secs(10), connection: Duration::from_secs(300) }
    }
}

/// What connections may take of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub max_connections: usize,
    /// Connections of one address at once.
    pub max_connections_per_address: usize,
    /// Time limits of a connection. That of the body is only waited for when a server stops: who reads it has to keep it.
    pub times: Times,
    /// How long requests that are under way may take when the server stops.
    pub drain: Duration,
    /// What a first line and header fields take at most, in bytes.
    pub max_head: usize,
    /// The most header fields.
    pub max_fields: usize,
}

/// How many connections there are.
#[derive(Debug, Default)]
pub struct Counts {
    /// That are open now.
    pub open: AtomicI64,
    /// For which there was no room since the start.
    pub refused: AtomicU64,
}

/// Who is on the other end: an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Takes connections until `stop` says so; then those that are open may end what they have begun. The service answers all
/// requests but those whose header fields are too large, and is cloned for each connection.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    counts: Arc<Counts>,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let peers = Peers::new(limits.max_connections, limits.max_connections_per_address);
    let mut connections = JoinSet::new();
    loop {
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            _ = stop.wait_for(|stops| *stops) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Ok((stream, address)) = taken else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let Some(place) = peers.enter(address.ip()) else {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        drop(stream.set_nodelay(true));
        counts.open.store(i64::try_from(peers.count()).unwrap_or(i64::MAX), Ordering::Relaxed);
        let (service, tls, stop) = (service.clone(), tls.clone(), stop.clone());
        let (counts, peers) = (counts.clone(), peers.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, address, service, limits, stop).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(limits.times.head, tls.accept(stream)).await {
                        converse(stream, address, service, limits, stop).await;
                    }
                }
            }
            drop(place);
            counts.open.store(i64::try_from(peers.count()).unwrap_or(i64::MAX), Ordering::Relaxed);
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    drop(tokio::time::timeout(limits.drain, ended).await); // what is left is dropped with the set
}

async fn converse<T, S, B>(stream: T, address: SocketAddr, service: S, limits: Limits, mut stop: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Limits { times, max_head, max_fields, .. } = limits;
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(address));
        // What reads it stops at twice as much at the latest, not there.
        let fields = request.headers().iter();
        let size = fields
            .fold(0_usize, |sum, (name, value)| sum.saturating_add(name.as_str().len()).saturating_add(value.len()));
        let answer = (size <= max_head).then(|| service.call(request));
        async move {
            let Some(answer) = answer else {
                let mut response = Response::new(Either::Right(Empty::new()));
                *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                return Ok::<_, Infallible>(response);
            };
            Ok(answer.await?.map(Either::Left))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(times.head)
        .max_buf_size(max_head.max(LEAST_BUFFER))
        .max_headers(max_fields)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let is_over = tokio::select! {
        _ = connection.as_mut() => true,
        _ = stop.wait_for(|stops| *stops) => false,
        () = tokio::time::sleep(times.connection) => false,
    };
    if !is_over {
        connection.as_mut().graceful_shutdown();
        drop(tokio::time::timeout(times.head.max(times.body), connection).await);
    }
}
