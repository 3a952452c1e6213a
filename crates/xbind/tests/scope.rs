//! Scopes: the grammar, and what covers what.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use proptest::prelude::*;
use xbind::rights::{MAX_SCOPE_BYTES, MAX_SCOPES};
use xbind::{ErrorKind, Scope, ScopeSet};

fn scope(text: &str) -> Scope<'_> {
    Scope::parse(text).unwrap()
}

#[test]
fn the_grammar_is_strict() {
    for good in ["a", "A-b_9", "read:payments", "invoice.read", "a.b:c.d", "invoice.*", "a:*", "a.b.*", "-", "0"] {
        assert_eq!(scope(good).as_str(), good);
    }
    for bad in [
        "", "*", " ", "a ", " a", "a b", ".", ":", ".a", "a.", "a..b", "a.:b", "a*", "a.b*", "*.a", "a.*.b", "a.**",
        "a.*.*", ":*", ".*", "a/b", "a,b", "a\"b", "a\\b", "ä", "a\n", "a\0", "a@b", "a+b", "a%20",
    ] {
        assert_eq!(Scope::parse(bad).unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad:?}");
    }
    assert!(Scope::parse(&"a".repeat(MAX_SCOPE_BYTES)).is_ok());
    assert!(Scope::parse(&"a".repeat(MAX_SCOPE_BYTES + 1)).is_err());
}

#[test]
fn a_set_is_strict() {
    assert_eq!(ScopeSet::parse("a b c").unwrap().as_str(), "a b c");
    assert!(ScopeSet::parse("").unwrap().is_empty());
    assert_eq!(ScopeSet::empty(), ScopeSet::of([""; 0]).unwrap());
    for bad in [" ", "a  b", " a", "a ", "a\tb", "a\nb", "a a", "a b a", "a *"] {
        assert_eq!(ScopeSet::parse(bad).unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad:?}");
    }
    assert!(ScopeSet::of(["a b"]).is_err(), "one scope at a time");
    assert!(ScopeSet::of([""]).is_err());
    assert!(ScopeSet::of(["a", "a"]).is_err());
    let many = |n: usize| (0..n).map(|n| format!("s{n}")).collect::<Vec<_>>();
    assert_eq!(ScopeSet::of(many(MAX_SCOPES)).unwrap().iter().count(), MAX_SCOPES);
    assert!(ScopeSet::of(many(MAX_SCOPES + 1)).is_err());
    assert!(ScopeSet::of((0..1_000_000).map(|n| n.to_string())).is_err(), "read no further than the bound");
    let long: Vec<_> = (10..60).map(|n| format!("{n}{}", "x".repeat(100))).collect();
    assert!(ScopeSet::of(long).is_err(), "bounded in bytes too");
}

#[test]
fn what_no_scope_covers_is_denied() {
    let held = ScopeSet::parse("invoice.* read:payments").unwrap();
    assert!(held.first_missing(&ScopeSet::parse("invoice.read invoice.read.* read:payments").unwrap()).is_none());
    let wanted = ScopeSet::parse("invoice.read admin payments").unwrap();
    assert_eq!(held.first_missing(&wanted), Some(scope("admin")));
    assert!(held.first_missing(&ScopeSet::empty()).is_none());
    assert!(!ScopeSet::empty().covers(scope("a")));
}

/// Few letters, so that scopes meet each other.
fn any_scope() -> impl Strategy<Value = String> {
    "[ab]([.:][ab]){0,3}([.:]\\*)?"
}

fn any_set() -> impl Strategy<Value = ScopeSet> {
    prop::collection::btree_set(any_scope(), 0..6).prop_map(|scopes| ScopeSet::of(scopes).unwrap())
}

/// The rule said the other way round: cut the star off; whether what is left stands at the head, and more follows.
fn covers_by_segments(held: &str, asked: &str) -> bool {
    match held.strip_suffix('*') {
        None => held == asked,
        Some(above) => asked.strip_prefix(above).is_some_and(|below| !below.is_empty()),
    }
}

proptest! {
    #[test]
    fn covering_is_what_the_segments_say(a in any_scope(), b in any_scope()) {
        prop_assert_eq!(scope(&a).covers(scope(&b)), covers_by_segments(&a, &b));
    }

    #[test]
    fn covering_is_an_order(a in any_scope(), b in any_scope(), c in any_scope()) {
        let (a, b, c) = (scope(&a), scope(&b), scope(&c));
        prop_assert!(a.covers(a));
        prop_assert!(!(a.covers(b) && b.covers(c)) || a.covers(c));
        prop_assert!(!(a.covers(b) && b.covers(a)) || a == b);
    }

    #[test]
    fn sets_are_compared_scope_by_scope(a in any_set(), b in any_set(), c in any_set()) {
        prop_assert_eq!(a.first_missing(&b).is_none(), b.iter().all(|scope| a.covers(scope)));
        prop_assert!(!(a.first_missing(&b).is_none() && b.first_missing(&c).is_none()) || a.first_missing(&c).is_none());
        prop_assert_eq!(&ScopeSet::parse(a.as_str()).unwrap(), &a);
    }

    #[test]
    fn nothing_makes_the_parser_panic(text in "[ab.:* \\t*é]{0,40}") {
        if let Ok(set) = ScopeSet::parse(&text) {
            prop_assert_eq!(set.as_str(), text);
        }
    }
}
