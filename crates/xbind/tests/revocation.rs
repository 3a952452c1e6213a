//! Revocation: local lists, and status lists signed by the issuer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "numbers chosen here")]

mod common;

use common::{NOW, recipient as agent, sender as operator};
use proptest::prelude::*;
use xbind::rights::{INVALID, MAX_LIST_BYTES, SUSPENDED, VALID};
use xbind::{
    Asked, Bits, ErrorKind, Evidence, JwkSet, Link, ListSigner, RevocationList, ScopeSet, SigningKey, Standing,
    StatusList, StatusListDraft, StatusLists, StatusRef, TokenDraft, TokenPolicy, TokenVerifier, Trust, issue,
    read_status_list,
};

const URI: &str = "https://api.example/status/1";

fn link(id: &str, issued_at: u64) -> Link {
    let (issuer, subject) = (operator(), agent());
    Link {
        id: id.to_owned(),
        issuer: issuer.did().as_str().to_owned(),
        subject: subject.did().as_str().to_owned(),
        issued_at,
        status: None,
        quota: None,
    }
}

#[test]
fn a_did_is_revoked_for_what_was_issued_until_then() {
    for key in [operator(), agent()] {
        let list = RevocationList::new(2);
        assert_eq!(list.standing(&link("a", NOW)), Standing::Valid);
        list.revoke_did(key.did(), NOW).unwrap();
        assert_eq!(list.standing(&link("a", NOW - 1)), Standing::Revoked);
        assert_eq!(list.standing(&link("a", NOW)), Standing::Revoked);
        assert_eq!(list.standing(&link("a", NOW + 1)), Standing::Valid);
        assert!(list.is_revoked(key.did(), NOW) && !list.is_revoked(key.did(), NOW + 1));
        list.revoke_did(key.did(), NOW - 10).unwrap();
        assert_eq!(list.standing(&link("a", NOW)), Standing::Revoked, "the later time holds");
        list.revoke_did(key.did(), RevocationList::FOR_GOOD).unwrap();
        assert_eq!(list.standing(&link("a", u64::MAX)), Standing::Revoked);
        assert!(list.reinstate(key.did()) && !list.reinstate(key.did()));
        assert_eq!(list.standing(&link("a", 0)), Standing::Valid);
    }
}

#[test]
fn an_id_is_revoked_whenever_it_was_issued() {
    let list = RevocationList::new(2);
    list.revoke_id("a", NOW + 60).unwrap();
    for issued_at in [0, NOW, NOW + 29, u64::MAX] {
        assert_eq!(list.standing(&link("a", issued_at)), Standing::Revoked);
        assert_eq!(list.standing(&link("b", issued_at)), Standing::Valid);
    }
    list.revoke_id("a", NOW).unwrap();
    list.purge(NOW + 60);
    assert_eq!(list.standing(&link("a", NOW)), Standing::Revoked, "the later time holds");
    list.purge(NOW + 61);
    assert!(list.is_empty());
}

