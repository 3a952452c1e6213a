//! OAuth clients: what proves one, what it may ask for, and what must not work.

mod common;

use std::sync::{Arc, Barrier};
use std::thread;

use common::client::{Client, Request};
use common::key;
use common::oauth::{asked, claims, form, jws, random, with};
use common::story::Story;
use serde_json::{Value, json};
use xbind::identity::jwk::thumbprint;
use xbind::{Rotation, SigningKey};

/// An operator with an agent (key 2) that may `read:*`.
fn begun() -> (Story, String, SigningKey) {
    let mut story = Story::new();
    let (id, _, agent) = story.begun(&["read:*"]);
    (story, id, agent)
}

fn header() -> Value {
    json!({ "alg": "EdDSA" })
}

#[test]
fn an_agent_is_given_a_token_by_its_did_or_its_alias() {
    let (mut story, _, agent) = begun();
    let url = story.server.url().to_owned();
    let (did, alias) = (agent.did().as_str(), story.alias(&agent));
    let names = [did.to_owned(), format!("{did}#{}", agent.did().multibase()), thumbprint(agent.did())];
    let mut headers = vec![header(), json!({ "alg": "Ed25519", "typ": "client-authentication+jwt" })];
    headers.extend(names.iter().map(|kid| json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid })));
    for (client, audience) in [(did, json!(url)), (&alias, json!([format!("{url}/oauth/token")]))] {
        for header in &headers {
            let claims = with(claims(client, ""), &json!({ "aud": audience, "nbf": 0, "other": { "x": 1 } }));
            let answer = story.client.send(&story.asks(&jws(&agent, header, &claims))).expect(200);
            assert_eq!(answer.field("cache-control"), Some("no-store"));
            let token = answer.json();
            assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(3600)));
            assert_eq!(token["scope"], "read:x");
            let asked = json!({ "token": token["access_token"] });
            assert_eq!(story.client.post("/v1/introspection", &asked).json()["status"], "active");
        }
    }
}

