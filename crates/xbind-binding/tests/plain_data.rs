//! Plain data: what a face may say, what it is refused, and what it is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

use serde::de::DeserializeOwned;
use serde_json::json;
use xbind::ErrorKind;
use xbind_binding::agent::Options;
use xbind_binding::card::{self, CardDraft};
use xbind_binding::guard::CallPolicy;
use xbind_binding::http::{RequestDraft, RequestHead, RequestPolicy, ResponsePolicy};
use xbind_binding::judge::{Answers, Judge, JudgePolicy};
use xbind_binding::key::{File, Key, Written, prepared};
use xbind_binding::message::{self, Draft, Opened, Policy};
use xbind_binding::net::{Rules, World};
use xbind_binding::revocation::ListDraft;
use xbind_binding::statement::{ApprovalDemands, Call};
use xbind_binding::token::{Grant, Status};

fn read<T: DeserializeOwned>(value: &serde_json::Value) -> Option<T> {
    serde_json::from_str(&value.to_string()).ok()
}

/// It reads that, and nothing with a member more.
fn strict<T: DeserializeOwned>(value: serde_json::Value) {
    assert!(read::<T>(&value).is_some(), "{value}");
    let mut more = value;
    more.as_object_mut().unwrap().insert("others".to_owned(), json!(1));
    assert!(read::<T>(&more).is_none(), "{more}");
}

#[test]
fn what_is_not_known_is_refused() {
    strict::<Options>(json!({ "maxPayloadBytes": 1, "messageTtl": 1, "inboxMessages": 1, "inboxBytes": 1,
        "concurrency": 1, "handles": true, "tells": false }));
    strict::<CardDraft>(json!({ "methods": [{ "name": "a", "scopes": [] }], "addresses": [] }));
    strict::<CallPolicy>(json!({ "method": "a", "approval": { "by": [], "asked": false, "timeoutMs": 1 } }));
    strict::<RequestHead>(json!({ "method": "GET", "scheme": "https", "target": "/", "fields": [] }));
    strict::<RequestDraft>(json!({ "profile": "xbind", "now": 1, "ttl": 1 }));
    strict::<ResponsePolicy>(json!({ "clockSkew": 1, "maxAge": 1, "maxBody": 1 }));
    strict::<RequestPolicy>(json!({ "profile": "xbind", "authorities": [], "clockSkew": 1, "maxAge": 1, "maxBody": 1,
        "maxTracked": 1, "keys": [] }));
    strict::<JudgePolicy>(
        json!({ "audience": "a", "clockSkew": 1, "maxLifetime": 1, "trust": [], "acceptUnknown": false }),
    );
    strict::<Answers>(json!({ "sources": true, "patient": false, "standing": [true, null] }));
    strict::<Draft>(json!({ "op": "send", "to": "a", "contentType": "a", "ttl": 1 }));
    strict::<Policy>(json!({ "audience": "a", "clockSkew": 1, "maxLifetime": 1, "maxBody": 1, "maxTracked": 1,
        "asks": false }));
    strict::<World>(json!({ "hosts": { "a": ["::1"] }, "roots": [], "intervalMs": 0 }));
    strict::<Rules>(json!({ "named": "owner", "maxBytes": 1, "timeoutMs": 1, "accept": "a" }));
    strict::<ListDraft>(json!({ "uri": "a", "lifetime": 1 }));
    strict::<Call>(json!({ "caller": "a", "recipient": "b", "contentType": "c" }));
    strict::<ApprovalDemands>(json!({ "approvers": [], "clockSkew": 1 }));
    strict::<Grant>(json!({ "subject": "a", "status": { "index": 1, "uri": "a" } }));
    strict::<Status>(json!({ "index": 1, "uri": "a" }));
}

fn policy(trust: &serde_json::Value) -> JudgePolicy {
    let policy = json!({ "audience": "a", "clockSkew": 0, "maxLifetime": 60, "trust": trust, "acceptUnknown": false });
    read(&policy).unwrap()
}

#[test]
fn a_wrong_did_is_told_by_its_place() {
    let key = Key::generate().unwrap();
    let did = key.did().unwrap();
    let trust = json!([did, { "issuer": "https://a.example" }, "did:key:z6Mk"]);
    let error = Judge::new(&policy(&trust), Vec::new(), Vec::new()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidDid);
    assert!(error.message().starts_with("trust[2]: "), "{error}");
    assert!(read::<JudgePolicy>(&json!({ "trust": [1] })).is_none());
}

#[test]
fn a_token_is_judged_and_remembered_by_its_place() {
    let (issuer, holder) = (Key::generate().unwrap(), Key::generate().unwrap());
    let (from, to) = (issuer.did().unwrap(), holder.did().unwrap());
    let grant = json!({ "subject": to, "audience": "a", "scopes": ["a:b"], "ttl": 60, "now": 1000 });
    let token = Grant::issue(&issuer, &read(&grant).unwrap()).unwrap();
    let judge = Judge::new(&policy(&json!([from])), Vec::new(), Vec::new()).unwrap();
    let answers = || read(&json!({ "sources": false, "patient": false })).unwrap();
    let held = judge.judge(&token, 1000.0, &["a:b".to_owned()], Some(&to), &answers());
    let told = serde_json::to_value(held).unwrap();
    assert_eq!(told["scopes"], json!(["a:b"]));
    assert_eq!((&told["issuer"], &told["expiresAt"], &told["known"]), (&json!(from), &json!(1060), &json!(0)));
    assert_eq!(judge.judge_known(0, 1059.0, None, None), Some("unchecked"));
    assert_eq!(
        [(0, 2000.0), (0, f64::NAN), (1, 1000.0)].map(|(at, now)| judge.judge_known(at, now, None, None)),
        [None; 3]
    );
    judge.forget();
    assert_eq!(judge.judge_known(0, 1000.0, None, None), None);
    let refused = serde_json::to_value(judge.judge(&token, f64::NAN, &[], None, &answers())).unwrap();
    assert_eq!((&refused["code"], refused.get("hint")), (&json!("INVALID_CONFIG"), None));
}

