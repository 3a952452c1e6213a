//! The committed vectors: what they say of tokens, lists, rotations, approvals and cards holds, and their maker still makes them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;
#[path = "../examples/make-token-vectors/main.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod make_vectors;

use common::{vector_path, vectors, verdict};
use serde_json::{Value, json};
use std::collections::HashSet;
use xbind::{
    Approval, ApprovedCall, Asked, Card, Did, ErrorKind, Evidence, JwkSet, ListSigner, Presented, Result,
    RevocationList, Rotation, Scope, Session, StatusLists, StatusRef, TokenPolicy, TokenVerifier, Trust, VerifiedToken,
    VerifyingKey,
};

const FILES: [&str; 8] = [
    "token-v1.json",
    "token-delegation.json",
    "token-status-list.json",
    "token-rotation.json",
    "token-approval.json",
    "jwk-set.json",
    "presented.json",
    "cards.json",
];

#[test]
fn every_token_gets_its_verdict() {
    assert!(run("token-v1.json") >= 150);
}

#[test]
fn every_delegation_gets_its_verdict() {
    assert!(run("token-delegation.json") >= 40);
}

#[test]
fn every_status_list_gets_its_grade() {
    let file = vectors("token-status-list.json");
    let mut wrong = Vec::new();
    for case in cases(&file) {
        let lists = StatusLists::new(1, 86_400);
        let (uri, signer) = (text(case, "uri"), did(text(case, "signer")));
        if let Some(held) = case["held"].as_str() {
            lists.put(held, uri, ListSigner::Did(&signer), file["now"].as_u64().unwrap()).unwrap();
        }
        let taken = lists.put(text(case, "list"), uri, ListSigner::Did(&signer), file["now"].as_u64().unwrap());
        let code = taken.as_ref().err().map(|error| error.kind().code());
        let status =
            StatusRef { index: case["index"].as_u64().unwrap(), uri: case["asked"].as_str().unwrap_or(uri).to_owned() };
        let issuer = case["issuer"].as_str().unwrap_or(signer.as_str());
        let evidence = lists.ask(issuer, &status, case["at"].as_u64().unwrap());
        let (word, value) = match evidence {
            Evidence::Fresh(status) => ("fresh", Some(u64::from(status))),
            Evidence::Stale => ("stale", None),
            Evidence::Absent => ("absent", None),
            Evidence::Unreadable => ("unreadable", None),
        };
        if (Some(word), value, code) != (case["evidence"].as_str(), case["status"].as_u64(), case["code"].as_str()) {
            wrong.push(format!("{}: {evidence:?} {taken:?}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rotation_gets_its_verdict() {
    let file = vectors("token-rotation.json");
    let mut wrong = Vec::new();
    for case in cases(&file) {
        let outcome = Rotation::verify(text(case, "token"));
        check(case, &outcome, &mut wrong);
        if let Ok(it) = outcome {
            let says = json!({
                "old": it.old.as_str(), "new": it.new.as_str(), "issuedAt": it.issued_at, "activeFrom": it.active_from,
                "overlap": it.overlap,
            });
            assert_eq!(says, case["rotation"], "{}", case["name"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_approval_gets_its_verdict() {
    let file = vectors("token-approval.json");
    let approvers: Vec<_> = file["approvers"].as_array().unwrap().iter().map(|it| did(it.as_str().unwrap())).collect();
    let mut wrong = Vec::new();
    for case in cases(&file) {
        let of = |member: &str| case[member].as_str().or(file[member].as_str()).unwrap().to_owned();
        let (content_type, body) = (of("contentType"), of("bodyUtf8"));
        let method = case["method"].as_str();
        let recipient = of("recipient");
        let call = ApprovedCall {
            caller: did(&of("caller")),
            recipient: &recipient,
            method,
            session: case["session"].as_str().map(|text| Session::parse(text).unwrap()),
            content_type: &content_type,
            body: body.as_bytes(),
        };
        let now = case["now"].as_u64().or(file["now"].as_u64()).unwrap();
        let outcome = Approval::verify(text(case, "token"), &call, &approvers, now, 30).and_then(Approval::granted);
        check(case, &outcome, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_jwk_set_gets_its_verdict() {
    let file = vectors("jwk-set.json");
    let mut wrong = Vec::new();
    for case in cases(&file) {
        let outcome = JwkSet::parse(text(case, "jwks"));
        check(case, &outcome, &mut wrong);
        if let Ok(set) = outcome {
            let kids = case["kids"].as_array().unwrap();
            assert_eq!(set.len(), kids.len(), "{}", case["name"]);
            assert!(kids.iter().all(|kid| set.get(kid.as_str().unwrap()).is_some()), "{}", case["name"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_presented_gets_its_verdict() {
    let file = vectors("presented.json");
    let mut wrong = Vec::new();
    for case in cases(&file) {
        let presented = text(case, "text");
        let outcome = Presented::parse(presented);
        check(case, &outcome, &mut wrong);
        if let Ok(parts) = outcome {
            assert_eq!((parts.token, parts.approval), (case["token"].as_str(), case["approval"].as_str()));
            assert_eq!(parts.text().unwrap().as_deref(), Some(presented), "{}", case["name"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_card_gets_its_verdict() {
    let file = vectors("cards.json");
    let mut wrong = Vec::new();
    for case in cases(&file) {
        let of = |member: &str| case.get(member).unwrap_or(&file[member]);
        let agent = of("did").as_str().map(did);
        let outcome = Card::verify(text(case, "card"), agent.as_ref(), of("now").as_u64().unwrap(), 30);
        check(case, &outcome, &mut wrong);
        if let (Ok(card), Some(is)) = (&outcome, case.get("is")) {
            assert_eq!(shown(card), *is, "{}", case["name"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn names_are_unique_and_codes_exist() {
    for name in FILES {
        let file = vectors(name);
        let mut names = HashSet::new();
        for case in cases(&file) {
            assert!(names.insert(text(case, "name")), "{name}: {} twice", case["name"]);
            assert!(!text(case, "why").is_empty(), "{name}: {} has no reason", case["name"]);
            assert!(case["code"].as_str().is_none_or(|code| ErrorKind::from_code(code).is_some()), "{}", case["code"]);
        }
    }
}

#[test]
fn each_code_of_a_token_has_a_case() {
    let files = FILES.map(vectors);
    let codes: HashSet<_> = files.iter().flat_map(cases).filter_map(|case| case["code"].as_str()).collect();
    for kind in [
        ErrorKind::InvalidToken,
        ErrorKind::TokenExpired,
        ErrorKind::TokenNotYetValid,
        ErrorKind::UntrustedIssuer,
        ErrorKind::WrongAudience,
        ErrorKind::ScopeDenied,
        ErrorKind::InvalidDelegation,
        ErrorKind::Revoked,
        ErrorKind::RevocationUnknown,
    ] {
        assert!(codes.contains(kind.code()), "no case for {}", kind.code());
    }
}

#[test]
fn the_files_are_what_their_maker_makes() {
    for (name, text) in make_vectors::files() {
        let committed = std::fs::read_to_string(vector_path(name)).unwrap();
        assert!(committed == text, "vectors/{name} differs: run make-token-vectors");
    }
}

/// Runs every case by a verifier that meets it for the first time, twice, so that what it remembers is asked too; and by
/// one that has met all the others. Returns how many were refused.
fn run(name: &str) -> usize {
    let file = vectors(name);
    let all = verifier(&file, &Value::Null);
    let mut wrong = Vec::new();
    for case in cases(&file) {
        let own = verifier(&file, case);
        let mut verifiers = vec![&own, &own];
        if case["clockSkewSeconds"].is_null() && case["maxLifetimeSeconds"].is_null() {
            verifiers.push(&all);
        }
        for verifier in verifiers {
            let outcome = verify(verifier, &file, case);
            check(case, &outcome, &mut wrong);
            if let (Ok(token), Some(is)) = (&outcome, case["is"].as_object()) {
                let says = says(token);
                is.iter().for_each(|(member, value)| assert_eq!(says[member], *value, "{}", case["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    cases(&file).filter(|case| case["expect"] == "reject").count()
}

fn verifier(file: &Value, case: &Value) -> TokenVerifier {
    let mut policy = TokenPolicy::new(text(file, "audience"));
    policy.clock_skew = case["clockSkewSeconds"].as_u64().unwrap_or(policy.clock_skew);
    policy.max_lifetime = case["maxLifetimeSeconds"].as_u64().unwrap_or(policy.max_lifetime);
    let trust = file["trust"].as_array().unwrap().iter().fold(Trust::default(), |trust, it| match it.as_str() {
        Some(it) => trust.with_did(did(it)),
        None => trust.with_issuer(text(it, "issuer"), JwkSet::parse(&it["jwks"].to_string()).unwrap()).unwrap(),
    });
    TokenVerifier::new(policy, trust).unwrap()
}

fn verify(verifier: &TokenVerifier, file: &Value, case: &Value) -> Result<std::sync::Arc<VerifiedToken>> {
    let list = RevocationList::new(8);
    for entry in case["revoked"].as_array().into_iter().flatten() {
        match entry["id"].as_str() {
            Some(id) => list.revoke_id(id, u64::MAX).unwrap(),
            None => list.revoke_did(&did(text(entry, "did")), entry["issuedUntil"].as_u64().unwrap()).unwrap(),
        }
    }
    let scopes = case["scopes"].as_array().into_iter().flatten();
    let scopes: Vec<_> = scopes.map(|scope| Scope::parse(scope.as_str().unwrap()).unwrap()).collect();
    let presenter = case["presenter"].as_str().map(did);
    let standing = |link: &xbind::Link| list.standing(link);
    let asked = Asked { scopes: &scopes, presenter: presenter.as_ref(), standing: &standing, ..Asked::default() };
    let now = case["now"].as_u64().or(file["now"].as_u64()).unwrap();
    verifier.verify(text(case, "token"), now, &asked)
}

fn says(token: &VerifiedToken) -> Value {
    let mut says = json!({
        "issuer": token.issuer(),
        "subject": token.subject(),
        "chain": token.chain().collect::<Vec<_>>(),
        "scopes": token.scopes().iter().map(Scope::as_str).collect::<Vec<_>>(),
        "claims": serde_json::from_str::<Value>(token.claims()).unwrap(),
    });
    if let Some((issuer, subject)) = token.on_behalf_of() {
        says["onBehalfOf"] = json!({ "issuer": issuer, "subject": subject });
    }
    if !token.quotas().is_empty() {
        says["quota"] = json!(token.quotas());
    }
    says
}

fn shown(card: &Card) -> Value {
    let methods = card.methods().iter().map(|method| {
        let mut is =
            json!({ "name": method.name, "scopes": method.scopes.iter().map(Scope::as_str).collect::<Vec<_>>() });
        if let Some(description) = &method.description {
            is["description"] = json!(description);
        }
        for (member, schema) in [("input", &method.input), ("output", &method.output)] {
            if let Some(schema) = schema {
                is[member] = serde_json::from_str(schema).unwrap();
            }
        }
        is
    });
    json!({
        "did": card.did().as_str(), "name": card.name(), "methods": methods.collect::<Vec<_>>(),
        "addresses": card.addresses(), "expiresAt": card.expires_at(),
    })
}

fn check<T>(case: &Value, outcome: &Result<T>, wrong: &mut Vec<String>) {
    let expected = if case["expect"] == "accept" { "accepted" } else { text(case, "code") };
    if verdict(outcome) != expected {
        let why = outcome.as_ref().err().map(ToString::to_string);
        wrong.push(format!("{}: {} instead of {expected} ({why:?})", case["name"], verdict(outcome)));
    }
}

fn cases(file: &Value) -> impl Iterator<Item = &Value> {
    file["cases"].as_array().unwrap().iter()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap()
}

fn did(text: &str) -> Did {
    *VerifyingKey::from_did(text).unwrap().did()
}
