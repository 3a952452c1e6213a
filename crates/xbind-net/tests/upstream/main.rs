//! A server behind this program: raw HTTP over real sockets, on both sides of what it must bear.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod kept;
mod lengths;
mod requests;
mod times;

use std::future::Future;
use std::io;

use common::{LONG, Server, Stream, forgetful, head};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::time::timeout;
use xbind_net::FetchError;
use xbind_net::upstream::{Reply, ReplyBody, Unsent, Upstream, UpstreamRequest, UpstreamTimes};

const PATIENT: UpstreamTimes = UpstreamTimes { connect: LONG, head: LONG, idle: LONG };
const SECRET: &str = "sk-secret";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(LONG, future).await.expect("it hangs") })
}

fn upstream(server: &Server) -> Upstream {
    Upstream::new(&format!("http://localhost:{}", server.port), forgetful()).unwrap()
}

fn post(body: impl Into<Bytes>) -> UpstreamRequest {
    let mut fields = HeaderMap::new();
    fields.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {SECRET}")).unwrap());
    UpstreamRequest { method: Method::POST, path: "/v1/chat".to_owned(), fields, body: body.into() }
}

/// The bytes of an answer, and whether they were all.
async fn read(body: &mut ReplyBody) -> (String, Result<(), FetchError>) {
    let mut text = Vec::new();
    loop {
        match body.next().await {
            Some(Ok(piece)) => text.extend_from_slice(&piece),
            end => return (String::from_utf8(text).unwrap(), end.map_or(Ok(()), |error| error.map(drop))),
        }
    }
}

/// What comes of one request, read to its end.
async fn asked(upstream: &Upstream, body: impl Into<Bytes>) -> Result<String, Unsent> {
    let mut reply = upstream.send(post(body), PATIENT).await?;
    let (text, end) = read(&mut reply.body).await;
    assert_eq!((end, reply.body.next().await.is_none()), (Ok(()), true));
    Ok(text)
}

/// The head of an answer that is said like this, or why there is none; and what was read of it.
async fn said(bytes: impl Into<Vec<u8>>) -> Result<(Reply, String, Result<(), FetchError>), Unsent> {
    let server = common::saying(bytes);
    let mut reply = upstream(&server).send(post(""), PATIENT).await?;
    let (text, end) = read(&mut reply.body).await;
    Ok((reply, text, end))
}

/// Reads a request.
fn request(stream: &mut dyn Stream) -> io::Result<(String, String)> {
    let head = head(stream)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body)?;
    Ok((head, String::from_utf8(body).unwrap()))
}

/// Answers each request with what was sent along.
fn echo(stream: &mut dyn Stream) -> io::Result<()> {
    loop {
        let (_, body) = request(stream)?;
        answer(stream, &body)?;
    }
}

fn answer(stream: &mut dyn Stream, body: &str) -> io::Result<()> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    stream.flush()
}

/// Until the other side has closed.
fn closed(stream: &mut dyn Stream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}
