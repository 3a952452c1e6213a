//! What operators say of users: read strictly, kept, and of issuers that are configured alone.

mod common;

use common::issuer::IssuerServer;
use common::story::Story;
use common::{Folder, key};
use serde_json::{Value, json};

#[test]
fn an_operator_says_whose_users_its_agents_may_act_for_and_nobody_else_does() {
    let (folder, issuer) = (Folder::new(), IssuerServer::start());
    let file = folder.join("issuers.json");
    let entry = json!({ "issuer": issuer.url(), "audience": "a", "algorithms": ["RS256"] });
    std::fs::write(&file, json!({ "issuers": [entry] }).to_string()).unwrap();
    let mut story = Story::with(|config| config.issuers = Some(file));
    let (id, operator, agent) = story.begun(&["read:*"]);
    let path = format!("/v1/operators/{id}/exchange");
    let none = json!({ "issuers": [] });
    assert_eq!(story.client.ask(&operator, "GET", &path, None).expect(200).json(), none);
    let own = json!({ "issuer": issuer.url(), "scopes": { "pay:any": ["read:*", "pay.one"], "x": [] }, "max_ttl": 60 });
    let policy = json!({ "issuers": [own] });
    assert_eq!(story.client.ask(&operator, "PUT", &path, Some(&policy)).expect(200).json(), policy);
    for stranger in [agent, key(9)] {
        story.client.ask(&stranger, "PUT", &path, Some(&none)).expect(403).refused("not-permitted");
        story.client.ask(&stranger, "GET", &path, None).expect(403).refused("not-permitted");
    }
    let with = |name: &str, value: Value| {
        let mut own = own.clone();
        own[name] = value;
        json!({ "issuers": [own] })
    };
    let many: serde_json::Map<_, _> = (0..65).map(|n| (n.to_string(), json!([]))).collect();
    for body in [
        with("issuer", json!("https://login.example")),
        with("issuer", json!(format!("{}/", issuer.url()))),
        with("scopes", json!({ "a b": ["read:x"] })),
        with("scopes", json!({ "": ["read:x"] })),
        with("scopes", json!({ "é": ["read:x"] })),
        with("scopes", json!({ "a": ["*"] })),
        with("scopes", json!({ "a": ["read:x", "read:x"] })),
        with("scopes", json!({ "a": "read:x" })),
        with("scopes", many.into()),
        with("max_ttl", json!(0)),
        with("max_ttl", json!(86_401)),
        with("max_ttl", Value::Null),
        with("more", json!(1)),
        json!({ "issuers": [own, own] }),
        json!({ "issuers": [[issuer.url(), {}]] }),
        json!([]),
        json!({}),
    ] {
        story.client.ask(&operator, "PUT", &path, Some(&body)).expect(400).refused("malformed");
    }
    let mut twice = common::client::Request::new("PUT", &path, Some(&policy));
    twice.body = twice.body.replace(r#""x":[]"#, r#""x":[],"x":["admin:*"]"#);
    let host = story.client.host();
    story.client.send(&twice.signed(&operator, &host)).expect(400).refused("malformed");
    assert_eq!(story.client.ask(&operator, "GET", &path, None).expect(200).json(), policy);
    let told = story.client.ask(&operator, "GET", "/v1/audit?limit=50", None).expect(200).body;
    assert!(told.contains("operator.exchange") && told.contains(&issuer.url()));
}

#[test]
fn a_server_does_not_start_with_a_file_of_issuers_that_says_something_else() {
    let folder = Folder::new();
    for text in ["", "{}", r#"{"issuers":[{"issuer":"http://login.example"}]}"#] {
        let file = folder.join("issuers.json");
        std::fs::write(&file, text).unwrap();
        let mut config = xbind_authority::Config::new(folder.join("authority"));
        config.issuers = Some(file);
        let why = xbind_authority::Server::start(config).err().unwrap().to_string();
        assert!(why.contains("issuers.json"), "{why}");
    }
}
