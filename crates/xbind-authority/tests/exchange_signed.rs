//! The same as token exchange, asked for in signed requests: what agents do that are no OAuth clients.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics fails")]

mod common;

use common::exchange::{ACCESS_TOKEN, Scene};
use common::issuer::Say;
use common::key;
use common::oauth::part;
use serde_json::json;
use xbind::identity::jwk::thumbprint;

#[test]
fn an_agent_that_signs_its_requests_gets_the_same_without_an_oauth_client() {
    let mut scene = Scene::new();
    let user = scene.user(&json!({}));
    let given = scene.signed(&user, "read:x", &json!({})).expect(201).json();
    let token = given["token"].as_str().unwrap();
    let claims = part(token, 1);
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("alice"), &json!("read:x")));
    assert_eq!(claims["act"], json!({ "sub": scene.agent.did().as_str() }));
    assert_eq!(claims["cnf"], json!({ "jkt": thumbprint(scene.agent.did()) }));
    assert_eq!(claims["sub_id"], json!({ "format": "iss_sub", "iss": scene.issuer.url(), "sub": "alice" }));
    let lives = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert!((500..=600).contains(&lives), "no longer than the user's token: {lives}");
    let short = scene.signed(&user, "read:x", &json!({ "ttl": 7 })).expect(201).json();
    let short = part(short["token"].as_str().unwrap(), 1);
    assert_eq!(short["exp"].as_u64().unwrap() - short["iat"].as_u64().unwrap(), 7);

    let now = xbind_runtime::now();
    let reader = scene.user(&json!({ "scope": "read" }));
    scene.signed(&reader, "pay.one", &json!({})).refused("scope-denied");
    scene.signed(&user, "pay.two", &json!({})).refused("scope-denied");
    for (changes, code) in [
        (json!({ "exp": now - 1 }), "TOKEN_EXPIRED"),
        (json!({ "iat": now + 100 }), "TOKEN_NOT_YET_VALID"),
        (json!({ "iss": "https://other.example" }), "UNTRUSTED_ISSUER"),
        (json!({ "aud": "somebody" }), "WRONG_AUDIENCE"),
        (json!({ "act": { "sub": "x" } }), "INVALID_TOKEN"),
        (json!({ "may_act": { "sub": "x" } }), "NOT_ALLOWED"),
    ] {
        let other = scene.user(&changes);
        scene.signed(&other, "read:x", &json!({})).refused("subject-refused").coded(code);
    }
    for more in [
        json!({ "subject_token": null }),
        json!({ "subject_token_type": null }),
        json!({ "subject_token_type": "urn:ietf:params:oauth:token-type:saml2" }),
        json!({ "subject_token": "" }),
    ] {
        let answer = scene.signed(&user, "read:x", &more);
        assert!(answer.status == 400 || answer.json()["type"] == "urn:xbind:problem:subject-refused", "{answer:?}");
    }

    assert_eq!(scene.standing(token), "active");
    let logout = scene.logout(&json!({}));
    scene.tell(&logout).expect(200);
    assert_eq!(scene.standing(token), "revoked");
    scene.signed(&user, "read:x", &json!({})).refused("subject-refused").coded("REVOKED");
    scene.say(&json!({ "issuers": [] }));
    let other = scene.user(&json!({ "sub": "bob", "sid": "s2" }));
    scene.signed(&other, "read:x", &json!({})).refused("subject-refused").coded("UNTRUSTED_ISSUER");
    let told =
        scene.story.client.ask(&scene.operator, "GET", "/v1/audit?limit=50", None).expect(200).json().to_string();
    assert!(told.contains(&format!("for {} alice: a read:x", scene.issuer.url())), "{told}");
}

