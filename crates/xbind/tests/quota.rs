//! Quotas: limits that a chain carries never grow, whoever signs its links.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "numbers chosen here")]

mod common;

use common::NOW;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use xbind::rights::{MAX_LIMIT, MAX_LIMIT_NAME_BYTES, MAX_LIMITS};
use xbind::{
    Asked, DelegationDraft, Error, ErrorKind, Quota, ScopeSet, SigningKey, TokenDraft, TokenPolicy, TokenVerifier,
    Trust, VerifiedToken, delegate, issue,
};

const AUDIENCE: &str = "https://api.example";

fn key(n: usize) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(n).unwrap() + 1; 32])
}

fn quota(limits: &[(&str, u64)]) -> Quota {
    Quota::of(limits.iter().copied()).unwrap()
}

fn root(quota: Option<&Quota>) -> String {
    let draft = TokenDraft {
        subject: *key(1).did(),
        audience: AUDIENCE,
        scopes: &ScopeSet::parse("a").unwrap(),
        quota,
        ttl: 600,
        claims: r#"{"team":"billing"}"#,
        cnf_jkt: None,
        on_behalf_of: None,
        status: None,
        now: NOW,
        id: [0; 16],
    };
    issue(&key(0), &draft).unwrap()
}

/// From one to the next.
fn handed_on(parent: &str, from: usize, quota: Option<&Quota>) -> Result<String, Error> {
    let draft = DelegationDraft {
        subject: *key(from + 1).did(),
        audience: None,
        scopes: None,
        quota,
        ttl: None,
        status: None,
        now: NOW,
        id: [1; 16],
    };
    delegate(&key(from), parent, &draft)
}

fn verified(token: &str) -> Result<Arc<VerifiedToken>, Error> {
    let verifier = TokenVerifier::new(TokenPolicy::new(AUDIENCE), Trust::default().with_did(*key(0).did())).unwrap();
    verifier.verify(token, NOW, &Asked::default())
}

