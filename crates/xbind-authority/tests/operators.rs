//! Operators: what is whose, when a domain is freed, a key replaced, or one key has several domains.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use common::client::{Request, Response};
use common::key;
use common::story::{DOMAIN, Story};
use serde_json::{Value, json};
use xbind::{Rotation, SigningKey};

fn release(story: &mut Story) {
    let directory = story.folder.join("authority");
    story.restart_after(|| xbind_authority::release(&directory, None, DOMAIN).unwrap());
}

/// Asks for the proof of a domain whose owner has published what that key was told.
fn prove(story: &mut Story, key: &SigningKey, domain: &str) -> Response {
    let body = json!({ "domain": domain });
    let told = story.client.ask(key, "POST", "/v1/operators", Some(&body)).expect(200).json();
    story.dns.set(told["txt"]["name"].as_str().unwrap(), &[told["txt"]["value"].as_str().unwrap()]);
    let path = format!("/v1/operators/{}/verification", told["id"].as_str().unwrap());
    story.client.ask(key, "POST", &path, Some(&body))
}

fn statement(old: &SigningKey, new: &SigningKey) -> Value {
    let now = xbind_runtime::now();
    let rotation = Rotation { old: *old.did(), new: *new.did(), issued_at: now, active_from: now, overlap: 0 };
    json!({ "rotation": rotation.sign(old, new).unwrap() })
}

#[test]
fn whose_domain_was_freed_is_no_operator() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:payments"]);
    let issued = story.token(&agent, "a", &["read:payments"]).expect(201).json();
    let new = key(3);
    let enrolment =
        story.client.ask(&new, "POST", "/v1/enrolments", Some(&json!({ "operator": id }))).expect(200).json();
    let alias = story.client.get(&format!("/v1/agents/{}", agent.did())).expect(200).json()["alias"].clone();
    release(&mut story);
    let body = json!({ "did": new.did().as_str(), "enrolment": enrolment["enrolment"], "scopes": ["read:payments"] });
    let own = format!("/v1/operators/{id}/agents/{}", agent.did());
    for owner in [None, Some(key(5))] {
        if let Some(owner) = owner {
            story.operator(&owner, DOMAIN);
        }
        let agents = format!("/v1/operators/{id}/agents");
        story.client.get(&format!("/v1/operators/{id}")).expect(404).refused("not-found");
        story.client.ask(&new, "POST", "/v1/enrolments", Some(&json!({ "operator": id }))).refused("not-found");
        story.client.ask(&operator, "POST", &agents, Some(&body)).refused("not-found");
        story.client.ask(&operator, "GET", &agents, None).refused("not-found");
        story.client.ask(&operator, "GET", &own, None).refused("not-found");
        let scopes = json!({ "scopes": ["read:payments"] });
        story.client.ask(&operator, "PUT", &format!("{own}/scopes"), Some(&scopes)).refused("not-found");
        let rotation = statement(&operator, &key(21));
        story.client.ask(&operator, "POST", &format!("/v1/operators/{id}/rotations"), Some(&rotation)).expect(404);
        story.client.ask(&operator, "GET", "/v1/audit", None).refused("not-permitted");
        let revocation = format!("/v1/tokens/{}/revocation", issued["id"].as_str().unwrap());
        story.client.ask(&operator, "POST", &revocation, Some(&json!({}))).refused("not-found");
        // What there was says so under the names that it had.
        for did in [agent.did().as_str(), alias.as_str().unwrap()] {
            let seen = story.client.get(&format!("/v1/agents/{did}")).expect(200).json();
            assert_eq!((&seen["status"], &seen["domain"]), (&json!("revoked"), &json!(DOMAIN)));
            assert_eq!(seen["alias"], alias);
        }
    }
}

#[test]
fn a_replaced_key_proves_its_domain_never_again_whichever_it_was() {
    let mut story = Story::new();
    let keys = [key(1), key(22), key(23)];
    let id = story.operator(&keys[0], DOMAIN);
    for pair in keys.windows(2) {
        let path = format!("/v1/operators/{id}/rotations");
        let mut told = statement(&pair[0], &pair[1]);
        // The second in which a key begins is not over yet.
        while story.client.ask(&pair[0], "POST", &path, Some(&told)).status != 200 {
            told = statement(&pair[0], &pair[1]);
        }
    }
    release(&mut story);
    for replaced in &keys[..2] {
        for domain in [DOMAIN, "example.org"] {
            prove(&mut story, replaced, domain).refused("not-permitted");
        }
    }
    prove(&mut story, &keys[2], DOMAIN).expect(200);
}

