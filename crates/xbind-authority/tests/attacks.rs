//! What must not work.

mod common;

use std::sync::{Arc, Barrier};
use std::thread;

use common::client::{Client, Request};
use common::key;
use common::story::{DOMAIN, Story};
use serde_json::json;

const AUDIENCE: &str = "https://api.example.com";

#[test]
fn a_proof_counts_once_and_for_what_it_was_made() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(&["read:payments", "write:payments"]);
    let host = story.client.host();
    let challenge = story.challenge(&agent, AUDIENCE, &["read:payments"]);
    let ask = |audience: &str, scope: &str| json!({ "challenge": challenge, "audience": audience, "scopes": [scope] });
    let post = |body: &serde_json::Value| Request::new("POST", "/v1/tokens", Some(body));

    for (why, body) in [
        ("another audience", ask("https://evil.example", "read:payments")),
        ("another scope", ask(AUDIENCE, "write:payments")),
    ] {
        let refused = story.client.send(&post(&body).signed(&agent, &host));
        assert_eq!(refused.refused("challenge-over").status, 410, "{why}");
    }
    let body = ask(AUDIENCE, "read:payments");
    let other = key(3);
    story.client.send(&post(&body).signed(&other, &host)).refused("not-permitted");
    let proof = post(&body).signed(&agent, &host);
    story.client.send(&proof).expect(201);
    story.client.send(&proof).expect(409).refused("replayed");
    story.client.send(&post(&body).signed(&agent, &host)).expect(410).refused("challenge-over");
}

#[test]
fn of_many_who_use_one_challenge_at_once_one_wins() {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(&["read:payments"]);
    for same in [true, false] {
        let host = story.client.host();
        let challenge = story.challenge(&agent, AUDIENCE, &["read:payments"]);
        let body = json!({ "challenge": challenge, "audience": AUDIENCE, "scopes": ["read:payments"] });
        let sign = || Request::new("POST", "/v1/tokens", Some(&body)).signed(&agent, &host);
        let first = sign();
        let requests: Vec<_> = (0..32).map(|_| if same { first.clone() } else { sign() }).collect();
        let start = Arc::new(Barrier::new(requests.len()));
        let address = story.server.address();
        let answers: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let start = start.clone();
                thread::spawn(move || {
                    let mut client = Client::new(address);
                    client.get("/live").expect(200);
                    start.wait();
                    client.send(&request).status
                })
            })
            .collect();
        let answers: Vec<_> = answers.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|status| [201, 409, 410].contains(status)), "{answers:?}");
    }
}

#[test]
fn a_domain_is_its_first_owners_whatever_dns_says_later() {
    let mut story = Story::new();
    let (first, second) = (key(1), key(5));
    let body = json!({ "domain": DOMAIN });
    let told = story.client.ask(&second, "POST", "/v1/operators", Some(&body)).expect(200).json();
    assert_eq!(told["status"], "pending");
    let (name, value) = (told["txt"]["name"].as_str().unwrap(), told["txt"]["value"].as_str().unwrap());
    let path = format!("/v1/operators/{}/verification", told["id"].as_str().unwrap());
    let verify = |story: &mut Story| story.client.ask(&second, "POST", &path, Some(&body));

    verify(&mut story).expect(422).refused("domain-not-proven");
    story.client.get(&format!("/v1/operators/{}", told["id"].as_str().unwrap())).expect(404);
    for (why, texts) in [
        ("none of ours", vec!["v=spf1 -all"]),
        (
            "somebody else's",
            vec!["xbind-operator=did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK authority=x"],
        ),
        ("two", vec![value, "xbind-operator=did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK authority=x"]),
        ("more behind it", vec![&format!("{value} ")]),
        ("another case", vec![&value.to_uppercase()]),
    ] {
        story.dns.set(name, &texts);
        assert_eq!(verify(&mut story).problem(), "domain-not-proven", "{why}");
    }
    // A second one that is no text, or stands behind many others.
    let other = b"xbind-operator=\xff";
    let many: Vec<&[u8]> =
        [value.as_bytes()].into_iter().chain([&b"x"[..]; 70]).chain([&b"xbind-operator="[..]]).collect();
    for texts in [&[value.as_bytes(), other][..], &many] {
        story.dns.set_bytes(name, texts);
        verify(&mut story).refused("domain-not-proven");
    }
    story.dns.set(name, &["silence"]);
    assert_eq!(verify(&mut story).expect(503).problem(), "dns-unavailable");

    // Another than the signer cannot use what is there for him, nor another path of his own.
    let id = story.operator(&first, DOMAIN);
    story.dns.set(name, &[value]);
    verify(&mut story).expect(409).refused("domain-taken");
    story.client.ask(&second, "POST", "/v1/operators", Some(&body)).expect(409).refused("domain-taken");
    let others = format!("/v1/operators/{id}/verification");
    story.client.ask(&second, "POST", &others, Some(&body)).expect(403).refused("not-permitted");
    let again = story.client.ask(&first, "POST", &others, Some(&body)).expect(200).json();
    assert_eq!(again["status"], "verified");
    for domain in
        ["example", "EXAMPLE.com", "example.com.", "ex ample.com", "127.0.0.1", "-a.com", "a..com", "é.com", ""]
    {
        let body = json!({ "domain": domain });
        story.client.ask(&second, "POST", "/v1/operators", Some(&body)).expect(400).refused("malformed");
    }
}

