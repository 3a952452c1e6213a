//! Web Bot Auth: what is published, and what its verifiers must refuse; and the example of RFC 9421.

use super::forge::*;
use serde_json::{Value, json};
use xbind::SigningKey;
use xbind::identity::jwk::thumbprint;

const CREATED: u64 = 1_735_689_600;
const NONCE: &str = "e8N7S2MFd/qrd6T2R3tdfAuuANngKI7LFtKYI/vowzk4lAZYadIX6wW25MwG7DCT9RUKAJ0qVkU0mEeLElW1qg==";

/// Name, label, covered, expiry, nonce, signature, agent.
type Published = (&'static str, &'static str, &'static str, u64, &'static str, &'static str, Option<&'static str>);

/// Cloudflare's test data for draft-meunier-web-bot-auth-architecture.
const PUBLISHED: [Published; 4] = [
    (
        "published-v1-1",
        "sig1",
        "(\"@authority\")",
        1_735_693_200,
        "mYotfW3CUjI68sbGw6oKd7kyXqPjZEtU8xFPGWFrqOAf5qC6MDe3pys3SWWCudB0MvwslHy32WXUpkR7u0lt/w==",
        "+NA/cssf4Y2bQTMTkyvTGRCaVzp9quyUevdwwMtMOWhhOOZ2T1subBj0BtvdnrpDEuwSAbiTeElXDzHL3WWKCw==",
        None,
    ),
    (
        "published-v1-2",
        "sig2",
        "(\"@authority\" \"signature-agent\")",
        1_735_693_200,
        NONCE,
        "jdq0SqOwHdyHr9+r5jw3iYZH6aNGKijYp/EstF4RQTQdi5N5YYKrD+mCT1HA1nZDsi6nJKuHxUi/5Syp3rLWBA==",
        Some("\"https://signature-agent.test\""),
    ),
    (
        "published-v2-1",
        "sig1",
        "(\"@authority\")",
        4_889_289_600,
        "zIW8+cdmA3vdYagbxojpONwa/l0EKJ/O3/wD486VvsQjO/RxPaSt6ZxvQaMcQzNnqKN/mQ6hpGiFro2L2qkz5A==",
        "QKN4fTdIYfh82fvoZCQiQA1weuozfCS/Led2zTMbewMMqH8PI2Wsy/5c4ao6B6D09nraNQdBNOADg8aM1MqfCg==",
        None,
    ),
    (
        "published-v2-2",
        "sig2",
        "(\"@authority\" \"signature-agent\";key=\"agent2\")",
        4_889_289_600,
        "n9p433xm+NJ3ph3upfBIGmsuwHw387YV7Q/F+6BSpGCVjYCqQw6rznNA8PVVLySrAWsv0hQtFioQb6E1YsauiA==",
        "RdNFx5Bj6au3YgAMQL/RzmUlZE8QZLIaXGRpw985hWnwPfMxT228NMk6ehRS1PSl4e8PhbNZACSanGdhEwYCCg==",
        Some("agent2=\"https://signature-agent.test\""),
    ),
];

fn of(mut case: Value, profile: &str, key: &SigningKey) -> Value {
    case["profile"] = json!(profile);
    case["now"] = json!(CREATED);
    case["policy"] = json!({ "authorities": ["example.com"], "keys": [key.did().as_str()] });
    case
}

fn published() -> Vec<Value> {
    let key = rfc_key();
    let mut cases = Vec::new();
    for (name, label, covered, expires, nonce, signature, agent) in PUBLISHED {
        let keyid = thumbprint(key.did());
        let input = format!(
            "{label}={covered};created={CREATED};keyid=\"{keyid}\";alg=\"ed25519\";expires={expires};nonce=\"{nonce}\";tag=\"web-bot-auth\""
        );
        let mut request = get("/path/to/resource").set("Host", "example.com");
        if let Some(agent) = agent {
            request = request.with("Signature-Agent", agent);
        }
        let request = request.with("Signature-Input", &input).with("Signature", &format!("{label}=:{signature}:"));
        let is = json!({ "from": key.did().as_str(), "nonce": nonce });
        let is_new = agent.is_some_and(|agent| agent.starts_with("agent2"));
        for profile in ["wba", "wba-legacy"] {
            let name = format!("{name}-{profile}");
            cases.push(if is_new == (profile == "wba") {
                let mut case = of(case(&name, "published", &request), profile, &key);
                case["is"] = is.clone();
                case
            } else {
                of(refuse(MALFORMED, &name, "published, and of the other form", &request), profile, &key)
            });
        }
    }
    cases
}

