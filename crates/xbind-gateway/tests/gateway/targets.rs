//! Requests that two readers could take for different ones, and what of a caller's never goes on.

use serde_json::json;
use xbind_gateway::By;

use crate::common::client::Request;
use crate::common::key;
use crate::common::world::{CHAT, SECRET, World, chat};

#[test]
fn nothing_of_a_caller_s_credentials_or_wishes_goes_on() {
    let world = World::new();
    let token = world.token(key(2).did());
    let spoofed = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
        ("openai-organization", "org-stolen"),
        ("openai-project", "proj-stolen"),
        ("openai-beta", "assistants=v2"),
        ("cookie", "session=stolen"),
        ("x-litellm-api-key", "sk-stolen"),
        ("x-litellm-tags", "free"),
        ("x-portkey-provider", "evil"),
        ("x-portkey-config", "{}"),
        ("helicone-target-url", "http://evil.example"),
        ("x-request-id", "of-the-caller"),
        ("x-user-id", "root"),
        ("x-stainless-lang", "js"),
        ("user-agent", "caller"),
        ("accept-encoding", "gzip"),
        ("tracestate", "vendor=secret"),
        ("xbind-approval", "none"),
    ];
    let with_all = |request: Request| spoofed.iter().fold(request, |request, (name, value)| request.with(name, value));
    let own = |seen: &crate::common::upstream::Seen| {
        let mut names = seen.names();
        names.sort();
        assert_eq!(
            names,
            ["accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "x-request-id"]
        );
        assert_eq!(seen.field("authorization"), Some(format!("Bearer {SECRET}").as_str()));
        assert_eq!(seen.field("accept-encoding"), Some("identity"));
        assert!(!seen.head.contains(&token) && !seen.head.contains("stolen") && !seen.head.contains("of-the-caller"));
    };
    world.ask(&with_all(Request::post(CHAT, &chat())).bearer(&token)).expect(200);
    own(&world.upstream.last());
    world
        .ask(&Request::post(CHAT, &chat()).signed(&key(2), &token, &world.host()).with("x-api-key", &token))
        .expect(200);
    own(&world.upstream.last());
    let spoofed = with_all(Request::post(CHAT, &chat())).signed(&key(2), &token, &world.host());
    assert!(spoofed.fields.len() > 20);
    world.ask(&spoofed).expect(200);
    own(&world.upstream.last());

    let body = json!({ "model": "claude", "max_tokens": 9, "messages": [] });
    let claude = crate::common::tokens::Special { scopes: "llm:read model:claude", ..Default::default() };
    let claude = claude.token(&key(1), key(2).did());
    let ask = |name: &str, value: &str| {
        world.ask(&Request::post("/v1/messages", &body).with("x-api-key", &claude).with(name, value))
    };
    ask("anthropic-beta", "prompt-caching-2024-07-31").expect(400).refused("malformed");
    ask("anthropic-version", "2023-06-01 x").expect(400).refused("malformed");
    ask("anthropic-version", "2024-01-01").expect(200);
    assert_eq!(world.upstream.last().field("anthropic-version"), Some("2024-01-01"));
    assert!(!world.upstream.last().head.contains(&claude));
}

#[test]
fn only_paths_letter_for_letter_lead_anywhere() {
    let world = World::new();
    let token = world.token(key(2).did());
    let ask = |target: &str| world.ask(&Request::post(target, &chat()).bearer(&token)).status;
    for target in [
        "/v1/chat/completions/",
        "//v1/chat/completions",
        "/v1//chat/completions",
        "/V1/chat/completions",
        "/v1/Chat/Completions",
        "/v1/chat/%63ompletions",
        "/v1%2fchat/completions",
        "/v1/chat/completions%00",
        "/v1/chat/completions;a=b",
        "/v1/./chat/completions",
        "/v1/x/../chat/completions",
        "/v1/chat/completions%20",
        "/v1/chat\\completions",
        "/openai/v1/chat/completions",
        "/v1/files",
        "/v1/models/gpt",
        "/api/pull",
        "/",
    ] {
        assert_eq!(ask(target), 404, "{target}");
    }
    for target in ["/v1/chat/completions?", "/v1/chat/completions?model=claude", "/v1/chat/completions?a=/v1/models"] {
        assert_eq!(ask(target), 400, "{target}");
    }
    for target in
        ["http://evil.example/v1/chat/completions", "https://llm.example/v1/chat/completions", "*", "evil.example:80"]
    {
        assert!([400, 404].contains(&ask(target)), "{target}");
    }
    let long = format!("/{}", "a".repeat(9000));
    assert!([404, 414].contains(&ask(&long)));
    let other = |method: &str, target: &str| {
        let request = Request { method: method.to_owned(), ..Request::post(target, &chat()).bearer(&token) };
        world.ask(&request)
    };
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "POSTX"] {
        let answer = other(method, CHAT).expect(405).refused("method-not-allowed");
        assert_eq!(answer.field("allow"), Some("POST"));
    }
    assert_eq!(other("POST", "/v1/models").expect(405).field("allow"), Some("GET"));
    assert_eq!(world.upstream.count(), 0);
    assert_eq!(world.second.count(), 0);
}

