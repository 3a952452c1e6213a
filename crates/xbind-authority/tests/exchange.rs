//! Token exchange against a real issuer: what an agent gets for a user, when it ends, and what an attacker tries.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics fails")]

mod common;

use common::exchange::{ACCESS_TOKEN, AUTHORITY, ID_TOKEN, Scene};
use common::issuer::{IssuerKey, IssuerServer, Say};
use common::oauth::{TYPE, form, jws, part, with_proof};
use common::{Folder, key, until};
use serde_json::{Value, json};
use xbind::identity::jwk::thumbprint;

#[test]
fn an_agent_acts_for_a_user_and_everybody_sees_for_whom() {
    let mut scene = Scene::new();
    let user = scene.user(&json!({}));
    let answer = scene.exchange(&user, &[("scope", "read:x pay.one")]).expect(200).json();
    assert_eq!(answer["issued_token_type"], ACCESS_TOKEN);
    assert_eq!((&answer["token_type"], &answer["scope"]), (&json!("Bearer"), &json!("read:x pay.one")));
    let lives = answer["expires_in"].as_u64().unwrap();
    assert!((500..=600).contains(&lives), "no longer than the user's token: {lives}");
    let token = answer["access_token"].as_str().unwrap();
    let claims = part(token, 1);
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["act"], json!({ "sub": scene.agent.did().as_str() }));
    assert_eq!(claims["sub_id"], json!({ "format": "iss_sub", "iss": scene.issuer.url(), "sub": "alice" }));
    assert_eq!(claims["aud"], "a");
    assert_eq!(scene.standing(token), "active");
    let told =
        scene.story.client.ask(&scene.operator, "GET", "/v1/audit?limit=50", None).expect(200).json().to_string();
    assert!(told.contains(&format!("for {} alice: a read:x pay.one", scene.issuer.url())), "{told}");
}

#[test]
fn a_token_for_a_user_is_bound_to_the_agents_key_where_that_is_proven() {
    let mut scene = Scene::new();
    let (user, agent) = (scene.user(&json!({})), key(2));
    let request = with_proof(scene.request(&agent, &user, &[]), &scene.story.proof(&agent));
    let given = scene.story.client.send(&request).expect(200).json();
    assert_eq!(given["token_type"], "DPoP");
    let claims = part(given["access_token"].as_str().unwrap(), 1);
    assert_eq!(claims["cnf"], json!({ "jkt": thumbprint(agent.did()) }));
    assert_eq!((&claims["sub"], &claims["act"]), (&json!("alice"), &json!({ "sub": agent.did().as_str() })));
    let anothers = with_proof(scene.request(&agent, &user, &[]), &scene.story.proof(&key(3)));
    assert_eq!(scene.story.client.send(&anothers).error(), "invalid_dpop_proof");
    // Whoever the token concerns is told for whom it was got, also as it stands.
    let asked = [
        ("client_assertion_type", TYPE),
        ("client_assertion", &*scene.story.assertion(&agent)),
        ("token", given["access_token"].as_str().unwrap()),
    ];
    let told = scene.story.client.send(&form("/oauth/introspect", &asked)).expect(200).json();
    assert_eq!((&told["active"], &told["sub"], &told["sub_id"]), (&json!(true), &json!("alice"), &claims["sub_id"]));
}

#[test]
fn no_exchange_gives_more_than_the_user_the_operator_and_the_agent_have() {
    let mut scene = Scene::new();
    let user = scene.user(&json!({}));
    scene.refused(&user, &[("scope", "")], "invalid_scope", "missing");
    scene.refused(&user, &[("scope", "pay.two")], "invalid_scope", "not granted to this agent");
    scene.refused(&user, &[("scope", "admin")], "invalid_scope", "admin");
    scene.refused(&user, &[("scope", "read:x admin")], "invalid_scope", "admin");
    scene.refused(&user, &[("scope", "pay.*")], "invalid_scope", "pay.*");
    let reader = scene.user(&json!({ "scope": "read" }));
    scene.refused(&reader, &[("scope", "pay.one")], "invalid_scope", "do not give pay.one");
    for scope in ["", "Read", "read:*", "pay2", "openid2"] {
        let user = scene.user(&json!({ "scope": scope }));
        scene.refused(&user, &[], "invalid_scope", "do not give read:x");
    }
    let by_microsoft = scene.user(&json!({ "scope": null, "scp": "read" }));
    scene.token(&by_microsoft);
    let both = scene.user(&json!({ "scope": "openid", "scp": "read" }));
    scene.refused(&both, &[], "invalid_scope", "do not give read:x");
    let none = scene.user(&json!({ "scope": null }));
    scene.refused(&none, &[], "invalid_scope", "do not give");
    scene.refused(&user, &[("audience", "")], "invalid_target", "exactly one");
    scene.refused(&user, &[("audience", "a"), ("resource", "https://b.example")], "invalid_target", "exactly one");
    // What the operator takes away is gone at once, with what was got by it.
    let token = scene.token(&user);
    scene.allow(&json!({ "read": ["read:*"], "pay": ["pay.*"], "openid": ["read:name"], "more": [] }));
    assert_eq!(scene.standing(&token), "active");
    scene.allow(&json!({ "read": ["read:y"], "pay": ["pay.*"] }));
    assert_eq!(scene.standing(&token), "revoked");
    scene.refused(&user, &[], "invalid_scope", "do not give read:x");
    scene.say(&json!({ "issuers": [] }));
    scene.refused(&user, &[], "invalid_request", "no users of that issuer");
}

