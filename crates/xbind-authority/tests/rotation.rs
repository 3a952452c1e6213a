//! Keys that change: an operator's root key, and the authority's own.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test that panics fails"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::story::{DOMAIN, Story};
use common::{Folder, key};
use serde_json::{Value, json};
use xbind::{
    Asked, Did, ErrorKind, Evidence, ListSigner, Rotation, SigningKey, StatusLists, TokenPolicy, TokenVerifier, Trust,
    VerifyingKey,
};
use xbind_authority::{Config, Server, Step, wire};
use xbind_net::Settings;
use xbind_net::authority::{Known, Refusal, Registry};
use xbind_runtime::{AgentOptions, Node, NodeOptions, Port, Signer, Time};

const AUDIENCE: &str = "https://api.example.com";

fn statement(old: &SigningKey, new: &SigningKey, overlap: u64, ahead: u64) -> Value {
    let now = xbind_runtime::now();
    let rotation = Rotation { old: *old.did(), new: *new.did(), issued_at: now, active_from: now + ahead, overlap };
    json!({ "rotation": rotation.sign(old, new).unwrap() })
}

#[test]
fn a_root_key_is_replaced_by_both_and_the_old_one_ends() {
    let mut story = Story::new();
    let (id, old, agent) = story.begun(&["read:payments"]);
    let (new, stranger) = (key(21), key(22));
    let issued = story.token(&agent, AUDIENCE, &["read:payments"]).expect(201).json();
    let path = format!("/v1/operators/{id}/rotations");
    let told = statement(&old, &new, 0, 0);
    story.client.ask(&stranger, "POST", &path, Some(&told)).refused("not-permitted");
    story.client.ask(&agent, "POST", &path, Some(&statement(&agent, &new, 0, 0))).refused("not-permitted");
    for wrong in [statement(&old, &new, 60, 0), statement(&old, &new, 0, 3600)] {
        story.client.ask(&old, "POST", &path, Some(&wrong)).refused("rotation-refused");
    }
    story.client.ask(&old, "POST", &path, Some(&statement(&old, &agent, 0, 0))).refused("agent-taken");
    let view = story.client.ask(&new, "POST", &path, Some(&told)).expect(200).json();
    assert_eq!((&view["id"], &view["did"]), (&json!(id), &json!(new.did().as_str())));
    // Told once more it changes nothing, and the old key tells nobody anything.
    story.client.ask(&new, "POST", &path, Some(&told)).expect(200);
    story.client.ask(&old, "POST", &path, Some(&told)).refused("not-permitted");
    // Nor what the new key says of another that it never followed.
    story.client.ask(&new, "POST", &path, Some(&statement(&key(24), &new, 0, 0))).refused("not-permitted");
    story.client.ask(&old, "POST", &path, Some(&statement(&old, &stranger, 0, 0))).refused("not-permitted");
    for restarted in [false, true] {
        if restarted {
            story.restart();
        }
        let scopes = json!({ "scopes": ["read:payments"] });
        let of_agent = format!("/v1/operators/{id}/agents/{}/scopes", agent.did());
        story.client.ask(&old, "PUT", &of_agent, Some(&scopes)).refused("not-permitted");
        story.client.ask(&new, "PUT", &of_agent, Some(&scopes)).expect(200);
        story.client.ask(&old, "GET", "/v1/audit", None).refused("not-permitted");
        let trail = issued["audit_url"].as_str().unwrap().rsplit_once("/v1").unwrap().1.to_owned();
        story.client.ask(&old, "GET", &format!("/v1{trail}"), None).refused("not-permitted");
        story.client.ask(&new, "GET", &format!("/v1{trail}"), None).expect(200);
        let found = story.client.get(&format!("/v1/operators/{id}")).expect(200).json();
        let rotation = Rotation::verify(found["rotations"][0].as_str().unwrap()).unwrap();
        assert_eq!((rotation.old, rotation.new), (*old.did(), *new.did()));
        // Whoever has the new key is the operator of the domain, and goes by the id that it had.
        let domain = json!({ "domain": DOMAIN });
        let told = story.client.ask(&new, "POST", "/v1/operators", Some(&domain)).expect(200).json();
        assert_eq!((&told["id"], &told["status"]), (&json!(id), &json!("verified")));
        story.client.ask(&new, "POST", &format!("/v1/operators/{id}/verification"), Some(&domain)).expect(200);
        story.client.ask(&old, "POST", "/v1/operators", Some(&domain)).refused("domain-taken");
    }
    // All of the domain, also of the time before, and under one name.
    let records = story.client.ask(&new, "GET", "/v1/audit", None).expect(200).json()["records"].clone();
    let events: Vec<_> = records.as_array().unwrap().iter().map(|record| record["event"].as_str().unwrap()).collect();
    for event in ["operator.verified", "token.issued", "operator.rotated", "agent.scopes"] {
        assert!(events.contains(&event), "{event} is missing in {events:?}");
    }
    assert!(records.as_array().unwrap().iter().all(|record| record["chain"][0] == old.did().as_str()));
    // And on: by the key that it has now.
    story.client.ask(&new, "POST", &path, Some(&statement(&new, &old, 0, 0))).refused("rotation-refused");
    story.client.ask(&new, "POST", &path, Some(&statement(&new, &key(23), 0, 0))).expect(200);
    // A domain that is freed is not taken back with a key that was replaced.
    let (directory, resolver) = (story.folder.join("authority"), story.dns.address);
    story.server.stop();
    xbind_authority::release(&directory, None, DOMAIN).unwrap();
    let mut config = Config::new(&directory);
    config.resolver = Some(resolver);
    story.server = Server::start(config).unwrap();
    story.client = common::client::Client::new(story.server.address());
    let domain = json!({ "domain": DOMAIN });
    let told = story.client.ask(&old, "POST", "/v1/operators", Some(&domain)).expect(200).json();
    story.dns.set(told["txt"]["name"].as_str().unwrap(), &[told["txt"]["value"].as_str().unwrap()]);
    story.client.ask(&old, "POST", &format!("/v1/operators/{id}/verification"), Some(&domain)).refused("not-permitted");
}

