//! Whatever is sealed opens; whatever was touched does not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "indices chosen here")]

mod common;

use common::{NOW, Verifier, batch, draft, recipient, sender};
use proptest::prelude::*;
use xbind::message::payload;
use xbind::{Draft, MessageId, Op, open, seal};

/// Flips one bit after the other and tells which flips were accepted all the same.
fn accepted_flips(verifier: &Verifier, jws: &str, body: &[u8]) -> Vec<usize> {
    let mut bytes = jws.as_bytes().to_vec();
    let mut accepted = Vec::new();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if str::from_utf8(&bytes).is_ok_and(|jws| verifier.open(jws, body).is_ok()) {
            accepted.push(bit);
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    accepted
}

#[test]
fn each_single_bit_of_a_message_counts() {
    let sealed = seal(&sender(), &draft(1, b"{}")).unwrap();
    let home = Verifier::new(recipient().did());
    assert_eq!(accepted_flips(&home, &sealed.jws, b"{}"), [0; 0]);
    assert!(home.window.is_empty());
    assert!(home.open(&sealed.jws, b"{}").is_ok());
}

#[test]
fn each_single_bit_of_a_batched_message_counts() {
    let drafts: Vec<_> = (0..7).map(|n| draft(n, b"{}")).collect();
    let sealed = batch(&sender(), &drafts);
    let home = Verifier::new(recipient().did());
    assert_eq!(accepted_flips(&home, &sealed[3].jws, b"{}"), [0; 0]);
    // Now with the root known.
    assert!(home.open(&sealed[0].jws, b"{}").is_ok());
    assert_eq!(accepted_flips(&home, &sealed[3].jws, b"{}"), [0; 0]);
    assert!(home.open(&sealed[3].jws, b"{}").is_ok());
}

fn content_type() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("application/json".to_owned()),
        "[a-zA-Z0-9][a-z0-9!#$&^_.+-]{0,20}/[a-z0-9][a-z0-9!#$&^_.+-]{0,20}",
        "text/[a-z]{1,10}[ ]{0,2};[ ]{0,2}[a-z]{1,5}=[a-zA-Z0-9.]{1,10}",
        r#"text/[a-z]{1,10}; [a-z]{1,5}="([ !#-\[\]-~]|\\[ -~]){0,20}""#,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_sealed_opens(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..12),
        content_type in content_type(),
        token in prop::option::of("[ -~]{0,40}"),
        (issued_at, ttl, now) in (NOW - 1000..NOW + 1000, 1_u32..=300)
            .prop_flat_map(|(iat, ttl)| (Just(iat), Just(ttl), iat - 30..iat + u64::from(ttl) + 30)),
        ids in any::<[u8; 14]>(),
    ) {
        let drafts: Vec<Draft<'_>> = bodies.iter().zip(0_u16..).map(|(body, n)| {
            let mut id = [0; 16];
            id[..14].copy_from_slice(&ids);
            id[14..].copy_from_slice(&n.to_be_bytes());
            Draft {
                op: if n % 2 == 0 { Op::Call } else { Op::Send },
                id: MessageId::from_bytes(id),
                issued_at,
                ttl,
                content_type: &content_type,
                token: token.as_deref(),
                ..draft(0, body)
            }
        }).collect();
        let home = Verifier::new(recipient().did());
        for (sealed, draft) in batch(&sender(), &drafts).iter().zip(&drafts) {
            let opened = open(
                &home.recipient(), now, &sealed.jws, draft.body, draft.token, |_, _| None,
            );
            let opened = opened.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(*opened.id(), draft.id);
            prop_assert_eq!(opened.op(), draft.op);
            prop_assert_eq!(opened.content_type(), &content_type);
            prop_assert_eq!(*opened.body(), draft.body);
        }
    }

    #[test]
    fn each_bit_of_a_body_counts(body in prop::collection::vec(any::<u8>(), 1..300), at in any::<prop::sample::Index>(), size in 1_usize..5) {
        let drafts: Vec<_> = (0..size).zip(0_u64..).map(|(_, n)| draft(n, &body)).collect();
        let sealed = batch(&sender(), &drafts).swap_remove(0);
        let mut touched = body.clone();
        let bit = at.index(body.len() * 8);
        touched[bit / 8] ^= 1 << (bit % 8);
        let home = Verifier::new(recipient().did());
        prop_assert!(home.open(&sealed.jws, &touched).is_err());
        prop_assert!(home.open(&sealed.jws, &body[..body.len() - 1]).is_err());
        prop_assert!(home.open(&sealed.jws, &body).is_ok());
    }

    #[test]
    fn junk_is_refused_without_a_panic(jws in "\\PC{0,200}|[A-Za-z0-9_.-]{0,400}|[A-Za-z0-9_-]{4,80}\\.[A-Za-z0-9_-]{4,80}\\.[A-Za-z0-9_-]{86}") {
        prop_assert!(Verifier::new(recipient().did()).open(&jws, b"").is_err());
    }

    /// Half a pair is found wherever it stands; a whole pair, and text that only looks like an escape, is not.
    #[test]
    fn lone_surrogates_are_found(units in prop::collection::vec(prop_oneof![
        4 => 0x20_u16..0x7f, 1 => Just(0x5c_u16), 1 => Just(0x22_u16), 2 => 0xd800_u16..0xe000, 1 => any::<u16>(),
    ], 0..20)) {
        // As JSON.stringify writes it: pairs as they are, half pairs as escapes.
        let mut text = String::from("[\"");
        for unit in char::decode_utf16(units.iter().copied()) {
            match unit {
                Ok('"') => text.push_str("\\\""),
                Ok('\\') => text.push_str("\\\\"),
                Ok(c) if c < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
                Ok(c) => text.push(c),
                Err(half) => text.push_str(&format!("\\u{:04x}", half.unpaired_surrogate())),
            }
        }
        text.push_str("\"]");
        prop_assert_eq!(payload::check_json(&text).is_ok(), String::from_utf16(&units).is_ok());
    }

    /// Agrees with a JSON parser on which texts have no Unicode form, given that they are JSON otherwise.
    #[test]
    fn escapes_are_judged_as_a_json_parser_does(text in r#"(\\u[dD][89abcdefABCDEF][0-9a-f]{2}|\\\\|\\"|\\n|\\u00[0-9a-f]{2}|[a-z ]){0,12}"#) {
        let json = format!("{{\"{text}\":[\"{text}\"]}}");
        let parsed = serde_json::from_str::<serde_json::Value>(&json);
        prop_assert_eq!(payload::check_json(&json).is_ok(), parsed.is_ok(), "{}", json);
    }
}
