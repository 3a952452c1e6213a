//! A signer that signs anything, and messages that can be wrong in one place only.

use data_encoding::BASE64URL_NOPAD;
use xbind::{Details, Digest, Draft, InReplyTo, MessageId, Op, Sealed, SigningKey, seal};

pub const NOW: u64 = 1_735_689_600;
pub const REQUEST: &str = r#"{"topic":"identity"}"#;
pub const RESULT: &str = r#""about identity""#;

pub fn caller() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub fn agent() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub fn stranger() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

pub fn call_draft() -> Draft<'static> {
    Draft {
        op: Op::Call,
        to: *agent().did(),
        id: MessageId::from_bytes(*b"a call's own id."),
        issued_at: NOW,
        ttl: 30,
        content_type: "application/json",
        body: REQUEST.as_bytes(),
        token: None,
        in_reply_to: None,
        details: Details { method: Some("summarise"), ..Details::default() },
    }
}

pub fn answer_draft(call: &Sealed) -> Draft<'static> {
    Draft {
        op: Op::Result,
        to: *caller().did(),
        id: MessageId::from_bytes(*b"an answer's own!"),
        issued_at: NOW + 2,
        body: RESULT.as_bytes(),
        in_reply_to: Some(call.reference()),
        details: Details::default(),
        ..call_draft()
    }
}

pub fn call() -> Sealed {
    seal(&caller(), &call_draft()).unwrap()
}

pub fn answer() -> Sealed {
    seal(&agent(), &answer_draft(&call())).unwrap()
}

/// The claims of a JWS, with one text in them replaced, signed anew.
pub fn forged(key: &SigningKey, jws: &str, from: &str, to: &str) -> String {
    let parts: Vec<_> = jws.split('.').collect();
    let claims = String::from_utf8(BASE64URL_NOPAD.decode(parts[1].as_bytes()).unwrap()).unwrap();
    assert!(claims.contains(from), "{from} is not in {claims}");
    signed(key, parts[0], claims.replacen(from, to, 1).as_bytes())
}

pub fn signed(key: &SigningKey, header: &str, claims: &[u8]) -> String {
    let input = format!("{header}.{}", BASE64URL_NOPAD.encode(claims));
    let signature = key.sign(input.as_bytes());
    format!("{input}.{}", BASE64URL_NOPAD.encode(&signature))
}

pub fn another_call_digest() -> InReplyTo {
    InReplyTo { id: call().id, digest: Digest::of(b"another call") }
}
