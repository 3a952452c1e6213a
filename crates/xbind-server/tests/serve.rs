//! A service of hyper, as any server brings one, behind real sockets.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use xbind_server::{Counts, Limits, Peer, Times, check_exposure, read_url, serve};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

struct Running {
    address: SocketAddr,
    counts: Arc<Counts>,
    /// A request to `/wait` has come for each, and takes one of the others before it is answered.
    waits: Arc<Semaphore>,
    may_answer: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    ends: JoinHandle<()>,
}

/// Says from which port a request came.
async fn start(max_connections: usize) -> Running {
    let limits = Limits {
        max_connections,
        max_connections_per_address: 8,
        times: Times { head: LONG, body: LONG, connection: LONG },
        drain: LONG,
        max_head: 1024,
        max_fields: 16,
    };
    let counts = Arc::new(Counts::default());
    let (waits, may_answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (coming, going) = (waits.clone(), may_answer.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (coming, going) = (coming.clone(), going.clone());
        async move {
            if request.uri().path() == "/wait" {
                coming.add_permits(1);
                drop(going.acquire().await);
            }
            let port = request.extensions().get::<Peer>().map(|peer| peer.0.port().to_string());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(port.unwrap_or_default()))))
        }
    });
    let listener = TcpListener::from_std(xbind_server::listen(([127, 0, 0, 1], 0).into()).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let ends = tokio::spawn(serve(listener, service, limits, counts.clone(), None, stopped));
    Running { address, counts, waits, may_answer, stop, ends }
}

/// What is answered until the connection ends.
async fn ask(stream: &mut TcpStream, path: &str, fields: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_service_is_told_who_asks_and_never_of_heads_that_are_too_large() {
    let running = start(8).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let port = stream.local_addr().unwrap().port().to_string();
    let answer = ask(&mut stream, "/", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&format!("\r\n\r\n{port}")), "{answer}");
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let answer = ask(&mut stream, "/", &format!("a: {}\r\n", "x".repeat(1024))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let answer = ask(&mut stream, "/", &"a: x\r\n".repeat(17)).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn connections_are_bounded_and_counted_and_what_was_begun_ends() {
    let running = start(1).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    let answer = tokio::spawn(async move { ask(&mut first, "/wait", "").await });
    drop(running.waits.acquire().await);
    assert_eq!(running.counts.open.load(Ordering::Relaxed), 1);
    let mut second = TcpStream::connect(running.address).await.unwrap();
    let refused = second.read(&mut [0; 1]).await;
    assert!(matches!(refused, Ok(0) | Err(_)), "{refused:?}");
    assert_eq!(running.counts.refused.load(Ordering::Relaxed), 1);
    running.stop.send_replace(true);
    while TcpStream::connect(running.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    running.may_answer.add_permits(1);
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 "));
    running.ends.await.unwrap();
    assert_eq!(running.counts.open.load(Ordering::Relaxed), 0);
}

#[test]
fn where_a_server_may_listen_and_what_its_url_says() {
    let (here, beyond) = (([127, 0, 0, 1], 0).into(), ([0, 0, 0, 0], 0).into());
    assert!(check_exposure(here, false).is_ok() && check_exposure(beyond, true).is_ok());
    let refused = check_exposure(beyond, false).unwrap_err().to_string();
    assert!(refused.starts_with("0.0.0.0:0 is beyond this machine"), "{refused}");
    let (scheme, authority) = read_url("https://server.example").unwrap();
    assert_eq!((scheme.as_str(), authority.as_str()), ("https", "server.example"));
    for wrong in ["server.example", "ftp://a", "https://a/", "https://A", "https://a:443", "https://u@a", "https://"] {
        assert!(read_url(wrong).is_none(), "{wrong}");
    }
}
