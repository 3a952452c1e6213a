//! The steps by which the authority's key changes while its server runs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

mod common;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::client::Client;
use common::story::Story;
use common::{Folder, key};
use serde_json::{Value, json};
use xbind::{Asked, Did, Evidence, TokenPolicy, TokenVerifier, Trust, VerifyingKey};
use xbind_authority::{AuthorityKey, Config, Server, Step};
use xbind_net::authority::{Known, wire::About};

const AUDIENCE: &str = "https://api.example.com";
const SCOPES: &[&str] = &["read:payments"];

fn directory(story: &Story) -> PathBuf {
    story.folder.join("authority")
}

fn take(story: &Story, step: &Step) -> Result<Vec<AuthorityKey>, String> {
    xbind_authority::keys(&directory(story), None, step).map_err(|fault| fault.to_string())
}

fn states(keys: &[AuthorityKey]) -> Vec<&str> {
    keys.iter().map(|key| key.state.as_str()).collect()
}

fn about(client: &mut Client) -> About {
    serde_json::from_str(&client.get("/v1").expect(200).body).unwrap()
}

/// The keys of the JWK set, as DIDs.
fn published(client: &mut Client) -> HashSet<String> {
    let set = client.get("/.well-known/jwks.json").expect(200).json();
    set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().split('#').next().unwrap().to_owned())
        .collect()
}

fn verify(token: &str, trusted: impl IntoIterator<Item = Did>) -> xbind::Result<String> {
    let trust = trusted.into_iter().fold(Trust::default(), Trust::with_did);
    let asked = Asked { status: &|_, _| Evidence::Fresh(0), ..Asked::default() };
    let verifier = TokenVerifier::new(TokenPolicy::new(AUDIENCE), trust)?;
    verifier.verify(token, xbind_runtime::now(), &asked).map(|token| token.issuer().to_owned())
}

fn did(text: &str) -> Did {
    *VerifyingKey::from_did(text).unwrap().did()
}

fn token(story: &mut Story, agent: &xbind::SigningKey) -> String {
    story.token(agent, AUDIENCE, SCOPES).expect(201).json()["token"].as_str().unwrap().to_owned()
}

fn introspected(story: &mut Story, token: &str) -> Value {
    story.client.post("/v1/introspection", &json!({ "token": token })).expect(200).json()["status"].clone()
}

/// What the status list says of a token, which its issuer has to have signed.
fn listed(story: &mut Story, token: &str) -> u8 {
    let payload = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let place = &claims["status"]["status_list"];
    let uri = place["uri"].as_str().unwrap();
    let text = story.client.get(uri.strip_prefix(story.server.url()).unwrap()).expect(200).body;
    let issuer = did(claims["iss"].as_str().unwrap());
    let read = xbind::read_status_list(&text, uri, xbind::ListSigner::Did(&issuer)).unwrap();
    read.list.get(place["idx"].as_u64().unwrap()).unwrap()
}

