//! The command is killed at many points while it writes files: each is there as it was, or as it is to be. `XBIND_KILLS` kills it more
//! often.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a test that panics fails"
)]

mod common;

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{AUDIENCE, Desk, Story, files, mode};
use serde_json::Value;
use xbind::identity::pkcs8;
use xbind_cli::Exit;

fn times() -> u32 {
    std::env::var("XBIND_KILLS").ok().map_or(24, |times| times.parse().unwrap())
}

fn command(desk: &Desk, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xbind"));
    command.args(args).arg("--json").arg("--dir").arg(desk.dir()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// How long it takes when nobody kills it.
fn span(desk: &Desk, args: &[&str]) -> Duration {
    let began = Instant::now();
    assert!(command(desk, args).status().unwrap().success(), "{args:?}");
    began.elapsed()
}

fn run_and_kill(desk: &Desk, args: &[&str], after: Duration) {
    let mut child = command(desk, args).spawn().unwrap();
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Whole files, for their owner alone, whatever is left of drafts.
fn check(desk: &Desk) {
    if !desk.dir().exists() {
        return;
    }
    for file in files(&desk.dir()) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        let name = file.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&file).unwrap();
        if name.starts_with('.') {
            continue; // a draft, which nobody reads
        } else if name.ends_with(".json") {
            let value: Value = serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{name} is no whole file"));
            assert!(value["did"].as_str().unwrap().starts_with("did:key:"));
        } else {
            pkcs8::decode_pem(&bytes, None).unwrap_or_else(|_| panic!("{name} is no whole key"));
        }
    }
}

#[test]
fn an_identity_that_is_made_is_whole_or_not_there() {
    let args = ["init", "--domain", "example.com"];
    let whole = span(&Desk::new(), &args);
    for round in 0..times() {
        let desk = Desk::new();
        run_and_kill(&desk, &args, whole * (round % 24) / 20);
        check(&desk);
        let is_there = desk.run(&["whoami"]).exit == Exit::Done;
        assert!(!is_there || desk.file("keys/agent.key").exists(), "no identity without its key");
    }
}

#[test]
fn files_that_are_replaced_are_the_old_or_the_new_ones() {
    let story = Story::new();
    let id = story.begun();
    let desk = &story.desk;
    let args = ["register", "agent", "--operator-id", &id];
    let whole = span(desk, &args);
    for round in 0..times() {
        run_and_kill(desk, &args, whole * (round % 24) / 20);
        check(desk);
    }
    story.token();
}

#[test]
fn a_rotation_that_is_killed_goes_on_wherever_it_was() {
    let story = Story::with(|config| {
        config.rate_per_address.burst = 1_000_000;
        config.rate_per_did.burst = 1_000_000;
    });
    story.begun();
    let desk = &story.desk;
    for args in [&["identity", "rotate"][..], &["identity", "rotate", "--operator"]] {
        let whole = span(desk, args);
        // An agent has 64 keys at the most.
        for round in 0..times().min(24) {
            run_and_kill(desk, args, whole * (round % 24) / 20);
            check(desk);
            desk.run(args).done();
            check(desk);
            assert!(!desk.file("keys/agent.next.key").exists() && !desk.file("keys/operator.next.key").exists());
            story.token();
            desk.run(&["agent-scopes", "set", "--scopes", "read:payments"]).done();
        }
    }
    let token = story.token();
    desk.run(&["verify", "--token", &token, "--aud", AUDIENCE, "--online"]).done();
}
