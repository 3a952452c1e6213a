//! Delegation: along any chain, rights only shrink.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "numbers chosen here")]

mod common;

use common::NOW;
use proptest::prelude::*;
use xbind::rights::MAX_DELEGATIONS;
use xbind::{
    Asked, DelegationDraft, ErrorKind, Scope, ScopeSet, SigningKey, TokenDraft, TokenPolicy, TokenVerifier, Trust,
    delegate, issue,
};

const AUDIENCE: &str = "did:web:api.example";

fn key(n: usize) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(n).unwrap() + 1; 32])
}

fn root(scopes: &str, ttl: u64) -> String {
    let draft = TokenDraft {
        subject: *key(1).did(),
        audience: AUDIENCE,
        scopes: &ScopeSet::parse(scopes).unwrap(),
        quota: None,
        ttl,
        claims: r#"{"human":"Ada"}"#,
        cnf_jkt: None,
        on_behalf_of: None,
        status: None,
        now: NOW,
        id: [0; 16],
    };
    issue(&key(0), &draft).unwrap()
}

fn to(n: usize) -> DelegationDraft<'static> {
    let id = [u8::try_from(n).unwrap(); 16];
    DelegationDraft {
        subject: *key(n).did(),
        audience: None,
        scopes: None,
        quota: None,
        ttl: None,
        status: None,
        now: NOW,
        id,
    }
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new(TokenPolicy::new(AUDIENCE), Trust::default().with_did(*key(0).did())).unwrap()
}

fn refusal(holder: usize, token: &str, draft: &DelegationDraft<'_>) -> ErrorKind {
    delegate(&key(holder), token, draft).unwrap_err().kind()
}

