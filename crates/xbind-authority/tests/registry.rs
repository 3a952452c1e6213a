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
    let standing = |story: &mut Story, token: &serde_json::Value| {
        let body = json!({ "token": token["token"] });
        story.client.post("/v1/introspection", &body).expect(200).json()["status"].clone()
    };
    let before = story.token(&new, AUDIENCE, &["read:payments"]).expect(201).json();
    let document =
        story.client.get(&format!("/v1/agents/{}/did.json", view["alias"].as_str().unwrap())).expect(200).json();
    assert_eq!(document["verificationMethod"].as_array().unwrap().len(), 2);
    assert!(document["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap().starts_with("z6Mk"));

    // A key that was stolen is replaced at once, and what it was issued does not count any more.
    let stolen = Rotation { old: *new.did(), new: *key(15).did(), issued_at: now, active_from: now, overlap: 0 };
    let statement = json!({ "rotation": stolen.sign(&new, &key(15)).unwrap() });
    assert_eq!(standing(&mut story, &before), "active");
    story.client.ask(&new, "POST", &path, Some(&statement)).expect(200);
    assert_eq!(standing(&mut story, &before), "revoked");
    story.token(&new, AUDIENCE, &["read:payments"]).expect(403).refused("inactive");
    let after = story.token(&key(15), AUDIENCE, &["read:payments"]).expect(201).json();
    assert_eq!(standing(&mut story, &after), "active");
}

#[test]
fn rights_that_are_taken_away_are_taken_from_tokens_too() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:payments", "write:payments"]);
    let path = format!("/v1/operators/{id}/agents/{}/scopes", agent.did());
    let set = |story: &mut Story, scopes: serde_json::Value| {
        story.client.ask(&operator, "PUT", &path, Some(&json!({ "scopes": scopes }))).expect(200);
    };
    let status = |story: &mut Story, token: &serde_json::Value| {
        let payload = token["token"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let list = &claims["status"]["status_list"];
        let uri = list["uri"].as_str().unwrap();
        let text = story.client.get(uri.strip_prefix(story.server.url()).unwrap()).expect(200).body;
        let did = story.server.did();
        let signer = xbind::ListSigner::Did(&did);
        let read = xbind::read_status_list(&text, uri, signer).unwrap();
        read.list.get(list["idx"].as_u64().unwrap()).unwrap()
    };
    let first = story.token(&agent, AUDIENCE, &["read:payments"]).expect(201).json();
    set(&mut story, json!(["read:payments", "write:payments", "more"]));
    set(&mut story, json!(["read:*", "write:*", "more"]));
    assert_eq!(status(&mut story, &first), 0, "more rights take nothing");
    set(&mut story, json!(["read:payments", "write:*", "more"]));
    assert_eq!(status(&mut story, &first), 1);
    let second = story.token(&agent, AUDIENCE, &["read:payments"]).expect(201).json();
    assert_eq!((status(&mut story, &first), status(&mut story, &second)), (1, 0));
}

#[test]
fn what_is_refused_has_no_list_signed_anew() {
    let mut story = Story::with(|config| config.status_lifetime = 1_000_000);
    let (id, operator, agent) = story.begun(&["read:payments"]);
    story.token(&agent, AUDIENCE, &["read:payments"]).expect(201);
    let path = format!("/v1/operators/{id}/agents/{}/status", agent.did());
    let set =
        |story: &mut Story, status: &str| story.client.ask(&operator, "PUT", &path, Some(&json!({ "status": status })));
    set(&mut story, "revoked").expect(200);
    let list = story.client.get("/v1/status/0").expect(200).body;
    let signed_at = xbind_runtime::now();
    while xbind_runtime::now() <= signed_at {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    set(&mut story, "active").expect(409);
    assert!(story.client.get("/v1/status/0").expect(200).body == list, "it was signed anew");
    set(&mut story, "revoked").expect(200);
    assert!(story.client.get("/v1/status/0").expect(200).body != list);
}

#[test]
fn the_directory_has_the_key_that_counts_now() {
    let mut story = Story::new();
    let (_, _, old) = story.begun(&[]);
    let new = key(11);
    let now = xbind_runtime::now();
    let rotation = |active_from: u64| {
        let rotation = Rotation { old: *old.did(), new: *new.did(), issued_at: now, active_from, overlap: 3600 };
        json!({ "rotation": rotation.sign(&old, &new).unwrap() })
    };
    let path = format!("/v1/agents/{}/rotations", old.did());
    story.client.ask(&old, "POST", &path, Some(&rotation(now + 20 * 86_400))).expect(200);
    let keys = story.client.get("/.well-known/http-message-signatures-directory").expect(200).json();
    let x = data_encoding::BASE64URL_NOPAD.encode(old.did().public_key());
    assert_eq!(keys["keys"][0]["x"], json!(x), "the next one is only prepared");
}