#[test]
fn a_full_list_says_so_and_forgets_nothing() {
    let list = RevocationList::new(2);
    list.revoke_id("a", NOW).unwrap();
    list.revoke_did(agent().did(), NOW).unwrap();
    assert_eq!(list.revoke_id("b", NOW).unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert_eq!(list.revoke_did(operator().did(), NOW).unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert!(list.revoke_id("a", NOW + 9).is_ok() && list.revoke_did(agent().did(), NOW + 9).is_ok());
    assert_eq!(list.len(), 2);
    assert_eq!(list.standing(&link("a", 0)), Standing::Revoked);
    list.purge(u64::MAX);
    assert_eq!(list.len(), 1, "a DID stays");
    assert!(list.revoke_id("b", NOW).is_ok());
    for id in ["", "a\n", &"x".repeat(513)] {
        assert_eq!(RevocationList::new(9).revoke_id(id, NOW).unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
}

fn list_of(set: &[(u64, u8)]) -> StatusList {
    let mut list = StatusList::new(Bits::Two, 64).unwrap();
    set.iter().for_each(|(index, status)| list.set(*index, *status).unwrap());
    list
}

fn signed(list: &StatusList, now: u64, lifetime: u64) -> String {
    list.sign(&operator(), &StatusListDraft { uri: URI, now, lifetime, ttl: None }).unwrap()
}

fn at(index: u64) -> StatusRef {
    StatusRef { index, uri: URI.to_owned() }
}

#[test]
fn only_fresh_evidence_decides() {
    let status = at(7);
    let scopes = ScopeSet::parse("a").unwrap();
    let draft = TokenDraft {
        subject: *agent().did(),
        audience: "x",
        scopes: &scopes,
        quota: None,
        ttl: 3600,
        claims: "{}",
        cnf_jkt: None,
        on_behalf_of: None,
        status: Some(&status),
        now: NOW,
        id: [1; 16],
    };
    let token = issue(&operator(), &draft).unwrap();
    let trust = Trust::default().with_did(*operator().did());
    let verifier = TokenVerifier::new(TokenPolicy::new("x"), trust).unwrap();
    let verdict = |lists: &StatusLists, now: u64| {
        let ask = |issuer: &str, status: &StatusRef| lists.ask(issuer, status, now);
        verifier.verify(&token, now, &Asked { status: &ask, ..Asked::default() }).map(drop).map_err(|e| e.kind())
    };
    let holding = |text: &str| {
        let lists = StatusLists::new(4, 86_400);
        let _ = lists.put(text, URI, ListSigner::Did(operator().did()), NOW);
        lists
    };
    let says = |status: u8| holding(&signed(&list_of(&[(7, status)]), NOW, 600));
    assert_eq!(verdict(&says(VALID), NOW), Ok(()));
    assert_eq!(verdict(&says(INVALID), NOW), Err(ErrorKind::Revoked));
    assert_eq!(verdict(&says(SUSPENDED), NOW), Err(ErrorKind::Revoked));
    assert_eq!(verdict(&says(3), NOW), Err(ErrorKind::Revoked), "a status that nobody here knows");
    let unknown = Err(ErrorKind::RevocationUnknown);
    assert_eq!(verdict(&says(VALID), NOW + 630), unknown, "stale");
    assert_eq!(verdict(&says(INVALID), NOW + 630), unknown, "stale");
    assert_eq!(verdict(&StatusLists::new(4, 86_400), NOW), unknown, "absent");
    assert_eq!(verdict(&holding("x"), NOW), unknown, "unreadable");
    assert_eq!(
        verdict(&holding(&signed(&StatusList::new(Bits::One, 1).unwrap(), NOW, 600)), NOW),
        Ok(()),
        "index 7 of 8"
    );
    let ahead = holding(&signed(&list_of(&[]), NOW + 31, 600));
    assert_eq!(verdict(&ahead, NOW), unknown, "from the future");
    assert_eq!(verifier.verify(&token, NOW, &Asked::default()).unwrap_err().kind(), ErrorKind::RevocationUnknown);
    // One revoked link decides, whatever is unknown.
    let list = RevocationList::new(1);
    list.revoke_did(agent().did(), NOW).unwrap();
    let asked = Asked { standing: &|link| list.standing(link), ..Asked::default() };
    assert_eq!(verifier.verify(&token, NOW, &asked).unwrap_err().kind(), ErrorKind::Revoked);
}

#[test]
fn a_list_counts_for_its_signers_tokens_only() {
    let lists = StatusLists::new(4, 86_400);
    let text = signed(&list_of(&[(7, 1)]), NOW, 600);
    let (operator, agent) = (operator(), agent());
    lists.put(&text, URI, ListSigner::Did(operator.did()), NOW).unwrap();
    assert_eq!(lists.ask(operator.did().as_str(), &at(7), NOW), Evidence::Fresh(1));
    assert_eq!(lists.ask(agent.did().as_str(), &at(7), NOW), Evidence::Absent);
    let error = lists.put(&text, URI, ListSigner::Did(agent.did()), NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidToken);
    assert_eq!(lists.ask(agent.did().as_str(), &at(7), NOW), Evidence::Unreadable);
}

#[test]
fn a_list_by_a_named_issuer_is_read_with_its_keys() {
    let kid = format!("{}#{}", operator().did(), operator().did().multibase());
    let x = data_encoding::BASE64URL_NOPAD.encode(operator().did().public_key());
    let json = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}]}}"#);
    let keys = JwkSet::parse(&json).unwrap();
    let text = signed(&list_of(&[(7, 1)]), NOW, 600);
    // It names its signer's DID, which is not the name of the issuer.
    assert!(read_status_list(&text, URI, ListSigner::Issuer("https://login.example", &keys)).is_err());
    assert!(read_status_list(&text, URI, ListSigner::Issuer(operator().did().as_str(), &keys)).is_ok());
    assert!(read_status_list(&text, URI, ListSigner::Issuer(operator().did().as_str(), &JwkSet::default())).is_err());
}