pub fn cases() -> Vec<Value> {
    let mut cases = published();
    let agent = "bot=\"https://agent.example\"";
    let bot = || get("/").set("Host", "example.com").with("Signature-Agent", agent);
    let made = |request: &Request| Signing {
        label: "sig1",
        components: vec![
            ("\"@authority\"".to_owned(), "example.com".to_owned()),
            ("\"signature-agent\";key=\"bot\"".to_owned(), "\"https://agent.example\"".to_owned()),
        ],
        params: vec![
            ("created", CREATED.to_string()),
            ("expires", (CREATED + 60).to_string()),
            ("keyid", quoted(&thumbprint(sender().did()))),
            ("nonce", quoted(NONCE)),
            ("tag", quoted("web-bot-auth")),
        ],
        ..signing(request)
    };
    let key = sender();
    let wba = |case: Value| of(case, "wba", &key);
    let no =
        |code: &str, name: &str, why: &str, request: Request| wba(refuse(code, &format!("bot-{name}"), why, &request));
    let with = |agent: &str| bot().set("Signature-Agent", agent);
    let signed = made(&bot()).on(bot());
    let body = Request { body: Some(BODY.to_owned()), ..signed.clone() };
    let digest = bot().with("Content-Digest", &digest(BODY));
    let digested = made(&digest).covering(&digest, "content-digest").on(digest.clone());
    let mut unknown = no("NOT_ALLOWED", "unknown", "its key is not among those known", signed.clone());
    unknown["policy"]["keys"] = json!([server().did().as_str()]);
    cases.extend([
        wba(case("bot", "the new form", &signed)),
        wba(case("bot-body", "with a body", &Request { body: Some(BODY.to_owned()), ..digested })),
        wba(case(
            "bot-target-uri",
            "the whole URI for the authority",
            &made(&bot()).uncover("@authority").cover("\"@target-uri\"", "https://example.com/").on(bot()),
        )),
        unknown,
        no(
            MALFORMED,
            "no-agent",
            "the new form says where the key is",
            made(&bot()).on(bot()).without("Signature-Agent"),
        ),
        no(MALFORMED, "agent-http", "https only", made(&bot()).on(with("bot=\"http://agent.example\""))),
        no(MALFORMED, "agent-data", "https only", made(&bot()).on(with("bot=\"data:,\""))),
        no(MALFORMED, "agent-token", "a string", made(&bot()).on(with("bot=https"))),
        no(MALFORMED, "agent-garbage", "a dictionary", made(&bot()).on(with("\"https://agent.example"))),
        no(
            INVALID,
            "agent-uncovered",
            "must be covered",
            Signing { components: vec![("\"@authority\"".to_owned(), "example.com".to_owned())], ..made(&bot()) }
                .on(bot()),
        ),
        no(INVALID, "agent-moved", "another agent", made(&bot()).on(with("bot=\"https://other.example\""))),
        no(INVALID, "agent-member-gone", "another member", made(&bot()).on(with("other=\"https://agent.example\""))),
        no(INVALID, "authority-uncovered", "authority or target URI", made(&bot()).uncover("@authority").on(bot())),
        no(INVALID, "body-uncovered", "a body must be covered", body),
        no(
            INVALID,
            "digest-uncovered",
            "its digest must be covered",
            made(&bot()).on(Request { body: Some(BODY.to_owned()), ..digest }),
        ),
        no(INVALID, "stranger", "another key", made(&bot()).by(stranger()).on(bot())),
        no(
            "NOT_ALLOWED",
            "did",
            "a thumbprint, no DID",
            made(&bot()).set("keyid", quoted(sender().did().as_str())).on(bot()),
        ),
        no(MALFORMED, "no-nonce", "a nonce", made(&bot()).without("nonce").on(bot())),
        no(INVALID, "of-xbind", "a signature of the profile xbind", super::forge::signed(bot())),
    ]);
    let mut as_xbind = refuse(INVALID, "xbind-of-bot", "a signature of Web Bot Auth", &signed);
    as_xbind["policy"] = json!({ "authorities": ["example.com"] });
    cases.push(as_xbind);
    cases
}

/// B.2.6, which is of no profile here.
pub fn rfc9421() -> Value {
    let date = "Tue, 20 Apr 2021 02:07:55 GMT";
    let mut request = get("/foo?param=Value&Pet=dog").set("Host", "example.com");
    request.method = "POST".to_owned();
    request.body = Some(r#"{"hello": "world"}"#.to_owned());
    let request = request
        .with("Date", date)
        .with("Content-Type", "application/json")
        .with(
            "Content-Digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        )
        .with("Content-Length", "18");
    let params = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    let base = format!(
        "\"date\": {date}\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\"content-type\": application/json\n\"content-length\": 18\n\"@signature-params\": {params}"
    );
    json!({
        "request": request.json(),
        "input": format!("sig-b26={params}"),
        "base": base,
        "key": rfc_key().did().as_str(),
        "signature": "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
    })
}
