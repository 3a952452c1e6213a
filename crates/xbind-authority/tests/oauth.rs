//! The token endpoint for OAuth clients, and what must not work there.

mod common;

use common::oauth::{claims, form, jws};
use common::story::Story;
use serde_json::json;

#[test]
fn an_agent_is_given_a_token_by_its_did_or_its_alias() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(&["read:*"]);
    let url = story.server.url().to_owned();
    let alias = story.client.get(&format!("/v1/agents/{}", agent.did())).json()["alias"].as_str().unwrap().to_owned();
    for (client, audience) in [(agent.did().as_str(), url.clone()), (&alias, format!("{url}/oauth/token"))] {
        let assertion = jws(&agent, &json!({ "alg": "EdDSA" }), &claims(client, &audience));
        let answer = story.client.send(&story.asks(&assertion)).expect(200);
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        let token = answer.json();
        assert_eq!(token["token_type"], "Bearer");
        assert_eq!(token["expires_in"], 3600);
        assert_eq!(token["scope"], "read:x");
        let asked = json!({ "token": token["access_token"] });
        assert_eq!(story.client.post("/v1/introspection", &asked).json()["status"], "active");
    }
    let _ = form;
}
