//! The commands around the story.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::path::Path;

use common::{AUDIENCE, Desk, Ran, Story, while_it_runs, words};
use serde_json::{Value, json};
use xbind_authority::{Config, Server};
use xbind_cli::{Exit, Kept};

#[test]
fn an_authority_serves_is_copied_and_brought_back() {
    let desk = Desk::new();
    let path = |name: &str| desk.folder.join(name).display().to_string();
    let (data, copy, back, log) = (path("authority"), path("copy"), path("back"), path("log"));
    let serve =
        |data: &str| words(&["authority", "serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--log", &log]);
    let mut did = Value::Null;
    let ran = while_it_runs(serve(&data), |told| {
        did = told["did"].clone();
        let health = desk.run(&["health", "--server", told["url"].as_str().unwrap()]).done().json();
        assert_eq!(health["did"], told["did"]);
        desk.run(&["authority", "backup", &data, &copy]).done();
    });
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    assert!(std::fs::read_to_string(&log).unwrap().lines().count() >= 2);
    desk.run(&["authority", "backup", &data, &copy]).failed(Exit::Failed, "failed");
    desk.run(&["authority", "restore", &copy, &back]).done();
    while_it_runs(serve(&back), |told| assert_eq!(told["did"], did));
    desk.run(&["authority", "release", "--data", &back, "--domain", "example.com"]).failed(Exit::Failed, "failed");
    let beyond = ["authority", "serve", "--data", &path("other"), "--listen", "0.0.0.0:0"];
    desk.run(&beyond).failed(Exit::Failed, "failed");
}

#[test]
fn dev_plays_the_story_and_removes_it() {
    let desk = Desk::new();
    let dir = desk.dir().display().to_string();
    let args = words(&["dev", "--json", "--dir", &dir]);
    let ran = while_it_runs(args.clone(), |told| {
        for name in ["alice", "bob"] {
            let ask = ["issue", "--profile", name, "--scope", "read:payments", "--aud", AUDIENCE];
            let token = desk.run(&ask).done().json()["token"].as_str().unwrap().to_owned();
            let verify = ["verify", "--token", &token, "--aud", AUDIENCE, "--online"];
            assert_eq!(desk.run(&verify).done().json()["subject"], told["agents"][name]["did"]);
        }
        desk.run(&["suspend", "--agent", told["agents"]["bob"]["alias"].as_str().unwrap()]).done();
        desk.run(&["dev"]).failed(Exit::Setup, "setup");
    });
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    assert!(ran.said.contains("try: xbind issue --profile alice"), "{ran:?}");
    assert!(!desk.dir().exists());
}

#[test]
fn an_identity_is_made_shown_and_carried() {
    let (here, there) = (Desk::new(), Desk::new());
    let made = here.run(&["identity", "new"]).done().json();
    let shown = here.run(&["identity", "show"]).done().json();
    assert_eq!((&shown["did"], &shown["jwk"]["crv"]), (&made["did"], &json!("Ed25519")));
    assert!(shown["jwk"].get("d").is_none());
    let file = here.folder.join("carried.pem");
    let (file, secret) = (file.to_str().unwrap(), here.folder.join("secret"));
    std::fs::write(&secret, "in a file").unwrap();
    let secret = secret.to_str().unwrap();
    let exported = here.run(&["identity", "export", "--out", file, "--out-passphrase-file", secret]).done().json();
    assert_eq!(exported["encrypted"], true);
    #[cfg(unix)]
    assert_eq!(common::mode(file.as_ref()), 0o600);
    here.run(&["identity", "export", "--out", file]).failed(Exit::Setup, "setup");
    there.run(&["identity", "import", "--from", file]).failed(Exit::Setup, "setup");
    let taken = there.run(&["identity", "import", "--from", file, "--passphrase-file", secret]).done().json();
    assert_eq!(taken["did"], made["did"]);
    let key = std::fs::read_to_string(there.file("keys/agent.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED"), "what was protected stays so");
    // A copy of a protected key is protected, unless somebody says otherwise.
    let copy = |name: &str, more: &[&str]| {
        let out = there.folder.join(name);
        let args = ["identity", "export", "--passphrase-file", secret, "--out", out.to_str().unwrap()];
        there.run(&[&args[..], more].concat()).done().json()["encrypted"].clone()
    };
    assert_eq!((copy("a", &[]), copy("b", &["--plain"])), (json!(true), json!(false)));
    here.run(&["identity", "rotate"]).failed(Exit::Setup, "setup");
    here.run(&["identity", "show", "--operator"]).failed(Exit::Setup, "setup");
}

