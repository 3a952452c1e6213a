//! The committed vectors of HTTP message signatures: what they say holds, and their maker still makes them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;
#[path = "../examples/make-http-vectors/main.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod make_vectors;

use common::{vector_path, vectors};
use serde_json::Value;
use std::collections::HashSet;
use xbind::http::approval::{ApprovalDemand, RequestDecision, approved_bytes};
use xbind::http::base::{Message, signature_base};
use xbind::http::message::{Request, RequestHead, ResponseHead};
use xbind::http::profile::Profile;
use xbind::http::response::{self, ResponseDraft, ResponsePolicy};
use xbind::http::sfv::{self, Member};
use xbind::http::sign::{self, RequestDraft};
use xbind::http::target::Scheme;
use xbind::http::verify::{RequestPolicy, RequestVerifier};
use xbind::{Decision, Did, ErrorKind, Result, SigningKey, VerifyingKey};

fn did(text: &Value) -> Did {
    *VerifyingKey::from_did(text.as_str().unwrap()).unwrap().did()
}

fn dids(list: &Value) -> Option<Vec<Did>> {
    list.as_array().map(|list| list.iter().map(did).collect())
}

fn fields(message: &Value) -> Vec<(&str, &str)> {
    let pairs = message["headers"].as_array().unwrap();
    pairs.iter().map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect()
}

fn body(message: &Value) -> &[u8] {
    message["bodyUtf8"].as_str().unwrap_or_default().as_bytes()
}

