//! What the seam promises to whoever writes a transport, and what it takes from one that is hostile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use common::calls::{call, echo, err, join, join_with, ok, options, route};
use common::{Faults, Happening, World, key};
use xbind::{Draft, ErrorKind, MessageId, Op, SigningKey, seal};
use xbind_runtime::transport::Arrival;
use xbind_runtime::{AgentOptions, Allow, Handle, Payload};

fn message(from: &SigningKey, to: &Handle, id: u8, issued_at: u64, ttl: u32) -> Arrival {
    let body = br#""hello""#;
    let draft = Draft {
        op: Op::Call,
        to: *to.did(),
        id: MessageId::from_bytes([id; 16]),
        issued_at,
        ttl,
        content_type: "application/json",
        body,
        token: None,
        in_reply_to: None,
        details: xbind::Details::default(),
    };
    let jws = seal(from, &draft).unwrap().jws;
    Arrival { to: *to.did(), jws, body: body.to_vec(), token: None }
}

#[test]
fn a_call_crosses_and_its_answer_comes_back() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, Some("a")), join(&world, 1, 2, Some("b")));
    echo(&world, &b, 0);
    let by_name = call(&world, &a, "b", "1", 1000);
    let by_did = call(&world, &a, b.did().as_str(), "2", 1000);
    world.settle();
    assert_eq!((ok(&by_name), ok(&by_did)), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn a_send_is_done_when_the_other_side_has_signed_for_it() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    let sender = a.clone();
    let sent = world.start(0, async move { sender.send("b", Payload::Bytes(vec![0, 255]), options(1000)).await });
    world.settle();
    assert_eq!(sent.borrow_mut().take().unwrap().unwrap().to, *b.did());
    let receiver = b.clone();
    let letters = world.start(0, async move { receiver.receive(10).await.unwrap() });
    world.settle();
    let letters = letters.borrow_mut().take().unwrap();
    assert!(letters.len() == 1 && letters[0].one_way && letters[0].from == *a.did());
}

