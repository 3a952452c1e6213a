//! The whole way: a domain, an agent, rights, a token, and taking it back.

mod common;

use common::key;
use common::story::Story;
use serde_json::json;
use xbind::{Asked, ListSigner, Scope, TokenPolicy, TokenVerifier, Trust, read_status_list};

#[test]
fn from_a_domain_to_a_token_that_verifies_offline() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:payments"]);
    let audience = "https://api.example.com";
    let issued = story.token(&agent, audience, &["read:payments"]).expect(201).json();
    let token = issued["token"].as_str().unwrap();

    let trust = Trust::default().with_did(story.server.did());
    let verifier = TokenVerifier::new(TokenPolicy::new(audience), trust).unwrap();
    let now = xbind_runtime::now();
    let list = |story: &mut Story| story.client.get("/v1/status/0").expect(200).body;
    let uri = format!("{}/v1/status/0", story.server.url());
    let did = story.server.did();
    let check = |text: &str| {
        let list = read_status_list(text, &uri, ListSigner::Did(&did)).unwrap();
        let status = |_: &str, place: &xbind::StatusRef| {
            assert_eq!(place.uri, uri);
            xbind::Evidence::Fresh(list.list.get(place.index).unwrap())
        };
        let scopes = [Scope::parse("read:payments").unwrap()];
        let asked = Asked { scopes: &scopes, presenter: Some(agent.did()), status: &status, ..Asked::default() };
        verifier.verify(token, now, &asked).map(|verified| verified.claims().to_owned()).map_err(|e| e.kind().code())
    };
    let claims = check(&list(&mut story)).unwrap();
    assert!(claims.contains("\"operator_domain\":\"example.com\""), "{claims}");
    assert!(claims.contains("\"agent\":\"did:agent:example.com:"), "{claims}");

    let directory = story.client.get("/.well-known/http-message-signatures-directory").expect(200);
    assert_eq!(directory.json()["keys"][0]["kid"], xbind::identity::jwk::thumbprint(agent.did()));

    let introspect = |story: &mut Story| {
        story.client.post("/v1/introspection", &json!({ "token": token })).expect(200).json()["status"].clone()
    };
    assert_eq!(introspect(&mut story), "active");
    let path = format!("/v1/operators/{id}/agents/{}/status", agent.did());
    let set = |story: &mut Story, status: &str| {
        story.client.ask(&operator, "PUT", &path, Some(&json!({ "status": status }))).expect(200);
    };
    set(&mut story, "suspended");
    assert_eq!(check(&list(&mut story)), Err("REVOKED"));
    assert_eq!(introspect(&mut story), "suspended");
    story.token(&agent, audience, &["read:payments"]).expect(403).refused("inactive");
    set(&mut story, "active");
    assert!(check(&list(&mut story)).is_ok());
    story.token(&agent, audience, &["read:payments"]).expect(201);

    let revocation = format!("/v1/tokens/{}/revocation", issued["id"].as_str().unwrap());
    story.client.ask(&key(9), "POST", &revocation, Some(&json!({}))).expect(404);
    story.client.ask(&operator, "POST", &revocation, Some(&json!({ "reason": "lost" }))).expect(204);
    assert_eq!(check(&list(&mut story)), Err("REVOKED"));
    assert_eq!(introspect(&mut story), "revoked");
    set(&mut story, "revoked");
    story.client.ask(&operator, "PUT", &path, Some(&json!({ "status": "active" }))).expect(409).refused("conflict");
}

#[test]
fn without_dns_an_operator_is_added_under_a_name_that_says_danger() {
    let mut story = Story::new();
    let operator = key(1);
    let id = story.server.dangerously_add_operator("dev.example", operator.verifying_key()).unwrap();
    story.agent(&operator, &id, &key(2), &["read:payments"]);
    story.token(&key(2), "a", &["read:payments"]).expect(201);
    assert!(story.server.dangerously_add_operator("dev.example", key(3).verifying_key()).is_err());
    assert!(story.server.dangerously_add_operator("Dev", operator.verifying_key()).is_err());
    let records = story.client.ask(&operator, "GET", "/v1/audit", None).expect(200).body;
    assert!(records.contains("dev.example without a proof"), "{records}");
}
