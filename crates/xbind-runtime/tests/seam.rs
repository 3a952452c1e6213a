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

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use common::{Faults, Happening, World, json, key, sleep, text};
use xbind::{Draft, Error, ErrorKind, MessageId, Op, SigningKey, seal};
use xbind_runtime::transport::{Arrival, Remote, Resolved, Resolver, Route};
use xbind_runtime::{AgentOptions, Allow, CallOptions, Handle, Key, Payload};

type Answer = Rc<RefCell<Option<Result<String, ErrorKind>>>>;
type Seen = Rc<RefCell<Vec<String>>>;

fn options(milliseconds: u64) -> CallOptions {
    CallOptions { timeout: Some(Duration::from_millis(milliseconds)), token: None }
}

fn join(world: &World, node: usize, seed: u8, name: Option<&str>) -> Arc<Handle> {
    join_with(world, node, seed, name, AgentOptions::default())
}

fn join_with(world: &World, node: usize, seed: u8, name: Option<&str>, options: AgentOptions) -> Arc<Handle> {
    let handle = world.nodes[node].join(Key::Local(key(seed)), name.map(str::to_owned), options).unwrap();
    world.list(node, name, handle.did());
    Arc::new(handle)
}

fn call(world: &World, from: &Arc<Handle>, to: &str, payload: &str, milliseconds: u64) -> Answer {
    let (from, to, payload) = (from.clone(), to.to_owned(), json(payload));
    world.start(0, async move {
        let answer = from.call(&to, payload, options(milliseconds)).await;
        answer.map(|payload| text(&payload)).map_err(|error| error.kind())
    })
}

/// Answers each call with what it carries, after so many milliseconds; the list is what was handled, in order.
fn echo(world: &World, handle: &Arc<Handle>, milliseconds: u64) -> Seen {
    let seen = Seen::default();
    handle.handle(Some(Allow::Everyone)).unwrap();
    let (handle, list, net) = (handle.clone(), seen.clone(), world.net.clone());
    let spawned = world.spawner();
    world.spawn(1, async move {
        while let Some(incoming) = handle.next().await {
            list.borrow_mut().push(text(&incoming.payload));
            let net = net.clone();
            let reply = async move {
                if milliseconds > 0 {
                    sleep(net, milliseconds).await;
                }
                let payload = json(&text(&incoming.payload));
                incoming.reply(payload);
            };
            spawned.borrow_mut().push((2, Box::pin(reply)));
        }
    });
    seen
}

fn ok(answer: &Answer) -> String {
    answer.borrow().clone().expect("the call has ended").expect("the call was answered")
}

fn err(answer: &Answer) -> ErrorKind {
    answer.borrow().clone().expect("the call has ended").expect_err("the call failed")
}

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
    };
    let jws = seal(from, &draft).unwrap().jws;
    Arrival { to: *to.did(), jws, body: body.to_vec(), token: None }
}

fn route(world: &World, from: usize, to: usize) -> Route {
    world.net.inner().route(from, to)
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
    assert_eq!(sent.borrow_mut().take().unwrap().unwrap(), *b.did());
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
fn room_that_one_caller_gave_up_waiting_for_goes_to_the_next() {
    let mut world = World::calm(1);
    let small = AgentOptions { inbox_messages: 1, concurrency: 1, ..AgentOptions::default() };
    let b = join_with(&world, 0, 9, Some("b"), small);
    let others: Vec<_> = (1..6).map(|seed| join(&world, 0, seed, None)).collect();
    let seen = echo(&world, &b, 1000);
    let filled: Vec<_> =
        others.iter().zip(0..4).map(|(from, n)| call(&world, from, "b", &n.to_string(), 60_000)).collect();
    world.settle();
    let gives_up = call(&world, &others[3], "b", "100", 100);
    let patient = call(&world, &others[4], "b", "200", 60_000);
    world.run_for(30_000);
    assert!(gives_up.borrow().as_ref().is_some_and(Result::is_err));
    assert_eq!(ok(&patient), "200");
    assert!(filled.iter().all(|call| call.borrow().as_ref().is_some_and(Result::is_ok)));
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
        assert_eq!(err(&answer), kind, "{to}: {}", Error::new(kind, "").code());
    }
}
