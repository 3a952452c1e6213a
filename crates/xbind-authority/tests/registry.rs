//! Names and keys: whose they are, and how they change.

mod common;

use common::key;
use common::story::Story;
use serde_json::json;
use xbind::Rotation;

const AUDIENCE: &str = "https://api.example.com";

#[test]
fn names_are_first_come_and_proven() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&[]);
    let other = key(3);
    story.agent(&operator, &id, &other, &[]);
    let name = "/v1/names/writer.example.com";
    story.client.get(name).expect(404);
    let put =
        |story: &mut Story, key: &xbind::SigningKey, path: &str| story.client.ask(key, "PUT", path, Some(&json!({})));
    put(&mut story, &key(8), name).expect(403).refused("not-permitted");
    put(&mut story, &agent, "/v1/names/writer.example.org").expect(403).refused("not-permitted");
    let registered = put(&mut story, &agent, name).expect(200).json();
    assert_eq!(registered["agent"]["did"], agent.did().as_str());
    put(&mut story, &other, name).expect(409).refused("name-taken");
    for spelled in [
        "Writer.example.com",
        "writer.Example.com",
        "writer.example.com.",
        ".example.com",
        "writer",
        "wri%20ter.example.com",
    ] {
        let refused = put(&mut story, &other, &format!("/v1/names/{spelled}"));
        assert_eq!(refused.refused("malformed").status, 400, "{spelled}");
    }
    let card = |key: &xbind::SigningKey| {
        let draft = xbind::CardDraft {
            name: Some("writer"),
            methods: &[],
            addresses: &[],
            ttl: 600,
            now: xbind_runtime::now(),
        };
        json!({ "card": draft.sign(key).unwrap() })
    };
    story.client.ask(&agent, "PUT", name, Some(&card(&other))).expect(401).refused("not-proven");
    story.client.ask(&agent, "PUT", name, Some(&card(&agent))).expect(200);
    assert!(story.client.get(name).expect(200).json()["card"].is_string());

    // Whose name it is may give it up; then it is nobody's but his, until the operator frees it.
    story.client.ask(&other, "DELETE", name, None).expect(403);
    story.client.ask(&agent, "DELETE", name, None).expect(204);
    story.client.get(name).expect(410).refused("name-withdrawn");
    put(&mut story, &other, name).expect(409).refused("name-taken");
    put(&mut story, &agent, name).expect(200);
    story.client.ask(&operator, "DELETE", name, None).expect(204);
    put(&mut story, &other, name).expect(200);
    for n in 0..15 {
        put(&mut story, &other, &format!("/v1/names/n{n}.example.com")).expect(200);
    }
    put(&mut story, &other, "/v1/names/n15.example.com").expect(409).refused("limit-reached");
}

#[test]
fn a_key_changes_by_the_word_of_both_keys_and_the_name_stays() {
    let mut story = Story::new();
    let (_, _, old) = story.begun(&["read:payments"]);
    story.client.ask(&old, "PUT", "/v1/names/writer.example.com", Some(&json!({}))).expect(200);
    let (new, thief) = (key(11), key(12));
    let now = xbind_runtime::now();
    let rotation = |from: &xbind::SigningKey, to: &xbind::SigningKey| {
        let rotation = Rotation { old: *from.did(), new: *to.did(), issued_at: now, active_from: now, overlap: 3600 };
        json!({ "rotation": rotation.sign(from, to).unwrap() })
    };
    let path = format!("/v1/agents/{}/rotations", old.did());
    story.client.ask(&thief, "POST", &path, Some(&rotation(&thief, &new))).expect(403);
    story.client.ask(&thief, "POST", &path, Some(&rotation(&old, &new))).expect(403).refused("not-permitted");
    let wrong = json!({ "rotation": rotation(&old, &new)["rotation"].as_str().unwrap().replace("\"payload\":\"ey", "\"payload\":\"ez") });
    story.client.ask(&old, "POST", &path, Some(&wrong)).expect(401);
    let view = story.client.ask(&old, "POST", &path, Some(&rotation(&old, &new))).expect(200).json();
    assert_eq!(view["did"], new.did().as_str());
    assert_eq!(view["keys"][0]["state"], "retiring");
    // A key has one successor.
    story.client.ask(&old, "POST", &path, Some(&rotation(&old, &thief))).expect(409).refused("rotation-refused");
    let found = story.client.get("/v1/names/writer.example.com").expect(200).json();
    assert_eq!(found["agent"]["did"], new.did().as_str());
    assert_eq!(found["agent"]["alias"], view["alias"]);
    story.token(&new, AUDIENCE, &["read:payments"]).expect(201);
    story.token(&old, AUDIENCE, &["read:payments"]).expect(201);
    let document =
        story.client.get(&format!("/v1/agents/{}/did.json", view["alias"].as_str().unwrap())).expect(200).json();
    assert_eq!(document["verificationMethod"].as_array().unwrap().len(), 2);
    assert!(document["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap().starts_with("z6Mk"));
}
