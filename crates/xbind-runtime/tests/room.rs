//! Room at recipients and on routes: it is bounded, announced, and goes to whoever waits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use std::sync::Arc;

use common::World;
use common::calls::{Seen, call, echo, err, join, join_with, ok};
use xbind::ErrorKind;
use xbind_runtime::{AgentOptions, Handle};

#[test]
fn a_transport_that_takes_nothing_bounds_the_outbox_and_goes_on_in_order() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    let seen = echo(&world, &b, 0);
    world.net.block(0, 1, 2);
    let first: Vec<_> = (0..5).map(|n| call(&world, &a, "b", &n.to_string(), 60_000)).collect();
    world.settle();
    let second: Vec<_> = (5..200).map(|n| call(&world, &a, "b", &n.to_string(), 60_000)).collect();
    world.settle();
    assert_eq!(*seen.borrow(), ["0", "1"]);
    world.net.unblock(0, 1);
    world.settle();
    let expected: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!(*seen.borrow(), expected);
    let answers: Vec<_> = first.iter().chain(&second).map(ok).collect();
    assert_eq!(answers, expected);
}

#[test]
fn a_full_outbox_says_so_and_has_room_again_when_calls_have_ended() {
    let mut world = World::calm(2);
    world.net.inner().limits.max_parcel = 128 << 20;
    let (a, _b) = (join_with(&world, 0, 1, None, large()), join_with(&world, 1, 2, Some("b"), large()));
    world.net.block(0, 1, 0);
    let blocker = call(&world, &a, "b", "0", 1000);
    world.settle();
    let body = format!("\"{}\"", "x".repeat(60 << 20));
    let calls: Vec<_> = (0..5).map(|_| call(&world, &a, "b", &body, 1000)).collect();
    world.settle();
    assert_eq!(err(&calls[4]), ErrorKind::InboxFull);
    assert!(calls[3].borrow().is_none());
    world.run_for(1500);
    assert_eq!(err(&blocker), ErrorKind::Timeout);
    assert_eq!(err(&calls[3]), ErrorKind::InboxFull, "it never left, for want of room");
    let again = call(&world, &a, "b", &body, 1000);
    world.settle();
    assert!(again.borrow().is_none(), "there is room again");
}

fn large() -> AgentOptions {
    AgentOptions { max_payload_bytes: 64 << 20, ..AgentOptions::default() }
}

#[test]
fn a_parcel_over_the_limit_of_its_route_does_not_leave() {
    let mut world = World::calm(2);
    world.net.inner().limits.max_parcel = 4000;
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    echo(&world, &b, 0);
    let large = call(&world, &a, "b", &format!("\"{}\"", "x".repeat(4000)), 1000);
    let small = call(&world, &a, "b", "1", 1000);
    world.settle();
    assert_eq!((err(&large), ok(&small)), (ErrorKind::PayloadTooLarge, "1".to_owned()));
}

#[test]
fn room_that_one_caller_gave_up_waiting_for_goes_to_the_next() {
    let mut world = World::calm(1);
    let small = AgentOptions { inbox_messages: 1, concurrency: 1, ..AgentOptions::default() };
    let b = join_with(&world, 0, 9, Some("b"), small);
    let others: Vec<_> = (1..7).map(|seed| join(&world, 0, seed, None)).collect();
    let seen = echo(&world, &b, 1000);
    // One call runs, two take all the room there is, and each place that they give back is offered to one who has given up.
    let filled: Vec<_> =
        others.iter().zip(0..3).map(|(from, n)| call(&world, from, "b", &n.to_string(), 60_000)).collect();
    world.settle();
    let give_up: Vec<_> = others[3..5].iter().map(|from| call(&world, from, "b", "100", 100)).collect();
    world.settle();
    let patient = call(&world, &others[5], "b", "200", 60_000);
    world.run_for(30_000);
    assert!(give_up.iter().all(|call| err(call) == ErrorKind::InboxFull));
    assert_eq!(ok(&patient), "200");
    assert_eq!(filled.iter().map(ok).collect::<Vec<_>>(), ["0", "1", "2"]);
    assert!(!seen.borrow().contains(&"100".to_owned()));
}

