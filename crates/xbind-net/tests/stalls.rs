//! Nobody waits longer than the time given, at whatever stage the other side falls silent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{
    Authority, LONG, SHORT, Server, Stream, and_then_nothing, fetch, fetcher, fetcher_of, forgetful, head, rules,
};
use xbind_net::{FetchError, Rules, Settings, Whose};

const LATE: FetchError = FetchError::Timeout(300);

fn silent_after(said: &'static str) -> Server {
    Server::plain(move |stream| {
        head(stream)?;
        and_then_nothing(stream, said.as_bytes())
    })
}

#[test]
fn before_during_and_after_the_head_and_in_the_body() {
    for said in [
        "",
        "H",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\n\r\n{}",
    ] {
        assert_eq!(fetch(&fetcher(&[]), &silent_after(said).http(), rules(SHORT)), Err(LATE), "{said:?}");
    }
}

#[test]
fn during_tls() {
    let silent = Server::start(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop));
    assert_eq!(fetch(&fetcher(&[]), &silent.https(), rules(SHORT)), Err(LATE));
    let half = Server::start(|mut stream| {
        stream.write_all(b"\x16\x03\x03\x40\x00half of a record")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    });
    assert_eq!(fetch(&fetcher(&[]), &half.https(), rules(SHORT)), Err(LATE));
    let authority = Authority::new();
    let identity = authority.identity(&["login.example"], |_| {});
    let after = Server::tls(identity, |stream| {
        head(stream)?;
        and_then_nothing(stream, b"")
    });
    assert_eq!(fetch(&fetcher(&[&authority]), &after.https(), rules(SHORT)), Err(LATE));
}

#[test]
fn one_byte_at_a_time_for_ever() {
    fn drip(stream: &mut dyn Stream, drop: &[u8]) -> io::Result<()> {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            stream.write_all(drop)?;
            thread::sleep(Duration::from_millis(20));
        }
    }
    for drop in [&b"a"[..], b"a: b\r\n"] {
        let server = Server::plain(move |stream| drip(stream, drop));
        let outcome = fetch(&fetcher(&[]), &server.http(), rules(SHORT));
        assert!(matches!(outcome, Err(LATE | FetchError::NotHttp)), "{outcome:?}");
    }
    let server = Server::plain(|stream| {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            stream.write_all(b"1;x\r\n")?;
            stream.write_all(b"x\r\n")?;
            thread::sleep(Duration::from_millis(20));
        }
    });
    let outcome = fetch(&fetcher(&[]), &server.http(), rules(SHORT));
    assert_eq!(outcome, Err(LATE));
}

#[test]
fn answers_in_between_without_end() {
    let server = Server::plain(|stream| {
        head(stream)?;
        loop {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
    });
    assert_eq!(fetch(&fetcher(&[]), &server.http(), rules(SHORT)), Err(LATE));
}

#[test]
fn a_body_without_end_is_cut_off_and_the_connection_closed() {
    let closed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closed);
    let server = Server::plain(move |stream| {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
        seen.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert_eq!(fetch(&fetcher(&[]), &server.http(), rules(LONG)), Err(FetchError::TooLong(64)));
    while !closed.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn while_a_name_is_looked_up_and_however_many_strangers_wait_for_theirs() {
    let server = common::saying(common::json("{}"));
    let url = server.https().replace("https", "http").replace("login.example", "localhost");
    let lookup: xbind_net::Lookup = Arc::new(|name: &str| {
        assert_ne!(name, "panic.example");
        thread::sleep(Duration::from_secs(3600));
        Ok(Vec::new())
    });
    let fetcher = fetcher_of(Settings { lookup, ..forgetful() });
    let stranger = Rules { whose: Whose::Stranger, ..rules(SHORT) };
    let waiting: Vec<_> = (0..40)
        .map(|index| {
            let (fetcher, rules) = (fetcher.clone(), stranger.clone());
            thread::spawn(move || fetch(&fetcher, &format!("https://slow-{index}.example/"), rules))
        })
        .collect();
    for each in waiting {
        assert_eq!(each.join().unwrap(), Err(LATE));
    }
    assert!(fetch(&fetcher, &url, rules(LONG)).is_ok());
    assert_eq!(fetch(&fetcher, "https://panic.example/", rules(LONG)), Err(FetchError::Internal));
    assert_eq!(fetch(&fetcher, "https://slow.example/", rules(SHORT)), Err(LATE));
}

#[test]
fn no_time_at_all_is_a_time_too() {
    let outcome = fetch(&fetcher(&[]), &silent_after("").http(), rules(Duration::ZERO));
    assert_eq!(outcome, Err(FetchError::Timeout(0)));
}
