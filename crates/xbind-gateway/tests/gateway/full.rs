//! A log that is full, where the database is not.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::thread;

use serde_json::json;
use xbind_gateway::By;

use crate::common::client::{Answer, Request, Wire};
use crate::common::tokens::{SCOPES, Special, handed_on};
use crate::common::world::{CHAT, World, but, chat};
use crate::common::{key, until};
use crate::killed::{CHILD, serve, start_within};

fn ask(address: SocketAddr, agent: u8, token: &str, body: &serde_json::Value) -> Answer {
    let mut wire = Wire::to(address);
    wire.send(&Request::post(CHAT, body).signed(&key(agent), token, "llm.example").bytes("llm.example"));
    wire.answer()
}

#[test]
fn where_the_log_cannot_be_written_nothing_goes_on() {
    if let Ok(config) = std::env::var(CHILD) {
        serve(&config);
    }
    let mut world = World::stopped(|config| config["url"] = json!("http://llm.example"));
    // More than what the database writes before it begins anew.
    let test = "full::where_the_log_cannot_be_written_nothing_goes_on";
    let (mut child, address) = start_within(&world, test, "9200");
    let (issuer, subject) = (format!("https://{}", "i\"".repeat(252)), "s\"".repeat(256));
    let person = Some((issuer.as_str(), subject.as_str()));
    let mut long = Special { person, ..Special::default() }.token(&key(1), key(10).did());
    for n in 10..13 {
        long = handed_on(&key(n), &long, key(n + 1).did(), SCOPES);
    }
    let (world_ref, long) = (&world, &long);
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(move || {
                let other = but(chat(), "model", "claude");
                while ask(address, 13, long, &other).status == 403 {}
            });
        }
    });
    assert!(std::fs::metadata(world.log()).unwrap().len() > 4_000_000, "the log is what is full");
    let token = world.token(key(2).did());
    until(|| ask(address, 2, &token, &chat()).status == 503);
    let forwarded = world.upstream.count();
    for _ in 0..20 {
        let answer = ask(address, 2, &token, &chat()).expect(503);
        assert!(
            ["urn:xbind:problem:audit-failed", "urn:xbind:problem:busy"]
                .contains(&answer.json()["type"].as_str().unwrap())
        );
    }
    assert_eq!(world_ref.upstream.count(), forwarded);
    child.kill().unwrap();
    child.wait().unwrap();
    world.start();
    // What went on before anybody could know is charged and on record, once.
    let used = world.usage(By::Agent).into_iter().find(|row| row.name == key(2).did().as_str());
    let used = used.map_or((0, 0), |row| (row.requests - row.refused, row.tokens));
    assert_eq!(used.0, forwarded as u64);
    assert!(used.1 >= 15 * forwarded as u64);
    let of_it = world.records().into_iter().filter(|record| record["from"] == key(2).did().as_str());
    assert_eq!(of_it.filter(|record| record["outcome"] != "refused").count(), forwarded);
    world.chat(&key(2), &chat()).expect(200);
    world.stop();
    xbind_runtime::verify(&world.log(), xbind_runtime::Wanted::default()).unwrap();
}