#[test]
fn a_key_is_changed_and_an_attempt_that_was_stopped_goes_on() {
    let story = Story::new();
    story.begun();
    let desk = &story.desk;
    let first = desk.run(&["whoami"]).done().json()["agent"].clone();
    let rotated = desk.run(&["identity", "rotate", "--overlap", "1h"]).done().json();
    assert_eq!((&rotated["before"], &rotated["alias"]), (&first["did"], &first["alias"]));
    assert_ne!(rotated["did"], first["did"]);
    assert!(!desk.file("keys/agent.next.key").exists());
    story.token();

    // Stopped before the authority was told, after it, and between the two files.
    let (key, json) = (desk.file("keys/agent.key"), desk.file("agent.json"));
    let (next, old_json) = (desk.file("keys/agent.next.key"), std::fs::read(&json).unwrap());
    let old_key = std::fs::read(&key).unwrap();
    let second = desk.run(&["identity", "rotate"]).done().json();
    let new_key = std::fs::read(&key).unwrap();
    let put = |path: &Path, bytes: &[u8]| put(&key, path, bytes);
    for (key_bytes, json_bytes) in [(&old_key, &old_json), (&new_key, &old_json)] {
        put(&next, &new_key);
        put(&key, key_bytes);
        put(&json, json_bytes);
        let again = desk.run(&["identity", "rotate"]).done().json();
        assert_eq!((&again["did"], &again["before"]), (&second["did"], &second["before"]));
        assert!(!next.exists());
        story.token();
    }
    let token = story.token();
    desk.run(&["identity", "rotate", "--emergency"]).done();
    let verify = desk.run(&["verify", "--token", &token, "--aud", AUDIENCE, "--online"]);
    assert_eq!(verify.exit, Exit::Invalid);
    story.token();
}

