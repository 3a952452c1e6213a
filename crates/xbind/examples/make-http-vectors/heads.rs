//! The form of requests: targets, hosts, fields.

use super::forge::*;
use serde_json::{Value, json};

pub fn cases() -> Vec<Value> {
    let mut cases = accepted();
    cases.extend(targets());
    cases.extend(hosts());
    cases.extend(fields());
    cases
}

fn accepted() -> Vec<Value> {
    let mut upper = signed(post());
    for (name, _) in &mut upper.headers {
        *name = name.to_uppercase();
    }
    let mut lower = signed(post());
    lower.headers.reverse();
    let http2 = Request { authority: Some(AUTHORITY.to_owned()), ..get("/").without("Host") };
    let folded = get("/").with("X-Note", "  one ").with("x-note", "two\t");
    let noted = signing(&folded).cover("\"x-note\"", "one, two").on(folded);
    let plain = Request { scheme: "http", ..get("/a").set("Host", "API.example:80") };
    let plain = signing(&Request { scheme: "http", ..get("/a") }).on(plain);
    vec![
        accept("get", "no body, no query", &signed(get("/"))),
        accept("get-query", "a query", &signed(get("/orders?open=1&page=%20x"))),
        accept("post", "a body with its digest", &signed(post())),
        accept("names-upper", "names of fields have no case", &upper),
        accept("fields-turned", "the order of fields is free", &lower),
        accept("http2", ":authority in place of Host", &signed(http2)),
        accept("two-lines", "lines of one name are joined with a comma", &noted),
        accept("port-implied", "the port of the scheme is left out, the host in lower case", &plain),
        accept("percent-slash", "an encoded slash is no slash", &signed(get("/a%2Fb/c%20d"))),
        accept("dots-inside", "three dots are no dot segment", &signed(get("/.../a..b/.c"))),
        accept("empty-segments", "are part of the path", &signed(get("//a//b/"))),
        accept("encoded-query", "dot segments of a query are text", &signed(get("/a?next=/../%2e%2e/b"))),
    ]
}

fn targets() -> Vec<Value> {
    let no = |name: &str, why: &str, target: &str| refuse(MALFORMED, name, why, &signed(get(target)));
    let mut cases = vec![
        no("absolute-form", "the host of the target and that of Host are two", "https://api.example/a"),
        no("absolute-form-other", "one of the two hosts is another", "https://evil.example/a"),
        no("authority-form", "for CONNECT only", "api.example:443"),
        no("asterisk-form", "for OPTIONS only", "*"),
        no("empty", "no target", ""),
        no("question-mark-alone", "signed, an empty query is no query", "/a?"),
        no("fragment", "never sent", "/a#b"),
        no("space", "ends the target", "/a b"),
        no("backslash", "a slash to some", "/a\\b"),
        no("beyond-ascii", "encoded on the wire", "/ä"),
        no("percent-broken", "no two digits", "/a%2"),
        no("percent-no-hex", "no hexadecimal digits", "/a%zz"),
        no("too-long", "8 KiB at most", &format!("/{}", "a".repeat(8192))),
    ];
    for (n, dots) in ["..", ".", "%2e%2e", "%2E.", ".%2e", "%2e"].into_iter().enumerate() {
        cases.push(no(&format!("dots-{n}"), "dot segments are resolved by some", &format!("/a/{dots}/b")));
        cases.push(no(&format!("dots-at-end-{n}"), "the same at the end", &format!("/a/{dots}")));
    }
    cases
}