#[test]
fn what_is_not_genuine_or_not_for_anybody_here_is_dropped() {
    let mut world = World::calm(2);
    let b = join(&world, 1, 2, Some("b"));
    let nobody = join(&world, 0, 3, None);
    let seen = echo(&world, &b, 0);
    world.settle();
    let (now, back, from) = (world.time().unix(), route(&world, 1, 0), key(9));
    let good = |id| message(&from, &b, id, now, 5);
    let bad = [
        Arrival { to: *nobody.did(), ..good(1) },
        Arrival { body: br#""hallo""#.to_vec(), ..good(2) },
        Arrival { token: Some("not signed for".to_owned()), ..good(3) },
        Arrival { jws: good(4).jws.replace('.', ""), ..good(4) },
        Arrival { jws: String::new(), ..good(5) },
        message(&from, &nobody, 6, now, 5),
        Arrival { to: *b.did(), ..message(&from, &nobody, 7, now, 5) },
        message(&from, &b, 8, now - 11, 5), // its life is over, and the five seconds of skew as well
        message(&from, &b, 9, now + 7, 5),  // from a future that no skew explains
        message(&from, &b, 10, now, 31),    // longer than this route lets messages live
    ];
    world.nodes[1].deliver(bad.to_vec(), back);
    world.settle();
    assert_eq!(*seen.borrow(), Vec::<String>::new());
    let fine = [good(11), message(&from, &b, 12, now - 9, 5), message(&from, &b, 13, now + 5, 30)];
    world.nodes[1].deliver(fine.to_vec(), back);
    world.settle();
    assert_eq!(seen.borrow().len(), 3);
}

#[test]
fn nobody_hears_oneself_from_elsewhere() {
    let mut world = World::calm(2);
    let here = join(&world, 0, 1, None);
    let twin = join(&world, 1, 1, None);
    let seen = echo(&world, &twin, 0);
    let answer = call(&world, &here, twin.did().as_str(), "1", 1000);
    world.settle();
    assert_eq!((err(&answer), seen.borrow().len()), (ErrorKind::WrongAudience, 0));
}

#[test]
fn a_second_copy_is_not_handled_also_after_the_agent_has_come_back() {
    let mut world = World::calm(2);
    let b = join(&world, 1, 2, Some("b"));
    let seen = echo(&world, &b, 0);
    let (back, once) = (route(&world, 1, 0), message(&key(9), &b, 1, world.time().unix(), 5));
    world.nodes[1].deliver(vec![once.clone(), once.clone()], back);
    world.settle();
    world.nodes[1].deliver(vec![once.clone()], back);
    world.settle();
    assert_eq!(seen.borrow().len(), 1);

    world.drop_tasks(1);
    drop(b);
    let again = join(&world, 1, 2, Some("b"));
    let seen = echo(&world, &again, 0);
    world.nodes[1].deliver(vec![once], back);
    world.settle();
    assert_eq!(seen.borrow().len(), 0);
}

#[test]
fn an_answer_goes_back_over_the_route_that_the_call_came_on() {
    let mut world = World::calm(3);
    let b = join(&world, 1, 2, Some("b"));
    echo(&world, &b, 0);
    let stranger = message(&key(9), &b, 1, world.time().unix(), 5);
    let back = route(&world, 1, 2);
    world.nodes[1].deliver(vec![stranger], back);
    world.settle();
    let inner = world.net.inner();
    assert_eq!(inner.carried.len(), 1);
    let (from, to, arrival) = &inner.carried[0];
    assert_eq!((*from, *to, arrival.to), (1, 2, *key(9).did()));
}

#[test]
fn an_answer_finds_the_call_of_an_older_agent_of_the_same_did() {
    let mut world = World::calm(2);
    let older = join(&world, 0, 1, None);
    let newer = join(&world, 0, 1, None);
    let b = join(&world, 1, 2, Some("b"));
    echo(&world, &b, 0);
    let (first, second) = (call(&world, &older, "b", "1", 1000), call(&world, &newer, "b", "2", 1000));
    world.settle();
    assert_eq!((ok(&first), ok(&second)), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn a_lost_connection_ends_calls_and_aborts_handlers() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    b.handle(Some(Allow::Everyone)).unwrap();
    let server = b.clone();
    let running = world.start(1, async move { server.next().await });
    let waits = call(&world, &a, "b", "1", 60_000);
    world.settle();
    let incoming = running.borrow_mut().take().unwrap().unwrap();
    assert!(!incoming.is_cancelled());
    world.net.cut(0, 1);
    world.run_for(10);
    assert!(incoming.is_cancelled());
    assert_eq!(err(&waits), ErrorKind::AgentClosed);
    drop(incoming);
    echo(&world, &b, 0);
    let again = call(&world, &a, "b", "2", 1000);
    world.settle();
    assert_eq!(ok(&again), "2", "the next connection works");
}

#[test]
fn a_call_that_certainly_did_not_arrive_ends_with_that_kind() {
    let mut world = World::new(1, 2, Faults { failed: 100, delay: 5, ..Faults::default() });
    let (a, _b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    let answer = call(&world, &a, "b", "1", 60_000);
    world.run_for(10);
    assert_eq!(err(&answer), ErrorKind::AgentNotFound);
}

#[test]
fn closing_a_node_closes_its_transport_and_ends_its_calls() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    echo(&world, &b, 60_000);
    let waits = call(&world, &a, "b", "1", 30_000);
    world.settle();
    world.nodes[0].close();
    world.settle();
    assert_eq!(world.net.inner().closed, [0]);
    assert_eq!(err(&waits), ErrorKind::AgentClosed);
}

#[test]
fn callers_elsewhere_are_told_by_signed_messages_that_an_agent_closes_or_was_stopped() {
    for stops in [false, true] {
        let mut world = World::calm(2);
        let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
        let seen = echo(&world, &b, 60_000);
        let waits = call(&world, &a, "b", "1", 60_000);
        world.settle();
        assert_eq!(seen.borrow().len(), 1);
        if stops {
            world.nodes[1].stop(&b.did().clone());
        } else {
            world.drop_tasks(1);
            world.drop_tasks(2);
            drop(b);
        }
        world.settle();
        let expected = if stops { ErrorKind::Revoked } else { ErrorKind::AgentClosed };
        assert_eq!(err(&waits), expected);
    }
}

#[test]
fn what_a_stopped_identity_sent_over_the_network_is_not_handled() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    b.handle(Some(Allow::Everyone)).unwrap();
    let calls = [call(&world, &a, "b", "1", 1000), call(&world, &a, "b", "2", 1000)];
    world.settle(); // they arrived, and no handler has begun
    world.nodes[1].stop(&a.did().clone());
    let seen = echo(&world, &b, 0);
    let late = call(&world, &a, "b", "3", 1000);
    world.run_for(2000);
    assert_eq!(*seen.borrow(), Vec::<String>::new());
    assert!(calls.iter().chain([&late]).all(|call| call.borrow().as_ref().is_some_and(Result::is_err)));
}

#[test]
fn an_answer_of_a_stranger_does_not_end_a_call() {
    let mut world = World::new(1, 2, Faults { forged: 100, ..Faults::default() });
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    echo(&world, &b, 500);
    let answer = call(&world, &a, "b", "1", 5000);
    world.run_for(100);
    assert!(answer.borrow().is_none());
    world.run_for(1000);
    assert_eq!(ok(&answer), "1");
}

#[test]
fn a_message_of_a_lost_connection_that_waited_for_the_handler_is_not_handled() {
    let mut world = World::calm(2);
    let one = AgentOptions { concurrency: 1, ..AgentOptions::default() };
    let (a, b) = (join(&world, 0, 1, None), join_with(&world, 1, 2, Some("b"), one));
    let seen = echo(&world, &b, 1000);
    let calls: Vec<_> = (0..3).map(|n| call(&world, &a, "b", &n.to_string(), 60_000)).collect();
    world.settle();
    let gone = world.net.inner().route(1, 0);
    let now = world.now();
    world.net.inner().plan(now, Happening::Gone { at: 1, route: gone });
    world.run_for(5000);
    assert_eq!(*seen.borrow(), ["0"]);
    drop(calls);
}

#[test]
fn errors_are_the_kinds_that_the_documentation_names() {
    let mut world = World::calm(1);
    let a = join(&world, 0, 1, None);
    let kinds = [
        (a.did().as_str().to_owned(), ErrorKind::WrongAudience),
        ("did:key:z6Mk".to_owned(), ErrorKind::InvalidDid),
        ("no name!".to_owned(), ErrorKind::InvalidName),
        (key(50).did().as_str().to_owned(), ErrorKind::AgentNotFound),
        ("nobody".to_owned(), ErrorKind::AgentNotFound),
    ];
    for (to, kind) in kinds {
        let answer = call(&world, &a, &to, "1", 1000);
        world.settle();
        assert_eq!(err(&answer), kind, "{to}");
    }
}
