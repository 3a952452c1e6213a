//! A key elsewhere that cannot be shown at first: whoever needs its agent has it asked for again, after growing pauses.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::Duration;

use xbind::{ErrorKind, SigningKey, VerifyingKey};
use xbind_runtime::{AgentOptions, Event, NewCall, Node, NodeOptions, Outcome, Payload, Port, Signer, Time};

struct World {
    time: Time,
    node: Arc<Node>,
    port: Arc<Port>,
    key: SigningKey,
    caller: u32,
    asked: u32,
}

impl World {
    fn new() -> Self {
        let time = Time::driven();
        let options = NodeOptions { time: time.clone(), ..NodeOptions::default() };
        let node = Node::new(options);
        let port = Port::new(Box::new(|| ()), time.clone());
        let local = Signer::Local(SigningKey::from_seed(&[1; 32]));
        let caller = port.join(&node, local, None, AgentOptions::default()).unwrap();
        let key = SigningKey::from_seed(&[2; 32]);
        let elsewhere = Signer::Elsewhere(VerifyingKey::from_did(key.did().as_str()).unwrap());
        port.join(&node, elsewhere, Some("late".to_owned()), AgentOptions::default()).unwrap();
        Self { time, node, port, key, caller, asked: 0 }
    }

    fn advance(&self) {
        let _ = self.node.drive(self.time.now() + Duration::from_millis(250));
    }

    /// Works until nothing happens; the key is there, or is not. How the sends ended.
    fn work(&mut self, is_there: bool) -> Vec<Result<(), ErrorKind>> {
        let mut ended = Vec::new();
        loop {
            let mut events = Vec::new();
            let more = self.port.flush(64, &mut events);
            if events.is_empty() && !more {
                return ended;
            }
            for event in events {
                match event {
                    Event::Sign { agent, round, bytes } => {
                        self.asked += 1;
                        let signature = is_there.then(|| self.key.sign(&bytes));
                        assert_eq!(self.port.signed(agent, round, signature), is_there);
                    }
                    Event::Settled { outcome: Outcome::Failed { error, .. }, .. } => ended.push(Err(error.kind())),
                    Event::Settled { .. } => ended.push(Ok(())),
                    _ => {}
                }
            }
        }
    }

    fn send(&mut self, to: &str, is_there: bool) -> Result<(), ErrorKind> {
        let payload = Payload::Json("1".to_owned());
        let call = NewCall { agent: self.caller, to, payload, one_way: true, timeout: None, ..NewCall::default() };
        self.port.call(call).map_err(|error| error.kind())?;
        let ended = self.work(is_there);
        assert_eq!(ended.len(), 1);
        ended[0]
    }
}

#[test]
fn is_asked_for_again_by_whoever_needs_it() {
    for by_name in [true, false] {
        let mut world = World::new();
        assert!(world.work(false).is_empty());
        let to = if by_name { "late".to_owned() } else { world.key.did().as_str().to_owned() };
        world.advance();
        assert_eq!(world.send(&to, true), Ok(()));
        assert_eq!(world.node.agents().len(), 2);
        assert_eq!(world.send(&to, true), Ok(()));
    }
}

#[test]
fn pauses_grow_up_to_a_minute() {
    let mut world = World::new();
    world.work(false);
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (asked, mut waited) = (world.asked, 0_u64);
        while world.asked == asked {
            assert_eq!(world.send("late", false), Err(ErrorKind::AgentNotFound));
            world.advance();
            waited += 250;
        }
        waits.push(waited);
    }
    assert!(waits.is_sorted(), "{waits:?}");
    assert!(waits[11] >= 60_000 && waits[11] < 61_000, "{waits:?}");
    assert!(waits.iter().sum::<u64>() > 120_000, "{waits:?}");
}

#[test]
fn nobody_asks_for_the_key_of_one_that_closed() {
    let mut world = World::new();
    world.work(false);
    world.node.close();
    world.work(false);
    assert_eq!(world.asked, 1);
}
