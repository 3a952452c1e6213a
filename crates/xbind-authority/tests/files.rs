//! What stands on the disk: who may read it, how it is copied while it is used, and how it comes back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use common::client::Client;
use common::exchange::Scene;
use common::story::{DOMAIN, Story};
use common::{Folder, key};
use serde_json::json;
use xbind_authority::{Config, Server, Step, backup, keys, release, restore};

#[test]
fn nobody_else_reads_it_and_no_link_is_followed() {
    let mut story = Story::new();
    story.begun(&[]);
    let folder = story.folder.join("authority");
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let address = story.server.address();
    let refused = |config: Config| Server::start(config).unwrap_err().to_string();
    let second = refused(Config::new(&folder));
    assert!(second.contains("another server runs on"), "one server at a time: {second}");
    story.server.stop();
    assert!(std::net::TcpStream::connect(address).is_err());

    let key = folder.join("authority.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(Config::new(&folder)).contains("chmod 600"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let moved = story.folder.join("moved.key");
    std::fs::rename(&key, &moved).unwrap();
    symlink(&moved, &key).unwrap();
    assert!(refused(Config::new(&folder)).contains("no file but a link"));
    let link = story.folder.join("link");
    symlink(&folder, &link).unwrap();
    assert!(refused(Config::new(&link)).contains("no directory"));
    std::fs::remove_file(&key).unwrap();
    std::fs::rename(&moved, &key).unwrap();
    for name in ["authority.db", "audit.jsonl"] {
        let (file, moved) = (folder.join(name), story.folder.join("moved"));
        std::fs::rename(&file, &moved).unwrap();
        symlink(&moved, &file).unwrap();
        assert!(refused(Config::new(&folder)).contains("no file but a link"), "{name}");
        std::fs::remove_file(&file).unwrap();
        std::fs::rename(&moved, &file).unwrap();
    }
    // Only root can give a file away.
    for given in [folder.clone(), folder.join("authority.db"), key] {
        if chown(&given, Some(12_345), None).is_ok() {
            assert!(refused(Config::new(&folder)).contains("another owner"), "{given:?}");
            chown(&given, Some(0), None).unwrap();
        }
    }
    Server::start(Config::new(&folder)).unwrap().stop();
    let open = story.folder.join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refused(Config::new(&open)).contains("written by others"));
}

#[test]
fn a_key_with_a_passphrase_opens_with_that_alone() {
    let folder = Folder::new();
    let with = |passphrase: Option<&str>| {
        let mut config = Config::new(folder.join("authority"));
        config.passphrase = passphrase.map(|text| text.to_owned().into());
        assert!(!format!("{config:?}").contains(passphrase.unwrap_or("no passphrase")));
        Server::start(config).map(|server| server.did()).map_err(|error| error.to_string())
    };
    let did = with(Some("correct horse")).unwrap();
    assert!(with(Some("wrong")).unwrap_err().contains("WRONG_PASSPHRASE"));
    assert!(with(None).unwrap_err().contains("IMPORT_FAILED"));
    assert_eq!(with(Some("correct horse")).unwrap(), did);
}

#[test]
fn a_copy_of_a_server_that_runs_comes_back_and_accepts_nothing_twice() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:payments"]);
    let before = story.token(&agent, "a", &["read:payments"]).expect(201).json();
    let (from, copy, back) = (story.folder.join("authority"), story.folder.join("copy"), story.folder.join("back"));
    backup(&from, &copy).unwrap();
    assert!(backup(&from, &copy).is_err(), "never over one that is there");

    let host = story.client.host();
    let path = format!("/v1/operators/{id}/agents/{}/scopes", agent.did());
    let body = json!({ "scopes": ["read:payments", "write:payments"] });
    let later = common::client::Request::new("PUT", &path, Some(&body)).signed(&operator, &host);
    story.client.send(&later).expect(200);
    let after = story.token(&agent, "a", &["read:payments"]).expect(201).json();
    let place = |token: &serde_json::Value| {
        let payload = token["token"].as_str().unwrap().split('.').nth(1).unwrap();
        let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        (claims["status"]["status_list"]["uri"].clone(), claims["status"]["status_list"]["idx"].clone())
    };
    let (address, resolver) = (story.server.address(), story.dns.address);
    let did = story.server.did();
    story.server.stop();

    restore(&copy, &back).unwrap();
    assert!(restore(&copy, &back).is_err());
    let mut config = Config::new(&back);
    (config.listen, config.resolver, config.clock_skew) = (address, Some(resolver), 0);
    let server = Server::start(config).unwrap();
    assert_eq!(server.did(), did);
    let mut client = Client::new(server.address());
    let status = |client: &mut Client, token: &serde_json::Value| {
        client.post("/v1/introspection", &json!({ "token": token["token"] })).expect(200).json()["status"].clone()
    };
    assert_eq!(status(&mut client, &before), "active");
    assert_eq!(status(&mut client, &after), "invalid", "nobody knows it any more");
    client.send(&later).expect(409).refused("replayed");
    let restored = xbind_runtime::now();
    while xbind_runtime::now() <= restored {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let challenge = json!({ "did": agent.did().as_str(), "audience": "a", "scopes": ["read:payments"] });
    let challenge = client.post("/v1/challenges", &challenge).expect(200).json()["challenge"].clone();
    let body = json!({ "challenge": challenge, "audience": "a", "scopes": ["read:payments"] });
    let new = client.ask(&agent, "POST", "/v1/tokens", Some(&body)).expect(201).json();
    assert!(![place(&before), place(&after)].contains(&place(&new)), "no place is given twice");
    server.stop();
    xbind_runtime::verify(
        &back.join("audit.jsonl"),
        xbind_runtime::Wanted { did: Some(did), ..xbind_runtime::Wanted::default() },
    )
    .unwrap();
}

