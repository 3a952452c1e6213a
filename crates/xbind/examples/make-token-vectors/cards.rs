//! Cards, honest and forged.

use super::forge::*;
use serde_json::{Value, json};
use xbind::{CardDraft, CardMethod, ScopeSet, SigningKey};

const CARD: &str = "agent-card+jwt";
const METHODS: &str = r#"[{"name":"summarise","description":"Says it in few words.","input":{"type":"object","properties":{"topic":{"type":"string"}},"required":["topic"]},"output":{"type":"string"},"scopes":["texts:read","texts:write"]},{"name":"list","scopes":[]}]"#;
const ADDRESSES: &str = r#"["https://agents.example/writer","nats://broker.example:4222"]"#;

fn card_claims() -> Object {
    Object::of(&[
        ("iss", quoted(agent().did().as_str())),
        ("iat", NOW.to_string()),
        ("exp", (NOW + 3600).to_string()),
        ("name", quoted("writer")),
        ("methods", METHODS.to_owned()),
        ("addresses", ADDRESSES.to_owned()),
    ])
}

fn signed(claims: &Object) -> String {
    by(&agent(), claims)
}

fn by(key: &SigningKey, claims: &Object) -> String {
    sign(key, header_of(key.did(), CARD).json(), claims.json())
}

/// As this library makes it.
fn made() -> String {
    let summarise = CardMethod {
        name: "summarise".to_owned(),
        description: Some("Says it in few words.".to_owned()),
        input: Some(r#"{"type":"object","properties":{"topic":{"type":"string"}},"required":["topic"]}"#.to_owned()),
        output: Some(r#"{"type":"string"}"#.to_owned()),
        scopes: ScopeSet::parse("texts:read texts:write").unwrap(),
    };
    let list =
        CardMethod { name: "list".to_owned(), description: None, input: None, output: None, scopes: ScopeSet::empty() };
    let addresses = ["https://agents.example/writer", "nats://broker.example:4222"].map(str::to_owned);
    let draft =
        CardDraft { name: Some("writer"), methods: &[summarise, list], addresses: &addresses, ttl: 3600, now: NOW };
    draft.sign(&agent()).unwrap()
}

/// The whole of what is verified, each of `cases` with what it says beside.
pub fn file() -> Value {
    let cases: Vec<Value> = cases()
        .into_iter()
        .map(|mut case| {
            case["card"] = case["token"].take();
            case.as_object_mut().unwrap().remove("token");
            case
        })
        .collect();
    json!({
        "note": "Cards, verified at `now` as `did`'s with a skew of 30 s, unless the case says otherwise (`did` null: as that of \
            whoever it names). An accepted one says what `is` holds. Keys: Ed25519 seeds of 32 equal bytes, agent 2, stranger 99.",
        "now": NOW,
        "did": agent().did().as_str(),
        "cases": cases,
    })
}

fn cases() -> Vec<Value> {
    let honest = signed(&card_claims());
    let is = json!({
        "did": agent().did().as_str(),
        "name": "writer",
        "methods": serde_json::from_str::<Value>(METHODS).unwrap(),
        "addresses": serde_json::from_str::<Value>(ADDRESSES).unwrap(),
        "expiresAt": NOW + 3600,
    });
    let late = |name: &str, now: u64, code: &str| refuse(code, name, "in time", honest.clone()).with("now", json!(now));
    let header = |header: Object| sign(&agent(), header.json(), card_claims().json());
    let other = |typ: &str| header(header_of(agent().did(), typ));
    let mut cases = vec![
        accept("honest", "as described", honest.clone()).with("is", is.clone()),
        accept("made-here", "as this library makes it", made()).with("is", is),
        accept(
            "of-whomever",
            "nobody in particular was asked",
            by(&stranger(), &card_claims().set("iss", quoted(stranger().did().as_str()))),
        )
        .with("did", Value::Null),
        accept("alg-new", "RFC 9864", header(header_of(agent().did(), CARD).set("alg", quoted("Ed25519")))),
        refuse(
            "UNTRUSTED_ISSUER",
            "foreign",
            "the card of the one asked",
            by(&stranger(), &card_claims().set("iss", quoted(stranger().did().as_str()))),
        ),
        invalid("foreign-key", "signed by iss", by(&stranger(), &card_claims())),
        invalid(
            "forged",
            "signed by iss",
            sign(&stranger(), header_of(agent().did(), CARD).json(), card_claims().json()),
        ),
        invalid(
            "kid-of-stranger",
            "kid names the key of iss",
            sign(&agent(), header_of(stranger().did(), CARD).json(), card_claims().json()),
        ),
        invalid("alg-none", "Ed25519 only", header(header_of(agent().did(), CARD).set("alg", quoted("none")))),
        invalid("crit", "three header members", header(header_of(agent().did(), CARD).add("crit", "[]"))),
        invalid("jwk", "three header members", header(header_of(agent().did(), CARD).add("jwk", "{}"))),
        invalid("typ-token", "its own typ", other("at+jwt")),
        invalid("typ-message", "its own typ", other("agent-msg+jwt")),
        invalid("typ-upper-case", "its own typ", other("AGENT-CARD+JWT")),
        invalid("token", "its own typ", token()),
        accept("last-second", "in time", honest.clone()).with("now", json!(NOW + 3629)),
        late("last-second-gone", NOW + 3630, "TOKEN_EXPIRED"),
        accept("first-second", "in time", honest.clone()).with("now", json!(NOW - 30)),
        late("too-early", NOW - 31, "TOKEN_NOT_YET_VALID"),
        invalid("empty", "a compact JWS", String::new()),
        invalid("four-segments", "a compact JWS", format!("{honest}.AA")),
        invalid("padded", "base64url is strict", format!("{honest}=")),
        invalid("too-long", "65536 bytes at most", signed(&card_claims().set("addresses", long_list()))),
    ];
    cases.extend(claims());
    cases.extend(methods());
    cases.extend(addresses());
    cases
}

fn long_list() -> String {
    format!(r#"["https://a.example/{}"]"#, "a".repeat(65_536))
}

fn claims() -> Vec<Value> {
    let set =
        |name: &str, why: &str, claim: &str, value: &str| invalid(name, why, signed(&card_claims().set(claim, value)));
    let fine = |name: &str, why: &str, claims: Object| accept(name, why, signed(&claims));
    let mut cases = vec![
        fine("nameless", "a label may be missing", card_claims().without("name")),
        fine("offers-nothing", "no method, no address", card_claims().set("methods", "[]").set("addresses", "[]")),
        fine("longest-life", "604800 s", card_claims().set("exp", NOW + 604_800)),
        set("lives-too-long", "604800 s at most", "exp", &(NOW + 604_801).to_string()),
        set("expires-at-once", "expires after it is issued", "exp", &NOW.to_string()),
        set("exp-string", "a number", "exp", &quoted(&(NOW + 60).to_string())),
        set("exp-fraction", "whole seconds", "exp", &format!("{}.5", NOW + 60)),
        set("iss-no-did", "a DID", "iss", &quoted("writer")),
        set("iss-alias", "one spelling", "iss", &quoted(&agent().did().as_str().replace("did:key:", "did:key:1:"))),
        set("name-null", "absent or a label", "name", "null"),
        set("name-empty", "the grammar of names", "name", "\"\""),
        set("name-did", "the grammar of names", "name", &quoted(agent().did().as_str())),
        set("name-dot-at-end", "the grammar of names", "name", &quoted("writer.")),
        set("name-look-alike", "the grammar of names", "name", &quoted("wr\u{456}ter")),
        set("methods-object", "an array", "methods", "{}"),
        set("methods-null", "an array", "methods", "null"),
        set("addresses-string", "an array", "addresses", &quoted("https://agents.example")),
        invalid("claim-more", "no other claim", signed(&card_claims().add("aud", quoted("all")))),
        invalid("claim-repeated", "a member stands once", signed(&card_claims().add("name", quoted("other")))),
        invalid(
            "claim-repeated-escaped",
            "a member stands once, however it is spelled",
            signed(&card_claims().add("n\\u0061me", quoted("other"))),
        ),
        invalid("claims-array", "an object", sign(&agent(), header_of(agent().did(), CARD).json(), "[]")),
    ];
    for claim in ["iss", "iat", "exp", "methods", "addresses"] {
        cases.push(invalid(&format!("{claim}-missing"), "five claims", signed(&card_claims().without(claim))));
    }
    cases
}

fn methods() -> Vec<Value> {
    let with = |methods: &str| signed(&card_claims().set("methods", methods));
    let fine = |name: &str, why: &str, methods: &str| accept(name, why, with(methods));
    let no = |name: &str, why: &str, methods: &str| invalid(name, why, with(methods));
    let named = |method: &str| format!(r#"[{{"name":"{method}","scopes":[]}}]"#);
    let with_input = |schema: &str| format!(r#"[{{"name":"a","input":{schema},"scopes":[]}}]"#);
    let described = |text: &str| format!(r#"[{{"name":"a","description":"{text}","scopes":[]}}]"#);
    let nested = |n: usize| with_input(&format!("{}{}{}", r#"{"a":"#.repeat(n - 1), "{}", "}".repeat(n - 1)));
    let many = |n: usize| {
        let each: Vec<_> = (0..n).map(|i| format!(r#"{{"name":"m{i}","scopes":[]}}"#)).collect();
        format!("[{}]", each.join(","))
    };
    let mut cases = vec![
        fine("method-longest", "128 characters", &named(&"m".repeat(128))),
        no("method-too-long", "128 characters", &named(&"m".repeat(129))),
        no("method-empty", "one character at least", &named("")),
        fine("method-proto", "a name like any other", &named("__proto__")),
        fine("method-then", "a name like any other", &named("then")),
        fine("method-dots", "the rule of MCP", &named("a..b.-_")),
        fine("method-in-two-cases", "names are exact", r#"[{"name":"Read","scopes":[]},{"name":"read","scopes":[]}]"#),
        fine("method-nearly-reserved", "the full stop counts", &named("xbindings")),
        no("method-reserved", "answered by the library", &named("xbind.describe")),
        no("method-reserved-case", "in any case", &named("XBind.describe")),
        no("method-twice", "a method stands once", r#"[{"name":"a","scopes":[]},{"name":"a","scopes":[]}]"#),
        no(
            "method-twice-escaped",
            "a method stands once, however it is spelled",
            r#"[{"name":"a","scopes":[]},{"name":"\u0061","scopes":[]}]"#,
        ),
        no("method-array", "an object", r#"[["a",[]]]"#),
        no("method-null", "an object", "[null]"),
        no("method-member-more", "no other member", r#"[{"name":"a","scopes":[],"title":"A"}]"#),
        no("method-member-repeated", "a member stands once", r#"[{"name":"a","name":"b","scopes":[]}]"#),
        no("scopes-missing", "told even where there are none", r#"[{"name":"a"}]"#),
        no("scopes-text", "an array", r#"[{"name":"a","scopes":"a b"}]"#),
        no("scope-all", "no scope grants everything", r#"[{"name":"a","scopes":["*"]}]"#),
        no("scope-twice", "a scope stands once", r#"[{"name":"a","scopes":["a","a"]}]"#),
        no("scope-space", "one scope each", r#"[{"name":"a","scopes":["a b"]}]"#),
        fine("described-in-lines", "tab and line feed", &described("One line.\\n\\tAnother: é \u{1f600}")),
        fine("described-longest", "2048 bytes", &described(&"d".repeat(2048))),
        no("described-too-long", "2048 bytes", &described(&"d".repeat(2049))),
        no("described-emptily", "something, or no description", &described("")),
        no("described-null", "something, or no description", r#"[{"name":"a","description":null,"scopes":[]}]"#),
        no("described-escape", "no control characters", &described("\\u001b[2J")),
        no("described-next-line", "no control characters", &described("\\u0085")),
        no("described-surrogate", "whole characters", &described("\\ud800")),
        fine("schema-empty", "accepts everything", &with_input("{}")),
        fine("schema-proto", "members are members", &with_input(r#"{"properties":{"__proto__":{"type":"string"}}}"#)),
        fine("schema-deepest", "64 levels", &nested(64)),
        no("schema-too-deep", "64 levels", &nested(65)),
        no("schema-true", "an object", &with_input("true")),
        no("schema-null", "an object, or no schema", &with_input("null")),
        no("schema-array", "an object", &with_input("[]")),
        no("schema-text", "an object", &with_input("\"{}\"")),
        no("schema-member-repeated", "a member stands once", &with_input(r#"{"type":"string","type":"number"}"#)),
        no(
            "schema-member-repeated-inside",
            "a member stands once",
            &with_input(r#"{"properties":{"a":{},"\u0061":{"type":"string"}}}"#),
        ),
        no("schema-number-beyond", "numbers that a double can hold", &with_input(r#"{"maximum":1e999}"#)),
        no("schema-surrogate", "whole characters", &with_input(r#"{"const":"\udc00"}"#)),
        fine("methods-most", "256", &many(256)),
        no("methods-too-many", "256", &many(257)),
    ];
    for (name, method) in [
        ("space", "a b"),
        ("slash", "a/b"),
        ("colon", "a:b"),
        ("line", "a\\n"),
        ("nul", "a\\u0000"),
        ("letter", "é"),
        ("look-alike", "re\u{430}d"),
        ("zero-width", "read\u{200b}"),
        ("full-width-dot", "a\u{ff0e}b"),
    ] {
        cases.push(no(&format!("method-{name}"), "A-Z, a-z, 0-9, _, . and -", &named(method)));
    }
    cases
}

fn addresses() -> Vec<Value> {
    let of = |addresses: &[&str]| {
        let each: Vec<_> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
        signed(&card_claims().set("addresses", format!("[{}]", each.join(","))))
    };
    let long = |n: usize| format!("https://{}", "a".repeat(n - 8));
    let many: Vec<_> = (0..17).map(|i| format!("https://a{i}.example")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let mut cases = vec![
        accept(
            "address-kinds",
            "any scheme",
            of(&["https://[::1]:8443/a?b=c", "wss://x.example", "nats+tls://b:4222"]),
        ),
        accept("address-longest", "2048 bytes", of(&[&long(2048)])),
        invalid("address-too-long", "2048 bytes", of(&[&long(2049)])),
        accept("addresses-most", "16", of(&many[..16])),
        invalid("addresses-too-many", "16", of(&many)),
        invalid("address-twice", "an address stands once", of(&["https://a.example", "https://a.example"])),
        invalid("address-number", "a string", signed(&card_claims().set("addresses", "[1]"))),
    ];
    for (name, address) in [
        ("empty", ""),
        ("relative", "/agents/writer"),
        ("no-authority", "https:///writer"),
        ("data", "data:text/plain,x"),
        ("script", "javascript:alert(1)"),
        ("upper-case-scheme", "HTTPS://agents.example"),
        ("credentials", "https://user:secret@agents.example"),
        ("user", "nats://token@agents.example/x"),
        ("fragment", "https://agents.example/#writer"),
        ("space", "https://agents.example/a b"),
        ("backslash", "https:\\\\\\\\agents.example"),
        ("backslash-inside", "https://agents.example\\\\@evil.example"),
        ("line", "https://agents.example/\\n"),
        ("letter", "https://\u{e4}gents.example"),
    ] {
        cases.push(invalid(&format!("address-{name}"), "an absolute URL, in ASCII", of(&[address])));
    }
    cases
}
