//! For how long an issuer is asked about a session, and what ends one for good.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

mod common;

use std::time::{Duration, Instant};

use common::exchange::Scene;
use common::issuer::Say;
use common::until;
use serde_json::{Value, json};

/// Asked as soon as it can be; for how long an answer counts.
fn introspected(stale: u64) -> Value {
    let asking = json!({ "client_id": "authority", "client_secret_file": "secret", "every": 1, "stale": stale });
    json!({ "introspection": asking })
}

fn active() -> Say {
    Say::Json(json!({ "active": true }))
}

/// Waits until the issuer was not asked for so long as it would be asked several times in.
fn until_nobody_asks(scene: &Scene) {
    let count = || scene.issuer.asked("/introspect").len();
    let (mut last, mut since) = (count(), Instant::now());
    until(|| {
        if count() != last {
            (last, since) = (count(), Instant::now());
        }
        since.elapsed() > Duration::from_secs(4)
    });
}

fn until_asked_again(scene: &Scene) {
    let before = scene.issuer.asked("/introspect").len();
    until(|| scene.issuer.asked("/introspect").len() > before + 1);
}

#[test]
fn an_issuer_is_asked_no_longer_than_what_was_derived_lives() {
    let mut scene = Scene::with(&introspected(3600));
    scene.issuer.says("/introspect", active());
    let own = json!({ "issuer": scene.issuer.url(), "scopes": { "read": ["read:*"] }, "max_ttl": 3 });
    scene.say(&json!({ "issuers": [own] }));
    let user = scene.user(&json!({}));
    let first = scene.token(&user);
    until(|| scene.standing(&first) == "expired");
    until_nobody_asks(&scene);
    // The user's token holds still.
    scene.allow(&json!({ "read": ["read:*"] }));
    scene.token(&user);
    until_asked_again(&scene);
}

#[test]
fn an_issuer_is_not_asked_about_what_has_ended() {
    let mut scene = Scene::with(&introspected(3600));
    scene.issuer.says("/introspect", active());
    let user = scene.user(&json!({}));
    let token = scene.token(&user);
    until_asked_again(&scene);
    let logout = scene.logout(&json!({}));
    scene.tell(&logout).expect(200);
    assert_eq!(scene.standing(&token), "revoked");
    until_nobody_asks(&scene);
    // What the operator takes away.
    let user = scene.user(&json!({ "sub": "bob", "sid": "s2" }));
    let token = scene.token(&user);
    until_asked_again(&scene);
    scene.allow(&json!({ "read": ["read:*"] }));
    assert_eq!(scene.standing(&token), "revoked");
    until_nobody_asks(&scene);
    scene.token(&user);
    until_asked_again(&scene);
}

#[test]
fn a_users_token_outlives_a_time_in_which_nobody_could_be_asked() {
    let mut scene = Scene::with(&introspected(12));
    let user = scene.user(&json!({}));
    scene.issuer.says("/introspect", active());
    let first = scene.token(&user);
    scene.issuer.says("/introspect", Say::Status(500));
    until(|| scene.standing(&first) == "revoked");
    scene.refused(&user, &[], "temporarily_unavailable", "answered 500");
    scene.issuer.says("/introspect", active());
    let second = scene.token(&user);
    assert_eq!(scene.standing(&first), "revoked");
    // Nor does a restart end it.
    scene.restart();
    until(|| scene.standing(&second) == "revoked");
    scene.token(&user);
}

#[test]
fn what_ends_while_nobody_can_be_asked_does_not_come_back() {
    let mut scene = Scene::with(&introspected(12));
    let user = scene.user(&json!({}));
    scene.issuer.says("/introspect", active());
    let token = scene.token(&user);
    scene.issuer.says("/introspect", Say::Status(500));
    until(|| scene.standing(&token) == "revoked");
    let logout = scene.logout(&json!({}));
    scene.tell(&logout).expect(200);
    scene.issuer.says("/introspect", active());
    scene.refused(&user, &[], "invalid_request", "has ended");
}

#[test]
fn a_question_that_nobody_answers_holds_up_no_later_one_about_another_session() {
    let mut scene = Scene::with(&introspected(3600));
    let [user, slow] = ["s1", "s2"].map(|session| scene.user(&json!({ "sid": session })));
    scene.issuer.says("/introspect", active());
    let token = scene.token(&user);
    scene.token(&slow);
    scene.issuer.says("/introspect", Say::Where(slow, Box::new(Say::Hold), Box::new(active())));
    let count = |what: &str| scene.issuer.asked(&format!("/introspect{what}")).len();
    let asked = || scene.issuer.asked("/introspect").iter().filter(|text| text.contains(&user)).count();
    // For each question that is held for 5 s, how often it had been asked about the other when that began.
    let (mut held, mut before) = (0, 0);
    until(|| {
        if count(" held") > held {
            (held, before) = (count(" held"), asked());
        }
        let is_asked = held > 0 && asked() > before + 1;
        is_asked && count(" let go") < held
    });
    assert_eq!(scene.standing(&token), "active");
}
