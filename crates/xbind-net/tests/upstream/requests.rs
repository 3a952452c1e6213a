//! What is sent, and where to.

use std::sync::{Arc, Mutex};

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use xbind_net::FetchError::{self, BadUrl, Forbidden, NotHttps, UnknownIssuer};
use xbind_net::Settings;
use xbind_net::upstream::{Unsent, Upstream, UpstreamRequest};

use crate::common::{Authority, Server, forgetful, head, trusting};
use crate::{PATIENT, SECRET, answer, asked, block_on, echo, post, request, upstream};

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let line = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    lines.iter().map(line).collect()
}

#[test]
fn it_says_what_it_is_told_and_what_belongs_to_the_connection_itself() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&seen);
    let server = Server::plain(move |stream| {
        loop {
            let (head, body) = request(stream)?;
            let mut lines: Vec<String> = head.trim_end().lines().map(str::to_owned).collect();
            lines[1..].sort();
            heads.lock().unwrap().push((lines.join("|"), body));
            answer(stream, "")?;
        }
    });
    let host = format!("localhost:{}", server.port);
    let named = fields(&[
        ("authorization", "Bearer x"),
        ("connection", "close, x"),
        ("content-length", "7"),
        ("expect", "100-continue"),
        ("host", "elsewhere"),
        ("keep-alive", "1"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
    ]);
    let zipped = fields(&[("accept-encoding", "gzip")]);
    let asking = |method, path: &str, fields, body: &'static str| UpstreamRequest {
        method,
        path: path.to_owned(),
        fields,
        body: body.into(),
    };
    block_on(async {
        for base in [format!("http://{host}/openai/v1"), format!("http://{host}/x/../openai/v1/")] {
            let upstream = Upstream::new(&base, forgetful()).unwrap();
            for request in [
                asking(Method::POST, "/chat/completions", named.clone(), "{\"a\": 1}"),
                asking(Method::GET, "/models?after=%20x", zipped.clone(), ""),
                asking(Method::POST, "/", HeaderMap::new(), ""),
            ] {
                let mut reply = upstream.send(request, PATIENT).await.unwrap();
                assert!((reply.status, reply.body.next().await.is_none()) == (200, true));
            }
        }
    });
    let expected = [
        (
            format!(
                "POST /openai/v1/chat/completions HTTP/1.1|accept-encoding: identity|authorization: Bearer x|\
                 content-length: 8|host: {host}"
            ),
            "{\"a\": 1}".to_owned(),
        ),
        (format!("GET /openai/v1/models?after=%20x HTTP/1.1|accept-encoding: gzip|host: {host}"), String::new()),
        (format!("POST /openai/v1/ HTTP/1.1|accept-encoding: identity|content-length: 0|host: {host}"), String::new()),
    ];
    assert_eq!(*seen.lock().unwrap(), [expected.clone(), expected].concat());
    assert_eq!(server.hits(), 2, "a connection each");
}

#[test]
fn where_it_may_be_is_the_rule_of_the_owners_addresses() {
    let refused = |base: &str| Upstream::new(base, Settings::default()).map(drop).unwrap_err();
    assert_eq!(refused("http://api.example"), NotHttps);
    assert_eq!(refused("http://10.0.0.1"), NotHttps);
    assert_eq!(refused("https://169.254.169.254"), Forbidden);
    for base in ["", "api.example", "https://api.example/?", "https://api.example/v1?key=x", "https://api.example/#x"] {
        assert_eq!(refused(base), BadUrl, "{base}");
    }
    for base in ["https://api.example", "https://10.0.0.1:8443/v1", "http://localhost:11434", "http://[::1]:1"] {
        assert!(Upstream::new(base, Settings::default()).is_ok(), "{base}");
    }
}

#[test]
fn a_path_that_could_be_read_as_another_is_not_sent() {
    let server = Server::plain(echo);
    let upstream = Upstream::new(&format!("http://localhost:{}/v1", server.port), forgetful()).unwrap();
    let sent = |path: &str, method| {
        let request = UpstreamRequest { path: path.to_owned(), method, ..post("x") };
        block_on(upstream.send(request, PATIENT)).map(drop)
    };
    let long = format!("/{}", "x".repeat(4000));
    for path in
        ["", "x", "@other", ":1/", "/../x", "/x/./y", "/%2e%2E/x", "/a b", "/a\r\nb: c", "/a#b", "/a\\b", "/é", &long]
    {
        assert_eq!(sent(path, Method::POST), Err(Unsent::NotSent(BadUrl)), "{path}");
    }
    assert_eq!(sent("/x", Method::CONNECT), Err(Unsent::NotSent(BadUrl)));
    assert_eq!(server.hits(), 0);
    assert_eq!(sent("/x", Method::POST), Ok(()));
}

#[test]
fn over_tls_with_a_certificate_that_is_believed() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(&["login.example"], |_| {}), echo);
    let base = format!("https://login.example:{}", server.port);
    let upstream = Upstream::new(&base, Settings { roots: trusting(&[&authority]), ..forgetful() }).unwrap();
    block_on(async {
        for body in ["one", "two", "three"] {
            assert_eq!(asked(&upstream, body).await.as_deref(), Ok(body));
        }
        assert_eq!(server.hits(), 1);
        let unbelieving = Upstream::new(&base, forgetful()).unwrap();
        assert_eq!(asked(&unbelieving, "x").await, Err(Unsent::NotSent(UnknownIssuer)));
    });
}

#[test]
fn no_redirect_is_followed() {
    block_on(async {
        let elsewhere = Server::plain(echo);
        let server = Server::plain(move |stream| {
            head(stream)?;
            let there = format!("http://localhost:{}/", elsewhere.port);
            let answer = format!("HTTP/1.1 307 X\r\nlocation: {there}\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(elsewhere.hits(), 0);
            stream.write_all(answer.as_bytes())
        });
        let reply = upstream(&server).send(post(""), PATIENT).await.unwrap();
        assert!(reply.status == 307 && reply.fields.contains_key("location"));
    });
}

#[test]
fn nothing_secret_is_shown() {
    block_on(async {
        let server = crate::common::saying(format!("HTTP/1.1 200 {SECRET}\r\nset-cookie: {SECRET}\r\n\r\n{SECRET}"));
        let upstream = upstream(&server);
        let reply = upstream.send(post(SECRET), PATIENT).await.unwrap();
        let refused = UpstreamRequest { path: SECRET.to_owned(), ..post(SECRET) };
        let why = upstream.send(refused, PATIENT).await.unwrap_err();
        let shown = format!("{upstream:?} {reply:?} {:?} {why:?} {why}", reply.body);
        assert!(!shown.contains(SECRET), "{shown}");
    });
    let told = [Unsent::Lost(FetchError::BrokenOff), Unsent::Late].map(|why| why.to_string());
    assert_eq!(told[0], "nobody knows whether the request arrived: the connection broke off");
    assert_eq!(told[1], "the server did not begin to answer in time");
}
