//! Who is not who he says, or may not what he wants.

use serde_json::json;
use xbind::StatusRef;
use xbind::identity::jwk::thumbprint;

use crate::common::client::Request;
use crate::common::key;
use crate::common::tokens::{SCOPES, Special, handed_on, proof, published};
use crate::common::world::{CHAT, World, but, chat};

fn refused(world: &World, request: &Request, status: u16, slug: &str) {
    world.ask(request).expect(status).refused(slug);
    assert_eq!(world.upstream.count(), 0, "it went on: {request:?}");
}

#[test]
fn tokens_that_do_not_hold_lead_nowhere() {
    let world = World::new();
    let (issuer, agent, now) = (key(1), key(2), xbind_runtime::now());
    let tokens = [
        (Special { audience: "https://other.example", ..Special::default() }.token(&issuer, agent.did()), 401),
        (Special { now: now - 700, ..Special::default() }.token(&issuer, agent.did()), 401),
        (Special { now: now + 300, ..Special::default() }.token(&issuer, agent.did()), 401),
        (Special::default().token(&key(9), agent.did()), 401),
        (Special { scopes: "model:gpt", ..Special::default() }.token(&issuer, agent.did()), 403),
        (Special { scopes: "llm:read model:claude", ..Special::default() }.token(&issuer, agent.did()), 403),
        (Special { scopes: "llm:read model:GPT", ..Special::default() }.token(&issuer, agent.did()), 403),
    ];
    for (token, status) in &tokens {
        let slug = if *status == 401 { "not-proven" } else { "scope-denied" };
        refused(&world, &Request::post(CHAT, &chat()).bearer(token), *status, slug);
        refused(&world, &Request::post(CHAT, &chat()).signed(&agent, token, &world.host()), *status, slug);
    }
    let token = world.token(agent.did());
    // Of another, or cut, or with something else in it.
    refused(&world, &Request::post(CHAT, &chat()).signed(&key(3), &token, &world.host()), 401, "not-proven");
    let (signed, _) = token.rsplit_once('.').unwrap();
    for token in ["", "none", signed, &format!("{signed}."), &format!("{token}x"), &token.replace('.', "..")] {
        refused(&world, &Request::post(CHAT, &chat()).bearer(token), 401, "not-proven");
    }
    for (name, value) in [("authorization", "Basic YTpi"), ("authorization", token.as_str()), ("x-api-key", "sk-123")] {
        refused(&world, &Request::post(CHAT, &chat()).with(name, value), 401, "not-proven");
    }
    refused(&world, &Request::post(CHAT, &chat()), 401, "not-proven");
    let both = Request::post(CHAT, &chat()).bearer(&token).with("x-api-key", &token);
    refused(&world, &both, 401, "not-proven");
    let twice = Request::post(CHAT, &chat()).bearer(&token).bearer(&token);
    refused(&world, &twice, 400, "malformed");
    assert_eq!(world.charged(agent.did()), (0, 0));
}

#[test]
fn a_bound_token_wants_a_proof_of_its_key_for_this_very_request() {
    let world = World::new();
    let (agent, url) = (key(2), format!("{}{CHAT}", world.gateway().url()));
    let jkt = thumbprint(agent.did());
    let bound = || Special { bound_to: Some(&jkt), ..Special::default() }.token(&key(1), agent.did());
    let token = bound();
    let with =
        |proof: &str| Request::post(CHAT, &chat()).with("authorization", &format!("DPoP {token}")).with("dpop", proof);
    let no = |request: &Request| {
        let answer = world.ask(request);
        assert!([401, 403].contains(&answer.status), "{answer:?}");
        assert_eq!(world.upstream.count(), 0);
    };
    no(&Request::post(CHAT, &chat()).bearer(&token));
    no(&Request::post(CHAT, &chat()).with("x-api-key", &token));
    no(&Request::post(CHAT, &chat()).with("authorization", &format!("DPoP {token}")));
    no(&Request::post(CHAT, &chat()).bearer(&token).with("dpop", &proof(&agent, "POST", &url, &token)));
    no(&with(&proof(&agent, "GET", &url, &token)));
    no(&with(&proof(&agent, "POST", &format!("{}/v1/messages", world.gateway().url()), &token)));
    no(&with(&proof(&agent, "POST", &format!("https://llm.example{CHAT}"), &token)));
    no(&with(&proof(&agent, "POST", &url, &bound())));
    no(&with(&proof(&key(3), "POST", &url, &token)));
    no(&Request::post(CHAT, &chat()).signed(&key(3), &token, &world.host()));
    let once = with(&proof(&agent, "POST", &url, &token));
    world.ask(&once).expect(200);
    world.ask(&once).expect(409).refused("replayed");
    assert_eq!(world.upstream.count(), 1);
}