#[test]
fn users_who_signed_out_after_a_copy_was_made_are_not_taken_again() {
    let mut scene = Scene::new();
    let user = scene.user(&json!({}));
    let folder = |name: &str| scene.story.folder.join(name);
    let (own, copy, gone) = (folder("authority"), folder("copy"), folder("gone"));
    backup(&own, &copy).unwrap();
    scene.token(&user);
    let logout = scene.logout(&json!({}));
    scene.tell(&logout).expect(200);
    scene.restart_after(|| {
        std::fs::rename(&own, &gone).unwrap();
        restore(&copy, &own).unwrap();
    });
    // Nobody has told this server that she is gone.
    let restored = xbind_runtime::now();
    while xbind_runtime::now() <= restored {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let why = "may have ended before the server was brought back";
    scene.refused(&user, &[], "invalid_request", why);
    scene.signed(&user, "read:x", &json!({})).refused("subject-refused").coded("TOKEN_EXPIRED");
    let anew = scene.user(&json!({ "iat": xbind_runtime::now() }));
    scene.token(&anew);
}

#[test]
fn a_copy_is_of_one_moment_however_much_is_written_meanwhile() {
    let mut story = Story::new();
    let (id, operator, _) = story.begun(&["read:payments"]);
    for n in 20..24 {
        story.agent(&operator, &id, &key(n), &["read:payments"]);
    }
    let address = story.server.address();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ordering = std::sync::atomic::Ordering::SeqCst;
    let issue = move |client: &mut Client, key: &xbind::SigningKey| {
        let asked = json!({ "did": key.did().as_str(), "audience": "a", "scopes": ["read:payments"] });
        let challenge = client.post("/v1/challenges", &asked).expect(200).json()["challenge"].clone();
        let body = json!({ "challenge": challenge, "audience": "a", "scopes": ["read:payments"] });
        client.ask(key, "POST", "/v1/tokens", Some(&body)).expect(201).json()["token"].clone()
    };
    let writers: Vec<_> = (20..24)
        .map(|n| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut client = Client::new(address);
                while !stop.load(ordering) {
                    issue(&mut client, &key(n));
                }
            })
        })
        .collect();
    let mut before = Vec::new();
    for round in 0..5 {
        before.push(issue(&mut story.client, &key(20)));
        backup(&story.folder.join("authority"), &story.folder.join(&format!("copy{round}"))).unwrap();
    }
    stop.store(true, ordering);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let resolver = story.dns.address;
    story.server.stop();
    let back = story.folder.join("back");
    restore(&story.folder.join("copy4"), &back).unwrap();
    let mut config = Config::new(&back);
    config.resolver = Some(resolver);
    let server = Server::start(config).unwrap();
    let mut client = Client::new(server.address());
    for token in before {
        let known = client.post("/v1/introspection", &json!({ "token": token })).expect(200).json();
        assert_eq!(known["status"], "active");
    }
}

#[test]
fn a_damaged_copy_does_not_come_back() {
    let mut story = Story::new();
    story.begun(&[]);
    let copy = story.folder.join("copy");
    backup(&story.folder.join("authority"), &copy).unwrap();
    std::fs::write(copy.join("authority.db"), "no database").unwrap();
    assert!(restore(&copy, &story.folder.join("back")).is_err());
}

#[test]
fn a_domain_whose_operator_is_gone_can_be_freed() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(&["read:payments"]);
    story.client.ask(&agent, "PUT", "/v1/names/writer.example.com", Some(&json!({}))).expect(200);
    let folder = story.folder.join("authority");
    assert!(release(&folder, None, "example.com").is_err(), "not while it runs");
    let (address, resolver) = (story.server.address(), story.dns.address);
    story.server.stop();
    assert!(release(&folder, None, "example.org").unwrap_err().to_string().contains("no operator"));
    release(&folder, None, "example.com").unwrap();
    let mut config = Config::new(&folder);
    (config.listen, config.resolver) = (address, Some(resolver));
    story.server = Server::start(config).unwrap();
    story.client = Client::new(address);
    story.client.get("/v1/names/writer.example.com").expect(404);
    story.token(&agent, "a", &["read:payments"]).expect(403).refused("inactive");
    story.operator(&key(5), "example.com");

    // The one before can come back in turn; his agents do not.
    story.server.stop();
    release(&folder, None, "example.com").unwrap();
    let mut config = Config::new(&folder);
    (config.listen, config.resolver) = (address, Some(resolver));
    story.server = Server::start(config).unwrap();
    story.client = Client::new(address);
    let id = story.operator(&key(1), "example.com");
    story.token(&agent, "a", &["read:payments"]).expect(403).refused("inactive");
    let path = format!("/v1/operators/{id}/agents/{}/status", agent.did());
    story.client.ask(&key(1), "PUT", &path, Some(&json!({ "status": "active" }))).expect(409);
    let stopped = story.folder.join("stopped");
    story.server.stop();
    backup(&folder, &stopped).expect("a server that does not run is copied, too");
}

