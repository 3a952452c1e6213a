//! Many at once: who proves nothing keeps nobody out, and what never comes takes no room.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::client::{Request, Wire};
use crate::common::upstream::{self, Do, Gate, LAST};
use crate::common::world::{CHAT, World, but, chat};
use crate::common::{key, until};

#[test]
fn who_proves_nothing_is_told_to_wait_and_keeps_nobody_out() {
    let world = World::new();
    let token = world.token(key(2).did());
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let flood = || {
            let mut wire = world.wire();
            let ask = |_| {
                wire.send(&Request::post(CHAT, &chat()).bearer(&forged).bytes(&world.host()));
                wire.answer().status
            };
            (0..100).map(ask).collect::<Vec<_>>()
        };
        let floods: Vec<_> = (0..4).map(|_| scope.spawn(flood)).collect();
        for _ in 0..20 {
            world.ask(&Request::post(CHAT, &chat()).bearer(&token)).expect(200);
        }
        floods.into_iter().flat_map(|flood| flood.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    world.chat(&key(2), &chat()).expect(200);
    let mut last = world.ask(&Request::post(CHAT, &chat()).bearer(&forged));
    for _ in 0..200 {
        if last.status == 429 {
            break;
        }
        last = world.ask(&Request::post(CHAT, &chat()).bearer(&forged));
    }
    let told = last.expect(429).refused("rate-limited");
    assert!(told.field("retry-after").is_some());
    assert_eq!(world.upstream.count(), 21);
}

#[test]
fn an_agent_asks_no_more_often_than_it_may() {
    let world = World::with(|config| {
        config["rate"] = json!({ "burst": 5, "per_second": 1 });
        config["limits"] = json!({ "requests_per_agent": 2 });
    });
    let answers: Vec<_> = (0..8).map(|_| world.chat(&key(2), &chat())).collect();
    assert_eq!(answers[0].field("ratelimit-policy"), Some("\"agent\";q=5;w=5"));
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 5);
    let told = answers.into_iter().find(|answer| answer.status == 429);
    if let Some(told) = told {
        assert!(told.refused("rate-limited").field("retry-after").is_some());
    }
    let never = Gate::default();
    world.upstream.does(vec![Do::Wait(never)]);
    let before = world.upstream.count();
    let _under_way = [world.begin(&world.signed(&key(3), &chat())), world.begin(&world.signed(&key(3), &chat()))];
    world.upstream.has(before + 2);
    world.chat(&key(3), &chat()).expect(429).refused("rate-limited");
}

#[test]
fn bodies_that_never_come_take_no_room() {
    let world = World::with(|config| config["limits"] = json!({ "body_bytes": 100_000, "all_body_bytes": 200_000 }));
    let token = world.token(key(2).did());
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let request = Request::text(CHAT, "").bearer(&token).with("content-length", "100000");
            let mut wire = world.begin(&request);
            wire.send(b"{\"model\":");
            wire
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    world.chat(&key(3), &chat()).expect(200);
    // One that ends before its end is none.
    drop(waiting);
    let mut short = world.begin(&Request::text(CHAT, "{}").bearer(&token).with("content-length", "3"));
    short.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(short.try_answer().is_none_or(|answer| answer.status == 400));
    assert_eq!(world.upstream.count(), 1);
}

#[test]
fn heads_that_never_come_are_not_waited_for() {
    let world = World::new();
    let began = Instant::now();
    let mut silent = world.wire();
    let mut slow = world.wire();
    slow.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n");
    let dripping = thread::scope(|scope| {
        let silent = scope.spawn(move || silent.ends());
        while began.elapsed() < Duration::from_secs(40) && slow.stream.write_all(b"x: y\r\n").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
        assert!(silent.join().unwrap());
        began.elapsed()
    });
    assert!(dripping < Duration::from_secs(40), "{dripping:?}");
    let mut large = world.wire();
    large.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nx: ");
    drop(large.stream.write_all(&vec![b'a'; 300_000]));
    drop(large.stream.write_all(b"\r\n\r\n"));
    assert!(large.try_answer().is_none_or(|answer| answer.status == 431));
    let many = (0..300).fold(Request::post(CHAT, &chat()), |request, n| request.with(&format!("x-{n}"), "a"));
    assert!(world.begin(&many).try_answer().is_none_or(|answer| answer.status == 431));
    world.chat(&key(2), &chat()).expect(200);
}

#[test]
fn a_thousand_connections_and_streams_go_on_at_once() {
    let world = World::with(|config| {
        config["limits"] = json!({ "requests_per_agent": 2000 });
        config["metrics"] = json!("127.0.0.1:0");
    });
    let idle: Vec<_> = (0..500).map(|_| world.wire()).collect();
    let gate = Gate::default();
    let event = "data: {\"choices\":[]}\n\n";
    world.upstream.does(vec![
        Do::Say(upstream::stream("text/event-stream")),
        Do::Say(upstream::chunk(event)),
        Do::Wait(gate.clone()),
        Do::Say(LAST.to_vec()),
    ]);
    let (token, body) = (world.token(key(2).did()), but(chat(), "stream", true));
    let mut streams: Vec<Wire> = (0..500).map(|_| world.begin(&Request::post(CHAT, &body).bearer(&token))).collect();
    for wire in &mut streams {
        wire.head().unwrap().expect(200);
        assert_eq!(wire.chunk().unwrap(), event.as_bytes());
    }
    let mut wire = Wire::to(world.gateway().metrics_address().unwrap());
    wire.send(b"GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n");
    let counts = wire.answer().expect(200).body;
    assert!(counts.contains("xbind_gateway_running 500\n"), "{counts}");
    assert!(counts.contains("xbind_gateway_connections 1000\n"), "{counts}");
    gate.open();
    assert!(streams.iter_mut().all(|wire| wire.chunk().is_some_and(|last| last.is_empty())));
    drop((idle, streams));
    world.settled(500);
    until(|| world.charged(key(2).did()).0 > 500_000);
}