#[test]
fn a_server_that_runs_prepares_activates_taints_and_revokes() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    let first = story.server.did();
    let old = token(&mut story, &agent);
    assert_eq!(states(&take(&story, &Step::List {}).unwrap()), ["active"]);
    assert!(take(&story, &Step::Activate { at_once: true }).unwrap_err().contains("no key is prepared"));

    let prepared = take(&story, &Step::Prepare { after: 86_400 }).unwrap();
    assert_eq!(states(&prepared), ["active", "prepared"]);
    let second = did(&prepared[1].did);
    assert_eq!(story.server.did(), first, "it signs nothing yet");
    assert!(published(&mut story.client).contains(second.as_str()));
    let said = about(&mut story.client);
    assert_eq!((said.did.as_str(), said.rotations.len()), (first.as_str(), 0));
    let known = Known::new(first).follow(&said, xbind_runtime::now()).unwrap();
    assert_eq!(known.counting(xbind_runtime::now()).collect::<Vec<_>>(), [first, second]);
    assert_eq!(Known::read(first.as_str(), &known.rotations()).unwrap(), known);
    assert!(take(&story, &Step::Prepare { after: 86_400 }).unwrap_err().contains("prepared already"));
    assert!(take(&story, &Step::Activate { at_once: false }).unwrap_err().contains("JWK set"));
    story.restart();
    assert_eq!(story.server.did(), first);

    let active = take(&story, &Step::Activate { at_once: true }).unwrap();
    assert_eq!(states(&active), ["retiring", "active"]);
    assert_eq!(story.server.did(), second);
    let before = token(&mut story, &agent);
    assert_eq!(verify(&before, known.counting(xbind_runtime::now())).unwrap(), second.as_str());
    for known in [&old, &before] {
        assert_eq!((introspected(&mut story, known), listed(&mut story, known)), (json!("active"), 0));
    }

    // The one that signs now was stolen: another one takes its place at once, and agents ask anew.
    assert!(take(&story, &Step::Taint { did: second.to_string(), since: Some(u64::MAX) }).is_err());
    let tainted = take(&story, &Step::Taint { did: second.to_string(), since: None }).unwrap();
    assert_eq!(states(&tainted), ["retiring", "tainted", "active"]);
    let third = story.server.did();
    assert!(!published(&mut story.client).contains(second.as_str()));
    let said = about(&mut story.client);
    let followed = known.follow(&said, xbind_runtime::now()).unwrap();
    assert_eq!(followed.counting(xbind_runtime::now()).collect::<Vec<_>>(), [third, first]);
    assert!(followed.rotations().is_empty(), "what leads to a doubtful key, or from it, is not kept");
    let after = token(&mut story, &agent);
    assert_eq!(verify(&after, [third]).unwrap(), third.as_str());
    assert_eq!(introspected(&mut story, &before), "invalid");
    assert_eq!((introspected(&mut story, &old), introspected(&mut story, &after)), (json!("active"), json!("active")));
    assert_eq!((listed(&mut story, &old), listed(&mut story, &after)), (0, 0));

    // A doubt goes further back, never less far; and what was given up in between is not used again.
    let since = tainted[1].active_at.unwrap();
    assert!(take(&story, &Step::Taint { did: second.to_string(), since: None }).unwrap_err().contains("before"));
    take(&story, &Step::Taint { did: second.to_string(), since: Some(since - 1) }).unwrap();
    assert_eq!(listed(&mut story, &before), 1);
    take(&story, &Step::Revoke { did: first.to_string() }).unwrap();
    assert_eq!((listed(&mut story, &old), listed(&mut story, &after)), (1, 0));
    let next = take(&story, &Step::Prepare { after: 86_400 }).unwrap()[3].did.clone();
    let given_up = take(&story, &Step::Revoke { did: next.clone() }).unwrap();
    assert_eq!(states(&given_up), ["revoked", "tainted", "active", "revoked"]);
    assert!(!published(&mut story.client).contains(&next));
    let again = take(&story, &Step::Prepare { after: 86_400 }).unwrap();
    assert!(again[3].did != next && again[3].state == "prepared", "{again:?}");
    for unknown in [key(7).did().to_string(), "did:web:example.com".to_owned()] {
        assert!(take(&story, &Step::Revoke { did: unknown }).is_err());
    }

    // A key that signs now, while the next one is prepared; and all of it stands after a restart.
    take(&story, &Step::Revoke { did: third.to_string() }).unwrap();
    assert_eq!(story.server.did().as_str(), again[3].did);
    assert_eq!((introspected(&mut story, &after), listed(&mut story, &after)), (json!("invalid"), 1));
    let stands = take(&story, &Step::List {}).unwrap();
    story.restart();
    assert_eq!(take(&story, &Step::List {}).unwrap(), stands);
    token(&mut story, &agent);
    let log = std::fs::read_to_string(directory(&story).join("audit.jsonl")).unwrap();
    for (event, times) in [("prepared", 3), ("rotated", 3), ("tainted", 2), ("revoked", 3)] {
        assert_eq!(log.matches(&format!("\"authority.{event}\"")).count(), times, "{event}");
    }
    let wanted = xbind_runtime::Wanted { did: Some(first), ..Default::default() };
    xbind_runtime::verify(&directory(&story).join("audit.jsonl"), wanted).unwrap();
}

