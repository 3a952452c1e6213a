//! What a request asks for: no other model, and no more than can be paid for, however it is written.

use serde_json::json;

use crate::common::client::Request;
use crate::common::key;
use crate::common::tokens::Special;
use crate::common::world::{CHAT, World, but, chat};

#[test]
fn no_spelling_leads_to_another_model() {
    let world = World::new();
    let token = world.token(key(2).did());
    let ask = |body: &str| world.ask(&Request::text(CHAT, body).bearer(&token));
    let of = |model: &str| format!(r#"{{"model":{},"messages":[],"max_tokens":5}}"#, json!(model));
    let names =
        ["GPT", "Gpt", " gpt", "gpt ", "gpt\u{200b}", "ｇｐｔ", "gpt/../claude", "main/gpt", "openai/gpt", "g\u{440}t"];
    for name in names.into_iter().chain(["gpt,claude", "gpt:latest", "other", "CLAUDE", "*", "gpt%00"]) {
        ask(&of(name)).expect(404).refused("unknown-model");
    }
    for name in ["", "gpt\u{0}", "gpt\n", "gpt\t"] {
        ask(&of(name)).expect(400).refused("malformed");
    }
    ask(&of("claude")).expect(403).refused("scope-denied");
    ask(&of("Other")).expect(403).refused("scope-denied");
    for body in [
        r#"{"model":"gpt","model":"claude","messages":[]}"#,
        r#"{"model":"gpt","mod\u0065l":"claude","messages":[]}"#,
        r#"{"model":"gpt","Model":"claude","messages":[]}"#,
        r#"{"model":"gpt","MODEL":"claude","messages":[]}"#,
        r#"{"model":["gpt","claude"],"messages":[]}"#,
        r#"{"model":{"name":"gpt"},"messages":[]}"#,
        r#"{"model":null,"messages":[]}"#,
        r#"{"messages":[]}"#,
        r#"{"model":"gpt","models":["claude"],"messages":[]}"#,
        r#"{"model":"gpt","fallbacks":["claude"],"messages":[]}"#,
        r#"{"model":"gpt","extra_body":{"model":"claude"},"messages":[]}"#,
        r#"{"model":"gpt","api_base":"http://evil.example","messages":[]}"#,
        r#"{"model":"gpt","api_key":"sk-other","messages":[]}"#,
        r#"{"model":"gpt","route":"fallback","messages":[]}"#,
        r#"{"model":"gpt","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}"#,
        r#"[{"model":"gpt"}]"#,
        r#"{"model":"gpt","messages":[]}{"model":"claude"}"#,
        r#"{"model":"gpt","messages":[],}"#,
        "\u{feff}{\"model\":\"gpt\",\"messages\":[]}",
        r#"{"model":"gpt","messages":[],"temperature":NaN}"#,
        "{}",
        "null",
        "",
    ] {
        let answer = ask(body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    let deep = format!(r#"{{"model":"gpt","messages":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    ask(&deep).expect(400).refused("malformed");
    assert_eq!(world.upstream.count(), 0);
    // One spelled with escapes is that one, and the bytes stay.
    let escaped = r#"{"model":"g\u0070t","messages":[],"max_tokens":5}"#;
    ask(escaped).expect(200);
    assert_eq!(world.upstream.last().text(), escaped);
}

#[test]
fn a_model_goes_by_its_own_name_there() {
    let world = World::with(|config| config["models"]["gpt"]["name"] = json!("gpt-5-2026-01-01"));
    world.chat(&key(2), &chat()).expect(200);
    assert_eq!(world.upstream.last().json()["model"], "gpt-5-2026-01-01");
    world.chat(&key(2), &but(chat(), "model", "gpt-5-2026-01-01")).expect(404).refused("unknown-model");
}

#[test]
fn limits_are_whole_numbers_or_nothing_goes_on() {
    let world = World::new();
    let token = world.token(key(2).did());
    let with = |member: &str, value: &str| {
        let body = format!(r#"{{"model":"gpt","messages":[],"{member}":{value}}}"#);
        world.ask(&Request::text(CHAT, &body).bearer(&token))
    };
    let wrong = [
        "-1",
        "0",
        "-0",
        "1.5",
        "1e3",
        "1E2",
        "1.0",
        "4294967296000",
        "18446744073709551616",
        "99999999999999999999999",
        "\"5\"",
        "true",
        "[5]",
        "{}",
        "2147483649",
    ];
    for member in ["max_tokens", "max_completion_tokens", "n"] {
        for value in wrong {
            let answer = with(member, value);
            assert_eq!(answer.status, 400, "{member}: {value}: {answer:?}");
        }
    }
    with("n", "129").expect(400);
    with("max_tokens", "5,\"max_completion_tokens\":6").expect(400);
    assert_eq!(world.upstream.count(), 0);
    // What nobody limited is limited, and what is above the model's limit is lowered to it.
    with("n", "2").expect(200);
    assert_eq!(world.upstream.last().json()["max_completion_tokens"], 1000);
    with("max_tokens", "2000000000").expect(200);
    assert_eq!(world.upstream.last().json()["max_tokens"], 1000);
    with("max_tokens", "null").expect(200);
    assert_eq!(world.upstream.last().json()["max_completion_tokens"], 1000);
    let ollama = |options: serde_json::Value| {
        let body = json!({ "model": "gpt", "prompt": "hi", "stream": false, "options": options });
        world.ask(&Request::post("/api/generate", &body).bearer(&token))
    };
    for value in [json!(-1), json!(-2), json!(0), json!(1.5), json!("9"), json!(3_000_000_000_u64)] {
        ollama(json!({ "num_predict": value })).expect(400);
    }
    ollama(json!({ "num_predict": 5, "num_gpu": 3 })).expect(400);
    ollama(json!({ "num_predict": 5 })).expect(200);
}

#[test]
fn tools_are_rights_of_their_own() {
    let world = World::new();
    let tool = |name: &str| json!([{ "type": "function", "function": { "name": name, "parameters": {} } }]);
    let scopes = "llm:read model:gpt tool:weather";
    let token = Special { scopes, ..Special::default() }.token(&key(1), key(2).did());
    let ask = |tools: serde_json::Value| {
        world.ask(&Request::post(CHAT, &but(chat(), "tools", tools)).signed(&key(2), &token, &world.host()))
    };
    ask(tool("shell")).expect(403).refused("scope-denied");
    ask(tool("weather\" tool:\"shell")).expect(403).refused("scope-denied");
    ask(json!([{ "type": "web_search" }])).expect(403).refused("scope-denied");
    ask(json!("all")).expect(400);
    assert_eq!(world.upstream.count(), 0);
    ask(tool("weather")).expect(200);
}

#[test]
fn bodies_are_json_of_a_size_that_fits() {
    let world = World::with(|config| config["limits"] = json!({ "body_bytes": 2000, "all_body_bytes": 8000 }));
    let token = world.token(key(2).did());
    let ask = |request: Request| world.ask(&request.bearer(&token));
    let long = but(chat(), "user", "x".repeat(3000));
    ask(Request::post(CHAT, &long)).expect(413).refused("too-large");
    let chunked = Request::text(CHAT, &format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.to_string().len()));
    ask(chunked.with("transfer-encoding", "chunked")).expect(413).refused("too-large");
    for content_type in ["text/plain", "application/jsonx", "multipart/form-data; boundary=x", ""] {
        let mut request = Request::post(CHAT, &chat());
        request.fields[0].1 = content_type.to_owned();
        ask(request).expect(415).refused("media-type");
    }
    ask(Request::post(CHAT, &chat()).with("content-encoding", "gzip")).expect(415);
    ask(Request::post(CHAT, &chat()).with("content-type", "text/plain")).expect(415);
    assert_eq!(world.upstream.count(), 0);
    let mut request = Request::post(CHAT, &chat());
    request.fields[0].1 = "Application/JSON; charset=utf-8".to_owned();
    ask(request).expect(200);
}

#[test]
fn refusals_have_the_shape_that_each_client_reads() {
    let world = World::new();
    let token = world.token(key(2).did());
    let ask = |target: &str| world.ask(&Request::text(target, "{}").bearer(&token)).expect(400).json();
    let openai = ask(CHAT);
    assert_eq!(openai["type"], "urn:xbind:problem:malformed");
    assert_eq!(openai["error"]["type"], "invalid_request_error");
    assert!(openai["error"]["message"].is_string() && openai["error"]["param"].is_null());
    let anthropic = ask("/v1/messages");
    assert_eq!((&anthropic["type"], &anthropic["error"]["type"]), (&json!("error"), &json!("invalid_request_error")));
    assert_eq!(anthropic["problem"], "urn:xbind:problem:malformed");
    assert!(ask("/api/chat")["error"].is_string());
}
