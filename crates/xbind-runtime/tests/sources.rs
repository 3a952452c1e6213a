//! The guard, where somebody is asked about a token who takes time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::calls::{Seen, err, join, join_with, ok};
use common::policies::{ISSUER, hand_on, judge_with, judging, present, serve, source, token};
use common::{World, json, key, text};
use xbind::{ErrorKind, Need, RevocationList, Revocations};
use xbind_runtime::{AgentOptions, Allow, Handle, Inquiry, Policies, Policy, Witness};

#[test]
fn a_token_that_is_lost_while_a_source_is_asked_begins_nothing() {
    let mut world = World::calm(1);
    let [server, caller] = [1, 2].map(|seed| join(&world, 0, seed, None));
    let list = Arc::new(RevocationList::new(10));
    let revocations = Revocations { lists: vec![list.clone()], ..Revocations::default() };
    let policy = Policy { judge: Some(judge_with(server.did(), revocations)), ..Policy::default() };
    let kept = Arc::default();
    let seen = serve(&world, &server, policy, source(&kept));
    let ask = |world: &mut World, ttl: u64| {
        let token = token(world, caller.did(), server.did(), ttl);
        let answer = present(world, &caller, server.did(), "1", Some(token), 600_000);
        world.settle();
        assert_eq!(answer.borrow().clone(), None, "the source has not answered");
        let inquiry = kept.lock().unwrap().pop().expect("the source is asked");
        assert!(matches!(&inquiry.needs[..], [Need::Standing(links)] if links.len() == 1));
        (answer, inquiry)
    };

    for (said, outcome) in [
        (vec![Some(false)], None),
        (vec![Some(true)], Some(ErrorKind::Revoked)),
        (vec![None], Some(ErrorKind::RevocationUnknown)),
        (vec![], Some(ErrorKind::RevocationUnknown)),
    ] {
        let (answer, inquiry) = ask(&mut world, 60);
        inquiry.answer(said);
        world.settle();
        assert_eq!(answer.borrow().clone().unwrap().err(), outcome);
    }
    let (answer, inquiry) = ask(&mut world, 60);
    drop(inquiry);
    world.settle();
    assert_eq!(err(&answer), ErrorKind::RevocationUnknown);

    let (answer, inquiry) = ask(&mut world, 60);
    world.run_for(100_000);
    inquiry.answer(vec![Some(false)]);
    world.settle();
    assert_eq!(err(&answer), ErrorKind::TokenExpired);

    let (answer, inquiry) = ask(&mut world, 60);
    list.revoke_did(key(ISSUER).did(), RevocationList::FOR_GOOD).unwrap();
    inquiry.answer(vec![Some(false)]);
    world.settle();
    assert_eq!((err(&answer), seen.borrow().len()), (ErrorKind::Revoked, 1));
}

#[test]
fn a_caller_that_gives_up_ends_what_waits_for_it() {
    let mut world = World::calm(1);
    let [server, caller] = [1, 2].map(|seed| join(&world, 0, seed, None));
    let policy = judging(server.did(), "");
    let kept = Arc::default();
    let seen = serve(&world, &server, policy, source(&kept));
    let token = token(&world, caller.did(), server.did(), 60);
    let answer = present(&world, &caller, server.did(), "1", Some(token), 1000);
    world.run_for(2000);
    assert_eq!(err(&answer), ErrorKind::Timeout);
    kept.lock().unwrap().pop().unwrap().answer(vec![Some(false)]);
    world.settle();
    assert_eq!(seen.borrow().len(), 0);
}

#[test]
fn what_waits_for_an_answer_keeps_no_handler_busy_and_has_a_bound() {
    let mut world = World::calm(1);
    let few = AgentOptions { concurrency: 2, inbox_messages: 6, ..AgentOptions::default() };
    let server = join_with(&world, 0, 1, None, few);
    let [flood, other] = [2, 3].map(|seed| join(&world, 0, seed, None));
    let kept: Arc<Mutex<Vec<Inquiry>>> = Arc::default();
    let seen = serve(&world, &server, judging(server.did(), ""), source(&kept));
    let good = token(&world, flood.did(), server.did(), 60);
    let flooding: Vec<_> =
        (0..100).map(|n| present(&world, &flood, server.did(), &n.to_string(), Some(good.clone()), 60_000)).collect();
    world.settle();
    let asked = kept.lock().unwrap().len();
    assert!((3..=6).contains(&asked), "{asked} questions wait: more than handlers, no more than the inbox holds");
    let theirs = token(&world, other.did(), server.did(), 60);
    let answer = present(&world, &other, server.did(), "other", Some(theirs), 60_000);
    world.settle();
    kept.lock().unwrap().pop().expect("the other's question is asked").answer(vec![Some(false)]);
    world.settle();
    assert_eq!(ok(&answer), "\"done\"");
    loop {
        let Some(inquiry) = kept.lock().unwrap().pop() else { break };
        inquiry.answer(vec![Some(false)]);
        world.settle();
    }
    for answer in flooding {
        assert_eq!(ok(&answer), "\"done\"");
    }
    assert_eq!(seen.borrow().len(), 101);
}

