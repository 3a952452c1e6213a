//! Handles: agents of Rust programs, from one thread and from many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use std::future::Future;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use common::calls::{join_on as join, patient};
use common::{World, block_on, json, key, text};
use xbind::{ErrorKind, MessageId, SigningKey};
use xbind_runtime::{
    AgentOptions, Allow, CallOptions, Event, Handle, NewCall, Node, NodeOptions, Port, Reply, Signer, Start, Time,
};

fn node() -> Arc<Node> {
    Node::new(NodeOptions::default())
}

fn wait_until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Echoes on a thread of its own until the agent is closed.
fn echo(handle: &Arc<Handle>) -> thread::JoinHandle<usize> {
    handle.handle(Some(Allow::Everyone)).unwrap();
    let handle = handle.clone();
    thread::spawn(move || {
        let mut count = 0;
        while let Some(incoming) = block_on(handle.next()) {
            count += 1;
            let payload = json(&text(&incoming.payload));
            incoming.reply(payload);
        }
        count
    })
}

#[test]
fn threads_call_each_other_and_share_a_handle() {
    let node = node();
    let server = Arc::new(join(&node, 1, Some("server")));
    let caller = Arc::new(join(&node, 2, None));
    let echoes = echo(&server);
    let callers: Vec<_> = (0..4)
        .map(|thread| {
            let caller = caller.clone();
            thread::spawn(move || {
                for n in 0..50 {
                    let sent = format!("{}", thread * 1000 + n);
                    let answer = block_on(caller.call("server", json(&sent), patient())).unwrap();
                    assert_eq!(text(&answer), sent);
                }
            })
        })
        .collect();
    for thread in callers {
        thread.join().unwrap();
    }
    node.close();
    assert_eq!(echoes.join().unwrap(), 200);
    assert_eq!(block_on(caller.call("server", json("1"), patient())).unwrap_err().kind(), ErrorKind::AgentClosed);
}

