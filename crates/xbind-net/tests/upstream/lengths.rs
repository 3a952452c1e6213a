//! How long an answer is, and what is made of one that is not.

use std::sync::atomic::{AtomicUsize, Ordering};

use xbind_net::FetchError::{BrokenOff, NotHttp};
use xbind_net::upstream::Unsent;

use crate::common::Server;
use crate::{PATIENT, asked, block_on, post, read, request, said, upstream};

#[test]
fn a_length_is_told_in_one_way() {
    for lines in [
        "content-length: 2\r\ncontent-length: 3",
        "content-length: 2\r\ncontent-length: 2",
        "content-length: 2, 2",
        "content-length: +2",
        "content-length: 2\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 2",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: identity",
    ] {
        for body in ["{}", "2\r\n{}\r\n0\r\n\r\n"] {
            let answered = block_on(said(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n{body}")));
            assert_eq!(answered.map(drop), Err(Unsent::Lost(NotHttp)), "{lines}");
        }
    }
    for other in [
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n folded\r\n\r\n{}",
        "{}",
    ] {
        assert_eq!(block_on(said(other)).map(drop), Err(Unsent::Lost(NotHttp)), "{other}");
    }
}

#[test]
fn what_ends_before_its_end_is_an_error_that_stays() {
    for (rest, read) in [
        ("content-length: 10\r\n\r\nhalf", "half"),
        ("content-length: 10\r\n\r\n", ""),
        ("transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "half"),
        ("transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n8\r\nha", "halfha"),
        ("transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", "half"),
        ("transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nno chunk\r\n", "half"),
        ("transfer-encoding: chunked\r\n\r\n4\r\nhalfx\r\n", "half"),
        ("x: y\r\n\r\nhalf", "half"),
    ] {
        block_on(async {
            let (mut reply, text, end) = said(format!("HTTP/1.1 200 OK\r\n{rest}")).await.unwrap();
            assert_eq!((text.as_str(), end), (read, Err(BrokenOff)), "{rest}");
            assert_eq!(reply.body.next().await, Some(Err(BrokenOff)));
        });
    }
}

#[test]
fn what_goes_on_behind_its_end_is_an_error_and_answers_nothing_else() {
    let second = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong";
    for head in [
        "200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
        "200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "200 OK\r\ncontent-length: 0\r\n\r\n",
        "204 No Content\r\n\r\n",
        "304 Not Modified\r\n\r\n",
    ] {
        for more in ["x", "\r\n", second] {
            let last = AtomicUsize::new(0);
            let server = Server::plain(move |stream| {
                let is_first = last.fetch_add(1, Ordering::SeqCst) == 0;
                while request(stream).is_ok() {
                    let more = if is_first { more } else { "" };
                    stream.write_all(format!("HTTP/1.1 {head}{more}").as_bytes())?;
                }
                Ok(())
            });
            block_on(async {
                let upstream = upstream(&server);
                let mut reply = upstream.send(post(""), PATIENT).await.unwrap();
                let body = if head.contains("{}") { "{}" } else { "" };
                assert_eq!(read(&mut reply.body).await, (body.to_owned(), Err(NotHttp)), "{head}{more}");
                assert_eq!(asked(&upstream, "").await.as_deref(), Ok(body), "{head}{more}");
                assert_eq!(server.hits(), 2);
            });
        }
    }
}

#[test]
fn a_head_that_fits_and_one_that_does_not() {
    let with = |lines: String| block_on(said(format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{lines}\r\n{{}}")));
    let (reply, text, end) = with(format!("a: {}\r\n", "x".repeat(30_000))).unwrap();
    assert_eq!((reply.fields["a"].len(), text.as_str(), end), (30_000, "{}", Ok(())));
    let (reply, ..) = with("a: b\r\n".repeat(127)).unwrap();
    assert_eq!(reply.fields.get_all("a").iter().count(), 127);
    for long in [format!("a: {}\r\n", "x".repeat(33_000)), "a: b\r\n".repeat(128), "x".repeat(1 << 20)] {
        assert_eq!(with(long).map(drop), Err(Unsent::Lost(NotHttp)));
    }
}
