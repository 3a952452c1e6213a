//! What one reader of stops is given, and what it knows then.

use super::forge::*;
use serde_json::{Value, json};
use xbind::SigningKey;
use xbind::cluster::{HeartbeatDraft, StopDraft, Stopped, Stops, Verb};

/// What an operator signs, and what its own books say.
struct Desk {
    key: SigningKey,
    books: Stops,
}

impl Desk {
    fn of(key: SigningKey) -> Self {
        let books = Stops::new(namespace(), &[*key.did()], 100, 30);
        Self { key, books }
    }

    fn says(&mut self, verb: Verb, stopped: Stopped, now: u64) -> String {
        let text = StopDraft { verb, stopped, since: None, reason: None, now }.sign(&self.key, &namespace()).unwrap();
        self.books.take(&text, now).unwrap();
        text
    }

    fn beats(&self, seq: u64, now: u64) -> String {
        let (count, set) = self.books.tally(self.key.did()).unwrap();
        HeartbeatDraft { seq, count, set, ttl: 10, now }.sign(&self.key, &namespace()).unwrap()
    }
}

/// One step: what comes at that time, what becomes of it, and how agent, worker and token stand then.
fn step(now: u64, what: &str, text: &str, code: Option<&str>, standing: [&str; 3]) -> Value {
    let [agent, worker, token] = standing;
    json!({ "now": now, "take": what, "text": text, "code": code, "standing": { "agent": agent, "worker": worker, "token": token } })
}

fn wait(now: u64, standing: [&str; 3]) -> Value {
    step(now, "nothing", "", None, standing)
}

fn history(name: &str, why: &str, operators: &[&SigningKey], steps: Vec<Value>) -> Value {
    let operators: Vec<_> = operators.iter().map(|key| key.did().as_str()).collect();
    json!({ "name": name, "why": why, "operators": operators, "capacity": 3, "steps": steps })
}

const UNKNOWN: [&str; 3] = ["unknown"; 3];
const VALID: [&str; 3] = ["valid"; 3];
const AGENT: [&str; 3] = ["revoked", "valid", "valid"];
const AGENT_ALONE: [&str; 3] = ["revoked", "unknown", "unknown"];

pub fn cases() -> Vec<Value> {
    vec![
        life(),
        withheld(),
        early(),
        doubled(),
        replayed(),
        same_second(),
        resumed(),
        two(),
        full(),
        clock_back(),
        nobody(),
    ]
}

fn writer() -> Stopped {
    Stopped::Agent(*agent().did())
}

fn life() -> Value {
    let mut desk = Desk::of(operator());
    let first = desk.beats(1, NOW);
    let stop = desk.says(Verb::Stop, writer(), NOW + 1);
    let token = desk.says(Verb::Stop, Stopped::Token("invoice-7".to_owned()), NOW + 1);
    let second = desk.beats(2, NOW + 2);
    let all = ["revoked", "valid", "revoked"];
    let steps = vec![
        wait(NOW, UNKNOWN),
        step(NOW, "heartbeat", &first, None, VALID),
        step(NOW + 1, "stop", &stop, None, AGENT),
        step(NOW + 1, "stop", &token, None, all),
        step(NOW + 2, "heartbeat", &second, None, all),
        wait(NOW + 11, all),
        wait(NOW + 12, ["revoked", "unknown", "revoked"]),
    ];
    history("served while the heart beats", "a heartbeat of 10 s holds for 10 s", &[&operator()], steps)
}

fn withheld() -> Value {
    let mut desk = Desk::of(operator());
    let first = desk.beats(1, NOW);
    desk.says(Verb::Stop, writer(), NOW + 1);
    let second = desk.beats(2, NOW + 1);
    let steps = vec![
        step(NOW, "heartbeat", &first, None, VALID),
        step(NOW + 1, "heartbeat", &second, Some("REVOCATION_UNKNOWN"), VALID),
        step(NOW + 2, "heartbeat", &first, Some("REPLAYED"), VALID),
        wait(NOW + 10, UNKNOWN),
    ];
    history(
        "a stop that is withheld",
        "the heartbeat tells of it, and the older one does not count again",
        &[&operator()],
        steps,
    )
}

fn early() -> Value {
    let mut desk = Desk::of(operator());
    let stop = desk.says(Verb::Stop, writer(), NOW);
    let beat = desk.beats(2, NOW);
    let steps = vec![
        step(NOW, "heartbeat", &beat, Some("REVOCATION_UNKNOWN"), UNKNOWN),
        step(NOW + 3, "stop", &stop, None, AGENT),
        wait(NOW + 9, AGENT),
        wait(NOW + 10, AGENT_ALONE),
    ];
    history("a heartbeat before its stop", "it counts from when it came, once the stop is there", &[&operator()], steps)
}

