//! Rotation: statements signed by two keys, and what each key of a history may do when.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "numbers chosen here")]

mod common;

use common::NOW;
use proptest::prelude::*;
use xbind::rights::MAX_KEYS;
use xbind::rights::{DEFAULT_OVERLAP, MAX_NOTICE, MAX_OVERLAP};
use xbind::{Did, ErrorKind, KeyHistory, KeyState, Rotation, SigningKey};

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn did(n: u8) -> Did {
    *key(n).did()
}

/// From one key to the next, at once.
fn rotation(from: u8, to: u8, at: u64, overlap: u64) -> Rotation {
    Rotation { old: did(from), new: did(to), issued_at: at, active_from: at, overlap }
}

fn history() -> KeyHistory {
    KeyHistory::new(did(1), NOW)
}

fn states(history: &KeyHistory, n: u8, times: &[u64]) -> Vec<KeyState> {
    times.iter().map(|at| history.state(&did(n), *at).unwrap()).collect()
}

#[test]
fn a_statement_is_signed_by_both_and_read_back() {
    let rotation = rotation(1, 2, NOW, DEFAULT_OVERLAP);
    let text = rotation.sign(&key(1), &key(2)).unwrap();
    assert_eq!(Rotation::verify(&text).unwrap(), rotation);
    let unsigned = rotation.unsigned().unwrap();
    let [by_old, by_new] = unsigned.to_sign();
    let signatures = (key(1).sign(by_old.as_bytes()), key(2).sign(by_new.as_bytes()));
    assert_eq!(unsigned.finish(&signatures.0, &signatures.1), text);
}

