//! Whoever ends a call says whether it had begun with it, where that is certain.
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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use common::calls::{echo, join, join_with, options, route};
use common::policies::{ISSUER, judging, source, token};
use common::{Faults, World, json, key};
use xbind::{Error, ErrorKind, Handled};
use xbind_runtime::{AgentOptions, Allow, Audit, CallOptions, Decided, Done, Handle, Node, Recording, Taken};

#[test]
fn a_call_that_is_found_revoked_just_before_its_handler_was_not_begun() {
    for (node, stopped) in [(0, ISSUER), (1, ISSUER), (1, 3)] {
        let mut world = World::calm(2);
        let (server, caller) = (join(&world, 0, 1, None), join(&world, node, 3, None));
        let kept = Arc::default();
        server.guard(Some(judging(server.did(), "").into()), source(&kept)).unwrap();
        let handler = server.clone();
        world.spawn(2, async move { drop(handler.next().await) });
        let (from, to) = (caller.clone(), server.did().as_str().to_owned());
        let token = Some(token(&world, caller.did(), server.did(), 60));
        let calling = CallOptions { token, ..options(60_000) };
        let failed = world.start(1, async move { from.call(&to, json("1"), calling).await.unwrap_err() });
        world.settle();
        let inquiry = kept.lock().unwrap().pop().expect("the source is asked");
        world.nodes[0].stop(key(stopped).did());
        inquiry.answer(vec![Some(false)]);
        world.settle();
        let error = failed.borrow_mut().take().expect("it has ended");
        let said = (error.kind(), error.handled());
        assert_eq!(said, (ErrorKind::Revoked, Some(Handled::No)), "{node} {stopped} {}", error.message());
    }
}

type Failed = Rc<RefCell<Option<Error>>>;

fn call(world: &World, from: &Arc<Handle>, to: &Handle) -> Failed {
    let (from, to) = (from.clone(), to.did().as_str().to_owned());
    world.start(0, async move { from.call(&to, json("1"), options(60_000)).await.unwrap_err() })
}

#[test]
fn a_call_that_nobody_has_begun_with_is_told_from_one_that_runs() {
    for (stops, kind) in [(false, ErrorKind::AgentClosed), (true, ErrorKind::Revoked)] {
        let mut world = World::calm(2);
        let server = join_with(&world, 0, 1, None, AgentOptions { concurrency: 3, ..AgentOptions::default() });
        let callers = [join(&world, 0, 2, None), join(&world, 1, 3, None)];
        server.handle(Some(Allow::Everyone)).unwrap();
        let begun = callers.clone().map(|caller| {
            let failed = call(&world, &caller, &server);
            world.settle();
            let handler = server.clone();
            let incoming = world.start(1, async move { handler.next().await.unwrap() });
            world.settle();
            (failed, incoming)
        });
        // One more is with the face, and the others wait for a place.
        let waiting: Vec<_> = (0..4).map(|n| call(&world, &callers[n % 2], &server)).collect();
        world.settle();
        if stops {
            world.nodes[0].stop(server.did());
        } else {
            world.drop_tasks(1);
            drop(server);
        }
        world.settle();
        let message = |failed: &Failed| {
            let error = failed.borrow_mut().take().expect("it has ended");
            assert_eq!(error.kind(), kind);
            error.message().to_owned()
        };
        for (failed, _) in &begun {
            let message = message(failed);
            assert!(!message.contains("begun"), "{message}");
        }
        for failed in &waiting {
            let message = message(failed);
            assert!(message.contains("nothing of") && message.contains("was begun"), "{message}");
        }
    }
}

/// A log in which something else happens while it takes note that a call begins, or which cannot take that the first time.
#[derive(Default)]
struct Moment {
    stops: OnceLock<(Weak<Node>, xbind::Did)>,
    refused: AtomicUsize,
}

impl Audit for Moment {
    fn take(&self, decided: Decided, done: Option<Done>) -> Taken {
        if decided.event == "call" && done.is_some() {
            if let Some((node, did)) = self.stops.get() {
                let (node, did) = (node.upgrade().unwrap(), *did);
                std::thread::spawn(move || node.stop(&did)).join().unwrap();
            } else if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                return Taken::No;
            }
        }
        Taken::Yes
    }

    fn waits(&self) -> bool {
        false
    }
}

fn recorded(world: &mut World, at: usize) -> Arc<Moment> {
    let audit = Arc::<Moment>::default();
    world.restart_with(at, Some(Recording { audit: audit.clone(), dangerously_unrecorded: false }));
    audit
}

#[test]
fn a_handler_whose_caller_was_told_that_it_has_not_begun_does_not_begin() {
    for (node, handled) in [(0, Handled::Unknown), (1, Handled::No)] {
        let mut world = World::calm(2);
        let audit = recorded(&mut world, 0);
        let (server, caller) = (join(&world, 0, 1, None), join(&world, node, 2, None));
        let seen = echo(&world, &server, 0);
        audit.stops.set((Arc::downgrade(&world.nodes[0]), *caller.did())).unwrap();
        let failed = call(&world, &caller, &server);
        world.settle();
        let error = failed.borrow_mut().take().expect("it has ended");
        assert_eq!((error.kind(), error.handled(), seen.borrow().len()), (ErrorKind::Revoked, Some(handled), 0));
    }
}

#[test]
fn a_copy_of_a_call_that_could_not_be_recorded_does_not_run() {
    let mut world = World::new(1, 2, Faults { sessions: true, ..Faults::default() });
    recorded(&mut world, 0);
    let (server, caller) = (join(&world, 0, 1, None), join(&world, 1, 2, None));
    let seen = echo(&world, &server, 0);
    let failed = call(&world, &caller, &server);
    world.settle();
    let sent: Vec<_> = world.net.inner().carried.iter().filter(|(from, ..)| *from == 1).cloned().collect();
    world.nodes[0].deliver(sent.into_iter().map(|(.., arrival)| arrival).collect(), route(&world, 0, 1));
    world.settle();
    let error = failed.borrow_mut().take().expect("it has ended");
    assert_eq!((error.kind(), error.handled(), seen.borrow().len()), (ErrorKind::AuditFailed, Some(Handled::No), 0));
}
