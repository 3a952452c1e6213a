//! What is larger than its route takes: whoever waits for it is told at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use std::sync::Arc;

use common::calls::{call, echo, err, join, ok, options};
use common::streams::{carried, stream};
use common::{World, json, key};
use xbind::{Error, ErrorKind};
use xbind_runtime::{AgentOptions, Allow, Event, Flow, Port, Reply, Signer, Start};

const MOST: usize = 4000;

fn world() -> World {
    let world = World::calm(2);
    world.net.inner().limits.max_parcel = MOST;
    world
}

fn large() -> String {
    format!("\"{}\"", "x".repeat(MOST))
}

/// An agent at node 1 whose face is the test.
struct Face {
    port: Arc<Port>,
    events: Vec<Event>,
}

impl Face {
    fn new(world: &World) -> Self {
        let port = Port::new(Box::new(|| ()), world.time().clone());
        let options = AgentOptions { handles: true, ..AgentOptions::default() };
        port.join(&world.nodes[1], Signer::Local(key(2)), Some("b".to_owned()), options).unwrap();
        world.list(1, Some("b"), key(2).did());
        Self { port, events: Vec::new() }
    }

    fn settle(&mut self, world: &mut World) {
        for _ in 0..4 {
            world.settle();
            while self.port.flush(100, &mut self.events) {}
        }
        world.settle();
    }

    /// The next call, with which it begins.
    fn begin(&mut self, world: &mut World) -> u64 {
        self.settle(world);
        let ticket = self.events.drain(..).find_map(|event| match event {
            Event::Call { ticket, .. } => Some(ticket),
            _ => None,
        });
        let ticket = ticket.expect("a call came");
        assert!(matches!(self.port.start(ticket), Start::Run));
        ticket
    }

    /// What its owner was told, and which handlers were told that nobody waits.
    fn told(&mut self) -> (Vec<ErrorKind>, Vec<u64>) {
        let (mut unsent, mut cancelled) = (Vec::new(), Vec::new());
        for event in self.events.drain(..) {
            match event {
                Event::Unsent { error, .. } => unsent.push(error.kind()),
                Event::Cancelled { ticket } => cancelled.push(ticket),
                _ => {}
            }
        }
        (unsent, cancelled)
    }
}

