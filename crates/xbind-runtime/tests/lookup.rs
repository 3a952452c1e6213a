//! Names and DIDs that are looked up: what they mean, and what waits meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use std::future::Future as _;
use std::sync::Arc;

use common::calls::{call, echo, err, join, ok, route};
use common::{Faults, World, json, key};
use xbind::ErrorKind;
use xbind_runtime::transport::{Remote, Resolved, Resolver, Route};
use xbind_runtime::{CallOptions, Handle};

#[test]
fn a_name_with_holders_here_and_elsewhere_is_ambiguous() {
    let mut world = World::calm(3);
    let a = join(&world, 0, 1, None);
    let here = join(&world, 0, 2, Some("b"));
    let seen = echo(&world, &here, 0);
    let alone = call(&world, &a, "b", "1", 1000);
    world.settle();
    assert_eq!(ok(&alone), "1");
    let there = join(&world, 1, 3, Some("b"));
    let both = call(&world, &a, "b", "2", 1000);
    world.settle();
    assert_eq!(err(&both), ErrorKind::AmbiguousName);
    drop(there);
    let (one, other) = (join(&world, 1, 4, Some("c")), join(&world, 2, 5, Some("c")));
    let elsewhere = call(&world, &a, "c", "3", 1000);
    world.settle();
    assert_eq!((err(&elsewhere), seen.borrow().len()), (ErrorKind::AmbiguousName, 1));
    drop((one, other));
}

#[test]
fn the_same_identity_here_and_elsewhere_is_called_here() {
    let mut world = World::calm(2);
    let a = join(&world, 0, 1, None);
    let (here, there) = (join(&world, 0, 2, Some("b")), join(&world, 1, 2, Some("b")));
    let (seen_here, seen_there) = (echo(&world, &here, 0), echo(&world, &there, 0));
    let by_name = call(&world, &a, "b", "1", 1000);
    let by_did = call(&world, &a, here.did().as_str(), "2", 1000);
    world.settle();
    assert_eq!((ok(&by_name), ok(&by_did)), ("1".to_owned(), "2".to_owned()));
    assert_eq!((seen_here.borrow().len(), seen_there.borrow().len()), (2, 0));
}

/// A resolver whose answers the test gives.
#[derive(Clone, Default)]
struct Desk(Arc<std::sync::Mutex<Vec<(String, Resolved)>>>);

impl Resolver for Desk {
    fn resolve(&self, to: &str, done: Resolved) {
        self.0.lock().unwrap().push((to.to_owned(), done));
    }
}

impl Desk {
    fn answer(&self, to: &str, remotes: &[Remote]) {
        let asked = {
            let mut all = self.0.lock().unwrap();
            let place = all.iter().position(|(asked, _)| asked == to).expect("it was asked");
            all.remove(place).1
        };
        asked.found(remotes);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[test]
fn order_is_kept_while_a_name_is_looked_up() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    let seen = echo(&world, &b, 0);
    let desk = Desk::default();
    world.nodes[0].resolve_with(Arc::new(desk.clone()));
    let did = b.did().as_str().to_owned();
    let order: Vec<_> = ["b", &did, "b", &did, &did, "b"].into_iter().zip(0..).collect();
    let calls: Vec<_> = order.iter().map(|(to, n)| call(&world, &a, to, &n.to_string(), 60_000)).collect();
    world.settle();
    assert_eq!(desk.len(), 2, "one question for each name and DID");
    let there = [Remote { did: *b.did(), route: route(&world, 0, 1) }];
    desk.answer(&did, &there);
    world.settle();
    assert_eq!(seen.borrow().len(), 0, "the name may be the same agent's");
    desk.answer("b", &there);
    world.settle();
    assert_eq!(*seen.borrow(), ["0", "1", "2", "3", "4", "5"]);
    assert!(calls.iter().all(|call| call.borrow().is_some()));
}

#[test]
fn order_is_kept_between_two_names_of_one_agent() {
    let mut world = World::calm(2);
    let (a, b, c) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")), join(&world, 0, 3, None));
    let (seen, seen_here) = (echo(&world, &b, 0), echo(&world, &c, 0));
    let desk = Desk::default();
    world.nodes[0].resolve_with(Arc::new(desk.clone()));
    for (n, to) in ["first", "second", "first", "second"].iter().enumerate() {
        drop(call(&world, &a, to, &n.to_string(), 60_000));
    }
    drop(call(&world, &a, c.did().as_str(), "here", 60_000));
    let other = call(&world, &c, "second", "other", 60_000);
    world.settle();
    let there = [Remote { did: *b.did(), route: route(&world, 0, 1) }];
    desk.answer("second", &there);
    desk.answer("second", &there);
    world.settle();
    assert_eq!(ok(&other), "other", "another caller asked for no other name");
    assert_eq!(*seen.borrow(), ["other"], "the other name may be the same agent's");
    assert_eq!(*seen_here.borrow(), ["here"], "an agent here has no names elsewhere");
    desk.answer("first", &there);
    world.settle();
    assert_eq!(*seen.borrow(), ["other", "0", "1", "2", "3"]);
}

#[test]
fn order_is_kept_with_an_agent_here_whose_name_is_looked_up() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 0, 2, Some("b")));
    let seen = echo(&world, &b, 0);
    let desk = Desk::default();
    world.nodes[0].resolve_with(Arc::new(desk.clone()));
    let calls = [call(&world, &a, "b", "0", 60_000), call(&world, &a, b.did().as_str(), "1", 60_000)];
    world.settle();
    desk.answer("b", &[]);
    world.settle();
    assert_eq!(*seen.borrow(), ["0", "1"]);
    assert_eq!(calls.iter().map(ok).collect::<Vec<_>>(), ["0", "1"]);
}

