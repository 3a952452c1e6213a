//! Taking connections: so many at once, each with limits to what it may take, from its first byte on.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::config::Times;
use crate::http::peers::Peers;
use crate::http::{MAX_FIELDS, MAX_HEAD};

/// How long to wait when no connection can be taken, for one, because there are no file descriptors left.
const REST: Duration = Duration::from_millis(50);

/// Who is on the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Takes connections until `stop` says so; then those that are open may end what they have begun.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) {
    let config = app.config();
    let peers = Peers::new(config.max_connections, config.max_connections_per_address);
    let (times, drain) = (config.times, config.drain);
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
            app.metrics.refused_connections.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        drop(stream.set_nodelay(true));
        app.metrics.connections.store(i64::try_from(peers.count()).unwrap_or(i64::MAX), Ordering::Relaxed);
        let (router, tls, stop, app, peers) = (router.clone(), tls.clone(), stop.clone(), app.clone(), peers.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, address, router, times, stop).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(times.head, tls.accept(stream)).await {
                        converse(stream, address, router, times, stop).await;
                    }
                }
            }
            drop(place);
            app.metrics.connections.store(i64::try_from(peers.count()).unwrap_or(i64::MAX), Ordering::Relaxed);
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    drop(tokio::time::timeout(drain, ended).await); // what is left is dropped with the set
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    address: SocketAddr,
    router: Router,
    times: Times,
    mut stop: watch::Receiver<bool>,
) {
    let tower = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(address));
        // What reads it stops at twice as much at the latest, not there.
        let fields = request.headers().iter();
        let size = fields
            .fold(0_usize, |sum, (name, value)| sum.saturating_add(name.as_str().len()).saturating_add(value.len()));
        let answer = (size <= MAX_HEAD).then(|| hyper::service::Service::call(&tower, request));
        async move {
            let Some(answer) = answer else {
                let mut response = hyper::Response::new(axum::body::Body::empty());
                *response.status_mut() = hyper::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                return Ok(response);
            };
            answer.await
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(times.head)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
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