#[test]
fn limits_go_with_a_token_and_shrink() {
    let keys = [(); 3].map(|()| Key::generate().unwrap());
    let [from, to, next] = keys.each_ref().map(|key| key.did().unwrap());
    let grant = |subject: &str, quota: serde_json::Value| {
        let grant =
            json!({ "subject": subject, "audience": "a", "scopes": [], "quota": quota, "ttl": 60, "now": 1000 });
        read(&grant).unwrap()
    };
    let token = Grant::issue(&keys[0], &grant(&to, json!({ "llm.tokens": 1_000_000, "calls": 3 }))).unwrap();
    let part = Grant::delegate(&keys[1], &token, &grant(&next, json!({ "llm.tokens": 100_000 }))).unwrap();
    let judge = Judge::new(&policy(&json!([from])), Vec::new(), Vec::new()).unwrap();
    let quota = |token: &str| {
        let answers = read(&json!({ "sources": false, "patient": false })).unwrap();
        serde_json::to_value(judge.judge(token, 1000.0, &[], None, &answers)).unwrap().get("quota").cloned()
    };
    assert_eq!(quota(&token), Some(json!({ "llm.tokens": 1_000_000, "calls": 3 })));
    assert_eq!(quota(&part), Some(json!({ "llm.tokens": 100_000, "calls": 3 })));
    assert_eq!(quota(&Grant::issue(&keys[0], &grant(&to, serde_json::Value::Null)).unwrap()), None);
    let kind = |quota: serde_json::Value| Grant::delegate(&keys[1], &token, &grant(&next, quota)).unwrap_err().kind();
    assert_eq!(kind(json!({ "calls": 4 })), ErrorKind::InvalidDelegation);
    assert_eq!([json!({}), json!({ "A": 1 }), json!({ "a": 1e300 })].map(kind), [ErrorKind::InvalidConfig; 3]);
}

#[test]
fn a_message_is_sealed_and_opened_and_waits_where_it_is_asked_about() {
    let (from, to) = (Key::generate().unwrap(), Key::generate().unwrap());
    let draft = json!({ "op": "send", "to": to.did().unwrap(), "contentType": "text/plain", "ttl": 30, "now": 1000 });
    let sealed = message::seal(&from, &read(&draft).unwrap(), b"x").unwrap();
    let mut policy = json!({ "audience": to.did().unwrap(), "clockSkew": 0, "maxLifetime": 60, "maxBody": 9,
        "maxTracked": 9, "asks": false });
    let verifier = message::verifier(&read(&policy).unwrap()).unwrap();
    let Ok(Opened::Message(message)) = message::open(&verifier, 1000.0, &sealed.jws, b"x", None) else { panic!() };
    let told = serde_json::to_value(message).unwrap();
    assert_eq!((&told["op"], &told["issuedAt"], told.get("seq")), (&json!("send"), &json!(1000), None));
    policy["asks"] = json!(true);
    let verifier = message::verifier(&read(&policy).unwrap()).unwrap();
    let Ok(Opened::Waits(waiting)) = message::open(&verifier, 1000.0, &sealed.jws, b"x", None) else { panic!() };
    assert_eq!((waiting.claim().from, waiting.claim().is_reply), (from.did().unwrap(), false));
    assert!(message::accept(&verifier, &waiting, 1000.0, b"x", None, None).is_ok());
    let twice = message::accept(&verifier, &waiting, 1000.0, b"x", None, None);
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn a_key_is_written_and_read_until_it_is_gone() {
    let key = Key::generate().unwrap();
    let wrapping = prepared("p").unwrap();
    let Written::Der(plain) = key.write(false, None).unwrap() else { panic!() };
    let Written::Pem(text) = key.write_prepared(true, &wrapping).unwrap() else { panic!() };
    for again in [Key::read(File::Either(&plain), None), Key::read(File::Pem(&text), Some("p"))] {
        assert_eq!(again.unwrap().did().unwrap(), key.did().unwrap());
    }
    assert_eq!(key.write_prepared(true, &wrapping).err().unwrap().kind(), ErrorKind::ExportFailed);
    key.destroy();
    assert_eq!(key.write(true, Some("")).err().unwrap().message(), "this identity was destroyed");
    assert_eq!(key.sign_data(b"x", false).unwrap_err().kind(), ErrorKind::SignFailed);
    assert_eq!(key.did().unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(Key::signer(Some(&key)).err().unwrap().kind(), ErrorKind::InvalidKey);
}

#[test]
fn what_a_card_says_comes_back() {
    let key = Key::generate().unwrap();
    let draft: CardDraft =
        read(&json!({ "methods": [{ "name": "add", "scopes": ["a:b"] }], "addresses": [] })).unwrap();
    let did = key.did().unwrap();
    let input = CardDraft::to_sign(&did, &draft).unwrap();
    let signature = key.sign_data(input.as_bytes(), true).unwrap();
    let jws = format!("{input}.{}", data_encoding::BASE64URL_NOPAD.encode(&signature));
    let card = serde_json::to_value(card::verify(&jws, Some(&did), None, 0.0).unwrap()).unwrap();
    assert_eq!(card["methods"], json!([{ "name": "add", "scopes": ["a:b"] }]));
    assert_eq!(card.get("name"), None);
}
