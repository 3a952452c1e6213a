//! Logs, whole and tampered with.

use super::forge::*;
use serde_json::{Value, json};
use xbind::record::{Chain, Record, Verdict};
use xbind::{MessageId, SigningKey};

fn signed(chain: &mut Chain, key: &SigningKey, now: u64, text: &mut String) {
    let (_, unsigned) = chain.head(now);
    let signature = key.sign(unsigned.to_sign().as_bytes());
    chain.seal(&unsigned.finish(&signature), now, text);
}

fn record<'a>(by: &'a str, from: &'a str) -> Record<'a> {
    Record {
        event: "call",
        outcome: Verdict::Accepted,
        by,
        from: Some(from),
        to: None,
        method: Some("summarise"),
        message_id: Some("AAECAwQFBgcICQoLDA0ODw"),
        digest: None,
        token: None,
        chain: &[],
        code: None,
        note: None,
    }
}

/// The lines of a log of that key, with that id.
fn lines(key: &SigningKey, id: u8) -> Vec<String> {
    let (by, from) = (agent(), caller());
    let (by, from) = (by.did().as_str(), from.did().as_str());
    let mut text = String::new();
    let mut chain = Chain::begin(*key.did(), MessageId::from_bytes([id; 16]), NOW, &mut text);
    signed(&mut chain, key, NOW, &mut text);
    chain.add(record(by, from), NOW + 1, &mut text).unwrap();
    let links = ["https://issuer.example", from];
    let hostile = Record {
        event: "token.issued",
        to: Some(from),
        from: None,
        method: None,
        message_id: None,
        token: Some("a \"token\"\n\u{1f600}\u{2028}"),
        chain: &links,
        note: Some("__proto__"),
        ..record(by, from)
    };
    chain.add(hostile, NOW + 1, &mut text).unwrap();
    signed(&mut chain, key, NOW + 2, &mut text);
    let refused = Record { outcome: Verdict::Refused, code: Some("NOT_ALLOWED"), ..record(by, from) };
    chain.add(refused, NOW + 3, &mut text).unwrap();
    chain.opened(17, NOW + 4, &mut text);
    signed(&mut chain, key, NOW + 5, &mut text);
    text.lines().map(str::to_owned).collect()
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn accept(name: &str, why: &str, text: &str) -> Value {
    json!({ "name": name, "why": why, "expect": "accept", "text": text })
}

/// `line` is where the fault is found.
fn refuse(line: usize, name: &str, why: &str, lines: &[String]) -> Value {
    json!({ "name": name, "why": why, "expect": "reject", "code": "INVALID_AUDIT", "line": line, "text": text(lines) })
}

fn with(mut case: Value, member: &str, value: Value) -> Value {
    case[member] = value;
    case
}

pub fn cases() -> Vec<Value> {
    let whole = lines(&stranger(), 1);
    let other = lines(&stranger(), 2);
    let foreign = lines(&agent(), 1);
    let changed = |at: usize, from: &str, to: &str| {
        assert!(whole[at].contains(from), "{from} is not in {}", whole[at]);
        let mut lines = whole.clone();
        lines[at] = lines[at].replacen(from, to, 1);
        lines
    };
    let without = |at: usize| [&whole[..at], &whole[at + 1..]].concat();
    let swapped = |at: usize| {
        let mut lines = whole.clone();
        lines.swap(at, at + 1);
        lines
    };
    let digest = |at: usize| xbind::record::digest(whole[at].as_bytes()).text();
    let head = |at: usize| json!({ "seq": at, "digest": digest(at) });
    vec![
        accept("a log", "each line names the one before it, and all are signed", &text(&whole)),
        with(accept("with a head", "it holds that line", &text(&whole)), "head", head(3)),
        with(accept("with its last head", "it ends there", &text(&whole)), "head", head(7)),
        refuse(0, "nothing", "a log has a first line", &[]),
        refuse(
            3,
            "a changed record",
            "its signature and the next line say otherwise",
            &changed(2, "summarise", "translate"),
        )
        .with_line(4),
        refuse(
            3,
            "another order of members",
            "a line has one spelling",
            &changed(2, r#""seq":2,"time":1735689601"#, r#""time":1735689601,"seq":2"#),
        ),
        refuse(3, "white space", "a line has one spelling", &changed(2, ":2,", ": 2,")),
        refuse(3, "an escape", "a line has one spelling", &changed(2, "summarise", "s\\u0075mmarise")),
        refuse(3, "a member more", "a line has these members", &changed(2, "}", r#","payload":1}"#)),
        refuse(3, "a member twice", "a line has each member once", &changed(2, "}", r#","seq":2}"#)),
        refuse(3, "null", "null is never a value", &changed(2, "}", r#","note":null}"#)),
        refuse(
            3,
            "an event of the log's own",
            "events of records do not begin with log.",
            &changed(2, r#""call""#, r#""log.call""#),
        ),
        refuse(3, "a number that is none", "numbers are plain digits", &changed(2, ":2,", ":2.0,")),
        refuse(2, "a line cut out", "seq has a gap", &without(1)),
        refuse(5, "a signature cut out", "seq has a gap", &without(4)),
        refuse(3, "two lines swapped", "seq is not in order", &swapped(2)),
        refuse(4, "a line inserted", "seq is not in order", &[&whole[..3], &whole[2..]].concat()),
        refuse(4, "an empty line", "it is no line of a log", &[&whole[..3], &[String::new()], &whole[3..]].concat()),
        refuse(
            3,
            "two logs of one key",
            "a line does not follow that of another log",
            &[&whole[..2], &other[2..]].concat(),
        ),
        refuse(1, "another key's log", "the log is to be of that key", &foreign),
        refuse(9, "a log behind a log", "a log begins once", &[&whole[..], &whole[..]].concat()),
        refuse(7, "an end without a signature", "its last lines are not signed", &whole[..7]),
        with(refuse(5, "an end cut off", "the head names a later line", &whole[..5]), "head", head(7)),
        with(
            refuse(6, "another line than the head names", "its digest is another", &whole),
            "head",
            json!({ "seq": 5, "digest": digest(4) }),
        ),
    ]
}

trait At {
    fn with_line(self, line: usize) -> Self;
}

impl At for Value {
    fn with_line(self, line: usize) -> Self {
        with(self, "line", json!(line))
    }
}
