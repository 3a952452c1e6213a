//! Faults in the claims.

use super::forge::*;
use serde_json::{Value, json};

pub fn cases() -> Vec<Value> {
    [members(), people(), times(), scopes(), further(), names(), json_of()].concat()
}

const REQUIRED: [&str; 7] = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti"];

/// Each claim missing, null, of the wrong type, empty, and twice.
fn members() -> Vec<Value> {
    let honest = claims();
    let mut cases = Vec::new();
    for claim in REQUIRED {
        let mut add = |kind: &str, why, claims: &Object| {
            cases.push(invalid(&format!("{claim}-{kind}"), why, with_claims(claims)))
        };
        add("missing", "a required claim (RFC 9068 section 2.2)", &honest.without(claim));
        add("null", "null is no value", &honest.set(claim, "null"));
        add("object", "a claim of the wrong type", &honest.set(claim, "{}"));
        add("true", "a claim of the wrong type", &honest.set(claim, "true"));
        add(
            "repeated",
            "a member stands once",
            &honest.add(claim, if matches!(claim, "iat" | "exp") { (NOW + 60).to_string() } else { quoted("x") }),
        );
        match claim {
            "iat" | "exp" => {
                add("string", "a number", &honest.set(claim, quoted(&(NOW + 10).to_string())));
                add("fraction", "an integer", &honest.set(claim, format!("{}.5", NOW + 10)));
                add("point-zero", "an integer in plain digits", &honest.set(claim, format!("{}.0", NOW + 10)));
                add("exponent", "an integer in plain digits", &honest.set(claim, "1735689e3"));
                add("negative", "not before 1970", &honest.set(claim, "-1"));
                add("minus-zero", "an integer in plain digits", &honest.set(claim, "-0"));
                add("beyond-64-bits", "an integer below 2^64", &honest.set(claim, "18446744073709551616"));
            }
            _ => {
                add("number", "a claim of the wrong type", &honest.set(claim, "1"));
                add("empty", "an empty name", &honest.set(claim, "\"\""));
                add("control-character", "no control characters", &honest.set(claim, "\"a\\u0000b\""));
                add("too-long", "at most 512 bytes", &honest.set(claim, quoted(&"x".repeat(513))));
            }
        }
    }
    cases.push(invalid(
        "exp-repeated-escaped",
        "however it is spelled",
        with_claims(&honest.add("e\\u0078p", NOW + 90_000)),
    ));
    cases.push(invalid("scope-repeated", "a member stands once", with_claims(&honest.add("scope", quoted("admin")))));
    cases
}

