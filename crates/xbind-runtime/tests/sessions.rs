//! Calls between processes name the replay window that they are meant for: nothing is handled twice, whatever is restarted,
//! and an error says whether the call may have run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use common::calls::{Seen, echo, join, join_with, options, route};
use common::{Faults, Happening, World, json, text};
use xbind::{Error, ErrorKind, Handled};
use xbind_runtime::{AgentOptions, Allow, CallOptions, Handle};

const NAMED: Faults = Faults { sessions: true, ..CALM };
const CALM: Faults = Faults {
    lost: 0,
    failed: 0,
    doubled: 0,
    tampered: 0,
    misdelivered: 0,
    replayed: 0,
    forged: 0,
    blocks: 0,
    reorders: false,
    delay: 0,
    lookups: [0; 5],
    sessions: false,
};

type Answer = Rc<RefCell<Option<Result<String, Error>>>>;

fn call(world: &World, from: &Arc<Handle>, payload: &str, options: CallOptions) -> Answer {
    let (from, payload) = (from.clone(), json(payload));
    world.start(0, async move { from.call("b", payload, options).await.map(|payload| text(&payload)) })
}

fn ask(world: &World, from: &Arc<Handle>, to: &str) -> Answer {
    let (from, to) = (from.clone(), to.to_owned());
    world.start(0, async move { from.call(&to, json("1"), options(1000)).await.map(|payload| text(&payload)) })
}

fn plain(world: &World, from: &Arc<Handle>, payload: &str) -> Answer {
    call(world, from, payload, options(60_000))
}

fn ok(answer: &Answer) -> String {
    answer.borrow().as_ref().expect("the call has ended").as_ref().expect("the call was answered").clone()
}

fn failure(answer: &Answer) -> (ErrorKind, Option<Handled>) {
    let ended = answer.borrow();
    let error = ended.as_ref().expect("the call has ended").as_ref().expect_err("the call failed");
    (error.kind(), error.handled())
}

fn world() -> (World, Arc<Handle>, Seen) {
    let world = World::new(1, 2, NAMED);
    let a = join(&world, 0, 1, Some("a"));
    let b = join(&world, 1, 2, Some("b"));
    let seen = echo(&world, &b, 0);
    (world, a, seen)
}

/// The process of `b` dies, and another one begins with the same key.
fn restart(world: &mut World) -> Seen {
    world.drop_tasks(1);
    world.restart(1);
    let b = join(world, 1, 2, None);
    echo(world, &b, 0)
}

#[test]
fn the_session_is_asked_for_once_and_each_call_crosses_once_in_order() {
    let (mut world, a, seen) = world();
    let calls: Vec<_> = (0..5).map(|n| plain(&world, &a, &n.to_string())).collect();
    world.settle();
    for (n, call) in calls.iter().enumerate() {
        assert_eq!(ok(call), n.to_string());
    }
    assert_eq!(*seen.borrow(), ["0", "1", "2", "3", "4"]);
    let crossed = world.net.inner().carried.iter().filter(|(from, ..)| *from == 0).count();
    assert_eq!(crossed, 6, "five calls, and one question before them");
    let again = plain(&world, &a, "5");
    world.settle();
    assert_eq!(ok(&again), "5");
    assert_eq!(world.net.inner().carried.iter().filter(|(from, ..)| *from == 0).count(), 7);
}

#[test]
fn a_session_that_is_forgotten_before_a_call_is_signed_is_asked_for_once_more() {
    let (mut world, a, seen) = world();
    let first = plain(&world, &a, "1");
    world.settle();
    assert_eq!(ok(&first), "1");
    let (node, way) = (world.nodes[0].clone(), route(&world, 0, 1));
    let calls: Vec<_> = ["2", "3"]
        .into_iter()
        .map(|payload| {
            let (a, node) = (a.clone(), node.clone());
            world.start(0, async move {
                let mut calling = pin!(a.call("b", json(payload), options(60_000)));
                let answer = poll_fn(|context| {
                    let polled = calling.as_mut().poll(context);
                    node.forget_sessions(way); // as when the other side closes a connection just now
                    polled
                });
                answer.await.map(|payload| text(&payload))
            })
        })
        .collect();
    world.settle();
    let answers: Vec<_> = calls.iter().map(ok).collect();
    assert_eq!((answers, &*seen.borrow()), (vec!["2".into(), "3".into()], &vec!["1".into(), "2".into(), "3".into()]));
}

