//! What strangers ask for, and have refused, in any number and in copies: nobody else waits for it, and nothing fills up.
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

use common::calls::{call, echo, err, join, ok, route};
use common::{Faults, World, key};
use xbind::{Details, Did, Draft, ErrorKind, MessageId, Op, Session, SigningKey, Unsigned, seal};
use xbind_runtime::transport::Arrival;
use xbind_runtime::{AgentOptions, Allow, SharedWindow, WindowAnswer, WindowQuestion};

fn world(nodes: usize) -> World {
    World::new(1, nodes, Faults { sessions: true, ..Faults::default() })
}

fn draft<'a>(world: &World, to: Did, details: Details<&'a str>) -> Draft<'a> {
    Draft {
        op: Op::Call,
        to,
        id: MessageId::from_bytes([1; 16]),
        issued_at: world.net.inner().epoch,
        ttl: 30,
        content_type: "application/octet-stream",
        body: b"",
        token: None,
        in_reply_to: None,
        details,
    }
}

fn asking() -> Details<&'static str> {
    Details { method: Some("xbind.session"), ..Details::default() }
}

fn arrival(to: Did, jws: String) -> Arrival {
    Arrival { to, jws, body: Vec::new(), token: None }
}

fn said(world: &World, from: usize, to: usize) -> usize {
    world.net.inner().carried.iter().filter(|(one, other, _)| (*one, *other) == (from, to)).count()
}

#[test]
fn however_many_ask_for_the_session_and_in_copies_the_next_one_is_told() {
    let mut world = world(3);
    let (a, b) = (join(&world, 0, 1, Some("a")), join(&world, 1, 2, Some("b")));
    let seen = echo(&world, &b, 0);
    let to = *b.did();
    // One who asks again and again, copies of what a crowd has asked, and both within one second.
    let sealed = |seed: [u8; 32]| seal(&SigningKey::from_seed(&seed), &draft(&world, to, asking())).unwrap().jws;
    let crowd = (0..4200_u16).map(|n| {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        arrival(to, sealed(seed))
    });
    let copies = std::iter::repeat_n(arrival(to, sealed([9; 32])), 200);
    world.nodes[1].deliver(copies.chain(crowd).collect(), route(&world, 1, 2));
    let answer = call(&world, &a, "b", "1", 1000);
    world.settle();
    assert_eq!(ok(&answer), "1");
    assert_eq!(said(&world, 1, 2), 4400, "a copy is answered like what it is a copy of");
    assert_eq!(seen.borrow().len(), 1);
}

/// Copies of one call that `b` refuses, over the connection from node 2.
fn refused(world: &World, to: Did, count: usize) {
    let stranger = key(200);
    let session = Some(world.nodes[1].own_session(&to).unwrap());
    let drafts = [1, 2].map(|n| Draft {
        id: MessageId::from_bytes([n; 16]),
        ..draft(world, to, Details { session, ..Details::default() })
    });
    let unsigned = Unsigned::new(stranger.did(), &drafts).unwrap();
    let signature = stranger.sign(unsigned.to_sign());
    let sealed = unsigned.finish(&signature).remove(0);
    for _ in 0..count / 1000 {
        let copies = vec![arrival(to, sealed.jws.clone()); 1000];
        world.nodes[1].deliver(copies, route(world, 1, 2));
    }
}

#[test]
fn who_reads_nothing_of_what_he_is_refused_takes_nobodys_room() {
    let mut world = world(3);
    let (a, b) = (join(&world, 0, 1, Some("a")), join(&world, 1, 2, Some("b")));
    let seen = echo(&world, &a, 0);
    b.handle(Some(Allow::only([*b.did()]))).unwrap();
    world.net.block(1, 2, 0);
    refused(&world, *b.did(), 5000);
    world.settle();
    for _ in 0..10 {
        refused(&world, *b.did(), 10_000);
        world.settle();
    }
    // What it says to others goes out, as ever.
    let (own, other) = (call(&world, &b, "a", "1", 1000), call(&world, &a, "b", "2", 1000));
    world.settle();
    assert_eq!((ok(&own), err(&other)), ("1".to_owned(), ErrorKind::NotAllowed));
    assert_eq!(seen.borrow().len(), 1);
    // Whoever reads after all gets what waited, and that has a bound.
    world.net.unblock(1, 2);
    world.run_for(1000);
    let told = said(&world, 1, 2);
    assert!((4096..=3 * 4096).contains(&told), "{told} refusals");
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Vec<WindowQuestion>>>);

impl SharedWindow for Store {
    fn ask(&self, question: WindowQuestion) {
        self.0.lock().unwrap().push(question);
    }

    fn is_gone(&self) -> bool {
        false
    }
}

#[test]
fn a_question_for_which_there_is_no_room_is_asked_again_while_somebody_waits() {
    let mut world = world(3);
    let store = Store::default();
    world.nodes[1].share_windows(Arc::new(store.clone())).unwrap();
    let options = AgentOptions { inbox_messages: 3, ..AgentOptions::default() };
    let (a, b) = (join(&world, 0, 1, Some("a")), common::calls::join_with(&world, 1, 2, Some("b"), options));
    let seen = echo(&world, &b, 0);
    // Strangers have all the room there is while the store has not said how the window is called.
    let to = *b.did();
    let sealed = |seed: u8| seal(&key(seed), &draft(&world, to, asking())).unwrap().jws;
    let crowd = (100..110).map(|seed| arrival(to, sealed(seed))).collect();
    world.nodes[1].deliver(crowd, route(&world, 1, 2));
    let (patient, hasty) = (call(&world, &a, "b", "1", 10_000), call(&world, &a, "b", "2", 600));
    world.run_for(2000);
    assert!(patient.borrow().is_none(), "{patient:?} {hasty:?}");
    assert_eq!(err(&hasty), ErrorKind::Timeout);
    let asked = said(&world, 0, 1);
    assert!((2..=5).contains(&asked), "asked {asked} times in two seconds");
    let name = Session::from_bytes([7; 16]).text();
    for _ in 0..10 {
        for question in std::mem::take(&mut *store.0.lock().unwrap()) {
            world.nodes[1].window_told(question.number, &WindowAnswer::New(name.clone()));
        }
        world.run_for(200);
    }
    assert_eq!(ok(&patient), "1");
    assert_eq!(*seen.borrow(), ["1"]);
}
