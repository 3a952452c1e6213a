//! A server that is killed while it writes. `XBIND_LONG` kills it more often.
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
use common::killed::{Done, HOST, prepare, serve, start, storm};
use common::{Folder, key};
use serde_json::json;

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_is_used_twice() {
    if let Some(directory) = std::env::var_os(common::killed::CHILD) {
        return serve(&directory);
    }
    let name = "nothing_that_was_acknowledged_is_lost_and_nothing_is_used_twice";
    let times: u64 = if std::env::var_os("XBIND_LONG").is_some() { 200 } else { 10 };
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
    let verified = xbind_runtime::verify(&folder.join("authority/audit.jsonl"), None, None).unwrap();
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
