//! The owner's proxy: what goes through it, as what, and what it cannot bring about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{Authority, LONG, Server, fetch, fetcher_of, forgetful, head, json, names, rules, text, trusting};
use xbind_net::{FetchError, Proxy, Rules, Settings, Whose};

type Heads = Arc<Mutex<Vec<String>>>;

/// A proxy that leads every tunnel to that port of this machine, and notes what it was asked.
fn proxy(to: u16) -> (Server, Heads) {
    let heads = Heads::default();
    let seen = heads.clone();
    let server = Server::start(move |mut stream| {
        let asked = head(&mut stream)?;
        seen.lock().unwrap().push(asked);
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        bridge(stream, TcpStream::connect(("127.0.0.1", to))?)
    });
    (server, heads)
}

fn bridge(one: TcpStream, other: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (one.try_clone()?, other.try_clone()?);
    let back = thread::spawn(move || copy(other, one));
    let done = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = back.join();
    done.map(drop)
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

fn through(proxy: &str, except: &[&str]) -> Option<Arc<Proxy>> {
    let except: Vec<_> = except.iter().map(|&host| host.to_owned()).collect();
    Some(Arc::new(Proxy::new(proxy, &except).unwrap()))
}

fn first_line(heads: &Heads) -> Option<String> {
    heads.lock().unwrap().first().map(|head| head.lines().next().unwrap().to_owned())
}

/// An https server of `login.example`, and whom it trusts.
fn serving() -> (Server, Authority) {
    let authority = Authority::new();
    let identity = authority.identity(&["login.example"], |_| {});
    let server = Server::tls(identity, |stream| {
        head(stream)?;
        stream.write_all(json("{}").as_bytes())
    });
    (server, authority)
}

#[test]
fn https_goes_through_a_tunnel_to_the_name_and_nothing_of_it_is_shown() {
    let (server, authority) = serving();
    let (proxy, heads) = proxy(server.port);
    let lookup = names(&[]); // the proxy looks the owner's names up
    let settings = Settings {
        lookup,
        roots: trusting(&[&authority]),
        proxy: through(&format!("http://us%40er:p%3Aw@127.0.0.1:{}", proxy.port), &[]),
        ..forgetful()
    };
    let url = "https://login.example:4444/doc?secret";
    assert_eq!(text(fetch(&fetcher_of(settings), url, rules(LONG))), Ok("{}".to_owned()));
    let asked = heads.lock().unwrap().concat();
    assert!(asked.starts_with("CONNECT login.example:4444 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("\r\nhost: login.example:4444\r\n"), "{asked}");
    assert!(asked.contains("Basic dXNAZXI6cDp3\r\n"), "{asked}");
    assert!(!asked.contains("secret"), "{asked}");
}

#[test]
fn http_of_this_machine_goes_through_a_proxy_that_is_here_too() {
    let server = common::saying(json("{}"));
    let (proxy, heads) = proxy(server.port);
    let settings = Settings { proxy: through(&format!("http://localhost:{}/", proxy.port), &[]), ..forgetful() };
    assert_eq!(text(fetch(&fetcher_of(settings), &server.http(), rules(LONG))), Ok("{}".to_owned()));
    assert_eq!(first_line(&heads), Some(format!("CONNECT localhost:{} HTTP/1.1", server.port)));
}

#[test]
fn what_is_on_this_machine_is_asked_of_no_proxy_elsewhere() {
    let server = common::saying(json("{}"));
    let settings = Settings { proxy: through("http://proxy.example:1", &[]), lookup: names(&[]), ..forgetful() };
    assert_eq!(text(fetch(&fetcher_of(settings), &server.http(), rules(LONG))), Ok("{}".to_owned()));
}

#[test]
fn exceptions_are_reached_without() {
    let (server, authority) = serving();
    let (proxy, heads) = proxy(server.port);
    let get = |except: &[&str]| {
        let proxy = through(&format!("http://127.0.0.1:{}", proxy.port), except);
        let settings = Settings { roots: trusting(&[&authority]), proxy, ..forgetful() };
        assert_eq!(text(fetch(&fetcher_of(settings), &server.https(), rules(LONG))), Ok("{}".to_owned()));
        std::mem::take(&mut *heads.lock().unwrap()).len()
    };
    let port = server.port;
    for without in ["login.example", ".example", "EXAMPLE", "*", &format!("login.example:{port}"), &format!("*:{port}")]
    {
        assert_eq!(get(&[without]), 0, "{without}");
    }
    for with in ["ogin.example", "gin.example", "other.example", "login.example:1", "login.example.org", "127.0.0.1"] {
        assert_eq!(get(&[with]), 1, "{with}");
    }
}

#[test]
fn a_proxy_that_speaks_tls_is_asked_over_tls() {
    let (server, authority) = serving();
    let tunnelled = Arc::new(Mutex::new(0));
    let count = tunnelled.clone();
    let proxy = Server::tls(authority.identity(&["proxy.example"], |_| {}), move |stream| {
        head(stream)?;
        *count.lock().unwrap() += 1;
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
    });
    let settings = Settings {
        lookup: names(&[("proxy.example", &["127.0.0.1"])]),
        roots: trusting(&[&authority]),
        proxy: through(&format!("https://proxy.example:{}", proxy.port), &[]),
        ..forgetful()
    };
    assert_eq!(text(fetch(&fetcher_of(settings), &server.https(), rules(LONG))), Err(FetchError::Proxy));
    assert_eq!(*tunnelled.lock().unwrap(), 1);
}

#[test]
fn a_strangers_address_is_judged_before_the_proxy_hears_of_it_and_named_to_it_as_it_was_judged() {
    let (server, _) = serving();
    let (proxy, heads) = proxy(server.port);
    let stranger = Rules { whose: Whose::Stranger, ..rules(LONG) };
    let get = |lookup: &[(&str, &[&str])], url: &str| {
        let proxy = through(&format!("http://127.0.0.1:{}", proxy.port), &[]);
        let settings = Settings { lookup: names(lookup), proxy, ..forgetful() };
        fetch(&fetcher_of(settings), url, stranger.clone()).map(drop)
    };
    for (address, why) in [
        ("10.0.0.1", FetchError::NotPublic),
        ("127.0.0.1", FetchError::NotPublic),
        ("169.254.169.254", FetchError::NotPublic),
        ("::1", FetchError::NotPublic),
    ] {
        assert_eq!(get(&[("inner.example", &[address])], "https://inner.example/"), Err(why), "{address}");
    }
    assert_eq!(
        get(&[("inner.example", &["9.9.9.9", "10.0.0.1"])], "https://inner.example/"),
        Err(FetchError::NotPublic)
    );
    assert_eq!(get(&[], "https://nowhere.example/"), Err(FetchError::NoAddress));
    assert_eq!(get(&[], "https://127.0.0.1/"), Err(FetchError::NotPublic));
    assert_eq!(get(&[], "https://localhost/"), Err(FetchError::NotPublic));
    assert_eq!(get(&[], "https://public.example:8443/"), Err(FetchError::Port));
    assert_eq!(heads.lock().unwrap().len(), 0, "{heads:?}");
    let public = get(&[("public.example", &["9.9.9.9"])], "https://public.example/");
    assert!(public.is_err(), "its certificate is by nobody who is trusted");
    assert_eq!(first_line(&heads), Some("CONNECT 9.9.9.9:443 HTTP/1.1".to_owned()));
}

#[test]
fn a_proxy_that_refuses_lies_or_says_nothing_is_no_way() {
    let (_, authority) = serving();
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; 100_000]].concat();
    for answer in [
        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 500 No\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"".to_vec(),
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec(),
        endless,
    ] {
        let said = answer.clone();
        let proxy = Server::plain(move |stream| {
            head(stream)?;
            stream.write_all(&said)
        });
        let settings = Settings {
            roots: trusting(&[&authority]),
            proxy: through(&format!("http://127.0.0.1:{}", proxy.port), &[]),
            ..forgetful()
        };
        let outcome = fetch(&fetcher_of(settings), "https://login.example:4444/", rules(LONG));
        let outcome = outcome.map(drop);
        let expected = [FetchError::Proxy, FetchError::Tls, FetchError::BrokenOff];
        assert!(expected.iter().any(|why| outcome == Err(*why)), "{:?} {outcome:?}", String::from_utf8_lossy(&answer));
    }
    let closed = Server::start(|_| Ok(())).port;
    for url in [format!("http://127.0.0.1:{closed}"), "http://nowhere.example:1".to_owned()] {
        let settings = Settings { proxy: through(&url, &[]), ..forgetful() };
        assert!(fetch(&fetcher_of(settings), "https://login.example:4444/", rules(LONG)).is_err());
    }
}

#[test]
fn what_is_no_proxy_is_refused() {
    for url in [
        "",
        "proxy:3128",
        "socks5://proxy:1080",
        "http://",
        "http://:3128",
        "http://proxy/path",
        "http://proxy?x",
        "http://proxy#x",
        "http://pro xy",
        "http://proxy:0",
        "http://proxy:99999",
        "http://@proxy",
        "http://:pw@proxy",
        "http://a%3Ab:pw@proxy",
        "http://a%:pw@proxy",
        "http://a%zz@proxy",
        "http://proxy\\x",
        "http://127.1:3128",
        "http://169.254.169.254",
        "http://224.0.0.1",
        "http://[fe80::1%eth0]",
        "http://proxy.:3128",
    ] {
        assert!(Proxy::new(url, &[]).is_err(), "{url}");
    }
    for url in
        ["http://proxy", "https://proxy.example:8443/", "HTTP://10.0.0.1:3128", "http://[::1]:3128", "http://u@p"]
    {
        assert!(Proxy::new(url, &[]).is_ok(), "{url}");
    }
    for except in ["", ".", "a/8", "a b", "http://a", "a:0", "a:x", "a:", "[::1]:", "ü.example", "a?"] {
        assert!(Proxy::new("http://proxy", &[except.to_owned()]).is_err(), "{except}");
    }
    for except in ["a", ".a.b", "*", "*:443", "10.0.0.1", "10.0.0.1:443", "::1", "[::1]:443"] {
        assert!(Proxy::new("http://proxy", &[except.to_owned()]).is_ok(), "{except}");
    }
    let shown = format!("{:?}", Proxy::new("http://alice:hunter2@proxy", &[]).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("alice"), "{shown}");
}
