//! Receipts, honest and forged.

use super::forge::*;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use xbind::{Details, Digest, Draft, MessageId, Op, Sealed, SigningKey, Unsigned, seal};

fn case(name: &str, why: &str, call: &str, answer: &str) -> Value {
    json!({ "name": name, "why": why, "expect": "accept", "call": call, "answer": answer })
}

fn accept(name: &str, why: &str, call: &Sealed, answer: &Sealed, shows: Value) -> Value {
    let mut case = case(name, why, &call.jws, &answer.jws);
    case["shows"] = shows;
    case
}

fn refuse(code: &str, name: &str, why: &str, call: &str, answer: &str) -> Value {
    let mut case = case(name, why, call, answer);
    case["expect"] = json!("reject");
    case["code"] = json!(code);
    case
}

fn with(mut case: Value, member: &str, value: Value) -> Value {
    case[member] = value;
    case
}

fn digest(body: &str) -> String {
    BASE64URL_NOPAD.encode(Digest::of(body.as_bytes()).as_bytes())
}

fn shows(method: Option<&str>, op: &str, answer: &str, result: &str) -> Value {
    json!({
        "op": op, "answer": answer, "method": method, "issuedAt": NOW, "answeredAt": NOW + 2,
        "requestDigest": digest(REQUEST), "resultDigest": digest(result),
    })
}

fn answered(key: &SigningKey, draft: &Draft<'_>) -> String {
    seal(key, draft).unwrap().jws
}

pub fn cases() -> Vec<Value> {
    [accepted(), framing(), parties(), ties(), bodies()].concat()
}

fn accepted() -> Vec<Value> {
    let (call, answer) = (call(), answer());
    let usual = || shows(Some("summarise"), "call", "result", RESULT);
    let refusal = r#"{"code":"NOT_ALLOWED"}"#;
    let refused = seal(&agent(), &Draft { op: Op::Error, body: refusal.as_bytes(), ..answer_draft(&call) }).unwrap();
    let plain = seal(&caller(), &Draft { details: Details::default(), ..call_draft() }).unwrap();
    let inbox = "{}";
    let receipt = Draft { op: Op::Receipt, body: inbox.as_bytes(), ..answer_draft(&plain) };
    let send = seal(&caller(), &Draft { op: Op::Send, details: Details::default(), ..call_draft() }).unwrap();
    let sent = Draft { op: Op::Receipt, body: inbox.as_bytes(), ..answer_draft(&send) };
    let in_parts = Details { window: Some(32), ..call_draft().details };
    let streamed = seal(&caller(), &Draft { details: in_parts, ..call_draft() }).unwrap();
    let end = Draft { details: Details { seq: Some(3), ..Details::default() }, ..answer_draft(&streamed) };
    let (batched, of_batch) = batch();
    vec![
        accept("a call and its answer", "both are signed, and the answer names the call", &call, &answer, usual()),
        with(
            accept("with both bodies", "they are what was signed", &call, &answer, usual()),
            "requests",
            json!([REQUEST, REQUEST]),
        ),
        with(
            accept("with the body of the answer", "it is what was signed", &call, &answer, usual()),
            "results",
            json!([RESULT]),
        ),
        accept(
            "a call and its refusal",
            "what an agent refused is on record too",
            &call,
            &refused,
            shows(Some("summarise"), "call", "error", refusal),
        ),
        accept(
            "a call that went to the inbox",
            "a call without a method may get a receipt",
            &plain,
            &seal(&agent(), &receipt).unwrap(),
            shows(None, "call", "receipt", inbox),
        ),
        accept(
            "a send",
            "its recipient signs that it has it",
            &send,
            &seal(&agent(), &sent).unwrap(),
            shows(None, "send", "receipt", inbox),
        ),
        accept(
            "an answer in parts",
            "its end says how many there were",
            &streamed,
            &seal(&agent(), &end).unwrap(),
            with(usual(), "parts", json!(3)),
        ),
        accept("out of batches", "each message of a batch is provable by itself", &batched, &of_batch, usual()),
    ]
}

/// The same call and answer, each the first of two that share a signature.
fn batch() -> (Sealed, Sealed) {
    let pair = |key: &SigningKey, draft: Draft<'_>| {
        let other = Draft { id: MessageId::from_bytes([7; 16]), ..draft };
        let unsigned = Unsigned::new(key.did(), &[draft, other]).unwrap();
        let signature = key.sign(unsigned.to_sign());
        unsigned.finish(&signature).remove(0)
    };
    let call = pair(&caller(), call_draft());
    let answer = pair(&agent(), answer_draft(&call));
    (call, answer)
}

