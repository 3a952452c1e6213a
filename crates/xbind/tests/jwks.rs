//! JWK sets: which keys are taken, and which sets are refused whole.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use data_encoding::BASE64URL_NOPAD;
use xbind::identity::jwk;
use xbind::{ErrorKind, JwkSet, SigningKey};

fn x() -> String {
    BASE64URL_NOPAD.encode(SigningKey::from_seed(&[1; 32]).did().public_key())
}

/// An Ed25519 key with these members beside, as JSON.
fn ed25519(members: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"{members}}}"#, x())
}

fn set(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

const RSA: &str = r#"{"kty":"RSA","kid":"r","use":"sig","n":"AQAB","e":"AQAB"}"#;

#[test]
fn usable_keys_are_taken_by_their_kid() {
    let keys = set(&[
        ed25519(r#","kid":"1""#),
        ed25519(r#","kid":"2","use":"sig","alg":"EdDSA","key_ops":["verify"]"#),
        RSA.to_owned(),
    ]);
    let set = JwkSet::parse(&keys).unwrap();
    assert_eq!(set.len(), 2);
    for kid in ["1", "2"] {
        assert_eq!(set.get(kid).unwrap().did(), SigningKey::from_seed(&[1; 32]).did());
    }
    assert!(set.get("r").is_none() && set.get("").is_none());
}

#[test]
fn what_this_library_publishes_it_reads() {
    let key = SigningKey::from_seed(&[7; 32]);
    let set = JwkSet::parse(&set(&[jwk::jwk_json(key.did())])).unwrap();
    assert_eq!(set.get(&format!("{}#{}", key.did(), key.did().multibase())).unwrap().did(), key.did());
}

#[test]
fn other_keys_are_passed_over() {
    let others = [
        RSA.to_owned(),
        r#"{"kty":"EC","crv":"P-256","kid":"e","x":"AA","y":"AA"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"Ed448","kid":"4","x":"AA"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"X25519","kid":"5","x":"AA"}"#.to_owned(),
        r#"{"kty":"new","kid":"6"}"#.to_owned(),
        r#"{"kty":"RSA"}"#.to_owned(),
        "{}".to_owned(),
        ed25519(r#","kid":"7","use":"enc""#),
        ed25519(r#","kid":"8","use":1"#),
        ed25519(r#","kid":"9","alg":"ES256""#),
        ed25519(r#","kid":"10","key_ops":["sign"]"#),
        ed25519(r#","kid":"11","key_ops":"verify""#),
    ];
    assert!(JwkSet::parse(&set(&others)).unwrap().is_empty());
    assert!(JwkSet::parse(r#"{"keys":[],"more":[1]}"#).unwrap().is_empty());
}

#[test]
fn a_set_with_a_fault_is_refused_whole() {
    let with = |key: String| set(&[ed25519(r#","kid":"1""#), key]);
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let mut faults: Vec<_> = private.map(|member| with(format!(r#"{{"kty":"RSA","kid":"2","{member}":"AA"}}"#))).into();
    faults.extend([
        with(ed25519(r#","kid":"2","d":"AA""#)),
        with(ed25519(r#","kid":"2","use":"enc","d":null"#)),
        with(ed25519("")),
        with(ed25519(r#","kid":"""#)),
        with(ed25519(r#","kid":7"#)),
        with(ed25519(r#","kid":"1""#)),
        with(r#"{"kty":"RSA","kid":"1"}"#.to_owned()),
        with(ed25519(&format!(r#","kid":"{}""#, "k".repeat(513)))),
        with(ed25519(r#","kid":"2","kid":"3""#)),
        with(ed25519(r#","kid":"2","x":"AAAA""#)),
        with(r#"{"kty":"OKP","crv":"Ed25519","kid":"2"}"#.to_owned()),
        with(r#"{"kty":"OKP","crv":"Ed25519","kid":"2","x":1}"#.to_owned()),
        with(r#"{"kty":"OKP","crv":"Ed25519","kid":"2","x":"AA"}"#.to_owned()),
        with(format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"2","x":"{}="}}"#, x())),
        with(format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"2","x":"{}"}}"#, BASE64URL_NOPAD.encode(&[0; 32]))),
        with(format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"2","x":"{}"}}"#, BASE64URL_NOPAD.encode(&[0xff; 32]))),
        with("[]".to_owned()),
        with("null".to_owned()),
    ]);
    faults.extend(
        [
            "",
            "null",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":null}"#,
            r#"{"keys":[],"keys":[]}"#,
            r#"[{"keys":[]}]"#,
            r#"{"keys":[]}x"#,
            r#"{"keys":[[]]}"#,
            "\u{feff}{\"keys\":[]}",
        ]
        .map(str::to_owned),
    );
    faults.push(format!(r#"{{"keys":[],"x":{}{}}}"#, "[".repeat(17), "]".repeat(17)));
    faults.push(format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(65_536)));
    for json in faults {
        assert_eq!(JwkSet::parse(&json).unwrap_err().kind(), ErrorKind::InvalidKey, "{json}");
    }
}

#[test]
fn a_private_key_is_not_repeated_in_the_error() {
    let json = set(&[ed25519(r#","kid":"1","d":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I""#)]);
    let error = JwkSet::parse(&json).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("c2VjcmV0"));
    assert!(error.hint().is_some());
}
