//! Words of progress, the time that a caller gives, and what is told to the other side when it is over.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests"
)]

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use common::calls::{Answer, call, err, join, join_with, ok, options};
use common::streams::{Puppet, carried, deliver, ops, seq};
use common::{World, json, sleep, text};
use xbind::{Details, ErrorKind, Op};
use xbind_runtime::{AgentOptions, Allow, CallOptions, Handle, Progress};

const PLACES: [(usize, usize); 2] = [(0, 0), (0, 1)];

fn patient(each: u64, total: u64) -> CallOptions {
    CallOptions { total: Some(Duration::from_millis(total)), ..options(each) }
}

fn call_with(world: &World, from: &Arc<Handle>, to: &str, options: CallOptions) -> Answer {
    let (from, to) = (from.clone(), to.to_owned());
    world.start(0, async move {
        let answer = from.call(&to, json("null"), options).await;
        answer.map(|payload| text(&payload)).map_err(|error| error.kind())
    })
}

/// Says so many words, one every so many milliseconds, and then answers. When handlers saw that nobody waits any more.
fn works(world: &World, handle: &Arc<Handle>, words: u64, every: u64) -> Rc<RefCell<Vec<u64>>> {
    handle.handle(Some(Allow::Everyone)).unwrap();
    let cancelled = Rc::<RefCell<Vec<u64>>>::default();
    let (handle, net, spawned, seen) = (handle.clone(), world.net.clone(), world.spawner(), cancelled.clone());
    world.spawn(1, async move {
        while let Some(incoming) = handle.next().await {
            let (net, seen) = (net.clone(), seen.clone());
            spawned.borrow_mut().push((
                2,
                Box::pin(async move {
                    for word in 0..words {
                        sleep(net.clone(), every).await;
                        if incoming.is_cancelled() {
                            seen.borrow_mut().push(net.inner().now);
                            return;
                        }
                        let progress = Progress { progress: Some(word as f64), ..Progress::default() };
                        incoming.progress(&progress).unwrap();
                    }
                    incoming.reply(json("\"done\""));
                }),
            ));
        }
    });
    cancelled
}

#[test]
fn each_word_gives_the_other_side_its_time_again() {
    for (at, there) in PLACES {
        let mut world = World::calm(2);
        let (asker, worker) = (join(&world, at, 1, None), join(&world, there, 2, Some("worker")));
        works(&world, &worker, 10, 900);
        let patient = call_with(&world, &asker, "worker", patient(1_000, 20_000));
        let impatient = call(&world, &asker, "worker", "null", 1_000);
        world.run_for(30_000);
        assert_eq!(ok(&patient), "\"done\"");
        assert_eq!(err(&impatient), ErrorKind::Timeout, "who gives no more time than that is not kept waiting");
    }
}

#[test]
fn all_words_together_give_no_more_than_the_total() {
    for (at, there) in PLACES {
        let mut world = World::calm(2);
        let (asker, worker) = (join(&world, at, 1, None), join(&world, there, 2, Some("worker")));
        let cancelled = works(&world, &worker, 100, 900);
        let answer = call_with(&world, &asker, "worker", patient(1_000, 5_000));
        world.run_for(4_999);
        assert!(answer.borrow().is_none());
        world.run_for(2);
        assert_eq!(err(&answer), ErrorKind::Timeout);
        world.run_for(2_000);
        assert_eq!(*cancelled.borrow(), [5_400], "its handler was told");
    }
}

#[test]
fn a_captured_word_gives_no_time_again() {
    let mut world = World::calm(2);
    let asker = join(&world, 0, 1, None);
    let (puppet, stranger) = (Puppet::new(&world, 2, Some("worker")), Puppet::new(&world, 3, None));
    let answer = call_with(&world, &asker, "worker", patient(1_000, 60_000));
    world.settle();
    let about = carried(&world, 0)[0].reference();
    let to = *asker.did();
    world.run_for(500);
    let word = puppet.say(&mut world, Op::Progress, &to, Some(about), "{}", seq(5));
    for _ in 0..20 {
        world.run_for(100);
        deliver(&mut world, word.clone());
        puppet.say(&mut world, Op::Progress, &to, Some(about), "{}", seq(5));
        puppet.say(&mut world, Op::Progress, &to, Some(about), "{}", seq(4));
        puppet.say(&mut world, Op::Progress, &to, Some(about), "[]", seq(1_000));
        stranger.say(&mut world, Op::Progress, &to, Some(about), "{}", seq(900));
        if world.now() < 1_500 {
            assert!(answer.borrow().is_none());
        }
    }
    assert_eq!(err(&answer), ErrorKind::Timeout);
    let cancels = carried(&world, 0).into_iter().filter(|message| message.op() == "cancel").count();
    assert_eq!(cancels, 1);
}

