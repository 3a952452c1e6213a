//! Tokens: what is issued verifies, what was touched does not, and what is remembered is asked everything again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "indices chosen here")]

mod common;

use common::{NOW, recipient as agent, sender as operator};
use serde_json::{Value, json};
use std::sync::Arc;
use xbind::{
    Asked, ErrorKind, Evidence, JwkSet, RevocationList, Scope, ScopeSet, SigningKey, Standing, StatusRef, TokenDraft,
    TokenPolicy, TokenVerifier, Trust, issue, rights::MAX_TOKEN_TTL,
};

const AUDIENCE: &str = "https://api.example";

fn scopes() -> ScopeSet {
    ScopeSet::parse("invoice.* read:payments").unwrap()
}

fn draft(scopes: &ScopeSet) -> TokenDraft<'_> {
    let subject = *agent().did();
    TokenDraft {
        subject,
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

fn token() -> String {
    issue(&operator(), &draft(&scopes())).unwrap()
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new(TokenPolicy::new(AUDIENCE), Trust::default().with_did(*operator().did())).unwrap()
}

fn segment(jws: &str, n: usize) -> Value {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(jws.split('.').nth(n).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_token_says_what_rfc_9068_asks_for() {
    let token = token();
    let (operator, agent) = (operator(), agent());
    let kid = format!("{}#{}", operator.did(), operator.did().multibase());
    assert_eq!(segment(&token, 0), json!({ "alg": "EdDSA", "kid": kid, "typ": "at+jwt" }));
    assert_eq!(
        segment(&token, 1),
        json!({
            "iss": operator.did().as_str(), "sub": agent.did().as_str(), "aud": AUDIENCE, "client_id": agent.did().as_str(),
            "iat": NOW, "exp": NOW + 3600, "jti": "BwcHBwcHBwcHBwcHBwcHBw", "scope": "invoice.* read:payments",
        })
    );
}

#[test]
fn what_is_issued_verifies_and_says_so() {
    let status = StatusRef { index: 9, uri: "https://api.example/status".to_owned() };
    let claims = r#"{ "team":"billing", "n":{"a":[1,2.5,"é\u0000\""]} }"#;
    let token = issue(&operator(), &TokenDraft { claims, status: Some(&status), ..draft(&scopes()) }).unwrap();
    let asked = Asked { status: &|_, _| Evidence::Fresh(0), ..Asked::default() };
    let verified = verifier().verify(&token, NOW, &asked).unwrap();
    assert_eq!(verified.issuer(), operator().did().as_str());
    assert_eq!(verified.subject(), agent().did().as_str());
    assert_eq!(verified.audience(), AUDIENCE);
    assert_eq!(verified.scopes(), &scopes());
    assert_eq!(verified.id(), "BwcHBwcHBwcHBwcHBwcHBw");
    assert_eq!((verified.issued_at(), verified.expires_at()), (NOW, NOW + 3600));
    assert!(verified.chain().eq([operator().did().as_str(), agent().did().as_str()]));
    assert_eq!(verified.links()[0].status.as_ref(), Some(&status));
    let further: Value = serde_json::from_str(verified.claims()).unwrap();
    assert_eq!(further, serde_json::from_str::<Value>(claims).unwrap());
}

#[test]
fn a_key_elsewhere_makes_the_same_token() {
    let unsigned = draft(&scopes()).unsigned(operator().did()).unwrap();
    let signature = operator().sign(unsigned.to_sign().as_bytes());
    assert_eq!(unsigned.finish(&signature), token());
}

#[test]
fn drafts_out_of_bounds_are_refused() {
    let scopes = scopes();
    let refused = |draft: TokenDraft<'_>| issue(&operator(), &draft).unwrap_err().kind() == ErrorKind::InvalidConfig;
    let honest = draft(&scopes);
    assert!(issue(&operator(), &TokenDraft { ttl: MAX_TOKEN_TTL, ..honest }).is_ok());
    assert!(refused(TokenDraft { ttl: 0, ..honest }));
    assert!(refused(TokenDraft { ttl: MAX_TOKEN_TTL + 1, ..honest }));
    assert!(refused(TokenDraft { ttl: u64::MAX, ..honest }));
    assert!(refused(TokenDraft { now: u64::MAX, ..honest }));
    assert!(refused(TokenDraft { audience: "", ..honest }));
    assert!(refused(TokenDraft { audience: "a\nb", ..honest }));
    assert!(refused(TokenDraft { audience: &"x".repeat(513), ..honest }));
    let nowhere = StatusRef { index: 0, uri: String::new() };
    assert!(refused(TokenDraft { status: Some(&nowhere), ..honest }));
    for claims in [
        "",
        "null",
        "[]",
        "1",
        "{",
        "{}x",
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":1e999}"#,
    ] {
        assert!(refused(TokenDraft { claims, ..honest }), "{claims}");
    }
    let deep = |n: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    assert!(issue(&operator(), &TokenDraft { claims: &deep(16), ..honest }).is_ok());
    assert!(refused(TokenDraft { claims: &deep(17), ..honest }));
    assert!(refused(TokenDraft { claims: &format!(r#"{{"a":"{}"}}"#, "x".repeat(32_768)), ..honest }));
}

#[test]
fn reserved_claims_cannot_be_set() {
    let values = ["1", "\"x\"", "null", "{}", "[\"x\"]"];
    for name in [
        "iss",
        "sub",
        "aud",
        "client_id",
        "jti",
        "scope",
        "iat",
        "exp",
        "nbf",
        "prf",
        "act",
        "may_act",
        "status",
        "cnf",
        "quota",
        "\\u0069ss",
        "s\\u0063ope",
    ] {
        for value in values {
            let claims = format!(r#"{{"team":1,"{name}":{value}}}"#);
            let error = issue(&operator(), &TokenDraft { claims: &claims, ..draft(&scopes()) }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{claims}");
        }
    }
}

#[test]
fn strings_are_written_as_json() {
    let audience = "urn:\"x\"\\é\u{1f600}";
    let token = issue(&operator(), &TokenDraft { audience, ..draft(&scopes()) }).unwrap();
    let trust = Trust::default().with_did(*operator().did());
    let verifier = TokenVerifier::new(TokenPolicy::new(audience), trust).unwrap();
    assert_eq!(verifier.verify(&token, NOW, &Asked::default()).unwrap().audience(), audience);
}

#[test]
fn each_single_bit_counts_even_of_a_remembered_token() {
    let token = token();
    let verifier = verifier();
    for _ in 0..2 {
        let mut bytes = token.clone().into_bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = str::from_utf8(&bytes) {
                assert!(verifier.verify(text, NOW, &Asked::default()).is_err(), "bit {bit}");
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(verifier.verify(&token, NOW, &Asked::default()).is_ok());
    }
}

#[test]
fn a_remembered_token_is_asked_everything_again() {
    let verifier = verifier();
    let token = token();
    let verify = |now: u64, asked: &Asked<'_>| verifier.verify(&token, now, asked).map(drop).map_err(|e| e.kind());
    assert_eq!(verify(NOW, &Asked::default()), Ok(()));
    assert_eq!(verify(NOW + 3630, &Asked::default()), Err(ErrorKind::TokenExpired));
    assert_eq!(verify(NOW - 31, &Asked::default()), Err(ErrorKind::TokenNotYetValid));
    let admin = [Scope::parse("admin").unwrap()];
    assert_eq!(verify(NOW, &Asked { scopes: &admin, ..Asked::default() }), Err(ErrorKind::ScopeDenied));
    let thief = SigningKey::from_seed(&[9; 32]);
    assert_eq!(verify(NOW, &Asked { presenter: Some(thief.did()), ..Asked::default() }), Err(ErrorKind::InvalidToken));
    let list = RevocationList::new(1);
    let standing = |link: &xbind::Link| list.standing(link);
    let asked = Asked { standing: &standing, ..Asked::default() };
    assert_eq!(verify(NOW, &asked), Ok(()));
    list.revoke_did(agent().did(), NOW).unwrap();
    assert_eq!(verify(NOW, &asked), Err(ErrorKind::Revoked));
    assert!(list.reinstate(agent().did()));
    assert_eq!(verify(NOW, &asked), Ok(()));
    assert_eq!(
        verify(NOW, &Asked { standing: &|_| Standing::Unknown, ..Asked::default() }),
        Err(ErrorKind::RevocationUnknown)
    );
}

#[test]
fn what_is_remembered_is_bounded_and_changes_no_verdict() {
    let trust = || Trust::default().with_did(*operator().did());
    for cache_bytes in [0, 4000, 1 << 20] {
        let policy = TokenPolicy { cache_bytes, ..TokenPolicy::new(AUDIENCE) };
        let verifier = TokenVerifier::new(policy, trust()).unwrap();
        for round in 0..3 {
            for n in 0..20 {
                let token = issue(&operator(), &TokenDraft { id: [n; 16], ..draft(&scopes()) }).unwrap();
                let verified = verifier.verify(&token, NOW, &Asked::default()).unwrap();
                assert_eq!(verified.links()[0].id, xbind::MessageId::from_bytes([n; 16]).text(), "round {round}");
            }
        }
    }
}

#[test]
fn a_hint_names_what_is_held() {
    let admin = [Scope::parse("admin").unwrap()];
    let asked = Asked { scopes: &admin, ..Asked::default() };
    let error = verifier().verify(&token(), NOW, &asked).unwrap_err();
    assert_eq!(error.hint(), Some("held: invoice.* read:payments"));
    let bare = issue(&operator(), &draft(&ScopeSet::empty())).unwrap();
    assert_eq!(verifier().verify(&bare, NOW, &asked).unwrap_err().hint(), Some("no scope is held"));
}

#[test]
fn nobody_is_trusted_unasked() {
    let nobody = TokenVerifier::new(TokenPolicy::new(AUDIENCE), Trust::default()).unwrap();
    assert_eq!(nobody.verify(&token(), NOW, &Asked::default()).unwrap_err().kind(), ErrorKind::UntrustedIssuer);
    for issuer in ["", "did:web:login.example", operator().did().as_str(), "a\0"] {
        let refused = Trust::default().with_issuer(issuer, JwkSet::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidConfig, "{issuer:?}");
    }
    for audience in ["", "a\n", &"x".repeat(513)] {
        let refused = TokenVerifier::new(TokenPolicy::new(audience), Trust::default()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::InvalidConfig, "{audience:?}");
    }
}

/// A token by an issuer that is known by its keys.
fn external(key: &SigningKey, kid: &str) -> String {
    let encode = |text: String| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let header = encode(format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"at+jwt"}}"#));
    let claims = json!({
        "iss": "https://login.example", "sub": agent().did().as_str(), "aud": AUDIENCE, "client_id": "console", "jti": "1",
        "iat": NOW, "exp": NOW + 60,
    });
    let input = format!("{header}.{}", encode(claims.to_string()));
    let signature = data_encoding::BASE64URL_NOPAD.encode(&key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn jwks(kid: &str, key: &SigningKey) -> JwkSet {
    let x = data_encoding::BASE64URL_NOPAD.encode(key.did().public_key());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x });
    JwkSet::parse(&json!({ "keys": [jwk] }).to_string()).unwrap()
}

#[test]
fn keys_that_come_later_open_and_keys_that_go_close() {
    let issuer = "https://login.example";
    let (old, new) = (SigningKey::from_seed(&[50; 32]), SigningKey::from_seed(&[51; 32]));
    let trust = Trust::default().with_issuer(issuer, JwkSet::default()).unwrap();
    let verifier = TokenVerifier::new(TokenPolicy::new(AUDIENCE), trust).unwrap();
    let (by_old, by_new) = (external(&old, "1"), external(&new, "2"));
    let verdict = |token: &str| verifier.verify(token, NOW, &Asked::default()).map(drop).map_err(|e| e.kind());

    assert_eq!(verdict(&by_old), Err(ErrorKind::UntrustedIssuer));
    assert_eq!(verifier.missing_key(&by_old), Some((issuer.to_owned(), "1".to_owned())));
    assert!(verifier.set_keys(issuer, jwks("1", &old)));
    assert_eq!(verifier.missing_key(&by_old), None);
    assert_eq!(verdict(&by_old), Ok(()));
    assert_eq!(verdict(&by_new), Err(ErrorKind::UntrustedIssuer));
    assert_eq!(verifier.missing_key(&by_new), Some((issuer.to_owned(), "2".to_owned())));

    assert!(verifier.set_keys(issuer, jwks("2", &new)));
    assert_eq!(verdict(&by_old), Err(ErrorKind::UntrustedIssuer), "though it was remembered");
    assert_eq!(verdict(&by_new), Ok(()));
    assert!(verifier.set_keys(issuer, jwks("2", &old)));
    assert_eq!(verdict(&by_new), Err(ErrorKind::InvalidToken), "another key of that name");
    assert!(!verifier.set_keys("https://other.example", jwks("1", &old)));
    assert_eq!(verifier.missing_key(&token()), None, "a DID brings its key along");
    assert_eq!(verifier.missing_key("x"), None);
}

#[test]
fn threads_share_a_verifier() {
    let verifier = Arc::new(verifier());
    let token = token();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..200 {
                    assert!(verifier.verify(&token, NOW, &Asked::default()).is_ok());
                    assert!(verifier.verify(&token[1..], NOW, &Asked::default()).is_err());
                }
            });
        }
    });
}
