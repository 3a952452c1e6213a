//! The guard: policies of agents of Rust programs, without any face.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::calls::{call, err, join, ok};
use common::policies::{
    ISSUER, approval_answer, approver, approving, hand_on, judging, present, serve, statement, token,
};
use common::{World, key};
use xbind::{Decision, Did, ErrorKind, ScopeSet};
use xbind_runtime::{Allow, Lender, MethodPolicy, Policies, Policy, Witness};

#[test]
fn a_list_decides_before_anything_is_looked_at() {
    let mut world = World::calm(1);
    let [server, friend, stranger] = [1, 2, 3].map(|seed| join(&world, 0, seed, None));
    let policy = Policy { allow: Allow::only([*friend.did()]), ..judging(server.did(), "invoice.pay") };
    let seen = serve(&world, &server, policy, Witness::default());
    let refused = present(&world, &stranger, server.did(), "1", Some("no token at all".to_owned()), 1000);
    let mangled = present(&world, &friend, server.did(), "2", Some("no token at all".to_owned()), 1000);
    let none = present(&world, &friend, server.did(), "3", None, 1000);
    let good = present(&world, &friend, server.did(), "4", Some(token(&world, friend.did(), server.did(), 60)), 1000);
    let stolen = token(&world, stranger.did(), server.did(), 60);
    let stolen = present(&world, &friend, server.did(), "5", Some(stolen), 1000);
    world.settle();
    assert_eq!(err(&refused), ErrorKind::NotAllowed);
    assert_eq!(err(&mangled), ErrorKind::InvalidToken);
    assert_eq!(err(&none), ErrorKind::ScopeDenied);
    assert_eq!(err(&stolen), ErrorKind::InvalidToken);
    assert_eq!((ok(&good), seen.borrow().clone()), ("\"done\"".to_owned(), vec!["4".to_owned()]));
}

#[test]
fn what_cannot_be_parsed_is_refused_though_nobody_asked_for_it() {
    let mut world = World::calm(1);
    let [server, caller] = [1, 2].map(|seed| join(&world, 0, seed, None));
    let seen = serve(&world, &server, Allow::Everyone, Witness::default());
    for presented in ["", "x", "a.b.c~", "~", "a.b.c~d.e.f~", "a.b.c d"] {
        let answer = present(&world, &caller, server.did(), "1", Some(presented.to_owned()), 1000);
        world.settle();
        assert_eq!(err(&answer), ErrorKind::InvalidToken, "{presented:?}");
    }
    let fine = present(&world, &caller, server.did(), "2", Some("a.b.c~d.e.f".to_owned()), 1000);
    world.settle();
    assert_eq!((ok(&fine), seen.borrow().len()), ("\"done\"".to_owned(), 1));
}