fn people() -> Vec<Value> {
    let honest = claims();
    let set = |claim: &str, value: &str| with_claims(&honest.set(claim, quoted(value)));
    let audience =
        |name: &str, value: &str| refuse("WRONG_AUDIENCE", name, "the audience is compared exactly", set("aud", value));
    let array = |name: &str, value: String| invalid(name, "one audience", with_claims(&honest.set("aud", value)));
    let subject = |name: &str, value: &str| {
        invalid(
            name,
            "a DID's token is for a DID",
            with_claims(&honest.set("sub", quoted(value)).set("client_id", quoted(value))),
        )
    };
    let own = operator();
    let own = own.did().as_str();
    let alias = |name: &str, issuer: &str| invalid(name, "a DID has one spelling", set("iss", issuer));
    vec![
        audience("aud-other", "https://other.example"),
        audience("aud-trailing-slash", "https://api.example/"),
        audience("aud-prefix", "https://api.exampl"),
        audience("aud-suffix", "https://api.example.evil.example"),
        audience("aud-upper-case", "https://API.example"),
        audience("aud-white-space", "https://api.example "),
        audience("aud-star", "*"),
        audience("aud-issuer", own),
        accept(
            "aud-array-of-one",
            "one audience, as an array",
            with_claims(&honest.set("aud", format!("[{}]", quoted(AUDIENCE)))),
        ),
        refuse(
            "WRONG_AUDIENCE",
            "aud-array-of-one-other",
            "one audience, as an array",
            with_claims(&honest.set("aud", "[\"https://other.example\"]")),
        ),
        array("aud-array-empty", "[]".to_owned()),
        array("aud-array-of-two", format!("[{},\"https://other.example\"]", quoted(AUDIENCE))),
        array("aud-array-same-twice", format!("[{0},{0}]", quoted(AUDIENCE))),
        array("aud-array-nested", format!("[[{}]]", quoted(AUDIENCE))),
        array("aud-array-null", "[null]".to_owned()),
        array("aud-array-number", "[1]".to_owned()),
        subject("sub-no-did", "agent-7"),
        subject("sub-address", "https://agent.example"),
        subject("sub-did-web", "did:web:agent.example"),
        subject("sub-fragment", &kid(agent().did())),
        subject("sub-upper-case", &agent().did().as_str().to_uppercase()),
        subject("sub-small-order", "did:key:z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnP"),
        invalid("client-id-other", "the client is the subject", set("client_id", stranger().did().as_str())),
        alias("iss-fragment", &kid(operator().did())),
        alias("iss-version", &own.replace("did:key:", "did:key:1:")),
        alias("iss-white-space", &format!("{own} ")),
        alias("iss-did-web", "did:web:operator.example"),
        alias("iss-upper-case", &own.replace("did:key", "did:KEY")),
        refuse("UNTRUSTED_ISSUER", "iss-upper-case-scheme", "not even a DID", set("iss", &own.to_uppercase())),
        refuse("UNTRUSTED_ISSUER", "iss-address", "an address that nobody trusts", set("iss", "https://evil.example")),
        refuse(
            "UNTRUSTED_ISSUER",
            "iss-multibase-alone",
            "a key is not a DID",
            set("iss", operator().did().multibase()),
        ),
        refuse("UNTRUSTED_ISSUER", "iss-stranger", "a genuine token that nobody trusts", {
            let (did, subject) = (stranger(), agent());
            sign(
                &stranger(),
                header_of(did.did(), "at+jwt").json(),
                claims_of(did.did().as_str(), subject.did().as_str()).json(),
            )
        }),
        accept("self-issued", "whom one trusts may grant rights to itself", with_claims(&claims_of(own, own))),
    ]
}

fn times() -> Vec<Value> {
    let honest = claims();
    let (early, late) = ("TOKEN_NOT_YET_VALID", "TOKEN_EXPIRED");
    let lives = |iat: u64, exp: u64| with_claims(&honest.set("iat", iat).set("exp", exp));
    let at = |case: Value, now: u64| case.with("now", json!(now));
    vec![
        at(accept("last-second", "exp and the skew", token()), NOW + 3600 + 29),
        at(refuse(late, "expired", "exp and the skew", token()), NOW + 3600 + 30),
        at(refuse(late, "expired-long-ago", "exp and the skew", token()), NOW * 2),
        refuse(late, "expired-at-epoch", "exp and the skew", lives(0, 1)),
        at(accept("first-second", "iat and the skew", token()), NOW - 30),
        at(refuse(early, "too-early", "iat and the skew", token()), NOW - 31),
        at(refuse(early, "too-early-at-0", "iat and the skew", token()), 0),
        at(accept("no-skew-last-second", "no skew", token()).with("clockSkewSeconds", json!(0)), NOW + 3599),
        at(refuse(late, "no-skew-expired", "no skew", token()).with("clockSkewSeconds", json!(0)), NOW + 3600),
        at(refuse(early, "no-skew-too-early", "no skew", token()).with("clockSkewSeconds", json!(0)), NOW - 1),
        accept("lives-one-day", "at most one day", lives(NOW, NOW + 86_400)),
        invalid("lives-one-day-and-a-second", "at most one day", lives(NOW, NOW + 86_401)),
        invalid("lives-for-ever", "at most one day", lives(NOW, u64::MAX)),
        invalid("lives-from-epoch", "at most one day", lives(0, NOW + 60)),
        invalid("max-lifetime", "what the verifier allows", token()).with("maxLifetimeSeconds", json!(3599)),
        accept("max-lifetime-exact", "what the verifier allows", token()).with("maxLifetimeSeconds", json!(3600)),
        invalid("exp-is-iat", "expires after it is issued", lives(NOW, NOW)),
        invalid("exp-before-iat", "expires after it is issued", lives(NOW, NOW - 1)),
        refuse(early, "far-future", "iat and the skew", lives(u64::MAX - 1, u64::MAX)),
        accept("nbf-now", "not before now", with_claims(&honest.add("nbf", NOW))),
        accept("nbf-within-skew", "not before, and the skew", with_claims(&honest.add("nbf", NOW + 30))),
        refuse(early, "nbf-future", "not before, and the skew", with_claims(&honest.add("nbf", NOW + 31))),
        accept("nbf-past", "the later of nbf and iat counts", with_claims(&honest.add("nbf", 0))),
        invalid("nbf-string", "a number", with_claims(&honest.add("nbf", quoted("0")))),
        invalid("nbf-null", "null is no value", with_claims(&honest.add("nbf", "null"))),
    ]
}