#[test]
fn a_name_that_is_never_found_holds_nobody_up_for_longer_than_its_calls_wait() {
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    echo(&world, &b, 0);
    let desk = Desk::default();
    world.nodes[0].resolve_with(Arc::new(desk.clone()));
    let lost = call(&world, &a, "nowhere", "0", 500);
    let waits = call(&world, &a, b.did().as_str(), "1", 60_000);
    world.settle();
    desk.answer(b.did().as_str(), &[Remote { did: *b.did(), route: route(&world, 0, 1) }]);
    world.settle();
    assert!(waits.borrow().is_none());
    world.run_for(600);
    assert_eq!((err(&lost), ok(&waits)), (ErrorKind::Timeout, "1".to_owned()));
    let again = call(&world, &a, "nowhere", "2", 500);
    world.settle();
    assert_eq!(desk.len(), 2, "whoever asks again is not answered with the old silence");
    desk.answer("nowhere", &[]);
    desk.answer("nowhere", &[]);
    world.settle();
    assert_eq!(err(&again), ErrorKind::AgentNotFound);
}

#[test]
fn a_question_that_is_dropped_is_answered_not_found() {
    let mut world = World::new(1, 2, Faults { lookups: [0, 100, 0, 0, 0], ..Faults::default() });
    let (a, _b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    let answer = call(&world, &a, "b", "1", 60_000);
    world.settle();
    assert_eq!(err(&answer), ErrorKind::AgentNotFound);
}

#[test]
fn a_resolver_that_fails_says_why_and_one_that_lies_of_a_did_is_not_believed() {
    struct Liar(Route);
    impl Resolver for Liar {
        fn resolve(&self, to: &str, done: Resolved) {
            match to {
                "b" => done.failed(ErrorKind::Timeout),
                _ => done.found(&[Remote { did: *key(77).did(), route: self.0 }]),
            }
        }
    }
    let mut world = World::calm(2);
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    world.nodes[0].resolve_with(Arc::new(Liar(route(&world, 0, 1))));
    let failed = call(&world, &a, "b", "1", 60_000);
    let lied = call(&world, &a, b.did().as_str(), "2", 60_000);
    world.settle();
    assert_eq!((err(&failed), err(&lied)), (ErrorKind::Timeout, ErrorKind::AgentNotFound));
}

#[test]
fn a_resolver_may_use_the_handle_whose_call_it_resolves() {
    struct Registry(std::sync::Weak<Handle>);
    impl Resolver for Registry {
        fn resolve(&self, _: &str, done: Resolved) {
            if let Some(handle) = self.0.upgrade() {
                let waker = std::task::Waker::noop();
                let mut call = std::pin::pin!(handle.call("not a name!", json("1"), CallOptions::default()));
                assert!(call.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready());
            }
            done.found(&[]);
        }
    }
    let mut world = World::calm(1);
    let a = join(&world, 0, 1, None);
    world.nodes[0].resolve_with(Arc::new(Registry(Arc::downgrade(&a))));
    let answer = call(&world, &a, "b", "1", 60_000);
    world.settle();
    assert_eq!(err(&answer), ErrorKind::AgentNotFound);
}