fn claims(token: &str) -> Value {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_part_of_what_is_held_can_be_handed_on() {
    let held = quota(&[("llm.tokens", 1_000_000), ("llm.micros", 5_000_000)]);
    let root = root(Some(&held));
    let part = quota(&[("llm.tokens", 100_000), ("calls", 7)]);
    let child = handed_on(&root, 1, Some(&part)).unwrap();
    let grandchild = handed_on(&child, 2, None).unwrap();

    let first = verified(&root).unwrap();
    assert_eq!(first.quotas(), BTreeMap::from([("llm.micros", 5_000_000), ("llm.tokens", 1_000_000)]));
    assert_eq!(first.claims(), r#"{"team":"billing"}"#, "it is no further claim");
    for token in [&child, &grandchild] {
        let token = verified(token).unwrap();
        let is = ["llm.tokens", "llm.micros", "calls", "other"].map(|name| token.quota(name));
        assert_eq!(is, [Some(100_000), Some(5_000_000), Some(7), None]);
        assert_eq!(token.links()[0].quota.as_ref(), Some(&held));
        assert_eq!(token.links()[1].quota.as_ref(), Some(&part));
        assert!(token.links().get(2).is_none_or(|link| link.quota.is_none()), "it says nothing itself");
    }
    assert_eq!(claims(&child)["quota"], json!({ "llm.tokens": 100_000, "calls": 7 }));
    assert!(claims(&grandchild).get("quota").is_none());
}

#[test]
fn without_limits_there_are_none() {
    let token = verified(&handed_on(&root(None), 1, None).unwrap()).unwrap();
    assert!(token.quotas().is_empty());
    assert_eq!(token.quota("llm.tokens"), None);
    assert!(claims(&root(None)).get("quota").is_none());
}

#[test]
fn more_than_is_held_is_not_handed_on() {
    let root = root(Some(&quota(&[("llm.tokens", 1_000_000)])));
    let child = handed_on(&root, 1, Some(&quota(&[("llm.tokens", 100_000)]))).unwrap();
    let silent = handed_on(&child, 2, None).unwrap();
    for (parent, from) in [(&child, 2), (&silent, 3)] {
        let more = quota(&[("calls", 1), ("llm.tokens", 100_001)]);
        let error = handed_on(parent, from, Some(&more)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidDelegation);
        assert_eq!(error.message(), "a delegation grants 100001 of llm.tokens, its parent 100000");
        assert_eq!(error.hint(), Some("held: 100000 of llm.tokens"));
    }
}

#[test]
fn limits_out_of_bounds_are_refused() {
    let long = "x".repeat(MAX_LIMIT_NAME_BYTES);
    let names: Vec<_> = (0..=MAX_LIMITS).map(|n| format!("n{n}")).collect();
    let many = |n: usize| Quota::of(names.iter().take(n).map(|name| (name, 0)));
    assert_eq!(quota(&[(&long, MAX_LIMIT), ("b", 0)]).get(&long), Some(MAX_LIMIT));
    assert_eq!(many(MAX_LIMITS).unwrap().iter().count(), MAX_LIMITS);
    let too_long = format!("{long}x");
    for refused in [
        many(0),
        many(MAX_LIMITS + 1),
        Quota::of([("a", MAX_LIMIT + 1)]),
        Quota::of([("a", u64::MAX)]),
        Quota::of([("a", 1), ("b", 1), ("a", 1)]),
        Quota::of([("", 1)]),
        Quota::of([("A", 1)]),
        Quota::of([("a b", 1)]),
        Quota::of([("\u{e4}", 1)]),
        Quota::of([(&too_long, 1)]),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.hint().is_some());
    }
}

/// A link that its holder signs, whatever it says of limits.
fn forged(parent: &str, from: usize, quota: Option<&BTreeMap<&str, u64>>) -> String {
    let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let (holder, subject) = (key(from), *key(from + 1).did());
    let header = json!({
        "alg": "EdDSA", "kid": format!("{}#{}", holder.did(), holder.did().multibase()), "typ": "agent-deleg+jwt",
    });
    let parents = claims(parent);
    let actor = parents.get("prf").map_or_else(|| json!({ "sub": parents["sub"] }), |_| parents["act"].clone());
    let mut claims = json!({
        "iss": holder.did().as_str(), "sub": subject.as_str(), "aud": AUDIENCE, "iat": NOW, "exp": NOW + 600,
        "jti": "x", "scope": "a", "act": { "sub": subject.as_str(), "act": actor }, "prf": parent,
    });
    if let Some(quota) = quota {
        claims["quota"] = json!(quota);
    }
    let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    format!("{input}.{}", encode(&holder.sign(input.as_bytes())))
}

type Limits = BTreeMap<&'static str, u64>;

fn any_limits() -> impl Strategy<Value = Limits> {
    let most = prop_oneof![0..6_u64, Just(MAX_LIMIT)];
    prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "llm.tokens"]), most, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of links by whoever signs what he likes a verifier takes those that grow nothing, and no other; and just these are
    /// made here.
    #[test]
    fn no_limit_ever_grows(
        first in prop::option::of(any_limits()),
        wishes in prop::collection::vec(prop::option::of(any_limits()), 1..16),
    ) {
        let granted = first.as_ref().map(|limits| Quota::of(limits.iter().map(|(name, most)| (name, *most))).unwrap());
        let mut token = root(granted.as_ref());
        let mut held = first.unwrap_or_default();
        let mut from = 1;
        for wish in wishes {
            if from > 8 { break }
            let fits = wish.iter().flatten().all(|(name, most)| held.get(name).is_none_or(|held| most <= held));
            let asked = wish.as_ref().map(|limits| Quota::of(limits.iter().map(|(name, most)| (name, *most))).unwrap());
            let child = forged(&token, from, wish.as_ref());
            let verdict = verified(&child);
            prop_assert_eq!(handed_on(&token, from, asked.as_ref()).is_ok(), fits);
            prop_assert_eq!(verdict.as_ref().err().map(Error::kind), (!fits).then_some(ErrorKind::InvalidDelegation));
            let Ok(verdict) = verdict else { continue };

            let before = held.clone();
            held.extend(wish.into_iter().flatten());
            prop_assert_eq!(verdict.quotas(), held.clone());
            for (name, most) in &held {
                prop_assert_eq!(verdict.quota(name), Some(*most));
                prop_assert!(before.get(name).is_none_or(|before| most <= before));
            }
            prop_assert!(before.keys().all(|name| held.contains_key(name)), "nor is one lost");
            token = child;
            from += 1;
        }
    }
}
