//! The OpenAPI document against the server: every route, every status and every problem of its own was met, and what came
//! fits its schema.

mod common;

use std::collections::BTreeSet;

use common::client::Request;
use common::issuer::IssuerKey;
use common::key;
use common::oauth::{TYPE, with_proof};
use common::probe::{Probe, name};
use serde_json::{Value, json};
use xbind::{Rotation, SigningKey};
use xbind_authority::oauth::error::Code;
use xbind_authority::problem::Kind;
use xbind_authority::routes::{Access, ROUTES};
use xbind_authority::{openapi, wire};

#[test]
fn every_route_status_and_problem_of_the_document_is_met() {
    let mut probe = Probe::new();
    let (operator, agent, other, stranger) = (key(1), key(2), key(3), key(9));
    for target in [
        "/live",
        "/ready",
        "/metrics",
        "/openapi.json",
        "/v1",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/http-message-signatures-directory",
    ] {
        probe.ask(None, "GET", target, None, "200");
    }
    let domain = json!({ "domain": "example.com" });
    let told = probe.ask(Some(&operator), "POST", "/v1/operators", Some(domain.clone()), "200").json();
    let id = told["id"].as_str().unwrap().to_owned();
    let (txt, value) = (told["txt"]["name"].as_str().unwrap(), told["txt"]["value"].as_str().unwrap());
    let verification = format!("/v1/operators/{id}/verification");
    probe.ask(None, "GET", &format!("/v1/operators/{id}"), None, "not-found");
    probe.ask(Some(&operator), "POST", &verification, Some(domain.clone()), "domain-not-proven");
    probe.story.dns.set(txt, &["silence"]);
    probe.ask(Some(&operator), "POST", &verification, Some(domain.clone()), "dns-unavailable");
    probe.story.dns.set(txt, &[value]);
    probe.ask(Some(&other), "POST", &verification, Some(domain.clone()), "not-permitted");
    probe.ask(Some(&operator), "POST", &verification, Some(domain.clone()), "200");
    let theirs = probe.ask(Some(&other), "POST", "/v1/operators", Some(domain.clone()), "domain-taken");
    assert!(theirs.json().get("code").is_none());
    let theirs = xbind_authority::domain::operator::id_of("example.com", other.did());
    let path = format!("/v1/operators/{theirs}/verification");
    probe.ask(Some(&other), "POST", &path, Some(domain), "domain-taken");
    probe.ask(None, "GET", &format!("/v1/operators/{id}"), None, "200");

    let exchange = format!("/v1/operators/{id}/exchange");
    let policy = json!({ "issuers": [] });
    for (method, body) in [("PUT", Some(policy)), ("GET", None)] {
        probe.ask(Some(&operator), method, &exchange, body.clone(), "200");
        probe.ask(Some(&other), method, &exchange, body.clone(), "not-permitted");
        probe.ask(Some(&operator), method, "/v1/operators/x/exchange", body, "not-found");
    }

    let agents = format!("/v1/operators/{id}/agents");
    let enrol = json!({ "operator": id });
    probe.ask(Some(&agent), "POST", "/v1/enrolments", Some(json!({ "operator": "x" })), "not-found");
    let add = |probe: &mut Probe, key: &SigningKey| {
        let ticket = probe.ask(Some(key), "POST", "/v1/enrolments", Some(enrol.clone()), "200").json();
        json!({ "did": key.did().as_str(), "enrolment": ticket["enrolment"], "scopes": ["read:*"] })
    };
    let ticket = add(&mut probe, &agent);
    probe.ask(Some(&stranger), "POST", &agents, Some(ticket.clone()), "not-permitted");
    probe.ask(Some(&operator), "POST", "/v1/operators/x/agents", Some(ticket.clone()), "not-found");
    let wrong = json!({ "did": other.did().as_str(), "enrolment": ticket["enrolment"] });
    probe.ask(Some(&operator), "POST", &agents, Some(wrong), "enrolment-over");
    probe.ask(Some(&operator), "POST", &agents, Some(ticket.clone()), "201");
    probe.ask(Some(&operator), "POST", &agents, Some(ticket), "agent-taken");
    let ticket = add(&mut probe, &other);
    probe.ask(Some(&operator), "POST", &agents, Some(ticket), "201");
    probe.ask(Some(&operator), "GET", &format!("{agents}?limit=1"), None, "200");
    probe.ask(Some(&agent), "GET", &agents, None, "not-permitted");
    probe.ask(Some(&operator), "GET", "/v1/operators/x/agents", None, "not-found");
    let own = format!("{agents}/{}", agent.did());
    let nobody = format!("{agents}/{}", key(77).did());
    for (way, body) in [
        ("", None),
        ("/scopes", Some(json!({ "scopes": ["read:*"] }))),
        ("/status", Some(json!({ "status": "active" }))),
    ] {
        let method = if way.is_empty() { "GET" } else { "PUT" };
        probe.ask(Some(&operator), method, &format!("{own}{way}"), body.clone(), "200");
        probe.ask(Some(&stranger), method, &format!("{own}{way}"), body.clone(), "not-permitted");
        probe.ask(Some(&operator), method, &format!("{nobody}{way}"), body, "not-found");
    }
    let public = format!("/v1/agents/{}", agent.did());
    for way in ["", "/did.json"] {
        probe.ask(None, "GET", &format!("{public}{way}"), None, "200");
        probe.ask(None, "GET", &format!("/v1/agents/{}{way}", key(77).did()), None, "not-found");
    }
    probe.ask(None, "GET", "/.well-known/http-message-signatures-directory", None, "200");

    let names = "/v1/names/writer.example.com";
    probe.ask(None, "GET", names, None, "not-found");
    probe.ask(Some(&agent), "DELETE", names, None, "not-found");
    probe.ask(Some(&stranger), "PUT", names, Some(json!({})), "not-permitted");
    probe.ask(Some(&agent), "PUT", names, Some(json!({})), "200");
    probe.ask(Some(&other), "PUT", names, Some(json!({})), "name-taken");
    probe.ask(Some(&other), "DELETE", names, None, "not-permitted");
    probe.ask(None, "GET", names, None, "200");
    probe.ask(Some(&agent), "DELETE", names, None, "204");
    probe.ask(None, "GET", names, None, "name-withdrawn");
    for n in 0..16 {
        probe.ask(Some(&agent), "PUT", &format!("/v1/names/n{n}.example.com"), Some(json!({})), "200");
    }
    probe.ask(Some(&agent), "PUT", names, Some(json!({})), "limit-reached");

    let asked = json!({ "did": agent.did().as_str(), "audience": "a", "scopes": ["read:x"] });
    let token = |probe: &mut Probe, key: &SigningKey, scope: &str, challenge: Option<Value>, what: &str| {
        let mut asked = asked.clone();
        asked["did"] = key.did().as_str().into();
        asked["scopes"] = json!([scope]);
        let given = probe.ask(None, "POST", "/v1/challenges", Some(asked), "200").json()["challenge"].clone();
        let challenge = challenge.unwrap_or(given);
        let body = json!({ "challenge": challenge, "audience": "a", "scopes": [scope], "ttl": 60 });
        probe.ask(Some(key), "POST", "/v1/tokens", Some(body), what)
    };
    token(&mut probe, &stranger, "read:x", None, "not-permitted");
    token(&mut probe, &agent, "write:x", None, "scope-denied");
    token(&mut probe, &agent, "read:x", Some(json!("x")), "challenge-over");
    for_nobody(&mut probe, &agent);
    let issued: wire::TokenView = serde_json::from_str(&token(&mut probe, &agent, "read:x", None, "201").body).unwrap();
    probe.ask(None, "POST", "/v1/introspection", Some(json!({ "token": issued.token })), "200");
    probe.ask(None, "GET", "/v1/status/0", None, "200");
    probe.ask(None, "GET", "/v1/status/7", None, "not-found");
    oauth(&mut probe, &agent, &other);
    let issuer = probe.issuer.url();
    let policy = json!({ "issuers": [{ "issuer": issuer, "scopes": { "read": ["read:*"] }, "max_ttl": 60 }] });
    probe.ask(Some(&operator), "PUT", &exchange, Some(policy), "200");
    users(&mut probe, &agent);
    let trail = format!("/v1/audit/tokens/{}", issued.id);
    probe.ask(Some(&agent), "GET", &trail, None, "200");
    probe.ask(Some(&stranger), "GET", &trail, None, "not-permitted");
    probe.ask(Some(&operator), "GET", "/v1/audit?limit=3", None, "200");
    probe.ask(Some(&agent), "GET", "/v1/audit", None, "not-permitted");
    let revocation = format!("/v1/tokens/{}/revocation", issued.id);
    probe.ask(Some(&other), "POST", &revocation, Some(json!({})), "not-found");

    let (now, next) = (xbind_runtime::now(), key(12));
    let rotation = |old: &SigningKey, new: &SigningKey| {
        let rotation = Rotation { old: *old.did(), new: *new.did(), issued_at: now, active_from: now, overlap: 3600 };
        json!({ "rotation": rotation.sign(old, new).unwrap() })
    };
    let rotations = format!("{public}/rotations");
    probe.ask(Some(&stranger), "POST", &rotations, Some(rotation(&agent, &next)), "not-permitted");
    probe.ask(
        Some(&agent),
        "POST",
        &format!("/v1/agents/{}/rotations", key(77).did()),
        Some(rotation(&agent, &next)),
        "not-found",
    );
    probe.ask(Some(&agent), "POST", &rotations, Some(rotation(&agent, &other)), "agent-taken");
    probe.ask(Some(&agent), "POST", &rotations, Some(rotation(&agent, &next)), "200");
    probe.ask(Some(&agent), "POST", &rotations, Some(rotation(&agent, &stranger)), "rotation-refused");

    let status = |probe: &mut Probe, word: &str, what: &str| {
        probe.ask(
            Some(&operator),
            "PUT",
            &format!("{own}/status"),
            Some(json!({ "status": word, "reason": "lost" })),
            what,
        );
    };
    status(&mut probe, "suspended", "200");
    token(&mut probe, &agent, "read:x", None, "inactive");
    probe.ask(Some(&agent), "PUT", names, Some(json!({})), "inactive");
    probe.ask(Some(&next), "POST", &rotations, Some(rotation(&next, &key(13))), "inactive");
    probe.ask(Some(&operator), "POST", &revocation, Some(json!({ "reason": "lost" })), "204");
    status(&mut probe, "revoked", "200");
    status(&mut probe, "active", "conflict");
    probe.ask(Some(&agent), "DELETE", "/v1/names/n0.example.com", None, "inactive");

    let ticket = add(&mut probe, &operator);
    probe.ask(Some(&operator), "POST", &agents, Some(ticket), "conflict");
    let issued = token(&mut probe, &other, "read:x", None, "201").json();
    let emergency = Rotation { old: *other.did(), new: *key(14).did(), issued_at: now, active_from: now, overlap: 0 };
    let statement = json!({ "rotation": emergency.sign(&other, &key(14)).unwrap() });
    probe.ask(Some(&other), "POST", &format!("/v1/agents/{}/rotations", other.did()), Some(statement), "200");
    let revocation = format!("/v1/tokens/{}/revocation", issued["id"].as_str().unwrap());
    probe.ask(Some(&other), "POST", &revocation, Some(json!({})), "inactive");
    probe.ask(Some(&other), "GET", &format!("{agents}/{}", other.did()), None, "inactive");
    probe.ask(Some(&other), "GET", &trail, None, "inactive");
    probe.ask(Some(&key(14)), "POST", &revocation, Some(json!({})), "204");

    let by = |new: &SigningKey, overlap: u64| {
        let rotation = Rotation { old: *operator.did(), new: *new.did(), issued_at: now, active_from: now, overlap };
        Some(json!({ "rotation": rotation.sign(&operator, new).unwrap() }))
    };
    let rotations = format!("/v1/operators/{id}/rotations");
    probe.ask(Some(&stranger), "POST", &rotations, by(&key(15), 0), "not-permitted");
    probe.ask(Some(&operator), "POST", "/v1/operators/x/rotations", by(&key(15), 0), "not-found");
    probe.ask(Some(&operator), "POST", &rotations, by(&other, 0), "agent-taken");
    probe.ask(Some(&operator), "POST", &rotations, by(&key(15), 60), "rotation-refused");
    probe.ask(Some(&operator), "POST", &rotations, by(&key(15), 0), "200");
    let operator = key(15);
    probe.ask(None, "GET", &format!("/v1/operators/{id}"), None, "200");

    // Nothing can be put on record any more: nothing is done.
    let log = probe.story.folder.join("authority/audit.jsonl");
    std::fs::rename(&log, log.with_extension("moved")).unwrap();
    let scopes = json!({ "scopes": ["admin:all"] });
    probe.ask(Some(&operator), "PUT", &format!("{agents}/{}/scopes", other.did()), Some(scopes), "audit-failed");
    probe.ask(None, "GET", "/ready", None, "audit-failed");
    std::fs::rename(log.with_extension("moved"), &log).unwrap();

    // Registering agents until there is no room takes a million: tests/store.rs has the bound; tests/elsewhere.rs has signers.
    let beyond = [
        ("POST /v1/operators/{operator}/agents", Kind::LimitReached),
        ("POST /v1/tokens", Kind::SignerFailed),
        ("GET /v1/status/{list}", Kind::SignerFailed),
    ];
    let mut missing = Vec::new();
    for route in ROUTES {
        let own = route.problems.iter().filter(|kind| !beyond.contains(&(name(route).as_str(), **kind)));
        let errors = route.errors.iter().map(|code| code.name().to_owned());
        let wanted = own.map(|kind| kind.slug().to_owned()).chain([route.answer.0.to_string()]).chain(errors);
        missing.extend(wanted.map(|what| (name(route), what)).filter(|wanted| !probe.met.contains(wanted)));
    }
    assert!(missing.is_empty(), "documented, and never met: {missing:?}");
}