#[test]
fn a_key_is_a_root_key_or_an_agents() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&[]);
    let other = key(6);
    let theirs = story.operator(&other, "example.org");
    let replaced = story.client.ask(
        &other,
        "POST",
        &format!("/v1/operators/{theirs}/rotations"),
        Some(&statement(&other, &key(7))),
    );
    replaced.expect(200);
    for root in [&operator, &other, &key(7)] {
        let enrolment = story.client.ask(root, "POST", "/v1/enrolments", Some(&json!({ "operator": id }))).expect(200);
        let body = json!({ "did": root.did().as_str(), "enrolment": enrolment.json()["enrolment"] });
        let path = format!("/v1/operators/{id}/agents");
        story.client.ask(&operator, "POST", &path, Some(&body)).refused("conflict");
    }
    prove(&mut story, &agent, "example.net").refused("not-permitted");
}

/// Events and notes that somebody is told of.
fn told(story: &mut Story, key: &SigningKey) -> Vec<String> {
    let found = story.client.ask(key, "GET", "/v1/audit?limit=1000", None).expect(200).json();
    let line = |record: &Value| format!("{} {}", record["event"], record["note"]).replace('"', "");
    found["records"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn records_are_of_one_domain_also_where_one_key_has_proven_several() {
    let mut story = Story::new();
    let (both, of_a, of_b, agent) = (key(1), key(21), key(22), key(2));
    let [a, b] = ["a.example", "b.example"].map(|domain| story.operator(&both, domain));
    let rotate = |story: &mut Story, id: &str, new: &SigningKey| {
        let path = format!("/v1/operators/{id}/rotations");
        story.client.ask(&both, "POST", &path, Some(&statement(&both, new))).expect(200);
    };
    let all = told(&mut story, &both);
    assert!(all.iter().filter(|line| line.starts_with("operator.verified")).count() == 2, "{all:?}");
    rotate(&mut story, &a, &of_a);
    for rotated in [false, true] {
        let of_b = if rotated { &of_b } else { &both };
        if rotated {
            rotate(&mut story, &b, of_b);
            story.client.ask(&both, "GET", "/v1/audit", None).refused("not-permitted");
        }
        let (of_others, scope) = if rotated { (&agent, "secret:b") } else { (&key(3), "secret:a") };
        let (operator, id) = if rotated { (of_b, &b) } else { (&of_a, &a) };
        story.agent(operator, id, of_others, &[scope]);
        let issued = story.token(of_others, "bank", &[scope]).expect(201).json();
        let trail = format!("/v1/audit/tokens/{}", issued["id"].as_str().unwrap());
        let other = if rotated { &of_a } else { of_b };
        story.client.ask(other, "GET", &trail, None).refused("not-permitted");
        story.client.ask(operator, "GET", &trail, None).expect(200);
        for (key, own) in [(&of_a, "a"), (of_b, "b")] {
            let lines = told(&mut story, key);
            assert!(lines.contains(&format!("operator.verified {own}.example")), "{lines:?}");
            let foreign = if own == "a" { "b" } else { "a" };
            let leaks = [format!("{foreign}.example"), format!("secret:{foreign}")];
            assert!(!lines.iter().any(|line| leaks.iter().any(|leak| line.contains(leak))), "{lines:?}");
        }
    }
}

#[test]
fn a_proof_is_made_once_also_where_the_domain_was_freed_meanwhile() {
    let mut story = Story::new();
    let (operator, host) = (key(1), story.client.host());
    let body = json!({ "domain": DOMAIN });
    let told = story.client.ask(&operator, "POST", "/v1/operators", Some(&body)).expect(200).json();
    story.dns.set(told["txt"]["name"].as_str().unwrap(), &[told["txt"]["value"].as_str().unwrap()]);
    let path = format!("/v1/operators/{}/verification", told["id"].as_str().unwrap());
    let captured = Request::new("POST", &path, Some(&body)).signed(&operator, &host);
    story.client.send(&captured).expect(200);
    release(&mut story);
    story.client.send(&captured).refused("replayed");
    story.client.ask(&operator, "POST", &path, Some(&body)).expect(200);
}
