//! Tokens: what is issued verifies, and every check bites.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use common::{NOW, recipient, sender};
use xbind::{
    Asked, DelegationDraft, Scope, ScopeSet, SigningKey, TokenDraft, TokenPolicy, TokenVerifier, Trust, delegate, issue,
};

#[test]
fn smoke() {
    let scopes = ScopeSet::parse("invoice.* read:payments").unwrap();
    let token = issue(
        &sender(),
        &TokenDraft {
            subject: *recipient().did(),
            audience: "https://api.example",
            scopes: &scopes,
            ttl: 3600,
            claims: r#"{"a":{"b":[1]}}"#,
            status: None,
            now: NOW,
            id: [7; 16],
        },
    )
    .unwrap();
    let v = TokenVerifier::new(TokenPolicy::new("https://api.example"), Trust::default().with_did(*sender().did()))
        .unwrap();
    let t = v.verify(&token, NOW, &Asked::default()).unwrap();
    assert_eq!(t.claims(), r#"{"a":{"b":[1]}}"#);
    let third = SigningKey::from_seed(&[3; 32]);
    let child = delegate(
        &recipient(),
        &token,
        &DelegationDraft {
            subject: *third.did(),
            audience: None,
            scopes: Some(&ScopeSet::parse("invoice.read").unwrap()),
            ttl: None,
            status: None,
            now: NOW,
            id: [8; 16],
        },
    )
    .unwrap();
    let asked =
        Asked { scopes: &[Scope::parse("invoice.read").unwrap()], presenter: Some(third.did()), ..Asked::default() };
    for _ in 0..2 {
        let t = v.verify(&child, NOW, &asked).unwrap();
        assert_eq!(
            t.chain().collect::<Vec<_>>(),
            [sender().did().as_str(), recipient().did().as_str(), third.did().as_str()]
        );
    }
}