/// List and place of the next token of a server that came back from that copy.
fn place_after_restore(story: &mut Story, copy: &str, back: &str, agent: &xbind::SigningKey) -> serde_json::Value {
    let (copy, back) = (story.folder.join(copy), story.folder.join(back));
    let restored = xbind_runtime::now();
    restore(&copy, &back).unwrap();
    while xbind_runtime::now() <= restored {
        std::thread::sleep(std::time::Duration::from_millis(20)); // what was signed before counts for nothing
    }
    let mut config = Config::new(&back);
    config.clock_skew = 0;
    let server = Server::start(config).unwrap();
    let mut client = Client::new(server.address());
    let challenge = json!({ "did": agent.did().as_str(), "audience": "a", "scopes": ["read:payments"] });
    let challenge = client.post("/v1/challenges", &challenge).expect(200).json()["challenge"].clone();
    let body = json!({ "challenge": challenge, "audience": "a", "scopes": ["read:payments"] });
    let token = client.ask(agent, "POST", "/v1/tokens", Some(&body)).expect(201).json()["token"].clone();
    server.stop();
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let place = &claims["status"]["status_list"];
    let list = place["uri"].as_str().unwrap().rsplit('/').next().unwrap();
    json!([list, place["idx"]])
}

#[test]
fn a_copy_that_comes_back_twice_gives_no_place_twice() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(&["read:payments"]);
    backup(&story.folder.join("authority"), &story.folder.join("copy")).unwrap();
    let first = place_after_restore(&mut story, "copy", "one", &agent);
    let second = place_after_restore(&mut story, "copy", "two", &agent);
    assert_ne!(first, second);
}

#[test]
fn a_copy_is_there_whole_or_not_at_all_and_its_first_key_comes_last() {
    let mut story = Story::new();
    story.begun(&[]);
    let (from, copy, back) = (story.folder.join("authority"), story.folder.join("copy"), story.folder.join("back"));
    // What would be a further file of the log cannot be read.
    let further = from.join("audit.jsonl.9");
    std::fs::create_dir(&further).unwrap();
    assert!(backup(&from, &copy).is_err());
    assert!(!copy.exists() && !story.folder.join("copy.partial").exists());
    std::fs::remove_dir(&further).unwrap();
    // One that was killed half-way has left this, which is not gone on with.
    std::fs::create_dir(story.folder.join("copy.partial")).unwrap();
    assert!(backup(&from, &copy).unwrap_err().to_string().contains("copy.partial"));
    std::fs::remove_dir(story.folder.join("copy.partial")).unwrap();
    backup(&from, &copy).unwrap();
    let made = |name: &str| std::fs::metadata(copy.join(name)).unwrap().modified().unwrap();
    assert!(made("authority.key") >= made("audit.jsonl"));
    std::fs::create_dir(copy.join("audit.jsonl.9")).unwrap();
    assert!(restore(&copy, &back).is_err());
    assert!(!back.exists());
    std::fs::remove_dir(copy.join("audit.jsonl.9")).unwrap();
    restore(&copy, &back).unwrap();
    backup(&back, &story.folder.join("with a slash/")).unwrap();
    assert!(story.folder.join("with a slash").join("authority.key").exists());
}

#[test]
fn a_server_whose_log_is_gone_does_not_begin_another() {
    let mut story = Story::new();
    story.begun(&[]);
    let folder = story.folder.join("authority");
    story.server.stop();
    let log = folder.join("audit.jsonl");
    std::fs::remove_file(&log).unwrap();
    let refused = Server::start(Config::new(&folder)).unwrap_err().to_string();
    assert!(refused.contains("audit.jsonl is missing"), "{refused}");
    assert!(!log.exists());
}

#[test]
fn where_no_authority_is_none_is_made() {
    let folder = Folder::new();
    for directory in [folder.join("nowhere"), folder.join("")] {
        let refused = keys(&directory, None, &Step::Rotate {}).unwrap_err().to_string();
        assert!(refused.contains("no authority in"), "{refused}");
        assert!(keys(&directory, None, &Step::List {}).is_err());
        assert!(release(&directory, None, DOMAIN).is_err());
        assert!(backup(&directory, &folder.join("copy")).is_err());
        assert!(restore(&directory, &folder.join("copy")).is_err());
    }
    assert_eq!(std::fs::read_dir(folder.join("")).unwrap().count(), 0);
}
