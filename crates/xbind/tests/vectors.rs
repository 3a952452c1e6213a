//! The committed vectors: what they say of messages holds, and their maker still makes them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;
#[path = "../examples/make-vectors/main.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod make_vectors;

use common::{run_cases, vector_path, vectors};
use std::collections::HashSet;
use xbind::ErrorKind;

#[test]
fn every_single_message_gets_its_verdict() {
    let (wrong, refused) = run_cases(&vectors("message-v1.json"));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused >= 80, "only {refused} refusals");
}

#[test]
fn every_batched_message_gets_its_verdict() {
    let (wrong, refused) = run_cases(&vectors("message-batch.json"));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused >= 30, "only {refused} refusals");
}

#[test]
fn names_are_unique_and_codes_exist() {
    for file in ["message-v1.json", "message-batch.json"] {
        let file = vectors(file);
        let mut names = HashSet::new();
        for case in file["cases"].as_array().unwrap() {
            assert!(names.insert(case["name"].as_str().unwrap()), "{} twice", case["name"]);
            assert!(!case["why"].as_str().unwrap().is_empty(), "{} has no reason", case["name"]);
            assert_eq!(case["expect"] == "reject", case["code"].is_string(), "{}", case["name"]);
            assert!(case["code"].as_str().is_none_or(|code| ErrorKind::from_code(code).is_some()), "{}", case["code"]);
        }
    }
}

#[test]
fn each_code_of_a_message_has_a_case() {
    let files = ["message-v1.json", "message-batch.json"].map(vectors);
    let codes: HashSet<_> = files
        .iter()
        .flat_map(|file| file["cases"].as_array().unwrap())
        .filter_map(|case| case["code"].as_str())
        .collect();
    for kind in [
        ErrorKind::MalformedMessage,
        ErrorKind::PayloadTooLarge,
        ErrorKind::WrongAudience,
        ErrorKind::MessageNotYetValid,
        ErrorKind::MessageExpired,
        ErrorKind::InvalidSignature,
        ErrorKind::NotAllowed,
        ErrorKind::Revoked,
        ErrorKind::Replayed,
        ErrorKind::ReplayWindowFull,
        ErrorKind::ReplyMismatch,
        ErrorKind::StaleSession,
    ] {
        assert!(codes.contains(kind.code()), "no case for {}", kind.code());
    }
}

#[test]
fn the_files_are_what_their_maker_makes() {
    for (name, text) in make_vectors::files() {
        assert!(
            std::fs::read_to_string(vector_path(name)).unwrap() == text,
            "vectors/{name} differs: run make-vectors"
        );
    }
}