/// Takes a step, and gives the last key then.
fn last(directory: &Path, step: &Step) -> Did {
    let keys = xbind_authority::keys(directory, None, step).unwrap();
    *VerifyingKey::from_did(&keys.last().unwrap().did).unwrap().did()
}

/// The issuer of a token that holds, by the status list that it names.
fn issuer(story: &mut Story, token: &str, by: Did) -> xbind::Result<String> {
    let trust = Trust::default().with_did(by);
    let verifier = TokenVerifier::new(TokenPolicy::new(AUDIENCE), trust)?;
    let now = xbind_runtime::now();
    let verified = verifier.verify(token, now, &Asked { status: &|_, _| Evidence::Fresh(0), ..Asked::default() })?;
    let place = verified.links()[0].status.clone().unwrap();
    let path = place.uri.split_once("/v1/").unwrap().1;
    let text = story.client.get(&format!("/v1/{path}")).expect(200).body;
    let lists = StatusLists::new(4, 600);
    lists.put(&text, &place.uri, ListSigner::Did(&by), now)?;
    let status = |issuer: &str, place: &xbind::StatusRef| lists.ask(issuer, place, now);
    verifier.verify(token, now, &Asked { status: &status, ..Asked::default() }).map(|token| token.issuer().to_owned())
}

