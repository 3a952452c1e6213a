//! No status list makes the reader panic or inflate without bounds, and what is signed reads back.
#![no_main]

mod forge;

use forge::{base64url, header, signed};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use xbind::rights::MAX_LIST_BYTES;
use xbind::{
    Bits, Evidence, ListSigner, SigningKey, StatusList, StatusListDraft, StatusLists, StatusRef, read_status_list,
};

const NOW: u64 = 1_735_689_600;
const URI: &str = "https://api.example/status";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[1; 32]));

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => as_text(rest),
        1 => as_claims(rest),
        2 => as_packed(rest),
        _ => as_statuses(rest),
    }
});

/// The whole text of a list.
fn as_text(text: &[u8]) {
    if let Ok(text) = str::from_utf8(text) {
        check(text);
    }
}

/// The claims, under an honest header and signature.
fn as_claims(claims: &[u8]) {
    check(&signed(&KEY, &header(&KEY, "statuslist+jwt"), claims));
}

/// What should be zlib.
fn as_packed(bytes: &[u8]) {
    let packed = base64url(bytes);
    as_claims(format!(r#"{{"sub":"{URI}","iat":{NOW},"status_list":{{"bits":1,"lst":"{packed}"}}}}"#).as_bytes());
}

fn as_statuses(statuses: &[u8]) {
    let Ok(mut list) = StatusList::new(Bits::Eight, statuses.len().try_into().unwrap_or(u64::MAX)) else { return };
    for (index, status) in (0..).zip(statuses) {
        list.set(index, *status).expect("an index in the list");
    }
    let draft = StatusListDraft { uri: URI, now: NOW, lifetime: 60, ttl: None };
    let text = list.sign(&KEY, &draft).expect("an honest list");
    assert_eq!(read_status_list(&text, URI, ListSigner::Did(KEY.did())).expect("what was signed").list, list);
}

fn check(text: &str) {
    let read = read_status_list(text, URI, ListSigner::Did(KEY.did()));
    let lists = StatusLists::new(1, 86_400);
    assert_eq!(lists.put(text, URI, ListSigner::Did(KEY.did()), NOW).is_ok(), read.is_ok());
    let first = lists.ask(KEY.did().as_str(), &StatusRef { index: 0, uri: URI.to_owned() }, NOW);
    let Ok(read) = read else { return assert_eq!(first, Evidence::Unreadable) };
    assert!(matches!(first, Evidence::Fresh(_) | Evidence::Stale));
    assert!((1..=8 * MAX_LIST_BYTES as u64).contains(&read.list.len()));
    assert!(read.list.get(read.list.len() - 1).is_some() && read.list.get(read.list.len()).is_none());
}