#[test]
fn a_dropped_call_is_cancelled_and_a_dropped_handler_has_failed() {
    let node = node();
    let server = join(&node, 1, Some("server"));
    let caller = join(&node, 2, None);
    server.handle(Some(Allow::Everyone)).unwrap();
    let mut call = Box::pin(caller.call("server", json("1"), patient()));
    let waker = Waker::noop();
    assert!(call.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    let incoming = block_on(server.next()).unwrap();
    assert!(!incoming.is_cancelled());
    drop(call);
    assert!(incoming.is_cancelled());
    incoming.reply(json("nobody hears this"));

    thread::scope(|scope| {
        scope.spawn(|| drop(block_on(server.next()).unwrap()));
        let error = block_on(caller.call("server", json("2"), patient())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HandlerFailed);
        scope.spawn(|| block_on(server.next()).unwrap().refuse(ErrorKind::ScopeDenied));
        let error = block_on(caller.call("server", json("3"), patient())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ScopeDenied);
    });
}

#[test]
fn a_deadline_wakes_though_nothing_else_happens() {
    let node = node();
    let server = join(&node, 1, Some("server"));
    server.handle(Some(Allow::Everyone)).unwrap();
    let caller = join(&node, 2, None);
    let soon = CallOptions { timeout: Some(Duration::from_millis(20)), ..CallOptions::default() };
    assert_eq!(block_on(caller.call("server", json("1"), soon)).unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn a_handle_that_goes_ends_the_calls_to_it_and_leaves_nothing_behind() {
    let node = node();
    let caller = join(&node, 2, None);
    for round in 0..3 {
        let server = join(&node, 1, Some("server"));
        server.handle(Some(Allow::Everyone)).unwrap();
        let calls: Vec<_> = (0..10).map(|_| Box::pin(caller.call("server", json("1"), patient()))).collect();
        let calls = start_all(calls);
        // Some were begun with, some wait for it, and some have only just been made.
        let begun: Vec<_> = (0..round).map(|_| block_on(server.next()).unwrap()).collect();
        drop(server);
        for call in calls {
            assert_eq!(block_on(call).unwrap_err().kind(), ErrorKind::AgentClosed);
        }
        drop(begun);
    }
    assert_eq!(node.agents().len(), 1);
    drop(caller);
    wait_until(|| Arc::strong_count(&node) == 1);
}

fn start_all<F: Future + Unpin>(mut calls: Vec<F>) -> Vec<F> {
    for call in &mut calls {
        assert!(std::pin::Pin::new(call).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    calls
}

#[test]
fn a_waker_may_use_the_runtime_at_once() {
    struct Drives(Arc<Node>, mpsc::Sender<()>);
    impl Wake for Drives {
        fn wake(self: Arc<Self>) {
            self.0.drive(self.0.time().now());
            drop(self.0.agents());
            let _ = self.1.send(());
        }
    }
    let node = Node::new(NodeOptions { time: Time::driven(), ..NodeOptions::default() });
    let server = join(&node, 1, Some("server"));
    server.handle(Some(Allow::Everyone)).unwrap();
    let caller = join(&node, 2, None);
    let (woken, wakes) = mpsc::channel();
    let waker = Waker::from(Arc::new(Drives(node.clone(), woken)));
    let mut context = Context::from_waker(&waker);
    let mut next = Box::pin(server.next());
    assert!(next.as_mut().poll(&mut context).is_pending());
    let mut call = Box::pin(caller.call("server", json("1"), patient()));
    assert!(call.as_mut().poll(&mut context).is_pending());
    node.drive(node.time().now());
    assert!(wakes.try_recv().is_ok());
    assert!(matches!(next.as_mut().poll(&mut context), Poll::Ready(Some(_))));
}

#[test]
fn agents_of_one_did_remember_together_also_when_they_have_gone_and_come_back() {
    let node = node();
    let port = Port::new(Box::new(|| ()), Time::System);
    let join = || port.join(&node, Signer::Local(key(1)), None, AgentOptions::default()).unwrap();
    let (one, other) = (join(), join());
    let (signer, id, until) = (*key(5).did(), MessageId::from_bytes([1; 16]), xbind_runtime::now() + 60);
    let use_once = |number| port.agent(number).unwrap().use_once(&signer, &id, until).map_err(|error| error.kind());
    assert_eq!(use_once(one), Ok(()));
    assert_eq!(use_once(other), Err(ErrorKind::Replayed));
    port.close_all();
    assert_eq!(use_once(join()), Err(ErrorKind::Replayed));
}

#[test]
fn one_sender_cannot_fill_an_inbox() {
    let mut world = World::calm(1);
    let server = Arc::new(join(&world.nodes[0], 1, Some("server")));
    let (flood, other) = (Arc::new(join(&world.nodes[0], 2, None)), Arc::new(join(&world.nodes[0], 3, None)));
    let flooded: Vec<_> = (0..1100)
        .map(|_| {
            let flood = flood.clone();
            world.start(0, async move { flood.send("server", json("1"), patient()).await })
        })
        .collect();
    world.settle();
    let results: Vec<_> = flooded.iter().map(|send| send.borrow_mut().take().unwrap()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1024);
    assert!(results.into_iter().filter_map(Result::err).all(|error| error.kind() == ErrorKind::InboxFull));
    let sent = world.start(0, async move { other.send("server", json("2"), patient()).await });
    world.settle();
    assert!(sent.borrow_mut().take().unwrap().is_ok(), "there is room left for others");
    drop(server);
}

#[test]
fn ten_thousand_calls_at_once_to_one_agent_go_through() {
    let mut world = World::calm(1);
    let server = Arc::new(join(&world.nodes[0], 1, Some("server")));
    server.handle(Some(Allow::Everyone)).unwrap();
    let handler = server.clone();
    world.spawn(1, async move {
        let mut expected = 0;
        while let Some(incoming) = handler.next().await {
            assert_eq!(text(&incoming.payload), expected.to_string(), "in order");
            expected += 1;
            incoming.reply(json("1"));
        }
    });
    let caller = Arc::new(join(&world.nodes[0], 2, None));
    let answered = Arc::new(Mutex::new(0));
    for n in 0..10_000 {
        let (caller, answered) = (caller.clone(), answered.clone());
        world.spawn(0, async move {
            caller.call("server", json(&n.to_string()), patient()).await.unwrap();
            *answered.lock().unwrap() += 1;
        });
    }
    world.settle();
    assert_eq!(*answered.lock().unwrap(), 10_000);
}

/// What a face does with a port: no thread is special, and what does not hold any more does not begin.
#[test]
fn a_port_begins_nothing_that_does_not_hold_any_more() {
    let node = node();
    let port = Port::new(Box::new(|| ()), Time::System);
    let join = |seed, name: &str| {
        port.join(&node, Signer::Local(key(seed)), Some(name.to_owned()), AgentOptions::default()).unwrap()
    };
    let (server, caller) = (join(1, "server"), join(2, "caller"));
    let call = |payload: &str| {
        let call = NewCall {
            agent: caller,
            to: "server",
            payload: json(payload),
            one_way: false,
            timeout: None,
            ..NewCall::default()
        };
        let number = port.call(call).unwrap();
        let mut events = Vec::new();
        while port.flush(100, &mut events) {}
        let ticket =
            events.iter().find_map(|event| if let Event::Call { ticket, .. } = event { Some(*ticket) } else { None });
        (number, ticket.expect("it arrived"))
    };
    let agent = port.agent(server).unwrap();
    agent.guard(Some(Allow::Everyone.into())).unwrap();
    let (_, holds) = call("1");
    assert!(matches!(port.start(holds), Start::Run));
    port.reply(holds, Reply::Payload(json("1")));

    let (number, aborted) = call("2");
    port.abandon(number);
    assert!(matches!(port.start(aborted), Start::Gone));

    let (_, refused) = call("3");
    agent.guard(Some(Allow::only([]).into())).unwrap();
    assert!(matches!(port.start(refused), Start::Gone));
    agent.guard(Some(Allow::Everyone.into())).unwrap();

    let (_, to_inbox) = call("4");
    agent.guard(None).unwrap();
    assert!(matches!(port.start(to_inbox), Start::Back));
    port.give_back(to_inbox, json("4"));
    assert_eq!(agent.receive(10, false).unwrap().len(), 1);
    agent.guard(Some(Allow::Everyone.into())).unwrap();

    let (_, stopped) = call("5");
    node.stop(SigningKey::from_seed(&[2; 32]).did());
    assert!(matches!(port.start(stopped), Start::Gone));
    drop(agent);
    port.close_all();
    assert_eq!(Arc::strong_count(&node), 1);
}