#[test]
fn the_authority_has_a_new_key_and_what_the_old_one_signed_counts_until_it_is_over() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(&["read:payments"]);
    let first = story.server.did();
    let before = story.token(&agent, AUDIENCE, &["read:payments"]).expect(201).json();
    let before = before["token"].as_str().unwrap().to_owned();
    let directory = story.folder.join("authority");
    let (resolver, address) = (story.dns.address, story.server.address());
    let start = || {
        let mut config = Config::new(&directory);
        (config.resolver, config.listen) = (Some(resolver), address);
        Server::start(config).unwrap()
    };
    story.server.stop();
    let prepared = last(&directory, &Step::Prepare { after: 86_400 });
    story.server = start();
    assert_eq!(story.server.did(), first, "what is prepared changes nothing");
    story.server.stop();
    let rotated = last(&directory, &Step::Rotate {});
    assert_eq!(rotated, prepared);
    story.server = start();
    story.client = common::client::Client::new(address);
    assert_eq!(story.server.did(), rotated);

    let about = story.client.get("/v1").expect(200).json();
    let statement = Rotation::verify(about["rotations"][0].as_str().unwrap()).unwrap();
    assert_eq!((statement.old, statement.new), (first, rotated));
    let keys = story.client.get("/.well-known/jwks.json").expect(200).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "the old one until its last token is over");
    let after = story.token(&agent, AUDIENCE, &["read:payments"]).expect(201).json();
    let after = after["token"].as_str().unwrap().to_owned();
    assert_eq!(issuer(&mut story, &before, first).unwrap(), first.as_str());
    assert_eq!(issuer(&mut story, &after, rotated).unwrap(), rotated.as_str());
    assert!(issuer(&mut story, &after, first).is_err(), "who trusts a DID trusts that one");
    for token in [&before, &after] {
        let known = story.client.post("/v1/introspection", &json!({ "token": token })).expect(200).json();
        assert_eq!(known["status"], "active");
    }
    // Once more, and what a backup brings back is the same authority.
    story.server.stop();
    let third = last(&directory, &Step::Rotate {});
    let (copy, back) = (story.folder.join("copy"), story.folder.join("back"));
    xbind_authority::backup(&directory, &copy).unwrap();
    xbind_authority::restore(&copy, &back).unwrap();
    let server = Server::start(Config::new(&back)).unwrap();
    assert_eq!(server.did(), third);
    server.stop();
    story.server = start();
    assert_eq!(issuer(&mut story, &before, first).unwrap(), first.as_str());
    // The log is that of the first key.
    let wanted = xbind_runtime::Wanted { did: Some(first), ..Default::default() };
    let log = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    assert_eq!(log.matches("\"authority.rotated\"").count(), 2);
    xbind_runtime::verify(&directory.join("audit.jsonl"), wanted).unwrap();
    // A key that is needed is not made anew where it is missing.
    story.server.stop();
    std::fs::remove_file(directory.join("authority.2.key")).unwrap();
    let refused = Server::start(Config::new(&directory)).unwrap_err().to_string();
    assert!(refused.contains("authority.2.key"), "{refused}");
    story.server = Server::start(Config::new(story.folder.join("spare"))).unwrap();
}

/// What an agent is told, asked through the client that all languages have.
fn token(registry: &Registry) -> xbind::Result<String> {
    let (tell, told) = channel();
    let wanted = xbind_net::authority::Wanted::new(AUDIENCE.to_owned(), vec!["read:payments".to_owned()], Some(1));
    registry.token(wanted, None, move |token| drop(tell.send(token)));
    told.recv().unwrap()
}

#[test]
fn an_agent_follows_the_authority_to_its_new_key_and_to_no_other() {
    let mut story = Story::new();
    let (id, ..) = story.begun(&["read:payments"]);
    let (directory, address, first) = (story.folder.join("authority"), story.server.address(), story.server.did());
    let port = Port::new(Box::new(|| ()), Time::System);
    let node = Node::new(NodeOptions::default());
    let agent = port.join(&node, Signer::Local(key(2)), None, AgentOptions::default()).unwrap();
    let agent = port.agent(agent).unwrap();
    let of = |at: &str| Registry::new(&agent, at, false, Settings::default()).unwrap();
    let url = story.server.url().to_owned();
    let (met, given) = (of(&url), of(&format!("{url}#{first}")));
    for registry in [&met, &given] {
        token(registry).unwrap();
    }
    let start = |directory: &Path| {
        let mut config = Config::new(directory);
        config.listen = address;
        Server::start(config).unwrap()
    };
    story.server.stop();
    for _ in 0..2 {
        last(&directory, &Step::Rotate {});
    }
    let server = start(&directory);
    // Also who has been told of the first key alone, long ago.
    for registry in [&met, &given, &of(&format!("{url}#{first}"))] {
        let token = token(registry).unwrap();
        let trust = Trust::default().with_did(server.did());
        let asked = Asked { status: &|_, _| Evidence::Fresh(0), ..Asked::default() };
        let verifier = TokenVerifier::new(TokenPolicy::new(AUDIENCE), trust).unwrap();
        assert_eq!(verifier.verify(&token, xbind_runtime::now(), &asked).unwrap().issuer(), server.did().as_str());
    }
    server.stop();
    // One that has no statement of the key that is known, and one with a key of its own that says so all the same.
    let other = start(&story.folder.join("other"));
    assert_eq!(other.dangerously_add_operator(DOMAIN, key(1).verifying_key()).unwrap(), id);
    for registry in [&met, &given] {
        assert_eq!(token(registry).unwrap_err().kind(), ErrorKind::RegistryUnavailable);
    }
    story.server = other;
}