fn framing() -> Vec<Value> {
    let (call, answer) = (call().jws, answer().jws);
    let malformed = |name, why, call: &str, answer: &str| refuse("MALFORMED_MESSAGE", name, why, call, answer);
    let padded = format!("{call}=");
    let typ = BASE64URL_NOPAD.encode(
        format!(
            r#"{{"alg":"EdDSA","kid":"{0}#{1}","typ":"agent-card+jwt"}}"#,
            caller().did(),
            caller().did().multibase()
        )
        .as_bytes(),
    );
    let claims = BASE64URL_NOPAD.decode(call.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let mut changed: Vec<_> = answer.split('.').map(str::to_owned).collect();
    let flipped = if changed[2].starts_with('A') { "B" } else { "A" };
    changed[2].replace_range(0..1, flipped);
    vec![
        malformed("no call", "an empty text is no message", "", &answer),
        malformed("no answer", "an empty text is no message", &call, ""),
        malformed("four segments", "a JWS has three", &format!("{call}.e30"), &answer),
        malformed("padding", "base64url without it", &padded, &answer),
        malformed("too long", "a JWS has at most 4096 bytes", &format!("{call}{}", "A".repeat(4096)), &answer),
        malformed("another typ", "a card is no call", &signed(&caller(), &typ, &claims), &answer),
        malformed(
            "a life of 301 s",
            "messages live at most 300 s",
            &forged(&caller(), &call, &(NOW + 30).to_string(), &(NOW + 301).to_string()),
            &answer,
        ),
        malformed(
            "claims of another key",
            "kid is the key of iss",
            &forged(&caller(), &call, caller().did().as_str(), stranger().did().as_str()),
            &answer,
        ),
        refuse("INVALID_SIGNATURE", "a changed signature", "the agent did not sign this", &call, &changed.join(".")),
        refuse(
            "INVALID_SIGNATURE",
            "claims that were changed",
            "the caller did not sign these",
            &swapped(&call),
            &answer,
        ),
    ]
}

/// The JWS with the claims of another method, under the signature of the first.
fn swapped(jws: &str) -> String {
    let other = forged(&caller(), jws, "summarise", "translate");
    let (claims, signature) = (other.rsplit_once('.').unwrap().0, jws.rsplit_once('.').unwrap().1);
    format!("{claims}.{signature}")
}

fn parties() -> Vec<Value> {
    let (call, answer) = (call(), answer());
    let audience = |name, why, call: &str, answer: &str| refuse("WRONG_AUDIENCE", name, why, call, answer);
    let by_stranger = seal(&stranger(), &call_draft()).unwrap();
    let to_stranger = seal(&caller(), &Draft { to: *stranger().did(), ..call_draft() }).unwrap();
    let told_stranger = Draft { to: *stranger().did(), ..answer_draft(&call) };
    vec![
        audience("a stranger's call", "the caller did not make it", &by_stranger.jws, &answer.jws),
        audience("a call to a stranger", "the agent was not asked", &to_stranger.jws, &answer.jws),
        audience(
            "a stranger's answer",
            "the agent did not give it",
            &call.jws,
            &answered(&stranger(), &answer_draft(&call)),
        ),
        audience("an answer to a stranger", "it is not for the caller", &call.jws, &answered(&agent(), &told_stranger)),
        refuse("REPLY_MISMATCH", "the two exchanged", "an answer is no call", &answer.jws, &call.jws),
    ]
}

fn ties() -> Vec<Value> {
    let call = call();
    let mismatch =
        |name, why, answer: &Draft<'_>| refuse("REPLY_MISMATCH", name, why, &call.jws, &answered(&agent(), answer));
    let usual = answer_draft(&call);
    let other = seal(&caller(), &Draft { id: MessageId::from_bytes([7; 16]), ..call_draft() }).unwrap();
    let counted = Details { seq: Some(3), ..Details::default() };
    let progress = Draft { op: Op::Progress, body: b"{}".as_slice(), details: counted, ..usual };
    let send = seal(&caller(), &Draft { op: Op::Send, ..call_draft() }).unwrap();
    vec![
        mismatch("the answer to another call", "irt is not the id of the call", &answer_draft(&other)),
        mismatch(
            "the answer to another call of the same id",
            "rqd is not its digest",
            &Draft { in_reply_to: Some(another_call_digest()), ..usual },
        ),
        mismatch("a part", "it does not end a call", &Draft { op: Op::Part, details: counted, ..usual }),
        mismatch("a progress", "it does not end a call", &progress),
        mismatch("a receipt of a method", "a call with a method gets none", &Draft { op: Op::Receipt, ..usual }),
        mismatch("parts that were not asked for", "the call has no win", &Draft { details: counted, ..usual }),
        refuse(
            "REPLY_MISMATCH",
            "a send with a result",
            "a send gets a receipt or an error",
            &send.jws,
            &answered(&agent(), &answer_draft(&send)),
        ),
        refuse("REPLY_MISMATCH", "a call and a call", "the second does not end the first", &call.jws, &call.jws),
    ]
}

fn bodies() -> Vec<Value> {
    let (call, answer) = (call().jws, answer().jws);
    let wrong =
        |name, why, member, bodies: Value| with(refuse("INVALID_SIGNATURE", name, why, &call, &answer), member, bodies);
    vec![
        wrong("another request", "the caller did not sign it", "requests", json!([r#"{"topic":"identitY"}"#])),
        wrong("an empty request", "it is a body too, and another one", "requests", json!([""])),
        wrong("two requests, one of them another", "each is compared", "requests", json!([REQUEST, RESULT])),
        wrong("another result", "the agent did not sign it", "results", json!([RESULT.trim_matches('"')])),
    ]
}
