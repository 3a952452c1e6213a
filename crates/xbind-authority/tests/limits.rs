//! Bounds in size, number and time, on real sockets.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::client::{Client, Request, exchange, read};
use common::key;
use common::story::Story;
use serde_json::json;
use xbind_authority::{Config, Server};

/// Long enough for a machine under load, short enough for a test.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What the server says before it hangs up.
fn rest(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    drop(stream.read_to_end(&mut said));
    String::from_utf8_lossy(&said).into_owned()
}

fn quick() -> Story {
    Story::with(|config| {
        config.times.head = Duration::from_millis(300);
        config.times.body = Duration::from_millis(300);
    })
}

#[test]
fn slow_first_lines_heads_and_bodies_end() {
    let story = quick();
    let address = story.server.address();
    for begun in [
        "",
        "GE",
        "GET /live HTTP/1.1\r\n",
        "GET /live HTTP/1.1\r\nhost: x\r\nx-a:",
        "GET /live HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut stream = connect(address);
        stream.write_all(begun.as_bytes()).unwrap();
        let said = rest(stream);
        let answered = begun.ends_with("\r\n\r\n"); // then it was idle for too long
        assert_eq!(said.starts_with("HTTP/1.1 200"), answered, "{begun:?}: {said}");
    }
    let mut stream = connect(address);
    stream
        .write_all(
            b"POST /v1/challenges HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        )
        .unwrap();
    assert_eq!(read(&mut stream).unwrap().expect(408).problem(), "too-slow");

    // One byte at a time is no faster.
    let mut stream = connect(address);
    let began = Instant::now();
    while stream.write_all(b"G").is_ok() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn whoever_never_reads_holds_a_connection_no_longer_than_its_life() {
    let story = Story::with(|config| {
        config.times.connection = Duration::from_millis(500);
        config.times.head = Duration::from_millis(200);
        config.times.body = Duration::from_millis(200);
        config.max_connections = 1;
    });
    let mut stream = connect(story.server.address());
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    for _ in 0..2000 {
        if stream.write_all(request).is_err() {
            break;
        }
    }
    let began = Instant::now();
    loop {
        let answer = exchange(&mut connect(story.server.address()), b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n");
        if answer.is_ok() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "the only connection is never given up");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn connections_are_bounded_in_all_and_for_each_address() {
    for (most, each) in [(3, 100), (100, 3)] {
        let mut story = Story::with(|config| {
            config.max_connections = most;
            config.max_connections_per_address = each;
        });
        let mut held: Vec<_> = (0..3).map(|_| Client::new(story.server.address())).collect();
        for client in &mut held {
            client.get("/live").expect(200);
        }
        assert!(story.client.try_send(&Request::new("GET", "/live", None)).is_err());
        held.pop();
        let began = Instant::now();
        while story.client.try_send(&Request::new("GET", "/live", None)).is_err() {
            assert!(began.elapsed() < PATIENCE);
        }
        let metrics = story.client.get("/metrics").expect(200).body;
        assert!(metrics.contains("xbind_connections_refused_total"), "{metrics}");
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let mut story = Story::new();
    let address = story.server.address();
    let huge = json!({ "did": "x".repeat(200_000), "audience": "a", "scopes": [] });
    story.client.post("/v1/challenges", &huge).expect(413).refused("too-large");

    // Also where nobody says how long it is.
    let mut stream = connect(address);
    stream
        .write_all(b"POST /v1/challenges HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..10 {
        if stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    assert_eq!(read(&mut stream).unwrap().expect(413).problem(), "too-large");

    for deep in
        ["[".repeat(50_000), "{\"did\":".repeat(10_000), format!("{{\"did\":{}1{}}}", "[".repeat(40), "]".repeat(40))]
    {
        let mut request = Request::new("POST", "/v1/challenges", Some(&json!({})));
        request.body = deep;
        story.client.send(&request).expect(400).refused("malformed");
    }
    for wrong in [
        "",
        "null",
        "[]",
        "{}",
        "{\"did\":\"a\",\"did\":\"a\",\"audience\":\"a\",\"scopes\":[]}",
        "{\"did\":\"a\",\"audience\":\"a\",\"scopes\":[],\"more\":1}",
        "{\"did\":\"\\ud800\",\"audience\":\"a\",\"scopes\":[]}",
        "{\"did\":null,\"audience\":\"a\",\"scopes\":[]}",
        "{\"did\":\"a\",\"audience\":\"a\",\"scopes\":[]} x",
        "\u{feff}{}",
    ] {
        let mut request = Request::new("POST", "/v1/challenges", Some(&json!({})));
        request.body = wrong.to_owned();
        assert_eq!(story.client.send(&request).expect(400).problem(), "malformed", "{wrong}");
    }
    let did = key(2).did().to_string();
    let mut request = Request::new("POST", "/v1/challenges", Some(&json!({})));
    request.body = json!([did, "a", ["read:all"]]).to_string();
    story.client.send(&request).expect(400).refused("malformed");
    let ask = |audience: &str, scopes: serde_json::Value| json!({ "did": did, "audience": audience, "scopes": scopes });
    let many: Vec<_> = (0..65).map(|n| format!("scope.{n}")).collect();
    for body in [
        ask("", json!(["read:all"])),
        ask(&"a".repeat(513), json!(["read:all"])),
        ask("a\nb", json!(["read:all"])),
        ask("a", json!(["read all"])),
        ask("a", json!(["*"])),
        ask("a", json!(["read:all", "read:all"])),
        ask("a", json!(many)),
    ] {
        story.client.post("/v1/challenges", &body).expect(400).refused("malformed");
    }
    for (length, status) in [(30_000, 200), (33_000, 431), (40_000, 431)] {
        let mut request = Request::new("GET", "/live", None);
        request.fields.push(("x-large".to_owned(), "x".repeat(length)));
        let said = exchange(&mut connect(address), &request.bytes("x"));
        assert!(said.is_err() && status == 431 || said.unwrap().status == status, "{length}");
    }
    let mut request = Request::new("GET", "/live", None);
    request.fields.push(("x-large".to_owned(), "x".repeat(60_000)));
    let said = exchange(&mut connect(address), &request.bytes("x"));
    assert!(said.is_err() || said.unwrap().status == 431);
    let mut request = Request::new("GET", "/live", None);
    request.fields.extend((0..100).map(|n| (format!("x-{n}"), "x".to_owned())));
    assert_eq!(exchange(&mut connect(address), &request.bytes("x")).unwrap().status, 431);
    let said =
        exchange(&mut connect(address), &Request::new("GET", &format!("/{}", "x".repeat(40_000)), None).bytes("x"));
    assert!(said.is_err() || [414, 431].contains(&said.unwrap().status));
    for garbage in ["\0\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = connect(address);
        stream.write_all(garbage.as_bytes()).unwrap();
        let said = rest(stream);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{garbage:?}: {said}");
    }
    story.client.get("/live").expect(200);
}

#[test]
fn queries_paths_and_methods_have_one_reading() {
    let mut story = Story::new();
    story.client.get("/live?a=1").expect(400).refused("malformed");
    story.client.get("/nowhere").expect(404).refused("not-found");
    story.client.get("/v1/").expect(404).refused("not-found");
    story.client.get("/v1/agents/%ff").expect(400).refused("malformed");
    story.client.get("/v1/agents/did:agent:example.com:00").expect(400).refused("malformed");
    story.client.get("/v1/status/01").expect(404);
    story.client.get("/v1/status/-1").expect(404);
    story.client.get("/v1/status/9").expect(404);
    let refused = story.client.send(&Request::new("PATCH", "/v1/tokens", None)).expect(405);
    assert_eq!(refused.field("allow"), Some("POST"));
    refused.refused("method-not-allowed");
    let mut typed = Request::new("POST", "/v1/challenges", Some(&json!({})));
    typed.fields[0].1 = "text/plain".to_owned();
    story.client.send(&typed).expect(415).refused("media-type");
    let (id, operator, _) = story.begun(&[]);
    let list = |query: &str| format!("/v1/operators/{id}/agents{query}");
    for query in
        ["?limit=0", "?limit=1001", "?limit=x", "?limit=01", "?after=-1", "?status=well", "?a=1", "?limit=1&limit=1"]
    {
        story.client.ask(&operator, "GET", &list(query), None).expect(400).refused("malformed");
    }
    for (query, count) in [("", 1), ("?status=active", 1), ("?status=revoked", 0), ("?after=1", 0), ("?limit=1", 1)] {
        let found = story.client.ask(&operator, "GET", &list(query), None).expect(200).json();
        assert_eq!(found["agents"].as_array().unwrap().len(), count, "{query}");
    }
}

#[test]
fn whoever_asks_too_often_waits() {
    let mut story = Story::with(|config| {
        config.rate_per_address = xbind_authority::Rate { burst: 20, per_second: 1 };
        config.rate_per_did = xbind_authority::Rate { burst: 3, per_second: 1 };
    });
    let first = story.client.get("/live").expect(200);
    assert_eq!(first.field("ratelimit-policy"), Some("\"address\";q=20;w=20"));
    assert!(first.field("ratelimit").unwrap().starts_with("\"address\";r=19;t="));
    let ask = |story: &mut Story, n: u8| {
        story.client.ask(&key(n), "POST", "/v1/operators", Some(&json!({ "domain": "example.com" })))
    };
    let signed = ask(&mut story, 1).expect(200);
    assert_eq!(signed.field("ratelimit-policy"), Some("\"did\";q=3;w=3"));
    let mut refused = (0..4).map(|_| ask(&mut story, 1)).find(|answer| answer.status == 429).unwrap();
    assert!(refused.field("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(refused.problem(), "rate-limited");
    ask(&mut story, 2).expect(200); // another DID has its own
    let began = Instant::now();
    while refused.status != 429 || refused.field("ratelimit").is_some() {
        refused = story.client.get("/live"); // the address has no more, whoever signs
        assert!(began.elapsed() < PATIENCE);
    }
}

#[test]
fn nobody_listens_beyond_this_machine_by_accident() {
    let folder = common::Folder::new();
    let mut config = Config::new(folder.join("authority"));
    config.listen = "0.0.0.0:0".parse().unwrap();
    let refused = Server::start(config.clone()).unwrap_err().to_string();
    assert!(refused.contains("beyond this machine"), "{refused}");
    config.dangerously_allow_plain_http = true;
    config.public_url = Some("https://authority.example".to_owned());
    Server::start(config).unwrap().stop();
}

#[test]
fn what_is_under_way_ends_when_the_server_stops() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(&["read:payments"]);
    let address = story.server.address();
    let host = story.client.host();
    let challenge = story.challenge(&agent, "a", &["read:payments"]);
    let body = json!({ "challenge": challenge, "audience": "a", "scopes": ["read:payments"] });
    let bytes = Request::new("POST", "/v1/tokens", Some(&body)).signed(&agent, &host).bytes(&host);
    let mut stream = connect(address);
    let (begun, left) = bytes.split_at(bytes.len() - 10);
    stream.write_all(begun).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let stopping = std::thread::spawn(move || story.server.stop());
    std::thread::sleep(Duration::from_millis(100));
    stream.write_all(left).unwrap();
    read(&mut stream).unwrap().expect(201);
    stopping.join().unwrap();
    assert!(TcpStream::connect(address).is_err());
}
