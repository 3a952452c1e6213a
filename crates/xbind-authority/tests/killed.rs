//! A server that is killed while it writes: 200 times with `XBIND_LONG=1`, or as often as `XBIND_KILLS` says.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::client::Client;
use common::dns::DnsServer;
use common::killed::{Done, HOST, prepare, serve, start, start_within, storm};
use common::{Folder, key};
use serde_json::json;

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_is_used_twice() {
    if let Some(directory) = std::env::var_os(common::killed::CHILD) {
        return serve(&directory);
    }
    let name = "nothing_that_was_acknowledged_is_lost_and_nothing_is_used_twice";
    let asked = std::env::var("XBIND_KILLS").ok().map(|times| times.parse().unwrap());
    let times: u64 = asked.unwrap_or(if std::env::var("XBIND_LONG").is_ok_and(|long| long == "1") { 200 } else { 10 });
    let (folder, dns) = (Folder::new(), DnsServer::start());
    let (mut child, mut address) = start(&folder, &dns, name);
    let id = prepare(&mut Client::of_host(address, HOST), &dns);
    let mut issued = 0;
    for round in 0..times {
        let done = storm(address, &id, Duration::from_millis(20 + 13 * (round % 11)), &mut child);
        issued += done.tokens.len();
        (child, address) = start(&folder, &dns, name);
        check(address, &done, &id);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(issued > 0, "the storm never came to anything");
    // Opening it cuts off what was torn; what is left verifies from its first line on.
    let (child, address) = start(&folder, &dns, name);
    drop(Client::of_host(address, HOST).get("/live").expect(200));
    let mut child = child;
    child.kill().unwrap();
    child.wait().unwrap();
    let verified =
        xbind_runtime::verify(&folder.join("authority/audit.jsonl"), xbind_runtime::Wanted::default()).unwrap();
    assert!(verified.records >= u64::try_from(issued).unwrap(), "{verified:?}");
}

fn check(address: SocketAddr, done: &Done, id: &str) {
    let mut client = Client::of_host(address, HOST);
    for (request, token) in &done.tokens {
        let known = client.post("/v1/introspection", &json!({ "token": token["token"] })).expect(200).json();
        assert_eq!(known["status"], "active", "an acknowledged token is known");
        let again = client.send(request);
        assert!(matches!(again.status, 409 | 410), "{again:?}");
    }
    for (n, acknowledged, unknown) in &done.scopes {
        let path = format!("/v1/operators/{id}/agents/{}", key(*n).did());
        let found = client.ask(&key(1), "GET", &path, None).expect(200).json();
        let found = found["scopes"][0].as_str().unwrap();
        assert!(
            acknowledged == "nothing" || found == acknowledged || unknown.as_deref() == Some(found),
            "{found} instead of {acknowledged}"
        );
    }
}

#[test]
fn a_disk_that_is_full_refuses_changes_and_loses_nothing() {
    if let Some(directory) = std::env::var_os(common::killed::CHILD) {
        return serve(&directory);
    }
    let name = "a_disk_that_is_full_refuses_changes_and_loses_nothing";
    let (folder, dns) = (Folder::new(), DnsServer::start());
    let (mut child, address) = start_within(&folder, &dns, name, "3000");
    let mut client = Client::of_host(address, HOST);
    let id = prepare(&mut client, &dns);
    let path = format!("/v1/operators/{id}/agents/{}/scopes", key(10).did());
    let mut last = String::new();
    let refused = (0..10_000).find_map(|n| {
        let scope = format!("round.{n}");
        let answer = client.ask(&key(1), "PUT", &path, Some(&json!({ "scopes": [scope] })));
        if answer.status == 200 {
            last = scope;
            return None;
        }
        Some(answer)
    });
    let refused = refused.expect("the disk is full at some time");
    assert!(["busy", "audit-failed"].contains(&&*refused.expect(503).problem()));
    let found = |client: &mut Client| {
        let known = client.get("/live").expect(200);
        assert_eq!(known.json()["status"], "live");
        let read = format!("/v1/agents/{}", key(10).did());
        client.get(&read).expect(200).json()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(found(&mut client), "active", "what is there can be read");
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, address) = start(&folder, &dns, name);
    let mut client = Client::of_host(address, HOST);
    let seen = client.ask(&key(1), "GET", path.strip_suffix("/scopes").unwrap(), None).expect(200).json();
    assert_eq!(seen["scopes"], json!([last]));
    client.ask(&key(1), "PUT", &path, Some(&json!({ "scopes": ["after.all"] }))).expect(200);
    child.kill().unwrap();
    child.wait().unwrap();
}
