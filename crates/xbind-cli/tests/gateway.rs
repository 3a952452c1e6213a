//! A gateway before models, as commands serve and explain it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::path::Path;

use common::models::{ask, upstream, write_private};
use common::{Desk, Story, while_it_runs, words};
use serde_json::{Value, json};
use xbind_cli::{Exit, Kept};

fn config(upstream: &str, trust: &Value) -> Value {
    json!({
        "data": "gateway",
        "url": "https://llm.example",
        "metrics": "127.0.0.1:0",
        "trust": [trust],
        "upstreams": { "one": { "url": upstream, "key": { "env": "ONE_KEY" } } },
        "models": { "m": {
            "upstreams": ["one"], "context": 8192, "max_output": 1024, "price": { "input": "2.50", "output": "10" },
        } },
        "budgets": [{ "name": "day", "per": "agent", "period": "day", "money": "5.00" }],
    })
}

const CHAT: &str = "/v1/chat/completions";
const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":300}"#;
const DID: &str = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw";

fn kept() -> Kept {
    Kept::default().with_variable("ONE_KEY", "sk-secret")
}

#[test]
fn a_gateway_serves_and_what_was_used_is_a_table() {
    let story = Story::new();
    story.begun();
    let desk = &story.desk;
    desk.run(&["agent-scopes", "set", "--scopes", "llm:read,model:m"]).done();
    let issue = ["issue", "--scope", "llm:read,model:m", "--aud", "https://llm.example"];
    let token = desk.run(&issue).done().json()["token"].as_str().unwrap().to_owned();
    let agent = desk.run(&["whoami"]).done().json()["agent"]["did"].as_str().unwrap().to_owned();
    let trust = json!({ "did": story.server.did().as_str(), "url": story.url() });

    // A key from a file beside the configuration, as paths in it begin there.
    let mut said = config(&upstream(2), &trust);
    said["upstreams"]["one"]["key"] = json!({ "file": "one.key" });
    write_private(&desk.folder.join("one.key"), "sk-secret\n");
    let file = desk.folder.join("gateway.json");
    std::fs::write(&file, said.to_string()).unwrap();
    let (file, log) = (file.to_str().unwrap(), desk.folder.join("log"));
    let usage = |more: &[&'static str]| [&["gateway", "usage", "--config", file][..], more].concat();
    desk.run(&usage(&[])).failed(Exit::Setup, "setup");

    let serve = words(&["gateway", "serve", "--json", "--config", file, "--log", log.to_str().unwrap()]);
    let ran = while_it_runs(serve.clone(), |told| {
        assert_eq!((&told["url"], &told["audience"]), (&json!("https://llm.example"), &json!("https://llm.example")));
        assert!(told["metrics"].as_str().unwrap().ends_with("/metrics") && told["did"].is_string(), "{told}");
        let listen = told["listen"].as_str().unwrap();
        assert_eq!(desk.run(&usage(&[])).done().json()["rows"], json!([]));
        let ran = desk.run_plain(&usage(&[])).done();
        assert_eq!((ran.out.as_str(), ran.said.as_str()), ("", "nothing is on record of that time\n"));
        for _ in 0..2 {
            let answer = ask(listen, CHAT, &token, BODY);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        assert!(ask(listen, CHAT, "nonsense", BODY).starts_with("HTTP/1.1 401"));
        // One gateway in one directory.
        let second = desk.run(&["gateway", "serve", "--config", file]).failed(Exit::Failed, "failed");
        assert!(second["message"].as_str().unwrap().contains("audit.jsonl"), "{second}");
    });
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 3);

    let used = desk.run(&usage(&[])).done().json();
    let row = &used["rows"][0];
    assert_eq!((&used["currency"], &row["name"], &row["requests"]), (&json!("USD"), &json!(agent), &json!(2)));
    // 1000 at 2.50 and 200 at 10 for a million, twice.
    assert_eq!((&row["tokens"], &row["cost"]), (&json!("2400"), &json!("0.009")));
    assert_eq!((&used["sum"]["tokens"], &used["sum"]["cost"]), (&row["tokens"], &row["cost"]));
    let table = desk.run_plain(&usage(&["--by", "model", "--per", "day", "--since", "1d"])).done().out;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["time", "model", "requests"], "{table}");
    assert_eq!(lines[1][1..], ["m", "2", "0", "0", "2000", "0", "400", "2400", "0.009"], "{table}");
    assert_eq!(lines[2], ["sum", "2", "0", "0", "2000", "0", "400", "2400", "0.009"], "{table}");
    let ends: Vec<_> = table.lines().map(|line| line.chars().count()).collect();
    assert_eq!((ends[0], ends[1]), (ends[1], ends[2]), "{table}");
    assert_eq!(desk.run(&usage(&["--until", "1d"])).done().json()["rows"], json!([]));
    assert_eq!(desk.run(&usage(&["--since", "4102444800"])).done().json()["rows"], json!([]));
    assert!(desk.run_plain(&usage(&["--limit", "1"])).done().said.contains("--limit"));
}