#[test]
fn issuers_are_asked_for_nobody_who_could_not_ask_for_a_token() {
    let mut scene = Scene::new();
    let user = scene.user(&json!({}));
    let stranger = key(77);
    let challenge = scene.story.challenge(&stranger, "a", &["read:x"]);
    let body = json!({ "challenge": challenge, "audience": "a", "scopes": ["read:x"], "subject_token": user,
        "subject_token_type": ACCESS_TOKEN });
    let answer = scene.story.client.ask(&stranger, "POST", "/v1/tokens", Some(&body));
    answer.refused("not-permitted");
    let agent = key(2);
    let answer = scene.story.client.ask(&agent, "POST", "/v1/tokens", Some(&body));
    answer.refused("challenge-over");
    assert!(scene.issuer.asked("/jwks").is_empty());
}

#[test]
fn no_agent_has_it_recorded_that_it_acts_for_somebody() {
    let mut scene = Scene::new();
    let agent = key(2);
    let forged = format!("for {} alice: https://api", scene.issuer.url());
    for audience in [forged.as_str(), "a b", "a\u{a0}b", "a\tb"] {
        let body = json!({ "did": agent.did().as_str(), "audience": audience, "scopes": ["read:x"] });
        scene.story.client.post("/v1/challenges", &body).refused("malformed");
        let body = json!({ "challenge": "c", "audience": audience, "scopes": ["read:x"] });
        scene.story.client.ask(&agent, "POST", "/v1/tokens", Some(&body)).refused("malformed");
        let (request, is_form) = (scene.own(&agent, audience), !audience.contains('\t'));
        let error = if is_form { "invalid_target" } else { "invalid_request" };
        assert_eq!(scene.story.client.send(&request).error(), error);
    }
    let user = scene.user(&json!({ "sub": "bob: a%20 read:x\u{202e}" }));
    let given = scene.signed(&user, "read:x", &json!({})).expect(201).json();
    scene.token(&user);
    assert_eq!(part(given["token"].as_str().unwrap(), 1)["sub"], "bob: a%20 read:x\u{202e}");
    let logout = scene.logout(&json!({}));
    scene.tell(&logout).expect(200);
    let told = scene.story.client.ask(&scene.operator, "GET", "/v1/audit?limit=50", None).expect(200).json();
    let notes: Vec<_> = told["records"].as_array().unwrap().iter().map(|record| record["note"].to_string()).collect();
    let refused = format!("\"asked: {forged} read:x\"");
    assert!(notes.contains(&refused), "{notes:?} without {refused}");
    let whose = format!("for {} bob:%20a%2520%20read:x%E2%80%AE", scene.issuer.url());
    let acts = notes.iter().filter(|note| **note == format!("\"{whose}: a read:x\"")).count();
    assert_eq!(acts, 2, "{notes:?}");
    assert!(notes.contains(&format!("\"2 {whose}\"")), "{notes:?}");
    assert!(!notes.iter().any(|note| note.starts_with("\"for") && note.contains("alice")), "{notes:?}");
}

#[test]
fn an_issuer_that_never_says_whether_a_token_counts_is_not_asked_again_and_again() {
    let asking = json!({ "client_id": "authority", "client_secret_file": "secret" });
    let mut scene = Scene::with(&json!({ "introspection": asking }));
    let user = scene.user(&json!({}));
    for (status, error, told) in [
        (400, "unsupported_token_type", "invalid_request"),
        (401, "invalid_client", "invalid_request"),
        (400, "temporarily_unavailable", "temporarily_unavailable"),
        (500, "unsupported_token_type", "temporarily_unavailable"),
    ] {
        scene.issuer.says("/introspect", Say::Refuses(status, json!({ "error": error })));
        scene.refused(&user, &[], told, &format!("answered {status}, {error}"));
    }
    for error in [json!("No"), json!("a".repeat(65)), json!(""), json!(7)] {
        scene.issuer.says("/introspect", Say::Refuses(400, json!({ "error": error })));
        let answer = scene.exchange(&user, &[]).expect(503);
        assert!(answer.body.contains("it answered 400\""), "{answer:?}");
    }
    scene.signed(&user, "read:x", &json!({})).refused("busy");
    scene.issuer.says("/introspect", Say::Refuses(400, json!({ "error": "unsupported_token_type" })));
    scene.signed(&user, "read:x", &json!({})).refused("subject-refused").coded("INVALID_CONFIG");
}