#[test]
fn what_a_source_said_before_a_long_wait_for_a_place_does_not_count() {
    let mut world = World::calm(1);
    let one = AgentOptions { concurrency: 1, ..AgentOptions::default() };
    let server = join_with(&world, 0, 1, None, one);
    let [busy, caller] = [2, 3].map(|seed| join(&world, 0, seed, None));
    let kept: Arc<Mutex<Vec<Inquiry>>> = Arc::default();
    server.guard(Some(judging(server.did(), "").into()), source(&kept)).unwrap();
    let (handle, net) = (server.clone(), world.net.clone());
    let seen = Seen::default();
    let list = seen.clone();
    world.spawn(1, async move {
        while let Some(incoming) = handle.next().await {
            list.borrow_mut().push(text(&incoming.payload));
            let net = net.clone();
            common::sleep(net, 10_000).await;
            incoming.reply(json("1"));
        }
    });
    let ask = |world: &mut World, from: &Arc<Handle>, payload: &str| {
        let token = token(world, from.did(), server.did(), 600);
        let answer = present(world, from, server.did(), payload, Some(token), 600_000);
        world.settle();
        let inquiry = kept.lock().unwrap().pop().expect("the source is asked");
        (answer, inquiry)
    };
    let (second, early) = ask(&mut world, &caller, "second");
    let (first, inquiry) = ask(&mut world, &busy, "first");
    inquiry.answer(vec![Some(false)]);
    world.settle();
    early.answer(vec![Some(false)]); // and now it waits for ten seconds, in which it is revoked
    world.run_for(11_000);
    assert_eq!(ok(&first), "1");
    kept.lock().unwrap().pop().expect("the source is asked again").answer(vec![Some(true)]);
    world.settle();
    assert_eq!((err(&second), seen.borrow().len()), (ErrorKind::Revoked, 1));
}

#[test]
fn a_policy_that_was_replaced_meanwhile_does_not_decide() {
    let mut world = World::calm(1);
    let [server, caller] = [1, 2].map(|seed| join(&world, 0, seed, None));
    let kept: Arc<Mutex<Vec<Inquiry>>> = Arc::default();
    let seen = serve(&world, &server, judging(server.did(), ""), source(&kept));
    let good = token(&world, caller.did(), server.did(), 60);
    for (policy, outcome) in [
        (Some(Policies::from(Allow::only([]))), Some(ErrorKind::NotAllowed)),
        (Some(Policies::from(judging(server.did(), "other.scope"))), Some(ErrorKind::ScopeDenied)),
        (Some(Policies::from(Allow::Everyone)), None),
        (None, Some(ErrorKind::HandlerFailed)), // a receipt, which is no answer
    ] {
        server.guard(Some(judging(server.did(), "").into()), source(&kept)).unwrap();
        let answer = present(&world, &caller, server.did(), "1", Some(good.clone()), 60_000);
        world.settle();
        server.guard(policy, Witness::default()).unwrap();
        kept.lock().unwrap().pop().expect("the source is asked").answer(vec![Some(false)]);
        world.settle();
        assert_eq!(answer.borrow().clone().expect("it has ended").err(), outcome);
    }
    assert_eq!(seen.borrow().len(), 1);
    let receiver = server.clone();
    let letters = world.start(0, async move { receiver.receive(10).await.unwrap().len() });
    world.settle();
    assert_eq!(letters.borrow_mut().take(), Some(1));
}

#[test]
fn who_is_stopped_while_a_source_is_asked_or_a_place_is_waited_for_vouches_for_nobody() {
    for (asked, stopped) in [(true, ISSUER), (false, ISSUER), (true, 8), (false, 8)] {
        let mut world = World::calm(1);
        let one = AgentOptions { concurrency: 1, ..AgentOptions::default() };
        let server = join_with(&world, 0, 1, None, one);
        let caller = join(&world, 0, 2, None);
        let kept: Arc<Mutex<Vec<Inquiry>>> = Arc::default();
        let witness = if asked { source(&kept) } else { Witness::default() };
        server.guard(Some(judging(server.did(), "").into()), witness).unwrap();
        let granted = token(&world, key(8).did(), server.did(), 600);
        let good = hand_on(&world, &key(8), &granted, caller.did());
        let answer = present(&world, &caller, server.did(), "1", Some(good), 60_000);
        let seen = Seen::default();
        let (handle, list) = (server.clone(), seen.clone());
        let handling = async move {
            while let Some(incoming) = handle.next().await {
                list.borrow_mut().push(text(&incoming.payload));
                incoming.reply(json("1"));
            }
        };
        let stop = |world: &mut World| {
            world.settle();
            world.nodes[0].stop(key(stopped).did());
        };
        if asked {
            world.spawn(1, handling);
            stop(&mut world);
            let inquiry = kept.lock().unwrap().pop().expect("the source is asked");
            inquiry.answer(vec![Some(false); 2]);
        } else {
            stop(&mut world);
            world.spawn(1, handling);
        }
        world.settle();
        assert_eq!((err(&answer), seen.borrow().len()), (ErrorKind::Revoked, 0), "{asked} {stopped}");
    }
}