fn hosts() -> Vec<Value> {
    let no = |name: &str, why: &str, request: Request| refuse(MALFORMED, name, why, &request);
    let named = |host: &str| signed(get("/").set("Host", host));
    let mut other = case("authority-listed", "any authority of the list", &named("localhost:8080"));
    other["policy"] = json!({ "authorities": ["api.example", "localhost:8080"] });
    let http2 = Request { authority: Some(AUTHORITY.to_owned()), ..get("/") };
    vec![
        no("host-twice", "two readers believe two of them", signed(get("/")).with("Host", AUTHORITY)),
        no("host-two", "the same with two hosts", signed(get("/")).with("Host", "evil.example")),
        no("host-none", "nothing names the authority", signed(get("/")).without("Host")),
        no("host-empty", "no authority", named("")),
        no("host-user", "no authority", named("user@api.example")),
        no("host-port-empty", "one spelling", named("api.example:")),
        no("host-port-zero", "one spelling", named("api.example:0443")),
        no("host-port-large", "no port", named("api.example:65536")),
        no("host-percent", "one spelling", named("api%2eexample")),
        no("host-space", "no authority", named("api.example evil.example")),
        no("host-comma", "no authority", named("api.example, evil.example")),
        no("host-path", "no authority", named("api.example/a")),
        no("authority-differs", ":authority and Host are two", signed(http2.clone().set("Host", "evil.example"))),
        accept("authority-same", ":authority and Host are one", &signed(http2)),
        refuse("WRONG_AUDIENCE", "host-other", "for another server", &named("other.example")),
        refuse("WRONG_AUDIENCE", "host-port-other", "for another port", &named("api.example:8443")),
        refuse("WRONG_AUDIENCE", "host-dot", "another name", &named("api.example.")),
        refuse(
            INVALID,
            "host-moved",
            "signed for another server",
            &signed(get("/").set("Host", "other.example")).set("Host", AUTHORITY),
        ),
        other,
    ]
}

fn fields() -> Vec<Value> {
    let no = |name: &str, why: &str, request: Request| refuse(MALFORMED, name, why, &request);
    let many = (0..256).fold(signed(get("/")), |request, n| request.with(&format!("X-{n}"), "1"));
    let noted = get("/").with("X-Note", "one");
    let noted = signing(&noted).covering(&noted, "x-note").on(noted);
    vec![
        no("content-type-twice", "two readers believe two of them", signed(post()).with("Content-Type", "text/html")),
        no("content-digest-twice", "one digest", signed(post()).with("Content-Digest", &digest(""))),
        no(
            "authorization-twice",
            "one of them",
            signed(get("/").with("Authorization", "Basic eA==")).with("authorization", "Basic eQ=="),
        ),
        no("token-twice", "one token", signed(get("/").with("Xbind-Token", "a.b.c")).with("xbind-token", "d.e.f")),
        no(
            "content-length-twice",
            "one length",
            signed(post()).with("Content-Length", "13").with("content-length", "0"),
        ),
        no("folding", "obsolete line folding", signed(get("/")).with("X-A", "one\r\n two")),
        no(
            "line-feed",
            "a line of its own in the signature base",
            signed(get("/")).with("X-A", "one\n\"@method\": PUT"),
        ),
        no("nul", "no character of a field", signed(get("/")).with("X-A", "\0")),
        no("name-space", "no name", signed(get("/")).with("X A", "1")),
        no("name-empty", "no name", signed(get("/")).with("", "1")),
        no("name-colon", "no name", signed(get("/")).with(":path", "/")),
        no("too-many", "256 fields at most", many),
        no("too-large", "128 KiB at most", signed(get("/")).with("X-A", &"a".repeat(128 * 1024))),
        no("method-space", "no method", signed(Request { method: "GET /".to_owned(), ..get("/") })),
        no("covered-beyond-ascii", "what is signed is plain", noted.clone().set("X-Note", "zwölf")),
        accept(
            "uncovered-beyond-ascii",
            "what is not signed is nobody's word",
            &signed(get("/")).with("X-Note", "zwölf"),
        ),
        refuse(INVALID, "line-added", "a covered field grew", &noted.clone().with("x-note", "two")),
        refuse(INVALID, "line-changed", "a covered field changed", &noted.clone().set("X-Note", "two")),
        refuse(INVALID, "line-gone", "a covered field is gone", &noted.without("X-Note")),
    ]
}
