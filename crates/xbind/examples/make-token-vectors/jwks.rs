//! JWK sets: which keys are taken, and which sets are refused whole.

use super::forge::{encode, issuer, operator};
use serde_json::{Value, json};

fn ed25519(members: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"{members}}}"#, encode(operator().did().public_key()))
}

fn set(keys: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

pub fn cases() -> Vec<Value> {
    let taken = |name: &str, why: &str, jwks: String, kids: &[&str]| json!({ "name": name, "why": why, "expect": "accept", "jwks": jwks, "kids": kids });
    let no = |name: &str, why: &str, jwks: String| json!({ "name": name, "why": why, "expect": "reject", "code": "INVALID_KEY", "jwks": jwks });
    let one = ed25519(r#","kid":"1""#);
    let nested = |n: usize| format!(r#"{{"keys":[{one}],"x":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    let passed = |name: &str, key: &str| taken(name, "passed over", set(&[&one, key]), &["1"]);
    let x = |x: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"2","x":"{x}"}}"#);
    let other = encode(issuer().did().public_key());
    let mut cases = vec![
        taken("one", "a usable key", set(&[&one]), &["1"]),
        taken("none", "trusts nothing", set(&[]), &[]),
        taken("two", "keys by their kid", set(&[&one, &x(&other)]), &["1", "2"]),
        taken(
            "says-what-for",
            "use, alg and key_ops that fit",
            set(&[&ed25519(r#","kid":"1","use":"sig","alg":"EdDSA","key_ops":["sign","verify"]"#)]),
            &["1"],
        ),
        taken("alg-new", "RFC 9864", set(&[&ed25519(r#","kid":"1","alg":"Ed25519""#)]), &["1"]),
        taken("member-more", "other members of a set", format!(r#"{{"keys":[{one}],"more":[1,{{}}]}}"#), &["1"]),
        taken("nested-16", "the set itself is the first of 16 levels", nested(15), &["1"]),
        no("nested-17", "the set itself is the first of 16 levels", nested(16)),
        passed("rsa", r#"{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}"#),
        passed("x25519", r#"{"kty":"OKP","crv":"X25519","kid":"5","x":"AA"}"#),
        passed("no-members", "{}"),
        passed("other-kid-missing", r#"{"kty":"RSA"}"#),
        passed("for-encryption", &ed25519(r#","kid":"2","use":"enc""#)),
        passed("use-null", &ed25519(r#","kid":"2","use":null"#)),
        passed("other-alg", &ed25519(r#","kid":"2","alg":"ES256""#)),
        passed("ops-sign-only", &ed25519(r#","kid":"2","key_ops":["sign"]"#)),
        passed("ops-string", &ed25519(r#","kid":"2","key_ops":"verify""#)),
        passed("unusable-and-no-key", r#"{"kty":"OKP","crv":"Ed25519","kid":"2","use":"enc","x":"AA"}"#),
        passed("crv-lower-case", r#"{"kty":"OKP","crv":"ed25519","kid":"2","x":"AA"}"#),
        no("kid-shared", "one key a kid", set(&[&one, &one])),
        no("kid-shared-with-other", "whatever the other key is for", set(&[&one, r#"{"kty":"RSA","kid":"1"}"#])),
        no("kid-missing", "a usable key has one", set(&[&ed25519("")])),
        no("kid-empty", "a name", set(&[&ed25519(r#","kid":"""#)])),
        no("kid-number", "a name", set(&[&ed25519(r#","kid":7"#)])),
        no("kid-control", "a name", set(&[&ed25519(r#","kid":"a\u0085b""#)])),
        taken(
            "kid-longest",
            "512 bytes",
            set(&[&ed25519(&format!(r#","kid":"{}""#, "k".repeat(512)))]),
            &["k".repeat(512).as_str()],
        ),
        no("kid-too-long", "512 bytes", set(&[&ed25519(&format!(r#","kid":"{}""#, "k".repeat(513)))])),
        no("x-short", "32 bytes", set(&[&x("AAAA")])),
        no("x-padded", "base64url is strict", set(&[&x(&format!("{other}="))])),
        no("x-zero", "a usable key", set(&[&x(&encode([0; 32]))])),
        no("x-beyond", "a usable key", set(&[&x(&encode([0xff; 32]))])),
        no("x-missing", "a usable key", set(&[r#"{"kty":"OKP","crv":"Ed25519","kid":"2"}"#])),
        no("member-repeated", "a member stands once", set(&[&ed25519(r#","kid":"2","kid":"3""#)])),
        no("keys-repeated", "a member stands once", r#"{"keys":[],"keys":[]}"#.to_owned()),
        no("key-array", "keys are objects", r#"{"keys":[[]]}"#.to_owned()),
        no("key-null", "keys are objects", r#"{"keys":[null]}"#.to_owned()),
        no("keys-object", "an array", r#"{"keys":{}}"#.to_owned()),
        no("keys-missing", "an array", "{}".to_owned()),
        no("array", "an object", format!("[{}]", set(&[&one]))),
        no("empty", "JSON", String::new()),
        no("trailing", "nothing behind it", format!("{}x", set(&[&one]))),
        no("byte-order-mark", "none", format!("\u{feff}{}", set(&[&one]))),
        no("too-long", "64 KiB at most", format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(65_536))),
    ];
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let key = format!(r#"{{"kty":"new","kid":"2","{member}":null}}"#);
        cases.push(no(&format!("private-{member}"), "whatever key it is, and whatever it holds", set(&[&one, &key])));
    }
    cases
}