/// With the mode of a file that is there.
fn put(like: &Path, path: &Path, bytes: &[u8]) {
    std::fs::copy(like, path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_root_key_is_changed_and_an_attempt_that_was_stopped_goes_on() {
    let story = Story::new();
    let id = story.begun();
    let desk = &story.desk;
    let (key, json) = (desk.file("keys/operator.key"), desk.file("operator.json"));
    let next = desk.file("keys/operator.next.key");
    let (old_key, old_json) = (std::fs::read(&key).unwrap(), std::fs::read(&json).unwrap());
    let before = desk.run(&["whoami"]).done().json()["operator"]["did"].clone();
    let rotated = desk.run(&["identity", "rotate", "--operator"]).done().json();
    assert_eq!((&rotated["before"], &rotated["id"]), (&before, &json!(id)));
    let new_key = std::fs::read(&key).unwrap();
    let put = |path: &Path, bytes: &[u8]| put(&key, path, bytes);
    for (key_bytes, json_bytes) in [(&old_key, &old_json), (&new_key, &old_json)] {
        put(&next, &new_key);
        put(&key, key_bytes);
        put(&json, json_bytes);
        let again = desk.run(&["identity", "rotate", "--operator"]).done().json();
        assert_eq!((&again["did"], &again["before"]), (&rotated["did"], &before));
        assert!(!next.exists());
        desk.run(&["agent-scopes", "set", "--scopes", "read:payments"]).done();
    }
    // The old key is over, and the new one sees what was before.
    let trail = desk.run(&["audit", "tail", "--limit", "100"]).done();
    assert!(trail.out.contains("operator.verified") && trail.out.contains("operator.rotated"), "{trail:?}");
    put(&key, &old_key);
    put(&json, &old_json);
    let set = ["agent-scopes", "set", "--scopes", "read:payments"];
    desk.run(&set).failed(Exit::Refused, "not-permitted");
    desk.run(&["identity", "rotate", "--operator", "--emergency"]).failed(Exit::Usage, "usage");
}

/// The one server of a directory, at one address.
fn start(directory: &Path, address: Option<std::net::SocketAddr>) -> Server {
    let mut config = Config::new(directory);
    config.listen = address.unwrap_or(config.listen);
    Server::start(config).unwrap()
}

#[test]
fn an_authority_with_a_new_key_is_followed() {
    let (desk, authority) = (Desk::new(), Desk::new());
    let data = authority.folder.join("authority");
    let mut server = start(&data, None);
    let (address, first) = (server.address(), server.did().to_string());
    desk.run(&["init", "--operator", "--domain", "example.com", "--server", server.url()]).done();
    let pem = std::fs::read(desk.file("keys/operator.key")).unwrap();
    let key = xbind::identity::pkcs8::decode_pem(&pem, None).unwrap();
    let id = server.dangerously_add_operator("example.com", key.verifying_key()).unwrap();
    desk.run(&["register", "operator"]).done();
    desk.run(&["init", "--domain", "example.com", "--server", server.url()]).done();
    desk.run(&["register", "agent", "--operator-id", &id, "--scopes", "read:payments"]).done();
    let issue = || desk.run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]).done().json()["token"].clone();
    let before = issue();
    let rotate = ["authority", "rotate-key", "--data", data.to_str().unwrap()];
    let prepared = desk.run(&[&rotate[..], &["--prepare"]].concat()).done().json();
    assert_eq!((&prepared["before"], &prepared["status"]), (&json!(first), &json!("prepared")));
    let at = ["--data", data.to_str().unwrap()];
    let keys = |step: &[&str]| desk.run(&[&["authority"][..], step, &at].concat());
    let early = keys(&["activate-key"]);
    assert!(early.said.contains(" s still: wait that long, or activate it at once"), "{early:?}");
    early.failed(Exit::Failed, "failed");
    let plain = desk.run_plain(&["authority", "keys", at[0], at[1]]).done().out;
    let lines: Vec<_> = plain.lines().collect();
    assert!(lines[0].starts_with(&format!("{first} active, active from 20")), "{plain}");
    assert!(lines[1].contains(" prepared, active from 20") && lines[1].ends_with(" UTC"), "{plain}");
    let listed = keys(&["keys"]).done().json();
    assert_eq!((&listed["did"], &listed["prepared"]), (&json!(first), &prepared["did"]));
    let rotated = desk.run(&rotate).done().json();
    assert_eq!((&rotated["did"], &rotated["before"]), (&prepared["did"], &json!(first)));
    assert_eq!(server.did().as_str(), rotated["did"], "it ran meanwhile");
    desk.run(&["doctor"]);
    let after = issue();
    assert_eq!(desk.run(&["whoami"]).done().json()["agent"]["authority"], rotated["did"]);
    for (token, issuer) in [(&before, &json!(first)), (&after, &rotated["did"])] {
        for online in [&[][..], &["--online"]] {
            let verify = ["verify", "--token", token.as_str().unwrap(), "--aud", AUDIENCE];
            assert_eq!(desk.run(&[&verify[..], online].concat()).done().json()["issuer"], *issuer);
        }
    }
    // A key that is doubtful counts for nobody who has looked.
    let before_that = desk.run_plain(&["authority", "keys", at[0], at[1]]).done().out;
    assert!(before_that.contains(", counts until 20"), "{before_that}");
    keys(&["taint-key", &first]).done();
    let plain = desk.run_plain(&["authority", "keys", at[0], at[1]]).done().out;
    assert!(plain.contains(&format!("{first} tainted, ")) && plain.contains(", doubtful since 20"), "{plain}");
    let idle = keys(&["activate-key"]);
    assert!(idle.said.contains("no key is prepared") && !idle.said.contains("at once"), "{idle:?}");
    issue();
    let verify = ["verify", "--token", before.as_str().unwrap(), "--aud", AUDIENCE];
    assert_eq!(desk.run(&verify).exit, Exit::Invalid);
    keys(&["revoke-key", &first]).done();
    keys(&["revoke-key", &first]).failed(Exit::Failed, "failed");
    // The operator's file follows when it is next needed, across two rotations; and without a server it goes as well.
    server.stop();
    keys(&["prepare-key"]).done();
    keys(&["activate-key", "--at-once"]).done();
    server = start(&data, Some(address));
    desk.run(&["agent-scopes", "set", "--scopes", "read:payments"]).done();
    assert_eq!(desk.run(&["whoami"]).done().json()["operator"]["authority"], server.did().as_str());
    server.stop();
    // Another authority at the same address is not believed, whatever it says.
    let other = start(&authority.folder.join("other"), Some(address));
    desk.run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]).failed(Exit::Invalid, "authority-changed");
    other.stop();
}

