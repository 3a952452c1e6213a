//! Stops and heartbeats, honest and forged.

use super::faults;
use super::forge::*;
use serde_json::{Value, json};
use xbind::Digest;
use xbind::cluster::{HeartbeatDraft, StopDraft, Stopped, Verb};

fn stop() -> Kind {
    Kind {
        name: "stop",
        typ: "agent-stop+jwt",
        signer: operator(),
        claims: Object::of(&[
            ("iss", quoted(operator().did().as_str())),
            ("aud", quoted(NAMESPACE)),
            ("iat", NOW.to_string()),
            ("verb", quoted("stop")),
            ("sub", quoted(agent().did().as_str())),
            ("since", (NOW - 100).to_string()),
            ("reason", quoted("key-stolen")),
        ]),
        optional: &["since", "reason"],
        max_ttl: None,
    }
}

fn is() -> Value {
    json!({
        "operator": operator().did().as_str(), "verb": "stop", "agent": agent().did().as_str(), "token": null,
        "since": NOW - 100, "reason": "key-stolen", "issuedAt": NOW,
    })
}

pub fn cases() -> Vec<Value> {
    let kind = stop();
    let honest = kind.honest();
    let draft = StopDraft {
        verb: Verb::Stop,
        stopped: Stopped::Agent(*agent().did()),
        since: Some(NOW - 100),
        reason: Some("key-stolen"),
        now: NOW,
    };
    let of_token = kind.claims.without("sub").add("tok", quoted("invoice-7"));
    let resume = kind.claims.set("verb", quoted("resume")).without("since");
    let token_is = is().with("agent", Value::Null).with("token", json!("invoice-7"));
    let least = kind.claims.without("since").without("reason");
    let early = kind.claims.set("iat", NOW + 31);
    let foreign = kind.claims.set("iss", quoted(stranger().did().as_str()));
    let mut cases = vec![
        kind.accept("honest", "it has no end", honest.clone(), is()),
        kind.accept("made-here", "as this library makes it", draft.sign(&operator(), &namespace()).unwrap(), is()),
        kind.accept("years-later", "it has no end", honest.clone(), is()).with("now", json!(NOW + 1_000_000_000)),
        kind.accept("of-token", "by the id of a token", kind.text(&of_token), token_is),
        kind.accept(
            "least",
            "neither since nor reason",
            kind.text(&least),
            is().with("since", Value::Null).with("reason", Value::Null),
        ),
        kind.accept(
            "resume",
            "it goes on",
            kind.text(&resume),
            is().with("verb", json!("resume")).with("since", Value::Null),
        ),
        kind.refuse("TOKEN_NOT_YET_VALID", "early", "nobody stops in the future", kind.text(&early)),
        kind.refuse("UNTRUSTED_ISSUER", "by-nobody", "by an operator", by(&stranger(), kind.typ, &foreign)),
        kind.refuse("UNTRUSTED_ISSUER", "without-operators", "by an operator", honest.clone())
            .with("operators", json!([])),
        kind.invalid("of-both", "an agent or a token", kind.text(&kind.claims.add("tok", quoted("invoice-7")))),
        kind.invalid("resume-since", "since stands on a stop", kind.text(&kind.claims.set("verb", quoted("resume")))),
        kind.invalid("with-exp", "it has no end", kind.text(&kind.claims.add("exp", NOW + 60))),
        kind.invalid("tok-empty", "the id of a token", kind.text(&of_token.set("tok", quoted("")))),
        kind.invalid("tok-long", "the id of a token", kind.text(&of_token.set("tok", quoted(&"t".repeat(513))))),
        kind.invalid("tok-control", "the id of a token", kind.text(&of_token.set("tok", "\"a\\u0000\""))),
        kind.grammar("verb-other", "verb", quoted("pause")),
        kind.grammar("verb-upper-case", "verb", quoted("STOP")),
        kind.grammar("sub-no-did", "sub", quoted("writer")),
        kind.grammar("since-later", "since", NOW + 1),
        kind.grammar("reason-empty", "reason", quoted("")),
        kind.grammar("reason-upper-case", "reason", quoted("Stolen")),
        kind.grammar("reason-long", "reason", quoted(&"r".repeat(33))),
    ];
    cases.extend(faults::of(&kind));
    cases
}

fn heartbeat() -> Kind {
    Kind {
        name: "heartbeat",
        typ: "agent-heartbeat+jwt",
        signer: operator(),
        claims: Object::of(&[
            ("iss", quoted(operator().did().as_str())),
            ("aud", quoted(NAMESPACE)),
            ("iat", NOW.to_string()),
            ("exp", (NOW + 10).to_string()),
            ("seq", "7".to_owned()),
            ("count", "0".to_owned()),
            ("set", quoted(&Digest::of(b"xbind-stops-v1\0").text())),
        ]),
        optional: &[],
        max_ttl: Some(60),
    }
}

pub fn heartbeats() -> Vec<Value> {
    let kind = heartbeat();
    let honest = kind.honest();
    let is = json!({
        "operator": operator().did().as_str(), "seq": 7, "count": 0, "set": Digest::of(b"xbind-stops-v1\0").text(),
        "issuedAt": NOW, "expiresAt": NOW + 10,
    });
    let draft = HeartbeatDraft { seq: 7, count: 0, set: Digest::of(b"xbind-stops-v1\0"), ttl: 10, now: NOW };
    let foreign = kind.claims.set("iss", quoted(agent().did().as_str()));
    let mut cases = vec![
        kind.accept("honest", "of nobody", honest.clone(), is.clone()),
        kind.accept(
            "made-here",
            "as this library makes it",
            draft.sign(&operator(), &namespace()).unwrap(),
            is.clone(),
        ),
        kind.accept(
            "longest",
            "a minute",
            kind.text(&kind.claims.set("exp", NOW + 60)),
            is.with("expiresAt", json!(NOW + 60)),
        ),
        kind.refuse("UNTRUSTED_ISSUER", "by-agent", "by an operator", by(&agent(), kind.typ, &foreign)),
        kind.grammar("set-prefixed", "set", quoted(&format!("sha-256:{}", Digest::of(b"").text()))),
        kind.grammar("set-short", "set", quoted("AAAA")),
        kind.grammar("seq-negative", "seq", "-1"),
        kind.grammar("count-string", "count", quoted("0")),
    ];
    cases.extend(faults::of(&kind));
    cases
}
