//! Mail, as an agent with a mailbox opens it.

use super::forge::*;
use serde_json::{Value, json};
use xbind::cluster::Namespace;
use xbind::{Did, Digest, MessageId};

const ID: &str = "AAECAwQFBgcICQoLDA0ODw";
const BODY: &str = r#"{"task":"tomorrow"}"#;

fn claims() -> Object {
    let digest = format!("sha-256:{}", Digest::of(BODY.as_bytes()).text());
    Object::of(&[
        ("v", "1".to_owned()),
        ("op", quoted("mail")),
        ("iss", quoted(agent().did().as_str())),
        ("aud", quoted(worker().did().as_str())),
        ("jti", quoted(ID)),
        ("iat", NOW.to_string()),
        ("exp", (NOW + 86_400).to_string()),
        ("pt", quoted("application/json")),
        ("pl", BODY.len().to_string()),
        ("pd", quoted(&digest)),
    ])
}

fn text(claims: &Object) -> String {
    by(&agent(), "agent-msg+jwt", claims)
}

fn accept(name: &str, why: &str, jws: String) -> Value {
    json!({ "name": name, "why": why, "expect": "accept", "maxMailSeconds": 604_800, "jws": jws, "bodyUtf8": BODY })
}

fn refuse(code: &str, name: &str, why: &str, jws: String) -> Value {
    accept(name, why, jws).with("expect", json!("reject")).with("code", json!(code))
}

pub fn file() -> Value {
    let honest = claims();
    let malformed = |name: &str, why: &str, claims: &Object| refuse("MALFORMED_MESSAGE", name, why, text(claims));
    let sent = |op: &str| honest.set("op", quoted(op));
    let token = "a token";
    let presenting = honest.add("ath", quoted(&Digest::of(token.as_bytes()).text())).add("mth", quoted("summarise"));
    let cases = vec![
        accept("mail", "a day is not too long", text(&honest)),
        accept("mail-last-second", "in time until exp + skew", text(&honest)).with("now", json!(NOW + 86_429)),
        accept("mail-longest", "a week", text(&honest.set("exp", NOW + 604_800))),
        accept("mail-presenting", "with method and token, like a send", text(&presenting)).with("token", json!(token)),
        refuse("MESSAGE_EXPIRED", "mail-late", "in time until exp + skew", text(&honest))
            .with("now", json!(NOW + 86_430)),
        refuse("MALFORMED_MESSAGE", "mail-no-mailbox", "this recipient takes none", text(&honest))
            .with("maxMailSeconds", Value::Null),
        refuse("MALFORMED_MESSAGE", "mail-short-mailbox", "the longest life that it takes", text(&honest))
            .with("maxMailSeconds", json!(86_399)),
        malformed("mail-too-long", "a week at most", &honest.set("exp", NOW + 604_801)),
        refuse(
            "MALFORMED_MESSAGE",
            "mail-too-long-everywhere",
            "a week at most, whatever is taken",
            text(&honest.set("exp", NOW + 604_801)),
        )
        .with("maxMailSeconds", json!(10_000_000)),
        malformed("call-as-long", "no call lives so long", &sent("call")),
        malformed("send-as-long", "no send lives so long", &sent("send")),
        malformed("mail-session", "it is meant for whichever window comes", &honest.add("ses", quoted(SESSION))),
        malformed("mail-deadline", "nobody waits", &honest.add("dl", 1000)),
        malformed("mail-window", "it has no parts", &honest.add("win", 1)),
        malformed(
            "mail-reply",
            "it answers nothing",
            &honest.add("irt", quoted(ID)).add("rqd", quoted(&format!("sha-256:{}", Digest::of(b"").text()))),
        ),
        refuse("REPLAYED", "mail-twice", "accepted once", text(&honest)).with("after", json!("mail")),
        refuse("REPLAYED", "mail-twice-later", "copies that are under way", text(&honest))
            .with("after", json!("mail"))
            .with("now", json!(NOW + 300)),
        accept("mail-with-session", "a recipient's session is for calls and sends", text(&honest))
            .with("session", json!(SESSION)),
        refuse("INVALID_SIGNATURE", "mail-body", "the body that was signed", text(&honest))
            .with("bodyUtf8", json!("{}")),
        refuse("NOT_ALLOWED", "mail-not-allowed", "senders are judged alike", text(&honest))
            .with("allow", json!([operator().did().as_str()])),
    ];
    json!({ "now": NOW, "self": worker().did().as_str(), "seen": seen(agent().did(), worker().did()), "cases": cases })
}

/// The key under which that mail is noted.
fn seen(sender: &Did, recipient: &Did) -> String {
    Namespace::seen_key(recipient, sender, &MessageId::parse(ID).unwrap())
}