#[test]
fn who_was_told_a_session_calls_with_it_though_connections_end_all_the_time() {
    let mut world = World::new(1, 2, Faults { delay: 10, ..NAMED });
    let (a, b) = (join(&world, 0, 1, Some("a")), join(&world, 1, 2, Some("b")));
    let seen = echo(&world, &b, 0);
    world.ends = true;
    let calls: Vec<_> = (0..3).map(|n| plain(&world, &a, &n.to_string())).collect();
    world.run_for(5_000);
    assert_eq!(calls.iter().map(ok).collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!(*seen.borrow(), ["0", "1", "2"]);
    let crossed = world.net.inner().carried.iter().filter(|(from, ..)| *from == 0).count();
    assert!(crossed <= 6, "{crossed} messages for three calls");
    let next = plain(&world, &a, "3");
    world.run_for(5_000);
    assert_eq!(ok(&next), "3");
}

#[test]
fn a_question_that_is_lost_is_put_again_a_few_times_and_no_call_that_waits_for_it_has_begun() {
    for (times, answered) in [(3, true), (4, false)] {
        let (mut world, a, seen) = world();
        world.net.inner().faults.lost = 100;
        let calls =
            [false, true].map(|idempotent| call(&world, &a, "1", CallOptions { idempotent, ..options(60_000) }));
        world.settle();
        for n in 1..=times {
            let asked: Vec<_> = world.net.inner().calls.clone();
            assert_eq!(asked.len(), n);
            world.net.inner().faults.lost = if n == times { 0 } else { 100 };
            world.nodes[0].lost(asked[n - 1], ErrorKind::AgentClosed);
            world.settle();
        }
        for call in calls {
            if answered {
                assert_eq!(ok(&call), "1");
            } else {
                assert_eq!(failure(&call), (ErrorKind::AgentClosed, Some(Handled::No)));
            }
        }
        assert_eq!(seen.borrow().len(), if answered { 2 } else { 0 });
    }
}

#[test]
fn both_ways_at_once_is_no_knot() {
    let (mut world, a, _) = world();
    echo(&world, &a, 0);
    let b = world.nodes[1].join(xbind_runtime::Key::Local(common::key(3)), None, AgentOptions::default());
    let (b, to) = (Arc::new(b.unwrap()), a.did().as_str().to_owned());
    let there = plain(&world, &a, "1");
    let back = world.start(0, async move { b.call(&to, json("2"), options(1000)).await.map(|payload| text(&payload)) });
    world.settle();
    assert_eq!((ok(&there), ok(&back)), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn what_was_accepted_before_a_restart_is_never_accepted_after_it() {
    let (mut world, a, seen) = world();
    let first = plain(&world, &a, "1");
    world.settle();
    assert_eq!((ok(&first), seen.borrow().len()), ("1".to_owned(), 1));
    let seen = restart(&mut world);
    let old: Vec<_> = world.net.inner().carried.iter().filter(|(from, ..)| *from == 0).cloned().collect();
    for (_, to, arrival) in old {
        let (now, back) = (world.now(), route(&world, 1, 0));
        world.net.inner().plan(now, Happening::Arrive { at: to, arrival, back });
    }
    world.run_for(1000);
    assert!(seen.borrow().is_empty(), "handled twice: {seen:?}");
}

#[test]
fn a_call_to_a_session_that_is_over_may_have_run_and_the_next_one_finds_the_new_one() {
    let (mut world, a, _) = world();
    let first = plain(&world, &a, "1");
    world.settle();
    assert_eq!(ok(&first), "1");
    let seen = restart(&mut world);
    let stale = plain(&world, &a, "2");
    world.settle();
    assert_eq!(failure(&stale), (ErrorKind::StaleSession, Some(Handled::Unknown)));
    let next = plain(&world, &a, "3");
    world.settle();
    assert_eq!((ok(&next), &*seen.borrow()), ("3".to_owned(), &vec!["3".to_owned()]));
}

#[test]
fn one_that_may_run_twice_is_signed_anew() {
    let (mut world, a, _) = world();
    let first = plain(&world, &a, "1");
    world.settle();
    assert_eq!(ok(&first), "1");
    let seen = restart(&mut world);
    let idempotent = || CallOptions { idempotent: true, ..options(60_000) };
    let calls: Vec<_> = (2..5).map(|n| call(&world, &a, &n.to_string(), idempotent())).collect();
    world.settle();
    assert_eq!(calls.iter().map(ok).collect::<Vec<_>>(), ["2", "3", "4"]);
    assert_eq!(seen.borrow().len(), 3);
}

#[test]
fn a_lost_connection_ends_a_call_unless_it_may_run_twice() {
    let mut world = World::new(1, 2, NAMED);
    let (a, b) = (join(&world, 0, 1, Some("a")), join(&world, 1, 2, Some("b")));
    let seen = echo(&world, &b, 500);
    let once = plain(&world, &a, "1");
    let twice = call(&world, &a, "2", CallOptions { idempotent: true, ..options(60_000) });
    world.run_for(100);
    world.net.cut(0, 1);
    world.run_for(5_000);
    assert_eq!(failure(&once), (ErrorKind::AgentClosed, Some(Handled::Unknown)));
    assert_eq!((ok(&twice), &*seen.borrow()), ("2".to_owned(), &vec!["1".to_owned(), "2".to_owned(), "2".to_owned()]));
}

#[test]
fn what_is_known_of_the_last_copy_of_a_call_says_nothing_of_the_first() {
    let mut world = World::new(1, 2, NAMED);
    let (a, b) = (join(&world, 0, 1, Some("a")), join(&world, 1, 2, Some("b")));
    let seen = echo(&world, &b, 500);
    let twice = call(&world, &a, "1", CallOptions { idempotent: true, ..options(60_000) });
    world.run_for(100);
    assert_eq!(*seen.borrow(), ["1"]);
    b.handle(Some(Allow::only([*b.did()]))).unwrap();
    world.net.cut(0, 1);
    world.run_for(5_000);
    assert_eq!(seen.borrow().len(), 1);
    assert_eq!(failure(&twice), (ErrorKind::NotAllowed, Some(Handled::Unknown)));
}

#[test]
fn one_that_may_run_twice_ends_when_it_is_lost_while_there_is_no_room_to_sign_it_anew() {
    let mut world = World::new(1, 2, NAMED);
    world.net.inner().limits.max_parcel = 128 << 20;
    let large = || AgentOptions { max_payload_bytes: 64 << 20, ..AgentOptions::default() };
    let (a, b) = (join_with(&world, 0, 1, Some("a"), large()), join_with(&world, 1, 2, Some("b"), large()));
    let seen = echo(&world, &b, 50_000);
    let body = |megabytes: usize| format!("\"{}\"", "x".repeat(megabytes << 20));
    let twice = call(&world, &a, &body(20), CallOptions { idempotent: true, ..options(60_000) });
    world.run_for(1000);
    assert_eq!(seen.borrow().len(), 1);
    let lost = *world.net.inner().calls.last().unwrap();
    world.net.block(0, 1, 0);
    let _blocker = plain(&world, &a, "0");
    world.run_for(1000);
    let _full: Vec<_> = (0..4).map(|_| plain(&world, &a, &body(60))).collect();
    world.run_for(1000);
    world.nodes[0].lost(lost, ErrorKind::AgentClosed);
    world.run_for(1000);
    assert_eq!(failure(&twice), (ErrorKind::AgentClosed, Some(Handled::Unknown)));
}

#[test]
fn sessions_change_under_a_call_a_few_times_at_most() {
    let (mut world, a, _) = world();
    let first = plain(&world, &a, "0");
    world.settle();
    assert_eq!(ok(&first), "0");
    world.net.block(0, 1, 0);
    let twice = call(&world, &a, "1", CallOptions { idempotent: true, ..options(60_000) });
    world.settle();
    for _ in 0..4 {
        restart(&mut world);
        world.net.block(0, 1, 1); // each attempt meets a session that has just begun
        world.nodes[0].writable(route(&world, 0, 1));
        world.settle();
    }
    assert_eq!(failure(&twice), (ErrorKind::StaleSession, Some(Handled::Unknown)));
}

#[test]
fn an_error_says_whether_the_call_ran() {
    let (mut world, a, _) = world();
    let b = join(&world, 1, 4, Some("strict"));
    b.handle(Some(Allow::only([*b.did()]))).unwrap();
    let (refused, unknown) = (ask(&world, &a, "strict"), ask(&world, &a, "nobody"));
    world.settle();
    assert_eq!(failure(&refused), (ErrorKind::NotAllowed, Some(Handled::No)));
    assert_eq!(failure(&unknown), (ErrorKind::AgentNotFound, Some(Handled::No)));

    let failing = join(&world, 1, 5, Some("failing"));
    failing.handle(Some(Allow::Everyone)).unwrap();
    let handle = failing.clone();
    world.spawn(1, async move {
        if let Some(incoming) = handle.next().await {
            incoming.refuse(ErrorKind::HandlerFailed);
        }
        std::future::pending::<()>().await;
    });
    let failed = ask(&world, &a, "failing");
    world.settle();
    assert_eq!(failure(&failed), (ErrorKind::HandlerFailed, Some(Handled::Yes)));

    world.net.inner().faults.lost = 100;
    let silent = ask(&world, &a, "failing");
    world.run_for(2000);
    assert_eq!(failure(&silent), (ErrorKind::Timeout, Some(Handled::Unknown)));
}