#[test]
fn an_answer_that_changes_between_two_questions_proves_what_it_says_then() {
    let mut story = Story::new();
    let operator = key(1);
    let body = json!({ "domain": DOMAIN });
    let told = story.client.ask(&operator, "POST", "/v1/operators", Some(&body)).expect(200).json();
    let (name, value) = (told["txt"]["name"].as_str().unwrap(), told["txt"]["value"].as_str().unwrap());
    story.dns.set_turns(name, &[&["nothing yet"], &[value], &["gone"]]);
    let path = format!("/v1/operators/{}/verification", told["id"].as_str().unwrap());
    // Nothing is remembered of an answer: each request asks anew.
    story.client.ask(&operator, "POST", &path, Some(&body)).expect(422);
    story.client.ask(&operator, "POST", &path, Some(&body)).expect(200);
    story.client.ask(&operator, "POST", &path, Some(&body)).expect(200);
}

#[test]
fn a_management_signature_counts_for_one_request_only() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:payments"]);
    let host = story.client.host();
    let path = format!("/v1/operators/{id}/agents/{}/scopes", agent.did());
    let body = json!({ "scopes": ["read:payments", "admin:all"] });
    let plain = Request::new("PUT", &path, Some(&body));
    story.client.send(&plain).expect(401).refused("not-proven");
    for who in [&agent, &key(7)] {
        story.client.send(&plain.clone().signed(who, &host)).expect(403).refused("not-permitted");
    }
    let captured = plain.signed(&operator, &host);
    let status = format!("/v1/operators/{id}/agents/{}/status", agent.did());
    let moved = |change: &dyn Fn(&mut Request)| {
        let mut request = captured.clone();
        change(&mut request);
        request
    };
    let others = [
        ("method", moved(&|request| request.method = "POST".to_owned())),
        ("path", moved(&|request| request.target = status.clone())),
        ("query", moved(&|request| request.target.push_str("?status=active"))),
        ("body", moved(&|request| request.body = json!({ "scopes": ["admin:all"] }).to_string())),
        ("no body", moved(&|request| request.body.clear())),
        (
            "host",
            moved(&|request| {
                request.fields.iter_mut().filter(|f| f.0 == "host").for_each(|f| f.1 = "evil.example".to_owned())
            }),
        ),
        ("two hosts", moved(&|request| request.fields.push(("host".to_owned(), "evil.example".to_owned())))),
        ("no digest", moved(&|request| request.fields.retain(|f| f.0 != "content-digest"))),
        (
            "type",
            moved(&|request| {
                request.fields.iter_mut().filter(|f| f.0 == "content-type").for_each(|f| f.1 = "text/plain".to_owned())
            }),
        ),
        ("no signature", moved(&|request| request.fields.retain(|f| f.0 != "signature"))),
        ("encoded path", moved(&|request| request.target = request.target.replace("did:key", "did%3Akey"))),
        ("absolute target", moved(&|request| request.target = format!("http://{host}{}", request.target))),
    ];
    for (what, request) in others {
        let refused = Client::new(story.server.address()).send(&request);
        assert!([400, 401, 405, 415].contains(&refused.status), "{what}: {refused:?}");
        assert!(refused.status == 405 || !refused.problem().is_empty());
    }
    let agent_path = format!("/v1/operators/{id}/agents/{}", agent.did());
    let seen = story.client.ask(&operator, "GET", &agent_path, None).expect(200).json();
    assert_eq!(seen["scopes"], json!(["read:payments"]));
    story.client.send(&captured).expect(200);
    story.client.send(&captured).expect(409).refused("replayed");
    // Not after a restart either, and a later change is not undone by it.
    story.client.ask(&operator, "PUT", &path, Some(&json!({ "scopes": [] }))).expect(200);
    story.restart();
    story.client.send(&captured).expect(409).refused("replayed");
    let seen = story.client.ask(&operator, "GET", &agent_path, None).expect(200).json();
    assert_eq!(seen["scopes"], json!([]));
    story.token(&agent, AUDIENCE, &["read:payments"]).expect(403).refused("scope-denied");
}