#[test]
fn a_token_that_is_got_lives_no_longer_than_any_of_them_says() {
    let mut scene = Scene::new();
    let now = xbind_runtime::now();
    let long = scene.user(&json!({ "exp": now + 1_000_000 }));
    assert_eq!(scene.exchange(&long, &[]).expect(200).json()["expires_in"], 3600);
    let own = |ttl: u64| json!({ "issuers": [{ "issuer": scene.issuer.url(), "scopes": { "read": ["read:*"] }, "max_ttl": ttl }] });
    let (short, day) = (own(7), own(86_400));
    scene.say(&short);
    assert_eq!(scene.exchange(&long, &[]).expect(200).json()["expires_in"], 7);
    scene.say(&day);
    assert_eq!(scene.exchange(&long, &[]).expect(200).json()["expires_in"], 86_400);
    // What lives longer than the operator says by now does not count any more.
    let given = scene.token(&long);
    scene.say(&json!({ "issuers": [{ "issuer": scene.issuer.url(), "scopes": { "read": ["read:*"] } }] }));
    assert_eq!(scene.standing(&given), "revoked", "a day is more than an hour");
    let given = scene.token(&long);
    scene.say(&day);
    assert_eq!(scene.standing(&given), "active");
    scene.say(&short);
    assert_eq!(scene.standing(&given), "revoked");
    let over = scene.user(&json!({ "exp": now - 1 }));
    scene.refused(&over, &[], "invalid_request", "expired");
}