#[test]
fn no_token_is_refused_while_keys_change_under_load() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(SCOPES);
    let address = story.server.address();
    for _ in 0..4 {
        take(&story, &Step::Prepare { after: 86_400 }).unwrap();
        // The oldest that anybody may have when the key begins: from the moment in which it was told.
        let set: Vec<_> = published(&mut story.client).iter().map(|text| did(text)).collect();
        let known = Known::new(story.server.did()).follow(&about(&mut story.client), xbind_runtime::now()).unwrap();
        let is_over = AtomicBool::new(false);
        let (issuers, count) = thread::scope(|scope| {
            let ask = || {
                let mut client = Client::new(address);
                let (mut issuers, mut count) = (HashSet::new(), 0);
                while !is_over.load(Ordering::Relaxed) {
                    let body = json!({ "did": agent.did().as_str(), "audience": AUDIENCE, "scopes": SCOPES });
                    let challenge = client.post("/v1/challenges", &body).expect(200).json()["challenge"].clone();
                    let body = json!({ "challenge": challenge, "audience": AUDIENCE, "scopes": SCOPES });
                    let told = client.ask(&agent, "POST", "/v1/tokens", Some(&body)).expect(201).json();
                    let token = told["token"].as_str().unwrap();
                    issuers.insert(verify(token, set.clone()).unwrap());
                    verify(token, known.counting(xbind_runtime::now())).unwrap();
                    let body = json!({ "token": token });
                    assert_eq!(client.post("/v1/introspection", &body).expect(200).json()["status"], "active");
                    count += 1;
                }
                (issuers, count)
            };
            let askers: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
            thread::sleep(std::time::Duration::from_millis(150));
            take(&story, &Step::Activate { at_once: true }).unwrap();
            thread::sleep(std::time::Duration::from_millis(150));
            is_over.store(true, Ordering::Relaxed);
            askers.into_iter().map(|asker| asker.join().unwrap()).fold(
                (HashSet::new(), 0),
                |(mut all, sum), (some, count)| {
                    all.extend(some);
                    (all, sum + count)
                },
            )
        });
        assert!(count > 0 && issuers.contains(story.server.did().as_str()), "{count} {issuers:?}");
    }
}

