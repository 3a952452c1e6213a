//! Limits that a token carries.

use super::forge::*;
use serde_json::{Value, json};

pub fn cases() -> Vec<Value> {
    [accepted(), shapes(), names(), values()].concat()
}

/// The longest name, of every character that there may be.
const LONGEST: &str = "abcdefghijklmnopqrstuvwxyz.0123456789_abcdefghijklmnopqrstuvwxyz-";

fn with(quota: impl ToString) -> String {
    with_claims(&claims().add("quota", quota))
}

fn many(limits: usize) -> Value {
    (0..limits).map(|n| (format!("n{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into()
}

fn accepted() -> Vec<Value> {
    let is = |name: &str, why: &str, quota: Value| {
        accept(name, why, with(&quota)).with("is", json!({ "quota": quota, "claims": {} }))
    };
    let spelled = |name: &str, why: &str, text: &str| {
        accept(name, why, with(text)).with("is", json!({ "quota": { "llm.tokens": 1_000_000 } }))
    };
    let further = (0..64).fold(claims(), |all, n| all.add(&format!("x{n}"), n));
    let from_jwks = claims_of(ISSUER, agent().did().as_str()).add("quota", r#"{"llm.tokens":5}"#);
    vec![
        is("quota", "limits by their names", json!({ "llm.tokens": 1_000_000, "llm.micros": 5_000_000 })),
        is("quota-zero", "nothing is a limit as well", json!({ "llm.tokens": 0 })),
        is("quota-largest", "2^53 - 1", json!({ "n": 9_007_199_254_740_991_u64 })),
        is("quota-longest-name", "64 bytes of a-z 0-9 . _ -", json!({ &LONGEST[1..]: 1 })),
        is("quota-name-dots", "the characters of a name stand anywhere", json!({ ".": 1, "__": 2, "-": 3, "0": 4 })),
        is("quota-sixteen", "16 limits at most", many(16)),
        spelled("quota-white-space", "white space is free", " { \"llm.tokens\" :\n1000000 } "),
        spelled("quota-name-escaped", "JSON may escape what it likes", r#"{"llm\u002etokens":1000000}"#),
        accept(
            "quota-and-64-further",
            "it is no further claim",
            with_claims(&further.add("quota", r#"{"llm.tokens":5}"#)),
        )
        .with("is", json!({ "quota": { "llm.tokens": 5 } })),
        accept("jwks-quota", "whoever issues it", external(&from_jwks))
            .with("is", json!({ "quota": { "llm.tokens": 5 }, "claims": {} })),
    ]
}

fn shapes() -> Vec<Value> {
    let no = |name: &str, quota: &str| invalid(name, "an object of 1 to 16 limits", with(quota));
    let from_jwks = claims_of(ISSUER, agent().did().as_str()).add("quota", "\"5 GB\"");
    vec![
        no("quota-null", "null"),
        no("quota-true", "true"),
        no("quota-number", "5"),
        no("quota-string", "\"5\""),
        no("quota-array", "[5]"),
        no("quota-pairs", r#"[["llm.tokens",5]]"#),
        no("quota-empty", "{}"),
        invalid("quota-seventeen", "16 limits at most", with(many(17))),
        invalid(
            "quota-repeated",
            "a member stands once",
            with_claims(&claims().add("quota", r#"{"a":5}"#).add("quota", r#"{"a":5}"#)),
        ),
        invalid(
            "quota-repeated-escaped",
            "however it is spelled",
            with_claims(&claims().add("quota", r#"{"a":5}"#).add("qu\\u006fta", r#"{"a":5}"#)),
        ),
        invalid("quota-escaped-malformed", "however it is spelled", with_claims(&claims().add("qu\\u006fta", "5"))),
        invalid("quota-name-twice", "a limit stands once", with(r#"{"a":5,"b":5,"a":5}"#)),
        invalid("quota-name-twice-escaped", "however it is spelled", with(r#"{"a":5,"\u0061":5}"#)),
        invalid("jwks-quota-malformed", "a limit that nobody can read", external(&from_jwks)),
    ]
}

fn names() -> Vec<Value> {
    let no = |name: &str, limit: &str| invalid(name, "1 to 64 of a-z 0-9 . _ -", with(json!({ limit: 5 })));
    vec![
        no("quota-name-empty", ""),
        no("quota-name-65", LONGEST),
        no("quota-name-upper-case", "llm.Tokens"),
        no("quota-name-space", "llm tokens"),
        no("quota-name-colon", "llm:tokens"),
        no("quota-name-slash", "llm/tokens"),
        no("quota-name-star", "llm.*"),
        no("quota-name-control", "llm\u{0}"),
        no("quota-name-letter", "llm.t\u{f6}kens"),
        invalid("quota-one-name-of-two", "each of them", with(r#"{"a":5,"B":5}"#)),
    ]
}

fn values() -> Vec<Value> {
    let no = |name: &str, why: &str, value: &str| invalid(name, why, with(format!(r#"{{"a":5,"b":{value}}}"#)));
    let digits = "a whole number in plain digits";
    vec![
        no("quota-fraction", digits, "5.5"),
        no("quota-point-zero", digits, "5.0"),
        no("quota-exponent", digits, "5e3"),
        no("quota-negative", "not below 0", "-1"),
        no("quota-minus-zero", digits, "-0"),
        no("quota-leading-zero", "that is no JSON", "05"),
        no("quota-too-large", "at most 2^53 - 1", "9007199254740992"),
        no("quota-beyond-64-bits", "at most 2^53 - 1", "18446744073709551617"),
        no("quota-value-string", digits, "\"5\""),
        no("quota-value-null", "null is no value", "null"),
        no("quota-value-true", digits, "true"),
        no("quota-value-array", digits, "[5]"),
        no("quota-value-object", digits, "{}"),
    ]
}
