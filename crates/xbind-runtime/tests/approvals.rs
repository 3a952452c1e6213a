//! The guard, where somebody has to approve.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use common::calls::{Answer, call, err, join, ok, options};
use common::policies::{approval_answer, approver, approving, judging, present, serve, sign, statement, token};
use common::{World, json, key, text};
use xbind::{ApprovedCall, Decision, Did, ErrorKind, Presented};
use xbind_runtime::{Allow, CallOptions, MethodPolicy, Policies, Policy, Witness};

#[test]
fn an_approval_is_asked_for_and_holds_for_one_call() {
    let mut world = World::calm(1);
    let [server, caller, boss] = [1, 2, 3].map(|seed| join(&world, 0, seed, None));
    let seen = serve(&world, &server, approving(boss.did()), Witness::default());
    let (caller_did, server_did) = (*caller.did(), *server.did());
    let sign = |decision, id| approval_answer(&statement(&world, 3, decision, &caller_did, &server_did, b"1", id));
    let (yes, no) = (sign(Decision::Approve, 1), sign(Decision::Deny, 2));
    let asked = approver(&world, &boss, move |nth| match nth {
        1 | 2 => Some(yes.clone()), // the second time it was used before
        3 => Some(no.clone()),
        4 => Some("{}".to_owned()),
        5 => Some("[1]".to_owned()),
        _ => None,
    });
    for outcome in [
        None,
        Some(ErrorKind::ApprovalFailed),
        Some(ErrorKind::ApprovalRefused),
        Some(ErrorKind::ApprovalFailed),
        Some(ErrorKind::ApprovalFailed),
        Some(ErrorKind::ApprovalTimeout),
    ] {
        let answer = call(&world, &caller, server.did().as_str(), "1", 600_000);
        world.run_for(20_000);
        assert_eq!(answer.borrow().clone().expect("it has ended").err(), outcome);
    }
    assert_eq!((seen.borrow().len(), asked.borrow().len()), (1, 6));
    let request = format!(
        r#"{{"approvalRequest":{{"caller":"{}","contentType":"application/json","body":"MQ","chain":[]}}}}"#,
        caller.did().as_str()
    );
    assert_eq!(asked.borrow()[0], request);
}

