//! Tokens that are bound to a key, and tokens of who acts for another: what is issued verifies, and nothing else is issued.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use common::{NOW, recipient as agent, sender as operator};
use serde_json::{Value, json};
use xbind::identity::jwk::thumbprint;
use xbind::{
    Asked, DelegationDraft, Did, ErrorKind, Result, ScopeSet, SigningKey, TokenDraft, TokenPolicy, TokenVerifier,
    Trust, delegate, issue,
};

const AUDIENCE: &str = "https://api.example";
const PERSON: (&str, &str) = ("https://login.example", "auth0|7");

fn draft(scopes: &ScopeSet) -> TokenDraft<'_> {
    TokenDraft {
        subject: *agent().did(),
        audience: AUDIENCE,
        scopes,
        quota: None,
        ttl: 3600,
        claims: "{}",
        cnf_jkt: None,
        on_behalf_of: None,
        status: None,
        now: NOW,
        id: [7; 16],
    }
}

fn scopes() -> ScopeSet {
    ScopeSet::parse("read:x write:x").unwrap()
}

fn worker() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn handed_on(token: &str) -> Result<String> {
    let draft = DelegationDraft {
        subject: *worker().did(),
        audience: None,
        scopes: None,
        quota: None,
        ttl: None,
        status: None,
        now: NOW,
        id: [9; 16],
    };
    delegate(&agent(), token, &draft)
}

/// Subject, and for whom; by a verifier that has seen the token before.
fn verified(token: &str, presenter: Option<&Did>) -> Result<(String, Option<(String, String)>)> {
    let verifier =
        TokenVerifier::new(TokenPolicy::new(AUDIENCE), Trust::default().with_did(*operator().did())).unwrap();
    let asked = Asked { presenter, ..Asked::default() };
    let first = verifier.verify(token, NOW, &asked).map(drop);
    let by_nobody = verifier.verify(token, NOW, &Asked::default()).map(drop);
    let token = verifier.verify(token, NOW, &asked);
    assert_eq!(first.is_ok(), token.is_ok());
    let token = token?;
    assert_eq!(verifier.verify_again(&token, NOW, &Asked::default()).is_err(), by_nobody.is_err());
    let whom = token.on_behalf_of().map(|(issuer, subject)| (issuer.to_owned(), subject.to_owned()));
    Ok((token.subject().to_owned(), whom))
}

fn claims(token: &str) -> Value {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_bound_token_counts_where_its_presenter_is_proven_and_so_does_what_is_handed_on() {
    let (scopes, agent, worker) = (scopes(), agent(), worker());
    let jkt = thumbprint(agent.did());
    let token = issue(&operator(), &TokenDraft { cnf_jkt: Some(&jkt), ..draft(&scopes) }).unwrap();
    assert_eq!(claims(&token)["cnf"], json!({ "jkt": jkt }));
    assert_eq!(verified(&token, Some(agent.did())).unwrap(), (agent.did().to_string(), None));
    let link = handed_on(&token).unwrap();
    assert_eq!(verified(&link, Some(worker.did())).unwrap(), (worker.did().to_string(), None));
    for (text, presenter) in [(&token, None), (&token, Some(worker.did())), (&link, None), (&link, Some(agent.did()))] {
        assert_eq!(verified(text, presenter).unwrap_err().kind(), ErrorKind::InvalidToken);
    }
}

#[test]
fn who_acts_for_another_may_use_it_and_for_whom_stays() {
    let (scopes, agent, worker) = (scopes(), agent(), worker());
    let token = issue(&operator(), &TokenDraft { on_behalf_of: Some(PERSON), ..draft(&scopes) }).unwrap();
    let said = claims(&token);
    let did = agent.did().as_str();
    assert_eq!(
        (&said["sub"], &said["client_id"], &said["act"]),
        (&json!(PERSON.1), &json!(did), &json!({ "sub": did }))
    );
    assert_eq!(said["sub_id"], json!({ "format": "iss_sub", "iss": PERSON.0, "sub": PERSON.1 }));
    let person = Some((PERSON.0.to_owned(), PERSON.1.to_owned()));
    for presenter in [None, Some(agent.did())] {
        assert_eq!(verified(&token, presenter).unwrap(), (did.to_owned(), person.clone()));
    }
    let link = handed_on(&token).unwrap();
    assert_eq!(verified(&link, Some(worker.did())).unwrap(), (worker.did().to_string(), person));
    assert_eq!(claims(&link)["act"]["act"], json!({ "sub": did }));
    // Both at once.
    let jkt = thumbprint(agent.did());
    let both = TokenDraft { on_behalf_of: Some(PERSON), cnf_jkt: Some(&jkt), claims: r#"{"x":1}"#, ..draft(&scopes) };
    let token = issue(&operator(), &both).unwrap();
    assert!(verified(&token, None).is_err());
    assert!(verified(&token, Some(agent.did())).unwrap().1.is_some());
}

#[test]
fn what_no_verifier_would_take_is_not_issued() {
    let scopes = scopes();
    let refused = |draft: TokenDraft<'_>| {
        issue(&operator(), &draft).err().is_some_and(|error| error.kind() == ErrorKind::InvalidConfig)
    };
    let own = thumbprint(agent().did());
    for jkt in ["", "x", &own[1..], &format!("{own}="), &thumbprint(operator().did())] {
        assert!(refused(TokenDraft { cnf_jkt: Some(jkt), ..draft(&scopes) }), "{jkt}");
    }
    let did = operator().did().to_string();
    let long = "x".repeat(513);
    for person in [
        ("", "7"),
        ("https://a.example", ""),
        ("a\nb", "7"),
        ("a", "7\u{7f}"),
        (&long, "7"),
        ("a", &long),
        ("a", "did:web:a.example"),
        ("a", &did),
        ("a", agent().did().as_str()),
    ] {
        assert!(refused(TokenDraft { on_behalf_of: Some(person), ..draft(&scopes) }), "{person:?}");
    }
    let sub_id = r#"{"sub_id":{"format":"opaque","id":"7"}}"#;
    assert!(refused(TokenDraft { on_behalf_of: Some(PERSON), claims: sub_id, ..draft(&scopes) }));
    assert!(issue(&operator(), &TokenDraft { claims: sub_id, ..draft(&scopes) }).is_ok());
    let many =
        |n: usize| json!((0..n).map(|n| (n.to_string(), n)).collect::<std::collections::BTreeMap<_, _>>()).to_string();
    assert!(refused(TokenDraft { on_behalf_of: Some(PERSON), claims: &many(64), ..draft(&scopes) }));
    assert!(
        issue(&operator(), &TokenDraft { on_behalf_of: Some(PERSON), claims: &many(63), ..draft(&scopes) }).is_ok()
    );
}
