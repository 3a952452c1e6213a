//! Cards: what an agent offers, by its own signature.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "indices chosen here")]

mod common;

use common::{NOW, recipient as stranger, sender as agent};
use proptest::prelude::*;
use xbind::message::card::{MAX_CARD_TTL, is_offered};
use xbind::message::details::is_method;
use xbind::{Card, CardDraft, CardMethod, ErrorKind, Result, ScopeSet};

fn method(name: &str) -> CardMethod {
    CardMethod { name: name.to_owned(), description: None, input: None, output: None, scopes: ScopeSet::empty() }
}

fn draft(methods: &[CardMethod]) -> CardDraft<'_> {
    CardDraft { name: Some("writer"), methods, addresses: &[], ttl: 60, now: NOW }
}

fn verify(text: &str) -> Result<Card> {
    Card::verify(text, Some(agent().did()), NOW, 0)
}

#[test]
fn what_was_said_is_read() {
    let summarise = CardMethod {
        description: Some("in few words\n\"quoted\"".to_owned()),
        input: Some(r#"{"type":"object","properties":{"a":{"const":"\\\"\u0001"}}}"#.to_owned()),
        output: Some("{}".to_owned()),
        scopes: ScopeSet::parse("a b.*").unwrap(),
        ..method("summarise")
    };
    let methods = [summarise, method("list")];
    let addresses = ["https://a.example/b?c=%22".to_owned()];
    let text = CardDraft { addresses: &addresses, ..draft(&methods) }.sign(&agent()).unwrap();
    let card = verify(&text).unwrap();
    assert_eq!((card.did(), card.name(), card.methods()), (agent().did(), Some("writer"), &methods[..]));
    assert_eq!((card.addresses(), card.issued_at(), card.expires_at()), (&addresses[..], NOW, NOW + 60));
}

#[test]
fn a_key_elsewhere_makes_the_same_card() {
    let methods = [method("a")];
    let unsigned = draft(&methods).unsigned(agent().did()).unwrap();
    let signature = agent().sign(unsigned.to_sign().as_bytes());
    assert_eq!(unsigned.finish(&signature), draft(&methods).sign(&agent()).unwrap());
}

#[test]
fn stale_and_foreign_cards_are_refused() {
    let text = draft(&[]).sign(&agent()).unwrap();
    let other = stranger();
    let kind = |agent, now, skew| Card::verify(&text, agent, now, skew).map_err(|error| error.kind()).map(drop);
    assert_eq!(kind(None, NOW, 0), Ok(()));
    assert_eq!(kind(Some(other.did()), NOW, 0), Err(ErrorKind::UntrustedIssuer));
    assert_eq!(kind(None, NOW + 59, 0), Ok(()));
    assert_eq!(kind(None, NOW + 60, 0), Err(ErrorKind::TokenExpired));
    assert_eq!(kind(None, NOW + 60, 1), Ok(()));
    assert_eq!(kind(None, NOW - 1, 0), Err(ErrorKind::TokenNotYetValid));
    assert_eq!(kind(None, u64::MAX, u64::MAX), Err(ErrorKind::TokenExpired));
}

#[test]
fn drafts_out_of_bounds_are_refused() {
    let refused = |draft: CardDraft<'_>| {
        assert_eq!(draft.sign(&agent()).unwrap_err().kind(), ErrorKind::InvalidConfig);
    };
    refused(CardDraft { ttl: 0, ..draft(&[]) });
    refused(CardDraft { ttl: MAX_CARD_TTL + 1, ..draft(&[]) });
    refused(CardDraft { now: u64::MAX, ..draft(&[]) });
    refused(CardDraft { name: Some("no name"), ..draft(&[]) });
    refused(draft(&[method("a"), method("a")]));
    refused(draft(&[method("xbind.describe")]));
    refused(draft(&[method("")]));
    for schema in ["true", "", "{} {}", "{}}", " {}", r#"{"a":1,"a":2}"#, r#"{},"scopes":["all"]"#] {
        refused(draft(&[CardMethod { input: Some(schema.to_owned()), ..method("a") }]));
        refused(draft(&[CardMethod { output: Some(schema.to_owned()), ..method("a") }]));
    }
    let long = CardMethod { input: Some(format!(r#"{{"const":"{}"}}"#, "x".repeat(50_000))), ..method("a") };
    refused(draft(&[long])); // longer than a card when it is encoded
    let address = ["https://u:p@a.example".to_owned()];
    refused(CardDraft { addresses: &address, ..draft(&[]) });
}

#[test]
fn each_single_bit_counts() {
    let mut bytes = draft(&[method("a")]).sign(&agent()).unwrap().into_bytes();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = str::from_utf8(&bytes) {
            assert!(verify(text).is_err(), "bit {bit}");
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

proptest! {
    #[test]
    fn names_of_methods_are_exact(name in "\\PC{0,140}") {
        let known = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        prop_assert_eq!(is_method(&name), (1..=128).contains(&name.len()) && name.chars().all(known));
        let reserved = format!("xBiNd.{name}");
        prop_assert!(!is_offered(&reserved));
    }

    #[test]
    fn what_is_made_is_read_again(names in prop::collection::hash_set("[A-Za-z0-9_.-]{1,20}", 0..8), description in "[^\\x00-\\x1f\\x7f-\\u{9f}]{1,80}") {
        let methods: Vec<_> = names
            .iter()
            .filter(|name| is_offered(name))
            .map(|name| CardMethod { description: Some(description.clone()), ..method(name) })
            .collect();
        let text = draft(&methods).sign(&agent()).unwrap();
        let card = verify(&text).unwrap();
        prop_assert_eq!(card.methods(), &methods[..]);
    }
}
