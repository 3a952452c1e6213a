//! What agents believe of whoever answers at the address of their authority.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use common::key;
use common::story::Story;
use serde_json::{Value, json};
use xbind::ErrorKind;
use xbind_authority::problem::Kind;
use xbind_authority::{Config, Server, Step};
use xbind_net::Settings;
use xbind_net::authority::{Registry, Wanted};
use xbind_runtime::{Agent, AgentOptions, Node, NodeOptions, Port, Signer, Time};

const SCOPE: &str = "read:payments";

/// The agent of the story, as its owner has it.
fn agent() -> (Arc<Port>, u32, Arc<Agent>) {
    let port = Port::new(Box::new(|| ()), Time::System);
    let name = Some("writer".to_owned());
    let number =
        port.join(&Node::new(NodeOptions::default()), Signer::Local(key(2)), name, AgentOptions::default()).unwrap();
    let agent = port.agent(number).unwrap();
    (port, number, agent)
}

fn token(registry: &Registry, audience: &str) -> xbind::Result<String> {
    let (tell, told) = channel();
    registry.token(Wanted::new(audience.to_owned(), vec![SCOPE.to_owned()], None), None, move |token| {
        drop(tell.send(token));
    });
    told.recv().unwrap()
}

fn register(registry: &Registry) -> xbind::Result<String> {
    let (tell, told) = channel();
    registry.register(None, move |done| drop(tell.send(done.map(|registered| registered.name))));
    told.recv().unwrap()
}

/// Whoever has the address, and signs nothing: a status and a body for every request.
fn impostor(address: SocketAddr) -> Arc<Mutex<(u16, String)>> {
    let said = Arc::new(Mutex::new((200, String::new())));
    let says = said.clone();
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink()).unwrap();
            let (status, body) = says.lock().unwrap().clone();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/problem+json\r\n");
            let rest = format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let _ = stream.get_mut().write_all(format!("{head}{rest}").as_bytes());
        }
    });
    said
}

fn problem(slug: &str, more: &Value) -> String {
    let mut problem = json!({ "type": format!("urn:xbind:problem:{slug}"), "detail": "so it is" });
    problem.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    problem.to_string()
}

#[test]
fn a_refusal_that_nobody_has_signed_is_no_decision() {
    let mut story = Story::new();
    story.begun(&[SCOPE]);
    let (_port, _, agent) = agent();
    let (url, address) = (story.server.url().to_owned(), story.server.address());
    let of = |at: &str| Registry::new(&agent, at, false, Settings::default()).unwrap();
    let (given, met) = (of(&format!("{url}#{}", story.server.did())), of(&url));
    let kept = [token(&given, "kept").unwrap(), token(&met, "kept").unwrap()];
    let fresh = of(&url);
    let nothing = Server::start(Config::new(story.folder.join("spare"))).unwrap();
    std::mem::replace(&mut story.server, nothing).stop();

    let said = impostor(address);
    for (slug, code) in [
        ("inactive", None),
        ("not-permitted", None),
        ("scope-denied", None),
        ("subject-refused", Some("REVOKED")),
        ("name-taken", None),
        ("not-found", None),
        ("malformed", Some("INVALID_SCOPE")),
        ("not-proven", Some("CLOCK_SKEW")),
    ] {
        for status in [401, 403, 404, 429, 500, 503] {
            let more = code.map_or_else(|| json!({}), |code| json!({ "code": code }));
            *said.lock().unwrap() = (status, problem(slug, &more));
            for registry in [&given, &met, &fresh] {
                for refused in [token(registry, "other").map(drop), register(registry).map(drop)] {
                    let refused = refused.unwrap_err();
                    assert_eq!(refused.kind(), ErrorKind::RegistryUnavailable, "{status} {slug}: {refused:?}");
                    assert!(!refused.message().contains("so it is"), "{refused:?}");
                }
            }
            assert_eq!([token(&given, "kept").unwrap(), token(&met, "kept").unwrap()], kept, "{status} {slug}");
        }
    }
    // That nothing can be had now is told, in words that have an end and move no cursor.
    let later = Kind::ALL.iter().map(|kind| (kind.status(), kind.slug()));
    for (status, slug) in later.filter(|(status, _)| *status == 429 || *status >= 500) {
        *said.lock().unwrap() = (status, problem(slug, &json!({ "code": "SIGN_FAILED" })));
        let refused = token(&given, "other").unwrap_err();
        assert_eq!((refused.kind(), refused.message()), (ErrorKind::RegistryUnavailable, "the registry: so it is"));
        let detail = format!("\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}{}", "y".repeat(1 << 20));
        *said.lock().unwrap() = (status, problem(slug, &json!({ "detail": detail })));
        let refused = token(&given, "other").unwrap_err();
        let message = refused.message();
        assert!(message.len() < 1100 && !message.contains(char::is_control), "{} {message:.80}", message.len());
    }
    let url = format!("\u{1b}]0;x\u{7}{}", "y".repeat(1 << 20));
    let about = json!({ "did": url, "url": url, "time": 0, "version": "0" });
    *said.lock().unwrap() = (200, about.to_string());
    for registry in [&given, &fresh] {
        let refused = token(registry, "other").unwrap_err();
        let message = refused.message();
        assert!(message.len() < 1100 && !message.contains(char::is_control), "{} {message:.80}", message.len());
    }
}