#[test]
fn where_tokens_alone_are_not_taken_they_are_not() {
    let world = World::with(|config| config["bearer"] = json!(false));
    let token = world.token(key(2).did());
    refused(&world, &Request::post(CHAT, &chat()).bearer(&token), 401, "not-proven");
    refused(&world, &Request::post(CHAT, &chat()).with("x-api-key", &token), 401, "not-proven");
    world.chat(&key(2), &chat()).expect(200);
}

#[test]
fn what_is_handed_on_only_shrinks() {
    let world = World::new();
    let root = Special { scopes: SCOPES, ..Special::default() }.token(&key(1), key(2).did());
    let ask = |key: &xbind::SigningKey, token: &str, model: &str| {
        let body = but(chat(), "model", model);
        world.ask(&Request::post(CHAT, &body).signed(key, token, &world.host()))
    };
    let less = handed_on(&key(2), &root, key(3).did(), "llm:read");
    ask(&key(3), &less, "gpt").expect(403).refused("scope-denied");
    // Who hands on more than he has is found out, whoever he is.
    let wide = Special { scopes: "llm:read model:gpt model:claude", ..Special::default() };
    let forged = handed_on(&key(2), &wide.token(&key(5), key(2).did()), key(3).did(), "llm:read model:claude");
    ask(&key(3), &forged, "claude").expect(401).refused("not-proven");
    let spliced: Vec<_> = forged.split('.').collect();
    let root_parts: Vec<_> = root.split('.').collect();
    let spliced = [root_parts[0], spliced[1], root_parts[2]].join(".");
    ask(&key(3), &spliced, "claude").expect(401).refused("not-proven");
    let held = handed_on(&key(2), &root, key(3).did(), SCOPES);
    ask(&key(2), &held, "gpt").expect(401).refused("not-proven");
    assert_eq!(world.upstream.count(), 0);
    ask(&key(3), &held, "gpt").expect(200);
}

#[test]
fn a_body_that_changes_after_it_was_signed_is_not_forwarded() {
    let world = World::new();
    let signed = world.signed(&key(2), &chat());
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request = signed.clone();
        change(&mut request);
        let answer = world.ask(&request);
        assert!([400, 401, 405, 415].contains(&answer.status), "{answer:?}");
        assert_eq!(world.upstream.count(), 0);
    };
    changed(&|request| request.body = request.body.replace("hi", "ho"));
    changed(&|request| request.body.push(' '));
    changed(&|request| request.body = request.body.replace("100", "999"));
    changed(&|request| request.target = "/v1/responses".to_owned());
    changed(&|request| request.method = "PUT".to_owned());
    let drop = |name: &'static str| move |request: &mut Request| request.fields.retain(|(known, _)| known != name);
    changed(&drop("content-digest"));
    changed(&drop("xbind-token"));
    changed(&drop("signature"));
    changed(&drop("signature-input"));
    changed(&drop("content-type"));
    let swapped = world.token(key(2).did());
    changed(&|request| {
        for (name, value) in &mut request.fields {
            if name == "xbind-token" {
                value.clone_from(&swapped);
            }
        }
    });
    world.ask(&signed).expect(200);
}

