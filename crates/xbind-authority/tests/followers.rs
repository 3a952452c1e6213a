//! Whoever accepts the authority's tokens follows it from key to key, asks once for all, and never goes back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use common::key;
use common::story::Story;
use xbind::{AuthorityKey, Did};
use xbind_authority::Step;
use xbind_net::Settings;
use xbind_net::authority::Follower;

/// Asks so often at once; what was answered to the one question that became of it.
fn ask(follower: &Follower, times: usize) -> Result<Vec<AuthorityKey>, String> {
    let (said, told) = channel();
    let (done, over) = channel();
    for _ in 0..times {
        let (said, done) = (said.clone(), done.clone());
        follower.ask(|| true, move |keys| said.send(keys).unwrap(), Some(Box::new(move || done.send(()).unwrap())));
    }
    drop((said, done));
    assert_eq!(over.iter().count(), times, "all are told");
    let all: Vec<_> = told.iter().collect();
    assert!(all.len() < times || times == 1, "{} questions of {times}", all.len());
    all.into_iter().next().unwrap()
}

fn dids(keys: &[AuthorityKey]) -> Vec<Did> {
    keys.iter().map(|key| key.did).collect()
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn an_authority_is_followed_and_never_back() {
    let mut story = Story::new();
    let (first, directory, before) = (story.server.did(), story.folder.join("authority"), story.folder.join("before"));
    story.restart_after(|| copy(&directory, &before));
    let url = story.server.url().to_owned();
    let follower = Follower::new(&url, first.as_str(), Settings::default()).unwrap();
    assert_eq!(ask(&follower, 32).unwrap(), [AuthorityKey { did: first, until: None }]);

    xbind_authority::keys(&directory, None, &Step::Rotate {}).unwrap();
    let second = story.server.did();
    let keys = ask(&follower, 1).unwrap();
    assert_eq!(dids(&keys), [second, first]);
    assert!(keys[0].until.is_none() && keys[1].until.is_some_and(|until| until > xbind_runtime::now()));

    // What came back from a copy knows nothing of the key that it had since.
    story.restart_after(|| copy(&before, &directory));
    assert_eq!(story.server.did(), first);
    assert_eq!(ask(&follower, 1).unwrap_err(), format!("the authority was {second}, and is {first} now"));
    // Whoever begins only now has seen nothing else.
    let late = Follower::new(&url, first.as_str(), Settings::default()).unwrap();
    assert_eq!(dids(&ask(&late, 1).unwrap()), [first]);

    story.server.stop();
    assert!(ask(&follower, 1).is_err());
}

#[test]
fn what_is_no_authority_is_not_followed() {
    let story = Story::new();
    let url = story.server.url().to_owned();
    let follower = Follower::new(&url, key(77).did().as_str(), Settings::default()).unwrap();
    assert!(ask(&follower, 1).unwrap_err().starts_with("the authority was "));
    for (url, did) in
        [("http://example.com", key(77).did().as_str()), (&url, "did:key:z"), ("", key(77).did().as_str())]
    {
        assert!(Follower::new(url, did, Settings::default()).is_err());
    }
}

#[test]
fn the_question_that_follows_an_answer_which_nobody_signs_gets_no_time_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let silent = thread::spawn(move || {
        let mut first = BufReader::new(listener.accept().unwrap().0);
        let mut line = String::new();
        while first.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        let body = r#"{"type":"urn:xbind:problem:not-proven","detail":"so it is"}"#;
        let head = "HTTP/1.1 401 X\r\ncontent-type: application/problem+json\r\nconnection: close\r\n";
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        first.get_mut().write_all(answer.as_bytes()).unwrap();
        drop(first);
        listener.accept().unwrap()
    });
    let follower = Follower::new(&url, key(77).did().as_str(), Settings::default()).unwrap();
    let begin = Instant::now();
    assert!(ask(&follower, 1).is_err());
    // A question of its own has 15 s.
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    drop(silent.join().unwrap());
}
