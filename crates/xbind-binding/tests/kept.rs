//! Keys of agents that are kept elsewhere, as a face has them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

#[path = "../../xbind-authority/tests/common/transit.rs"]
mod transit;

use std::sync::mpsc::channel;

use transit::Transit;
use xbind::SigningKey;
use xbind_binding::kept::{KeptPlace, ask};

/// Ways to keys that are remembered.
const MAX_KEYS: usize = 1024;

#[test]
fn the_ways_to_1024_keys_are_remembered_and_no_more() {
    let key = SigningKey::from_seed(&[1; 32]);
    let transit = Transit::start(&[key.duplicate()]);
    let sign = |n: usize| {
        let (url, file, time) = (transit.url(), transit.token_file(), 5000 + n);
        let place = format!(r#"{{ "url": "{url}", "key": "authority", "tokenFile": {file:?}, "timeoutMs": {time} }}"#);
        let place: KeptPlace = serde_json::from_str(&place).unwrap();
        let (tell, told) = channel();
        ask(&place, Some(key.did().as_str()), Some(b"bytes"))(Box::new(move |signed| tell.send(signed).unwrap()));
        assert_eq!(told.recv().unwrap().unwrap(), key.sign(b"bytes"));
    };
    (0..MAX_KEYS).for_each(sign);
    assert_eq!(transit.told(), MAX_KEYS);
    (0..MAX_KEYS).for_each(sign);
    assert_eq!(transit.told(), MAX_KEYS, "none is looked up again");
    sign(MAX_KEYS);
    (0..=MAX_KEYS).for_each(sign);
    assert!(transit.told() > MAX_KEYS + 1, "one had to go");
}
