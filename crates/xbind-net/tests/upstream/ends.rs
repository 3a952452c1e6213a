//! When connections are closed.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use xbind_net::Settings;
use xbind_net::upstream::Upstream;

use crate::common::{Authority, SHORT, Server, Stream, forgetful, head, trusting};
use crate::{PATIENT, answer, asked, block_on, closed, post, request, upstream};

/// Servers, plain and with TLS, that do this, and tell when their connection was closed.
fn telling(
    answer: impl Fn(&mut dyn Stream) -> std::io::Result<()> + Send + Sync + 'static,
) -> [(Server, Upstream, UnboundedReceiver<()>); 2] {
    let answer = Arc::new(answer);
    let authority = Authority::new();
    [true, false].map(|is_tls| {
        let (tell, told) = unbounded_channel();
        let answer = Arc::clone(&answer);
        let answer = move |stream: &mut dyn Stream| {
            let _ = answer(stream);
            closed(stream);
            let _ = tell.send(());
            Ok(())
        };
        if is_tls {
            let server = Server::tls(authority.identity(&["login.example"], |_| {}), answer);
            let settings = Settings { roots: trusting(&[&authority]), ..forgetful() };
            let upstream = Upstream::new(&format!("https://login.example:{}", server.port), settings).unwrap();
            (server, upstream, told)
        } else {
            let server = Server::plain(answer);
            let upstream = upstream(&server);
            (server, upstream, told)
        }
    })
}

#[test]
fn a_body_that_is_dropped_closes_its_connection() {
    let first = |stream: &mut dyn Stream| {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")?;
        stream.flush()
    };
    for (server, upstream, mut told) in telling(first) {
        block_on(async {
            for reads in [true, false] {
                let mut reply = upstream.send(post(""), PATIENT).await.unwrap();
                if reads {
                    assert_eq!(reply.body.next().await.unwrap().unwrap(), "one");
                }
                assert!(told.try_recv().is_err());
                drop(reply);
                told.recv().await.unwrap();
            }
            assert_eq!(server.hits(), 2);
        });
    }
}

#[test]
fn so_does_one_that_comes_faster_than_it_is_read() {
    let endless = |stream: &mut dyn Stream| {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 65_536])?;
        }
    };
    for (_server, upstream, mut told) in telling(endless) {
        block_on(async {
            let mut reply = upstream.send(post(""), PATIENT).await.unwrap();
            for _ in 0..100 {
                assert!(reply.body.next().await.unwrap().unwrap().len() <= 65_536);
            }
            drop(reply);
            told.recv().await.unwrap();
        });
    }
}

#[test]
fn so_does_whoever_no_longer_waits_for_the_head() {
    for (_server, upstream, mut told) in telling(|stream| head(stream).map(drop)) {
        block_on(async {
            assert!(tokio::time::timeout(SHORT, upstream.send(post(""), PATIENT)).await.is_err());
            told.recv().await.unwrap();
        });
    }
}

#[test]
fn and_the_last_one_of_an_upstream_those_that_wait() {
    let twice = |stream: &mut dyn Stream| {
        for _ in 0..2 {
            let (_, body) = request(stream)?;
            answer(stream, &body)?;
        }
        Ok(())
    };
    for (server, upstream, mut told) in telling(twice) {
        block_on(async {
            let other = upstream.clone();
            assert_eq!(asked(&upstream, "one").await.as_deref(), Ok("one"));
            drop(upstream);
            assert_eq!(asked(&other, "two").await.as_deref(), Ok("two"));
            assert!(told.try_recv().is_err());
            drop(other);
            told.recv().await.unwrap();
            assert_eq!(server.hits(), 1);
        });
    }
}

#[test]
fn an_answer_before_the_request_was_read_is_an_answer_and_its_connection_is_not_kept() {
    let (tell, mut told) = unbounded_channel();
    let (go, gone) = std::sync::mpsc::channel();
    let gone = std::sync::Mutex::new(gone);
    let server = Server::plain(move |stream| {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\n{}")?;
        gone.lock().unwrap().recv().unwrap();
        closed(stream);
        tell.send(()).map_err(std::io::Error::other)
    });
    block_on(async {
        let mut reply = upstream(&server).send(post(vec![b'x'; 64 << 20]), PATIENT).await.unwrap();
        assert_eq!((reply.status, crate::read(&mut reply.body).await), (413, ("{}".to_owned(), Ok(()))));
        go.send(()).unwrap();
        told.recv().await.unwrap();
    });
}
