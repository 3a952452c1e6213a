//! Accepting nothing twice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "times chosen here")]

mod common;

use common::{NOW, Verifier, batch, draft, recipient, sender, verdict};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::{Barrier, LazyLock};
use std::thread;
use xbind::{Did, ErrorKind, MessageId, ReplayWindow, SigningKey, seal};

fn id(n: u8) -> MessageId {
    MessageId::from_bytes([n; 16])
}

fn did(n: u8) -> Did {
    *SigningKey::from_seed(&[n; 32]).did()
}

static SENDER: LazyLock<Did> = LazyLock::new(|| did(1));

fn accept(window: &ReplayWindow, n: u8, until: u64, now: u64) -> Result<(), ErrorKind> {
    window.reserve(&SENDER, &id(n), until, now).map(xbind::Reservation::commit).map_err(|error| error.kind())
}

#[test]
fn an_id_is_accepted_once_per_sender() {
    let window = ReplayWindow::new(10);
    assert_eq!(accept(&window, 1, 100, 50), Ok(()));
    assert_eq!(accept(&window, 1, 100, 50), Err(ErrorKind::Replayed));
    assert_eq!(accept(&window, 1, 999, 50), Err(ErrorKind::Replayed));
    assert_eq!(accept(&window, 2, 100, 50), Ok(()));
    assert!(window.reserve(&did(2), &id(1), 100, 50).is_ok());
}

#[test]
fn entries_stay_through_their_last_second() {
    let window = ReplayWindow::new(10);
    accept(&window, 1, 100, 50).unwrap();
    assert_eq!(accept(&window, 1, 100, 99), Err(ErrorKind::Replayed));
    assert_eq!(accept(&window, 1, 100, 100), Err(ErrorKind::Replayed), "the boundary is inclusive");
    assert_eq!(accept(&window, 1, 200, 101), Ok(()), "a new message may use the id again");
}

#[test]
fn a_dropped_reservation_leaves_no_trace() {
    let window = ReplayWindow::new(1);
    for _ in 0..1000 {
        drop(window.reserve(&SENDER, &id(1), 100, 50).unwrap());
        assert!(window.is_empty());
    }
    let held = window.reserve(&SENDER, &id(1), 100, 50).unwrap();
    assert_eq!(accept(&window, 1, 100, 50), Err(ErrorKind::Replayed), "being opened");
    assert_eq!(accept(&window, 2, 100, 50), Err(ErrorKind::ReplayWindowFull), "a reservation takes its place");
    drop(held);
    assert_eq!(accept(&window, 1, 100, 50), Ok(()));
}

#[test]
fn a_released_reservation_does_not_shorten_a_later_one() {
    let window = ReplayWindow::new(10);
    drop(window.reserve(&SENDER, &id(1), 100, 50).unwrap());
    accept(&window, 1, 300, 50).unwrap();
    assert_eq!(accept(&window, 1, 300, 200), Err(ErrorKind::Replayed));
    assert_eq!(accept(&window, 1, 300, 300), Err(ErrorKind::Replayed));
}

#[test]
fn a_late_release_does_not_take_a_successor_along() {
    let window = ReplayWindow::new(10);
    let slow = window.reserve(&SENDER, &id(1), 100, 50).unwrap();
    accept(&window, 1, 300, 101).unwrap();
    drop(slow);
    assert_eq!(accept(&window, 1, 300, 101), Err(ErrorKind::Replayed));
    let slow = window.reserve(&SENDER, &id(2), 150, 101).unwrap();
    accept(&window, 2, 300, 151).unwrap();
    slow.commit();
    assert_eq!(accept(&window, 2, 300, 200), Err(ErrorKind::Replayed));
}

#[test]
fn a_full_window_refuses_and_forgets_nothing() {
    let window = ReplayWindow::new(3);
    for n in 1..=3 {
        accept(&window, n, 100 + u64::from(n), 50).unwrap();
    }
    assert_eq!(accept(&window, 4, 110, 50), Err(ErrorKind::ReplayWindowFull));
    for n in 1..=3 {
        assert_eq!(accept(&window, n, 100 + u64::from(n), 50), Err(ErrorKind::Replayed));
    }
    assert_eq!(accept(&window, 4, 110, 101), Err(ErrorKind::ReplayWindowFull), "the first one's last second");
    assert_eq!(accept(&window, 4, 110, 102), Ok(()));
    assert_eq!(accept(&window, 5, 110, 102), Err(ErrorKind::ReplayWindowFull));
    assert_eq!(accept(&ReplayWindow::new(0), 1, 100, 50), Err(ErrorKind::ReplayWindowFull));
}

#[test]
fn a_clock_that_goes_back_brings_nothing_back() {
    let window = ReplayWindow::new(10);
    accept(&window, 1, 100, 50).unwrap();
    accept(&window, 2, 200, 50).unwrap();
    // The clock jumps ahead, the first is dropped, the clock comes back.
    accept(&window, 3, 250, 150).unwrap();
    assert_eq!(accept(&window, 1, 100, 50), Err(ErrorKind::Replayed));
    assert_eq!(accept(&window, 2, 200, 50), Err(ErrorKind::Replayed));
    assert_eq!(accept(&window, 4, 101, 50), Ok(()), "it can't have been among the dropped");
    window.purge(1000);
    assert!(window.is_empty());
    assert_eq!(accept(&window, 3, 250, 50), Err(ErrorKind::Replayed), "even when nothing is left");
    assert_eq!(accept(&window, 5, 251, 50), Ok(()));
}