#[test]
fn an_agent_widens_nothing_and_reads_nothing_of_others() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:*"]);
    let other = key(3);
    story.agent(&operator, &id, &other, &[]);
    story.token(&agent, AUDIENCE, &["read:payments"]).expect(201);
    story.token(&agent, AUDIENCE, &["admin:root"]).expect(403).refused("scope-denied");
    story.token(&agent, AUDIENCE, &["read:payments", "admin:root"]).expect(403).refused("scope-denied");
    story.token(&other, AUDIENCE, &["read:payments"]).expect(403).refused("scope-denied");
    story.token(&key(8), AUDIENCE, &["read:payments"]).expect(403).refused("not-permitted");
    let (own, others) =
        (format!("/v1/operators/{id}/agents/{}", agent.did()), format!("/v1/operators/{id}/agents/{}", other.did()));
    story.client.ask(&agent, "GET", &own, None).expect(200);
    story.client.ask(&agent, "GET", &others, None).expect(403);
    story.client.ask(&agent, "GET", &format!("/v1/operators/{id}/agents"), None).expect(403);
    story.client.ask(&agent, "GET", "/v1/audit", None).expect(403);
    story.client.ask(&agent, "PUT", &format!("{own}/status"), Some(&json!({ "status": "active" }))).expect(403);

    // Another operator has no say here.
    let stranger = key(6);
    let theirs = story.operator(&stranger, "example.org");
    story.client.ask(&stranger, "GET", &own, None).expect(403);
    story.client.ask(&stranger, "GET", &format!("/v1/operators/{theirs}/agents/{}", agent.did()), None).expect(404);
    let path = format!("/v1/operators/{theirs}/agents/{}/status", agent.did());
    story.client.ask(&stranger, "PUT", &path, Some(&json!({ "status": "revoked" }))).expect(404);
    story.token(&agent, AUDIENCE, &["read:payments"]).expect(201);
}

#[test]
fn an_agent_is_taken_in_by_the_operator_it_chose() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&[]);
    let (new, stranger) = (key(3), key(6));
    let theirs = story.operator(&stranger, "example.org");
    let enrol = |story: &mut Story, key: &xbind::SigningKey, id: &str| {
        story.client.ask(key, "POST", "/v1/enrolments", Some(&json!({ "operator": id }))).expect(200).json()["enrolment"]
            .clone()
    };
    let add = |story: &mut Story, by: &xbind::SigningKey, id: &str, did: &str, enrolment: &serde_json::Value| {
        let body = json!({ "did": did, "enrolment": enrolment });
        story.client.ask(by, "POST", &format!("/v1/operators/{id}/agents"), Some(&body))
    };
    let did = new.did().as_str();
    let mine = enrol(&mut story, &new, &id);
    add(&mut story, &stranger, &theirs, did, &mine).expect(410).refused("enrolment-over");
    add(&mut story, &stranger, &id, did, &mine).expect(403).refused("not-permitted");
    add(&mut story, &operator, &id, key(4).did().as_str(), &mine).expect(410).refused("enrolment-over");
    add(&mut story, &operator, &id, did, &json!("")).expect(410);
    add(&mut story, &operator, &id, did, &mine).expect(201);
    add(&mut story, &operator, &id, did, &mine).expect(409).refused("agent-taken");
    let twice = enrol(&mut story, &agent, &theirs);
    add(&mut story, &stranger, &theirs, agent.did().as_str(), &twice).expect(409).refused("agent-taken");
    let root = enrol(&mut story, &operator, &id);
    add(&mut story, &operator, &id, operator.did().as_str(), &root).expect(409).refused("conflict");
    let nobody = story.client.ask(&new, "POST", "/v1/enrolments", Some(&json!({ "operator": "nobody" })));
    nobody.expect(404).refused("not-found");
}