#[test]
fn a_predicate_is_asked_just_before_each_beginning() {
    let mut world = World::calm(1);
    let [server, caller] = [1, 2].map(|seed| join(&world, 0, seed, None));
    let (open, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (door, count) = (open.clone(), asked.clone());
    let allows = move |_: &Did| {
        count.fetch_add(1, Ordering::AcqRel);
        door.swap(false, Ordering::AcqRel)
    };
    let witness = Witness { allows: Some(Box::new(allows)), ..Witness::default() };
    let seen = serve(&world, &server, Allow::Asked, witness);
    let calls: Vec<_> = (0..3).map(|n| call(&world, &caller, server.did().as_str(), &n.to_string(), 1000)).collect();
    world.settle();
    assert_eq!(
        (ok(&calls[0]), err(&calls[1]), err(&calls[2])),
        ("\"done\"".to_owned(), ErrorKind::NotAllowed, ErrorKind::NotAllowed)
    );
    assert_eq!((seen.borrow().len(), asked.load(Ordering::Acquire)), (1, 3));
    let mangled = present(&world, &caller, server.did(), "1", Some("~".to_owned()), 1000);
    world.settle();
    assert_eq!(
        (err(&mangled), asked.load(Ordering::Acquire)),
        (ErrorKind::InvalidToken, 3),
        "parsed before it is asked"
    );
    // Where there is nobody to say yes, nobody gets in.
    server.guard(Some(Allow::Asked.into()), Witness::default()).unwrap();
    let answer = call(&world, &caller, server.did().as_str(), "4", 1000);
    world.settle();
    assert_eq!(err(&answer), ErrorKind::NotAllowed);
}

#[test]
fn who_was_stopped_vouches_for_nobody_any_more() {
    // The issuer, and each who has handed the rights on, here or elsewhere.
    for (stopped, revoked) in [(ISSUER, true), (8, true), (9, true), (10, false)] {
        let mut world = World::calm(2);
        let server = join(&world, 0, 1, None);
        let callers = [join(&world, 0, 2, None), join(&world, 1, 3, None)];
        let seen = serve(&world, &server, judging(server.did(), "invoice.pay"), Witness::default());
        let ask = |world: &mut World| {
            let answers = callers.clone().map(|caller| {
                let (first, second) = (key(8), key(9));
                let granted = token(world, first.did(), server.did(), 600);
                let handed_on = hand_on(world, &first, &granted, second.did());
                let token = hand_on(world, &second, &handed_on, caller.did());
                present(world, &caller, server.did(), "1", Some(token), 1000)
            });
            world.run_for(100);
            answers.map(|answer| answer.borrow().clone().expect("it has ended").err())
        };
        assert_eq!(ask(&mut world), [None; 2]);
        world.nodes[0].stop(key(stopped).did());
        let code = revoked.then_some(ErrorKind::Revoked);
        assert_eq!(ask(&mut world), [code; 2], "{stopped}");
        assert_eq!(seen.borrow().len(), if revoked { 2 } else { 4 });
    }
}

/// What its tokens are known by, and which of them were found revoked.
#[derive(Default)]
struct Lending(Mutex<Vec<u64>>);

impl Lender for Lending {
    fn mark(&self, token: &str) -> u64 {
        token.len().try_into().unwrap()
    }

    fn revoked(&self, mark: u64) {
        self.0.lock().unwrap().push(mark);
    }
}

#[test]
fn whoever_lends_tokens_hears_of_those_that_somebody_has_signed_are_revoked() {
    let mut world = World::calm(2);
    let server = join(&world, 0, 1, None);
    let callers = [join(&world, 0, 2, None), join(&world, 1, 3, None)];
    serve(&world, &server, judging(server.did(), "invoice.pay"), Witness::default());
    let lent = callers.each_ref().map(|caller| {
        let lending = Arc::new(Lending::default());
        caller.lend_tokens_by(lending.clone());
        lending
    });
    let tokens = callers.each_ref().map(|caller| token(&world, caller.did(), server.did(), 600));
    let ask = |world: &mut World, what: [Option<String>; 2]| {
        let [one, other] = what;
        let answers = [(&callers[0], one), (&callers[1], other)]
            .map(|(caller, what)| present(world, caller, server.did(), "1", what, 1000));
        world.run_for(100);
        answers.map(|answer| answer.borrow().clone().expect("it has ended").err())
    };
    let heard = || lent.each_ref().map(|lending| lending.0.lock().unwrap().clone());
    let both = |change: fn(&String) -> Option<String>| tokens.each_ref().map(change);
    assert_eq!(ask(&mut world, both(|token| Some(token.clone()))), [None; 2]);
    assert_eq!(ask(&mut world, [None, None]), [Some(ErrorKind::ScopeDenied); 2]);
    assert_eq!(heard(), [[0; 0]; 2]);
    world.nodes[0].stop(key(ISSUER).did());
    assert_eq!(ask(&mut world, [None, None]), [Some(ErrorKind::ScopeDenied); 2]);
    assert_eq!(heard(), [[0; 0]; 2], "of nothing that was presented");
    assert_eq!(ask(&mut world, both(|token| Some(token.clone()))), [Some(ErrorKind::Revoked); 2]);
    assert_eq!(ask(&mut world, both(|token| Some(format!("{token}~a.b.c")))), [Some(ErrorKind::Revoked); 2]);
    let marks = tokens.each_ref().map(|token| vec![u64::try_from(token.len()).unwrap(); 2]);
    assert_eq!(heard(), marks);
    // What is said on this side says nothing of the token.
    for (caller, node) in callers.iter().zip(&world.nodes) {
        node.stop(caller.did());
    }
    assert_eq!(ask(&mut world, both(|token| Some(token.clone()))), [Some(ErrorKind::Revoked); 2]);
    assert_eq!(heard(), marks);
}

#[test]
fn a_remote_caller_is_judged_by_the_same_guard() {
    let mut world = World::calm(2);
    let (server, caller) = (join(&world, 0, 1, None), join(&world, 1, 2, None));
    let boss = join(&world, 1, 3, None);
    let policy = Policy { approval: approving(boss.did()).approval, ..judging(server.did(), "invoice.pay") };
    let seen = serve(&world, &server, policy, Witness::default());
    let yes = approval_answer(&statement(&world, 3, Decision::Approve, caller.did(), server.did(), b"1", 1));
    approver(&world, &boss, move |_| Some(yes.clone()));
    let token = token(&world, caller.did(), server.did(), 60);
    let none = present(&world, &caller, server.did(), "1", None, 60_000);
    let mangled = present(&world, &caller, server.did(), "1", Some("~".to_owned()), 60_000);
    world.run_for(100);
    assert_eq!((err(&none), err(&mangled)), (ErrorKind::ScopeDenied, ErrorKind::InvalidToken));
    let good = present(&world, &caller, server.did(), "1", Some(token.clone()), 60_000);
    world.run_for(100);
    let other = present(&world, &caller, server.did(), "2", Some(token), 60_000);
    world.run_for(100);
    assert_eq!((ok(&good), err(&other)), ("\"done\"".to_owned(), ErrorKind::ApprovalFailed));
    assert_eq!(seen.borrow().len(), 1);
}

#[test]
fn naming_a_method_opens_nothing() {
    let friend = *key(2).did();
    let scopes = ScopeSet::parse("a.b").unwrap();
    let unnamed = Policy { allow: Allow::only([friend]), scopes: scopes.clone(), ..Policy::default() };
    let open = MethodPolicy { scopes: Some(ScopeSet::empty()), ..MethodPolicy::default() };
    let policies = Policies::from(unnamed).with_method("kept", MethodPolicy::default()).with_method("open", open);
    let text = format!("{policies:?}");
    assert_eq!(text.matches("Only").count(), 3, "each of the three keeps the list: {text}");
}
