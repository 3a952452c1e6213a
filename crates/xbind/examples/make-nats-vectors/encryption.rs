//! Encrypted bodies: known answers, and which messages come in.

use super::forge::*;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use xbind::{
    DecryptionKey, Details, Digest, Draft, Encrypted, Envelope, InReplyTo, MessageId, Op, Sealed, SigningKey, encrypt,
    seal,
};

const IKM: [u8; 32] = [21; 32];
const RANDOMNESS: [u8; 32] = [22; 32];
const BODY: &str = r#"{"secret":"the plan"}"#;
const TOKEN: &str = "a.token.of~somebody";

fn process() -> DecryptionKey {
    DecryptionKey::derive(&IKM)
}

fn id(n: u8) -> MessageId {
    MessageId::from_bytes([n; 16])
}

/// From the agent to the worker.
fn asked(n: u8) -> Envelope {
    Envelope { from: *agent().did(), to: *worker().did(), id: id(n) }
}

fn answered(n: u8) -> Envelope {
    Envelope { from: *worker().did(), to: *agent().did(), id: id(n) }
}

fn encrypted() -> Encrypted {
    encrypt(process().public(), &asked(1), BODY.as_bytes(), Some(TOKEN), &RANDOMNESS).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn draft<'a>(op: Op, envelope: &Envelope, body: &'a [u8], key: Option<Digest>) -> Draft<'a> {
    Draft {
        op,
        to: envelope.to,
        id: envelope.id,
        issued_at: NOW,
        ttl: 30,
        content_type: "application/json",
        body,
        token: None,
        in_reply_to: None,
        details: Details { encryption: key, ..Details::default() },
    }
}

fn case(name: &str, why: &str, jws: &str, body: &[u8]) -> Value {
    json!({ "name": name, "why": why, "expect": "accept", "jws": jws, "bodyHex": hex(body) })
}

fn refused(code: &str, case: Value) -> Value {
    case.with("expect", json!("reject")).with("code", json!(code))
}

pub fn file() -> Value {
    json!({ "now": NOW, "self": worker().did().as_str(), "cases": asking(), "replies": replies(), "known": known() })
}

fn asking() -> Vec<Value> {
    let Encrypted { body, key, token, .. } = encrypted();
    let token = token.unwrap();
    let by_agent = |draft: Draft<'_>| seal(&agent(), &draft).unwrap().jws;
    let secret = by_agent(draft(Op::Call, &asked(1), &body, Some(key)));
    let plain = by_agent(draft(Op::Call, &asked(2), BODY.as_bytes(), None));
    let mail = by_agent(draft(Op::Mail, &asked(3), &body, Some(key)));
    let presenting = by_agent(Draft { token: Some(&token), ..draft(Op::Call, &asked(1), &body, Some(key)) });
    let (own, other) = (key.text(), Digest::of(b"another key").text());
    let secret_case = |name: &str, why: &str| case(name, why, &secret, &body);
    let plain_case = |name: &str, why: &str| case(name, why, &plain, BODY.as_bytes());
    let offers = |case: Value, key: &str| case.with("offers", json!(key));
    let requires = |case: Value, key: &str| case.with("requires", json!(key));
    vec![
        offers(secret_case("encrypted", "to the key that is offered"), &own),
        requires(secret_case("encrypted-required", "to the key that is required"), &own),
        offers(plain_case("plain", "a key is offered, not required"), &own),
        refused("ENCRYPTION_REQUIRED", requires(plain_case("plain-refused", "encrypted bodies alone"), &own)),
        refused("DECRYPTION_FAILED", offers(secret_case("another-key", "encrypted to another key"), &other)),
        refused("DECRYPTION_FAILED", requires(secret_case("another-key-required", "encrypted to another key"), &other)),
        refused("DECRYPTION_FAILED", secret_case("no-key", "the recipient has none")),
        offers(secret_case("after-another", "what was refused took no place"), &own),
        refused("STALE_SESSION", offers(secret_case("session-first", "whose window it is, before whose key"), &other))
            .with("session", json!(SESSION)),
        refused("INVALID_SIGNATURE", offers(case("changed", "what travels is signed", &secret, BODY.as_bytes()), &own)),
        offers(case("presenting", "the token is encrypted, and ath is of what travels", &presenting, &body), &own)
            .with("token", json!(token)),
        refused(
            "INVALID_SIGNATURE",
            offers(case("presenting-plain", "ath is of what travels", &presenting, &body), &own),
        )
        .with("token", json!(TOKEN)),
        requires(case("mail", "mail may be encrypted, too", &mail, &body), &own).with("maxMailSeconds", json!(30)),
    ]
}

