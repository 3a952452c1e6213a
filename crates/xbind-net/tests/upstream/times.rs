//! What comes as it comes, late, or never.

use std::io::Read as _;
use std::sync::{Mutex, mpsc};

use tokio::sync::mpsc::unbounded_channel;
use xbind_net::FetchError::{NotHttp, Timeout};
use xbind_net::upstream::{Unsent, Upstream, UpstreamTimes};

use crate::common::{SHORT, Server, and_then_nothing, forgetful, head};
use crate::{PATIENT, block_on, closed, post, read, upstream};

#[test]
fn each_piece_comes_before_the_next_is_sent() {
    for (begin, pieces) in [
        ("transfer-encoding: chunked", ["3\r\none\r\n", "3\r\ntwo\r\n", "5\r\nthree\r\n", "0\r\n\r\n"]),
        ("content-length: 11", ["one", "two", "three", ""]),
    ] {
        let (next, wanted) = mpsc::channel();
        let wanted = Mutex::new(wanted);
        let server = Server::plain(move |stream| {
            head(stream)?;
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{begin}\r\n\r\n").as_bytes())?;
            for piece in pieces {
                wanted.lock().unwrap().recv().unwrap();
                stream.write_all(piece.as_bytes())?;
            }
            closed(stream);
            Ok(())
        });
        block_on(async {
            let mut reply = upstream(&server).send(post(""), PATIENT).await.unwrap();
            for piece in ["one", "two", "three"] {
                next.send(()).unwrap();
                assert_eq!(reply.body.next().await.unwrap().unwrap(), piece);
            }
            next.send(()).unwrap();
            assert_eq!(reply.body.next().await, None);
        });
    }
}

#[test]
fn whoever_stops_waiting_for_a_piece_may_wait_again() {
    let (next, wanted) = mpsc::channel();
    let wanted = Mutex::new(wanted);
    let server = Server::plain(move |stream| {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n")?;
        wanted.lock().unwrap().recv().unwrap();
        stream.write_all(b"one")?;
        closed(stream);
        Ok(())
    });
    block_on(async {
        let mut reply = upstream(&server).send(post(""), PATIENT).await.unwrap();
        assert!(tokio::time::timeout(SHORT, reply.body.next()).await.is_err());
        next.send(()).unwrap();
        assert_eq!(read(&mut reply.body).await, ("one".to_owned(), Ok(())));
    });
}

#[test]
fn no_head_in_time() {
    for said in ["", "HTTP/1.1 200 OK\r\ncontent-length: 1", "HTTP/1.1 103 Early\r\n\r\n"] {
        let (tell, mut told) = unbounded_channel();
        let server = Server::plain(move |stream| {
            head(stream)?;
            stream.write_all(said.as_bytes())?;
            closed(stream);
            tell.send(()).map_err(std::io::Error::other)
        });
        block_on(async {
            let sent = upstream(&server).send(post(""), UpstreamTimes { head: SHORT, ..PATIENT }).await;
            assert_eq!(sent.map(drop), Err(Unsent::Late), "{said}");
            told.recv().await.expect("the connection is closed");
        });
    }
}

#[test]
fn silence_within_a_body() {
    for said in [
        "content-length: 10\r\n\r\n",
        "content-length: 10\r\n\r\nhalf",
        "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        "x: y\r\n\r\n{}",
    ] {
        let (tell, mut told) = unbounded_channel();
        let server = Server::plain(move |stream| {
            head(stream)?;
            let _ = and_then_nothing(stream, format!("HTTP/1.1 200 OK\r\n{said}").as_bytes());
            tell.send(()).map_err(std::io::Error::other)
        });
        block_on(async {
            let times = UpstreamTimes { idle: SHORT, ..PATIENT };
            let mut reply = upstream(&server).send(post(""), times).await.unwrap();
            assert_eq!(read(&mut reply.body).await.1, Err(Timeout(300)), "{said}");
            told.recv().await.expect("the connection is closed");
            assert_eq!(reply.body.next().await, Some(Err(Timeout(300))));
        });
    }
}

#[test]
fn no_connection_in_time() {
    let silent = Server::start(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop));
    let upstream = Upstream::new(&format!("https://login.example:{}", silent.port), forgetful()).unwrap();
    let sent = block_on(upstream.send(post(""), UpstreamTimes { connect: SHORT, ..PATIENT }));
    assert_eq!(sent.map(drop), Err(Unsent::NotSent(Timeout(300))));
}

#[test]
fn a_head_without_end() {
    for (lines, late) in [("a: b\r\n", false), ("a", false), ("HTTP/1.1 100 Continue\r\n\r\n", true)] {
        let (tell, mut told) = unbounded_channel();
        let server = Server::plain(move |stream| {
            head(stream)?;
            if !late {
                stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            }
            while stream.write_all(lines.as_bytes()).is_ok() {}
            tell.send(()).map_err(std::io::Error::other)
        });
        block_on(async {
            let times = if late { UpstreamTimes { head: SHORT, ..PATIENT } } else { PATIENT };
            let sent = upstream(&server).send(post(""), times).await;
            assert_eq!(sent.map(drop), Err(if late { Unsent::Late } else { Unsent::Lost(NotHttp) }), "{lines}");
            told.recv().await.expect("the connection is closed");
        });
    }
}