#[test]
fn what_is_left_out_is_the_parents() {
    let child = delegate(&key(1), &root("a.* b", 600), &to(2)).unwrap();
    let verified = verifier().verify(&child, NOW, &Asked::default()).unwrap();
    assert_eq!(verified.scopes().as_str(), "a.* b");
    assert_eq!(verified.expires_at(), NOW + 600);
    assert_eq!(verified.audience(), AUDIENCE);
    assert_eq!(verified.claims(), r#"{"human":"Ada"}"#);
    let long = delegate(&key(1), &root("a", 86_400), &to(2)).unwrap();
    assert_eq!(verifier().verify(&long, NOW, &Asked::default()).unwrap().expires_at(), NOW + 3600);
}

#[test]
fn the_last_link_is_what_is_presented() {
    let child = delegate(&key(1), &root("a", 600), &to(2)).unwrap();
    let verified =
        verifier().verify(&child, NOW, &Asked { presenter: Some(key(2).did()), ..Asked::default() }).unwrap();
    assert_eq!((verified.issuer(), verified.subject()), (key(0).did().as_str(), key(2).did().as_str()));
    assert!(verified.chain().eq((0..3).map(key).map(|key| key.did().as_str().to_owned())));
    assert_eq!(verified.id(), verified.links()[1].id);
    assert_eq!(verified.links()[1].issuer, key(1).did().as_str());
    let holder = key(1);
    let asked = Asked { presenter: Some(holder.did()), ..Asked::default() };
    assert_eq!(verifier().verify(&child, NOW, &asked).unwrap_err().kind(), ErrorKind::InvalidToken);
}

#[test]
fn a_key_elsewhere_makes_the_same_delegation() {
    let root = root("a", 600);
    let unsigned = to(2).unsigned(key(1).did(), &root).unwrap();
    let signature = key(1).sign(unsigned.to_sign().as_bytes());
    assert_eq!(unsigned.finish(&signature), delegate(&key(1), &root, &to(2)).unwrap());
}

#[test]
fn nothing_wider_is_cut_down_to_fit() {
    let root = root("a.* b", 600);
    for wider in ["c", "a", "a.x c", "b.*", "b.x", "a:x", "A.x"] {
        let scopes = ScopeSet::parse(wider).unwrap();
        let error = delegate(&key(1), &root, &DelegationDraft { scopes: Some(&scopes), ..to(2) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidDelegation, "{wider}");
        assert_eq!(error.hint(), Some("held: a.* b"));
    }
    assert_eq!(refusal(1, &root, &DelegationDraft { ttl: Some(601), ..to(2) }), ErrorKind::InvalidDelegation);
    assert_eq!(refusal(1, &root, &DelegationDraft { audience: Some("x"), ..to(2) }), ErrorKind::InvalidDelegation);
    assert!(delegate(&key(1), &root, &DelegationDraft { ttl: Some(600), audience: Some(AUDIENCE), ..to(2) }).is_ok());
    assert_eq!(refusal(1, &root, &DelegationDraft { ttl: Some(0), ..to(2) }), ErrorKind::InvalidConfig);
    assert_eq!(refusal(1, &root, &DelegationDraft { ttl: Some(86_401), ..to(2) }), ErrorKind::InvalidConfig);
}

#[test]
fn only_the_subject_hands_on_and_to_nobody_twice() {
    let root = root("a", 600);
    assert_eq!(refusal(0, &root, &to(2)), ErrorKind::InvalidDelegation, "the issuer is not the subject");
    assert_eq!(refusal(5, &root, &to(2)), ErrorKind::InvalidDelegation, "a thief is not the subject");
    assert_eq!(refusal(1, &root, &to(0)), ErrorKind::InvalidDelegation, "back to the issuer");
    assert_eq!(refusal(1, &root, &to(1)), ErrorKind::InvalidDelegation, "to itself");
    let child = delegate(&key(1), &root, &to(2)).unwrap();
    assert_eq!(refusal(2, &child, &to(1)), ErrorKind::InvalidDelegation, "back to the holder");
    assert_eq!(refusal(1, "x", &to(2)), ErrorKind::InvalidToken);
}

#[test]
fn times_are_those_of_the_parent() {
    let root = root("a", 600);
    let at = |now: u64| DelegationDraft { now, ..to(2) };
    assert_eq!(refusal(1, &root, &at(NOW + 600)), ErrorKind::TokenExpired);
    assert_eq!(refusal(1, &root, &at(NOW - 31)), ErrorKind::TokenNotYetValid);
    // A clock that is a little behind: the link is as old as its parent, not older.
    let child = delegate(&key(1), &root, &at(NOW - 30)).unwrap();
    assert_eq!(verifier().verify(&child, NOW, &Asked::default()).unwrap().issued_at(), NOW);
    let late = delegate(&key(1), &root, &at(NOW + 599)).unwrap();
    assert_eq!(verifier().verify(&late, NOW + 599, &Asked::default()).unwrap().expires_at(), NOW + 600);
}

/// Signs whatever the claims hold.
fn forged(signer: usize, typ: &str, claims: &serde_json::Value) -> String {
    let encode = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let did = *key(signer).did();
    let header = format!(r#"{{"alg":"EdDSA","kid":"{did}#{}","typ":"{typ}"}}"#, did.multibase());
    let input = format!("{}.{}", encode(&header), encode(&claims.to_string()));
    let signature = data_encoding::BASE64URL_NOPAD.encode(&key(signer).sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn root_claims(issuer: usize, subject: usize) -> serde_json::Value {
    serde_json::json!({
        "iss": key(issuer).did().as_str(), "sub": key(subject).did().as_str(), "aud": AUDIENCE,
        "client_id": key(subject).did().as_str(), "iat": NOW, "exp": NOW + 600, "jti": "x", "scope": "a",
    })
}

#[test]
fn what_no_verifier_could_accept_is_not_handed_on() {
    let own = forged(1, "at+jwt", &root_claims(1, 1));
    assert_eq!(refusal(1, &own, &to(2)), ErrorKind::InvalidDelegation, "the issuer is the subject");
    let mut client = root_claims(0, 1);
    client["client_id"] = serde_json::json!("x");
    assert_eq!(refusal(1, &forged(0, "at+jwt", &client), &to(2)), ErrorKind::InvalidToken, "another client");
    assert_eq!(refusal(1, &forged(5, "at+jwt", &root_claims(0, 1)), &to(2)), ErrorKind::InvalidToken, "another key");
    let honest = root("a", 600);
    let cut = format!("{}A", &honest[..honest.len() - 1]);
    assert!(delegate(&key(1), &cut, &to(2)).is_err(), "a broken signature");
    let mut later = root_claims(0, 1);
    later["nbf"] = serde_json::json!(NOW + 100);
    assert_eq!(refusal(1, &forged(0, "at+jwt", &later), &to(2)), ErrorKind::TokenNotYetValid);
    let mut named = root_claims(0, 1);
    named["iss"] = serde_json::json!("did:web:operator.example");
    assert_eq!(refusal(1, &forged(0, "at+jwt", &named), &to(2)), ErrorKind::InvalidToken, "an issuer that is no DID");
    let child = delegate(&key(1), &honest, &to(2)).unwrap();
    let (input, _) = child.rsplit_once('.').unwrap();
    let stolen = format!("{input}.{}", data_encoding::BASE64URL_NOPAD.encode(&key(9).sign(input.as_bytes())));
    assert_eq!(refusal(2, &stolen, &to(3)), ErrorKind::InvalidDelegation, "a link that its issuer did not sign");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Odd parents, some of them forged by who may sign so: whatever is made of them, a verifier takes.
    #[test]
    fn what_is_handed_on_is_accepted(
        people in prop::collection::vec(0..4_usize, 1..10),
        edits in prop::collection::vec((0..9_usize, 0..6_usize), 0..3),
        late in 0..700_u64,
        ttl in prop::option::of(0..700_u64),
        scopes in prop::sample::select(vec![None, Some("a"), Some("a.x"), Some("b")]),
    ) {
        let mut claims = root_claims(0, people[0]);
        claims["scope"] = serde_json::json!("a.* a");
        for (member, value) in &edits {
            let name = ["iss", "sub", "aud", "client_id", "iat", "exp", "scope", "nbf", "act"][*member];
            // Of another audience, a verifier of that one.
            if name == "aud" && *value == 1 { continue; }
            let values = ["1", "\"x\"", "1735689700", "{\"sub\":\"x\"}", "null", "[\"did:web:api.example\"]"];
            claims[name] = serde_json::from_str(values[*value]).unwrap();
        }
        let mut token = forged(0, "at+jwt", &claims);
        // How long a token may live is for a verifier to say.
        let policy = TokenPolicy { max_lifetime: u64::MAX, ..TokenPolicy::new(AUDIENCE) };
        let patient = TokenVerifier::new(policy, Trust::default().with_did(*key(0).did())).unwrap();
        let now = NOW + late;
        let scopes = scopes.map(|text| ScopeSet::parse(text).unwrap());
        for pair in people.windows(2) {
            let draft = DelegationDraft { now, ttl, scopes: scopes.as_ref(), ..to(pair[1]) };
            let Ok(child) = delegate(&key(pair[0]), &token, &draft) else { continue };
            let holder = key(pair[1]);
            let asked = Asked { presenter: Some(holder.did()), ..Asked::default() };
            let verdict = patient.verify(&child, now, &asked).map(drop).map_err(|error| error.kind());
            // Trust is for the verifier alone.
            prop_assert!(matches!(verdict, Ok(()) | Err(ErrorKind::UntrustedIssuer)), "{verdict:?}");
            token = child;
        }
    }
}

#[test]
fn eight_times_and_no_more() {
    let mut token = root("a", 600);
    for n in 1..=MAX_DELEGATIONS {
        token = delegate(&key(n), &token, &to(n + 1)).unwrap();
        assert_eq!(verifier().verify(&token, NOW, &Asked::default()).unwrap().links().len(), n + 1);
    }
    assert_eq!(refusal(9, &token, &to(10)), ErrorKind::InvalidDelegation);
}

#[test]
fn a_result_too_long_is_refused() {
    let claims = format!(r#"{{"x":"{}"}}"#, "x".repeat(20_000));
    let scopes = ScopeSet::empty();
    let draft = TokenDraft {
        subject: *key(1).did(),
        audience: AUDIENCE,
        scopes: &scopes,
        quota: None,
        ttl: 600,
        claims: &claims,
        cnf_jkt: None,
        on_behalf_of: None,
        status: None,
        now: NOW,
        id: [0; 16],
    };
    let mut token = issue(&key(0), &draft).unwrap();
    let refused = (1..=MAX_DELEGATIONS).find_map(|n| match delegate(&key(n), &token, &to(n + 1)) {
        Ok(child) => {
            assert!(verifier().verify(&child, NOW, &Asked::default()).is_ok());
            token = child;
            None
        }
        Err(error) => Some(error.kind()),
    });
    assert_eq!(refused, Some(ErrorKind::InvalidConfig));
}

#[test]
fn each_link_can_be_revoked_alone() {
    let token = (1..4).fold(root("a", 600), |token, n| delegate(&key(n), &token, &to(n + 1)).unwrap());
    let verifier = verifier();
    let links = verifier.verify(&token, NOW, &Asked::default()).unwrap().links().to_vec();
    assert_eq!(links.len(), 4);
    for revoked in &links {
        let list = xbind::RevocationList::new(1);
        list.revoke_id(&revoked.id, u64::MAX).unwrap();
        let standing = |link: &xbind::Link| list.standing(link);
        let error = verifier.verify(&token, NOW, &Asked { standing: &standing, ..Asked::default() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Revoked);
    }
}

#[test]
fn each_single_bit_of_a_chain_counts() {
    let token = (1..3).fold(root("a", 600), |token, n| delegate(&key(n), &token, &to(n + 1)).unwrap());
    let verifier = verifier();
    let mut bytes = token.into_bytes();
    // One bit of every character, another one from character to character.
    for at in 0..bytes.len() {
        let bit = 1 << (at % 7);
        bytes[at] ^= bit;
        assert!(verifier.verify(str::from_utf8(&bytes).unwrap(), NOW, &Asked::default()).is_err(), "character {at}");
        bytes[at] ^= bit;
    }
    assert!(verifier.verify(str::from_utf8(&bytes).unwrap(), NOW, &Asked::default()).is_ok());
}

const ALL: [&str; 8] = ["a.*", "a.x", "a.x.*", "a.x.y", "b", "b:*", "b:x", "c"];

fn any_scopes() -> impl Strategy<Value = ScopeSet> {
    prop::sample::subsequence(ALL.to_vec(), 0..ALL.len()).prop_map(|scopes| ScopeSet::of(scopes).unwrap())
}

/// What a holder asks for: perhaps too much.
#[derive(Clone, Debug)]
struct Wish {
    scopes: Option<ScopeSet>,
    ttl: Option<u64>,
    waits: u64,
    subject: usize,
}

fn any_wish() -> impl Strategy<Value = Wish> {
    (prop::option::of(any_scopes()), prop::option::of(1..700_u64), 0..40_u64, 0..14_usize)
        .prop_map(|(scopes, ttl, waits, subject)| Wish { scopes, ttl, waits, subject })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn rights_only_shrink(scopes in any_scopes(), wishes in prop::collection::vec(any_wish(), 1..24)) {
        let mut now = NOW;
        let mut token = root(scopes.as_str(), 600);
        let mut holders = vec![0, 1];
        let verifier = verifier();
        for wish in wishes {
            now += wish.waits;
            let Ok(parent) = verifier.verify(&token, now, &Asked::default()) else { break };
            let draft = DelegationDraft { scopes: wish.scopes.as_ref(), ttl: wish.ttl, now, ..to(wish.subject) };
            let holder = *holders.last().unwrap();
            let child = delegate(&key(holder), &token, &draft);

            let fits = wish.scopes.as_ref().is_none_or(|scopes| parent.scopes().first_missing(scopes).is_none())
                && wish.ttl.is_none_or(|ttl| now + ttl <= parent.expires_at())
                && now < parent.expires_at()
                && !holders.contains(&wish.subject)
                && holders.len() - 2 < MAX_DELEGATIONS;
            prop_assert_eq!(child.is_ok(), fits, "{:?}", child);
            let Ok(child) = child else { continue };

            let narrowed = verifier.verify(&child, now, &Asked::default()).unwrap();
            prop_assert!(parent.scopes().first_missing(narrowed.scopes()).is_none());
            prop_assert!(scopes.first_missing(narrowed.scopes()).is_none());
            for scope in ALL.map(|scope| Scope::parse(scope).unwrap()) {
                prop_assert!(!narrowed.scopes().covers(scope) || parent.scopes().covers(scope));
            }
            prop_assert!(narrowed.expires_at() <= parent.expires_at());
            prop_assert!(narrowed.issued_at() >= parent.issued_at());
            prop_assert_eq!(narrowed.audience(), parent.audience());
            prop_assert_eq!(narrowed.issuer(), parent.issuer());
            prop_assert_eq!(narrowed.claims(), parent.claims());
            prop_assert_eq!(&narrowed.links()[..parent.links().len()], parent.links());
            prop_assert_eq!(narrowed.links().len(), parent.links().len() + 1);
            prop_assert!(narrowed.links().len() <= MAX_DELEGATIONS + 1);
            holders.push(wish.subject);
            token = child;
        }
    }
}
