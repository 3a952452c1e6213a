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

use common::World;
use common::calls::{call, echo, err, join, join_with, ok};
use xbind::ErrorKind;
use xbind_runtime::AgentOptions;

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