#[test]
fn a_payload_that_never_fits_an_inbox_does_not_wait_for_room() {
    let mut world = World::calm(1);
    let small = AgentOptions { inbox_bytes: 10, concurrency: 1, ..AgentOptions::default() };
    let b = join_with(&world, 0, 9, Some("b"), small);
    let (one, other) = (join(&world, 0, 1, None), join(&world, 0, 2, None));
    echo(&world, &b, 1000);
    let first = call(&world, &one, "b", "1", 60_000);
    world.settle();
    let large = call(&world, &one, "b", r#""far more than ten bytes""#, 60_000);
    let next = call(&world, &other, "b", "2", 60_000);
    world.run_for(10);
    assert_eq!(err(&large), ErrorKind::InboxFull);
    world.run_for(10_000);
    assert_eq!((ok(&first), ok(&next)), ("1".to_owned(), "2".to_owned()));
}

/// An agent with room for 3000 bytes of one sender and 4000 in all, whose handler takes 10 ms.
fn narrow(world: &World) -> (Arc<Handle>, Seen) {
    let options = AgentOptions { inbox_bytes: 3000, concurrency: 1, ..AgentOptions::default() };
    let b = join_with(world, 0, 200, Some("b"), options);
    let seen = echo(world, &b, 10);
    (b, seen)
}

fn sized(name: &str, bytes: usize) -> String {
    format!("\"{name:_<width$}\"", width = bytes - 2)
}

fn place(seen: &Seen, name: &str) -> usize {
    let is_it = |text: &String| text[1..].trim_end_matches(['_', '"']) == name;
    seen.borrow().iter().position(is_it).expect("it was handled")
}

#[test]
fn a_large_message_gets_in_while_many_send_small_ones() {
    let mut world = World::calm(1);
    let (_b, seen) = narrow(&world);
    let others: Vec<_> = (1..21).map(|seed| join(&world, 0, seed, None)).collect();
    let large = join(&world, 0, 100, None);
    for from in &others {
        (0..50).for_each(|_| drop(call(&world, from, "b", &sized("small", 100), 60_000)));
    }
    world.settle();
    let answer = call(&world, &large, "b", &sized("large", 3000), 60_000);
    world.run_for(30_000);
    assert_eq!((seen.borrow().len(), ok(&answer).len()), (1001, 3000));
    let place = place(&seen, "large");
    assert!(place < 150, "{place}: it needs what 60 of 100 bytes leave, and what is there already goes first");
}

#[test]
fn whoever_waits_with_much_does_not_hold_up_those_who_need_little() {
    let mut world = World::calm(1);
    let (_b, seen) = narrow(&world);
    let filler: Vec<_> = (1..5).map(|seed| join(&world, 0, seed, None)).collect();
    let strangers: Vec<_> = (20..80).map(|seed| join(&world, 0, seed, None)).collect();
    let modest = join(&world, 0, 100, None);
    for from in &filler {
        (0..10).for_each(|_| drop(call(&world, from, "b", &sized("filler", 100), 60_000)));
    }
    world.settle();
    for from in &strangers {
        (0..3).for_each(|_| drop(call(&world, from, "b", &sized("large", 3000), 60_000)));
    }
    world.settle();
    // One that comes while all wait, and one that waits itself behind them all.
    drop(call(&world, &modest, "b", &sized("first", 100), 60_000));
    drop(call(&world, &modest, "b", &sized("second", 1000), 60_000));
    world.run_for(10_000);
    let (first, second) = (place(&seen, "first"), place(&seen, "second"));
    assert!(first < 60 && second < 80, "{first} {second}");
    assert_eq!(seen.borrow().len(), 222);
}

#[test]
fn whoever_has_used_up_its_own_share_holds_nobody_back() {
    let mut world = World::calm(1);
    let (_b, seen) = narrow(&world);
    let (greedy, other) = (join(&world, 0, 1, None), join(&world, 0, 2, None));
    let small: Vec<_> = (10..20).map(|seed| join(&world, 0, seed, None)).collect();
    for n in 0..40 {
        drop(call(&world, &greedy, "b", &sized(&format!("own{n}"), 100), 60_000));
    }
    drop(call(&world, &greedy, "b", &sized("greedy", 3000), 60_000));
    for from in &small {
        (0..40).for_each(|_| drop(call(&world, from, "b", &sized("small", 100), 60_000)));
    }
    world.settle();
    drop(call(&world, &other, "b", &sized("other", 2500), 60_000));
    world.run_for(30_000);
    let (other, greedy) = (place(&seen, "other"), place(&seen, "greedy"));
    assert!(other < 150 && other < greedy, "{other} {greedy}");
    assert_eq!(seen.borrow().len(), 442);
}

#[test]
fn a_large_call_that_gives_up_leaves_what_was_put_aside_for_it() {
    let mut world = World::calm(1);
    let (_b, seen) = narrow(&world);
    let small: Vec<_> = (10..20).map(|seed| join(&world, 0, seed, None)).collect();
    for from in &small {
        (0..40).for_each(|_| drop(call(&world, from, "b", &sized("small", 100), 60_000)));
    }
    world.settle();
    let (one, other) = (join(&world, 0, 1, None), join(&world, 0, 2, None));
    let gives_up = call(&world, &one, "b", &sized("one", 3000), 100);
    let stays = call(&world, &other, "b", &sized("other", 3000), 60_000);
    world.run_for(30_000);
    assert_eq!((err(&gives_up), ok(&stays).len()), (ErrorKind::InboxFull, 3000));
    assert!(place(&seen, "other") < 250);
    assert_eq!(seen.borrow().len(), 401);
}
