//! What is on record, whatever it is that has to be: names that are long, a log that cannot be written, a database that is locked.

use std::time::Duration;

use serde_json::json;
use xbind_gateway::By;

use crate::common::client::Request;
use crate::common::tokens::{SCOPES, Special, handed_on};
use crate::common::world::{CHAT, World, chat};
use crate::common::{key, until};

#[test]
fn names_as_long_as_they_may_be_can_be_put_on_record() {
    let name = "\"".repeat(256);
    let world = World::with(|config| {
        let mut model = config["models"]["gpt"].clone();
        model["upstreams"] = json!([name]);
        config["models"][&name] = model;
        config["upstreams"][&name] = config["upstreams"]["main"].clone();
    });
    let (issuer, subject) = (format!("https://{}", "i\"".repeat(252)), "s\"".repeat(256));
    let person = Some((issuer.as_str(), subject.as_str()));
    let mut token = Special { person, ..Special::default() }.token(&key(1), key(10).did());
    let mut holder = 10;
    for next in 11..14 {
        token = handed_on(&key(holder), &token, key(next).did(), SCOPES);
        holder = next;
    }
    let body = json!({ "model": name, "messages": [], "max_tokens": 5 });
    let ask =
        |body: &serde_json::Value| world.ask(&Request::post(CHAT, body).signed(&key(holder), &token, &world.host()));
    let answer = ask(&body).expect(200);
    let record = world.record(answer.record());
    assert_eq!((&record["outcome"], &record["from"]), (&json!("answered"), &json!(key(holder).did().as_str())));
    assert_eq!(record["chain"].as_array().unwrap().len(), 5);
    // And nobody waits behind it.
    let refused = ask(&json!({ "model": "claude", "messages": [] })).expect(403);
    assert_eq!(world.record(refused.record())["outcome"], "refused");
    world.chat(&key(2), &chat()).expect(200);
    until(|| world.usage(By::Root).iter().map(|row| row.requests).sum::<u64>() == 3);
}

#[test]
fn a_database_that_another_holds_is_waited_for() {
    let world = World::new();
    world.chat(&key(2), &chat()).expect(200);
    world.settled(1);
    let other = rusqlite::Connection::open(world.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = world.begin(&world.signed(&key(2), &chat()));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(world.upstream.count(), 1, "nothing goes on that is not reserved");
    other.execute_batch("ROLLBACK").unwrap();
    waiting.answer().expect(200);
    world.settled(2);
}

#[test]
fn what_was_used_is_written_when_the_database_can_be_again() {
    let mut world = World::new();
    let gate = crate::common::upstream::Gate::default();
    world.upstream.once(vec![
        crate::common::upstream::Do::Wait(gate.clone()),
        crate::common::upstream::Do::Say(crate::common::upstream::json(crate::common::world::REPLY)),
    ]);
    let mut first = world.begin(&world.signed(&key(2), &chat()));
    world.upstream.has(1);
    let other = rusqlite::Connection::open(world.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    gate.open();
    first.answer().expect(200);
    // Longer than anybody waits for a database.
    world.chat(&key(2), &chat()).expect(503).refused("busy");
    assert_eq!(world.upstream.count(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    until(|| world.charged(key(2).did()) == (15, 20_000));
    world.restart();
    assert_eq!(world.charged(key(2).did()), (15, 20_000));
    let answered = world.records().iter().filter(|record| record["outcome"] == "answered").count();
    assert_eq!(answered, 1);
    world.chat(&key(2), &chat()).expect(200);
}

#[cfg(target_os = "linux")]
#[test]
fn where_the_disk_is_full_nothing_goes_on() {
    let test = "record::where_the_disk_is_full_nothing_goes_on";
    if let Ok(config) = std::env::var(crate::killed::CHILD) {
        crate::killed::serve(&config);
    }
    let mut world = World::stopped(|config| config["url"] = json!("http://llm.example"));
    let (mut child, address) = crate::killed::start_within(&world, test, "400");
    let ask = |world: &World| {
        let mut wire = crate::common::client::Wire::to(address);
        let token = world.token(key(2).did());
        let request = Request::post(CHAT, &chat()).signed(&key(2), &token, "llm.example");
        wire.send(&request.bytes("llm.example"));
        wire.answer()
    };
    let refused = (0..5000).find_map(|_| Some(ask(&world)).filter(|answer| answer.status != 200));
    let refused = refused.expect("there is no room at some time").expect(503);
    let problem = refused.json()["type"].clone();
    assert!(["urn:xbind:problem:busy", "urn:xbind:problem:audit-failed"].contains(&problem.as_str().unwrap()));
    until(|| ask(&world).status == 503);
    let forwarded = world.upstream.count();
    ask(&world).expect(503);
    assert_eq!(world.upstream.count(), forwarded);
    child.kill().unwrap();
    child.wait().unwrap();
    world.start();
    // Each request that went on is charged and on record, once.
    until(|| world.usage(By::Model).iter().map(|row| row.requests - row.refused).sum::<u64>() >= forwarded as u64);
    let mut ids: Vec<_> = world
        .records()
        .iter()
        .filter(|record| record["outcome"] != "refused")
        .map(|record| record["messageId"].to_string())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), all), (forwarded, forwarded));
}
