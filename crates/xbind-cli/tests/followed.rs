//! What goes on: a trail that is followed, a server with a certificate, a protected key that changes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{AUDIENCE, Desk, Story, while_it_runs, words};
use serde_json::Value;
use xbind_cli::{Exit, Kept, run};

#[test]
fn a_trail_is_followed_record_by_record() {
    let story = Story::new();
    story.begun();
    let (terminal, dir) = (Arc::new(Kept::default()), story.desk.dir().display().to_string());
    let args = words(&["audit", "tail", "--follow", "--limit", "2", "--json", "--dir", &dir]);
    let own = terminal.clone();
    let running = thread::spawn(move || run(&args, &*own));
    let events = |least: usize| loop {
        let out = terminal.out();
        let lines: Vec<Value> = out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.len() >= least && out.ends_with('\n') {
            break lines;
        }
        assert!(!running.is_finished(), "{}", terminal.said());
        thread::sleep(Duration::from_millis(5));
    };
    let first: Vec<_> = events(2).iter().map(|record| record["event"].clone()).collect();
    assert_eq!(first, ["agent.scopes", "audit.read"], "the question is a record itself");
    for _ in 0..2 {
        story.token();
    }
    let seen: Vec<_> = events(4).iter().map(|record| record["event"].clone()).collect();
    assert_eq!(seen.iter().filter(|event| **event == "token.issued").count(), 2, "{seen:?}");
    let numbers: Vec<_> = events(4).iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "none twice: {numbers:?}");
    terminal.stop();
    assert_eq!(running.join().unwrap(), Exit::Done);
}

#[test]
fn a_server_with_a_certificate_is_asked_by_whoever_knows_it() {
    let desk = Desk::new();
    let path = |name: &str| desk.folder.join(name).display().to_string();
    let (cert, key, data) = (path("cert.pem"), path("key.pem"), path("authority"));
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&cert, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let serve = words(&[
        "authority",
        "serve",
        "--json",
        "--data",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ]);
    let ran = while_it_runs(serve, |told| {
        let url = told["url"].as_str().unwrap();
        assert!(url.starts_with("https://"), "{url}");
        let health = desk.run(&["health", "--server", url, "--ca", &cert]).done().json();
        assert_eq!(health["did"], told["did"]);
        let refused = desk.run(&["health", "--server", url]).failed(Exit::Unavailable, "unavailable");
        assert!(refused["hint"].as_str().unwrap().contains("--ca"), "{refused}");
        desk.run(&["health", "--server", &url.replace("https", "http")]).failed(Exit::Unavailable, "unavailable");
    });
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
}

#[test]
fn a_protected_key_that_is_changed_stays_protected() {
    let (story, desk) = (Story::new(), Desk::new());
    let id = story.operator();
    let secret = desk.folder.join("secret");
    std::fs::write(&secret, "in a file").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let run = |args: &[&str]| desk.run(&[args, &["--passphrase-file", secret.to_str().unwrap()]].concat());
    run(&["init", "--domain", "example.com", "--server", story.url(), "--encrypt"]).done();
    let register = ["register", "agent", "--operator-id", &id];
    let asked = run(&register).done().json();
    let (did, enrolment) = (asked["did"].as_str().unwrap(), asked["enrolment"].as_str().unwrap());
    let more = ["--did", did, "--enrolment", enrolment, "--scopes", "read:payments"];
    story.desk.run(&[&register[..], &more].concat()).done();
    run(&register).done();
    let before = std::fs::read_to_string(desk.file("keys/agent.key")).unwrap();
    let rotated = run(&["identity", "rotate"]).done().json();
    let after = std::fs::read_to_string(desk.file("keys/agent.key")).unwrap();
    assert_ne!(before, after);
    assert!(after.contains("ENCRYPTED PRIVATE KEY"), "{after}");
    assert!(!desk.file("keys/agent.next.key").exists());
    let token = run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]).done().json();
    let token = token["token"].as_str().unwrap();
    let verified = run(&["verify", "--token", token, "--aud", AUDIENCE, "--online"]).done().json();
    assert_eq!(verified["subject"], rotated["did"]);
    std::fs::write(&secret, "another").unwrap();
    run(&["identity", "rotate"]).failed(Exit::Setup, "WRONG_PASSPHRASE");
}