fn doubled() -> Value {
    let mut desk = Desk::of(operator());
    let stop = desk.says(Verb::Stop, writer(), NOW);
    let beat = desk.beats(1, NOW);
    let steps = vec![
        step(NOW, "stop", &stop, None, AGENT_ALONE),
        step(NOW, "stop", &stop, None, AGENT_ALONE),
        step(NOW, "heartbeat", &beat, None, AGENT),
        step(NOW + 9, "heartbeat", &beat, None, AGENT),
        wait(NOW + 10, AGENT_ALONE),
    ];
    history("everything twice", "the same heartbeat again is no fresher", &[&operator()], steps)
}

fn replayed() -> Value {
    let mut desk = Desk::of(operator());
    let resume = desk.says(Verb::Resume, writer(), NOW);
    let stop = desk.says(Verb::Stop, writer(), NOW + 5);
    let beat = desk.beats(1, NOW + 5);
    let steps = vec![
        step(NOW + 5, "stop", &stop, None, AGENT_ALONE),
        step(NOW + 5, "heartbeat", &beat, None, AGENT),
        step(NOW + 6, "stop", &resume, None, AGENT),
    ];
    history("an older resume", "what is older changes nothing", &[&operator()], steps)
}

fn same_second() -> Value {
    let mut desk = Desk::of(operator());
    let stop = desk.says(Verb::Stop, writer(), NOW);
    let resume = StopDraft { verb: Verb::Resume, stopped: writer(), since: None, reason: None, now: NOW };
    let resume = resume.sign(&operator(), &namespace()).unwrap();
    let beat = desk.beats(1, NOW);
    let steps = vec![
        step(NOW, "stop", &resume, None, UNKNOWN),
        step(NOW, "stop", &stop, None, AGENT_ALONE),
        step(NOW, "stop", &resume, None, AGENT_ALONE),
        step(NOW, "heartbeat", &beat, None, AGENT),
    ];
    history("stop and resume in one second", "the stop holds, in whichever order they come", &[&operator()], steps)
}

fn resumed() -> Value {
    let mut desk = Desk::of(operator());
    let stop = desk.says(Verb::Stop, writer(), NOW);
    let resume = desk.says(Verb::Resume, writer(), NOW + 1);
    let beat = desk.beats(1, NOW + 1);
    let steps = vec![
        step(NOW, "stop", &stop, None, AGENT_ALONE),
        step(NOW + 1, "heartbeat", &beat, Some("REVOCATION_UNKNOWN"), AGENT_ALONE),
        step(NOW + 1, "stop", &resume, None, VALID),
        step(NOW + 2, "stop", &stop, None, VALID),
    ];
    history("a newer resume", "the same operator takes its stop back", &[&operator()], steps)
}

fn two() -> Value {
    let (mut one, mut other) = (Desk::of(operator()), Desk::of(second_operator()));
    let stop = one.says(Verb::Stop, writer(), NOW);
    let resume = other.says(Verb::Resume, writer(), NOW + 1);
    let steps = vec![
        step(NOW, "stop", &stop, None, AGENT_ALONE),
        step(NOW + 1, "stop", &resume, None, AGENT_ALONE),
        step(NOW + 1, "heartbeat", &one.beats(1, NOW + 1), None, AGENT_ALONE),
        step(NOW + 2, "heartbeat", &other.beats(1, NOW + 2), None, AGENT),
        wait(NOW + 11, AGENT_ALONE),
    ];
    let operators = [&operator(), &second_operator()];
    history("two operators", "each takes back its own stops alone, and the hearts of all must beat", &operators, steps)
}

fn full() -> Value {
    let mut desk = Desk::of(operator());
    let mut texts: Vec<String> = (10..14).map(|n| desk.says(Verb::Stop, Stopped::Agent(*key(n).did()), NOW)).collect();
    let beat = desk.beats(1, NOW);
    let last = texts.pop().unwrap();
    let mut steps: Vec<Value> = texts.iter().map(|text| step(NOW, "stop", text, None, UNKNOWN)).collect();
    steps.push(step(NOW, "stop", &last, Some("INVALID_CONFIG"), UNKNOWN));
    steps.push(step(NOW, "heartbeat", &beat, Some("REVOCATION_UNKNOWN"), UNKNOWN));
    history("more than there is room for", "what cannot be kept stops everything", &[&operator()], steps)
}

fn clock_back() -> Value {
    let beat = Desk::of(operator()).beats(1, NOW);
    let steps = vec![
        step(NOW, "heartbeat", &beat, None, VALID),
        wait(NOW - 30, VALID),
        wait(NOW - 31, UNKNOWN),
        wait(NOW + 1, VALID),
    ];
    history("a clock that goes back", "by no more than the skew", &[&operator()], steps)
}

fn nobody() -> Value {
    let mut desk = Desk::of(operator());
    let stop = desk.says(Verb::Stop, writer(), NOW);
    let steps = vec![
        wait(NOW, VALID),
        step(NOW, "stop", &stop, Some("UNTRUSTED_ISSUER"), VALID),
        step(NOW, "heartbeat", &desk.beats(1, NOW), Some("UNTRUSTED_ISSUER"), VALID),
    ];
    history("no operators", "nobody can stop anybody, and no heart beats", &[], steps)
}
