//! Names: claims and grants, honest and forged.

use super::faults;
use super::forge::*;
use serde_json::{Value, json};
use xbind::SigningKey;
use xbind::cluster::{NameDraft, NameGrantDraft, NameRecord};

const CLAIM: &str = "agent-name+jwt";
const GRANT: &str = "agent-name-grant+jwt";

fn claim_claims() -> Object {
    Object::of(&[
        ("iss", quoted(agent().did().as_str())),
        ("aud", quoted(NAMESPACE)),
        ("iat", NOW.to_string()),
        ("exp", (NOW + 60).to_string()),
        ("name", quoted("team.writer")),
    ])
}

fn grant_claims() -> Object {
    Object::of(&[
        ("iss", quoted(operator().did().as_str())),
        ("sub", quoted(agent().did().as_str())),
        ("aud", quoted(NAMESPACE)),
        ("iat", (NOW - 1000).to_string()),
        ("exp", (NOW + 86_400).to_string()),
        ("name", quoted("team.writer")),
    ])
}

/// A claim alone, where there are no operators.
fn claim() -> Kind {
    Kind { name: "name", typ: CLAIM, signer: agent(), claims: claim_claims(), optional: &[], max_ttl: Some(3600) }
}

/// A grant behind an honest claim.
fn granted(kind: &Kind, cases: Vec<Value>) -> Vec<Value> {
    let claim = claim().honest();
    let behind = |mut case: Value| {
        let grant = case["text"].as_str().unwrap().to_owned();
        case["statement"] = json!("name");
        case["text"] = json!(format!("{claim}~{grant}"));
        case
    };
    assert_eq!(kind.typ, GRANT);
    cases.into_iter().map(behind).collect()
}

pub fn cases() -> Vec<Value> {
    let alone = |case: Value| case.with("operators", json!([]));
    [claims().into_iter().map(alone).collect(), grants()].concat()
}

fn is(operator: Option<&SigningKey>) -> Value {
    json!({
        "agent": agent().did().as_str(), "name": "team.writer", "operator": operator.map(|key| key.did().as_str()),
        "issuedAt": NOW, "expiresAt": NOW + 60,
    })
}

fn claims() -> Vec<Value> {
    let kind = claim();
    let honest = kind.honest();
    let made = NameDraft { name: "team.writer", ttl: 60, now: NOW }.sign(&agent(), &namespace()).unwrap();
    let under = |case: Value, key: &str| case.with("key", json!(key));
    let mut cases = vec![
        kind.accept("honest", "without operators", honest.clone(), is(None)),
        kind.accept("made-here", "as this library makes it", made, is(None)),
        kind.accept(
            "longest",
            "an hour",
            kind.text(&kind.claims.set("exp", NOW + 3600)),
            is(None).with("expiresAt", json!(NOW + 3600)),
        ),
        under(kind.accept("under-its-key", "with its full stop spelled", honest.clone(), is(None)), "team=2Ewriter"),
        under(kind.invalid("under-a-subject", "a full stop parts two tokens", honest.clone()), "team.writer"),
        under(kind.invalid("under-lower-case", "a key has one spelling", honest.clone()), "team=2ewriter"),
        under(kind.invalid("under-another-name", "under its own key", honest.clone()), "boss"),
        kind.invalid("tilde", "a grant behind it", format!("{honest}~")),
        kind.grammar("name-empty", "name", quoted("")),
        kind.grammar("name-spelled", "name", quoted("team=2Ewriter")),
        kind.grammar("name-wildcard", "name", quoted("*")),
        kind.grammar("name-dot-last", "name", quoted("a.")),
        kind.grammar("name-long", "name", quoted(&"n".repeat(65))),
    ];
    cases.extend(faults::of(&kind));
    cases
}

fn grants() -> Vec<Value> {
    let kind = Kind {
        name: "name-grant",
        typ: GRANT,
        signer: operator(),
        claims: grant_claims(),
        optional: &[],
        max_ttl: Some(7_776_000),
    };
    let (honest, alone) = (kind.honest(), claim().honest());
    let draft = NameGrantDraft { name: "team.writer", agent: *agent().did(), ttl: 87_400, now: NOW - 1000 };
    let made = draft.sign(&operator(), &namespace()).unwrap();
    let foreign = |key: &SigningKey| by(key, GRANT, &kind.claims.set("iss", quoted(key.did().as_str())));
    let granted = |cases: Vec<Value>| granted(&kind, cases);
    let mut cases = granted(vec![
        kind.accept("honest", "granted by an operator", honest.clone(), is(Some(&operator()))),
        kind.accept("made-here", "as this library makes it", made, is(Some(&operator()))),
        kind.refuse("UNTRUSTED_ISSUER", "by-agent", "by an operator", foreign(&agent())),
        kind.refuse("UNTRUSTED_ISSUER", "by-nobody", "by an operator", foreign(&stranger())),
        kind.refuse("UNTRUSTED_ISSUER", "without-operators", "a grant is by an operator", honest.clone())
            .with("operators", json!([])),
        kind.invalid(
            "to-another",
            "to the agent that claims",
            kind.text(&kind.claims.set("sub", quoted(worker().did().as_str()))),
        ),
        kind.invalid("to-no-did", "a DID", kind.text(&kind.claims.set("sub", quoted("writer")))),
        kind.invalid(
            "of-another-name",
            "of the name that is claimed",
            kind.text(&kind.claims.set("name", quoted("boss"))),
        ),
        kind.invalid("twice", "one grant", format!("{honest}~{honest}")),
    ]);
    let mut times = faults::of(&kind);
    // Its own times: it was granted 1000 s ago.
    times.retain(|case| !["name-grant-expired", "name-grant-early"].contains(&case["name"].as_str().unwrap()));
    cases.extend(granted(times));
    let late = kind.text(&kind.claims.set("exp", NOW - 30));
    cases.extend(granted(vec![
        kind.refuse("TOKEN_EXPIRED", "expired", "the grant is in time", late),
        kind.refuse(
            "TOKEN_NOT_YET_VALID",
            "early",
            "the grant is in time",
            kind.text(&kind.claims.set("iat", NOW + 31)),
        ),
    ]));
    cases.push(claim().refuse("UNTRUSTED_ISSUER", "not-granted", "with operators, one grants it", alone.clone()));
    cases.push(claim().invalid("grant-first", "the claim, then the grant", NameRecord::text(&honest, Some(&alone))));
    cases.push(claim().invalid(
        "claim-as-grant",
        "no statement is taken for another",
        NameRecord::text(&alone, Some(&alone)),
    ));
    cases
}