#[test]
fn an_approval_is_for_one_method() {
    let mut world = World::calm(1);
    let [server, caller, boss] = [1, 2, 3].map(|seed| join(&world, 0, seed, None));
    let policies = Policies::from(approving(boss.did()))
        .with_method("read", MethodPolicy::default())
        .with_method("delete", MethodPolicy::default());
    let seen = serve(&world, &server, policies, Witness::default());
    let (from, to) = (*caller.did(), *server.did());
    let sign = |method: Option<&str>, id| {
        let call = ApprovedCall {
            caller: from,
            recipient: to.as_str(),
            method,
            session: None,
            content_type: "application/json",
            body: b"1",
        };
        sign(&world, 3, Decision::Approve, call, id)
    };
    let (read, delete) = (approval_answer(&sign(Some("read"), 101)), approval_answer(&sign(Some("delete"), 102)));
    let methods = [None, Some("read"), Some("delete"), Some("Read"), Some("other")];
    let answers: Vec<_> = (1_u8..)
        .zip(methods.iter().flat_map(|signed| methods.iter().map(move |asked| (signed, asked))))
        .map(|(id, (signed, asked))| {
            let approval = sign(*signed, id);
            let token = Presented { token: None, approval: Some(&approval) }.text().unwrap();
            let options = CallOptions { token, method: asked.map(str::to_owned), ..options(1000) };
            let (caller, to) = (caller.clone(), to.as_str().to_owned());
            let answer: Answer = world.start(0, async move {
                let answer = caller.call(&to, json("1"), options).await;
                answer.map(|payload| text(&payload)).map_err(|error| error.kind())
            });
            (signed, asked, answer)
        })
        .collect();
    world.settle();
    for (signed, asked, answer) in answers {
        let expected = if signed == asked { Ok("\"done\"".to_owned()) } else { Err(ErrorKind::ApprovalRequired) };
        assert_eq!(answer.borrow().clone(), Some(expected), "{signed:?} {asked:?}");
    }
    assert_eq!(seen.borrow().len(), methods.len());

    // Whoever is asked is told the method; what it signs for another is no use.
    let asked = approver(&world, &boss, move |nth| Some(if nth == 1 { read.clone() } else { delete.clone() }));
    for expected in [None, Some(ErrorKind::ApprovalFailed)] {
        let options = CallOptions { method: Some("read".to_owned()), ..options(60_000) };
        let (caller, to) = (caller.clone(), to.as_str().to_owned());
        let answer = world.start(0, async move { caller.call(&to, json("1"), options).await.err().map(|e| e.kind()) });
        world.settle();
        assert_eq!(answer.borrow().expect("it has ended"), expected);
    }
    assert!(asked.borrow().iter().all(|request| request.contains(r#""method":"read""#)));
}

#[test]
fn an_approver_that_is_not_there_is_told_apart_from_none_that_was_given() {
    let mut world = World::calm(1);
    let [server, caller] = [1, 2].map(|seed| join(&world, 0, seed, None));
    let nobody = *key(9).did();
    serve(&world, &server, approving(&nobody), Witness::default());
    let failed = call(&world, &caller, server.did().as_str(), "1", 60_000);
    let sign = |by, id, body: &[u8]| {
        let approval = statement(&world, by, Decision::Approve, caller.did(), server.did(), body, id);
        Presented { token: None, approval: Some(&approval) }.text().unwrap()
    };
    let wrong_body = present(&world, &caller, server.did(), "1", sign(9, 1, b"2"), 60_000);
    let wrong_key = present(&world, &caller, server.did(), "1", sign(8, 2, b"1"), 60_000);
    let once = sign(9, 3, b"1");
    let good = present(&world, &caller, server.did(), "1", once.clone(), 60_000);
    world.run_for(50_000);
    let twice = present(&world, &caller, server.did(), "1", once, 60_000);
    world.settle();
    assert_eq!(err(&failed), ErrorKind::ApprovalFailed);
    assert!(ErrorKind::ApprovalFailed.retryable() && !ErrorKind::ApprovalRequired.retryable());
    for answer in [wrong_body, wrong_key, twice] {
        assert_eq!(err(&answer), ErrorKind::ApprovalRequired);
    }
    assert_eq!(ok(&good), "\"done\"");
}

#[test]
fn the_program_says_which_calls_need_an_approval() {
    let mut world = World::calm(1);
    let [server, caller] = [1, 2].map(|seed| join(&world, 0, seed, None));
    let mut policy = approving(key(9).did());
    policy.approval.as_mut().unwrap().asked = true;
    let needs = |_: &Did, payload: &xbind_runtime::Payload, method: Option<&str>| {
        text(payload).len() > 2 || method == Some("delete")
    };
    let witness = Witness { needs_approval: Some(Box::new(needs)), ..Witness::default() };
    serve(&world, &server, policy, witness);
    let small = call(&world, &caller, server.did().as_str(), "10", 1000);
    let large = call(&world, &caller, server.did().as_str(), "1000", 1000);
    let named = |method: &str| {
        let options = CallOptions { method: Some(method.to_owned()), ..options(1000) };
        let (caller, to) = (caller.clone(), server.did().as_str().to_owned());
        world.start(0, async move { caller.call(&to, json("10"), options).await.err().map(|error| error.kind()) })
    };
    let (read, delete) = (named("read"), named("delete"));
    world.settle();
    assert_eq!((ok(&small), err(&large)), ("\"done\"".to_owned(), ErrorKind::ApprovalFailed));
    assert_eq!((*read.borrow(), *delete.borrow()), (Some(None), Some(Some(ErrorKind::ApprovalFailed))));
}

#[test]
fn a_token_that_is_lost_while_an_approver_decides_begins_nothing() {
    let mut world = World::calm(1);
    let [server, caller, boss] = [1, 2, 3].map(|seed| join(&world, 0, seed, None));
    let policy = Policy { approval: approving(boss.did()).approval, ..judging(server.did(), "invoice.pay") };
    let seen = serve(&world, &server, policy, Witness::default());
    let yes = approval_answer(&statement(&world, 3, Decision::Approve, caller.did(), server.did(), b"1", 1));
    boss.handle(Some(Allow::Everyone)).unwrap();
    let (slow, net) = (boss.clone(), world.net.clone());
    world.spawn(2, async move {
        while let Some(incoming) = slow.next().await {
            common::sleep(net.clone(), 9000).await;
            incoming.reply(json(&yes));
        }
    });
    let token = token(&world, caller.did(), server.did(), 1);
    world.run_for(25_000); // the last seconds of its life and of the clocks' difference
    let answer = present(&world, &caller, server.did(), "1", Some(token), 60_000);
    world.run_for(20_000);
    assert_eq!((err(&answer), seen.borrow().len()), (ErrorKind::TokenExpired, 0));
}