/// Answers as an authority of that DID would, without its key.
fn stranger(did: String) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let own = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = vec![0; 16_384];
            let length = stream.read(&mut head).unwrap_or(0);
            let is_about = head[..length].starts_with(b"GET /v1 ");
            let about = json!({ "did": did, "url": own, "time": xbind_runtime::now(), "version": "0.1.0" });
            let forged = json!({ "challenge": "x", "expires_at": 2_000_000_000, "token": "forged", "scopes": ["a"] });
            let body = if is_about { about } else { forged }.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    url
}

#[test]
fn an_answer_that_the_authority_has_not_signed_is_not_believed() {
    let story = Story::new();
    story.begun();
    let url = stranger(story.server.did().to_string());
    for file in ["agent.json", "operator.json"] {
        let text = std::fs::read_to_string(story.desk.file(file)).unwrap();
        std::fs::write(story.desk.file(file), text.replace(story.url(), &url)).unwrap();
    }
    for args in [
        &["issue", "--scope", "read:payments", "--aud", AUDIENCE][..],
        &["agent-scopes", "list"],
        &["agent-scopes", "set", "--scopes", "read:payments"],
        &["suspend"],
        &["audit", "tail"],
        &["verify-operator", "status"],
        &["register", "agent"],
        &["identity", "rotate"],
        &["identity", "rotate", "--operator"],
    ] {
        story.desk.run(args).failed(Exit::Invalid, "not-signed");
    }
}

#[test]
fn a_token_is_looked_at() {
    let story = Story::new();
    story.begun();
    let token = story.token();
    let ran = story.desk.run(&["token", "inspect", &token]).done();
    let said = ran.json();
    assert_eq!(
        (&said["verified"], &said["header"]["typ"], &said["claims"]["aud"]),
        (&json!(false), &json!("at+jwt"), &json!(AUDIENCE))
    );
    assert!(ran.said.contains("nothing of this was verified"), "{ran:?}");
    let stdin = Kept::default().with_input(&token);
    assert_eq!(story.desk.run_on(&stdin, &["token", "inspect", "--json"]).done().json(), said);
    for text in ["", "a.b", "a.b.c", "e30.W10.e30", "e30.e30.e30.e30"] {
        story.desk.run(&["token", "inspect", text]).failed(Exit::Invalid, "INVALID_TOKEN");
    }
}

