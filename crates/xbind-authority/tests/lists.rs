//! Status lists that many ask for while their signature is waited for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use common::client::{Request, read};
use common::key;
use common::story::Story;
use common::transit::{Mood, Transit};
use serde_json::{Value, json};
use xbind_authority::Step;

const AUDIENCE: &str = "https://api.example.com";
const SCOPES: &[&str] = &["read:payments"];

#[test]
fn who_asked_before_a_revocation_waits_for_no_list_that_was_begun_after_it() {
    let transit = Transit::start(&[key(40)]);
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    let (directory, host) = (story.folder.join("authority"), story.client.host());
    let file = directory.join("signers.json");
    std::fs::write(&file, format!("[{}]", transit.place(r#","timeoutMs":30000"#))).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    xbind_authority::keys(&directory, None, &Step::Rotate {}).unwrap();
    let address = story.server.address();
    let begin = |request: &Request| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&request.bytes(&host)).unwrap();
        stream
    };
    let revocation = |token: &Value| {
        let path = format!("/v1/tokens/{}/revocation", token["id"].as_str().unwrap());
        Request::new("POST", &path, Some(&json!({}))).signed(&agent, &host)
    };
    let list = Request::new("GET", "/v1/status/1", None);
    // On a slow machine some may come only after the revocation.
    let is_shared = (0..5).any(|_| {
        let [old, token] = [(), ()].map(|()| story.token(&agent, AUDIENCE, SCOPES).expect(201).json());
        story.client.send(&revocation(&old)).expect(204); // so that none is kept
        let before = transit.held();
        transit.be(Mood::Held);
        let mut waiting = vec![begin(&list)];
        transit.has_held(before + 1);
        waiting.extend([begin(&list), begin(&list)]);
        thread::sleep(Duration::from_millis(200));
        let mut revoked = begin(&revocation(&token));
        transit.has_held(before + 2); // its answer
        let mut late = begin(&list);
        transit.be(Mood::Honest);
        read(&mut revoked).unwrap().expect(204);
        let lists: Vec<_> = waiting.iter_mut().map(|stream| read(stream).unwrap().expect(200).body).collect();
        let last = read(&mut late).unwrap().expect(200).body;
        assert!(last != lists[0], "it does not say what was revoked before it was asked for");
        lists[0] == lists[1] && lists[0] == lists[2]
    });
    assert!(is_shared);
}