fn replies() -> Value {
    let Encrypted { body, key, answers, .. } = encrypted();
    let call = seal(&agent(), &draft(Op::Call, &asked(1), &body, Some(key))).unwrap();
    let windowed = Details { window: Some(8), encryption: Some(key), ..Details::default() };
    let streamed =
        seal(&agent(), &Draft { details: windowed, ..draft(Op::Call, &asked(1), &body, Some(key)) }).unwrap();
    let plain_call = seal(&agent(), &draft(Op::Call, &asked(1), BODY.as_bytes(), None)).unwrap();
    let reply = |op: Op, about: &Sealed, body: &[u8], key: Option<Digest>, seq: Option<u64>| {
        let details = Details { seq, encryption: key, ..Details::default() };
        let about = InReplyTo::of(about.id, &about.jws);
        seal(&worker(), &Draft { details, in_reply_to: Some(about), ..draft(op, &answered(9), body, key) }).unwrap().jws
    };
    let pending = |case: Value, about: &Sealed| {
        case.with("pending", json!({ "jti": about.id.text(), "to": worker().did().as_str(), "jws": about.jws }))
    };
    let secret = answers.seal(&answered(9), BODY.as_bytes()).unwrap();
    let to = |name: &str, why: &str, op: Op, about: &Sealed, (body, key): (&[u8], Option<Digest>), seq: Option<u64>| {
        pending(case(name, why, &reply(op, about, body, key, seq), body), about)
    };
    let (own, none) = ((secret.as_slice(), Some(key)), (BODY.as_bytes(), None));
    let foreign = (secret.as_slice(), Some(Digest::of(b"another key")));
    let encrypted = "encrypted as its call was";
    let cases = vec![
        to("result", encrypted, Op::Result, &call, own, None),
        to("error", encrypted, Op::Error, &call, own, None),
        to("error-plain", "who refuses may not have read the call", Op::Error, &call, none, None),
        to("receipt", "it tells nothing", Op::Receipt, &call, none, None),
        to("part", encrypted, Op::Part, &streamed, own, Some(0)),
        to("progress", encrypted, Op::Progress, &call, own, Some(1)),
        refused("ENCRYPTION_REQUIRED", to("result-plain", encrypted, Op::Result, &call, none, None)),
        refused("ENCRYPTION_REQUIRED", to("part-plain", encrypted, Op::Part, &streamed, none, Some(0))),
        refused("ENCRYPTION_REQUIRED", to("progress-plain", encrypted, Op::Progress, &call, none, Some(1))),
        refused("REPLY_MISMATCH", to("result-another-key", encrypted, Op::Result, &call, foreign, None)),
        refused("REPLY_MISMATCH", to("error-another-key", encrypted, Op::Error, &call, foreign, None)),
        refused("REPLY_MISMATCH", to("result-to-plain-call", encrypted, Op::Result, &plain_call, own, None)),
    ];
    json!({ "now": NOW, "self": agent().did().as_str(), "cases": cases })
}

fn known() -> Value {
    let key = process();
    let Encrypted { body, token, answers, .. } = encrypted();
    let token = token.unwrap();
    let answer = answers.seal(&answered(2), b"the answer").unwrap();
    let flipped = |at: usize| {
        let mut body = body.clone();
        body[at] ^= 1;
        hex(&body)
    };
    let wrong = |why: &str, body: String, token: &str| json!({ "why": why, "body": body, "token": token });
    let did = |key: &SigningKey| key.did().as_str().to_owned();
    json!({
        "ikm": hex(&IKM), "key": hex(key.public().as_bytes()), "enc": key.public().digest().text(), "randomness": hex(&RANDOMNESS),
        "from": did(&agent()), "to": did(&worker()), "jti": id(1).text(), "plain": BODY, "plainToken": TOKEN,
        "body": hex(&body), "token": token,
        "answer": { "jti": id(2).text(), "plain": "the answer", "body": hex(&answer) },
        "wrong": [
            wrong("another encapsulated key", flipped(0), &token),
            wrong("its last bit, which X25519 passes over", flipped(31), &token),
            wrong("another ciphertext", flipped(40), &token),
            wrong("another tag", flipped(body.len() - 1), &token),
            wrong("cut short", hex(&body[..body.len() - 1]), &token),
            wrong("one byte more", format!("{}00", hex(&body)), &token),
            wrong("no tag", hex(&body[..47]), &token),
            wrong("no key", hex(&body[..31]), &token),
            wrong("nothing", String::new(), &token),
            wrong("an encapsulated key of small order", format!("{}{}", "00".repeat(32), hex(&body[32..])), &token),
            wrong("a plain token", hex(&body), TOKEN),
            wrong("an empty token", hex(&body), ""),
            wrong("another token", hex(&body), &format!("B{}", &token[1..])),
        ],
    })
}
