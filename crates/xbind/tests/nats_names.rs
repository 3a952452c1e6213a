//! The tokens of subjects and the keys of NATS, by the committed vectors.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use common::vectors;
use data_encoding::BASE64URL_NOPAD;
use xbind::cluster::{NKey, Role, token};
use xbind::{Did, ErrorKind, VerifyingKey};

#[test]
fn names_and_dids_have_one_token_each() {
    let file = vectors("nats.json");
    for case in file["names"].as_array().unwrap() {
        let (name, spelled) = (case["name"].as_str(), case["token"].as_str());
        if let Some(name) = name {
            assert_eq!(token::of_name(name).as_deref(), spelled, "{case}");
        }
        if let Some(spelled) = spelled {
            assert_eq!(token::name(spelled).as_deref(), name, "{case}");
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-=".contains(&byte);
            assert!(name.is_none() || spelled.bytes().all(legal), "{case}");
        }
    }
    for case in file["dids"].as_array().unwrap() {
        let read = token::did(case["token"].as_str().unwrap());
        assert_eq!(read.as_ref().map(Did::as_str), case["did"].as_str(), "{case}");
        assert!(read.is_none_or(|did| token::of_did(&did) == case["token"]), "{case}");
    }
}

#[test]
fn keys_of_nats_have_one_spelling() {
    let file = vectors("nats.json");
    let roles = [("account", Role::Account), ("server", Role::Server), ("user", Role::User)];
    for case in file["nkeys"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        for (word, role) in roles {
            let read = NKey::parse(role, text);
            if case["role"] == word && case["key"].is_string() {
                let key = BASE64URL_NOPAD.decode(case["key"].as_str().unwrap().as_bytes()).unwrap();
                let read = read.unwrap();
                assert_eq!(NKey::of(role, &VerifyingKey::from_slice(&key).unwrap()), read, "{case}");
                assert_eq!((read.as_str(), read.role()), (text, role), "{case}");
            } else if case["role"] == word || case["key"].is_string() {
                assert_eq!(read.unwrap_err().kind(), ErrorKind::InvalidKey, "{case}");
            }
        }
    }
}
