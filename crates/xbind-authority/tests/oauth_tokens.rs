//! OAuth clients and their tokens: bound to a key by DPoP, asked about, taken back.

mod common;

use common::client::Request;
use common::key;
use common::oauth::{asked, form, jws, part, random, with, with_proof};
use common::story::Story;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use xbind::identity::jwk::thumbprint;
use xbind::{Asked, DelegationDraft, SigningKey, TokenPolicy, TokenVerifier, Trust, VerifyingKey, delegate};

/// An operator with two agents (keys 2 and 3), and another (key 5) with one (key 6).
fn begun() -> (Story, SigningKey) {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:*"]);
    story.agent(&operator, &id, &key(3), &["read:*"]);
    let other = story.operator(&key(5), "example.org");
    story.agent(&key(5), &other, &key(6), &["read:*"]);
    (story, agent)
}

#[test]
fn a_proof_binds_the_token_to_the_agents_key() {
    let (mut story, agent) = begun();
    let token = story.bound_token(&agent);
    let claims = part(&token, 1);
    assert_eq!(claims["cnf"], json!({ "jkt": thumbprint(agent.did()) }));
    let issuer = *VerifyingKey::from_did(claims["iss"].as_str().unwrap()).unwrap().did();
    let verifier = TokenVerifier::new(TokenPolicy::new("a"), Trust::default().with_did(issuer)).unwrap();
    let verify = |presenter: Option<&SigningKey>| {
        let status = |_: &str, _: &xbind::StatusRef| xbind::Evidence::Fresh(0);
        let asked = Asked { presenter: presenter.map(SigningKey::did), status: &status, ..Asked::default() };
        verifier.verify(&token, xbind_runtime::now(), &asked).is_ok()
    };
    assert_eq!([Some(&agent), Some(&key(3)), None].map(verify), [true, false, false]);
    let asked = json!({ "token": token });
    assert_eq!(story.client.post("/v1/introspection", &asked).json()["status"], "active");
    // One that is asked for by a signed request is bound to nothing, as before.
    let plain = story.token(&agent, "a", &["read:x"]).expect(201).json();
    assert!(part(plain["token"].as_str().unwrap(), 1).get("cnf").is_none());
}

#[test]
fn a_proof_that_does_not_hold_gives_no_token() {
    let (mut story, agent) = begun();
    let url = story.token_url();
    let now = xbind_runtime::now();
    let jwk = |key: &SigningKey| json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL_NOPAD.encode(key.did().public_key()) });
    let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk(&agent) });
    let honest = || json!({ "jti": random(), "htm": "POST", "htu": url, "iat": now });
    let claim = |changes: Value| jws(&agent, &header, &with(honest(), &changes));
    let head = |changes: Value| jws(&agent, &with(header.clone(), &changes), &honest());
    let refused = |story: &mut Story, why: &str, proof: &str| {
        let answer = story.client.send(&with_proof(story.asks(&story.assertion(&agent)), proof));
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_dpop_proof"), "{why}: {proof}");
    };
    let private = with(jwk(&agent), &json!({ "d": BASE64URL_NOPAD.encode(&[2; 32]) }));
    for (why, proof) in [
        ("another method", claim(json!({ "htm": "GET" }))),
        ("another case", claim(json!({ "htm": "post" }))),
        ("another URL", claim(json!({ "htu": "https://other.example/oauth/token" }))),
        ("another path", claim(json!({ "htu": url.replace("token", "introspect") }))),
        ("the issuer", claim(json!({ "htu": story.server.url() }))),
        ("a query", claim(json!({ "htu": format!("{url}?a=b") }))),
        ("old", claim(json!({ "iat": now - 70 }))),
        ("early", claim(json!({ "iat": now + 30 }))),
        ("for a token", claim(json!({ "ath": "x" }))),
        ("no jti", claim(json!({ "jti": null }))),
        ("a private key", head(json!({ "jwk": private }))),
        ("no algorithm", head(json!({ "alg": "none" }))),
        ("another algorithm", head(json!({ "alg": "HS256" }))),
        ("another type", head(json!({ "typ": "JWT" }))),
        ("a kid", head(json!({ "kid": agent.did().as_str() }))),
        ("another key in it", head(json!({ "jwk": jwk(&key(9)) }))),
        ("another key", jws(&key(9), &with(header.clone(), &json!({ "jwk": jwk(&key(9)) })), &honest())),
        ("another agent's", story.proof(&key(3))),
        ("two in one", format!("{}, {}", story.proof(&agent), story.proof(&agent))),
        ("nothing", "x".to_owned()),
        ("empty", String::new()),
    ] {
        refused(&mut story, why, &proof);
    }
    let two = with_proof(with_proof(story.asks(&story.assertion(&agent)), &story.proof(&agent)), &story.proof(&agent));
    assert_eq!(story.client.send(&two).expect(400).error(), "invalid_dpop_proof");
    // It counts once, also for a server that was restarted.
    let proof = story.proof(&agent);
    story.client.send(&with_proof(story.asks(&story.assertion(&agent)), &proof)).expect(200);
    refused(&mut story, "once more", &proof);
    story.restart();
    refused(&mut story, "after a restart", &proof);
    // A refusal by the proof is on record, and the assertion is used up by it, also where the proof was used before.
    let assertion = story.assertion(&agent);
    let again = with_proof(story.asks(&assertion), &proof);
    assert_eq!(story.client.send(&again).expect(400).error(), "invalid_dpop_proof");
    let fresh = with_proof(story.asks(&assertion), &story.proof(&agent));
    assert_eq!(story.client.send(&fresh).expect(401).error(), "invalid_client");
    let records = story.client.ask(&key(1), "GET", "/v1/audit?limit=100", None).expect(200).json();
    let is_refusal = |record: &&Value| record["code"] == "INVALID_DPOP_PROOF";
    assert_eq!(records["records"].as_array().unwrap().iter().filter(is_refusal).count(), 25);
    let last = records["records"].as_array().unwrap().iter().rfind(is_refusal).unwrap();
    assert_eq!((&last["event"], &last["note"]), (&json!("token.issued"), &json!("a read:x")));
}

