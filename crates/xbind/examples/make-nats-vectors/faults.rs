//! What is wrong with any kind of statement alike.

use super::forge::*;
use serde_json::{Value, json};

const TYPES: [&str; 8] = [
    "agent-presence+jwt",
    "agent-name+jwt",
    "agent-mailbox+jwt",
    "agent-stop+jwt",
    "agent-heartbeat+jwt",
    "agent-connection+jwt",
    "agent-msg+jwt",
    "at+jwt",
];

pub fn of(kind: &Kind) -> Vec<Value> {
    let mut cases = [framing(kind), header(kind), claims(kind)].concat();
    if let Some(max_ttl) = kind.max_ttl {
        cases.extend(times(kind, max_ttl));
    }
    cases
}

fn framing(kind: &Kind) -> Vec<Value> {
    let honest = kind.honest();
    let [header, claims, signature] = segments(&honest);
    let edited = kind.claims.json().replacen(':', ": ", 1);
    vec![
        kind.invalid("empty", "a compact JWS", String::new()),
        kind.invalid("two-segments", "a compact JWS", format!("{header}.{claims}")),
        kind.invalid("four-segments", "a compact JWS", format!("{honest}.{signature}")),
        kind.invalid("padded", "base64url is strict", format!("{honest}=")),
        kind.invalid("white-space", "base64url is strict", format!("{honest}\n")),
        kind.invalid("too-long", "2048 bytes at most", format!("{honest}{}", "A".repeat(2048))),
        kind.invalid("signature-short", "64 bytes", format!("{header}.{claims}.{}", &signature[..84])),
        kind.invalid("signature-none", "64 bytes", format!("{header}.{claims}.")),
        kind.invalid("edited", "signed as it is", format!("{header}.{}.{signature}", encode(edited))),
        kind.invalid(
            "by-stranger",
            "signed by whom it names",
            sign(&stranger(), header_of(kind.signer.did(), kind.typ).json(), kind.claims.json()),
        ),
    ]
}

fn header(kind: &Kind) -> Vec<Value> {
    let honest = header_of(kind.signer.did(), kind.typ);
    let with = |header: Object| sign(&kind.signer, header.json(), kind.claims.json());
    let mut cases: Vec<Value> = TYPES
        .into_iter()
        .filter(|typ| *typ != kind.typ)
        .map(|typ| {
            kind.invalid(
                &format!("as-{typ}"),
                "no statement is taken for another",
                with(honest.set("typ", quoted(typ))),
            )
        })
        .collect();
    cases.extend([
        kind.invalid("typ-upper-case", "the very typ", with(honest.set("typ", quoted(&kind.typ.to_uppercase())))),
        kind.invalid("alg-none", "Ed25519 alone", with(honest.set("alg", "\"none\""))),
        kind.invalid("alg-batch", "a signature of its own", with(honest.set("alg", "\"Ed25519-MT-SHA256\""))),
        kind.invalid("kid-of-other", "the key of iss", with(honest.set("kid", quoted(&kid(stranger().did()))))),
        kind.invalid("kid-is-did", "DID and fragment", with(honest.set("kid", quoted(kind.signer.did().as_str())))),
        kind.invalid("jwk", "no further member", with(honest.add("jwk", "{}"))),
        kind.invalid("crit", "no further member", with(honest.add("crit", "[]"))),
        kind.invalid("typ-twice", "a member stands once", with(honest.add("typ", quoted(kind.typ)))),
    ]);
    cases
}

fn claims(kind: &Kind) -> Vec<Value> {
    let honest = &kind.claims;
    let mut cases = vec![
        kind.invalid("claim-more", "no other claim", kind.text(&honest.add("x", "1"))),
        kind.invalid(
            "claim-twice",
            "a claim stands once",
            kind.text(&honest.add("iss", quoted(stranger().did().as_str()))),
        ),
        kind.invalid(
            "claim-twice-escaped",
            "a claim stands once",
            kind.text(&honest.add("i\\u0073s", quoted(stranger().did().as_str()))),
        ),
        kind.invalid("array", "an object", by_text(kind, "[]")),
        kind.invalid("no-json", "JSON", by_text(kind, "{")),
        kind.invalid("trailing", "nothing behind it", by_text(kind, &format!("{}x", honest.json()))),
        kind.grammar("iss-no-did", "iss", quoted("operator")),
        kind.grammar("iat-string", "iat", quoted("1")),
        kind.grammar("iat-fraction", "iat", "1735689600.0"),
        kind.grammar("iat-negative", "iat", "-1"),
        kind.grammar("iat-beyond-64-bits", "iat", "18446744073709551616"),
        kind.refuse(
            "WRONG_AUDIENCE",
            "other-namespace",
            "for one namespace",
            kind.text(&honest.set("aud", quoted("other"))),
        ),
        kind.refuse(
            "WRONG_AUDIENCE",
            "namespace-upper-case",
            "for one namespace",
            kind.text(&honest.set("aud", quoted("MAIN"))),
        ),
        kind.invalid("namespace-list", "a string", kind.text(&honest.set("aud", "[\"main\"]"))),
    ];
    for (claim, _) in honest.0.iter() {
        if kind.optional.contains(&claim.as_str()) {
            cases.push(kind.invalid(
                &format!("{claim}-null"),
                "null is never a value",
                kind.text(&honest.set(claim, "null")),
            ));
        } else {
            cases.push(kind.invalid(
                &format!("without-{claim}"),
                "it must be there",
                kind.text(&honest.without(claim)),
            ));
        }
    }
    cases
}

fn by_text(kind: &Kind, claims: &str) -> String {
    sign(&kind.signer, header_of(kind.signer.did(), kind.typ).json(), claims)
}

fn times(kind: &Kind, max_ttl: u64) -> Vec<Value> {
    let honest = kind.honest();
    let at = |iat: u64, exp: u64| kind.text(&kind.claims.set("iat", iat).set("exp", exp));
    let late =
        |name: &str, now: u64, code: &str| kind.refuse(code, name, "in time", honest.clone()).with("now", json!(now));
    let ttl: u64 = {
        let number =
            |name: &str| kind.claims.0.iter().find(|(claim, _)| claim == name).unwrap().1.parse::<u64>().unwrap();
        number("exp") - number("iat")
    };
    vec![
        late("expired", NOW + ttl + 30, "TOKEN_EXPIRED"),
        late("early", NOW - 31, "TOKEN_NOT_YET_VALID"),
        kind.invalid("no-life", "iat < exp", at(NOW, NOW)),
        kind.invalid("life-too-long", "the longest life", at(NOW, NOW + max_ttl + 1)),
        kind.invalid("life-backwards", "iat < exp", at(NOW, NOW - 1)),
        kind.invalid("for-ever", "the longest life", at(NOW, u64::MAX)),
        kind.refuse("TOKEN_NOT_YET_VALID", "at-the-end-of-time", "in time", at(u64::MAX - 1, u64::MAX)),
        kind.refuse("TOKEN_EXPIRED", "at-the-beginning-of-time", "in time", at(0, 1)),
    ]
}