#[test]
fn what_was_accepted_once_is_not_accepted_again_anywhere() {
    let mut world = World::with(|config| config["url"] = json!("http://llm.example"));
    let token = world.token(key(2).did());
    let url = format!("http://llm.example{CHAT}");
    let jkt = thumbprint(key(2).did());
    let bound = Special { bound_to: Some(&jkt), ..Special::default() }.token(&key(1), key(2).did());
    let once = [
        Request::post(CHAT, &chat()).signed(&key(2), &token, "llm.example"),
        Request::post(CHAT, &chat())
            .with("authorization", &format!("DPoP {bound}"))
            .with("dpop", &proof(&key(2), "POST", &url, &bound)),
    ];
    once.iter().for_each(|request| drop(world.ask(request).expect(200)));
    once.iter().for_each(|request| drop(world.ask(request).expect(409).refused("replayed")));
    let beside = world.beside();
    for request in &once {
        let mut wire = crate::common::client::Wire::to(beside.address());
        wire.send(&request.bytes("llm.example"));
        let answer = wire.answer().expect(409).refused("replayed");
        assert_eq!(answer.field("x-should-retry"), Some("false"));
    }
    drop(beside);
    world.restart();
    once.iter().for_each(|request| drop(world.ask(request).expect(409).refused("replayed")));
    assert_eq!(world.upstream.count(), 2);
    let replayed = world.records().iter().filter(|record| record["code"] == "REPLAYED").count();
    assert_eq!(replayed, 3, "all that only the database knew");
}

#[test]
fn what_may_cost_much_wants_somebody_s_yes_to_this_very_request() {
    let world = World::with(|config| {
        config["approval"] = json!({ "above": "0.002", "approvers": [key(7).did().as_str()] });
    });
    let agent = key(2);
    let token = world.token(agent.did());
    world.chat(&agent, &but(chat(), "max_tokens", 10)).expect(200);
    let dear = but(chat(), "max_tokens", 900);
    world.chat(&agent, &dear).expect(403).refused("approval-required");
    world.ask(&Request::post(CHAT, &dear).bearer(&token)).expect(403).refused("approval-required");
    let plain = Request::post(CHAT, &dear).with("host", &world.host());
    let decision = xbind::http::approval::RequestDecision {
        decision: xbind::Decision::Approve,
        caller: *agent.did(),
        recipient: crate::common::tokens::AUDIENCE,
        ttl: 60,
        now: xbind_runtime::now(),
        id: crate::common::bytes(),
    };
    let approval = |by: u8| plain.head(|head| decision.sign(&key(by), head, dear.to_string().as_bytes()).unwrap());
    let with = |body: &serde_json::Value, approval: &str| {
        Request::post(CHAT, body).approved(&agent, &token, &world.host(), Some(approval))
    };
    assert_eq!(world.upstream.count(), 1);
    world.ask(&with(&dear, &approval(8))).expect(403).refused("approval-required");
    world.ask(&with(&but(dear.clone(), "max_tokens", 901), &approval(7))).expect(403).refused("approval-required");
    assert_eq!(world.upstream.count(), 1);
    let yes = approval(7);
    world.ask(&with(&dear, &yes)).expect(200);
    world.ask(&with(&dear, &yes)).expect(403);
    assert_eq!(world.upstream.count(), 2);
}

#[test]
fn whoever_hands_on_a_token_sends_the_gateway_nowhere() {
    let world = World::with(|config| {
        let authority = config["upstreams"]["second"]["url"].clone();
        config["trust"] = json!([key(1).did().as_str(), { "did": key(8).did().as_str(), "url": authority }]);
    });
    let (agent, other) = (key(2), key(3));
    let token = world.token(agent.did());
    for n in 0..20 {
        let status = StatusRef { uri: format!("{}/v1/status/{n}", world.second.url()), index: n };
        let chain = published(&agent, &token, other.did(), SCOPES, Some(&status));
        let request = Request::post(CHAT, &chat()).signed(&other, &chain, &world.host());
        refused(&world, &request, 503, "revocation-unknown");
    }
    assert_eq!(world.second.count(), 0, "the authority was asked for lists that a stranger has named");
    world.chat(&agent, &chat()).expect(200);
}