#[test]
fn a_token_is_told_of_to_whom_it_concerns() {
    let (mut story, agent) = begun();
    let did = agent.did().to_string();
    let audience = key(6).did().to_string();
    let token = story.access_token(&agent, &audience);
    let ask =
        |story: &mut Story, who: u8, token: &str| story.about(&key(who), "/oauth/introspect", token).expect(200).json();
    let told = ask(&mut story, 2, &token);
    let claims = part(&token, 1);
    for name in ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"] {
        assert_eq!(told[name], claims[name], "{name}");
    }
    assert_eq!((&told["active"], &told["token_type"], &told["sub"]), (&json!(true), &json!("Bearer"), &json!(did)));
    assert!(told.get("username").is_none() && told.get("status").is_none() && told.get("operator_id").is_none());
    let inactive = json!({ "active": false });
    assert_eq!(ask(&mut story, 3, &token), told, "an agent of the same operator");
    assert_eq!(ask(&mut story, 6, &token), told, "its audience");
    let elsewhere = story.access_token(&agent, "https://api.example");
    assert_eq!(ask(&mut story, 6, &elsewhere), inactive, "an agent that it does not concern");
    let heard = key(3).did().to_string();
    let elsewhere = story.access_token(&agent, &heard);
    assert_eq!(ask(&mut story, 6, &elsewhere), inactive, "another's audience");
    let named = story.client.get(&format!("/v1/agents/{audience}")).json()["alias"].as_str().unwrap().to_owned();
    let to_alias = story.access_token(&agent, &named);
    assert_eq!(ask(&mut story, 6, &to_alias)["active"], true, "its audience by its alias");
    let bound = story.bound_token(&agent);
    let told = ask(&mut story, 2, &bound);
    assert_eq!((&told["token_type"], &told["cnf"]), (&json!("DPoP"), &part(&bound, 1)["cnf"]));

    // Whatever is no token of this authority that counts.
    let (header, own) = (part(&token, 0), part(&token, 1));
    let mut others = Story::new();
    let (_, _, theirs) = others.begun(&["read:*"]);
    let foreign = others.access_token(&theirs, "a");
    let draft = DelegationDraft {
        subject: *key(3).did(),
        audience: None,
        scopes: None,
        quota: None,
        ttl: None,
        status: None,
        now: xbind_runtime::now(),
        id: [1; 16],
    };
    let unsigned = format!("{}.{}", token.rsplit_once('.').unwrap().0, BASE64URL_NOPAD.encode(&[0; 64]));
    for text in [
        "x",
        "a.b.c",
        &unsigned,
        &format!("{token}x"),
        &foreign,
        &jws(&agent, &header, &own),
        &jws(&agent, &with(header, &json!({ "alg": "none" })), &own),
        &delegate(&agent, &token, &draft).unwrap(),
        &story.assertion(&agent),
        &"x".repeat(60_000),
    ] {
        assert_eq!(ask(&mut story, 2, text), inactive, "{text}");
    }
    assert_eq!(
        story.client.send(&form("/oauth/introspect", &[("token", &token)])).expect(401).error(),
        "invalid_client"
    );
    assert_eq!(story.about(&key(9), "/oauth/introspect", &token).expect(401).error(), "invalid_client");
    assert_eq!(story.about(&agent, "/oauth/introspect", "").expect(400).error(), "invalid_request");
    // Its agent is suspended: no more, and then again.
    let operator = story.client.get(&format!("/v1/agents/{did}")).json()["operator"].as_str().unwrap().to_owned();
    for (status, active) in [("suspended", false), ("active", true), ("revoked", false)] {
        let path = format!("/v1/operators/{operator}/agents/{did}/status");
        story.client.ask(&key(1), "PUT", &path, Some(&json!({ "status": status }))).expect(200);
        assert_eq!(ask(&mut story, 3, &token)["active"], active, "{status}");
    }
}

