//! What waits for the store that replicas share is judged again when it answers: nothing begins that nobody waits for any more.
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::calls::{Seen, echo, join, options, route};
use common::{Faults, World, json, text};
use xbind::{Error, ErrorKind, Handled, Session};
use xbind_runtime::{Handle, SharedWindow, WindowAnswer, WindowQuestion};

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Vec<WindowQuestion>>>, Arc<AtomicBool>);

impl SharedWindow for Store {
    fn ask(&self, question: WindowQuestion) {
        self.0.lock().unwrap().push(question);
    }

    fn is_gone(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
}

impl Store {
    /// The questions that were not answered yet: whether they claim something.
    fn asked(&self) -> Vec<bool> {
        self.0.lock().unwrap().iter().map(|question| !question.keys.is_empty()).collect()
    }

    /// Says yes to all of them.
    fn answer(&self, world: &mut World) {
        let asked = std::mem::take(&mut *self.0.lock().unwrap());
        let name = Session::from_bytes([7; 16]).text();
        for question in asked {
            world.nodes[1].window_told(question.number, &WindowAnswer::New(name.clone()));
        }
        world.settle();
    }
}

type Answer = Rc<RefCell<Option<Result<String, Error>>>>;

/// Two processes, the other one a replica, whose store answers when the test says so.
struct Replica {
    world: World,
    a: Arc<Handle>,
    b: Arc<Handle>,
    seen: Seen,
    store: Store,
}

impl Replica {
    fn new() -> Self {
        let world = World::new(1, 2, Faults { sessions: true, ..Faults::default() });
        let store = Store::default();
        world.nodes[1].share_windows(Arc::new(store.clone())).unwrap();
        let (a, b) = (join(&world, 0, 1, Some("a")), join(&world, 1, 2, Some("b")));
        let seen = echo(&world, &b, 0);
        Self { world, a, b, seen, store }
    }

    /// A call about which the store is asked.
    fn held(milliseconds: u64) -> (Self, Answer) {
        let mut own = Self::new();
        let first = own.call(milliseconds);
        own.world.settle();
        assert_eq!(own.store.asked(), [false], "the question for the session, and nobody knows it yet");
        own.store.answer(&mut own.world);
        assert_eq!(own.store.asked(), [true], "the call itself");
        (own, first)
    }

    fn call(&self, milliseconds: u64) -> Answer {
        let a = self.a.clone();
        self.world
            .start(0, async move { a.call("b", json("1"), options(milliseconds)).await.map(|payload| text(&payload)) })
    }

