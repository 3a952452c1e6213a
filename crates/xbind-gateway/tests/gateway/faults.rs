//! Servers that are slow, gone, that refuse, lie or break off.

use serde_json::json;
use xbind_gateway::By;

use crate::common::client::Answer;
use crate::common::upstream::{self, Do, Gate, LAST, answer, chunk};
use crate::common::world::{REPLY, SECRET, World, but, chat};
use crate::common::{key, until};

const EVENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"he\"}}]}\n\n";

fn two() -> World {
    World::with(|config| config["models"]["gpt"]["upstreams"] = json!(["main", "second"]))
}

/// What was charged for it: all that was reserved, or nothing.
fn charged(world: &World, answer: &Answer) -> u64 {
    world.note(answer.record())["charged"].as_u64().unwrap()
}

#[test]
fn who_refuses_is_heard_but_no_secret_of_the_gateway_s() {
    let world = World::new();
    for status in [401, 403, 407, 301, 302, 500, 502, 503, 529, 404 + 200] {
        let text = format!("{{\"error\":\"the key {SECRET} is wrong\"}}");
        world.upstream.once(vec![Do::Say(answer(status, "application/json", &text))]);
        let answer = world.chat(&key(2), &chat()).expect(502).refused("upstream-failed");
        assert!(!format!("{answer:?}").contains(SECRET));
        assert_eq!(charged(&world, &answer), 0, "{status}");
    }
    for status in [400, 404, 409, 413, 422, 429] {
        let text = "{\"error\":{\"message\":\"too many tokens\"}}";
        let mut said = String::from_utf8(answer(status, "application/json", text)).unwrap();
        said = said.replace(
            "\r\n\r\n",
            "\r\nretry-after: 7\r\nset-cookie: a=b\r\nx-served-by: inside\r\nwww-authenticate: x\r\n\r\n",
        );
        world.upstream.once(vec![Do::Say(said.into())]);
        let answer = world.chat(&key(2), &chat()).expect(status);
        assert_eq!((answer.body.as_str(), answer.field("retry-after")), (text, Some("7")));
        assert!(["set-cookie", "x-served-by", "www-authenticate"].iter().all(|name| answer.field(name).is_none()));
        assert_eq!(world.record(answer.record())["code"], "UPSTREAM_REFUSED");
        assert_eq!(charged(&world, &answer), 0, "{status}");
    }
    assert!(!std::fs::read_to_string(world.log()).unwrap().contains(SECRET));
    until(|| world.usage(By::Agent).first().is_some_and(|row| row.refused == 16 && row.tokens == 0));
}

#[test]
fn a_refusal_that_is_cut_or_coded_is_no_answer() {
    let world = World::new();
    let cut = b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"error\":".to_vec();
    world.upstream.once(vec![Do::Say(cut), Do::Close]);
    world.chat(&key(2), &chat()).expect(502).refused("upstream-failed");
    let coded = b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b".to_vec();
    world.upstream.once(vec![Do::Say(coded)]);
    world.chat(&key(2), &chat()).expect(502).refused("upstream-failed");
    let long = answer(400, "application/json", &"x".repeat(100_000));
    world.upstream.once(vec![Do::Say(long)]);
    world.chat(&key(2), &chat()).expect(502).refused("upstream-failed");
    let endless = b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    world.upstream.once(vec![Do::Say(endless), Do::Endless(chunk(&"x".repeat(1000)))]);
    world.chat(&key(2), &chat()).expect(502).refused("upstream-failed");
}

