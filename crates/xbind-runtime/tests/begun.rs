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
use std::sync::Arc;

use common::calls::{join, join_with, options};
use common::{World, json};
use xbind::{Error, ErrorKind};
use xbind_runtime::{AgentOptions, Allow, Handle};

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