fn scopes() -> Vec<Value> {
    let honest = claims();
    let grammar =
        |name: &str, scope: &str| invalid(name, "the grammar of scopes", with_claims(&honest.set("scope", scope)));
    let many = |n: usize| quoted(&(0..n).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" "));
    vec![
        grammar("scope-empty", "\"\""),
        grammar("scope-null", "null"),
        grammar("scope-array", "[\"invoice.read\"]"),
        grammar("scope-number", "1"),
        grammar("scope-space-before", "\" a\""),
        grammar("scope-space-after", "\"a \""),
        grammar("scope-two-spaces", "\"a  b\""),
        grammar("scope-tab", "\"a\\tb\""),
        grammar("scope-comma", "\"a,b\""),
        grammar("scope-twice", "\"a b a\""),
        grammar("scope-star", "\"*\""),
        grammar("scope-star-among", "\"a *\""),
        grammar("scope-star-within", "\"a.*.b\""),
        grammar("scope-star-glued", "\"a*\""),
        grammar("scope-star-twice", "\"a.*.*\""),
        grammar("scope-star-first", "\"*.a\""),
        grammar("scope-dot-first", "\".a\""),
        grammar("scope-dot-last", "\"a.\""),
        grammar("scope-dots", "\"a..b\""),
        grammar("scope-slash", "\"a/b\""),
        grammar("scope-not-ascii", "\"inv\u{f6}ice\""),
        grammar("scope-nul", "\"a\\u0000\""),
        grammar("scope-65", &many(65)),
        grammar("scope-too-long", &quoted(&"a".repeat(129))),
        accept("scope-64", "64 at most", with_claims(&honest.set("scope", many(64)))),
        accept("scope-longest", "128 bytes at most", with_claims(&honest.set("scope", quoted(&"a".repeat(128))))),
        accept("scope-missing", "a token without rights", with_claims(&honest.without("scope"))),
    ]
}