#[test]
fn what_leads_from_key_to_key_is_believed_where_each_has_signed() {
    let (a, b, c) = (key(31), key(32), key(33));
    let now = xbind_runtime::now();
    let rotation = |old: &SigningKey, new: &SigningKey, overlap: u64| {
        let rotation = Rotation { old: *old.did(), new: *new.did(), issued_at: now, active_from: now, overlap };
        rotation.sign(old, new).unwrap()
    };
    let about = |key: &SigningKey, rotations: &[String]| wire::About {
        did: key.did().to_string(),
        url: String::new(),
        time: now,
        version: String::new(),
        rotations: rotations.to_vec(),
        next: None,
        doubtful: Vec::new(),
    };
    let known = Known::new(*a.did());
    assert_eq!(known.follow(&about(&a, &[]), now).unwrap(), known);
    let (ab, bc) = (rotation(&a, &b, 60), rotation(&b, &c, 60));
    let followed = known.follow(&about(&c, &[ab.clone(), bc.clone()]), now).unwrap();
    assert_eq!(followed.counting(now).collect::<Vec<_>>(), [*c.did(), *a.did(), *b.did()]);
    assert_eq!(followed.counting(now + 60).collect::<Vec<_>>(), [*c.did()]);
    assert_eq!(Known::read(c.did().as_str(), &followed.rotations()).unwrap(), followed);
    assert!(Known::read(a.did().as_str(), &followed.rotations()).is_err());
    // One that leads on is the next key's.
    let next = Known::read(b.did().as_str(), &followed.rotations()).unwrap();
    assert_eq!(next.counting(now).collect::<Vec<_>>(), [*b.did(), *a.did(), *c.did()]);
    let later = followed.follow(&about(&c, &[ab.clone(), bc.clone()]), now + 60).unwrap();
    assert_eq!((later.did(), later.rotations().len()), (c.did(), 0), "what is over is forgotten");
    let half = ab.replacen(&ab[30..40], &bc[30..40], 1);
    for (key, rotations) in [
        (&b, vec![]),
        (&c, vec![ab.clone()]),
        (&c, vec![bc.clone()]),
        (&c, vec![bc, ab.clone()]),
        (&a, vec![ab]),
        (&b, vec![half]),
        (&b, vec![rotation(&c, &b, 60)]),
    ] {
        let refused = known.follow(&about(key, &rotations), now);
        assert!(matches!(refused, Err(Refusal::Changed { .. })), "{rotations:?}");
    }
    // What is doubtful counts no more, and never again; what came before it does.
    let doubts = |of: &SigningKey| wire::About {
        doubtful: vec![of.did().to_string()],
        ..about(&c, &[rotation(&a, &b, 60), rotation(&b, &c, 60)])
    };
    for known in [&known, &followed] {
        let doubted = known.follow(&doubts(&b), now).unwrap();
        let again = doubted.follow(&about(&c, &[]), now).unwrap();
        for doubted in [doubted, again] {
            assert_eq!(doubted.counting(now).collect::<Vec<_>>(), [*c.did(), *a.did()]);
            assert!(doubted.rotations().is_empty(), "what is kept knows no doubts");
        }
    }
    let first = followed.follow(&doubts(&a), now).unwrap();
    assert_eq!(first.counting(now).collect::<Vec<_>>(), [*c.did(), *b.did()]);
    assert_eq!(first.rotations().len(), 1);
    let all = followed.follow(&doubts(&c), now).unwrap();
    assert_eq!(all.counting(now).collect::<Vec<_>>(), [*a.did(), *b.did()]);
    // An emergency leaves nothing to the key before.
    let known = known.follow(&about(&b, &[rotation(&a, &b, 0)]), now).unwrap();
    assert_eq!(known.counting(now).collect::<Vec<_>>(), [*b.did()]);
}