#[test]
fn a_configuration_on_stdin_begins_in_the_working_directory_and_is_explained() {
    let desk = Desk::new();
    let check = |said: &Value| {
        let terminal = kept().with_input(&said.to_string());
        desk.run_on(&terminal, &["gateway", "check", "--config", "-", "--json"])
    };
    let said = config("https://api.example/v1", &json!(DID));
    let means = check(&said).done().json();
    assert_eq!((&means["data"], &means["audience"]), (&json!("gateway"), &json!("https://llm.example")));
    assert_eq!((&means["scopes"], &means["models"]["m"]["scope"]), (&json!(["llm:read"]), &json!("model:m")));
    assert_eq!(means["models"]["m"]["price"]["cached"], "2.5");
    assert_eq!(means["upstreams"]["one"]["fields"], json!(["authorization"]));
    assert_eq!(
        means["budgets"][0],
        json!({ "name": "day", "per": "agent", "period": "day", "tokens": null, "money": "5" })
    );
    assert!(!means.to_string().contains("secret"));
    assert!(!Path::new("gateway").exists(), "nothing was made");
    for (member, value, why) in [
        ("url", json!("https://llm.example/v1"), "is no URL"),
        ("listen", json!("0.0.0.0:0"), "beyond this machine"),
        ("listen", json!("here"), "address"),
        ("models", json!({}), "models names none"),
        ("trust", json!(["did:web:example.com"]), "trust: "),
        ("upstreams", json!({ "one": { "url": "http://api.example" } }), "upstream one: http://api.example: "),
        ("upstreams", json!({ "one": { "url": "https://api.example", "key": { "env": "NONE" } } }), "no variable NONE"),
        ("status_lists", json!(["ftp://lists.example"]), "status_lists: ftp://lists.example"),
        ("more", json!(1), "unknown field `more`"),
    ] {
        let mut wrong = said.clone();
        wrong[member] = value;
        let error = check(&wrong).failed(Exit::Usage, "INVALID_CONFIG");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("stdin: ") && message.contains(why), "{why}: {message}");
    }
    let missing = desk.run(&["gateway", "check", "--config", "nowhere.json"]).failed(Exit::Usage, "INVALID_CONFIG");
    assert!(missing["message"].as_str().unwrap().starts_with("nowhere.json: "), "{missing}");
    let serve = ["gateway", "serve", "--config", "nowhere.json"];
    desk.run(&serve).failed(Exit::Usage, "INVALID_CONFIG");
    desk.run(&["gateway", "usage", "--config", "-", "--since", "1w"]).failed(Exit::Usage, "usage");
}

#[test]
fn the_key_of_a_gateway_has_a_passphrase_if_it_is_given_one() {
    let desk = Desk::new();
    let file = desk.folder.join("gateway.json");
    let mut said = config("https://api.example", &json!(DID));
    said["upstreams"]["one"]["key"] = json!({ "file": "secret" });
    std::fs::write(&file, said.to_string()).unwrap();
    let (file, secret) = (file.to_str().unwrap(), desk.folder.join("secret"));
    write_private(&secret, "words");
    let serve = ["gateway", "serve", "--config", file];
    let with = [&serve[..], &["--json", "--encrypt", "--passphrase-file", secret.to_str().unwrap()]].concat();
    let mut did = Value::Null;
    while_it_runs(words(&with), |told| did = told["did"].clone());
    let key = std::fs::read_to_string(desk.folder.join("gateway/gateway.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED"), "{key}");
    desk.run(&serve).failed(Exit::Setup, "setup");
    while_it_runs(words(&with), |told| assert_eq!(told["did"], did));
}