#[test]
fn tokens_of_a_key_that_is_doubtful_are_not_handed_out_again() {
    let mut story = Story::new();
    story.begun(&[SCOPE]);
    let (_port, _, agent) = agent();
    let at = format!("{}#{}", story.server.url(), story.server.did());
    let of = || Registry::new(&agent, &at, false, Settings::default()).unwrap();
    let directory = story.folder.join("authority");
    let take = |step: Step| drop(xbind_authority::keys(&directory, None, &step).unwrap());
    let registry = of();
    let kept = token(&registry, "kept").unwrap();
    // A key that was replaced as planned goes on for what it has signed.
    let first = story.server.did();
    take(Step::Rotate {});
    let second = story.server.did();
    assert_ne!(first, second);
    let of_second = token(&registry, "second").unwrap();
    assert_eq!(token(&registry, "kept").unwrap(), kept);
    // What signs is the same as before, so that only asking tells.
    take(Step::Taint { did: first.to_string(), since: None });
    assert_eq!(story.server.did(), second);
    token(&registry, "third").unwrap();
    assert_ne!(token(&registry, "kept").unwrap(), kept);
    assert_eq!(token(&registry, "second").unwrap(), of_second);
    // And one that signed until now.
    take(Step::Revoke { did: second.to_string() });
    token(&registry, "fourth").unwrap();
    assert_ne!(token(&registry, "second").unwrap(), of_second);
}

/// Stands before an authority, and has whatever nobody signs name these keys as doubtful.
fn doubting(listener: TcpListener, authority: SocketAddr) -> Arc<Mutex<Vec<String>>> {
    let said = Arc::new(Mutex::new(Vec::new()));
    let says = said.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if !lower.starts_with("connection:") {
                    head += &line;
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let mut asked = TcpStream::connect(authority).unwrap();
            asked.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
            asked.write_all(&body).unwrap();
            let mut answer = String::new();
            asked.read_to_string(&mut answer).unwrap();
            if !head.to_ascii_lowercase().contains("\nsignature:") {
                let mut about: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
                about["doubtful"] = json!(*says.lock().unwrap());
                let (length, about) = (about.to_string().len(), about.to_string());
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                answer = format!("{head}content-length: {length}\r\n\r\n{about}");
            }
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    said
}

#[test]
fn what_nobody_has_signed_makes_no_key_doubtful() {
    let mut story = Story::new();
    story.begun(&[SCOPE]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    story.restart_with(|config| config.public_url = Some(url.clone()));
    let said = doubting(listener, story.server.address());
    let (_port, _, agent) = agent();
    let at = format!("{url}#{}", story.server.did());
    let registry = Registry::new(&agent, &at, false, Settings::default()).unwrap();
    token(&registry, "before").unwrap();
    drop(xbind_authority::keys(&story.folder.join("authority"), None, &Step::Rotate {}).unwrap());
    said.lock().unwrap().push(story.server.did().to_string());
    let kept = token(&registry, "kept").unwrap();
    assert_eq!(token(&registry, "kept").unwrap(), kept);
}

#[test]
fn who_closes_waits_for_no_authority() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, number, agent) = agent();
    let at = format!("http://127.0.0.1:{}#{}", silent.local_addr().unwrap().port(), key(9).did());
    let registry = Registry::new(&agent, &at, false, Settings::default()).unwrap();
    drop(agent);
    let asked = [
        thread::spawn({
            let registry = registry.clone();
            move || token(&registry, "any")
        }),
        thread::spawn(move || register(&registry)),
    ];
    let held = [silent.accept().unwrap(), silent.accept().unwrap()];
    port.close(number);
    for asked in asked {
        assert_eq!(asked.join().unwrap().unwrap_err().kind(), ErrorKind::AgentClosed);
    }
    drop(held);
}