#[test]
fn many_words_at_once_are_few_messages() {
    let mut world = World::calm(2);
    let (asker, worker) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("worker")));
    worker.handle(Some(Allow::Everyone)).unwrap();
    let handle = worker.clone();
    world.spawn(1, async move {
        let incoming = handle.next().await.unwrap();
        for _ in 0..10_000 {
            incoming.progress(&Progress::default()).unwrap();
        }
        incoming.reply(json("1"));
    });
    let answer = call_with(&world, &asker, "worker", patient(1_000, 5_000));
    world.settle();
    assert_eq!(ok(&answer), "1");
    let words = ops(&world, 1).iter().filter(|op| *op == "progress").count();
    assert!((1..=16).contains(&words), "{words}");
}

#[test]
fn the_last_word_of_a_stream_can_be_read() {
    let mut world = World::calm(2);
    let (asker, worker) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("worker")));
    worker.handle(Some(Allow::Everyone)).unwrap();
    let handle = worker.clone();
    world.spawn(1, async move {
        let incoming = handle.next().await.unwrap();
        for n in [1.0, 2.0] {
            incoming
                .progress(&Progress { progress: Some(n), total: Some(2.0), message: Some("so far".to_owned()) })
                .unwrap();
        }
        std::future::pending::<()>().await;
    });
    let stream = asker.stream("worker", json("null"), CallOptions::default()).unwrap();
    world.settle();
    let word = stream.progress().unwrap();
    assert_eq!((word.progress, word.total, word.message.as_deref()), (Some(2.0), Some(2.0), Some("so far")));
    assert!(stream.progress().is_none());
}

#[test]
fn what_a_caller_waits_is_what_it_says() {
    let mut world = World::calm(2);
    let asker = join(&world, 0, 1, None);
    let _puppet = Puppet::new(&world, 2, Some("worker"));
    let _short = call(&world, &asker, "worker", "null", 1_234);
    let _long = call_with(&world, &asker, "worker", patient(1_000, 60_000));
    world.settle();
    let waits: Vec<_> = carried(&world, 0).iter().map(|call| call.claims["dl"].as_u64()).collect();
    assert_eq!(waits, [Some(1_234), Some(60_000)]);
    world.run_for(100_000);
    assert_eq!(ops(&world, 0), ["call", "call", "cancel", "cancel"], "both have given up, and said so");
}

#[test]
fn a_handler_is_told_when_its_caller_waits_no_more_though_nobody_says_so() {
    let mut world = World::calm(2);
    let worker = join(&world, 0, 1, None);
    let cancelled = works(&world, &worker, 100, 100);
    let puppet = Puppet::new(&world, 2, None);
    let details = Details { deadline_ms: Some(1_050), ..Details::default() };
    puppet.say(&mut world, Op::Call, worker.did(), None, "null", details);
    world.run_for(20_000);
    assert_eq!(*cancelled.borrow(), [1_100]);
    assert!(!ops(&world, 0).contains(&"result".to_owned()));
}

#[test]
fn what_cannot_be_answered_in_time_does_not_begin() {
    let mut world = World::calm(2);
    let one = AgentOptions { concurrency: 1, ..AgentOptions::default() };
    let worker = join_with(&world, 0, 1, None, one);
    let cancelled = works(&world, &worker, 1, 5_000);
    let puppet = Puppet::new(&world, 2, None);
    let waits = |milliseconds| Details { deadline_ms: Some(milliseconds), ..Details::default() };
    for milliseconds in [20_000, 1_000, 20_000] {
        puppet.say(&mut world, Op::Call, worker.did(), None, "null", waits(milliseconds));
    }
    world.run_for(30_000);
    assert_eq!(ops(&world, 0), ["progress", "result", "progress", "result"], "the second waited in vain");
    assert!(cancelled.borrow().is_empty());
}

#[test]
fn a_call_that_is_given_up_is_cancelled_wherever_it_is() {
    for (at, there) in PLACES {
        let mut world = World::calm(2);
        let (asker, worker) = (join(&world, at, 1, None), join(&world, there, 2, Some("worker")));
        let cancelled = works(&world, &worker, 100, 100);
        let _timed_out = call(&world, &asker, "worker", "null", 250);
        world.run_for(1_000);
        assert_eq!(*cancelled.borrow(), [300]);
        let _dropped = call(&world, &asker, "worker", "null", 60_000);
        world.run_for(150);
        world.drop_tasks(0);
        world.run_for(1_000);
        assert_eq!(*cancelled.borrow(), [300, 1_200]);
    }
}

#[test]
fn a_call_that_waits_for_its_handler_can_be_cancelled() {
    let mut world = World::calm(2);
    let one = AgentOptions { concurrency: 1, ..AgentOptions::default() };
    let (asker, worker) = (join(&world, 0, 1, None), join_with(&world, 1, 2, Some("worker"), one));
    works(&world, &worker, 1, 1_000);
    let first = call(&world, &asker, "worker", "1", 10_000);
    let second = call(&world, &asker, "worker", "2", 100);
    let third = call(&world, &asker, "worker", "3", 10_000);
    world.run_for(10_000);
    assert_eq!(
        (ok(&first), err(&second), ok(&third)),
        ("\"done\"".to_owned(), ErrorKind::Timeout, "\"done\"".to_owned())
    );
    let results = ops(&world, 1).iter().filter(|op| *op == "result").count();
    assert_eq!(results, 2, "nobody worked on the second");
}