#[test]
fn statements_out_of_bounds_are_refused() {
    let honest = rotation(1, 2, NOW, DEFAULT_OVERLAP);
    for fault in [
        Rotation { new: did(1), ..honest },
        Rotation { overlap: MAX_OVERLAP + 1, ..honest },
        Rotation { active_from: NOW - 1, ..honest },
        Rotation { active_from: NOW + MAX_NOTICE + 1, ..honest },
        Rotation { issued_at: u64::MAX, active_from: u64::MAX, ..honest },
    ] {
        assert_eq!(fault.unsigned().err().unwrap().kind(), ErrorKind::InvalidConfig, "{fault:?}");
    }
    assert_eq!(honest.sign(&key(2), &key(1)).unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert_eq!(honest.sign(&key(1), &key(3)).unwrap_err().kind(), ErrorKind::InvalidConfig);
}

#[test]
fn each_single_bit_of_a_statement_counts() {
    let honest = rotation(1, 2, NOW, DEFAULT_OVERLAP);
    let mut bytes = honest.sign(&key(1), &key(2)).unwrap().into_bytes();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = str::from_utf8(&bytes) {
            assert!(Rotation::verify(text).is_err(), "bit {bit}");
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_planned_rotation_overlaps() {
    use KeyState::{Active, Prepared, Retired, Retiring};
    let mut history = history();
    history.prepare(&Rotation { active_from: NOW + 100, ..rotation(1, 2, NOW, 50) }, NOW * 2).unwrap();
    let times = [NOW - 1, NOW, NOW + 99, NOW + 100, NOW + 149, NOW + 150, u64::MAX];
    assert_eq!(states(&history, 1, &times), [Prepared, Active, Active, Retiring, Retiring, Retired, Retired]);
    assert_eq!(states(&history, 2, &times), [Prepared, Prepared, Prepared, Active, Active, Active, Active]);
    let current: Vec<_> = times.iter().map(|at| history.current(*at).copied()).collect();
    assert_eq!(current, [None, Some(did(1)), Some(did(1)), Some(did(2)), Some(did(2)), Some(did(2)), Some(did(2))]);
    assert_eq!(*history.name(), did(1));
    assert_eq!(history.state(&did(9), NOW), None);
    assert!(!history.may_sign(&did(9), NOW) && !history.verifies(&did(9), NOW));
}

#[test]
fn old_receipts_still_verify() {
    let mut history = history();
    history.prepare(&rotation(1, 2, NOW + 100, 50), NOW * 2).unwrap();
    history.prepare(&rotation(2, 3, NOW + 500, 50), NOW * 2).unwrap();
    assert!(history.verifies(&did(1), NOW + 149) && !history.verifies(&did(1), NOW + 150));
    assert!(history.verifies(&did(2), NOW + 100) && !history.verifies(&did(2), NOW + 99));
    assert!(history.may_sign(&did(3), NOW + 10_000));
    assert!(history.taint(&did(2), NOW + 300));
    assert!(history.verifies(&did(2), NOW + 299), "before the doubt");
    assert!(!history.verifies(&did(2), NOW + 300), "after it");
    assert!(!history.taint(&did(2), NOW + 300) && !history.taint(&did(2), NOW + 400));
    assert!(!history.verifies(&did(2), NOW + 300), "the earliest doubt holds");
    assert!(history.revoke(&did(2)));
    assert!(!history.verifies(&did(2), NOW + 101), "nothing that it signed stands");
    assert!(!history.revoke(&did(2)) && !history.taint(&did(2), 0) && !history.activate(&did(2), 0), "for ever");
    assert!(history.verifies(&did(1), NOW + 101), "the others are untouched");
    assert!(!history.taint(&did(9), 0) && !history.revoke(&did(9)) && !history.activate(&did(9), 0));
}

#[test]
fn an_emergency_has_no_overlap() {
    let mut history = history();
    history.prepare(&rotation(1, 2, NOW + 100, 0), NOW * 2).unwrap();
    assert_eq!(
        states(&history, 1, &[NOW + 99, NOW + 100, NOW + 101]),
        [KeyState::Active, KeyState::Tainted, KeyState::Tainted]
    );
    assert!(history.may_sign(&did(2), NOW + 100));
}

#[test]
fn a_prepared_key_can_be_brought_forward() {
    let mut history = history();
    history.prepare(&Rotation { active_from: NOW + 1000, ..rotation(1, 2, NOW, 50) }, NOW * 2).unwrap();
    history.revoke(&did(1));
    assert_eq!(history.current(NOW + 10), None);
    assert!(history.activate(&did(2), NOW + 10));
    assert_eq!(history.current(NOW + 10), Some(&did(2)));
    assert!(!history.activate(&did(2), NOW + 5000) && !history.activate(&did(2), NOW + 10));
    assert_eq!(history.current(NOW + 10), Some(&did(2)), "never put off");
}

#[test]
fn a_key_has_one_successor_and_comes_once() {
    let mut history = history();
    let refused =
        |history: &mut KeyHistory, rotation: Rotation| history.prepare(&rotation, NOW * 2).unwrap_err().kind();
    let broken = ErrorKind::InvalidDelegation;
    let first = rotation(1, 2, NOW + 10, 50);
    history.prepare(&first, NOW * 2).unwrap();
    history.prepare(&first, NOW * 2).unwrap();
    assert_eq!(refused(&mut history, rotation(1, 3, NOW + 10, 50)), broken, "another successor");
    assert_eq!(refused(&mut history, rotation(1, 2, NOW + 11, 50)), broken, "the same one, otherwise");
    assert_eq!(refused(&mut history, rotation(3, 4, NOW + 10, 50)), broken, "by a stranger");
    assert_eq!(refused(&mut history, rotation(2, 1, NOW + 20, 50)), broken, "back to the first");
    assert_eq!(refused(&mut history, rotation(2, 3, NOW + 9, 50)), broken, "before its own time");
    history.prepare(&rotation(2, 3, NOW + 10, 50), NOW * 2).unwrap();
}

#[test]
fn a_doubtful_key_names_no_successor() {
    for doubt in [KeyHistory::revoke, |history: &mut KeyHistory, did: &Did| history.taint(did, NOW + 100)] {
        let mut history = history();
        assert!(doubt(&mut history, &did(1)));
        for signed_at in [NOW, NOW + 99, NOW + 100] {
            // A thief writes whatever time he likes.
            let error = history.prepare(&rotation(1, 66, signed_at, 50), NOW * 2).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidDelegation);
        }
    }
}

#[test]
fn a_rotation_from_the_future_freezes_nothing() {
    let mut history = history();
    for ahead in [31, 3600, 94_000_000_000, u64::MAX - NOW] {
        let at = NOW + ahead;
        let far = Rotation { old: did(1), new: did(66), issued_at: at, active_from: at, overlap: 0 };
        assert_eq!(history.prepare(&far, NOW).unwrap_err().kind(), ErrorKind::TokenNotYetValid, "{ahead} s ahead");
        assert_eq!(history.state(&did(66), u64::MAX), None);
    }
    assert!(history.may_sign(&did(1), NOW));
    history.prepare(&rotation(1, 2, NOW + 30, 50), NOW).unwrap();
    // What is known is known, whatever the clock says now.
    history.prepare(&rotation(1, 2, NOW + 30, 50), 0).unwrap();
}

#[test]
fn a_history_is_bounded() {
    let mut history = history();
    for n in 1..u8::try_from(MAX_KEYS).unwrap() {
        history.prepare(&rotation(n, n + 1, NOW + u64::from(n), 5), NOW * 2).unwrap();
    }
    let one_more = rotation(64, 65, NOW + 100, 5);
    assert_eq!(history.prepare(&one_more, NOW * 2).unwrap_err().kind(), ErrorKind::InvalidDelegation);
}

proptest! {
    #[test]
    fn there_is_always_somebody_to_sign_and_never_a_crowd(
        steps in prop::collection::vec((0..1000_u64, 0..500_u64, 1..400_u64), 0..8),
        asked in prop::collection::vec(0..12_000_u64, 20),
    ) {
        let mut history = history();
        let mut start = NOW;
        let mut last = 1;
        for (after, notice, overlap) in steps {
            // Signed by a key that is in use, so no earlier than its own start.
            let rotation = Rotation { active_from: start + after + notice, ..rotation(last, last + 1, start + after, overlap) };
            history.prepare(&rotation, NOW * 2).unwrap();
            start = rotation.active_from;
            last += 1;
        }
        for at in asked.iter().map(|at| NOW + at) {
            let keys: Vec<_> = (1..=last).filter(|n| history.may_sign(&did(*n), at)).collect();
            prop_assert!(!keys.is_empty());
            prop_assert_eq!(history.current(at).copied(), keys.last().map(|n| did(*n)));
            // Those before the current one are on their way out.
            let active: Vec<_> = keys.iter().filter(|n| history.state(&did(**n), at) == Some(KeyState::Active)).collect();
            prop_assert_eq!(active, vec![keys.last().unwrap()]);
        }
    }
}
