//! What ends a request that runs: whoever asked is gone, or may not any more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xbind::{Did, SigningKey};

use crate::common::authority::Authority;
use crate::common::client::{Request, Wire};
use crate::common::tokens::handed_on;
use crate::common::upstream::{self, Do, Gate};
use crate::common::world::{CHAT, World, but, chat};
use crate::common::{key, until};

const EVENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"he\"}}]}\n\n";

fn begun(gate: &Gate) -> Vec<Do> {
    let head = upstream::stream("text/event-stream");
    vec![Do::Say(head), Do::Say(upstream::chunk(EVENT)), Do::Wait(gate.clone()), Do::Say(upstream::LAST.to_vec())]
}

#[test]
fn whoever_goes_away_is_not_worked_for_and_pays() {
    let world = World::new();
    let never = Gate::default();
    // Before the head.
    world.upstream.once(vec![Do::Wait(never.clone())]);
    let wire = world.begin(&world.signed(&key(2), &chat()));
    world.upstream.has(1);
    let left = Instant::now();
    drop(wire);
    until(|| world.upstream.gone() == 1);
    let before = left.elapsed();
    // In the middle of a stream.
    world.upstream.once(begun(&never));
    let mut wire = world.begin(&world.signed(&key(3), &but(chat(), "stream", true)));
    wire.head().unwrap().expect(200);
    assert_eq!(wire.chunk().unwrap(), EVENT.as_bytes());
    let left = Instant::now();
    drop(wire);
    until(|| world.upstream.gone() == 2);
    println!("the server hears of it after {before:?} before the head, {:?} in the stream", left.elapsed());
    // While the server says more than anybody reads.
    world
        .upstream
        .once(vec![Do::Say(upstream::stream("text/event-stream")), Do::Endless(upstream::chunk(&EVENT.repeat(500)))]);
    let mut wire = world.begin(&world.signed(&key(4), &but(chat(), "stream", true)));
    wire.head().unwrap().expect(200);
    wire.chunk().unwrap();
    drop(wire);
    until(|| world.upstream.gone() == 3);
    for (record, n) in world.settled(3).iter().zip([2, 3, 4]) {
        assert_eq!((&record["outcome"], &record["code"]), (&json!("failed"), &json!("CLIENT_GONE")));
        assert_eq!(record["from"], key(n).did().as_str());
        until(|| world.charged(key(n).did()).0 > 1000);
    }
}

/// A gateway that follows an authority, whose agent (key 2) has a token of it.
struct Followed {
    authority: Authority,
    world: World,
    token: Value,
}

impl Followed {
    fn new() -> Self {
        let authority = Authority::start(&["llm:read", "model:gpt"]);
        let world = World::with(|config| {
            config["trust"] = json!([{ "did": authority.did(), "url": authority.url() }]);
        });
        let token = authority.token();
        Self { authority, world, token }
    }

    fn token(&self) -> &str {
        self.token["token"].as_str().unwrap()
    }

    /// A stream that is under way.
    fn streams(&self, agent: &SigningKey, token: &str, gate: &Gate) -> (Wire, String) {
        self.world.upstream.once(begun(gate));
        let body = but(chat(), "stream", true);
        let mut wire = self.world.begin(&Request::post(CHAT, &body).signed(agent, token, &self.world.host()));
        let head = wire.head().unwrap();
        assert_eq!(head.status, 200, "{:?}", wire.chunk());
        assert_eq!(wire.chunk().unwrap(), EVENT.as_bytes());
        (wire, head.record().to_owned())
    }

    /// That what streams is ended; how long that took.
    fn is_ended(&self, (mut wire, record): (Wire, String), told: Instant, agent: &Did) -> Duration {
        let word = String::from_utf8(wire.chunk().unwrap()).unwrap();
        let took = told.elapsed();
        assert!(word.contains("urn:xbind:problem:revoked"), "{word}");
        assert_eq!(wire.chunk().unwrap(), b"");
        let record = self.world.record(&record);
        assert_eq!((&record["code"], &record["from"]), (&json!("REVOKED"), &json!(agent.as_str())));
        assert!(self.world.note(record["messageId"].as_str().unwrap())["charged"].as_u64().unwrap() > 1000);
        assert!(took < Duration::from_secs(20), "{took:?}");
        took
    }
}

#[test]
fn a_revocation_ends_what_streams_and_what_was_handed_on() {
    let followed = Followed::new();
    let never = Gate::default();
    let own = followed.streams(&key(2), followed.token(), &never);
    let token = handed_on(&key(2), followed.token(), key(3).did(), "llm:read model:gpt");
    let other = followed.streams(&key(3), &token, &never);
    followed.world.upstream.once(vec![Do::Wait(never.clone())]);
    let mut waiting =
        followed.world.begin(&Request::post(CHAT, &chat()).signed(&key(2), followed.token(), &followed.world.host()));
    followed.world.upstream.has(3);
    let told = Instant::now();
    followed.authority.revoke(&followed.token);
    let took = followed.is_ended(own, told, key(2).did());
    let also = followed.is_ended(other, told, key(3).did());
    waiting.answer().expect(403).refused("revoked");
    println!("ended {took:?} and {also:?} after the revocation was asked for");
    until(|| followed.world.upstream.gone() == 3);
    for (n, token) in [(2, followed.token()), (3, token.as_str())] {
        let request = Request::post(CHAT, &chat()).signed(&key(n), token, &followed.world.host());
        followed.world.ask(&request).expect(403).refused("revoked");
    }
    // What the authority issues anew counts.
    let fresh = followed.authority.token();
    let request = Request::post(CHAT, &chat()).bearer(fresh["token"].as_str().unwrap());
    followed.world.ask(&request).expect(200);
}

#[test]
fn an_agent_that_is_stopped_is_stopped() {
    let followed = Followed::new();
    let stream = followed.streams(&key(2), followed.token(), &Gate::default());
    let told = Instant::now();
    followed.authority.suspend();
    let took = followed.is_ended(stream, told, key(2).did());
    println!("ended {took:?} after the agent was suspended");
    let request = || Request::post(CHAT, &chat()).signed(&key(2), followed.token(), &followed.world.host());
    followed.world.ask(&request()).expect(403).refused("revoked");
}

#[test]
fn a_stream_goes_on_where_nothing_is_revoked_and_without_the_authority_for_a_while() {
    let mut followed = Followed::new();
    let gate = Gate::default();
    let (mut wire, record) = followed.streams(&key(2), followed.token(), &gate);
    std::thread::sleep(Duration::from_millis(1200));
    followed.authority.stop();
    std::thread::sleep(Duration::from_millis(1200));
    gate.open();
    assert_eq!(wire.chunk().unwrap(), b"");
    assert_eq!(followed.world.record(&record)["outcome"], "answered");
}

#[test]
fn an_authority_that_hangs_holds_up_nobody_for_long() {
    let mut followed = Followed::new();
    let ask = |followed: &Followed| {
        let request = Request::post(CHAT, &chat()).signed(&key(2), followed.token(), &followed.world.host());
        followed.world.ask(&request).expect(200);
    };
    ask(&followed);
    let address = followed.authority.url().strip_prefix("http://").unwrap().to_owned();
    followed.authority.stop();
    let silent = std::net::TcpListener::bind(address).unwrap();
    ask(&followed);
    std::thread::sleep(Duration::from_secs(6)); // until somebody has waited for it in vain
    let began = Instant::now();
    (0..5).for_each(|_| ask(&followed));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(silent);
}