#[test]
fn a_call_fails_at_once_also_where_others_wait_for_room() {
    let mut world = world();
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    echo(&world, &b, 0);
    world.net.block(0, 1, 0);
    let waiting: Vec<_> = (0..2).map(|n| call(&world, &a, "b", &n.to_string(), 60_000)).collect();
    world.settle();
    let large = call(&world, &a, "b", &large(), 60_000);
    let next = call(&world, &a, "b", "2", 60_000);
    world.settle();
    assert_eq!(err(&large), ErrorKind::PayloadTooLarge);
    assert!(waiting.iter().chain([&next]).all(|call| call.borrow().is_none()));
    world.net.unblock(0, 1);
    world.run_for(100);
    assert_eq!(waiting.iter().chain([&next]).map(ok).collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[test]
fn the_caller_of_an_answer_gets_a_signed_error_and_the_owner_is_told() {
    let mut world = world();
    let a = join(&world, 0, 1, None);
    let mut face = Face::new(&world);
    let answer = call(&world, &a, "b", "1", 60_000);
    let ticket = face.begin(&mut world);
    face.port.reply(ticket, Reply::Payload(json(&large())));
    face.settle(&mut world);
    assert_eq!(err(&answer), ErrorKind::PayloadTooLarge);
    assert_eq!(face.told(), (vec![ErrorKind::PayloadTooLarge], vec![]));
    assert_eq!(carried(&world, 1).iter().map(|message| message.op().to_owned()).collect::<Vec<_>>(), ["error"]);

    // The code of an error stays, without what went with it.
    let answer = call(&world, &a, "b", "2", 60_000);
    let ticket = face.begin(&mut world);
    let detail = format!(r#"{{"code":"MINE","message":{}}}"#, large());
    face.port.reply(ticket, Reply::Refused(ErrorKind::HandlerFailed, Some(detail)));
    face.settle(&mut world);
    assert_eq!(err(&answer), ErrorKind::HandlerFailed);
    assert_eq!(face.told().0, [ErrorKind::PayloadTooLarge]);

    let answer = call(&world, &a, "b", "3", 60_000);
    let ticket = face.begin(&mut world);
    face.port.reply(ticket, Reply::Payload(json("\"small\"")));
    face.settle(&mut world);
    assert_eq!((ok(&answer), face.told().0), ("\"small\"".to_owned(), vec![]));
}

#[test]
fn a_part_ends_its_stream_after_those_before_it() {
    let mut world = world();
    let a = join(&world, 0, 1, None);
    let mut face = Face::new(&world);
    // Before and after the large part, in one batch and in others; and others to the same caller meanwhile.
    for (together, after) in [(true, 0), (true, 3), (false, 0), (false, 3)] {
        let read = stream(&world, &a, "b", 60_000);
        let ticket = face.begin(&mut world);
        let other = stream(&world, &a, "b", 60_000);
        let second = face.begin(&mut world);
        let part = |ticket, payload: &str| face.port.part(ticket, json(payload)).unwrap();
        assert_eq!([part(ticket, "0"), part(second, "0"), part(ticket, "1")], [Flow::Open; 3]);
        if !together {
            while face.port.flush(100, &mut face.events) {}
        }
        part(ticket, &large());
        for n in 0..after {
            part(ticket, &n.to_string());
            part(second, &(n + 1).to_string());
        }
        face.settle(&mut world);
        assert_eq!((read.parts(), read.end()), (common::streams::numbers(2), Err(ErrorKind::PayloadTooLarge)));
        assert_eq!(face.told(), (vec![ErrorKind::PayloadTooLarge], vec![ticket]));
        assert_eq!(face.port.part(ticket, json("9")).unwrap(), Flow::Over);
        face.port.reply(ticket, Reply::End(json("\"end\"")));
        face.port.reply(second, Reply::End(json("\"end\"")));
        face.settle(&mut world);
        assert_eq!((other.parts(), other.end()), (common::streams::numbers(after + 1), Ok("\"end\"".to_owned())));
    }
}

#[test]
fn a_part_of_an_answer_that_is_complete_already_ends_it_too() {
    let mut world = world();
    let a = join(&world, 0, 1, None);
    let mut face = Face::new(&world);
    for large_end in [false, true] {
        let read = stream(&world, &a, "b", 60_000);
        let ticket = face.begin(&mut world);
        face.port.part(ticket, json("0")).unwrap();
        if large_end {
            face.port.reply(ticket, Reply::End(json(&large())));
        } else {
            face.port.part(ticket, json(&large())).unwrap();
            face.port.part(ticket, json("2")).unwrap();
            face.port.reply(ticket, Reply::End(json("\"end\"")));
        }
        face.settle(&mut world);
        assert_eq!((read.parts(), read.end()), (common::streams::numbers(1), Err(ErrorKind::PayloadTooLarge)));
        assert_eq!(face.told(), (vec![ErrorKind::PayloadTooLarge], vec![]));
    }
}

#[test]
fn a_route_that_takes_not_even_an_error_ends_nothing_else() {
    let mut world = world();
    let a = join(&world, 0, 1, None);
    let mut face = Face::new(&world);
    let answer = call(&world, &a, "b", "1", 1000);
    let ticket = face.begin(&mut world);
    world.net.inner().limits.max_parcel = 10;
    face.port.reply(ticket, Reply::Payload(json("1")));
    face.settle(&mut world);
    assert_eq!(face.told().0, [ErrorKind::PayloadTooLarge; 2], "the answer, and the error in its place");
    world.run_for(2000);
    assert_eq!(err(&answer), ErrorKind::Timeout);
}

#[test]
fn a_handle_hears_that_nobody_waits_for_a_part_any_more() {
    let mut world = world();
    let (a, b) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("b")));
    b.handle(Some(Allow::Everyone)).unwrap();
    let handler = b.clone();
    let ended = world.start(1, async move {
        let mut incoming = handler.next().await.unwrap();
        incoming.part(json(&large())).await.unwrap();
        loop {
            let sent: Result<(), Error> = incoming.part(json("1")).await;
            if let Err(error) = sent {
                return error.kind();
            }
        }
    });
    let mut read = a.stream("b", json("1"), options(60_000)).unwrap();
    let end = world.start(0, async move { read.next().await.unwrap_err().kind() });
    world.run_for(1000);
    assert_eq!(*end.borrow(), Some(ErrorKind::PayloadTooLarge));
    assert_eq!(*ended.borrow(), Some(ErrorKind::Aborted));
}
