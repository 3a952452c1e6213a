//! How names, DIDs and keys of NATS are spelled.

use super::forge::*;
use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};
use xbind::cluster::{NKey, Role};

pub fn names() -> Vec<Value> {
    let longest = "n".repeat(64);
    let both = [("writer", "writer"), ("a.b", "a=2Eb"), ("a..b", "a=2E=2Eb"), ("A-1_b", "A-1_b"), ("0", "0")];
    let both = both.into_iter().chain([(longest.as_str(), longest.as_str())]);
    let none = ["", ".", "a.", ".a", "-", "a b", "a=2Eb", "é", "*", ">", "a/b"];
    let tokens = ["", "a.b", "a=2eb", "a=2Db", "a=2E", "=2Ea", "a=", "a=2", "=", "a%2Eb", "a=2=2EE", "*", ">"];
    let mut cases: Vec<Value> = both.map(|(name, token)| json!({ "name": name, "token": token })).collect();
    cases.extend(none.map(|name| json!({ "name": name })));
    cases.extend(tokens.map(|token| json!({ "token": token })));
    cases.push(json!({ "name": "n".repeat(65) }));
    cases
}

pub fn dids() -> Vec<Value> {
    let did = *agent().did();
    let token = did.multibase();
    let mut cases = vec![json!({ "did": did.as_str(), "token": token })];
    cases.extend(
        [
            String::new(),
            did.as_str().to_owned(),
            token.to_lowercase(),
            format!("{token}A"),
            token[..47].to_owned(),
            format!("{token}#{token}"),
            format!("1:{token}"),
            format!("{}0", &token[..47]),
            "*".to_owned(),
        ]
        .map(|token| json!({ "token": token })),
    );
    cases
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u16;
    for byte in bytes {
        sum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 };
        }
    }
    sum
}

/// Any bytes under a right checksum.
fn spelled(prefix: u8, key: &[u8]) -> String {
    let mut bytes = vec![prefix];
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
    BASE32_NOPAD.encode(&bytes)
}

pub fn nkeys() -> Vec<Value> {
    let key = *key(5).did().public_key();
    let roles = [("account", Role::Account, 0), ("server", Role::Server, 104), ("user", Role::User, 160)];
    let mut cases: Vec<Value> = roles
        .into_iter()
        .map(|(word, role, prefix)| {
            let text = spelled(prefix, &key);
            assert_eq!(NKey::of(role, super::forge::key(5).verifying_key()).as_str(), text);
            json!({ "role": word, "text": text, "key": encode(key) })
        })
        .collect();
    // Of the documentation of NATS (ADR-26), and of its Rust client.
    let published = [
        ("account", "ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA"),
        ("server", "NB5FCQYBGNXSL27AGZYUX5QZ2KKIFUKVDZCL5R7NIUS4562JT4WEWKQV"),
        ("user", "UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON"),
        ("user", "UAMMBNV2EYR65NYZZ7IAK5SIR5ODNTTERJOBOF4KJLMWI45YOXOSWULM"),
    ];
    cases.extend(published.map(|(role, text)| {
        json!({ "role": role, "text": text, "key": encode(&BASE32_NOPAD.decode(text.as_bytes()).unwrap()[1..33]) })
    }));
    let user = spelled(160, &key);
    let not_on_curve = [2; 32];
    let mut identity = [0; 32];
    identity[0] = 1;
    let wrong = [
        ("in another role", "user", spelled(104, &key)),
        ("an operator's", "account", spelled(14 << 3, &key)),
        ("a curve key", "user", spelled(23 << 3, &key)),
        ("a seed", "user", format!("S{}", &user[1..])),
        ("a wrong checksum", "user", format!("{}A{}", &user[..20], &user[21..])),
        ("lower case", "user", user.to_lowercase()),
        ("padded", "user", format!("{user}=")),
        ("short", "user", user[..55].to_owned()),
        ("empty", "user", String::new()),
        ("a digit that is none", "user", format!("{}1{}", &user[..20], &user[21..])),
        ("no character at its border", "user", format!("{}é{}", &user[..7], &user[9..])),
        ("no point of the curve", "user", spelled(160, &not_on_curve)),
        ("of small order", "user", spelled(160, &identity)),
        ("a DID", "user", agent().did().as_str().to_owned()),
    ];
    cases.extend(wrong.map(|(why, role, text)| json!({ "why": why, "role": role, "text": text })));
    cases
}