    fn answer_all(&mut self) {
        for _ in 0..4 {
            self.store.answer(&mut self.world);
        }
    }
}

fn failure(answer: &Answer) -> (ErrorKind, Option<Handled>) {
    let ended = answer.borrow();
    let error = ended.as_ref().expect("the call has ended").as_ref().expect_err("the call failed");
    (error.kind(), error.handled())
}

#[test]
fn one_that_was_cancelled_meanwhile_does_not_begin() {
    let (mut own, call) = Replica::held(60_000);
    own.world.drop_tasks(0); // whoever waits for it gives it up
    own.world.settle();
    own.answer_all();
    assert!(own.seen.borrow().is_empty() && call.borrow().is_none());
}

#[test]
fn one_that_has_run_out_of_time_meanwhile_does_not_begin() {
    let (mut own, call) = Replica::held(1000);
    own.world.net.inner().faults.lost = 100; // the cancel does not come
    own.world.run_for(2000);
    assert_eq!(failure(&call).0, ErrorKind::Timeout);
    own.world.net.inner().faults.lost = 0;
    own.answer_all();
    assert!(own.seen.borrow().is_empty());
}

/// A sealed call from the other side that names no session, as one is that comes before anybody here knows it.
fn unnamed(own: &Replica, id: u8, deadline_ms: Option<u64>) -> xbind_runtime::transport::Arrival {
    message(own, id, xbind::Op::Call, None, xbind::Details { deadline_ms, ..xbind::Details::default() })
}

fn message(
    own: &Replica,
    id: u8,
    op: xbind::Op,
    in_reply_to: Option<xbind::InReplyTo>,
    details: xbind::Details<&str>,
) -> xbind_runtime::transport::Arrival {
    let session = matches!(op, xbind::Op::Call).then(|| Session::from_bytes([7; 16]));
    let body: &[u8] = if op == xbind::Op::Call { b"1" } else { b"" };
    let draft = xbind::Draft {
        op,
        to: *own.b.did(),
        id: xbind::MessageId::from_bytes([id; 16]),
        issued_at: own.world.time().unix(),
        ttl: 30,
        content_type: if op == xbind::Op::Call { "application/json" } else { "application/octet-stream" },
        body,
        token: None,
        in_reply_to,
        details: xbind::Details { session, ..details },
    };
    let jws = xbind::seal(&common::key(9), &draft).unwrap().jws;
    xbind_runtime::transport::Arrival { to: *own.b.did(), jws, body: body.to_vec(), token: None }
}

fn deliver(own: &mut Replica, arrival: xbind_runtime::transport::Arrival) {
    let back = route(&own.world, 1, 0);
    own.world.nodes[1].deliver(vec![arrival], back);
    own.world.settle();
}

#[test]
fn a_copy_that_waits_beside_it_is_cancelled_with_it() {
    let mut own = Replica::new();
    let call = unnamed(&own, 1, None);
    let about = xbind::InReplyTo::of(xbind::MessageId::from_bytes([1; 16]), &call.jws);
    deliver(&mut own, call.clone());
    deliver(&mut own, call);
    assert_eq!(own.store.asked(), [false, false]);
    let cancel = message(&own, 2, xbind::Op::Cancel, Some(about), xbind::Details::default());
    deliver(&mut own, cancel);
    own.answer_all();
    assert!(own.seen.borrow().is_empty());
}

#[test]
fn somebody_elses_cancel_says_nothing() {
    let mut own = Replica::new();
    let call = unnamed(&own, 1, None);
    let other = unnamed(&own, 3, None);
    let wrong = xbind::InReplyTo::of(xbind::MessageId::from_bytes([1; 16]), &other.jws);
    deliver(&mut own, call);
    let cancel = message(&own, 2, xbind::Op::Cancel, Some(wrong), xbind::Details::default());
    deliver(&mut own, cancel);
    own.answer_all();
    assert_eq!(*own.seen.borrow(), ["1"]);
}

#[test]
fn the_time_of_a_call_runs_from_when_it_came() {
    let mut own = Replica::new();
    let call = unnamed(&own, 1, Some(3000));
    deliver(&mut own, call);
    own.world.run_for(2000);
    own.store.answer(&mut own.world); // the name
    assert_eq!(own.store.asked(), [true]);
    own.world.run_for(2000);
    own.answer_all();
    assert!(own.seen.borrow().is_empty());
    let late = unnamed(&own, 2, Some(3000));
    deliver(&mut own, late);
    own.world.run_for(2000);
    own.answer_all();
    assert_eq!(*own.seen.borrow(), ["1"], "that one was in time");
}

#[test]
fn one_whose_connection_is_lost_meanwhile_does_not_begin() {
    let (mut own, call) = Replica::held(60_000);
    own.world.net.cut(0, 1);
    own.world.run_for(10);
    own.answer_all();
    assert!(own.seen.borrow().is_empty());
    assert_eq!(failure(&call), (ErrorKind::AgentClosed, Some(Handled::Unknown)));
}

#[test]
fn an_agent_that_ends_or_is_stopped_begins_nothing_and_says_so_at_once() {
    type End = fn(&Replica);
    let ends: [(End, ErrorKind); 3] = [
        (|own| own.world.nodes[1].stop(own.b.did()), ErrorKind::Revoked),
        (|own| own.world.nodes[1].stop(own.a.did()), ErrorKind::Revoked),
        (|own| own.world.nodes[1].close(), ErrorKind::AgentClosed),
    ];
    for (n, (end, kind)) in ends.into_iter().enumerate() {
        let (mut own, call) = Replica::held(60_000);
        end(&own);
        own.world.settle();
        let told = call.borrow().as_ref().map(|ended| ended.as_ref().unwrap_err().kind());
        if n != 0 {
            assert_eq!(told, Some(kind), "{n}"); // who is stopped signs nothing any more
        }
        own.answer_all();
        assert!(own.seen.borrow().is_empty(), "{n}");
    }
}

#[test]
fn calls_are_refused_when_whoever_asks_is_gone_until_another_one_does() {
    let (mut own, call) = Replica::held(60_000);
    let refused = Some((ErrorKind::ReplayWindowFull, Some(Handled::Unknown)));
    let other = Store::default();
    let error = own.world.nodes[1].share_windows(Arc::new(other.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "the first one is still there");
    own.store.1.store(true, Ordering::Relaxed);
    own.world.nodes[1].windows_gone();
    own.world.settle();
    assert_eq!(Some(failure(&call)), refused);
    let next = own.call(60_000);
    own.world.settle();
    assert_eq!(Some(failure(&next)), refused, "and the one that comes after");
    assert!(own.seen.borrow().is_empty());
    own.world.nodes[1].share_windows(Arc::new(other.clone())).unwrap();
    own.store = other;
    let _last = own.call(60_000);
    own.world.settle();
    own.answer_all();
    assert_eq!(*own.seen.borrow(), ["1"]);
}