#[test]
fn a_server_changes_its_key_on_schedule_and_tells_of_it_before() {
    let mut story = Story::with(|config| {
        (config.rotate_every, config.notice, config.keys_age) = (Some(2), 1, 1);
    });
    let (_, _, agent) = story.begun(SCOPES);
    let mut issuers = HashSet::new();
    while issuers.len() < 3 {
        // What was told before the token was asked for is enough.
        let set: Vec<_> = published(&mut story.client).iter().map(|text| did(text)).collect();
        let token = token(&mut story, &agent);
        issuers.insert(verify(&token, set).unwrap());
        thread::sleep(std::time::Duration::from_millis(20));
    }
    // A time that came while no server ran counts from the first answer on.
    let prepared = loop {
        let keys = take(&story, &Step::List {}).unwrap();
        if let Some(key) = keys.into_iter().find(|key| key.state == "prepared") {
            break key;
        }
    };
    story.restart_with(|config| {
        config.keys_age = 1;
        while xbind_runtime::now() < prepared.active_at.unwrap() {
            thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    assert_eq!(story.server.did().as_str(), prepared.did);
}

#[test]
fn what_a_command_asked_is_done_once_in_its_time_or_never() {
    let folder = Folder::new();
    let server = Server::start(Config::new(folder.join("authority"))).unwrap();
    assert!(xbind_authority::is_served(&folder.join("authority")));
    let db = rusqlite::Connection::open(folder.join("authority/authority.db")).unwrap();
    let first = server.did();
    let wish = |step: &str, until: u64| {
        db.execute("INSERT INTO wishes(step, until) VALUES (?1, ?2)", (step, i64::try_from(until).unwrap())).unwrap();
        let number = db.last_insert_rowid();
        loop {
            let sql = "SELECT outcome FROM wishes WHERE number = ?1";
            let outcome: Option<String> = db.query_row(sql, [number], |row| row.get(0)).unwrap();
            if let Some(outcome) = outcome {
                return outcome;
            }
            thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    let now = xbind_runtime::now();
    for (step, until) in [
        (r#"{"step":"rotate"}"#, now - 1),
        (r#"{"step":"rotate","more":1}"#, now + 60),
        (r#"{"step":"other"}"#, now + 60),
        ("", now + 60),
        (r#"{"step":"prepare","after":-1}"#, now + 60),
        (r#"{"step":"prepare","after":9999999}"#, now + 60),
    ] {
        assert!(wish(step, until).starts_with(r#"{"refused""#), "{step}");
    }
    assert_eq!(server.did(), first);
    assert!(wish(r#"{"step":"rotate"}"#, now + 60).starts_with(r#"{"done""#));
    assert_ne!(server.did(), first);
    server.stop();
    assert!(!xbind_authority::is_served(&folder.join("authority")));
}

#[test]
fn what_a_command_gave_up_is_not_done_nor_put_on_record() {
    let folder = Folder::new();
    let directory = folder.join("authority");
    let server = Server::start(Config::new(&directory)).unwrap();
    let first = server.did();
    let db = rusqlite::Connection::open(directory.join("authority.db")).unwrap();
    // Its outcome finds nobody.
    db.execute_batch("CREATE TRIGGER gone BEFORE UPDATE ON wishes BEGIN SELECT RAISE(IGNORE); END").unwrap();
    let until = i64::try_from(xbind_runtime::now() + 3600).unwrap();
    db.execute("INSERT INTO wishes(step, until) VALUES ('{\"step\":\"rotate\"}', ?1)", [until]).unwrap();
    while !directory.join("authority.1.key").exists() {
        thread::sleep(std::time::Duration::from_millis(20));
    }
    server.stop();
    let log = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    assert!(!log.contains("authority."), "{log}");
    db.execute_batch("DROP TRIGGER gone").unwrap();
    // A server that is brought back does nothing that was asked before.
    let (copy, again) = (folder.join("copy"), folder.join("again"));
    xbind_authority::backup(&directory, &copy).unwrap();
    xbind_authority::restore(&copy, &again).unwrap();
    let restored = rusqlite::Connection::open(again.join("authority.db")).unwrap();
    let wishes = |db: &rusqlite::Connection| {
        db.query_row("SELECT count(*) FROM wishes", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!([wishes(&db), wishes(&restored)], [1, 0]);
    let server = Server::start(Config::new(&again)).unwrap();
    assert_eq!(xbind_authority::keys(&again, None, &Step::List {}).unwrap().len(), 1);
    assert_eq!(server.did(), first);
}

#[test]
fn a_command_that_had_the_directory_is_no_server_that_is_waited_for() {
    let folder = Folder::new();
    let directory = folder.join("authority");
    Server::start(Config::new(&directory)).unwrap().stop();
    let db = rusqlite::Connection::open(directory.join("authority.db")).unwrap();
    let wishes = || db.query_row("SELECT count(*) FROM wishes", [], |row| row.get::<_, i64>(0)).unwrap();
    let other = std::fs::File::open(directory.join("audit.jsonl.lock")).unwrap();
    other.lock().unwrap();
    let asked = thread::spawn({
        let directory = directory.clone();
        move || xbind_authority::keys(&directory, None, &Step::Rotate {}).map_err(|fault| fault.to_string())
    });
    while wishes() == 0 {
        thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(other);
    let refused = asked.join().unwrap().unwrap_err();
    assert!(refused.contains("another command"), "{refused}");
    assert_eq!(wishes(), 0);
    assert_eq!(xbind_authority::keys(&directory, None, &Step::List {}).unwrap().len(), 1);
}

#[test]
fn a_key_that_began_ahead_of_the_clock_can_be_replaced() {
    let folder = Folder::new();
    let directory = folder.join("authority");
    let take = |step: &Step| xbind_authority::keys(&directory, None, step).map_err(|fault| fault.to_string());
    let first = Server::start(Config::new(&directory)).unwrap().did();
    let second = did(&take(&Step::Rotate {}).unwrap()[1].did);
    let db = rusqlite::Connection::open(directory.join("authority.db")).unwrap();
    db.execute("UPDATE authority_keys SET added_at = added_at + 86400, active_at = active_at + 86400", []).unwrap();
    let taken = take(&Step::Revoke { did: second.to_string() }).unwrap();
    assert_eq!(states(&taken), ["retiring", "revoked", "active"]);
    let server = Server::start(Config::new(&directory)).unwrap();
    assert_eq!(server.did().as_str(), taken[2].did);
    let said = about(&mut Client::new(server.address()));
    assert_eq!(Known::new(first).follow(&said, xbind_runtime::now()).unwrap().did(), &server.did());
}
