//! What is asked, and which answers are taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use common::{LONG, Server, answer, fetch, fetcher, head, json, rules, saying, text};
use std::sync::{Arc, Mutex};
use xbind_net::FetchError::{self, BrokenOff, Encoded, MediaType, NotHttp, Status, TooLong};

/// An answer with these header lines.
fn with(lines: &str, body: &str) -> Result<String, FetchError> {
    answer(format!("HTTP/1.1 200 OK\r\n{lines}content-length: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn the_request_says_what_it_must_and_no_more() {
    let asked = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&asked);
    let server = Server::plain(move |stream| {
        *seen.lock().unwrap() = head(stream)?;
        stream.write_all(json("{}").as_bytes())
    });
    let url = format!("http://localhost:{}/a/../b%20c?d=e&f", server.port);
    assert_eq!(text(fetch(&fetcher(&[]), &url, rules(LONG))), Ok("{}".to_owned()));
    let expected = [
        "GET /b%20c?d=e&f HTTP/1.1",
        &format!("host: localhost:{}", server.port),
        "accept: application/jwk-set+json, application/json",
        "accept-encoding: identity",
        "connection: close",
        "user-agent: private.me-autogen",
        "\r\n",
    ];
    assert_eq!(*asked.lock().unwrap(), expected.join("\r\n"));
}

#[test]
fn no_redirect_is_followed_and_only_200_is_an_answer() {
    for status in [201, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 404, 407, 429, 500, 503, 999] {
        let elsewhere = saying(json("{}"));
        let server = saying(format!(
            "HTTP/1.1 {status} X\r\nlocation: {}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}",
            elsewhere.http()
        ));
        assert_eq!(text(fetch(&fetcher(&[]), &server.http(), rules(LONG))), Err(Status(status)));
        assert_eq!((server.hits(), elsewhere.hits()), (1, 0));
    }
}

#[test]
fn media_types() {
    for good in [
        "application/jwk-set+json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "text/json",
        "application/problem+json",
        "text/plain",
        "application/octet-stream",
        "",
    ] {
        assert_eq!(with(&format!("content-type: {good}\r\n"), "{}"), Ok("{}".to_owned()), "{good}");
    }
    for bad in [
        "text/html",
        "text/html; charset=utf-8",
        "text/html; a=application/json",
        "application/javascript",
        "application/notjson",
        "application/json+xml",
        "json",
        "image/png",
        "application/json\u{e9}",
        "application/json\r\ncontent-type: text/html",
    ] {
        assert_eq!(with(&format!("content-type: {bad}\r\n"), "{}"), Err(MediaType), "{bad}");
    }
    assert_eq!(with("", "{}"), Ok("{}".to_owned()));
}

#[test]
fn a_compressed_answer_is_refused_rather_than_inflated() {
    for coding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "x", "", "identity\r\ncontent-encoding: gzip"] {
        assert_eq!(with(&format!("content-encoding: {coding}\r\n"), "bomb"), Err(Encoded), "{coding}");
    }
    for coding in ["gzip, chunked", "gzip\r\ntransfer-encoding: chunked"] {
        let said = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
        assert_eq!(answer(said), Err(Encoded), "{coding}");
    }
    assert_eq!(with("content-encoding: Identity\r\n", "{}"), Ok("{}".to_owned()));
}

#[test]
fn so_many_bytes_and_not_one_more_however_they_come() {
    let (fits, more) = ("x".repeat(64), "x".repeat(65));
    let chunked = |parts: &[&str]| {
        let chunks: String = parts.iter().map(|part| format!("{:x}\r\n{part}\r\n", part.len())).collect();
        answer(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"))
    };
    assert_eq!(with("", &fits), Ok(fits.clone()));
    assert_eq!(with("", &more), Err(TooLong(64)));
    assert_eq!(chunked(&[&fits]), Ok(fits.clone()));
    assert_eq!(chunked(&[&fits[..60], &fits[..4]]), Ok(fits.clone()));
    assert_eq!(chunked(&[&fits, "x"]), Err(TooLong(64)));
    assert_eq!(answer(format!("HTTP/1.1 200 OK\r\n\r\n{fits}")), Ok(fits.clone()));
    assert_eq!(answer(format!("HTTP/1.1 200 OK\r\n\r\n{more}")), Err(TooLong(64)));
    assert_eq!(with("", ""), Ok(String::new()));
}

#[test]
fn a_length_that_is_a_lie() {
    let said = |length: &str, body: &str| answer(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"));
    assert_eq!(said("10", "half"), Err(BrokenOff));
    assert_eq!(said("2", "{}and more"), Ok("{}".to_owned()));
    assert_eq!(said("18446744073709551615", "x"), Err(NotHttp));
    assert_eq!(said("65", "x"), Err(TooLong(64)), "before a byte is read");
    assert_eq!(said("9223372036854775807", "x"), Err(TooLong(64)));
    for nonsense in ["-1", "+2", "0x2", "2 2", "2, 3", "two", "99999999999999999999", "2\r\ncontent-length: 3"] {
        assert_eq!(said(nonsense, "{}"), Err(NotHttp), "{nonsense}");
    }
}

#[test]
fn chunks_that_are_none() {
    for nonsense in ["x\r\n", "ffffffffffffffffff\r\nx", "2\r\n{}x", "-1\r\n", "2\r\n{}\r\n0\r\n", "2\r\n{"] {
        let said = answer(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{nonsense}"));
        assert_eq!(said, Err(BrokenOff), "{nonsense:?}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;{}\r\n", "x".repeat(1 << 20));
    assert_eq!(answer(endless), Err(BrokenOff));
}

#[test]
fn what_is_no_http() {
    for nonsense in ["", "\r\n\r\n", "{}", "SSH-2.0-x\r\n", "HTTP/0.9 200 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n"] {
        assert!(matches!(answer(nonsense), Err(NotHttp | BrokenOff)), "{nonsense:?}: {:?}", answer(nonsense));
    }
    assert_eq!(answer("HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n{}"), Err(NotHttp));
    assert_eq!(answer(format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n{{}}", "x".repeat(20_000))), Err(NotHttp));
    assert_eq!(answer(format!("HTTP/1.1 200 OK\r\n{}\r\n{{}}", "a: b\r\n".repeat(65))), Err(NotHttp));
}

#[test]
fn answers_in_between_are_passed_over() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    assert_eq!(answer(format!("{early}{early}{}", json("{}"))), Ok("{}".to_owned()));
    assert_eq!(
        answer("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        Err(Status(101))
    );
}