#[test]
fn no_older_list_comes_back() {
    let operator = operator();
    let signer = ListSigner::Did(operator.did());
    let put = |lists: &StatusLists, text: &str, now: u64| lists.put(text, URI, signer, now).map_err(|e| e.kind());
    let ask = |lists: &StatusLists, now: u64| lists.ask(operator.did().as_str(), &at(7), now);
    let before = signed(&list_of(&[]), NOW, 86_400);
    let after = signed(&list_of(&[(7, 1)]), NOW + 60, 600);
    let lists = StatusLists::new(4, 86_400);
    put(&lists, &before, NOW).unwrap();
    put(&lists, &after, NOW + 60).unwrap();
    assert_eq!(put(&lists, &before, NOW + 60), Err(ErrorKind::TokenExpired));
    assert_eq!(ask(&lists, NOW + 60), Evidence::Fresh(1));
    // When the newer has expired and was cleared away, the older still does not get in.
    lists.purge(NOW + 1000);
    assert_eq!(put(&lists, &before, NOW + 1000), Err(ErrorKind::TokenExpired));
    assert_eq!(ask(&lists, NOW + 1000), Evidence::Stale);
    lists.purge(NOW + 60 + 86_400 + 31);
    assert_eq!(ask(&lists, NOW + 60 + 86_400 + 31), Evidence::Absent);
    // Nor does one that cannot be read.
    put(&lists, &after, NOW + 60).unwrap();
    assert_eq!(put(&lists, "x", NOW + 60), Err(ErrorKind::InvalidToken));
    assert_eq!(ask(&lists, NOW + 60), Evidence::Fresh(1));
}

#[test]
fn a_list_from_the_future_does_not_stand_in_the_way() {
    let operator = operator();
    let signer = ListSigner::Did(operator.did());
    let ahead = signed(&list_of(&[]), NOW * 2, 86_400);
    let honest = signed(&list_of(&[(7, 1)]), NOW, 600);
    let ask = |lists: &StatusLists| lists.ask(operator.did().as_str(), &at(7), NOW);
    let lists = StatusLists::new(4, 86_400);
    lists.put(&ahead, URI, signer, NOW).unwrap();
    assert_eq!(ask(&lists), Evidence::Stale);
    lists.put(&honest, URI, signer, NOW).unwrap();
    assert_eq!(ask(&lists), Evidence::Fresh(1));
    assert_eq!(lists.put(&ahead, URI, signer, NOW).unwrap_err().kind(), ErrorKind::TokenNotYetValid);
    assert_eq!(ask(&lists), Evidence::Fresh(1));
}

#[test]
fn lists_are_bounded_in_number() {
    let lists = StatusLists::new(1, 86_400);
    let operator = operator();
    let signer = ListSigner::Did(operator.did());
    let text = signed(&list_of(&[]), NOW, 600);
    lists.put(&text, URI, signer, NOW).unwrap();
    lists.put(&text, URI, signer, NOW).unwrap();
    let other = |uri: &str| list_at(&operator, uri, NOW, &list_of(&[]));
    let put = |uri: &str| lists.put(&other(uri), uri, signer, NOW).map_err(|error| error.kind());
    assert_eq!(put("https://other.example"), Err(ErrorKind::InvalidConfig));
    let unreadable = |uri: &str| lists.put("x", uri, signer, NOW).unwrap_err().kind();
    assert_eq!(unreadable(""), ErrorKind::InvalidToken);
    assert_eq!(unreadable(&"x".repeat(513)), ErrorKind::InvalidToken);
}