#[test]
fn another_server_is_asked_only_where_nothing_was_taken() {
    let world = two();
    world.second.says(upstream::json(&REPLY.replace("hello", "second")));
    for status in [429, 500, 502, 503, 529] {
        world.upstream.once(vec![Do::Say(answer(status, "application/json", "{}"))]);
        let answer = world.chat(&key(2), &chat()).expect(200);
        assert!(answer.body.contains("second"));
        assert_eq!(world.note(answer.record())["upstream"], "second");
        assert_eq!(charged(&world, &answer), 15);
    }
    let seen = world.second.last();
    assert_eq!(seen.field("x-api-key"), Some(SECRET));
    assert_eq!(seen.field("authorization"), None, "the key of the other one");
    let before = world.second.count();
    for status in [400, 401, 403, 404, 422] {
        world.upstream.once(vec![Do::Say(answer(status, "application/json", "{}"))]);
        assert!(world.chat(&key(2), &chat()).status >= 400);
    }
    // Nobody knows what it has begun with.
    for turn in [
        vec![Do::Close],
        vec![Do::Say(b"HTTP/1.1 200 OK\r\nconte".to_vec()), Do::Close],
        vec![Do::Say(b"no HTTP\r\n\r\n".to_vec()), Do::Close],
    ] {
        world.upstream.once(turn);
        let answer = world.chat(&key(2), &chat()).expect(502).refused("upstream-failed");
        assert!(charged(&world, &answer) > 1000, "what was reserved stays");
    }
    world.upstream.once(vec![Do::Say(upstream::stream("text/event-stream")), Do::Say(chunk(EVENT)), Do::Close]);
    let answer = world.chat(&key(2), &but(chat(), "stream", true)).expect(200);
    assert!(answer.body.starts_with(EVENT));
    assert_eq!(world.second.count(), before);
}

#[test]
fn a_server_that_is_gone_takes_nothing() {
    let world = World::with(|config| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        config["upstreams"]["main"]["url"] = format!("http://{free}").into();
        config["models"]["claude"]["upstreams"] = json!(["main", "second"]);
        config["models"]["claude"]["scope"] = json!("model:gpt");
    });
    let answer = world.chat(&key(2), &chat()).expect(502).refused("upstream-failed");
    assert_eq!(answer.field("x-should-retry"), None, "it costs nothing");
    assert_eq!(charged(&world, &answer), 0);
    let answer = world.chat(&key(2), &but(chat(), "model", "claude")).expect(200);
    assert_eq!(world.note(answer.record())["upstream"], "second");
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for_for_ever() {
    let world = World::with(|config| {
        config["upstreams"]["main"]["timeout"] = json!(1);
        config["upstreams"]["main"]["idle_timeout"] = json!(1);
        config["models"]["gpt"]["upstreams"] = json!(["main", "second"]);
    });
    let never = Gate::default();
    world.upstream.once(vec![Do::Wait(never.clone())]);
    let late = world.chat(&key(2), &chat()).expect(504).refused("upstream-slow");
    assert_eq!(late.field("x-should-retry"), Some("false"), "it was paid for");
    assert!(charged(&world, &late) > 1000);
    assert_eq!(world.second.count(), 0);
    world.upstream.once(vec![
        Do::Say(upstream::stream("text/event-stream")),
        Do::Say(chunk(EVENT)),
        Do::Wait(never.clone()),
    ]);
    let answer = world.chat(&key(2), &but(chat(), "stream", true)).expect(200);
    assert!(answer.body.starts_with(EVENT) && answer.body.contains("upstream-failed"), "{answer:?}");
    assert!(!answer.body.contains("[DONE]"));
    assert!(charged(&world, &answer) > 1000);
    until(|| world.upstream.gone() == 2);
}

