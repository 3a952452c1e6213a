//! An authority whose key is kept elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::client::{Request, Response, connect_from, read};
use common::story::Story;
use common::transit::{Mood, Transit};
use common::{key, softhsm};
use serde_json::json;
use xbind_authority::{Config, LogSink, Server, Step};

const AUDIENCE: &str = "https://api.example.com";
const SCOPES: &[&str] = &["read:payments"];

fn directory(story: &Story) -> PathBuf {
    story.folder.join("authority")
}

fn place(directory: &Path, places: &[String]) {
    let path = directory.join("signers.json");
    std::fs::write(&path, format!("[{}]", places.join(","))).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn take(story: &Story, step: &Step) -> Result<Vec<xbind_authority::AuthorityKey>, String> {
    xbind_authority::keys(&directory(story), None, step).map_err(|fault| fault.to_string())
}

/// Sends a request, whose answer is read later.
fn begin(story: &Story, request: &Request) -> TcpStream {
    begin_from("127.0.0.1:0", story, request)
}

/// The same from that address of this machine.
fn begin_from(from: &str, story: &Story, request: &Request) -> TcpStream {
    let mut stream = connect_from(from, story.server.address());
    stream.write_all(&request.bytes(&story.client.host())).unwrap();
    stream
}

/// From the key in the file to the ones at the server, one version after the other.
#[test]
fn tokens_lists_and_answers_are_signed_elsewhere_and_the_log_here() {
    let transit = Transit::start(&[key(40)]);
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    let first = story.server.did();
    let old = story.token(&agent, AUDIENCE, SCOPES).expect(201).json()["token"].clone();
    place(&directory(&story), &[transit.place("")]);
    take(&story, &Step::Rotate {}).unwrap();
    assert_eq!(story.server.did(), *key(40).did());
    assert!(!directory(&story).join("authority.1.key").exists(), "nothing of that key is here");
    assert!(take(&story, &Step::Prepare { after: 86_400 }).unwrap_err().contains("no key that is new"));
    transit.add(key(41));
    let prepared = take(&story, &Step::Prepare { after: 86_400 }).unwrap();
    assert_eq!(prepared[2].did, key(41).did().as_str());
    take(&story, &Step::Activate { at_once: true }).unwrap();
    for wanted in [41, 41] {
        let answer = story.token(&agent, AUDIENCE, SCOPES).expect(201);
        assert!(answer.field("signature-input").unwrap().contains(key(wanted).did().as_str()), "the answer is signed");
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        let known = story.client.post("/v1/introspection", &json!({ "token": token })).expect(200).json();
        assert_eq!(known["status"], "active");
        let payload = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let uri = claims["status"]["status_list"]["uri"].as_str().unwrap();
        let text = story.client.get(uri.strip_prefix(story.server.url()).unwrap()).expect(200).body;
        let did = *key(wanted).did();
        xbind::read_status_list(&text, uri, xbind::ListSigner::Did(&did)).unwrap();
        story.restart();
    }
    let known = story.client.post("/v1/introspection", &json!({ "token": old })).expect(200).json();
    assert_eq!(known["status"], "active");
    // One that was stolen there is followed by one that was not; where there is none, nothing happens.
    let stolen = Step::Revoke { did: key(41).did().to_string() };
    assert!(take(&story, &stolen).unwrap_err().contains("no key that is new"));
    transit.add(key(42));
    take(&story, &stolen).unwrap();
    assert_eq!(story.server.did(), *key(42).did());
    let wanted = xbind_runtime::Wanted { did: Some(first), ..Default::default() };
    xbind_runtime::verify(&directory(&story).join("audit.jsonl"), wanted).unwrap();
    // The file is needed, and for its owner alone.
    let copy = story.folder.join("copy");
    xbind_authority::backup(&directory(&story), &copy).unwrap();
    assert!(copy.join("signers.json").exists());
    story.restart_after(|| ());
    let directory = directory(&story);
    let spare = Server::start(Config::new(story.folder.join("other"))).unwrap();
    std::mem::replace(&mut story.server, spare).stop();
    let start = || Server::start(Config::new(&directory)).map(|server| server.did()).map_err(|fault| fault.to_string());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = directory.join("signers.json");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(start().unwrap_err().contains("chmod 600"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    assert_eq!(start().unwrap(), *key(42).did());
    place(&directory, &[]);
    assert!(start().unwrap_err().contains("signers.json"));
}

#[test]
fn a_signer_that_is_away_or_lies_ends_what_needs_it_and_nothing_else() {
    let transit = Transit::start(&[key(40)]);
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    place(&directory(&story), &[transit.place(r#","timeoutMs":500"#)]);
    take(&story, &Step::Rotate {}).unwrap();
    story.token(&agent, AUDIENCE, SCOPES).expect(201);
    let records = |story: &Story| {
        let log = std::fs::read_to_string(directory(story).join("audit.jsonl")).unwrap();
        log.matches("\"token.issued\"").count()
    };
    for mood in [Mood::Silent, Mood::Another(9), Mood::Says(503, String::new())] {
        transit.be(mood.clone());
        let begin = Instant::now();
        let answer = story.token(&agent, AUDIENCE, SCOPES).refused("signer-failed");
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("SIGN_FAILED")), "{mood:?}");
        assert!(answer.field("signature").is_none() && answer.field("retry-after").is_some());
        assert!(begin.elapsed() < Duration::from_secs(20), "{mood:?}");
        // What needs no signature goes on, and so does what was signed.
        for path in ["/v1", "/live", "/ready", "/.well-known/jwks.json"] {
            story.client.get(path).expect(200);
        }
        let before = records(&story);
        if matches!(mood, Mood::Silent) {
            story.token(&agent, AUDIENCE, SCOPES).refused("signer-failed");
            assert_eq!(records(&story), before, "what nobody will sign is not put on record while that is known");
        }
        transit.be(Mood::Honest);
        while story.token(&agent, AUDIENCE, SCOPES).status != 201 {
            thread::sleep(Duration::from_millis(50));
        }
    }
    // A step that needs a signature is not taken.
    transit.add(key(41));
    transit.be(Mood::Another(9));
    assert!(take(&story, &Step::Rotate {}).is_err());
    transit.be(Mood::Honest);
    while take(&story, &Step::Rotate {}).is_err() {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(story.server.did(), *key(41).did());
}

#[test]
fn a_key_in_a_security_module_signs_and_is_missed_while_its_token_is_away() {
    softhsm::with("a_key_in_a_security_module_signs_and_is_missed_while_its_token_is_away", |hsm| {
        hsm.token("authority");
        hsm.import("authority", "2026", "01", &key(40));
        hsm.import("authority", "2027", "02", &key(41));
        let mut story = Story::new();
        let (_, _, agent) = story.begun(SCOPES);
        place(&directory(&story), &[hsm.place("authority", "2026", ""), hsm.place("authority", "2027", "")]);
        take(&story, &Step::Rotate {}).unwrap();
        assert_eq!(story.server.did(), *key(40).did());
        for _ in 0..20 {
            story.token(&agent, AUDIENCE, SCOPES).expect(201);
        }
        story.restart();
        take(&story, &Step::Rotate {}).unwrap();
        assert_eq!(story.server.did(), *key(41).did());
        story.token(&agent, AUDIENCE, SCOPES).expect(201);
        std::fs::rename(hsm.path("tokens"), hsm.path("away")).unwrap();
        std::fs::create_dir(hsm.path("tokens")).unwrap();
        while story.token(&agent, AUDIENCE, SCOPES).status == 201 {}
        story.token(&agent, AUDIENCE, SCOPES).refused("signer-failed");
        story.client.get("/v1").expect(200);
        std::fs::remove_dir(hsm.path("tokens")).unwrap();
        std::fs::rename(hsm.path("away"), hsm.path("tokens")).unwrap();
        while story.token(&agent, AUDIENCE, SCOPES).status != 201 {
            thread::sleep(Duration::from_millis(50));
        }
        let directory = directory(&story);
        drop(story.server);
        for file in std::fs::read_dir(&directory).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(softhsm::PIN.len()).any(|window| window == softhsm::PIN.as_bytes()));
        }
    });
}

#[test]
fn a_server_starts_whose_next_key_cannot_be_made() {
    let transit = Transit::start(&[key(40)]);
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    place(&directory(&story), &[transit.place("")]);
    take(&story, &Step::Rotate {}).unwrap();
    let begun = xbind_runtime::now();
    story.restart_with(|config| {
        (config.rotate_every, config.notice, config.keys_age) = (Some(2), 1, 1);
        while xbind_runtime::now() < begun + 2 {
            thread::sleep(Duration::from_millis(50));
        }
    });
    story.token(&agent, AUDIENCE, SCOPES).expect(201);
    // It is tried again, after twice as long each time.
    let (begin, told) = (Instant::now(), transit.told());
    while begin.elapsed() < Duration::from_secs(4) {
        thread::sleep(Duration::from_millis(50));
    }
    let tried = transit.told() - told;
    let looks = begin.elapsed().as_millis() / 500;
    assert!(tried <= 2 + usize::try_from(looks.ilog2()).unwrap(), "{tried} of {looks}");
    transit.add(key(41));
    while story.server.did() != *key(41).did() {
        thread::sleep(Duration::from_millis(50));
    }
    story.token(&agent, AUDIENCE, SCOPES).expect(201);
}

#[test]
fn what_was_signed_after_its_time_is_not_done() {
    let transit = Transit::start(&[key(40)]);
    let story = Story::new();
    let first = story.server.did();
    place(&directory(&story), &[transit.place("")]);
    transit.be(Mood::Late(2500));
    let db = rusqlite::Connection::open(directory(&story).join("authority.db")).unwrap();
    let until = i64::try_from(xbind_runtime::now() + 2).unwrap();
    db.execute(r#"INSERT INTO wishes(step, until) VALUES ('{"step":"rotate"}', ?1)"#, [until]).unwrap();
    let outcome = loop {
        let outcome: Option<String> = db.query_row("SELECT outcome FROM wishes", [], |row| row.get(0)).unwrap();
        match outcome {
            Some(outcome) => break outcome,
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(outcome.contains("too old"), "{outcome}");
    assert_eq!(story.server.did(), first);
}

#[test]
fn a_server_whose_signer_is_away_starts_and_finds_it_again() {
    let transit = Transit::start(&[key(40)]);
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    place(&directory(&story), &[transit.place("")]);
    take(&story, &Step::Rotate {}).unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    for (status, said) in [(403, "status 403"), (404, "no such key")] {
        transit.be(Mood::Says(status, String::new()));
        let log = lines.clone();
        story.restart_with(|config| {
            config.log = Some(LogSink(Arc::new(move |line| log.lock().unwrap().push(line.to_owned()))))
        });
        assert_eq!(story.server.did(), *key(40).did());
        let answer = story.token(&agent, AUDIENCE, SCOPES).refused("signer-failed");
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("SIGN_FAILED")));
        story.client.get("/v1").expect(200);
        let is_said = |line: &String| line.contains(key(40).did().as_str()) && line.contains(said);
        while !lines.lock().unwrap().iter().any(is_said) {
            thread::sleep(Duration::from_millis(20));
        }
        assert!(take(&story, &Step::Prepare { after: 86_400 }).unwrap_err().contains(said));
        transit.be(Mood::Honest);
        while story.token(&agent, AUDIENCE, SCOPES).status != 201 {
            thread::sleep(Duration::from_millis(50));
        }
    }
    // A key that is there and another is no key that is away.
    transit.be(Mood::Says(503, String::new()));
    let directory = directory(&story);
    drop(story.server);
    let file = directory.join("authority.1.key");
    std::fs::copy(directory.join("authority.key"), &file).unwrap();
    let refused = Server::start(Config::new(&directory)).unwrap_err().to_string();
    assert!(refused.contains("authority.1.key"), "{refused}");
}

#[test]
fn a_key_that_is_lost_elsewhere_is_followed_by_the_one_that_is_prepared() {
    let (lost, next) = (Transit::start(&[key(40)]), Transit::start(&[key(41)]));
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    place(&directory(&story), &[lost.place("")]);
    take(&story, &Step::Rotate {}).unwrap();
    let old = story.token(&agent, AUDIENCE, SCOPES).expect(201).json()["token"].clone();
    place(&directory(&story), &[lost.place(""), next.place("")]);
    take(&story, &Step::Prepare { after: 86_400 }).unwrap();
    let directory = directory(&story);
    story.restart_after(|| {
        lost.be(Mood::Says(404, String::new()));
        let take = |step: &Step| xbind_authority::keys(&directory, None, step).map_err(|fault| fault.to_string());
        assert_eq!(take(&Step::List {}).unwrap().len(), 3);
        let taken = take(&Step::Revoke { did: key(40).did().to_string() }).unwrap();
        assert_eq!(taken.iter().map(|key| key.state.as_str()).collect::<Vec<_>>(), ["retiring", "revoked", "active"]);
    });
    assert_eq!(story.server.did(), *key(41).did());
    story.token(&agent, AUDIENCE, SCOPES).expect(201);
    let known = story.client.post("/v1/introspection", &json!({ "token": old })).expect(200).json();
    assert_eq!(known["status"], "invalid");
    let list = story.client.get("/v1/status/1");
    list.refused("signer-failed");
}

#[test]
fn a_list_whose_signature_takes_long_holds_up_no_other() {
    let transit = Transit::start(&[key(40)]);
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    story.token(&agent, AUDIENCE, SCOPES).expect(201);
    place(&directory(&story), &[transit.place(r#","timeoutMs":30000"#)]);
    take(&story, &Step::Rotate {}).unwrap();
    story.token(&agent, AUDIENCE, SCOPES).expect(201);
    transit.be(Mood::Held);
    let mut slow = begin(&story, &Request::new("GET", "/v1/status/1", None));
    transit.has_held(1);
    story.client.get("/v1/status/0").expect(200);
    story.client.get("/.well-known/http-message-signatures-directory").expect(200);
    transit.be(Mood::Honest);
    read(&mut slow).unwrap().expect(200);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "127.0.0.2 is no address of this machine")]
fn strangers_use_up_little_of_a_signer_elsewhere() {
    let transit = Transit::start(&[key(40)]);
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    place(&directory(&story), &[transit.place(r#","timeoutMs":30000"#)]);
    take(&story, &Step::Rotate {}).unwrap();
    let host = story.client.host();
    let of = |key: &xbind::SigningKey| Request::new("GET", "/v1", None).signed(key, &host);
    let (copy, is_signed) = (of(&agent), |answer: &Response| answer.field("signature").is_some());
    assert!(is_signed(&story.client.send(&copy).expect(200)));
    assert!(is_signed(&story.client.send(&of(&key(60))).expect(200)), "there is room for a stranger");
    transit.be(Mood::Held);
    // Whoever asks for much leaves room for others.
    let mut strangers: Vec<_> = (61..63).map(|seed| begin(&story, &of(&key(seed)))).collect();
    transit.has_held(2);
    for seed in 70..75 {
        assert!(!is_signed(&story.client.send(&of(&key(seed))).expect(200)), "more than its part");
        assert_eq!(transit.held(), 2);
    }
    let from = |n: u8| format!("127.0.0.{}:0", 2 + n % 3);
    strangers.extend((0..6).map(|n| begin_from(&from(n), &story, &of(&key(63 + n)))));
    transit.has_held(8);
    strangers.truncate(4);
    thread::sleep(Duration::from_millis(200)); // who does not wait any more is still signed for
    for n in 0..10 {
        let mut stream = begin_from(&format!("127.0.0.{}:0", 1 + n % 5), &story, &of(&key(80 + n)));
        assert!(!is_signed(&read(&mut stream).unwrap().expect(200)), "more than all");
    }
    assert!(!is_signed(&story.client.send(&copy).refused("replayed")), "somebody else has copied it");
    assert_eq!(transit.held(), 8);
    let known = begin(&story, &of(&agent));
    transit.has_held(9);
    transit.be(Mood::Honest);
    for mut stream in strangers.into_iter().chain([known]) {
        assert!(is_signed(&read(&mut stream).unwrap().expect(200)));
    }
    while !is_signed(&story.client.send(&of(&key(60))).expect(200)) {}
}

#[test]
fn a_key_begins_no_earlier_than_everybody_knows_it_however_long_its_signatures_take() {
    let transit = Transit::start(&[key(40)]);
    let story = Story::new();
    place(&directory(&story), &[transit.place("")]);
    take(&story, &Step::Rotate {}).unwrap();
    transit.add(key(41));
    transit.be(Mood::Held);
    let (prepared, told_at) = thread::scope(|scope| {
        let preparing = scope.spawn(|| take(&story, &Step::Prepare { after: 300 }).unwrap());
        transit.has_held(1);
        let begun = xbind_runtime::now();
        while xbind_runtime::now() < begun + 2 {
            thread::sleep(Duration::from_millis(50));
        }
        let told_at = xbind_runtime::now();
        transit.be(Mood::Honest);
        (preparing.join().unwrap().pop().unwrap(), told_at)
    });
    assert_eq!((prepared.did.as_str(), prepared.state.as_str()), (key(41).did().as_str(), "prepared"));
    assert!(prepared.active_at.unwrap() >= told_at + 300);
}
