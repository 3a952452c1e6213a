//! Which status lists are fetched, and when.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use std::collections::HashSet;

use xbind::{ListSigner, SigningKey, StatusList, StatusListDraft, StatusLists, StatusRef};
use xbind_net::{Documents, Due, Whose};

const NOW: u64 = 1_800_000_000;
const URI: &str = "https://status.example/1";

fn at(uri: &str) -> StatusRef {
    StatusRef { index: 3, uri: uri.to_owned() }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn issuer() -> String {
    key().did().to_string()
}

fn lists() -> StatusLists {
    StatusLists::new(8, 86_400)
}

fn put(lists: &StatusLists, now: u64) {
    let list = StatusList::new(xbind::Bits::One, 10).unwrap();
    let signed = list.sign(&key(), &StatusListDraft { uri: URI, now, lifetime: 3600, ttl: None }).unwrap();
    lists.put(&signed, URI, ListSigner::Did(key().did()), now).unwrap();
}

#[test]
fn what_is_missing_is_fetched_once_and_not_again_until_it_is_old() {
    let (lists, documents) = (lists(), Documents::new(None, 8, 300, 86_400));
    let due = |now| documents.due(&lists, &issuer(), &at(URI), true, now);
    assert_eq!(due(NOW), Due::Fetch(Whose::Stranger));
    assert_eq!(due(NOW), Due::Running);
    put(&lists, NOW);
    documents.came(&issuer(), URI, NOW, None);
    assert_eq!(due(NOW + 299), Due::No);
    assert_eq!(due(NOW + 300), Due::Fetch(Whose::Stranger));
}

#[test]
fn what_did_not_come_says_why_and_is_asked_for_again_later() {
    let (lists, documents) = (lists(), Documents::new(None, 8, 300, 86_400));
    let due = |now| documents.due(&lists, &issuer(), &at(URI), true, now);
    assert_eq!(due(NOW), Due::Fetch(Whose::Stranger));
    documents.came(&issuer(), URI, NOW, Some("no answer".into()));
    assert_eq!(due(NOW + 29), Due::Failed("no answer".into()));
    assert_eq!(due(NOW + 30), Due::Fetch(Whose::Stranger));
    documents.came(&issuer(), URI, NOW + 30, Some("no answer".into()));
    assert_eq!(due(NOW - 1), Due::Fetch(Whose::Stranger), "a clock that goes back does not stop it");
}

#[test]
fn what_was_put_in_by_hand_is_fetched_only_once_it_says_nothing_any_more() {
    let (lists, documents) = (lists(), Documents::new(None, 8, 300, 86_400));
    put(&lists, NOW);
    assert_eq!(documents.due(&lists, &issuer(), &at(URI), true, NOW + 3000), Due::No);
    assert_eq!(documents.due(&lists, &issuer(), &at(URI), true, NOW + 3700), Due::Fetch(Whose::Stranger));
}

#[test]
fn a_delegate_names_no_address_unless_its_origin_is_the_owners() {
    let open = Documents::new(None, 8, 300, 86_400);
    assert_eq!(open.due(&lists(), &issuer(), &at(URI), false, NOW), Due::No);
    let origins = HashSet::from(["https://status.example".to_owned()]);
    let listed = Documents::new(Some(origins), 8, 300, 86_400);
    assert_eq!(listed.due(&lists(), &issuer(), &at(URI), false, NOW), Due::Fetch(Whose::Listed));
    for elsewhere in ["https://status.example:444/1", "http://status.example/1", "https://status.example.evil/1", "x"] {
        assert_eq!(listed.due(&lists(), &issuer(), &at(elsewhere), true, NOW), Due::No, "{elsewhere}");
    }
}

#[test]
fn delegates_take_half_of_the_room_and_what_failed_makes_room() {
    let (lists, origins) = (lists(), HashSet::from(["https://status.example".to_owned()]));
    let documents = Documents::new(Some(origins), 4, 300, 86_400);
    let due = |path: u64, first| {
        let uri = format!("https://status.example/{path}");
        documents.due(&lists, &issuer(), &at(&uri), first, NOW)
    };
    let fetch = Due::Fetch(Whose::Listed);
    assert_eq!([due(1, false), due(2, false), due(3, false)], [fetch.clone(), fetch.clone(), Due::No]);
    assert_eq!([due(4, true), due(5, true), due(6, true)], [fetch.clone(), fetch.clone(), Due::No]);
    documents.came(&issuer(), "https://status.example/4", NOW, Some("no answer".into()));
    assert_eq!(due(6, true), fetch);
}