/// A second request that hides in the body of the first.
const HIDDEN: &str = "POST /v1/messages HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}";

#[test]
fn a_request_that_ends_in_two_places_is_none() {
    let world = World::new();
    let (host, token, body) = (world.host(), world.token(key(2).did()), chat().to_string());
    let length = body.len();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    );
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let refused = |fields: &str, body: &str| {
        let before = world.upstream.count();
        let answer = world.raw(format!("{head}{fields}\r\n{body}").as_bytes());
        let status = answer.as_ref().map_or(400, |answer| answer.status);
        assert!((400..500).contains(&status), "{fields:?}: {answer:?}");
        assert_eq!(world.upstream.count(), before, "{fields:?}");
    };
    refused(
        &format!("content-length: {length}\r\ncontent-length: {}\r\n", length + HIDDEN.len()),
        &format!("{body}{HIDDEN}"),
    );
    refused(&format!("content-length: 0\r\ncontent-length: {length}\r\n"), &body);
    refused(&format!("content-length: {length}, {length}\r\n"), &body);
    refused(&format!("content-length: +{length}\r\n"), &body);
    refused(&format!("content-length: 0x{length:x}\r\n"), &body);
    refused("content-length: -1\r\n", &body);
    refused("content-length: 99999999999999999999999\r\n", &body);
    refused("transfer-encoding: gzip, chunked\r\n", &chunked);
    refused("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", &chunked);
    refused("transfer-encoding: chunked, identity\r\n", &chunked);
    refused("transfer-encoding: xchunked\r\n", &chunked);
    refused("transfer-encoding : chunked\r\n", &chunked);
    refused("transfer-encoding: chunked\r\n", &format!("{length:x}\n{body}\n0\n\n"));
    refused("transfer-encoding: chunked\r\n", &format!("-{length:x}\r\n{body}\r\n0\r\n\r\n"));
    refused("transfer-encoding: chunked\r\n", &format!("0x{length:x}\r\n{body}\r\n0\r\n\r\n"));
    refused("transfer-encoding: chunked\r\n", &format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"));
    refused(" content-length: 5\r\n", &body);
    refused(&format!("content-length: {length}\r\nx: a\rcontent-length: 5\r\n"), &body);
    // Both: the chunks count, and nothing that follows them.
    for fields in [
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", chunked.len() + HIDDEN.len()),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        "content-length: 4\r\ntransfer-encoding: chunked\r\n".to_owned(),
    ] {
        let before = world.upstream.count();
        let mut wire = world.wire();
        wire.send(format!("{head}{fields}\r\n{chunked}{HIDDEN}").as_bytes());
        let answer = wire.answer().expect(200);
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(wire.ends(), "a second answer came: {fields:?}");
        assert_eq!(world.upstream.count(), before + 1, "{fields:?}");
        assert_eq!(world.upstream.last().text(), body);
    }
}

#[test]
fn chunks_are_taken_and_what_follows_a_request_is_the_next_one() {
    let world = World::new();
    let (host, token, body) = (world.host(), world.token(key(2).did()), chat().to_string());
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    );
    let (first, rest) = body.split_at(7);
    let chunked = format!("7;ext=1\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\nx-trailer: authorization\r\n\r\n", rest.len());
    let mut wire = world.wire();
    let plain = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    wire.send(
        format!(
            "{head}transfer-encoding: chunked\r\n\r\n{chunked}{plain}GET /v1/models HTTP/1.1\r\nhost: {host}\r\n\r\n"
        )
        .as_bytes(),
    );
    wire.answer().expect(200);
    wire.answer().expect(200);
    wire.answer().expect(401).refused("not-proven");
    let seen = world.upstream.seen();
    assert_eq!(seen.iter().map(|seen| seen.text()).collect::<Vec<_>>(), [body.clone(), body.clone()]);
    assert!(seen.iter().all(|seen| seen.field("content-length") == Some(body.len().to_string().as_str())));
    assert!(seen.iter().all(|seen| !seen.head.contains("trailer")));
    world.settled(2);
}

#[test]
fn hosts_are_never_taken_from_a_request() {
    let world = World::new();
    let token = world.token(key(2).did());
    world.ask(&Request::post(CHAT, &chat()).bearer(&token).with("host", "evil.example")).expect(200);
    assert_eq!(world.upstream.last().field("host"), Some(world.upstream.address.to_string().as_str()));
    let twice = Request::post(CHAT, &chat()).bearer(&token).with("host", "a.example").with("host", "b.example");
    world.ask(&twice).expect(400);
    let none = format!("POST {CHAT} HTTP/1.1\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n\r\n");
    world.raw(none.as_bytes()).unwrap().expect(400).refused("malformed");
    let signed = Request::post(CHAT, &chat()).signed(&key(2), &token, "evil.example");
    world.ask(&signed).expect(401);
    assert_eq!(world.upstream.count(), 1);
    assert!(world.usage(By::Agent).len() <= 1);
}
