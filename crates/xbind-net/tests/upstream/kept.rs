//! Which connections are kept, and what is sent on them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use hyper::Method;
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};
use xbind_net::FetchError::{BrokenOff, NoConnection};
use xbind_net::upstream::{Unsent, UpstreamRequest};

use crate::common::{LONG, Server};
use crate::{PATIENT, answer, asked, block_on, echo, post, request, upstream};

#[test]
fn one_connection_serves_request_after_request() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nx: trailer\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}",
    ];
    let server = Server::plain(move |stream| {
        for said in answers.iter().cycle() {
            request(stream)?;
            stream.write_all(said.as_bytes())?;
        }
        Ok(())
    });
    block_on(async {
        let upstream = upstream(&server);
        for said in answers.iter().cycle().take(30) {
            let body = if said.ends_with("\r\n\r\n") && !said.contains("chunked") { "" } else { "{}" };
            assert_eq!(asked(&upstream, "x").await.as_deref(), Ok(body), "{said}");
        }
        assert_eq!(server.hits(), 1);
    });
}

#[test]
fn an_answer_to_head_has_a_length_and_no_body() {
    let server = Server::plain(|stream| {
        loop {
            request(stream)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")?;
        }
    });
    block_on(async {
        let upstream = upstream(&server);
        for _ in 0..3 {
            let head = UpstreamRequest { method: Method::HEAD, ..post("") };
            let mut reply = upstream.send(head, PATIENT).await.unwrap();
            assert!(reply.body.next().await.is_none());
        }
        assert_eq!(server.hits(), 1);
    });
}

#[test]
fn one_that_says_close_is_not_kept() {
    for line in ["1.1 200 OK\r\nconnection: close", "1.1 200 OK\r\nconnection: x, Close", "1.0 200 OK"] {
        let server = Server::plain(move |stream| {
            while request(stream).is_ok() {
                stream.write_all(format!("HTTP/{line}\r\ncontent-length: 2\r\n\r\n{{}}").as_bytes())?;
            }
            Ok(())
        });
        block_on(async {
            let upstream = upstream(&server);
            for _ in 0..3 {
                assert_eq!(asked(&upstream, "x").await.as_deref(), Ok("{}"));
            }
            assert_eq!(server.hits(), 3, "{line}");
        });
    }
}

#[test]
fn many_at_once_and_so_many_are_kept() {
    let all = Arc::new(Barrier::new(80));
    let server = Server::plain(move |stream| {
        loop {
            let (_, body) = request(stream)?;
            all.wait(); // until all are asked
            answer(stream, &body)?;
        }
    });
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let upstream = upstream(&server);
        for connections in [80, 80 + 80 - 64] {
            let each = (0..80).map(|number| {
                let upstream = upstream.clone();
                let asking = async move { (asked(&upstream, number.to_string()).await, number) };
                tokio::spawn(timeout(LONG, asking))
            });
            for each in each.collect::<Vec<_>>() {
                let (answered, number) = each.await.unwrap().expect("it hangs");
                assert_eq!(answered, Ok(number.to_string()));
            }
            assert_eq!(server.hits(), connections);
        }
    });
}

/// A server that closes each connection after one answer, without saying so before, and tells when.
fn closing(requests: &Arc<AtomicUsize>) -> (Server, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let counted = Arc::clone(requests);
    let server = Server::start(move |mut stream| {
        request(&mut stream)?;
        counted.fetch_add(1, Ordering::SeqCst);
        answer(&mut stream, "{}")?;
        thread::sleep(Duration::from_millis(20)); // so that it is kept first; right all the same if it is not
        drop(stream);
        let _ = tell.send(());
        Ok(())
    });
    (server, told)
}

#[test]
fn what_the_server_has_closed_meanwhile_is_tried_once_more_on_a_fresh_one() {
    let requests = Arc::new(AtomicUsize::new(0));
    let (server, told) = closing(&requests);
    block_on(async {
        let upstream = upstream(&server);
        for number in 1..=10 {
            assert_eq!(asked(&upstream, "x").await.as_deref(), Ok("{}"));
            assert_eq!((server.hits(), requests.load(Ordering::SeqCst)), (number, number));
            // Blocks the runtime: nobody sees before the next request that it was closed.
            told.recv_timeout(LONG).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
        for number in 11..=15 {
            assert_eq!(asked(&upstream, "x").await.as_deref(), Ok("{}"));
            assert_eq!((server.hits(), requests.load(Ordering::SeqCst)), (number, number));
            told.recv_timeout(LONG).unwrap();
            sleep(Duration::from_millis(20)).await; // and here it is seen
        }
    });
}

#[test]
fn what_may_have_arrived_is_never_sent_again() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::plain(move |stream| {
        let (_, body) = request(stream)?;
        counted.fetch_add(1, Ordering::SeqCst);
        if body != "fresh" {
            answer(stream, "{}")?;
            request(stream)?;
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    block_on(async {
        let upstream = upstream(&server);
        assert_eq!(asked(&upstream, "fresh").await, Err(Unsent::Lost(BrokenOff)));
        assert_eq!((server.hits(), requests.load(Ordering::SeqCst)), (1, 1));
        assert_eq!(asked(&upstream, "first").await.as_deref(), Ok("{}"));
        assert_eq!(asked(&upstream, "kept").await, Err(Unsent::Lost(BrokenOff)));
        sleep(Duration::from_millis(50)).await;
        assert_eq!((server.hits(), requests.load(Ordering::SeqCst)), (2, 3));
    });
}

#[test]
fn nobody_there_is_not_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::plain(echo);
    let nowhere = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    drop((listener, server));
    let upstream = xbind_net::upstream::Upstream::new(&nowhere, crate::common::forgetful()).unwrap();
    assert_eq!(block_on(asked(&upstream, "x")), Err(Unsent::NotSent(NoConnection)));
}

#[test]
fn each_runtime_has_connections_of_its_own() {
    let server = Server::plain(echo);
    let upstream = upstream(&server);
    let [first, second] = [0, 1].map(|_| Builder::new_current_thread().enable_all().build().unwrap());
    for runtime in [&first, &second, &first, &second] {
        // Meanwhile nothing runs in the other one.
        let asking = async { timeout(LONG, asked(&upstream, "x")).await.expect("it hangs") };
        assert_eq!(runtime.block_on(asking).as_deref(), Ok("x"));
    }
    assert_eq!(server.hits(), 2);
    drop(first);
    assert_eq!(second.block_on(asked(&upstream, "y")).as_deref(), Ok("y"));
    drop(second);
    assert_eq!(block_on(asked(&upstream, "z")).as_deref(), Ok("z"));
    assert_eq!(server.hits(), 3);
}