fn further() -> Vec<Value> {
    let add = |name: &str, value: &str| with_claims(&claims().add(name, value));
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let many = |n: usize| (0..n).fold(claims(), |claims, n| claims.add(&format!("x{n}"), n));
    let status = |name: &str, why: &str, value: &str| invalid(name, why, add("status", value));
    vec![
        accept(
            "further",
            "claims of the issuer's own",
            with_claims(&claims().add("team", quoted("billing")).add("limits", r#"{"eur":[1,2.5,-3]}"#)),
        )
        .with("is", json!({ "claims": { "team": "billing", "limits": { "eur": [1, 2.5, -3] } } })),
        accept("further-proto", "a name like any other", add("__proto__", r#"{"admin":true}"#)),
        accept("further-64", "64 at most", with_claims(&many(64))),
        invalid("further-65", "64 at most", with_claims(&many(65))),
        accept("further-deep", "16 levels at most", add("x", &deep(16))),
        invalid("further-too-deep", "16 levels at most", add("x", &deep(17))),
        invalid("further-very-deep", "16 levels at most", add("x", &deep(10_000))),
        invalid("further-repeated", "a member stands once", with_claims(&claims().add("x", 1).add("x", 2))),
        invalid(
            "further-repeated-escaped",
            "however it is spelled",
            with_claims(&claims().add("x", 1).add("\\u0078", 2)),
        ),
        invalid("further-repeated-within", "at any depth", add("x", r#"{"a":{"b":1,"b":2}}"#)),
        invalid("further-repeated-within-array", "at any depth", add("x", r#"[{"b":1,"\u0062":2}]"#)),
        invalid("further-half-surrogate", "half a surrogate pair is no text", add("x", r#""\ud800""#)),
        invalid("further-half-surrogate-name", "half a surrogate pair is no text", add("x", r#"{"\udc00":1}"#)),
        invalid("further-huge-number", "a number that a double cannot hold", add("x", "1e999")),
        accept("further-63-and-act", "act counts among the 64", with_claims(&many(63).add("act", "{}"))),
        invalid("further-64-and-act", "act counts among the 64", with_claims(&many(64).add("act", "{}"))),
        invalid("further-64-and-act-first", "act counts among the 64", {
            let act = Object::of(&[("act", "{}".to_owned())]);
            with_claims(&(0..64).fold(act, |all, n| all.add(&format!("x{n}"), n)).and(&claims()))
        }),
        invalid("further-64-and-may-act", "may_act counts as well", with_claims(&many(64).add("may_act", "{}"))),
        accept("act-16-levels", "its own value is the first level", add("act", &nested_act(16))),
        invalid("act-17-levels", "its own value is the first level", add("act", &nested_act(17))),
        accept("further-name-empty", "a name like any other", add("", "1")),
        accept("further-name-control", "a name like any other", add("a\\u0085b", "1")),
        accept(
            "act",
            "who acted before (RFC 8693); tells, and grants nothing",
            add("act", r#"{"sub":"https://clerk.example"}"#),
        ),
        invalid("prf", "only a delegation has a parent", add("prf", &quoted(&token()))),
        refuse(
            "REVOCATION_UNKNOWN",
            "status",
            "its list is not at hand",
            add("status", r#"{"status_list":{"idx":7,"uri":"https://api.example/status/1"}}"#),
        ),
        status("status-null", "null is no value", "null"),
        status("status-empty", "one status list", "{}"),
        status(
            "status-other",
            "a mechanism that nobody here can ask",
            r#"{"identifier_list":{"id":"x","uri":"https://a.example"}}"#,
        ),
        status(
            "status-two",
            "a mechanism that nobody here can ask",
            r#"{"status_list":{"idx":7,"uri":"https://a.example"},"x":{}}"#,
        ),
        status("status-array", "an object", r#"[{"idx":7,"uri":"https://a.example"}]"#),
        status("status-list-array", "an object", r#"{"status_list":[7,"https://a.example"]}"#),
        status("status-idx-missing", "idx and uri", r#"{"status_list":{"uri":"https://a.example"}}"#),
        status("status-idx-negative", "an index", r#"{"status_list":{"idx":-1,"uri":"https://a.example"}}"#),
        status("status-idx-string", "an index", r#"{"status_list":{"idx":"7","uri":"https://a.example"}}"#),
        status(
            "status-idx-repeated",
            "a member stands once",
            r#"{"status_list":{"idx":7,"idx":8,"uri":"https://a.example"}}"#,
        ),
        status("status-uri-empty", "an address", r#"{"status_list":{"idx":7,"uri":""}}"#),
    ]
}

fn nested_act(levels: usize) -> String {
    format!("{}{{}}{}", r#"{"act":"#.repeat(levels - 1), "}".repeat(levels - 1))
}

/// Control characters are those of Unicode's category Cc.
fn names() -> Vec<Value> {
    let jti = |text: &str| with_claims(&claims().set("jti", quoted(text)));
    let uri = |text: &str| {
        let status = format!(r#"{{"status_list":{{"idx":7,"uri":"{text}"}}}}"#);
        with_claims(&claims().add("status", status))
    };
    let mut cases = Vec::new();
    for code in ["0000", "0009", "001f", "007f", "0080", "0085", "009f"] {
        let text = format!("a\\u{code}b");
        cases.push(invalid(&format!("jti-control-{code}"), "Unicode Cc", jti(&text)));
        cases.push(invalid(&format!("uri-control-{code}"), "Unicode Cc", uri(&text)));
    }
    for code in ["0020", "00a0", "00ad", "200b", "2028", "202e", "feff", "ffff"] {
        cases.push(accept(&format!("jti-no-control-{code}"), "not in Unicode Cc", jti(&format!("a\\u{code}b"))));
    }
    cases.push(accept("jti-longest", "512 bytes", jti(&"x".repeat(512))));
    cases.push(invalid("jti-bytes-not-characters", "512 bytes", jti(&"\u{e9}".repeat(257))));
    let kid = |len: usize| {
        let header = header().set("kid", quoted(&"k".repeat(len)));
        with_header(header.json())
    };
    cases.push(invalid("kid-513", "512 bytes at most", kid(513)));
    cases.push(invalid("kid-512", "not the key of iss", kid(512)));
    let external = |len: usize| {
        let header =
            Object::of(&[("alg", quoted("EdDSA")), ("kid", quoted(&"k".repeat(len))), ("typ", quoted("at+jwt"))]);
        sign(&issuer(), header.json(), claims_of(ISSUER, agent().did().as_str()).json())
    };
    cases.push(invalid("jwks-kid-513", "512 bytes at most, before the issuer is looked up", external(513)));
    cases.push(refuse("UNTRUSTED_ISSUER", "jwks-kid-512", "a key that is not in the set", external(512)));
    cases
}

fn json_of() -> Vec<Value> {
    let raw = |name, why, claims: &str| invalid(name, why, sign(&operator(), header().json(), claims));
    let honest = claims().json();
    vec![
        raw("claims-empty", "a JSON object is required", ""),
        raw("claims-empty-object", "the required claims", "{}"),
        raw("claims-array", "an object", &format!("[{honest}]")),
        raw("claims-string", "an object", &quoted("x")),
        raw("claims-null", "an object", "null"),
        raw("claims-trailing", "nothing after the object", &format!("{honest}x")),
        raw("claims-two-objects", "nothing after the object", &format!("{honest}{honest}")),
        raw("claims-byte-order-mark", "no byte order mark", &format!("\u{feff}{honest}")),
        raw("claims-trailing-comma", "no trailing comma", &format!("{},}}", &honest[..honest.len() - 1])),
        raw("claims-comment", "no comments", &honest.replacen('{', "{/**/", 1)),
        raw("claims-nan", "no NaN", &honest.replacen('{', "{\"x\":NaN,", 1)),
        raw("claims-raw-newline", "no raw control character in a string", &honest.replacen('{', "{\"x\":\"\n\",", 1)),
        accept(
            "claims-white-space",
            "white space is free",
            sign(&operator(), header().json(), honest.replace(",\"", " ,\r\n\t\"")),
        ),
        invalid("claims-not-utf8", "UTF-8", sign(&operator(), header().json(), [honest.as_bytes(), b"\xff"].concat())),
        invalid(
            "claims-utf16",
            "UTF-8",
            sign(&operator(), header().json(), honest.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        ),
        invalid("claims-base64-of-base64", "one encoding", sign(&operator(), header().json(), encode(&honest))),
    ]
}
