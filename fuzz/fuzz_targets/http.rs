//! Nothing makes the parsers of HTTP signatures panic, what they read they write in one way, and what can be asked for can be
//! signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xbind::http::message::RequestHead;
use xbind::http::profile::Profile;
use xbind::http::sfv;
use xbind::http::sign::{RequestDraft, sign};
use xbind::http::target::{Authority, Scheme, Target};
use xbind::http::verify::{RequestPolicy, RequestVerifier};
use xbind::SigningKey;

const NOW: u64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    fields(text);
    if let Some(authority) = Authority::parse(text) {
        assert_eq!(Authority::parse(&authority.text()).expect("what was written"), authority);
    }
    if let Ok(target) = Target::parse(text) {
        assert!(target.path.starts_with('/') && target.query != Some(""));
        signed(text);
    }
    received(text);
});

fn fields(text: &str) {
    if let Some(item) = sfv::item(text) {
        let mut once = String::new();
        sfv::write_item(&mut once, &item);
        assert_eq!(sfv::item(&once).expect("what was written"), item);
    }
    for (_, member) in sfv::dictionary(text).unwrap_or_default() {
        let mut once = "a=".to_owned();
        sfv::write_member(&mut once, &member);
        assert_eq!(sfv::dictionary(&once).expect("what was written"), [("a", member)]);
    }
}

fn verifier(profile: Profile) -> RequestVerifier {
    let key = SigningKey::from_seed(&[1; 32]);
    let policy = RequestPolicy {
        profile,
        authorities: vec!["api.example".to_owned()],
        clock_skew: 5,
        max_age: 300,
        max_body: 1024,
        started: None,
        allowed: None,
        keys: vec![*key.did()],
        max_tracked: 100,
    };
    RequestVerifier::new(policy).expect("a policy")
}

/// Whatever can be asked for can be signed, and is accepted.
fn signed(target: &str) {
    let key = SigningKey::from_seed(&[1; 32]);
    let host = [("Host", "api.example")];
    let head = RequestHead { method: "GET", scheme: Scheme::Https, authority: None, target, fields: &host };
    let draft = RequestDraft { profile: Profile::Xbind, created: NOW, ttl: 60, nonce: [1; 64], token: None, approval: None, agent: None };
    let added = sign(&key, &head, b"", &draft).expect("a request");
    let all: Vec<_> = host.into_iter().chain(added.iter().map(|(name, value)| (*name, value.as_str()))).collect();
    let request = verifier(Profile::Xbind).authenticate(&RequestHead { fields: &all, ..head }, NOW).expect("genuine");
    assert_eq!(request.from(), key.did());
}

/// A head in lines: the target, then fields.
fn received(text: &str) {
    let (target, rest) = text.split_once('\n').unwrap_or((text, ""));
    let fields: Vec<_> = rest.lines().filter_map(|line| line.split_once(": ")).collect();
    let head = RequestHead { method: "GET", scheme: Scheme::Https, authority: None, target, fields: &fields };
    for profile in [Profile::Xbind, Profile::Wba, Profile::WbaLegacy] {
        if let Ok(request) = verifier(profile).authenticate(&head, NOW) {
            assert!(text.contains("keyid=") && !request.nonce().is_empty() && request.until() >= NOW);
        }
    }
}