#[test]
fn lengths_that_lie_make_no_whole_answer() {
    let world = World::new();
    let length = REPLY.len();
    let ask = |head: &str, body: &str| {
        let said = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n{body}");
        world.upstream.once(vec![Do::Say(said.into()), Do::Close]);
        world.chat(&key(2), &chat())
    };
    for (head, body) in [
        (format!("content-length: {length}\r\ncontent-length: {}\r\n", length - 1), REPLY.to_owned()),
        (
            format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
            format!("{length:x}\r\n{REPLY}\r\n0\r\n\r\n"),
        ),
        ("content-length: -1\r\n".to_owned(), REPLY.to_owned()),
        ("transfer-encoding: gzip, chunked\r\n".to_owned(), format!("{length:x}\r\n{REPLY}\r\n0\r\n\r\n")),
        ("content-encoding: gzip\r\ncontent-length: 4\r\n".to_owned(), "abcd".to_owned()),
    ] {
        let answer = ask(&head, &body).expect(502).refused("upstream-failed");
        assert!(charged(&world, &answer) > 1000, "{head}");
    }
    for (head, body) in [
        (format!("content-length: {}\r\n", length + 9), REPLY.to_owned()),
        (String::new(), REPLY.to_owned()),
        ("transfer-encoding: chunked\r\n".to_owned(), format!("{length:x}\r\n{REPLY}\r\n")),
        ("transfer-encoding: chunked\r\n".to_owned(), format!("{:x}\r\n{REPLY}", length + 5)),
        (format!("content-length: {}\r\n", length - 9), REPLY.to_owned()),
    ] {
        let answer = ask(&head, &body);
        let is_kept = answer.status == 200 && answer.is_whole && answer.body.len() == length - 9;
        assert!(!answer.is_whole || answer.status == 502 || is_kept, "{head}: {answer:?}");
        let record = world.record(answer.record());
        assert_eq!(record["outcome"], "failed", "{head}");
    }
}

#[test]
fn a_stream_that_is_cut_is_seen_to_be() {
    let world = World::new();
    let mut turn = vec![Do::Say(upstream::stream("text/event-stream")), Do::Say(chunk(EVENT))];
    let mut whole = turn.clone();
    turn.push(Do::Say(b"40\r\ndata: {\"choi".to_vec()));
    turn.push(Do::Close);
    world.upstream.once(turn);
    let body = but(but(chat(), "stream", true), "stream_options", json!({ "include_usage": true }));
    let answer = world.chat(&key(2), &body).expect(200);
    assert!(!answer.is_whole, "in the middle of an event: {answer:?}");
    assert!(charged(&world, &answer) > 1000);
    assert_eq!(world.record(answer.record())["code"], "UPSTREAM_FAILED");

    whole.push(Do::Close);
    world.upstream.once(whole);
    let answer = world.chat(&key(2), &body).expect(200);
    let told = answer.body.strip_prefix(EVENT).unwrap();
    let told: serde_json::Value = serde_json::from_str(told.strip_prefix("data: ").unwrap().trim_end()).unwrap();
    assert_eq!(told["error"]["type"], "api_error", "between two events there is room for a last word");
    assert!(!answer.body.contains("[DONE]"));
}

#[test]
fn an_answer_that_never_ends_is_ended() {
    let world = World::with(|config| config["limits"] = json!({ "answer_bytes": 100_000 }));
    world.upstream.once(vec![Do::Say(upstream::stream("text/event-stream")), Do::Endless(chunk(&EVENT.repeat(50)))]);
    let answer = world.chat(&key(2), &but(chat(), "stream", true)).expect(200);
    assert!((50_000..110_000).contains(&answer.body.len()), "{}", answer.body.len());
    assert!(charged(&world, &answer) > 1000);
    until(|| world.upstream.gone() == 1);
    let json = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n{}",
        "x".repeat(200_000)
    );
    world.upstream.once(vec![Do::Say(json.into())]);
    let answer = world.chat(&key(2), &chat());
    assert!(!answer.is_whole);
    // Heads that never end, too.
    world
        .upstream
        .once(vec![Do::Say(b"HTTP/1.1 200 OK\r\n".to_vec()), Do::Endless("x-a: bbbb\r\n".repeat(200).into())]);
    world.chat(&key(2), &chat()).expect(502).refused("upstream-failed");
}

#[test]
fn a_connection_that_was_closed_meanwhile_costs_nobody_a_request() {
    let world = World::new();
    for _ in 0..20 {
        world.upstream.once(vec![Do::Say(upstream::json(REPLY)), Do::Close]);
        world.chat(&key(2), &chat()).expect(200);
    }
    let mut turn = vec![Do::Say(upstream::stream("text/event-stream")), Do::Say(chunk(EVENT))];
    turn.push(Do::Say(LAST.to_vec()));
    world.upstream.does(turn);
    for _ in 0..5 {
        assert!(world.chat(&key(2), &but(chat(), "stream", true)).expect(200).is_whole);
    }
    assert!(world.upstream.open() <= 2);
}