#[test]
fn a_trail_is_for_those_whom_it_concerns() {
    let mut story = Story::new();
    let (id, operator, agent) = story.begun(&["read:payments"]);
    let (other, service, stranger) = (key(3), key(4), key(6));
    for agent in [&other, &service] {
        story.agent(&operator, &id, agent, &[]);
    }
    let theirs = story.operator(&stranger, "example.org");
    story.agent(&stranger, &theirs, &key(13), &[]);
    let issued = story.token(&agent, service.did().as_str(), &["read:payments"]).expect(201).json();
    story.token(&agent, AUDIENCE, &["admin:root"]).expect(403);
    let trail = issued["audit_url"].as_str().unwrap().strip_prefix(story.server.url()).unwrap().to_owned();
    story.client.get(&trail).expect(401);
    for concerned in [&operator, &agent, &service] {
        let records = story.client.ask(concerned, "GET", &trail, None).expect(200).json();
        assert_eq!(records["records"][0]["event"], "token.issued");
        assert_eq!(records["records"].as_array().unwrap().len(), 1);
    }
    for other in [&other, &stranger, &key(9), &key(13)] {
        story.client.ask(other, "GET", &trail, None).expect(403).refused("not-permitted");
    }
    for id in ["x".repeat(2000), "x".repeat(22), "%0a".to_owned()] {
        let refused = story.client.ask(&agent, "GET", &format!("/v1/audit/tokens/{id}"), None).expect(400);
        assert_eq!(refused.problem(), "malformed", "{id}");
    }
    let all = |story: &mut Story, key: &xbind::SigningKey, query: &str| {
        let found = story.client.ask(key, "GET", &format!("/v1/audit{query}"), None).expect(200).json();
        found["records"].as_array().unwrap().clone()
    };
    let ours = all(&mut story, &operator, "?limit=1000");
    assert!(ours.iter().all(|record| record["chain"][0] == operator.did().as_str()));
    let refused: Vec<_> = ours.iter().filter(|record| record["outcome"] == "refused").collect();
    assert!(refused.iter().any(|record| record["code"] == "SCOPE_DENIED" && record["event"] == "token.issued"));
    let of_agent = all(&mut story, &operator, &format!("?agent={}", agent.did()));
    assert!(!of_agent.is_empty() && of_agent.len() < ours.len());
    let theirs = all(&mut story, &stranger, &format!("?agent={}", agent.did()));
    assert!(theirs.is_empty(), "{theirs:?}");
    let first = all(&mut story, &operator, "?limit=1");
    assert_eq!(first.len(), 1);
    let after = first[0]["seq"].as_u64().unwrap();
    assert!(all(&mut story, &operator, &format!("?after={after}")).iter().all(|r| r["seq"].as_u64().unwrap() > after));
}

#[test]
fn nothing_that_a_request_holds_is_fetched() {
    let mut story = Story::new();
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}", trap.local_addr().unwrap());
    let (_, _, agent) = story.begun(&["read:payments"]);
    story.token(&agent, &url, &["read:payments"]).expect(201);
    let draft = xbind::CardDraft {
        name: Some("writer"),
        methods: &[],
        addresses: std::slice::from_ref(&url),
        ttl: 600,
        now: xbind_runtime::now(),
    };
    let card = json!({ "card": draft.sign(&agent).unwrap() });
    story.client.ask(&agent, "PUT", "/v1/names/writer.example.com", Some(&card)).expect(200);
    let mut request = Request::new("GET", "/v1", None);
    request.fields.push(("signature-agent".to_owned(), format!("\"{url}\"")));
    request.fields.push(("x-forwarded-host".to_owned(), url.clone()));
    story.client.send(&request).expect(200);
    for domain in ["169.254.169.254", "localhost", "[::1]"] {
        let body = json!({ "domain": domain });
        story.client.ask(&agent, "POST", "/v1/operators", Some(&body)).expect(400);
    }
    assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
