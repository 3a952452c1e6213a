//! DIDs: the shared vectors, and what must hold of every text and every key.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod known;

use data_encoding::HEXLOWER;
use known::{bytes, cases, expected, load, text};
use proptest::prelude::*;
use serde_json::Value;
use xbind::identity::jwk;
use xbind::{Did, ErrorKind, SigningKey, VerifyingKey};

#[test]
fn vectors_of_dids() {
    let vectors = load("did-key.json");
    for case in cases(&vectors, "cases") {
        let key = VerifyingKey::from_did(text(case, "did"));
        let key = key.as_ref().map(|key| HEXLOWER.encode(key.did().public_key())).map_err(|e| e.kind().code());
        assert_eq!(key.as_deref().map_err(|code| *code), expected(case, "publicKeyHex"), "{case}");
    }
}

#[test]
fn vectors_of_public_keys() {
    let vectors = load("did-key.json");
    for case in cases(&vectors, "keys") {
        let did = VerifyingKey::from_bytes(&bytes(case, "publicKeyHex"));
        let did = did.as_ref().map(|key| key.did().as_str()).map_err(|e| e.kind().code());
        assert_eq!(did, expected(case, "did"), "{case}");
    }
}

#[test]
fn vectors_of_documents() {
    let vectors = load("did-key.json");
    for case in cases(&vectors, "documents") {
        let key = VerifyingKey::from_did(text(case, "did")).unwrap();
        let parse = |json: String| serde_json::from_str::<Value>(&json).unwrap();
        assert_eq!(parse(jwk::jwk_json(key.did())), case["jwk"]);
        assert_eq!(parse(jwk::did_document_json(key.did())), case["didDocument"]);
    }
}

#[test]
fn a_huge_text_is_refused_by_its_length() {
    let huge = format!("did:key:z6Mk{}", "z".repeat(100_000));
    let error = VerifyingKey::from_did(&huge).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidDid);
    assert_eq!(error.message(), "a DID is 56 bytes long, this one 100012");
}

#[test]
fn debug_shortens_and_display_does_not() {
    let did = *SigningKey::from_seed(&[7; 32]).did();
    let text = did.to_string();
    assert_eq!(text, did.as_str());
    assert_eq!(format!("{did:?}"), format!("Did(z6Mk…{})", &text[Did::LEN - 4..]));
    assert_eq!(did.multibase(), &text["did:key:".len()..]);
}

#[test]
fn equality_order_and_hash_are_those_of_the_key() {
    let mut dids: Vec<Did> = (0..64).map(|i| *SigningKey::from_seed(&[i; 32]).did()).collect();
    let set: std::collections::HashSet<Did> = dids.iter().chain(&dids).copied().collect();
    assert_eq!(set.len(), dids.len());
    dids.sort();
    assert!(dids.is_sorted_by_key(|did| *did.public_key()));
}

fn did_like() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}",
        "did:key:[a-zA-Z0-9][1-9A-HJ-NP-Za-km-z]{47}",
        "did:key:(1:)?z6Mk[0-9A-Za-z]{40,48}(#.*)?",
    ]
}

proptest! {
    #[test]
    fn an_accepted_text_is_the_only_text_of_its_key(text in did_like()) {
        if let Ok(key) = VerifyingKey::from_did(&text) {
            prop_assert_eq!(key.did().as_str(), &text);
        }
    }

    #[test]
    fn every_seed_has_a_did_that_leads_back(seed: [u8; 32]) {
        let key = SigningKey::from_seed(&seed);
        let text = key.did().as_str();
        prop_assert_eq!(text.len(), Did::LEN);
        prop_assert!(text.starts_with("did:key:z6Mk"));
        prop_assert_eq!(*VerifyingKey::from_did(text).unwrap().did(), *key.did());
    }

    #[test]
    fn one_wrong_character_never_leads_to_the_same_key(seed: [u8; 32], at in 0..Did::LEN, with: char) {
        let key = SigningKey::from_seed(&seed);
        let mut text: Vec<char> = key.did().as_str().chars().collect();
        prop_assume!(text[at] != with);
        text[at] = with;
        let text: String = text.into_iter().collect();
        match VerifyingKey::from_did(&text) {
            Ok(other) => prop_assert_ne!(other.did(), key.did()),
            Err(e) => prop_assert_eq!(e.kind(), ErrorKind::InvalidDid),
        }
    }

    #[test]
    fn half_of_all_bytes_are_keys_and_each_keeps_its_bytes(bytes: [u8; 32]) {
        if let Ok(key) = VerifyingKey::from_bytes(&bytes) {
            prop_assert_eq!(key.did().public_key(), &bytes);
            prop_assert_eq!(*VerifyingKey::from_did(key.did().as_str()).unwrap().did(), *key.did());
        }
    }
}
