//! Approvals of requests.

use super::forge::*;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use xbind::SigningKey;

const RECIPIENT: &str = "https://api.example";
const REQUIRED: &str = "APPROVAL_REQUIRED";

fn approver() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

/// What is approved of a request, line by line.
fn bytes(request: &Request) -> String {
    let names = ["@method", "@authority", "@path", "@query", "content-type", "content-encoding"];
    let lines = names.iter().filter(|name| name.starts_with('@') || request.value(name).is_some());
    let lines: String = lines.map(|name| format!("\"{name}\": {}\n", request.component(name))).collect();
    format!("{lines}\"content-digest\": {}\n", digest(request.body.as_deref().unwrap_or_default()))
}

fn claims(bytes: &str) -> Value {
    json!({
        "iss": approver().did().as_str(),
        "sub": sender().did().as_str(),
        "aud": RECIPIENT,
        "decision": "approve",
        "jti": NONCE,
        "iat": NOW,
        "exp": NOW + 300,
        "pt": "xbind-http-request",
        "pl": bytes.len(),
        "pd": format!("sha-256:{}", BASE64URL_NOPAD.encode(&Sha256::digest(bytes))),
    })
}

fn statement(claims: &Value, key: &SigningKey) -> String {
    let did = claims["iss"].as_str().unwrap();
    let kid = format!("{did}#{}", did.trim_start_matches("did:key:"));
    let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"agent-approval+jwt"}}"#);
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let signed = format!("{}.{}", part(&header), part(&claims.to_string()));
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&key.sign(signed.as_bytes())))
}

fn with(request: &Request, statement: &str) -> Request {
    signed(request.clone().with("Xbind-Approval", statement))
}

fn approved(request: &Request, change: impl FnOnce(&mut Value)) -> Request {
    let mut claims = claims(&bytes(request));
    change(&mut claims);
    with(request, &statement(&claims, &approver()))
}

fn demanding(mut case: Value) -> Value {
    case["policy"] = json!({ "approval": { "by": [approver().did().as_str()] } });
    case
}

/// The bytes and the statement of one request.
pub fn known() -> Value {
    let bytes = bytes(&post());
    json!({
        "request": post().json(),
        "recipient": RECIPIENT,
        "bytes": bytes,
        "statement": statement(&claims(&bytes), &approver()),
        "approver": approver().did().as_str(),
    })
}

pub fn cases() -> Vec<Value> {
    let (request, right) = (post(), approved(&post(), |_| {}));
    let of = |other: &Request| with(&request, &statement(&claims(&bytes(other)), &approver()));
    let refused = |name: &str, why: &str, request: &Request| refuse(REQUIRED, name, why, request);
    let claim = |name: &'static str, value: Value| approved(&post(), |claims| claims[name] = value);
    let uncovered = {
        let request = request.clone().with("Xbind-Approval", &statement(&claims(&bytes(&post())), &approver()));
        signing(&request).uncover("xbind-approval").on(request)
    };
    let twice = {
        let text = statement(&claims(&bytes(&request)), &approver());
        signed(request.clone().with("Xbind-Approval", &text).with("Xbind-Approval", &text))
    };
    let mut again = refused("approval-again", "was used by another request", &{
        let request = post().with("Xbind-Approval", &statement(&claims(&bytes(&post())), &approver()));
        signing(&request).set("nonce", quoted("another")).on(request)
    });
    again["after"] = json!("approved");
    let mut restarted = demanding(refused("approval-before-start", "may have been used before", &{
        approved(&post(), |claims| {
            claims["iat"] = json!(NOW - 20);
            claims["exp"] = json!(NOW + 280);
        })
    }));
    restarted["policy"]["startedAt"] = json!(NOW - 10);
    let mut cases: Vec<_> = [
        accept("approved", "by who may, for this request", &right),
        accept("approved-get", "without a body", &approved(&get("/"), |_| {})),
        refused("approval-none", "none is there", &signed(post())),
        refused("approval-method", "of another method", &of(&Request { method: "PUT".to_owned(), ..post() })),
        refused("approval-path", "of another path", &of(&Request { target: "/refunds?draft=1".to_owned(), ..post() })),
        refused("approval-query", "of another query", &of(&Request { target: "/orders?draft=0".to_owned(), ..post() })),
        refused("approval-authority", "of another server", &of(&post().set("Host", "other.example"))),
        refused("approval-body", "of another body", &of(&Request { body: Some("{}".to_owned()), ..post() })),
        refused("approval-type", "of another media type", &of(&post().set("Content-Type", "text/plain"))),
        refused("approval-encoding", "of a compressed body", &of(&post().with("Content-Encoding", "gzip"))),
        refused("approval-untyped", "of a body without a media type", &of(&post().without("Content-Type"))),
        refused("approval-aud", "for another recipient", &claim("aud", json!("https://other.example"))),
        refused("approval-sub", "for another sender", &claim("sub", json!(stranger().did().as_str()))),
        refused("approval-call", "of a call with the same bytes", &claim("pt", json!("application/octet-stream"))),
        refused("approval-mth", "of a call of a method", &claim("mth", json!("POST"))),
        refused(
            "approval-expired",
            "with the skew",
            &approved(&post(), |claims| {
                claims["iat"] = json!(NOW - 20);
                claims["exp"] = json!(NOW - 5);
            }),
        ),
        refused("approval-future", "with the skew", &claim("iat", json!(NOW + 6))),
        refused("approval-forged", "by another key", &with(&post(), &statement(&claims(&bytes(&post())), &stranger()))),
        refused(
            "approval-stranger",
            "by nobody who may",
            &with(&post(), &{
                let mut claims = claims(&bytes(&post()));
                claims["iss"] = json!(stranger().did().as_str());
                statement(&claims, &stranger())
            }),
        ),
        refused("approval-no-jws", "something else", &with(&post(), "yes")),
        refuse("APPROVAL_REFUSED", "approval-deny", "a no", &claim("decision", json!("deny"))),
        refuse(INVALID, "approval-uncovered", "put there by somebody else", &uncovered),
        refuse(MALFORMED, "approval-twice", "which of them?", &twice),
        again,
    ]
    .map(demanding)
    .into();
    cases.push(restarted);
    cases.push(accept("approval-unasked", "nobody asks for one", &right));
    cases
}
