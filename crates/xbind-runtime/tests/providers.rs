//! Handles whose key is elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::calls::{join_on as join, patient};
use common::{Provider, World, json, key, text};
use xbind::{ErrorKind, VerifyingKey};
use xbind_runtime::{AgentOptions, Allow, CallOptions, Handle, Key};

fn provider(world: &World, own: u8, named: u8, faults: [u64; 4]) -> Key {
    let (key, did) = (key(own), *key(named).did());
    Key::Elsewhere(Arc::new(Provider { net: world.net.clone(), key, did, faults }))
}

#[test]
fn a_key_elsewhere_is_listed_once_it_has_signed_and_calls_meanwhile_wait() {
    let mut world = World::calm(1);
    let slow = provider(&world, 1, 1, [100, 0, 0, 0]);
    let server = Arc::new(world.nodes[0].join(slow, Some("server".to_owned()), AgentOptions::default()).unwrap());
    let caller = Arc::new(join(&world.nodes[0], 2, Some("caller")));
    server.handle(Some(Allow::Everyone)).unwrap();
    let handler = server.clone();
    world.spawn(1, async move {
        while let Some(incoming) = handler.next().await {
            incoming.reply(json("\"done\""));
        }
    });
    assert_eq!(world.nodes[0].agents().len(), 1, "only the caller");
    let asks = caller.clone();
    let by_name = world.start(0, async move { asks.call("server", json("1"), patient()).await });
    let (asks, did) = (caller.clone(), server.did().as_str().to_owned());
    let by_did = world.start(0, async move { asks.call(&did, json("2"), patient()).await });
    let asks = server.clone();
    let own = world.start(0, async move { asks.send("caller", json("3"), patient()).await });
    world.settle();
    assert!(by_name.borrow().is_none() && by_did.borrow().is_none() && own.borrow().is_none());
    world.run_for(30_000);
    assert_eq!(world.nodes[0].agents().len(), 2);
    for answer in [by_name, by_did] {
        assert_eq!(text(&answer.borrow_mut().take().unwrap().unwrap()), "\"done\"");
    }
    assert!(own.borrow_mut().take().unwrap().is_ok());
}

#[test]
fn whoever_only_names_anothers_did_is_never_listed() {
    let mut world = World::calm(1);
    let impostor = provider(&world, 1, 7, [0; 4]);
    let impostor = Arc::new(world.nodes[0].join(impostor, Some("victim".to_owned()), AgentOptions::default()).unwrap());
    impostor.handle(Some(Allow::Everyone)).unwrap();
    let caller = Arc::new(join(&world.nodes[0], 2, None));
    let (asks, did) = (caller.clone(), impostor.did().as_str().to_owned());
    let before = world.start(0, async move { asks.call(&did, json("1"), patient()).await });
    world.settle();
    assert_eq!(before.borrow_mut().take().unwrap().unwrap_err().kind(), ErrorKind::AgentNotFound);
    let asks = impostor.clone();
    let did = caller.did().as_str().to_owned();
    let own = world.start(0, async move { asks.send(&did, json("1"), patient()).await });
    world.settle();
    assert_eq!(own.borrow_mut().take().unwrap().unwrap_err().kind(), ErrorKind::SignFailed);
    assert_eq!(world.nodes[0].agents().len(), 1);
    // The owner of the key comes, and is called.
    let victim = Arc::new(join(&world.nodes[0], 7, Some("victim")));
    victim.handle(Some(Allow::Everyone)).unwrap();
    let asks = caller.clone();
    let call = world.start(0, async move { asks.call("victim", json("2"), patient()).await });
    let handler = victim.clone();
    world.spawn(1, async move { handler.next().await.unwrap().reply(json("\"the true one\"")) });
    world.settle();
    assert_eq!(text(&call.borrow_mut().take().unwrap().unwrap()), "\"the true one\"");
}

#[test]
fn a_provider_that_keeps_silent_takes_nobodys_room_and_ends_with_its_calls() {
    let mut world = World::calm(1);
    let small = AgentOptions { inbox_messages: 2, concurrency: 1, ..AgentOptions::default() };
    let server = Arc::new(world.nodes[0].join(Key::Local(key(1)), Some("server".to_owned()), small).unwrap());
    server.handle(Some(Allow::Everyone)).unwrap();
    let silent = provider(&world, 3, 3, [0, 0, 0, 100]);
    let silent = Arc::new(world.nodes[0].join(silent, None, AgentOptions::default()).unwrap());
    let soon = || CallOptions { timeout: Some(Duration::from_secs(1)), ..CallOptions::default() };
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let asks = silent.clone();
            world.start(0, async move { asks.call("server", json("1"), soon()).await })
        })
        .collect();
    world.run_for(2000);
    assert!(calls.iter().all(|call| call.borrow_mut().take().is_some_and(|result| result.is_err())));
    drop(silent);
    world.drop_tasks(0);
    world.net.forget_kept();
    // The test's, the server's and its agent's.
    assert_eq!(Arc::strong_count(&world.nodes[0]), 3, "the silent agent is left over");
}

#[test]
fn a_handle_signs_a_challenge_but_no_statement_and_nothing_once_it_is_closed() {
    let world = World::calm(1);
    let here = join(&world.nodes[0], 1, None);
    let shown = here.sign_data(b"a label, a challenge").unwrap();
    let verifier = VerifyingKey::from_did(here.did().as_str()).unwrap();
    assert!(verifier.verify(b"a label, a challenge", &shown));
    let elsewhere = world.nodes[0].join(provider(&world, 1, 2, [0; 4]), None, AgentOptions::default()).unwrap();
    let refused = |handle: &Handle, data: &[u8]| handle.sign_data(data).unwrap_err().kind();
    assert_eq!(refused(&here, b"xbind-join-v1\0"), ErrorKind::SignFailed);
    assert_eq!(refused(&elsewhere, b"a challenge"), ErrorKind::SignFailed);
    world.nodes[0].close();
    assert_eq!(refused(&here, b"a challenge"), ErrorKind::SignFailed);
}
