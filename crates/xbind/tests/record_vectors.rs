//! The committed vectors of what is on record: what they say holds, and their maker still makes them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;
#[path = "../examples/make-record-vectors/main.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod make_vectors;

use common::{vector_path, vectors};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::collections::HashSet;
use xbind::record::{Chain, Head, Proven, Reader, Receipt};
use xbind::{Did, Digest, ErrorKind, MessageId, SigningKey, VerifyingKey};

fn did(text: &Value) -> Did {
    *VerifyingKey::from_did(text.as_str().unwrap()).unwrap().did()
}

fn bodies(list: &Value) -> Vec<&[u8]> {
    list.as_array().into_iter().flatten().map(|body| body.as_str().unwrap().as_bytes()).collect()
}

fn verified(file: &Value, case: &Value) -> xbind::Result<Proven> {
    let (requests, results) = (bodies(&case["requests"]), bodies(&case["results"]));
    let (call, answer) = (case["call"].as_str().unwrap(), case["answer"].as_str().unwrap());
    let receipt = Receipt { call, answer, requests: &requests, results: &results };
    receipt.verify(&did(&file["caller"]), &did(&file["agent"]))
}

#[test]
fn every_receipt_gets_its_verdict() {
    let file = vectors("receipts.json");
    let digest = |digest: &Digest| BASE64URL_NOPAD.encode(digest.as_bytes());
    for case in file["cases"].as_array().unwrap() {
        let name = &case["name"];
        match verified(&file, case) {
            Ok(shown) => {
                assert_eq!(case["expect"], "accept", "{name}");
                let mut shows = json!({
                    "op": shown.op.as_str(), "answer": shown.answer.as_str(), "method": shown.method,
                    "issuedAt": shown.issued_at, "answeredAt": shown.answered_at,
                    "requestDigest": digest(&shown.request), "resultDigest": digest(&shown.result),
                });
                if let Some(parts) = shown.parts {
                    shows["parts"] = json!(parts);
                }
                assert_eq!(shows, case["shows"], "{name}");
            }
            Err(error) => assert_eq!(case["code"], error.kind().code(), "{name}: {error}"),
        }
    }
}

#[test]
fn a_receipt_holds_for_these_two_alone() {
    let file = vectors("receipts.json");
    let case = &file["cases"][0];
    let (call, answer) = (case["call"].as_str().unwrap(), case["answer"].as_str().unwrap());
    let (caller, agent) = (did(&file["caller"]), did(&file["agent"]));
    let receipt = Receipt { call, answer, requests: &[], results: &[] };
    assert!(receipt.verify(&caller, &agent).is_ok());
    for (caller, agent) in [(&agent, &caller), (&caller, &caller), (&agent, &agent)] {
        assert_eq!(receipt.verify(caller, agent).unwrap_err().kind(), ErrorKind::WrongAudience);
    }
}

#[test]
fn no_byte_of_a_receipt_can_be_changed() {
    let file = vectors("receipts.json");
    for name in ["a call and its answer", "out of batches"] {
        let case = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
        for (member, at) in ["call", "answer"].iter().flat_map(|member| {
            let length = case[member].as_str().unwrap().len();
            (0..length).map(move |at| (*member, at))
        }) {
            let mut text = case[member].as_str().unwrap().as_bytes().to_vec();
            for byte in [text[at] ^ 1, text[at] ^ 4, b'A', b'.'] {
                let before = std::mem::replace(&mut text[at], byte);
                if let (true, Ok(changed)) = (before != byte, str::from_utf8(&text)) {
                    let mut case = case.clone();
                    case[member] = json!(changed);
                    assert!(verified(&file, &case).is_err(), "{name}: {member} at {at}");
                }
                text[at] = before;
            }
        }
    }
}

/// What a log is, or the code and the line of its first fault.
fn read(file: &Value, case: &Value) -> Result<(), (&'static str, usize)> {
    let digest = |head: &Value| Digest::parse(head["digest"].as_str().unwrap()).unwrap();
    let head = case.get("head").map(|head| (head["seq"].as_u64().unwrap(), digest(head)));
    let mut reader = Reader::new(Some(did(&file["did"])), head);
    let lines: Vec<_> = case["text"].as_str().unwrap().split_terminator('\n').collect();
    for (count, line) in (1..).zip(&lines) {
        reader.take(line.as_bytes(), count == 1, |_, _| ()).map_err(|error| (error.kind().code(), count))?;
    }
    reader.end().map(|_| ()).map_err(|error| (error.kind().code(), lines.len()))
}

#[test]
fn every_log_gets_its_verdict() {
    let file = vectors("audit.json");
    for case in file["cases"].as_array().unwrap() {
        let name = &case["name"];
        match read(&file, case) {
            Ok(()) => assert_eq!(case["expect"], "accept", "{name}"),
            Err((code, line)) => assert_eq!((&case["code"], &case["line"]), (&json!(code), &json!(line)), "{name}"),
        }
    }
}

#[test]
fn what_a_witness_signs_is_what_the_log_signed() {
    let (log, witness) = (SigningKey::from_seed(&[9; 32]), SigningKey::from_seed(&[2; 32]));
    let mut text = String::new();
    let chain = Chain::begin(*log.did(), MessageId::from_bytes([1; 16]), 5, &mut text);
    let (head, unsigned) = chain.head(6);
    let signature = log.sign(unsigned.to_sign().as_bytes());
    let jws = unsigned.finish(&signature);
    assert_eq!(Head::read(&jws).unwrap(), head);
    let seen = head.witness(&witness, 7);
    assert_eq!(Head::witnessed(&seen, witness.did()).unwrap(), Head { time: 7, ..head });
    assert_eq!(Head::witnessed(&seen, log.did()).unwrap_err().kind(), ErrorKind::UntrustedIssuer);
    for (one, other) in [(&jws, witness.did()), (&seen, log.did())] {
        assert!(Head::read(&seen).is_err());
        assert!(Head::witnessed(one, other).is_err());
    }
    for text in ["", "a.b.c", &jws[1..], &format!("{jws}A"), &"x".repeat(5000)] {
        assert_eq!(Head::read(text).unwrap_err().kind(), ErrorKind::InvalidAudit);
    }
}

#[test]
fn names_are_unique_and_codes_exist() {
    let files = ["receipts.json", "audit.json"].map(vectors);
    let mut names = HashSet::new();
    for case in files.iter().flat_map(|file| file["cases"].as_array().unwrap()) {
        assert!(names.insert(case["name"].as_str().unwrap()), "{} twice", case["name"]);
        assert!(!case["why"].as_str().unwrap().is_empty(), "{} has no reason", case["name"]);
        assert_eq!(case["expect"] == "reject", case["code"].is_string(), "{}", case["name"]);
        assert!(case["code"].as_str().is_none_or(|code| ErrorKind::from_code(code).is_some()), "{}", case["code"]);
    }
    assert!(names.len() >= 50, "only {} cases", names.len());
}

#[test]
fn the_files_are_what_their_maker_makes() {
    for (name, text) in make_vectors::files() {
        let committed = std::fs::read_to_string(vector_path(name)).unwrap();
        assert!(committed == text, "vectors/{name} differs: run make-record-vectors");
    }
}
