//! Presence, honest and forged.

use super::faults;
use super::forge::*;
use serde_json::{Value, json};
use xbind::cluster::{NKey, Namespace, PresenceDraft, Role};

const ENCRYPTION_KEY: [u8; 32] = [7; 32];

pub fn kind() -> Kind {
    Kind {
        name: "presence",
        typ: "agent-presence+jwt",
        signer: agent(),
        claims: Object::of(&[
            ("iss", quoted(agent().did().as_str())),
            ("aud", quoted(NAMESPACE)),
            ("iat", NOW.to_string()),
            ("exp", (NOW + 10).to_string()),
            ("name", quoted("writer")),
            ("ses", quoted(SESSION)),
            ("host", quoted(host().as_str())),
            ("key", quoted(&encode(ENCRYPTION_KEY))),
            ("frame", "1048576".to_owned()),
            ("caps", r#"["mail"]"#.to_owned()),
        ]),
        optional: &["name", "key"],
        max_ttl: Some(30),
    }
}

fn is() -> Value {
    json!({
        "agent": agent().did().as_str(), "name": "writer", "session": SESSION, "host": host().as_str(),
        "encryptionKey": encode(ENCRYPTION_KEY), "maxFrame": 1_048_576, "capabilities": ["mail"],
        "issuedAt": NOW, "expiresAt": NOW + 10,
    })
}

fn made() -> String {
    let draft = PresenceDraft {
        name: Some("writer"),
        session: session(),
        host: host(),
        encryption_key: Some(ENCRYPTION_KEY),
        max_frame: 1_048_576,
        capabilities: &["mail"],
        ttl: 10,
        now: NOW,
    };
    draft.sign(&agent(), &namespace()).unwrap()
}

pub fn cases() -> Vec<Value> {
    let kind = kind();
    let honest = kind.honest();
    let set = |claim: &str, value: &str| kind.text(&kind.claims.set(claim, value));
    let good = |name: &str, text: String, is: Value| kind.accept(name, "within its bounds", text, is);
    let own = Namespace::presence_key(&host(), agent().did());
    let foreign = Namespace::presence_key(&NKey::of(Role::User, key(6).verifying_key()), agent().did());
    let others = Namespace::presence_key(&host(), worker().did());
    let under = |case: Value, key: &str| case.with("key", json!(key));
    let least = kind.claims.without("name").without("key").set("caps", "[]").set("frame", "8192");
    let many: Vec<String> = (0..17).map(|n| format!("\"c{n}\"")).collect();
    let server = NKey::of(Role::Server, key(5).verifying_key());
    let mut cases = vec![
        good("honest", honest.clone(), is()),
        kind.accept("made-here", "as this library makes it", made(), is()),
        good(
            "least",
            kind.text(&least),
            is().with("name", Value::Null)
                .with("encryptionKey", Value::Null)
                .with("capabilities", json!([]))
                .with("maxFrame", json!(8192)),
        ),
        good("longest", kind.text(&kind.claims.set("exp", NOW + 30)), is().with("expiresAt", json!(NOW + 30))),
        good("unknown-capability", set("caps", r#"["mail","x-2"]"#), is().with("capabilities", json!(["mail", "x-2"]))),
        good("largest-frame", set("frame", "67108864"), is().with("maxFrame", json!(67_108_864))),
        good("last-second", honest.clone(), is()).with("now", json!(NOW + 39)),
        good("ahead", honest.clone(), is()).with("now", json!(NOW - 30)),
        good("of-agent", honest.clone(), is()).with("agent", json!(agent().did().as_str())),
        kind.refuse("UNTRUSTED_ISSUER", "of-another", "the agent that was meant", honest.clone())
            .with("agent", json!(worker().did().as_str())),
        under(good("under-its-key", honest.clone(), is()), &own),
        under(kind.invalid("under-foreign-host", "under its own key", honest.clone()), &foreign),
        under(kind.invalid("under-another-agent", "under its own key", honest.clone()), &others),
        under(kind.invalid("under-no-key", "under its own key", honest.clone()), ""),
        kind.grammar("name-empty", "name", quoted("")),
        kind.grammar("name-space", "name", quoted("a b")),
        kind.grammar("name-dot-first", "name", quoted(".a")),
        kind.grammar("name-long", "name", quoted(&"n".repeat(65))),
        kind.grammar("ses-short", "ses", quoted("AAAA")),
        kind.grammar("ses-not-canonical", "ses", quoted("gIGCg4SFhoeIiYqLjI2Ojx")),
        kind.grammar("host-own-key", "host", quoted(NKey::of(Role::User, agent().verifying_key()).as_str())),
        kind.grammar("host-did", "host", quoted(worker().did().as_str())),
        kind.grammar("host-server", "host", quoted(server.as_str())),
        kind.grammar("host-lower-case", "host", quoted(&host().as_str().to_lowercase())),
        kind.grammar("host-subject", "host", quoted("xb1.main.*.c")),
        kind.grammar("key-short", "key", quoted(&encode([7; 31]))),
        kind.grammar("key-long", "key", quoted(&encode([7; 33]))),
        kind.grammar("frame-small", "frame", 8191),
        kind.grammar("frame-large", "frame", 67_108_865),
        kind.grammar("frame-string", "frame", quoted("1048576")),
        kind.grammar("caps-twice", "caps", r#"["mail","mail"]"#),
        kind.grammar("caps-upper-case", "caps", r#"["Mail"]"#),
        kind.grammar("caps-empty-word", "caps", r#"[""]"#),
        kind.grammar("caps-long-word", "caps", format!("[\"{}\"]", "c".repeat(33))),
        kind.grammar("caps-many", "caps", format!("[{}]", many.join(","))),
        kind.grammar("caps-object", "caps", "{}"),
    ];
    cases.extend(faults::of(&kind));
    cases
}