#[test]
fn an_assertion_counts_once_also_for_a_server_that_was_restarted() {
    let (mut story, id, agent) = begun();
    let assertion = story.assertion(&agent);
    let request = story.asks(&assertion);
    story.client.send(&request).expect(200);
    assert_eq!(story.client.send(&request).expect(401).error(), "invalid_client");
    story.restart();
    assert_eq!(story.client.send(&request).expect(401).error(), "invalid_client");
    // Nor at another endpoint, nor under the other name with the same jti.
    let again =
        form("/oauth/introspect", &[asked(&assertion, "", "")[1], asked(&assertion, "", "")[2], ("token", "x")]);
    assert_eq!(story.client.send(&again).expect(401).error(), "invalid_client");
    let (alias, url) = (story.alias(&agent), story.server.url().to_owned());
    let named = claims(agent.did().as_str(), &url);
    story.client.send(&story.asks(&jws(&agent, &header(), &named))).expect(200);
    let other = jws(&agent, &header(), &with(named, &json!({ "iss": alias, "sub": alias })));
    assert_eq!(story.client.send(&story.asks(&other)).expect(401).error(), "invalid_client");
    // What was refused for another reason is used up as well.
    let assertion = story.assertion(&agent);
    let refused = form("/oauth/token", &asked(&assertion, "write:x", "a"));
    assert_eq!(story.client.send(&refused).expect(400).error(), "invalid_scope");
    assert_eq!(story.client.send(&story.asks(&assertion)).expect(401).error(), "invalid_client");
    // All of it stands on record, once for each decision; what proves nobody does not.
    let records = story.client.ask(&key(1), "GET", "/v1/audit?limit=50", None).expect(200).json();
    let issued: Vec<_> = records["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["event"] == "token.issued")
        .map(|record| (record["outcome"].as_str().unwrap(), record["code"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(issued, [("accepted", ""), ("accepted", ""), ("refused", "SCOPE_DENIED")], "{id}");
}

#[test]
fn of_64_copies_of_one_assertion_at_once_one_is_given_a_token() {
    let (story, _, agent) = begun();
    let request = story.asks(&story.assertion(&agent));
    let (start, address) = (Arc::new(Barrier::new(64)), story.server.address());
    let threads: Vec<_> = (0..64)
        .map(|_| {
            let (start, request): (_, Request) = (start.clone(), request.clone());
            thread::spawn(move || {
                let mut client = Client::new(address);
                client.get("/live").expect(200);
                start.wait();
                client.send(&request).status
            })
        })
        .collect();
    let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 63, "{answers:?}");
}

#[test]
fn what_is_no_assertion_of_the_client_proves_nothing() {
    let (mut story, _, agent) = begun();
    let (did, url) = (agent.did().to_string(), story.server.url().to_owned());
    let thief = key(9);
    let public = data_encoding::BASE64URL_NOPAD.encode(agent.did().public_key());
    let honest = || claims(&did, &url);
    let mut assertions = Vec::new();
    for changes in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "ES256" }),
        json!({ "alg": "eddsa" }),
        json!({ "alg": null }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "typ": "agent-msg+jwt" }),
        json!({ "kid": thief.did().as_str() }),
        json!({ "kid": thumbprint(thief.did()) }),
        json!({ "kid": "../../authority.key" }),
        json!({ "kid": 1 }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "crit": [] }),
        json!({ "b64": true }),
        json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": public } }),
        json!({ "jku": "https://evil.example/jwks.json" }),
        json!({ "x5u": "https://evil.example/cert.pem" }),
        json!({ "x5c": [] }),
        json!({ "cty": "JWT" }),
    ] {
        assertions.push((changes.to_string(), jws(&agent, &with(header(), &changes), &honest())));
    }
    // A thief's key, wherever the header leads: and what it signs under the public key as a secret would be no better.
    for changes in [
        json!({}),
        json!({ "kid": did }),
        json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": data_encoding::BASE64URL_NOPAD.encode(thief.did().public_key()) } }),
    ] {
        assertions.push((format!("thief {changes}"), jws(&thief, &with(header(), &changes), &honest())));
    }
    let now = xbind_runtime::now();
    for changes in [
        json!({ "aud": "https://other.example" }),
        json!({ "aud": format!("{url}/") }),
        json!({ "aud": format!("{url}/oauth/introspect") }),
        json!({ "aud": url.to_uppercase() }),
        json!({ "aud": [url, "https://other.example"] }),
        json!({ "aud": [url, url] }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "exp": now - 6 }),
        json!({ "exp": now - 6, "iat": now - 60 }),
        json!({ "exp": now + 400 }),
        json!({ "exp": now + 400, "iat": null }),
        json!({ "exp": now + 60, "iat": now - 300 }),
        json!({ "exp": u64::MAX }),
        json!({ "exp": (now + 60).to_string() }),
        json!({ "exp": null }),
        json!({ "iat": now + 30, "exp": now + 60 }),
        json!({ "nbf": now + 30 }),
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "jti": 7 }),
        json!({ "jti": "a\u{0}b" }),
        json!({ "iss": thief.did().as_str() }),
        json!({ "sub": thief.did().as_str() }),
        json!({ "iss": thief.did().as_str(), "sub": thief.did().as_str() }),
        json!({ "iss": "did:agent:example.com:x", "sub": "did:agent:example.com:x" }),
        json!({ "iss": "' OR 1=1 --", "sub": "' OR 1=1 --" }),
        json!({ "iss": null }),
        json!({ "sub": null }),
    ] {
        assertions.push((changes.to_string(), jws(&agent, &header(), &with(honest(), &changes))));
    }
    let whole = jws(&agent, &header(), &honest());
    let unsigned = whole.rsplit_once('.').unwrap().0.to_owned();
    assertions.extend([
        ("without a signature".to_owned(), format!("{unsigned}.")),
        ("two segments".to_owned(), unsigned),
        ("four segments".to_owned(), format!("{whole}.x")),
        ("padded".to_owned(), format!("{whole}=")),
        ("long".to_owned(), jws(&agent, &header(), &with(honest(), &json!({ "x": "x".repeat(4096) })))),
        ("a DID alone".to_owned(), did.clone()),
        ("nothing".to_owned(), String::new()),
    ]);
    for (why, assertion) in assertions {
        let answer = story.client.send(&story.asks(&assertion));
        assert_eq!((answer.status, answer.error().as_str()), (401, "invalid_client"), "{why}");
    }
    // No record of any of them, and the agent goes on.
    let records = story.client.ask(&key(1), "GET", "/v1/audit?limit=50", None).expect(200).json();
    assert!(records["records"].as_array().unwrap().iter().all(|record| record["event"] != "token.issued"));
    story.client.send(&story.asks(&story.assertion(&agent))).expect(200);
}

