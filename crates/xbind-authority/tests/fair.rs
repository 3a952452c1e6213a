//! What somebody takes is taken from himself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use common::client::{Request, connect_from, read};
use common::exchange::Scene;
use common::issuer::Say;
use common::key;
use common::story::Story;
use serde_json::json;

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "127.0.0.2 is no address of this machine")]
fn a_domain_whose_dns_is_silent_holds_up_nobody_else() {
    let mut story = Story::new();
    let (stranger, operator) = (key(9), key(1));
    let (host, address) = (story.client.host(), story.server.address());
    let ask = |story: &mut Story, key: &xbind::SigningKey, domain: &str| {
        let body = json!({ "domain": domain });
        let told = story.client.ask(key, "POST", "/v1/operators", Some(&body)).expect(200).json();
        let path = format!("/v1/operators/{}/verification", told["id"].as_str().unwrap());
        (told["txt"].clone(), Request::new("POST", &path, Some(&body)))
    };
    let (txt, silent) = ask(&mut story, &stranger, "silent.example");
    let silence = txt["name"].as_str().unwrap();
    story.dns.set(silence, &["silence"]);
    let held: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&silent.clone().signed(&stranger, &host).bytes(&host)).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    while story.dns.asked(silence) < 2 && began.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(200)); // as many as ever get a place
    let (txt, proof) = ask(&mut story, &operator, "example.com");
    story.dns.set(txt["name"].as_str().unwrap(), &[txt["value"].as_str().unwrap()]);
    let mut stream = connect_from("127.0.0.2:0", address);
    stream.write_all(&proof.signed(&operator, &host).bytes(&host)).unwrap();
    read(&mut stream).unwrap().expect(200);
    drop(held);
}

#[test]
fn copies_of_a_request_use_up_nothing_of_whoever_signed_it() {
    let mut story = Story::with(|config| config.rate_per_did = xbind_authority::Rate { burst: 20, per_second: 1 });
    let host = story.client.host();
    let (signer, body) = (key(1), json!({ "domain": "example.com" }));
    let captured = Request::new("POST", "/v1/operators", Some(&body)).signed(&signer, &host);
    story.client.send(&captured).expect(200);
    for _ in 0..300 {
        story.client.send(&captured).refused("replayed");
    }
    story.client.ask(&signer, "POST", "/v1/operators", Some(&body)).expect(200);
}

#[test]
fn a_slow_issuer_is_asked_for_one_operator_though_another_asks_for_much() {
    let asking = json!({ "client_id": "a", "client_secret_file": "secret", "every": 3600 });
    let mut scene = Scene::with(&json!({ "introspection": asking }));
    let (operator, agent, host) = (key(5), key(6), scene.story.client.host());
    let id = scene.story.operator(&operator, "other.example");
    scene.story.agent(&operator, &id, &agent, &["read:*"]);
    let policy = json!({ "issuers": [{ "issuer": scene.issuer.url(), "scopes": { "read": ["read:*"] } }] });
    let path = format!("/v1/operators/{id}/exchange");
    scene.story.client.ask(&operator, "PUT", &path, Some(&policy)).expect(200);
    let [slow, quick] = ["s1", "s2"].map(|session| scene.user(&json!({ "sid": session })));
    let active = Box::new(Say::Json(json!({ "active": true })));
    scene.issuer.says("/introspect", Say::Where(slow.clone(), Box::new(Say::Hold), active));
    // Questions are given up after 5 s: whoever is answered only then may have waited for that, or the machine is slow.
    let is_answered_meanwhile = (0..5).any(|_| {
        let count = |scene: &Scene, what: &str| scene.issuer.asked(&format!("/introspect {what}")).len();
        let (before, let_go) = (count(&scene, "held"), count(&scene, "let go"));
        let held: Vec<_> = (0..40)
            .map(|_| {
                let mut stream = TcpStream::connect(scene.story.server.address()).unwrap();
                stream.write_all(&scene.request(&key(2), &slow, &[]).bytes(&host)).unwrap();
                stream
            })
            .collect();
        let began = Instant::now();
        while count(&scene, "held") < before + 8 && began.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(200)); // as many as ever get a place
        let status = scene.story.client.send(&scene.request(&agent, &quick, &[])).status;
        let is_answered_meanwhile = status == 200 && count(&scene, "let go") == let_go;
        drop(held);
        while count(&scene, "let go") < count(&scene, "held") {
            thread::sleep(Duration::from_millis(10));
        }
        is_answered_meanwhile
    });
    assert!(is_answered_meanwhile);
}

#[test]
fn an_issuer_is_asked_for_nothing_that_nobody_will_get() {
    let asking = json!({ "client_id": "a", "client_secret_file": "secret" });
    let mut scene = Scene::with(&json!({ "introspection": asking }));
    scene.issuer.says("/introspect", Say::Json(json!({ "active": true })));
    let [user, reader] = [json!({}), json!({ "scope": "read" })].map(|changes| scene.user(&changes));
    scene.refused(&user, &[("scope", "pay.two")], "invalid_scope", "not granted to this agent");
    scene.refused(&reader, &[("scope", "pay.one")], "invalid_scope", "do not give pay.one");
    scene.signed(&user, "pay.two", &json!({})).refused("scope-denied");
    scene.signed(&reader, "pay.one", &json!({})).refused("scope-denied");
    assert!(scene.issuer.asked("/introspect").is_empty());
    scene.token(&reader);
    assert!(!scene.issuer.asked("/introspect").is_empty());
}
