//! Responses, bound to the request that they answer.

use super::forge::*;
use serde_json::{Value, json};

const ANSWER: &str = r#"{"id":7}"#;

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: &'static str,
}

fn answer() -> Answer {
    let headers = [("Content-Type", "application/json".to_owned()), ("Content-Digest", digest(ANSWER))];
    Answer { status: 200, headers: headers.map(|(name, value)| (name.to_owned(), value)).into(), body: ANSWER }
}

impl Answer {
    fn signed(mut self, signing: &Signing) -> Self {
        let (input, signature) = signing.members();
        self.headers.push(("Signature-Input".to_owned(), input));
        self.headers.push(("Signature".to_owned(), signature));
        self
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.iter_mut().find(|(other, _)| other == name).unwrap().1 = value.to_owned();
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    fn on(&self, mut case: Value) -> Value {
        case["response"] = json!({ "status": self.status, "headers": self.headers, "bodyUtf8": self.body });
        case["from"] = json!(server().did().as_str());
        if let Some(is) = case.get_mut("is") {
            *is = json!({ "from": server().did().as_str() });
        }
        case
    }
}

/// As the server signs it.
fn made(request: &Request) -> Signing {
    let signature = request.value("signature").unwrap();
    let value = signature.trim_start_matches("xbind=").to_owned();
    Signing {
        components: vec![
            ("\"@status\"".to_owned(), "200".to_owned()),
            ("\"content-digest\"".to_owned(), digest(ANSWER)),
            ("\"content-type\"".to_owned(), "application/json".to_owned()),
            ("\"signature\";req;key=\"xbind\"".to_owned(), value),
        ],
        key: server(),
        ..signing(request).without("nonce").set("keyid", quoted(server().did().as_str()))
    }
}

pub fn cases() -> Vec<Value> {
    let request = signed(post());
    let other = signed(get("/other"));
    let made = || made(&request);
    let yes = |name: &str, why: &str, answer: Answer| answer.on(accept(&format!("response-{name}"), why, &request));
    let no = |code: &str, name: &str, why: &str, answer: Answer| {
        answer.on(refuse(code, &format!("response-{name}"), why, &request))
    };
    let sent = || answer().signed(&made());
    let turned = {
        let signing = made();
        let value = signing.components[3].1.clone();
        signing.uncover("signature").components_without_bound().cover("\"signature\";key=\"xbind\";req", &value)
    };
    let empty = || Answer { status: 204, headers: Vec::new(), body: "" };
    let bare = || {
        let signing = made();
        let value = signing.components[3].1.clone();
        Signing {
            components: vec![
                ("\"@status\"".to_owned(), "204".to_owned()),
                ("\"signature\";req;key=\"xbind\"".to_owned(), value),
            ],
            ..signing
        }
    };
    let more = made()
        .cover("\"@method\";req", "POST")
        .cover("\"@path\";req", "/orders")
        .cover("\"content-digest\";req", &digest(BODY));
    let unbound = || made().components_without_bound();
    let mut late = no("MESSAGE_EXPIRED", "expired", "too old", sent());
    late["now"] = json!(NOW + 66);
    let mut early = no("MESSAGE_NOT_YET_VALID", "future", "too new", sent());
    early["now"] = json!(NOW - 6);
    let mut unsigned = no(MALFORMED, "request-unsigned", "there is nothing to be bound to", sent());
    unsigned["request"] = post().json();
    let mut moved = no(INVALID, "moved", "the response to another request", sent());
    moved["request"] = other.json();
    vec![
        yes("ok", "bound to its request", sent()),
        yes("parameters-turned", "in whichever order the parameters stand", answer().signed(&turned)),
        yes("no-body", "nothing but a status", empty().signed(&bare())),
        yes("more", "further components, of both", answer().signed(&more)),
        moved,
        no("REPLY_MISMATCH", "unbound", "to no request", answer().signed(&unbound())),
        no(
            "REPLY_MISMATCH",
            "bound-other",
            "to another signature of the request",
            answer().signed(&unbound().cover("\"signature\";req;key=\"other\"", ":AAAA:")),
        ),
        no(
            "REPLY_MISMATCH",
            "bound-own",
            "to itself",
            answer().signed(&unbound().cover("\"signature\";key=\"xbind\"", ":AAAA:")),
        ),
        no(
            "REPLY_MISMATCH",
            "stranger",
            "by somebody else",
            answer().signed(&made().set("keyid", quoted(stranger().did().as_str())).by(stranger())),
        ),
        no(INVALID, "forged", "by somebody else in his name", answer().signed(&made().by(stranger()))),
        no(INVALID, "status-moved", "another status", Answer { status: 201, ..sent() }),
        no(INVALID, "body-moved", "another body", Answer { body: "{}", ..sent() }),
        no(INVALID, "body-gone", "no body", Answer { body: "", ..sent() }),
        no(INVALID, "body-added", "a body where there was none", Answer { body: "{}", ..empty().signed(&bare()) }),
        no(INVALID, "type-moved", "another media type", sent().set("Content-Type", "text/html")),
        no(INVALID, "digest-gone", "covered, and not there", sent().without("Content-Digest")),
        no(INVALID, "unsigned", "no signature", answer()),
        no(INVALID, "status-uncovered", "must be covered", answer().signed(&made().uncover("@status"))),
        no(INVALID, "digest-uncovered", "must be covered", answer().signed(&made().uncover("content-digest"))),
        no(INVALID, "type-uncovered", "must be covered", answer().signed(&made().uncover("content-type"))),
        no("INVALID_DID", "keyid", "no DID", answer().signed(&made().set("keyid", quoted("key")))),
        no(MALFORMED, "method", "of the request alone", answer().signed(&made().cover("\"@method\"", "POST"))),
        no(MALFORMED, "status-req", "a request has none", answer().signed(&made().cover("\"@status\";req", "200"))),
        no(MALFORMED, "status-none", "no status", Answer { status: 99, ..sent() }),
        late,
        early,
        unsigned,
    ]
}

impl Signing {
    fn components_without_bound(mut self) -> Self {
        self.components.retain(|(name, _)| !name.starts_with("\"signature\""));
        self
    }
}