const CHILD: &str = "XBIND_ROTATED_DIRECTORY";

/// Changes the key again and again until it is killed, by every step there is, and says each key that signs then.
fn rotate_on(directory: &Path) {
    let take = |step: &Step| {
        let keys = xbind_authority::keys(directory, None, step).unwrap();
        let in_state = |state: &str| keys.iter().find(|key| key.state == state).map(|key| key.did.clone());
        (in_state("active").unwrap(), in_state("prepared"))
    };
    let prepare = || match take(&Step::List {}) {
        (_, Some(next)) => next, // it was killed in between
        _ => take(&Step::Prepare { after: 86_400 }).1.unwrap(),
    };
    loop {
        prepare();
        println!("\nDID {}", take(&Step::Activate { at_once: true }).0);
        let (did, _) = take(&Step::Rotate {});
        println!("\nDID {did}");
        println!("\nDID {}", take(&Step::Taint { did, since: None }).0);
        take(&Step::Revoke { did: prepare() });
    }
}

#[test]
fn a_rotation_that_is_killed_leaves_the_old_key_or_the_new_one() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return rotate_on(Path::new(&directory));
    }
    let folder = Folder::new();
    let directory = folder.join("authority");
    let did = |directory: &Path| {
        let server = Server::start(Config::new(directory)).unwrap();
        let did = server.did();
        let mut client = common::client::Client::new(server.address());
        let about = client.get("/v1").expect(200).json();
        server.stop();
        let rotations = about["rotations"].as_array().cloned().unwrap_or_default();
        let chain = rotations.iter().map(|text| Rotation::verify(text.as_str().unwrap()).unwrap());
        (did, chain.map(|rotation| rotation.new).collect::<Vec<_>>())
    };
    let (first, _) = did(&directory);
    let mut last = first;
    let mut rounds = 0;
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "a_rotation_that_is_killed_leaves_the_old_key_or_the_new_one"])
            .env(CHILD, &directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::sleep(Duration::from_millis(5 + 17 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let said: Vec<Did> = out
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| Some(*VerifyingKey::from_did(line.strip_prefix("DID ")?).ok()?.did()))
            .collect();
        let (now, later) = did(&directory);
        let chain: Vec<_> = [first].into_iter().chain(later).collect();
        // What was said has happened, and one more may have.
        let acknowledged = said.last().copied().unwrap_or(last);
        let at = chain.iter().position(|did| *did == acknowledged).expect("nothing that was said is lost");
        assert!(chain.len() - 1 - at <= 1, "{acknowledged} in {chain:?}");
        assert_eq!(chain.last(), Some(&now));
        rounds += said.len();
        last = now;
    }
    println!("{rounds} rotations were acknowledged");
}

#[test]
fn a_stolen_key_ends_when_its_successor_is_known() {
    let mut story = Story::new();
    let (_, _, stolen) = story.begun(&["read:payments"]);
    let new = key(11);
    let path = format!("/v1/agents/{}/rotations", stolen.did());
    let late = statement(&stolen, &new, 0, 3600);
    story.client.ask(&new, "POST", &path, Some(&late)).refused("rotation-refused");
    let issued = story.token(&stolen, AUDIENCE, &["read:payments"]).expect(201).json();
    // The clock of whoever signs is ahead, within what is allowed.
    let view = story.client.ask(&new, "POST", &path, Some(&statement(&stolen, &new, 0, 4))).expect(200).json();
    assert_eq!(view["keys"][0]["state"], "tainted");
    story.token(&stolen, AUDIENCE, &["read:payments"]).refused("inactive");
    let known = story.client.post("/v1/introspection", &json!({ "token": issued["token"] })).expect(200).json();
    assert_eq!(known["status"], "revoked");
}
