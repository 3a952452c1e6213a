//! Status lists of others, as a face has them.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test that panics fails")]

use xbind::{Bits, SigningKey, StatusList, StatusListDraft, StatusRef};
use xbind_binding::revocation::{ListSource, SourcePolicy};

const URI: &str = "https://status.example/1";
const NOW: u32 = 1_800_000_000;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

/// A source that wants lists anew after a minute, with one that was put in.
fn source(more: &str) -> ListSource {
    let policy = format!(r#"{{ "maxLists": 8, "maxBytes": 1048576, "maxAge": 86400, "refresh": 60{more} }}"#);
    let source = ListSource::new(&serde_json::from_str::<SourcePolicy>(&policy).unwrap());
    put(&source, 0);
    source
}

fn put(source: &ListSource, since: u32) {
    let draft = StatusListDraft { uri: URI, now: u64::from(NOW + since), lifetime: 600, ttl: None };
    let signed = StatusList::new(Bits::One, 10).unwrap().sign(&key(), &draft).unwrap();
    source.put(&signed, URI, key().did().as_str(), None, f64::from(NOW + since)).unwrap();
}

/// Whether a guard asks for it.
fn is_due(source: &ListSource, since: u32) -> bool {
    let status = StatusRef { index: 3, uri: URI.to_owned() };
    source.lists.is_due(key().did().as_str(), &status, u64::from(NOW + since))
}

/// What is to be done then.
fn looks(source: &ListSource, since: u32) -> String {
    let status = serde_json::from_str(&format!(r#"{{ "index": 3, "uri": "{URI}" }}"#)).unwrap();
    serde_json::to_string(&source.due(key().did().as_str(), &status, true, f64::from(NOW + since))).unwrap()
}

#[test]
fn a_list_is_to_be_asked_for_again_when_the_owner_of_its_source_says() {
    let source = source("");
    assert_eq!([59, 60].map(|since| is_due(&source, since)), [false, true]);
}

#[test]
fn one_that_may_not_be_fetched_is_not_asked_for_by_every_call() {
    for more in ["", r#", "origins": []"#] {
        let source = source(more);
        assert_eq!(looks(&source, 60), r#"{"running":false}"#);
        assert_eq!([60, 61, 89, 90].map(|since| is_due(&source, since)), [false, false, false, true], "{more}");
    }
}

#[test]
fn one_that_does_not_come_is_not_asked_for_by_every_call_but_all_wait_while_it_is_on_its_way() {
    let source = source("");
    let (fetch, failed) = (r#"{"fetch":"stranger","running":false}"#, r#"{"running":false,"failure":"no answer"}"#);
    let came = |since, failure| source.came(key().did().as_str(), URI, f64::from(NOW + since), failure);
    assert_eq!(looks(&source, 700), fetch, "the one that was put in says nothing any more");
    put(&source, 700);
    came(700, None);
    assert_eq!(looks(&source, 760), fetch);
    assert_eq!((is_due(&source, 761), looks(&source, 761)), (true, r#"{"running":true}"#.to_owned()));
    assert!(is_due(&source, 762));
    came(760, Some("no answer"));
    assert_eq!((is_due(&source, 763), looks(&source, 763)), (true, failed.to_owned()));
    assert_eq!([763, 792, 793].map(|since| is_due(&source, since)), [false, false, true]);
    assert_eq!(looks(&source, 793), fetch);
}