#[test]
fn users_tokens_of_others_forged_or_of_another_kind_are_refused() {
    let mut scene = Scene::new();
    let other = IssuerServer::start();
    other.publishes(&[("k", &scene.key)]);
    for (changes, why) in [
        (json!({ "iss": other.url() }), "none of those configured"),
        (json!({ "aud": "somebody" }), "another audience, somebody, than authority"),
        (json!({ "aud": format!("some{}", "body".repeat(40)) }), "another audience than authority"),
        (json!({ "aud": "ein jemand" }), "another audience than authority"),
        (json!({ "events": {} }), "events"),
        (json!({ "act": { "sub": "x" } }), "act"),
        (json!({ "cnf": { "jkt": "x" } }), "cnf"),
    ] {
        let user = scene.user(&changes);
        scene.refused(&user, &[], "invalid_request", why);
    }
    assert!(other.asked("/jwks").is_empty());
    let forged = IssuerKey::ed25519(9).token("k", "at+jwt", &scene.claims());
    scene.refused(&forged, &[], "invalid_request", "signature");
    let id_token = common::oauth::with(scene.claims(), &json!({ "scope": null }));
    let id_token = scene.key.token("k", "JWT", &id_token);
    let given = scene.exchange(&id_token, &[("subject_token_type", ID_TOKEN), ("scope", "read:name")]).expect(200);
    assert_eq!(part(given.json()["access_token"].as_str().unwrap(), 1)["sub"], "alice");
    scene.refused(&id_token, &[("subject_token_type", ID_TOKEN)], "invalid_scope", "do not give read:x");
    let anothers = scene.key.token("k", "JWT", &common::oauth::with(scene.claims(), &json!({ "azp": "other" })));
    scene.refused(&anothers, &[("subject_token_type", ID_TOKEN)], "invalid_request", "another client");
    let logout = scene.logout(&json!({}));
    scene.refused(&logout, &[], "invalid_request", "typ");
    // Tokens of the authority's own, and assertions of agents.
    let user = scene.user(&json!({}));
    let derived = scene.token(&user);
    let agent = scene.agent.did().as_str().to_owned();
    let own =
        scene.story.token(&key(2), "authority", &["read:x"]).expect(201).json()["token"].as_str().unwrap().to_owned();
    let assertion = scene.story.assertion(&key(2));
    let claimed = jws(&key(2), &json!({ "alg": "EdDSA", "kid": "k", "typ": "at+jwt" }), &scene.claims());
    for (token, why) in [(derived, "none of those"), (own, "none of those"), (assertion, ""), (claimed, "signature")] {
        scene.refused(&token, &[], "invalid_request", why);
    }
    for (name, value, why) in [
        ("subject_token", "", "missing"),
        ("subject_token_type", "", "missing"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "subject_token_type"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2", "subject_token_type"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "requested_token_type"),
        ("requested_token_type", ID_TOKEN, "requested_token_type"),
        ("actor_token", &agent, "actor_token"),
        ("actor_token_type", ACCESS_TOKEN, "actor_token"),
    ] {
        scene.refused(&user, &[(name, value)], "invalid_request", why);
    }
    scene.exchange(&user, &[("requested_token_type", ACCESS_TOKEN)]).expect(200);
}

#[test]
fn who_may_act_is_the_one_whom_the_users_token_names() {
    let mut scene = Scene::new();
    let alias = scene.story.client.get(&format!("/v1/agents/{}", scene.agent.did())).json()["alias"].clone();
    for named in [json!(scene.agent.did().as_str()), alias] {
        let user = scene.user(&json!({ "may_act": { "sub": named } }));
        scene.token(&user);
        scene.story.client.send(&scene.request(&key(9), &user, &[])).expect(401);
    }
    let other = key(3);
    scene.story.agent(&scene.operator, &scene.operator_id, &other, &["read:*"]);
    let user = scene.user(&json!({ "may_act": { "sub": scene.agent.did().as_str() } }));
    let stolen = scene.request(&other, &user, &[]);
    let answer = scene.story.client.send(&stolen);
    assert_eq!(answer.error(), "invalid_request");
    assert!(answer.body.contains("another actor"), "{answer:?}");
    let free = scene.user(&json!({}));
    scene.story.client.send(&scene.request(&other, &free, &[])).expect(200);
}

#[test]
fn a_session_that_has_ended_takes_what_was_derived_from_it_along_and_gives_no_more() {
    let mut scene = Scene::new();
    let users = ["s1", "s2"].map(|session| scene.user(&json!({ "sid": session })));
    let loose = scene.user(&json!({ "sid": null }));
    let bob = scene.user(&json!({ "sub": "bob", "sid": "s3" }));
    let [first, second] = users.each_ref().map(|user| scene.token(user));
    let (of_none, of_bob) = (scene.token(&loose), scene.token(&bob));
    scene.story.client.get("/v1/status/0").expect(200);
    let logout = scene.logout(&json!({}));
    assert_eq!(scene.tell(&logout).expect(200).body, "");
    let standing = [&first, &second, &of_none, &of_bob].map(|token| scene.standing(token));
    assert_eq!(standing, ["revoked", "active", "revoked", "active"], "whose session none can tell ends, too");
    // Whoever verifies by the list sees the same at once.
    let place = part(&first, 1)["status"]["status_list"].clone();
    let uri = place["uri"].as_str().unwrap();
    let text = scene.story.client.get(uri.strip_prefix(scene.story.server.url()).unwrap()).expect(200).body;
    let list = xbind::read_status_list(&text, uri, xbind::ListSigner::Did(&scene.story.server.did())).unwrap();
    assert_eq!(list.list.get(place["idx"].as_u64().unwrap()), Some(xbind::rights::INVALID));
    scene.refused(&users[0], &[], "invalid_request", "has ended");
    scene.refused(&loose, &[], "invalid_request", "has ended");
    let again = scene.user(&json!({}));
    scene.refused(&again, &[], "invalid_request", "has ended");
    scene.token(&users[1]);
    // All of a user; who signs in again afterwards is taken.
    let now = xbind_runtime::now();
    let logout = scene.logout(&json!({ "sid": null, "iat": now - 2 }));
    scene.tell(&logout).expect(200);
    let standing = [&second, &of_bob].map(|token| scene.standing(token));
    assert_eq!(standing, ["revoked", "active"]);
    let anew = scene.user(&json!({ "sid": "s4", "iat": now - 1 }));
    scene.token(&anew);
    scene.restart();
    scene.refused(&users[1], &[], "invalid_request", "has ended");
    let told = scene.story.client.ask(&scene.operator, "GET", "/v1/audit?limit=100", None).expect(200).json();
    let ended: Vec<_> = told["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record.to_string().contains("session.ended"))
        .collect();
    assert_eq!(ended.len(), 3, "{ended:?}"); // one for each token of a user from which others were derived
}

#[test]
fn a_logout_token_is_the_issuers_and_counts_once() {
    let mut scene = Scene::new();
    let user = scene.user(&json!({}));
    let token = scene.token(&user);
    let now = xbind_runtime::now();
    for (changes, why) in [
        (json!({ "events": null }), "no session"),
        (json!({ "events": {} }), "no session"),
        (json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": null } }), "no session"),
        (json!({ "nonce": "n" }), "nonce"),
        (json!({ "aud": "other" }), "another audience, other, than authority"),
        (json!({ "iss": "https://login.example" }), "none of those"),
        (json!({ "iat": null }), "no iat"),
        (json!({ "iat": now + 60 }), "not count yet"),
        (json!({ "exp": now - 60 }), "expired"),
        (json!({ "exp": null, "iat": now - 400 }), "expired"),
        (json!({ "jti": null }), "no jti"),
        (json!({ "sub": null, "sid": null }), "neither"),
    ] {
        let logout = scene.logout(&changes);
        let answer = scene.tell(&logout).expect(400);
        assert_eq!(answer.error(), "invalid_request");
        assert!(answer.body.contains(why), "{answer:?} instead of {why}");
    }
    let logged = |why: &str| scene.log.lock().unwrap().iter().any(|line| line.contains(&format!("\"cause\":\"{why}")));
    assert!(logged("WRONG_AUDIENCE: the token is for another audience, other, than authority"));
    let forged = IssuerKey::ed25519(9).token("k", "logout+jwt", &part(&scene.logout(&json!({})), 1));
    scene.tell(&forged).expect(400);
    for user in [user.clone(), scene.key.token("k", "JWT", &scene.claims())] {
        scene.tell(&user).expect(400); // no end of a session
    }
    scene.story.client.send(&form("/oauth/backchannel-logout", &[("x", "y")])).expect(400);
    assert_eq!(scene.standing(&token), "active");
    let logout = scene.logout(&json!({}));
    scene.tell(&logout).expect(200);
    assert!(scene.tell(&logout).expect(400).body.contains("used before"));
    assert!(scene.log.lock().unwrap().last().unwrap().contains("used before"));
    scene.restart();
    assert!(scene.tell(&logout).expect(400).body.contains("used before"));
    assert_eq!(scene.standing(&token), "revoked");
}

/// Asked as soon as it can be; for how long an answer counts.
fn introspected(stale: u64) -> Value {
    let asking = json!({ "client_id": "auth:ority", "client_secret_file": "secret", "every": 1, "stale": stale });
    json!({ "introspection": asking })
}

#[test]
fn an_issuer_that_is_asked_says_whether_a_session_goes_on() {
    let mut scene = Scene::with(&introspected(3600));
    let user = scene.user(&json!({}));
    let active = || Say::Json(json!({ "active": true, "sub": "alice" }));
    scene.refused(&user, &[], "temporarily_unavailable", "answered 404");
    for told in
        [json!({ "active": false }), json!({ "active": true, "sub": "bob" }), json!({ "active": true, "iss": "x" })]
    {
        scene.issuer.says("/introspect", Say::Json(told));
        scene.refused(&user, &[], "invalid_request", "does not count any more");
    }
    for told in [json!({}), json!([true]), json!({ "active": "true" })] {
        scene.issuer.says("/introspect", Say::Json(told));
        scene.refused(&user, &[], "temporarily_unavailable", "its answer");
    }
    scene.issuer.says("/introspect", active());
    let tokens = [scene.token(&user), scene.token(&user)];
    let head = scene.issuer.asked("/introspect").pop().unwrap();
    let expected = data_encoding::BASE64.encode(b"auth%3Aority:open%20sesame");
    assert!(head.contains(&format!("authorization: Basic {expected}")), "{head}");
    let before = scene.issuer.asked("/introspect").len();
    until(|| scene.issuer.asked("/introspect").len() > before + 2);
    assert_eq!(scene.standing(&tokens[0]), "active");
    scene.issuer.says("/introspect", Say::Json(json!({ "active": false })));
    until(|| tokens.iter().all(|token| scene.standing(token) == "revoked"));
    scene.issuer.says("/introspect", active());
    scene.refused(&user, &[], "invalid_request", "has ended");
}

#[test]
fn a_question_that_nobody_answers_holds_up_the_end_of_no_other_session() {
    let mut scene = Scene::with(&introspected(3600));
    let users = [scene.user(&json!({})), scene.user(&json!({ "sid": "s2" }))];
    let active = || Box::new(Say::Json(json!({ "active": true })));
    scene.issuer.says("/introspect", *active());
    let tokens = users.each_ref().map(|user| scene.token(user));
    scene.issuer.says("/introspect", Say::Where(users[1].clone(), Box::new(Say::Hold), active()));
    until(|| !scene.issuer.asked("/introspect held").is_empty());
    let inactive = Box::new(Say::Json(json!({ "active": false })));
    scene.issuer.says("/introspect", Say::Where(users[1].clone(), Box::new(Say::Hold), inactive));
    until(|| scene.standing(&tokens[0]) == "revoked");
    let [held, let_go] = ["held", "let go"].map(|what| scene.issuer.asked(&format!("/introspect {what}")).len());
    assert!(held > let_go, "it ended while another was asked about: {held} {let_go}");
    assert_eq!(scene.standing(&tokens[1]), "active");
}

#[test]
fn an_issuer_is_asked_for_no_operator_that_does_not_take_its_users() {
    let mut scene = Scene::with(&introspected(3600));
    scene.issuer.says("/introspect", Say::Json(json!({ "active": true })));
    scene.say(&json!({ "issuers": [] }));
    let user = scene.user(&json!({}));
    scene.refused(&user, &[], "invalid_request", "no users of that issuer");
    scene.signed(&user, "read:x", &json!({})).refused("subject-refused").coded("UNTRUSTED_ISSUER");
    assert!(scene.issuer.asked("/introspect").is_empty());
}

#[test]
fn a_logout_from_which_nothing_follows_has_no_list_signed_anew() {
    let mut scene = Scene::new();
    let user = scene.user(&json!({}));
    let token = scene.token(&user);
    let list = scene.story.client.get("/v1/status/0").expect(200).body;
    let (signed, bob) = (xbind_runtime::now(), scene.logout(&json!({ "sub": "bob", "sid": "s9" })));
    until(|| xbind_runtime::now() > signed);
    scene.tell(&bob).expect(200);
    assert!(scene.story.client.get("/v1/status/0").expect(200).body == list, "it was signed anew");
    let alice = scene.logout(&json!({}));
    scene.tell(&alice).expect(200);
    assert!(scene.story.client.get("/v1/status/0").expect(200).body != list);
    assert_eq!(scene.standing(&token), "revoked");
}

#[test]
fn what_nobody_can_be_asked_about_any_more_ends() {
    let mut scene = Scene::with(&introspected(12));
    let users = [scene.user(&json!({})), scene.user(&json!({ "sid": "s2" }))];
    scene.issuer.says("/introspect", Say::Json(json!({ "active": true })));
    let first = scene.token(&users[0]);
    scene.issuer.says("/introspect", Say::Status(500));
    until(|| scene.standing(&first) == "revoked");
    // After a restart nobody knows the user's token.
    scene.issuer.says("/introspect", Say::Json(json!({ "active": true })));
    let second = scene.token(&users[1]);
    scene.restart();
    until(|| scene.standing(&second) == "revoked");
}

#[test]
fn whoever_is_no_issuer_any_more_has_no_users_here() {
    let (folder, mut scene) = (Folder::new(), Scene::new());
    // The one that stays is between the others, in whatever order they are gone through.
    let mut issuers = [(); 3].map(|()| IssuerServer::start());
    issuers.sort_by_key(IssuerServer::url);
    let configured = |issuers: &[&IssuerServer]| {
        let entry =
            |each: &&IssuerServer| json!({ "issuer": each.url(), "audience": AUTHORITY, "algorithms": ["EdDSA"] });
        let file = folder.join("issuers.json");
        let entries: Vec<_> = issuers.iter().map(entry).collect();
        std::fs::write(&file, json!({ "issuers": entries }).to_string()).unwrap();
        Some(file)
    };
    let allowed = issuers.each_ref().map(|each| json!({ "issuer": each.url(), "scopes": { "read": ["read:*"] } }));
    scene.story.restart_with(|config| config.issuers = configured(&issuers.each_ref()));
    scene.say(&json!({ "issuers": allowed }));
    let [first, kept, last] = issuers.each_ref().map(|issuer| {
        issuer.publishes(&[("k", &scene.key)]);
        let user = scene.user(&json!({ "iss": issuer.url() }));
        scene.token(&user)
    });
    let [_, stays, _] = &issuers;
    scene.story.restart_with(|config| config.issuers = configured(&[stays]));
    until(|| [&first, &last].iter().all(|token| scene.standing(token) == "revoked"));
    assert_eq!(scene.standing(&kept), "active");
    scene.story.restart_with(|config| config.issuers = None);
    until(|| scene.standing(&kept) == "revoked");
}