#[test]
fn the_expired_make_room_a_few_at_a_time() {
    let window = ReplayWindow::new(10_000);
    for n in 0..10_000_u32 {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        window.reserve(&SENDER, &MessageId::from_bytes(bytes), 100, 50).unwrap().commit();
    }
    for n in 0..200 {
        accept(&window, n, 300, 200).unwrap();
    }
    assert_eq!(window.len(), 200);
    window.purge(301);
    assert!(window.is_empty());
}

#[test]
fn of_64_copies_at_once_exactly_one_is_accepted() {
    let key = sender();
    let single = seal(&key, &draft(1, b"{}")).unwrap().jws;
    let drafts = [draft(2, b"{}"), draft(3, b"{}"), draft(4, b"{}")];
    let batched = batch(&key, &drafts).swap_remove(1).jws;
    for jws in [single, batched] {
        let home = Verifier::new(recipient().did());
        let start = Barrier::new(64);
        let verdicts: Vec<_> = thread::scope(|scope| {
            let open = || {
                start.wait();
                verdict(&home.open(&jws, b"{}"))
            };
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == "accepted").count(), 1);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == "REPLAYED").count(), 63);
    }
}

#[test]
fn of_64_copies_with_wrong_bodies_none_burns_the_message() {
    let sealed = seal(&sender(), &draft(1, b"{}")).unwrap();
    let home = Verifier::new(recipient().did());
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| assert!(home.open(&sealed.jws, b"[]").is_err()));
        }
    });
    assert!(home.window.is_empty());
    assert_eq!(verdict(&home.open(&sealed.jws, b"{}")), "accepted");
}

#[test]
fn a_leaf_counts_once_under_whatever_root() {
    let key = sender();
    let first = [draft(1, b"{}"), draft(2, b"{}")];
    let second = [draft(3, b"{}"), draft(2, b"{}"), draft(4, b"{}")];
    let home = Verifier::new(recipient().did());
    assert_eq!(verdict(&home.open(&batch(&key, &first)[1].jws, b"{}")), "accepted");
    assert_eq!(verdict(&home.open(&batch(&key, &second)[1].jws, b"{}")), "REPLAYED");
    assert_eq!(verdict(&home.open(&seal(&key, &draft(2, b"{}")).unwrap().jws, b"{}")), "REPLAYED");
    assert_eq!(verdict(&home.open(&batch(&key, &second)[2].jws, b"{}")), "accepted");
}

#[derive(Clone, Debug)]
enum Step {
    /// Accept this id, in time for so many seconds more.
    Accept(u8, u64),
    /// Reserve and give up.
    Release(u8, u64),
    /// The clock goes on, or back.
    Tick(i64),
    Purge,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..20, 0_u64..30).prop_map(|(n, life)| Step::Accept(n, life)),
        1 => (0_u8..20, 0_u64..30).prop_map(|(n, life)| Step::Release(n, life)),
        2 => (0_i64..15).prop_map(Step::Tick),
        1 => (-40_i64..0).prop_map(Step::Tick),
        1 => Just(Step::Purge),
    ]
}

proptest! {
    /// Against a model that remembers everything: what is in time is never accepted twice, the bound holds, and nothing
    /// is refused without need unless the clock went back.
    #[test]
    fn it_never_forgets_and_never_grows(steps in prop::collection::vec(step(), 1..200), capacity in 1_usize..12) {
        let window = ReplayWindow::new(capacity);
        let mut accepted: HashSet<(u8, u64)> = HashSet::new();
        let (mut now, mut latest) = (NOW, NOW);
        for step in steps {
            match step {
                Step::Accept(n, life) => {
                    let until = now + life;
                    let in_time: HashSet<u8> =
                        accepted.iter().filter(|(_, until)| *until >= now).map(|(n, _)| *n).collect();
                    let again = now <= until && accepted.contains(&(n, until));
                    let went_back = now < latest;
                    match accept(&window, n, until, now) {
                        Ok(()) => {
                            prop_assert!(!again, "{n} was accepted twice");
                            prop_assert!(went_back || !in_time.contains(&n));
                            prop_assert!(went_back || in_time.len() < capacity);
                            accepted.insert((n, until));
                        }
                        Err(ErrorKind::Replayed) => prop_assert!(went_back || in_time.contains(&n)),
                        Err(ErrorKind::ReplayWindowFull) => prop_assert!(in_time.len() >= capacity),
                        Err(other) => prop_assert!(false, "{other:?}"),
                    }
                }
                Step::Release(n, life) => drop(window.reserve(&SENDER, &id(n), now + life, now)),
                Step::Tick(by) => now = now.saturating_add_signed(by),
                Step::Purge => window.purge(now),
            }
            latest = latest.max(now);
            prop_assert!(window.len() <= capacity);
        }
    }
}

#[test]
fn a_sender_that_floods_leaves_room_for_others() {
    let window = ReplayWindow::new(9);
    for n in 0..9 {
        assert_eq!(accept(&window, n, 100, 50), Ok(()));
    }
    assert_eq!(accept(&window, 9, 100, 50), Err(ErrorKind::ReplayWindowFull));
    for n in 0..3 {
        assert!(window.reserve(&did(2), &id(n), 100, 50).is_ok_and(|place| {
            place.commit();
            true
        }));
    }
    let error = window.reserve(&did(3), &id(1), 100, 50).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ReplayWindowFull);
    // What expires gives each its share back.
    assert_eq!(accept(&window, 10, 300, 101), Ok(()));
    assert!(window.reserve(&did(3), &id(1), 300, 101).is_ok());
    window.purge(301);
    assert!(window.is_empty());
    for n in 20..29 {
        assert_eq!(accept(&window, n, 400, 301), Ok(()));
    }
}
