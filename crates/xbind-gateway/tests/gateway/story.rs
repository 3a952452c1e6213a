//! What works: each API, each way to prove who asks, and what is on record afterwards.

use serde_json::json;
use xbind_gateway::By;

use crate::common::client::Request;
use crate::common::tokens::{Special, handed_on, proof};
use crate::common::upstream::{self, Do, LAST, chunk};
use crate::common::world::{CHAT, REPLY, SECRET, World, but, chat};
use crate::common::{key, until};

#[test]
fn a_signed_chat_is_forwarded_metered_and_on_record() {
    let world = World::new();
    let agent = key(2);
    let request =
        world.signed(&agent, &chat()).with("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let answer = world.ask(&request).expect(200);
    assert_eq!((answer.body.as_str(), answer.is_whole), (REPLY, true));
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let seen = world.upstream.last();
    assert_eq!(seen.line(), "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(seen.text(), chat().to_string(), "byte for byte");
    assert_eq!(seen.field("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    assert_eq!(seen.field("host"), Some(world.upstream.address.to_string().as_str()));
    assert_eq!(seen.field("x-request-id"), Some(answer.record()));
    let trace = seen.field("traceparent").unwrap();
    assert!(trace.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && trace.ends_with("-01"), "{trace}");
    assert!(!trace.contains("00f067aa0ba902b7"), "the span is the gateway's own");

    let record = world.record(answer.record());
    assert_eq!(record["outcome"], "answered");
    assert_eq!(record["from"], agent.did().as_str());
    assert_eq!(record["method"], "chat.completions");
    assert_eq!(record["digest"], xbind::Digest::of(chat().to_string().as_bytes()).text());
    assert_eq!(record["chain"], json!([key(1).did().as_str()]));
    let note = world.note(answer.record());
    assert_eq!((&note["input"], &note["output"], &note["charged"]), (&json!(10), &json!(5), &json!(15)));
    assert_eq!(
        (&note["cost"], &note["proof"], &note["upstream"]),
        (&json!("0.00002"), &json!("signature"), &json!("main"))
    );
    assert_eq!(note["answer"], xbind::Digest::of(REPLY.as_bytes()).text());
    assert_eq!(note["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
    until(|| !world.usage(By::Model).is_empty()); // the record comes first
    let rows = world.usage(By::Model);
    assert_eq!((rows.len(), rows[0].name.as_str(), rows[0].requests), (1, "gpt", 1));
    assert_eq!((rows[0].input, rows[0].output, rows[0].tokens, rows[0].money), (10, 5, 15, 20_000));
    assert_eq!(world.charged(agent.did()), (15, 20_000));
    let (log, did) = (world.log(), world.gateway().did());
    drop(world.gateway);
    let verified = xbind_runtime::verify(&log, xbind_runtime::Wanted::default()).unwrap();
    assert_eq!((verified.records, verified.did), (1, did));
}

/// A streamed chat; its usage comes in a chunk of its own.
const EVENTS: [&str; 4] = [
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"he\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}}\n\n",
    "data: [DONE]\n\n",
];

fn streamed(content_type: &str, pieces: &[&str]) -> Vec<Do> {
    let mut turn = vec![Do::Say(upstream::stream(content_type))];
    turn.extend(pieces.iter().map(|piece| Do::Say(chunk(piece))));
    turn.push(Do::Say(LAST.to_vec()));
    turn
}

#[test]
fn a_streamed_chat_passes_at_once_and_its_usage_is_shown_to_who_asked_for_it() {
    let world = World::new();
    let gate = upstream::Gate::default();
    let mut turn = streamed("text/event-stream", &EVENTS);
    turn.insert(2, Do::Wait(gate.clone()));
    world.upstream.once(turn);
    let body = but(chat(), "stream", true);
    let mut wire = world.begin(&world.signed(&key(2), &body));
    let head = wire.head().unwrap().expect(200);
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    assert_eq!(wire.chunk().unwrap(), EVENTS[0].as_bytes(), "before anything else has come");
    gate.open();
    let mut rest = Vec::new();
    while let Some(chunk) = wire.chunk().filter(|chunk| !chunk.is_empty()) {
        rest.extend(chunk);
    }
    assert_eq!(String::from_utf8(rest).unwrap(), [EVENTS[1], EVENTS[3]].concat(), "without what nobody asked for");
    assert_eq!(world.upstream.last().json()["stream_options"], json!({ "include_usage": true }));
    assert_eq!(world.note(head.record())["charged"], 15);

    world.upstream.does(streamed("text/event-stream", &EVENTS));
    let body = but(body, "stream_options", json!({ "include_usage": true }));
    let answer = world.chat(&key(2), &body).expect(200);
    assert_eq!((answer.body, answer.is_whole), (EVENTS.concat(), true));
    assert_eq!(world.upstream.last().text(), body.to_string());
}

#[test]
fn every_api_is_passed_and_metered() {
    let world = World::new();
    let agent = key(2);
    let token = Special { scopes: "llm:read model:gpt model:claude", ..Special::default() }.token(&key(1), agent.did());
    let ask = |target: &str, body: serde_json::Value, turn: Vec<Do>, text: &str, charged: u64| {
        world.upstream.once(turn);
        let answer = world.ask(&Request::post(target, &body).signed(&agent, &token, &world.host())).expect(200);
        assert_eq!((answer.body.as_str(), answer.is_whole), (text, true), "{target}");
        assert_eq!(world.upstream.last().line(), format!("POST {target} HTTP/1.1"));
        let note = world.note(answer.record());
        assert_eq!(note["charged"], charged, "{target}: {note}");
    };
    let messages = json!({ "model": "claude", "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] });
    let said =
        r#"{"type":"message","content":[],"usage":{"input_tokens":7,"cache_read_input_tokens":2,"output_tokens":3}}"#;
    ask("/v1/messages", messages.clone(), vec![Do::Say(upstream::json(said))], said, 12);
    assert_eq!(world.upstream.last().field("anthropic-version"), Some("2023-06-01"));
    let events = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"hi\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":3}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    let turn = streamed("text/event-stream; charset=utf-8", &events);
    ask("/v1/messages", but(messages, "stream", true), turn, &events.concat(), 10);
    let said = r#"{"object":"response","output":[],"usage":{"input_tokens":4,"output_tokens":2,"total_tokens":6}}"#;
    ask("/v1/responses", json!({ "model": "gpt", "input": "hi" }), vec![Do::Say(upstream::json(said))], said, 6);
    assert_eq!(world.upstream.last().json()["max_output_tokens"], 1000, "what nobody limited is limited");
    let said = r#"{"object":"list","data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    ask("/v1/embeddings", json!({ "model": "gpt", "input": "hi" }), vec![Do::Say(upstream::json(said))], said, 3);
    let lines = [
        "{\"model\":\"gpt\",\"response\":\"he\",\"done\":false}\n",
        "{\"model\":\"gpt\",\"response\":\"\",\"done\":true,\"prompt_eval_count\":8,\"eval_count\":4}\n",
    ];
    let turn = streamed("application/x-ndjson", &lines);
    ask("/api/generate", json!({ "model": "gpt", "prompt": "hi" }), turn.clone(), &lines.concat(), 12);
    let body = json!({ "model": "gpt", "messages": [{ "role": "user", "content": "hi" }] });
    ask("/api/chat", body.clone(), turn, &lines.concat(), 12);
    let said = r#"{"model":"gpt","message":{"role":"assistant","content":"hi"},"done":true,"prompt_eval_count":8,"eval_count":4}"#;
    ask("/api/chat", but(body, "stream", false), vec![Do::Say(upstream::json(said))], said, 12);
    let api = |name: &str| world.records().iter().filter(|record| record["method"] == name).count();
    assert_eq!(["messages", "responses", "embeddings", "ollama.generate", "ollama.chat"].map(api), [2, 1, 1, 1, 2]);
}

#[test]
fn the_models_are_those_that_the_token_grants() {
    let world = World::new();
    let token =
        Special { scopes: "llm:read model:claude model:other", ..Special::default() }.token(&key(1), key(2).did());
    let list = world.ask(&Request::get("/v1/models").signed(&key(2), &token, &world.host())).expect(200).json();
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["Other", "claude"]);
    let all = world.ask(&Request::get("/v1/models").bearer(&world.token(key(2).did()))).expect(200).json();
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    world.ask(&Request::get("/v1/models")).expect(401).refused("not-proven");
    assert_eq!(world.upstream.count(), 0);
}

#[test]
fn tokens_alone_and_with_a_proof_are_taken() {
    let world = World::new();
    let (agent, token) = (key(2), world.token(key(2).did()));
    let ask = |request: Request| world.ask(&request).expect(200);
    let how = |answer: crate::common::client::Answer| world.note(answer.record())["proof"].clone();
    assert_eq!(how(ask(Request::post(CHAT, &chat()).bearer(&token))), "bearer");
    let claude = Special { scopes: "llm:read model:claude", ..Special::default() }.token(&key(1), agent.did());
    let body = json!({ "model": "claude", "max_tokens": 9, "messages": [] });
    assert_eq!(how(ask(Request::post("/v1/messages", &body).with("x-api-key", &claude))), "bearer");
    let bound = xbind::identity::jwk::thumbprint(agent.did());
    let bound = Special { bound_to: Some(&bound), ..Special::default() }.token(&key(1), agent.did());
    let url = format!("{}{CHAT}", world.gateway().url());
    let request = Request::post(CHAT, &chat())
        .with("authorization", &format!("DPoP {bound}"))
        .with("dpop", &proof(&agent, "POST", &url, &bound));
    assert_eq!(how(ask(request)), "dpop");
    // What clients that sign send in any case counts for nothing.
    let unsigned = Request::post(CHAT, &chat()).with("authorization", "Bearer unused").with("x-api-key", "unused");
    assert_eq!(how(ask(unsigned.signed(&agent, &token, &world.host()))), "signature");
}

#[test]
fn who_hands_on_a_token_is_in_the_chain_and_pays_too() {
    let world = World::new();
    let person = ("https://login.example", "alice");
    let root = Special { person: Some(person), ..Special::default() }.token(&key(1), key(2).did());
    let token = handed_on(&key(2), &root, key(3).did(), "llm:read model:gpt");
    let request = Request::post(CHAT, &chat()).signed(&key(3), &token, &world.host());
    let answer = world.ask(&request).expect(200);
    let record = world.record(answer.record());
    assert_eq!(record["from"], key(3).did().as_str());
    let alice = "alice (https://login.example)";
    assert_eq!(record["chain"], json!([key(1).did().as_str(), alice, key(2).did().as_str()]));
    until(|| !world.usage(By::Root).is_empty());
    let rows = world.usage(By::Root);
    assert_eq!((rows.len(), rows[0].name.as_str(), rows[0].tokens), (1, alice, 15));
}
