//! What is left to an agent that may do nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test that panics fails"
)]

mod common;

use std::io::Write;
use std::net::TcpStream;

use common::client::Request;
use common::key;
use common::story::Story;
use serde_json::{Value, json};
use xbind::{Rotation, SigningKey};

fn rotation(old: &SigningKey, new: &SigningKey) -> Value {
    let now = xbind_runtime::now();
    let rotation = Rotation { old: *old.did(), new: *new.did(), issued_at: now, active_from: now, overlap: 0 };
    json!({ "rotation": rotation.sign(old, new).unwrap() })
}

/// All that an agent can ask for by its signature, but its own entry.
fn ask_for_everything(story: &mut Story, agent: &SigningKey, of: &SigningKey, token: &Value) {
    let id = token["id"].as_str().unwrap();
    story.token(agent, "a", &["read:payments"]).refused("inactive");
    let names = "/v1/names/writer.example.com";
    story.client.ask(agent, "PUT", names, Some(&json!({}))).refused("inactive");
    story.client.ask(agent, "DELETE", names, None).refused("inactive");
    story.client.ask(agent, "GET", &format!("/v1/audit/tokens/{id}"), None).refused("inactive");
    let revocation = format!("/v1/tokens/{id}/revocation");
    story.client.ask(agent, "POST", &revocation, Some(&json!({}))).refused("inactive");
    let path = format!("/v1/agents/{}/rotations", of.did());
    story.client.ask(agent, "POST", &path, Some(&rotation(agent, &key(77)))).refused("inactive");
}

#[test]
fn who_may_do_nothing_reads_nothing_and_leaves_nothing_on_the_disk() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:payments"]);
    let token = story.token(&agent, "a", &["read:payments"]).expect(201).json();
    story.client.ask(&agent, "PUT", "/v1/names/writer.example.com", Some(&json!({}))).expect(200);
    let own = format!("/v1/operators/{id}/agents/{}", agent.did());
    let set = |story: &mut Story, status: &str| {
        let path = format!("{own}/status");
        story.client.ask(&operator, "PUT", &path, Some(&json!({ "status": status, "reason": "why" }))).expect(200);
    };
    let log = story.folder.join("authority").join("audit.jsonl");
    let length = || std::fs::metadata(&log).unwrap().len();

    set(&mut story, "suspended");
    let before = length();
    ask_for_everything(&mut story, &agent, &agent, &token);
    let seen = story.client.ask(&agent, "GET", &own, None).expect(200).json();
    assert_eq!((&seen["status"], &seen["reason"]), (&json!("suspended"), &json!("why")));
    assert_eq!(length(), before, "refusals are not recorded");

    // A key that was replaced is no better.
    set(&mut story, "active");
    let new = key(11);
    let path = format!("/v1/agents/{}/rotations", agent.did());
    let told = rotation(&agent, &new);
    story.client.ask(&new, "POST", &path, Some(&told)).expect(200);
    story.client.ask(&new, "POST", &path, Some(&told)).expect(200);
    let before = length();
    ask_for_everything(&mut story, &agent, &agent, &token);
    story.client.ask(&agent, "POST", &path, Some(&told)).refused("inactive");
    story.client.ask(&agent, "GET", &own, None).refused("inactive");
    assert_eq!(length(), before);

    set(&mut story, "revoked");
    let before = length();
    ask_for_everything(&mut story, &new, &agent, &token);
    story.client.ask(&new, "GET", &own, None).refused("inactive");
    assert_eq!(length(), before);
}

#[test]
fn a_list_tells_what_is_decided_though_whoever_asked_for_it_has_hung_up() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:payments"]);
    story.token(&agent, "a", &["read:payments"]).expect(201);
    let path = format!("/v1/operators/{id}/agents/{}/status", agent.did());
    let (host, of_agent) = (story.client.host(), format!("/v1/agents/{}", agent.did()));
    let set = |status: &str| Request::new("PUT", &path, Some(&json!({ "status": status }))).signed(&operator, &host);
    // The bits of the list, when the agent is suspended.
    let list = |story: &mut Story| {
        let text = story.client.get("/v1/status/0").expect(200).body;
        let payload = data_encoding::BASE64URL_NOPAD.decode(text.split('.').nth(1).unwrap().as_bytes()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()["status_list"]["lst"].clone()
    };
    story.client.send(&set("suspended")).expect(200);
    let suspended = list(&mut story);
    let mut made = 0;
    for round in 0..20 {
        story.client.send(&set("active")).expect(200);
        assert_ne!(list(&mut story), suspended);
        let request = set("suspended");
        let mut stream = TcpStream::connect(story.server.address()).unwrap();
        stream.write_all(&request.bytes(&host)).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(200 * round));
        drop(stream);
        story.client.get("/ready").expect(200);
        if story.client.get(&of_agent).expect(200).json()["status"] == "suspended" {
            made += 1;
            story.client.get("/ready").expect(200); // what was written before is over
            assert_eq!(list(&mut story), suspended, "in round {round}");
        }
    }
    println!("{made} were made");
}
