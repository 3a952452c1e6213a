//! `vectors/fetch.json`: which addresses and URLs may be asked, and on whose word.

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::collections::HashSet;
use std::net::IpAddr;

use serde::Deserialize;
use xbind_net::address::{Class, class};
use xbind_net::{Target, Whose};

#[derive(Deserialize)]
struct Vectors {
    addresses: Vec<Address>,
    urls: Vec<UrlCase>,
}

#[derive(Deserialize)]
struct Address {
    address: IpAddr,
    class: String,
    why: String,
}

#[derive(Deserialize)]
struct UrlCase {
    url: String,
    owner: Option<String>,
    stranger: Option<String>,
    why: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../vectors/fetch.json")).unwrap()
}

#[test]
fn each_address_is_of_its_class() {
    let mut wrong = Vec::new();
    for Address { address, class: expected, why } in vectors().addresses {
        let found = format!("{:?}", class(address)).to_lowercase();
        if found != expected {
            wrong.push(format!("{address} ({why}): {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_url_may_be_asked_or_not() {
    let mut wrong = Vec::new();
    for UrlCase { url, owner, stranger, why } in vectors().urls {
        for (whose, expected) in [(Whose::Owner, owner.clone()), (Whose::Listed, owner), (Whose::Stranger, stranger)] {
            let found = Target::parse(&url, whose).err().map(|error| error.to_string());
            if found != expected {
                wrong.push(format!("{url:?} ({why}), {whose:?}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_stranger_may_never_ask_what_the_owner_may_not() {
    for UrlCase { url, .. } in vectors().urls {
        if Target::parse(&url, Whose::Stranger).is_ok() {
            assert!(Target::parse(&url, Whose::Owner).is_ok(), "{url}");
        }
    }
    for Address { address, .. } in vectors().addresses {
        for secure in [true, false] {
            if Whose::Stranger.accepts(address, secure).is_ok() {
                assert_eq!((class(address), secure), (Class::Public, true));
                assert_eq!(Whose::Owner.accepts(address, secure), Ok(()));
            }
        }
    }
}

#[test]
fn what_is_taken_is_read_the_same_again() {
    for UrlCase { url, .. } in vectors().urls {
        if let Ok(target) = Target::parse(&url, Whose::Owner) {
            assert_eq!(Target::parse(target.as_str(), Whose::Owner).as_ref(), Ok(&target), "{url}");
        }
    }
}

#[test]
fn no_case_is_there_twice() {
    let vectors = vectors();
    let urls: HashSet<_> = vectors.urls.iter().map(|case| &case.url).collect();
    let addresses: HashSet<_> = vectors.addresses.iter().map(|case| case.address).collect();
    assert_eq!((urls.len(), addresses.len()), (vectors.urls.len(), vectors.addresses.len()));
}