fn list_at(key: &SigningKey, uri: &str, now: u64, list: &StatusList) -> String {
    list.sign(key, &StatusListDraft { uri, now, lifetime: 600, ttl: None }).unwrap()
}

#[test]
fn what_nobody_signed_takes_no_place() {
    let lists = StatusLists::new(1, 86_400);
    let operator = operator();
    let signer = ListSigner::Did(operator.did());
    for n in 0..1000 {
        let uri = format!("{URI}{n}");
        assert_eq!(lists.put("x.y.z", &uri, signer, NOW).unwrap_err().kind(), ErrorKind::InvalidToken);
        assert_eq!(lists.ask(operator.did().as_str(), &StatusRef { index: 0, uri }, NOW), Evidence::Unreadable);
    }
    // Only the reasons of the last are remembered.
    let first = StatusRef { index: 0, uri: format!("{URI}0") };
    assert_eq!(lists.ask(operator.did().as_str(), &first, NOW), Evidence::Absent);
    assert_eq!(lists.bytes(), 0);
    lists.put(&signed(&list_of(&[]), NOW, 600), URI, signer, NOW).unwrap();
}

#[test]
fn strangers_share_one_half_and_each_trusted_issuer_keeps_its_part() {
    let lists = StatusLists::new(16, 86_400);
    let (one, two) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    lists.trust(one.did().as_str());
    lists.trust(two.did().as_str());
    let put = |key: &SigningKey, n: u8| {
        let uri = format!("{URI}{n}");
        lists.put(&list_at(key, &uri, NOW, &list_of(&[])), &uri, ListSigner::Did(key.did()), NOW).is_ok()
    };
    let taken = |key: &SigningKey| (0..20).filter(|n| put(key, *n)).count();
    let stranger = SigningKey::from_seed(&[100; 32]);
    assert_eq!(taken(&stranger), 2, "an eighth");
    assert_eq!((101..200).map(|n| taken(&SigningKey::from_seed(&[n; 32]))).sum::<usize>(), 6, "one half together");
    // The first may take what is free, but not the part of the second.
    let first = (0..20).filter(|n| put(&one, *n)).count();
    assert_eq!(first, 4);
    assert_eq!((0..20).filter(|n| put(&two, *n)).count(), 4);
    assert!((0..4).all(|n| put(&one, n)), "what is at hand can be replaced");
}

#[test]
fn lists_are_bounded_in_bytes() {
    let lists = StatusLists::within(1000, 4 * MAX_LIST_BYTES, 86_400);
    let long = StatusList::new(Bits::Eight, MAX_LIST_BYTES.try_into().unwrap()).unwrap();
    let put = |key: &SigningKey, n: u8, list: &StatusList| {
        let uri = format!("{URI}{n}");
        lists.put(&list_at(key, &uri, NOW, list), &uri, ListSigner::Did(key.did()), NOW).map_err(|error| error.kind())
    };
    let (trusted, stranger) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[100; 32]));
    lists.trust(trusted.did().as_str());
    assert_eq!(put(&stranger, 1, &long), Ok(()));
    assert_eq!(put(&stranger, 2, &long), Err(ErrorKind::InvalidConfig));
    assert_eq!((0..9).filter(|n| put(&trusted, *n, &long).is_ok()).count(), 3);
    assert_eq!(lists.bytes(), 4 * MAX_LIST_BYTES);
    assert_eq!(put(&trusted, 20, &list_of(&[])), Err(ErrorKind::InvalidConfig));
    lists.purge(NOW + 90_000);
    assert_eq!(lists.bytes(), 0);
}

