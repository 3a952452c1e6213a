//! Budgets: reserved before, settled after, never overspent.

use std::thread;

use serde_json::{Value, json};
use xbind_gateway::By;

use crate::common::client::{Request, Wire};
use crate::common::tokens::handed_on;
use crate::common::upstream::{self, Do, Gate};
use crate::common::world::{CHAT, World, but, chat};
use crate::common::{key, until};

fn with_budget(budget: Value) -> World {
    World::with(|config| config["budgets"] = json!([budget]))
}

fn reply(input: u64, output: u64) -> Vec<u8> {
    let usage = json!({ "prompt_tokens": input, "completion_tokens": output });
    upstream::json(&json!({ "choices": [], "usage": usage }).to_string())
}

/// 256 at once: each needs some 1,200 tokens, and takes 1,000.
fn raced(budget: Value, gateways: usize) {
    let world = World::with(|config| {
        config["budgets"] = json!([budget]);
        config["url"] = json!("http://llm.example");
    });
    world.upstream.says(reply(900, 100));
    let beside = (gateways == 2).then(|| world.beside());
    let addresses = [Some(world.gateway().address()), beside.as_ref().map(xbind_gateway::Gateway::address)];
    let addresses: Vec<_> = addresses.into_iter().flatten().collect();
    let token = world.token(key(2).did());
    let requests: Vec<_> = (0..256)
        .map(|n| (addresses[n % gateways], Request::post(CHAT, &chat()).signed(&key(2), &token, "llm.example")))
        .collect();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask = |(address, request): &(std::net::SocketAddr, Request)| {
            let mut wire = Wire::to(*address);
            wire.send(&request.bytes("llm.example"));
            wire.answer().status
        };
        let all: Vec<_> = requests.iter().map(|request| scope.spawn(move || ask(request))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let answered = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 402).count();
    assert_eq!(answered + refused, 256, "{statuses:?}");
    assert_eq!(world.upstream.count(), answered, "what is refused goes nowhere");
    assert!((3..=10).contains(&answered), "{answered}");
    until(|| world.usage(By::Agent).iter().map(|row| row.requests).sum::<u64>() == 256);
    let (tokens, money) = world.charged(key(2).did());
    assert_eq!(tokens, 1000 * u64::try_from(answered).unwrap());
    assert!(tokens <= 10_000 && money <= 11_000_000, "{tokens} {money}");
}

#[test]
fn tokens_are_never_overspent_by_256_at_once() {
    raced(json!({ "name": "all", "per": "agent", "period": "total", "tokens": 10_000 }), 1);
}

#[test]
fn nor_by_two_gateways_on_one_database() {
    raced(json!({ "name": "all", "per": "root", "period": "total", "tokens": 10_000 }), 2);
}

#[test]
fn nor_is_money() {
    raced(json!({ "name": "all", "per": "all", "period": "month", "money": "0.011" }), 2);
}

#[test]
fn a_budget_that_is_used_up_says_so_and_when_it_begins_anew() {
    let world = with_budget(json!({ "name": "daily", "per": "agent", "period": "day", "tokens": 3000 }));
    world.upstream.says(reply(2000, 900));
    world.chat(&key(2), &chat()).expect(200);
    until(|| world.charged(key(2).did()).0 == 2900);
    let refused = world.chat(&key(2), &chat()).expect(402).refused("budget-exhausted");
    assert_eq!(refused.field("x-should-retry"), Some("false"));
    assert_eq!(refused.field("ratelimit-policy"), Some("\"budget\";q=3000"));
    assert!(refused.field("ratelimit").unwrap().starts_with("\"budget\";r=100;t="), "{refused:?}");
    let wait: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait));
    assert_eq!(refused.json()["error"]["type"], "billing_error");
    assert_eq!(world.record(refused.record())["outcome"], "refused");
    world.chat(&key(3), &chat()).expect(200);
    assert_eq!(world.upstream.count(), 2);
}

#[test]
fn what_is_reserved_is_given_back_and_what_costs_more_is_charged_all_the_same() {
    let world = with_budget(json!({ "name": "all", "per": "agent", "period": "total", "tokens": 4000 }));
    let gate = Gate::default();
    world.upstream.once(vec![Do::Wait(gate.clone()), Do::Say(reply(10, 5))]);
    let two = but(chat(), "n", 2);
    let big = but(two, "max_tokens", 1000);
    let mut first = world.begin(&world.signed(&key(2), &big));
    world.upstream.has(1);
    world.chat(&key(2), &big).expect(402);
    gate.open();
    first.answer().expect(200);
    until(|| world.charged(key(2).did()).0 == 15);
    world.upstream.says(reply(100_000, 5_000));
    world.chat(&key(2), &big).expect(200);
    until(|| world.charged(key(2).did()).0 == 105_015);
    world.chat(&key(2), &but(chat(), "max_tokens", 1)).expect(402).refused("budget-exhausted");
}

#[test]
fn whoever_makes_agents_has_no_more_by_that() {
    let world = with_budget(json!({ "name": "each", "per": "agent", "period": "total", "tokens": 3000 }));
    world.upstream.says(reply(900, 100));
    let root = world.token(key(2).did());
    let statuses: Vec<_> = (10..16)
        .map(|n| {
            let token = handed_on(&key(2), &root, key(n).did(), "llm:read model:gpt");
            world.ask(&Request::post(CHAT, &chat()).signed(&key(n), &token, &world.host())).status
        })
        .collect();
    assert!(statuses.contains(&402) && statuses.contains(&200), "{statuses:?}");
    assert!(world.upstream.count() <= 3);
}

#[test]
fn what_nobody_tells_the_usage_of_is_charged_in_full() {
    let world = World::new();
    let usages = [
        "{}",
        r#"{"usage":{"prompt_tokens":-5,"completion_tokens":5}}"#,
        r#"{"usage":{"prompt_tokens":1.5,"completion_tokens":5}}"#,
        r#"{"usage":{"prompt_tokens":"10","completion_tokens":5}}"#,
        r#"{"usage":{"prompt_tokens":1,"completion_tokens":1},"usage":{"prompt_tokens":0,"completion_tokens":0}}"#,
        r#"{"usage":null}"#,
        "no JSON",
    ];
    for usage in usages {
        world.upstream.once(vec![Do::Say(upstream::json(usage))]);
        let answer = world.chat(&key(2), &chat()).expect(200);
        assert_eq!(answer.body, usage);
        let note = world.note(answer.record());
        assert!(note["charged"].as_u64().unwrap() > 1000, "{usage}: {note}");
        assert_eq!(note.get("input"), None, "{usage}: {note}");
    }
    until(|| world.usage(By::Model).first().is_some_and(|row| row.whole == usages.len() as u64));
}