/// A user's token exchanged, and the end of his session.
fn users(probe: &mut Probe, agent: &SigningKey) {
    let (now, issuer, key) = (xbind_runtime::now(), probe.issuer.url(), IssuerKey::ed25519(1));
    let claims = json!({ "iss": issuer, "sub": "alice", "aud": "authority", "scope": "read", "iat": now, "exp": now.saturating_add(60) });
    let (user, assertion) = (key.token("k", "at+jwt", &claims), probe.story.assertion(agent));
    let asked = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_assertion_type", TYPE),
        ("client_assertion", &assertion),
        ("subject_token", &user),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", "read:x"),
        ("audience", "a"),
    ];
    probe.form("/oauth/token", &asked, "200");
    let events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let claims = json!({ "iss": issuer, "sub": "alice", "aud": "authority", "iat": now, "jti": "1", "events": events });
    let logout = key.token("k", "logout+jwt", &claims);
    for what in ["200", "invalid_request"] {
        probe.form("/oauth/backchannel-logout", &[("logout_token", &logout)], what);
    }
}

/// A user's token by nobody whose users are known here.
fn for_nobody(probe: &mut Probe, agent: &SigningKey) {
    let asked = json!({ "did": agent.did().as_str(), "audience": "a", "scopes": ["read:x"] });
    let given = probe.ask(None, "POST", "/v1/challenges", Some(asked), "200").json().get("challenge").cloned();
    let user =
        common::oauth::jws(&key(9), &json!({ "alg": "EdDSA", "kid": "k", "typ": "at+jwt" }), &json!({ "iss": "x" }));
    let body = json!({ "challenge": given, "audience": "a", "scopes": ["read:x"], "subject_token": user,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token" });
    probe.ask(Some(agent), "POST", "/v1/tokens", Some(body), "subject-refused");
}

fn oauth(probe: &mut Probe, agent: &SigningKey, other: &SigningKey) {
    let mut ask = |changes: &[(&str, &str)], what: &str| {
        let assertion = probe.story.assertion(agent);
        let usual = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("client_assertion", &assertion),
            ("scope", "read:x"),
            ("audience", "a"),
        ];
        let kept = usual.iter().filter(|(name, _)| !changes.iter().any(|(other, _)| name == other));
        let parameters: Vec<_> = kept.chain(changes).copied().collect();
        probe.form("/oauth/token", &parameters, what);
    };
    ask(&[], "200");
    ask(&[("grant_type", "password")], "unsupported_grant_type");
    ask(&[("scope", "write:x")], "invalid_scope");
    ask(&[("resource", "https://api.example")], "invalid_target");
    ask(&[("client_assertion", "x")], "invalid_client");
    ask(&[("grant_type", "")], "invalid_request");
    let assertion = probe.story.assertion(agent);
    let unproven = with_proof(probe.story.asks(&assertion), "x");
    probe.send("POST", "/oauth/token", &unproven, "invalid_dpop_proof");
    let token = probe.story.access_token(agent, "a");
    let about = |probe: &mut Probe, key: &SigningKey, path: &str, what: &str| {
        let assertion = probe.story.assertion(key);
        let parameters = [("client_assertion_type", TYPE), ("client_assertion", &*assertion), ("token", &token)];
        probe.form(path, &parameters, what);
    };
    about(probe, other, "/oauth/revoke", "unauthorized_client");
    about(probe, agent, "/oauth/introspect", "200");
    about(probe, agent, "/oauth/revoke", "200");
    about(probe, agent, "/oauth/introspect", "200");
}

#[test]
fn a_route_that_is_open_to_all_refuses_a_signature_that_does_not_hold_as_it_documents() {
    let mut probe = Probe::new();
    for route in ROUTES.iter().filter(|route| route.access == Access::Anybody) {
        let target = route.path.replace("{operator}", "x").replace("{did}", key(7).did().as_str());
        let target = target.replace("{list}", "0").replace("{name}", "a.example.com");
        let body = route.body.map(|_| json!({}));
        let elsewhere = Request::new(route.method, &target, body.as_ref()).signed(&key(9), "elsewhere.example");
        probe.send(route.method, &target, &elsewhere, "not-proven");
    }
    let host = probe.story.client.host();
    let once = Request::new("GET", "/v1", None).signed(&key(9), &host);
    probe.send("GET", "/v1", &once, "200");
    probe.send("GET", "/v1", &once, "replayed");
}

#[test]
fn the_document_has_every_route_and_leads_nowhere_else() {
    let document = openapi::document("https://authority.example");
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let operations: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(operations, ROUTES.len());
    let mut ids = BTreeSet::new();
    for path in paths.values() {
        for operation in path.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()));
        }
    }
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "nothing is a {name}");
    }
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is not there");
    }
    let slugs: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
    assert_eq!(slugs.len(), Kind::ALL.len());
}

#[test]
fn the_page_lists_every_problem_and_route() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/authority.md")).unwrap();
    let rows: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter_map(|(slug, rest)| Some((slug, rest.split(' ').next()?.parse::<u16>().ok()?)))
        .collect();
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| (kind.slug(), kind.status())).collect();
    assert_eq!(rows, kinds);
    let oauth = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/oauth.md")).unwrap();
    let rows: Vec<_> = oauth
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter_map(|(name, rest)| Some((name, rest.split(' ').next()?.parse::<u16>().ok()?)))
        .collect();
    let codes: Vec<_> = Code::ALL.iter().map(|code| (code.name(), code.status())).collect();
    assert_eq!(rows, codes);
    for route in ROUTES {
        let page = if route.access.is_oauth() { &oauth } else { &page };
        assert!(page.contains(&format!("`{}`", route.path)), "{} is not on the page", route.path);
    }
}