#[test]
fn what_was_decided_is_read_and_verified() {
    let story = Story::new();
    story.begun();
    story.token();
    let desk = &story.desk;
    let events = |args: &[&str]| -> Vec<String> {
        let ran = desk.run(&[&["audit", "tail"], args].concat()).done();
        let event = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned();
        ran.out.lines().map(event).collect()
    };
    let expected = ["operator.verified", "agent.registered", "agent.scopes", "token.issued"];
    assert_eq!(events(&[])[..4], expected);
    let last = events(&["--limit", "2"]);
    assert_eq!((last.len(), &*last[1]), (2, "audit.read"));
    let who = desk.run(&["whoami"]).done().json();
    let of_agent = events(&["--agent", who["agent"]["did"].as_str().unwrap()]);
    assert_eq!(of_agent, ["agent.registered", "agent.scopes", "token.issued"]);
    let plain = desk.run_plain(&["audit", "tail", "--limit", "10"]).done();
    assert!(plain.out.lines().any(|line| line.contains(" token.issued accepted did:")), "{plain:?}");
    desk.run(&["issue", "--scope", "admin:all", "--aud", AUDIENCE]).failed(Exit::Refused, "scope-denied");
    let plain = desk.run_plain(&["audit", "tail", "--limit", "10"]).done();
    assert!(plain.out.lines().any(|line| line.contains(" token.issued SCOPE_DENIED did:")), "{plain:?}");
    desk.run(&["audit", "tail", "--agent", "a&b=c"]).failed(Exit::Usage, "usage");

    let log = story.directory().join("audit.jsonl");
    let copy = desk.folder.join("audit.jsonl");
    std::fs::copy(&log, &copy).unwrap();
    let (file, did) = (copy.to_str().unwrap(), story.server.did());
    let did = did.as_str();
    let verified = desk.run(&["audit", "verify", file, "--did", did]).done().json();
    assert_eq!((&verified["valid"], &verified["did"]), (&json!(true), &json!(did)));
    let (seq, digest) = (verified["seq"].to_string(), verified["digest"].as_str().unwrap());
    desk.run(&["audit", "verify", file, "--did", did, "--seq", &seq, "--digest", digest]).done();
    let other = who["agent"]["did"].as_str().unwrap();
    desk.run(&["audit", "verify", file, "--did", other]).failed(Exit::Invalid, "INVALID_AUDIT");
    let text = std::fs::read_to_string(&copy).unwrap();
    std::fs::write(&copy, text.replace("token.issued", "token.IssueD")).unwrap();
    desk.run(&["audit", "verify", file, "--did", did]).failed(Exit::Invalid, "INVALID_AUDIT");
}

#[test]
fn a_doctor_says_what_is_wrong() {
    let states = |ran: &Ran| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let said = ran.json();
        said["looks"].as_array().unwrap().iter().map(|look| (text(&look["name"]), text(&look["state"]))).collect()
    };
    let state = |ran: &Ran, name: &str| states(ran).into_iter().find(|(known, _)| known == name).unwrap().1;
    let nobody = Desk::new().run(&["doctor"]).done();
    assert_eq!(state(&nobody, "program"), "fine");
    assert_eq!(state(&nobody, "agent"), "skipped");

    let story = Story::new();
    story.begun();
    let desk = &story.desk;
    let resolver = story.dns.address.to_string();
    let doctor = ["doctor", "--resolver", &resolver];
    let well = desk.run(&doctor).done();
    assert!(states(&well).iter().all(|(_, state)| state == "fine"), "{well:?}");
    story.dns.set("_xbind.example.com", &["xbind-operator=somebody else"]);
    let ill = desk.run(&doctor);
    assert_eq!((ill.exit, state(&ill, "dns")), (Exit::Invalid, "wrong".to_owned()));
    let plain = desk.run_plain(&doctor);
    assert!(plain.out.contains("dns: wrong: _xbind.example.com has no TXT record"), "{plain:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(desk.file("keys/agent.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(state(&desk.run(&doctor), "agent"), "wrong");
    }
}

#[test]
fn shells_are_told_how_to_complete() {
    let desk = Desk::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = desk.run_plain(&["completions", shell]).done().out;
        assert!(script.contains("verify-operator"), "{shell}");
        assert_eq!(desk.run(&["completions", shell]).done().json()["script"].as_str().unwrap().trim(), script.trim());
    }
}