#[test]
fn a_request_has_one_reading() {
    let (mut story, _, agent) = begun();
    let did = agent.did().to_string();
    let ask = |story: &mut Story, change: &dyn Fn(&mut Request), error: &str, status: u16| {
        let mut request = story.asks(&story.assertion(&agent));
        change(&mut request);
        let answer = story.client.send(&request);
        assert_eq!((answer.status, answer.error().as_str()), (status, error), "{request:?}");
    };
    for more in [
        "&grant_type=client_credentials",
        "&scope=read:x",
        "&%73cope=read:y",
        "&client_assertion=x",
        "&unknown=1&unknown=1",
        "&a=%",
        "&a=%00",
        "&a=b c",
        "&client_secret=x",
    ] {
        ask(&mut story, &|request| request.body += more, "invalid_request", 400);
    }
    for (more, error) in [
        ("&audience=b", "invalid_target"),
        ("&audience=a", "invalid_target"),
        ("&resource=https%3A%2F%2Fapi.example", "invalid_target"),
    ] {
        ask(&mut story, &|request| request.body += more, error, 400);
    }
    ask(&mut story, &|request| request.body = request.body.replace("audience=a", "audience="), "invalid_target", 400);
    for target in ["a", "/a", "https://api.example/%23x#x", "1:a", "https:", "https://a b"] {
        let resource = format!("resource={}", common::oauth::encoded(target));
        ask(&mut story, &|request| request.body = request.body.replace("audience=a", &resource), "invalid_target", 400);
    }
    let basic = ("authorization".to_owned(), "Basic YTpi".to_owned());
    ask(&mut story, &|request| request.fields.push(basic.clone()), "invalid_request", 400);
    ask(&mut story, &|request| request.fields[0].1 = "application/json".to_owned(), "invalid_request", 415);
    ask(&mut story, &|request| request.target += "?scope=read:x", "invalid_request", 400);
    ask(&mut story, &|request| request.body = String::new(), "invalid_request", 400);
    ask(&mut story, &|request| request.body = "x".repeat(100_000), "invalid_request", 413);
    ask(&mut story, &|request| request.body += "&client_id=did:key:other", "invalid_client", 401);
    ask(
        &mut story,
        &|request| request.body = request.body.replace("jwt-bearer", "saml2-bearer"),
        "invalid_client",
        401,
    );
    for (scope, error) in [
        ("", "invalid_scope"),
        ("read:x+", "invalid_scope"),
        ("*", "invalid_scope"),
        ("write:x", "invalid_scope"),
        ("read:x+write:x", "invalid_scope"),
    ] {
        let scope = format!("scope={scope}");
        ask(&mut story, &|request| request.body = request.body.replace("scope=read%3Ax", &scope), error, 400);
    }
    // What is left out, unknown or named in full is none of these.
    let mut request = story.asks(&story.assertion(&agent));
    request.body += &format!("&client_id={did}&unknown=1&resource=&actor_token&");
    story.client.send(&request).expect(200);
    let mut request = story.asks(&story.assertion(&agent));
    request.body = request.body.replace("audience=a", "resource=https://api.example/x?y");
    request.fields[0].1 += "; charset=UTF-8";
    story.client.send(&request).expect(200);
}

#[test]
fn who_may_do_nothing_is_no_client() {
    let (mut story, id, agent) = begun();
    let operator = key(1);
    let url = story.server.url().to_owned();
    let alias = story.alias(&agent);
    let ask = |story: &mut Story, key: &SigningKey, client: &str| {
        let answer = story.client.send(&story.asks(&jws(key, &header(), &claims(client, &url))));
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let (good, no) = ((200, String::new()), (401, "invalid_client".to_owned()));
    let did = |key: &SigningKey| key.did().to_string();
    assert_eq!(ask(&mut story, &key(77), &did(&key(77))), no, "nobody");
    assert_eq!(ask(&mut story, &operator, &did(&operator)), no, "an operator is no agent");
    let rotate = |story: &mut Story, old: &SigningKey, new: &SigningKey, overlap: u64| {
        let now = xbind_runtime::now();
        let rotation = Rotation { old: *old.did(), new: *new.did(), issued_at: now, active_from: now, overlap };
        let body = json!({ "rotation": rotation.sign(old, new).unwrap() });
        story.client.ask(old, "POST", &format!("/v1/agents/{}/rotations", old.did()), Some(&body)).expect(200);
    };
    // Handed over with time: the alias is the new key's at once, and the old DID signs on for itself.
    let (next, last) = (key(12), key(13));
    rotate(&mut story, &agent, &next, 3600);
    assert_eq!(ask(&mut story, &next, &alias), good);
    assert_eq!(ask(&mut story, &agent, &alias), no, "the old key for the alias");
    assert_eq!(ask(&mut story, &agent, &did(&agent)), good);
    assert_eq!(ask(&mut story, &next, &did(&agent)), no, "the new key for the old DID");
    // Stolen: the old key is nobody's from then on.
    rotate(&mut story, &next, &last, 0);
    assert_eq!(ask(&mut story, &next, &did(&next)), no);
    assert_eq!(ask(&mut story, &next, &alias), no);
    assert_eq!(ask(&mut story, &last, &alias), good);
    let path = format!("/v1/operators/{id}/agents/{}/status", last.did());
    for (status, verdict) in [("suspended", &no), ("active", &good), ("revoked", &no)] {
        story.client.ask(&operator, "PUT", &path, Some(&json!({ "status": status }))).expect(200);
        for client in [alias.clone(), did(&last)] {
            assert_eq!(ask(&mut story, &last, &client), *verdict, "{status} {client}");
        }
    }
}

#[test]
fn too_many_requests_of_one_client_are_told_to_wait() {
    let mut story = Story::with(|config| {
        config.rate_per_did = xbind_authority::Rate { burst: 8, per_second: 1 };
    });
    let (_, _, agent) = story.begun(&["read:*"]);
    let request = story.asks(&story.assertion(&agent));
    let mut copies = (0..20).map(|_| story.client.send(&request).status);
    assert!(copies.by_ref().take(1).eq([200]) && copies.all(|status| status == 401), "copies use up nothing");
    let answers: Vec<_> = (0..20).map(|_| story.client.send(&story.asks(&story.assertion(&agent)))).collect();
    let limited = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(limited.error(), "temporarily_unavailable");
    assert!(limited.field("retry-after").is_some());
    assert!(!random().is_empty());
}