#[test]
fn an_agent_takes_its_own_tokens_back_and_no_others() {
    let (mut story, agent) = begun();
    let (token, bound) = (story.access_token(&agent, "a"), story.bound_token(&agent));
    let status = |story: &mut Story, token: &str| {
        story.client.post("/v1/introspection", &json!({ "token": token })).json()["status"].as_str().unwrap().to_owned()
    };
    for who in [3, 6] {
        let refused = story.about(&key(who), "/oauth/revoke", &token).expect(400);
        assert_eq!(refused.error(), "unauthorized_client", "agent {who}");
    }
    assert_eq!(story.about(&key(9), "/oauth/revoke", &token).expect(401).error(), "invalid_client");
    let plain: Request = form("/oauth/revoke", &[("token", &token)]);
    assert_eq!(story.client.send(&plain).expect(401).error(), "invalid_client");
    for nothing in ["x", "a.b.c", &format!("{token}x"), &story.assertion(&agent)] {
        let done = story.about(&agent, "/oauth/revoke", nothing).expect(200);
        assert_eq!(done.body, "");
    }
    assert_eq!(status(&mut story, &token), "active");
    let list = story.client.get("/v1/status/0").expect(200).body;
    let assertion = story.assertion(&agent);
    let parameters = [
        asked(&assertion, "", "")[1],
        asked(&assertion, "", "")[2],
        ("token", &token),
        ("token_type_hint", "refresh_token"),
    ];
    story.client.send(&form("/oauth/revoke", &parameters)).expect(200);
    assert_ne!(story.client.get("/v1/status/0").expect(200).body, list, "the list says so at once");
    assert_eq!(story.about(&agent, "/oauth/introspect", &token).expect(200).json(), json!({ "active": false }));
    assert_eq!((status(&mut story, &token), status(&mut story, &bound)), ("revoked".into(), "active".into()));
    story.about(&agent, "/oauth/revoke", &token).expect(200);
    story.about(&agent, "/oauth/revoke", &bound).expect(200);
    assert_eq!(status(&mut story, &bound), "revoked");
    let records = story.client.ask(&key(1), "GET", "/v1/audit?limit=100", None).expect(200).json();
    let revoked: Vec<_> =
        records["records"].as_array().unwrap().iter().filter(|it| it["event"] == "token.revoked").collect();
    assert_eq!(revoked.len(), 3);
    assert!(revoked.iter().all(|record| record["to"] == agent.did().as_str() && record["outcome"] == "accepted"));
    assert_eq!(revoked[0]["token"], part(&token, 1)["jti"]);
}

#[test]
fn the_metadata_say_what_is_so() {
    let (mut story, _) = begun();
    let url = story.server.url().to_owned();
    let told = story.client.get("/.well-known/oauth-authorization-server").expect(200).json();
    assert_eq!(told["issuer"], url);
    for (name, path) in [
        ("token_endpoint", "/oauth/token"),
        ("introspection_endpoint", "/oauth/introspect"),
        ("revocation_endpoint", "/oauth/revoke"),
    ] {
        assert_eq!(told[name], format!("{url}{path}"));
        story.client.send(&form(path, &[("grant_type", "client_credentials")])).expect(401);
    }
    for grant in told["grant_types_supported"].as_array().unwrap() {
        story.client.send(&form("/oauth/token", &[("grant_type", grant.as_str().unwrap())])).expect(401);
    }
    let keys = told["jwks_uri"].as_str().unwrap().strip_prefix(&url).unwrap();
    assert!(story.client.get(keys).expect(200).json()["keys"].is_array());
}