fn with_head<T>(request: &Value, use_head: impl FnOnce(&RequestHead<'_>) -> T) -> T {
    use_head(&RequestHead {
        method: request["method"].as_str().unwrap(),
        scheme: Scheme::parse(request["scheme"].as_str().unwrap()).unwrap(),
        authority: request["authority"].as_str(),
        target: request["target"].as_str().unwrap(),
        fields: &fields(request),
    })
}

fn verifier(file: &Value, case: &Value) -> RequestVerifier {
    let policy = &case["policy"];
    let number = |name: &str, usual: u64| policy[name].as_u64().unwrap_or(usual);
    let authorities = policy["authorities"].as_array().or(file["authorities"].as_array()).unwrap();
    RequestVerifier::new(RequestPolicy {
        profile: Profile::parse(case["profile"].as_str().unwrap_or("xbind")).unwrap(),
        authorities: authorities.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        clock_skew: number("clockSkewSeconds", 5),
        max_age: number("maxAgeSeconds", 300),
        max_body: usize::try_from(number("maxBodyBytes", 1 << 20)).unwrap(),
        started: policy["startedAt"].as_u64(),
        allowed: dids(&policy["allow"]),
        keys: dids(&policy["keys"]).unwrap_or_default(),
        max_tracked: usize::try_from(number("maxTrackedRequests", 1000)).unwrap(),
    })
    .unwrap()
}

fn now(file: &Value, case: &Value) -> u64 {
    case["now"].as_u64().or(file["now"].as_u64()).unwrap()
}

/// What the case `is`, member by member.
fn run(verifier: &RequestVerifier, file: &Value, case: &Value) -> Result<Vec<(&'static str, Option<String>)>> {
    let now = now(file, case);
    with_head(&case["request"], |head| {
        if let Some(from) = case.get("from") {
            let policy = ResponsePolicy { from: Some(did(from)), clock_skew: 5, max_age: 300, max_body: 1 << 20 };
            let answer = &case["response"];
            let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
            let response = ResponseHead { status, fields: &fields(answer) };
            let verified = response::verify(&policy, &response, body(answer), head, now)?;
            return Ok(vec![("from", Some(verified.from().to_string()))]);
        }
        let request = verifier.authenticate(head, now)?;
        verifier.accept(&request, body(&case["request"]), now)?;
        if let Some(approvers) = dids(&case["policy"]["approval"]["by"]) {
            let demand = ApprovalDemand { approvers: &approvers, recipient: "https://api.example" };
            verifier.approve(&request, body(&case["request"]), &demand, now)?;
        }
        let token = request.token().map(str::to_owned);
        Ok(vec![
            ("from", Some(request.from().to_string())),
            ("nonce", Some(request.nonce().to_owned())),
            ("token", token),
        ])
    })
}

#[test]
fn every_message_gets_its_verdict() {
    let file = vectors("http.json");
    let cases = file["cases"].as_array().unwrap();
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for case in cases {
        let verifier = verifier(&file, case);
        if let Some(name) = case["after"].as_str() {
            let first = cases.iter().find(|case| case["name"] == name).unwrap();
            assert_eq!(run(&verifier, &file, first).is_ok(), first["expect"] == "accept", "{name}");
        }
        let outcome = run(&verifier, &file, case);
        let verdict = outcome.as_ref().map_or_else(|error| error.kind().code(), |_| "accepted");
        let expected = case["code"].as_str().unwrap_or("accepted");
        refused += usize::from(expected != "accepted");
        let why = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
        if verdict != expected {
            wrong.push(format!("{}: {verdict} instead of {expected}: {why}", case["name"]));
        }
        for (member, value) in outcome.ok().into_iter().flatten() {
            let said = &case["is"][member];
            if case["is"].is_object() && (said.is_string() || member != "token") && said.as_str() != value.as_deref() {
                wrong.push(format!("{}: {member} is {value:?}", case["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused >= 150, "only {refused} refusals");
}

#[test]
fn names_are_unique_and_every_code_has_a_case() {
    let file = vectors("http.json");
    let (mut names, mut codes) = (HashSet::new(), HashSet::new());
    for case in file["cases"].as_array().unwrap() {
        assert!(names.insert(case["name"].as_str().unwrap()), "{} twice", case["name"]);
        assert_eq!(case["expect"] == "reject", case["code"].is_string(), "{}", case["name"]);
        codes.extend(case["code"].as_str());
    }
    for kind in [
        ErrorKind::MalformedMessage,
        ErrorKind::InvalidSignature,
        ErrorKind::WrongAudience,
        ErrorKind::MessageNotYetValid,
        ErrorKind::MessageExpired,
        ErrorKind::InvalidDid,
        ErrorKind::NotAllowed,
        ErrorKind::PayloadTooLarge,
        ErrorKind::Replayed,
        ErrorKind::ReplayWindowFull,
        ErrorKind::ReplyMismatch,
        ErrorKind::ApprovalRequired,
        ErrorKind::ApprovalRefused,
    ] {
        assert!(codes.contains(kind.code()), "no case for {}", kind.code());
    }
}

#[test]
fn rfc_9421_b_2_6_bit_for_bit() {
    let known = &vectors("http.json")["rfc9421"];
    let base = with_head(&known["request"], |head| {
        let request = Request::read(head).unwrap();
        let input = sfv::dictionary(known["input"].as_str().unwrap()).unwrap();
        let [("sig-b26", Member::List(list))] = &input[..] else { panic!("another list") };
        signature_base(Message::Request(&request), list).unwrap()
    });
    assert_eq!(base, known["base"].as_str().unwrap());
    let key = make_vectors::rfc_key();
    let signature = key.sign(base.as_bytes());
    assert_eq!(data_encoding::BASE64.encode(&signature), known["signature"].as_str().unwrap());
    assert!(key.verifying_key().verify(base.as_bytes(), &signature));
}

#[test]
fn what_is_approved_is_known_byte_for_byte() {
    let file = vectors("http.json");
    let known = &file["approval"];
    let (bytes, statement) = with_head(&known["request"], |head| {
        let approver = SigningKey::from_seed(&[3; 32]);
        assert_eq!(approver.did().as_str(), known["approver"].as_str().unwrap());
        let mut id = [0; 16];
        data_encoding::BASE64URL_NOPAD.decode_mut(b"AAECAwQFBgcICQoLDA0ODw", &mut id).unwrap();
        let decision = RequestDecision {
            decision: Decision::Approve,
            caller: did(&file["sender"]),
            recipient: known["recipient"].as_str().unwrap(),
            ttl: 300,
            now: file["now"].as_u64().unwrap(),
            id,
        };
        let body = body(&known["request"]);
        (approved_bytes(head, body).unwrap(), decision.sign(&approver, head, body).unwrap())
    });
    assert_eq!(bytes, known["bytes"].as_str().unwrap());
    let claims = |text: &str| {
        let part = text.split('.').nth(1).unwrap();
        serde_json::from_slice::<Value>(&data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
    };
    assert_eq!(claims(&statement), claims(known["statement"].as_str().unwrap()));
}

/// What the maker signed by hand is what this signs.
#[test]
fn signing_makes_the_known_bytes() {
    let file = vectors("http.json");
    let find = |name: &str| file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    let mut nonce = [0; 64];
    nonce.iter_mut().zip(0..16).for_each(|(to, n)| *to = n);
    let draft = RequestDraft {
        profile: Profile::Xbind,
        created: file["now"].as_u64().unwrap(),
        ttl: 60,
        nonce,
        token: None,
        approval: None,
        agent: None,
    };
    for name in ["get", "get-query", "post", "http2", "covered-all"] {
        let request = &find(name)["request"];
        let signed = fields(request);
        let bare: Vec<_> = signed.iter().copied().filter(|(name, _)| !name.starts_with("Signature")).collect();
        with_head(request, |head| {
            let head = RequestHead { fields: &bare, ..*head };
            let fields = sign::sign(&SigningKey::from_seed(&[1; 32]), &head, body(request), &draft).unwrap();
            for (added, value) in fields {
                let known = signed.iter().find(|(other, _)| other.eq_ignore_ascii_case(added)).unwrap();
                assert_eq!(value, known.1, "{name}: {added}");
            }
        });
    }
    let case = find("response-ok");
    let answer = fields(&case["response"]);
    let bare: Vec<_> = answer.iter().copied().filter(|(name, _)| !name.starts_with("Signature")).collect();
    let response = ResponseHead { status: 200, fields: &bare };
    let draft = ResponseDraft { created: draft.created, ttl: 60 };
    let made = with_head(&case["request"], |head| {
        response::sign(&SigningKey::from_seed(&[2; 32]), &response, body(&case["response"]), head, draft).unwrap()
    });
    for (added, value) in made {
        let known = answer.iter().find(|(other, _)| other.eq_ignore_ascii_case(added)).unwrap();
        assert_eq!(value, known.1, "response: {added}");
    }
}

#[test]
fn the_file_is_what_its_maker_makes() {
    let (name, text) = make_vectors::file();
    assert!(
        std::fs::read_to_string(vector_path(name)).unwrap() == text,
        "vectors/{name} differs: run make-http-vectors"
    );
}