#[test]
fn lists_out_of_bounds_are_refused() {
    let config = |error: xbind::Error| assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    config(StatusList::new(Bits::One, 0).unwrap_err());
    config(StatusList::new(Bits::Eight, u64::try_from(MAX_LIST_BYTES).unwrap() + 1).unwrap_err());
    config(StatusList::new(Bits::Eight, u64::MAX).unwrap_err());
    let mut list = StatusList::new(Bits::Two, 4).unwrap();
    config(list.set(4, 0).unwrap_err());
    config(list.set(u64::MAX, 0).unwrap_err());
    config(list.set(0, 4).unwrap_err());
    let draft = StatusListDraft { uri: URI, now: NOW, lifetime: 60, ttl: None };
    for draft in [
        StatusListDraft { uri: "", ..draft },
        StatusListDraft { lifetime: 0, ..draft },
        StatusListDraft { ttl: Some(0), ..draft },
        StatusListDraft { now: u64::MAX, ..draft },
    ] {
        config(list.sign(&operator(), &draft).unwrap_err());
    }
}

/// The example of the draft, section "Compressed Byte Array", byte for byte.
#[test]
fn bits_stand_as_the_draft_has_them() {
    let mut list = StatusList::new(Bits::One, 16).unwrap();
    for index in [0, 3, 4, 5, 7, 8, 9, 13, 15] {
        list.set(index, 1).unwrap();
    }
    let text = signed(&list, NOW, 60);
    let claims = data_encoding::BASE64URL_NOPAD.decode(text.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["status_list"], serde_json::json!({ "bits": 1, "lst": "eNrbuRgAAhcBXQ" }));
}

#[test]
fn each_single_bit_of_a_signed_list_counts() {
    let mut bytes = signed(&list_of(&[(7, 1)]), NOW, 600).into_bytes();
    let operator = operator();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = str::from_utf8(&bytes) {
            assert!(read_status_list(text, URI, ListSigner::Did(operator.did())).is_err(), "bit {bit}");
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_two_lists_of_one_second_both_count(
        bits in prop::sample::select(vec![Bits::One, Bits::Two, Bits::Four, Bits::Eight]),
        one in prop::collection::vec(any::<u8>(), 1..40),
        two in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let key = SigningKey::from_seed(&[5; 32]);
        let list = |bytes: &[u8]| StatusList::from_bytes(bits, bytes.to_vec()).unwrap();
        let lists = StatusLists::new(4, 86_400);
        for each in [&one, &two] {
            lists.put(&list_at(&key, URI, NOW, &list(each)), URI, ListSigner::Did(key.did()), NOW).unwrap();
        }
        for index in 0..list(&one).len().max(list(&two).len()) {
            let was = [list(&two).get(index), list(&one).get(index)];
            let expected = was.into_iter().flatten().find(|status| *status != VALID).unwrap_or(VALID);
            prop_assert_eq!(lists.ask(key.did().as_str(), &at(index), NOW), Evidence::Fresh(expected));
        }
    }

    #[test]
    fn what_is_set_is_read_back(
        bits in prop::sample::select(vec![Bits::One, Bits::Two, Bits::Four, Bits::Eight]),
        statuses in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let statuses: Vec<_> = statuses.iter().map(|status| status & bits.largest()).collect();
        let mut list = StatusList::new(bits, statuses.len().try_into().unwrap()).unwrap();
        for _ in 0..2 {
            // Written over what stands there, too.
            (0..).zip(&statuses).for_each(|(index, status)| list.set(index, status ^ bits.largest()).unwrap());
            (0..).zip(&statuses).for_each(|(index, status)| list.set(index, *status).unwrap());
        }
        let key = SigningKey::from_seed(&[5; 32]);
        let text = list.sign(&key, &StatusListDraft { uri: URI, now: NOW, lifetime: 60, ttl: Some(9) }).unwrap();
        let read = read_status_list(&text, URI, ListSigner::Did(key.did())).unwrap();
        prop_assert_eq!(&read.list, &list);
        prop_assert_eq!((read.issued_at, read.expires_at, read.ttl), (NOW, Some(NOW + 60), Some(9)));
        for (index, status) in (0..).zip(&statuses) {
            prop_assert_eq!(read.list.get(index), Some(*status));
        }
        prop_assert_eq!(read.list.get(read.list.len()), None);
    }
}
