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
use std::time::Duration;

use common::calls::{Answer, Seen, call, err, join, join_with, ok, options};
use common::{World, json, key, text};
use xbind::{
    ApprovalDraft, ApprovedCall, Decision, Did, ErrorKind, Judge, Need, Presented, RevocationList, Revocations,
    ScopeSet, TokenDraft, TokenPolicy, Trust, approve, issue,
};
use xbind_runtime::{
    AgentOptions, Allow, ApprovalPolicy, CallOptions, Handle, Inquiry, MethodPolicy, Policies, Policy, Witness,
};

/// Answers `done`, and notes what was asked.
fn serve(world: &World, handle: &Arc<Handle>, policy: impl Into<Policies>, witness: Witness) -> Seen {
    let seen = Seen::default();
    handle.guard(Some(policy.into()), witness).unwrap();
    let (handle, list) = (handle.clone(), seen.clone());
    world.spawn(1, async move {
        while let Some(incoming) = handle.next().await {
            list.borrow_mut().push(text(&incoming.payload));
            incoming.reply(json("\"done\""));
        }
    });
    seen
}

const ISSUER: u8 = 77;

fn judge_with(audience: &Did, revocations: Revocations) -> Arc<Judge> {
    let trust = Trust::default().with_did(*key(ISSUER).did());
    Arc::new(Judge::new(TokenPolicy::new(audience.as_str()), trust, &[], revocations).unwrap())
}

fn judging(audience: &Did, scopes: &str) -> Policy {
    let judge = Some(judge_with(audience, Revocations::default()));
    Policy { judge, scopes: ScopeSet::parse(scopes).unwrap(), ..Policy::default() }
}

fn token(world: &World, subject: &Did, audience: &Did, ttl: u64) -> String {
    let scopes = ScopeSet::parse("invoice.pay").unwrap();
    let draft = TokenDraft {
        subject: *subject,
        audience: audience.as_str(),
        scopes: &scopes,
        ttl,
        claims: "{}",
        status: None,
        now: world.time().unix(),
        id: [7; 16],
    };
    issue(&key(ISSUER), &draft).unwrap()
}

fn present(world: &World, from: &Arc<Handle>, to: &Did, payload: &str, token: Option<String>, ms: u64) -> Answer {
    let (from, to, payload) = (from.clone(), to.as_str().to_owned(), json(payload));
    world.start(0, async move {
        let answer = from.call(&to, payload, CallOptions { token, ..options(ms) }).await;
        answer.map(|payload| text(&payload)).map_err(|error| error.kind())
    })
}

fn approving(approver: &Did) -> Policy {
    let approval = ApprovalPolicy { approvers: vec![*approver], asked: false, timeout: Duration::from_secs(10) };
    Policy { approval: Some(approval), ..Policy::default() }
}

fn statement(world: &World, by: u8, decision: Decision, caller: &Did, recipient: &Did, body: &[u8], id: u8) -> String {
    let (caller, recipient, content_type) = (*caller, *recipient, "application/json");
    sign(world, by, decision, ApprovedCall { caller, recipient, method: None, session: None, content_type, body }, id)
}

fn sign(world: &World, by: u8, decision: Decision, call: ApprovedCall<'_>, id: u8) -> String {
    approve(&key(by), &ApprovalDraft { decision, call, ttl: 60, now: world.time().unix(), id: [id; 16] }).unwrap()
}

/// Decides about each request with what the test says; the first argument is how often it was asked.
fn approver(world: &World, handle: &Arc<Handle>, decide: impl Fn(usize) -> Option<String> + 'static) -> Seen {
    let seen = Seen::default();
    handle.handle(Some(Allow::Everyone)).unwrap();
    let (handle, list) = (handle.clone(), seen.clone());
    world.spawn(2, async move {
        let mut kept = Vec::new();
        while let Some(incoming) = handle.next().await {
            list.borrow_mut().push(text(&incoming.payload));
            let asked = list.borrow().len();
            match decide(asked) {
                Some(answer) => incoming.reply(json(&answer)),
                None => kept.push(incoming),
            }
        }
    });
    seen
}

fn approval_answer(statement: &str) -> String {
    format!(r#"{{"approval":"{statement}"}}"#)
}

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

/// Asks for the standing of each link, and keeps the question until the test answers it.
fn source(kept: &Arc<Mutex<Vec<Inquiry>>>) -> Witness {
    let kept = kept.clone();
    let finds_out = move |inquiry: Inquiry| kept.lock().unwrap().push(inquiry);
    Witness { finds_out: Some(Box::new(finds_out)), has_sources: true, ..Witness::default() }
}

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
            recipient: to,
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
    let needs = |_: &Did, payload: &xbind_runtime::Payload| text(payload).len() > 2;
    let witness = Witness { needs_approval: Some(Box::new(needs)), ..Witness::default() };
    serve(&world, &server, policy, witness);
    let small = call(&world, &caller, server.did().as_str(), "10", 1000);
    let large = call(&world, &caller, server.did().as_str(), "1000", 1000);
    world.settle();
    assert_eq!((ok(&small), err(&large)), ("\"done\"".to_owned(), ErrorKind::ApprovalFailed));
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
fn naming_a_method_opens_nothing() {
    let friend = *key(2).did();
    let scopes = ScopeSet::parse("a.b").unwrap();
    let unnamed = Policy { allow: Allow::only([friend]), scopes: scopes.clone(), ..Policy::default() };
    let open = MethodPolicy { scopes: Some(ScopeSet::empty()), ..MethodPolicy::default() };
    let policies = Policies::from(unnamed).with_method("kept", MethodPolicy::default()).with_method("open", open);
    let text = format!("{policies:?}");
    assert_eq!(text.matches("Only").count(), 3, "each of the three keeps the list: {text}");
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
