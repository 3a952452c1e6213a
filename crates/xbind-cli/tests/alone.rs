//! What others do meanwhile, and what strangers say.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::fs::File;
use std::process::Command;

use common::{AUDIENCE, Desk, Story};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use xbind_cli::{Exit, Kept};

#[test]
fn one_command_at_a_time_changes_who_somebody_is() {
    let story = Story::new();
    let id = story.begun();
    let desk = &story.desk;
    let changes = [
        &["register", "agent", "--operator-id", &id][..],
        &["register", "operator"],
        &["identity", "rotate"],
        &["identity", "rotate", "--operator"],
    ];
    let before = desk.run(&["whoami"]).done().out;
    let another = File::options().write(true).open(desk.file(".lock")).unwrap();
    another.lock().unwrap();
    for args in changes {
        desk.run(args).failed(Exit::Unavailable, "unavailable");
    }
    // What changes nothing goes on, and so does another profile.
    desk.run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]).done();
    desk.run(&["agent-scopes", "set", "--scopes", "read:payments"]).done();
    desk.run(&["init", "--domain", "example.com", "--server", story.url(), "--profile", "two"]).done();
    desk.run(&["register", "agent", "--operator-id", &id, "--profile", "two"]).done();
    assert_eq!(desk.run(&["whoami"]).done().out, before);
    drop(another);
    for args in changes {
        desk.run(args).done();
    }
    desk.run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]).done();
}

#[test]
fn a_key_goes_into_the_directory_that_one_is_in() {
    let desk = Desk::new();
    desk.run(&["identity", "new"]).done();
    let export = ["identity", "export", "--plain", "--json", "--dir", ".xbind", "--out", "copy.pem"];
    let ran =
        Command::new(env!("CARGO_BIN_EXE_xbind")).args(export).current_dir(desk.folder.join("")).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let [copy, own] =
        [desk.folder.join("copy.pem"), desk.file("keys/agent.key")].map(|file| std::fs::read(file).unwrap());
    assert_eq!(copy, own);
}

#[test]
fn what_a_token_says_looks_like_nothing_else() {
    let desk = Desk::new();
    let part = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let claims = json!({ "\u{1b}[2J": 1, "a\nverified": true, "b\u{202e}": { "\u{9b}c": ["\u{7f}"] } });
    let token = format!("{}.{}.{}", part(json!({ "alg": "none" })), part(claims.clone()), "AA");
    let ran = desk.run_plain(&["token", "inspect", &token]).done();
    assert!(ran.out.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{ran:?}");
    assert_eq!(ran.out.lines().filter(|line| line.starts_with("verified")).collect::<Vec<_>>(), ["verified: false"]);
    let ran = desk.run(&["token", "inspect", &token]).done();
    assert!(ran.out.trim_end().chars().all(|c| !c.is_control() && c != '\u{202e}'), "{ran:?}");
    assert_eq!(ran.json().get("claims"), Some(&claims));
}

#[test]
fn a_person_is_asked_for_the_passphrase_of_an_authority() {
    let desk = Desk::new();
    let data = desk.folder.join("authority");
    let data = ["--json", "--data", data.to_str().unwrap()];
    let run = |terminal: &Kept, args: &[&str]| desk.run_on(terminal, &[args, &data[..]].concat());
    let rotate = ["authority", "rotate-key"];
    let mut config = xbind_authority::Config::new(data.last().unwrap());
    config.passphrase = Some("correct horse".to_owned().into());
    xbind_authority::Server::start(config).unwrap().stop();
    run(&Kept::default(), &rotate).failed(Exit::Setup, "setup");
    run(&Kept::default().with_answer("wrong"), &rotate).failed(Exit::Failed, "failed");
    let first = run(&Kept::default().with_answer("correct horse"), &rotate).done().json();
    let second = run(&Kept::default().with_variable("XBIND_PASSPHRASE", "correct horse"), &rotate).done().json();
    assert_eq!(first.get("did"), second.get("before"));
    // One that is plain wants none, and does not become another.
    let plain = desk.folder.join("plain");
    xbind_authority::Server::start(xbind_authority::Config::new(&plain)).unwrap().stop();
    let plain = ["--json", "--data", plain.to_str().unwrap()];
    let given = || Kept::default().with_variable("XBIND_PASSPHRASE", "correct horse");
    desk.run_on(&given(), &[&rotate[..], &plain].concat()).done();
    desk.run_on(&given(), &[&["authority", "serve", "--encrypt"][..], &plain].concat()).failed(Exit::Setup, "setup");
}
