//! What signatures cover, how they are written, and what is moved elsewhere.

use super::forge::*;
use serde_json::{Value, json};

pub fn cases() -> Vec<Value> {
    let mut cases = moved();
    cases.extend(uncovered());
    cases.extend(written());
    cases.extend(bodies());
    cases.extend(tokens());
    cases
}

fn moved() -> Vec<Value> {
    let no = |name: &str, why: &str, request: Request| refuse(INVALID, name, why, &request);
    let post = || signed(post());
    vec![
        no("method-moved", "another method", Request { method: "PUT".to_owned(), ..post() }),
        no("method-lower", "methods have case", Request { method: "post".to_owned(), ..post() }),
        no("path-moved", "another path", Request { target: "/refunds?draft=1".to_owned(), ..post() }),
        no("path-case", "paths have case", Request { target: "/Orders?draft=1".to_owned(), ..post() }),
        no("path-encoded", "another spelling", Request { target: "/%6frders?draft=1".to_owned(), ..post() }),
        no("query-moved", "another query", Request { target: "/orders?draft=0".to_owned(), ..post() }),
        no("query-gone", "no query", Request { target: "/orders".to_owned(), ..post() }),
        no("query-added", "a query", Request { target: "/?a=1".to_owned(), ..signed(get("/")) }),
        no("body-moved", "another body", Request { body: Some(r#"{"amount":99}"#.to_owned()), ..post() }),
        no("body-gone", "no body", Request { body: None, ..post() }),
        no(
            "body-and-digest",
            "both changed",
            Request { body: Some("{}".to_owned()), ..post().set("Content-Digest", &digest("{}")) },
        ),
        no("body-added", "a body where none was signed", Request { body: Some("{}".to_owned()), ..signed(get("/")) }),
        no("type-moved", "another media type", post().set("Content-Type", "text/html")),
        no("stranger", "another key", signing(&get("/")).by(stranger()).on(get("/"))),
        no("unsigned", "no signature at all", get("/")),
        no("unsigned-input", "no Signature-Input", signed(get("/")).without("Signature-Input")),
        no("unsigned-signature", "no Signature", signed(get("/")).without("Signature")),
        no("tag-other", "of another profile", signing(&get("/")).set("tag", quoted("other")).on(get("/"))),
        no("tag-none", "of no profile", signing(&get("/")).without("tag").on(get("/"))),
    ]
}

fn uncovered() -> Vec<Value> {
    let full =
        post().with("Content-Encoding", "identity").with("Authorization", "Basic eA==").with("Xbind-Token", "a.b.c");
    let all = [
        "@method",
        "@authority",
        "@path",
        "@query",
        "content-digest",
        "content-type",
        "content-encoding",
        "authorization",
        "xbind-token",
    ];
    let mut cases: Vec<_> = all
        .iter()
        .map(|name| {
            let plain = name.trim_start_matches('@');
            refuse(
                INVALID,
                &format!("uncovered-{plain}"),
                "must be covered",
                &signing(&full).uncover(name).on(full.clone()),
            )
        })
        .collect();
    let request = get("/");
    let extra = ["@scheme", "@target-uri", "@request-target"]
        .into_iter()
        .fold(signing(&request), |signing, name| signing.covering(&request, name));
    let dictionary = get("/").with("Priority", "u=1, i");
    let member = signing(&dictionary).cover("\"priority\";key=\"u\"", "1").cover("\"priority\";key=\"i\"", "?1");
    cases.extend([
        case("covered-all", "all that there is", &signed(full)),
        accept("covered-more", "further components", &extra.on(request)),
        accept("covered-member", "members of a dictionary", &member.on(dictionary.clone())),
        refuse(
            INVALID,
            "covered-member-gone",
            "the dictionary lost it",
            &member.on(dictionary.clone()).set("Priority", "i"),
        ),
        refuse(MALFORMED, "covered-member-none", "no dictionary", &member.on(dictionary).set("Priority", "u=")),
    ]);
    let also = [
        ("authority-as-key", "\"@authority\";key=\"a\"", "api.example"),
        ("query-param", "\"@query-param\";name=\"a\"", "1"),
        ("status-of-request", "\"@status\"", "200"),
        ("component-unknown", "\"@other\"", ""),
        ("component-twice", "\"@method\"", "GET"),
        ("component-upper", "\"Host\"", AUTHORITY),
        ("component-empty", "\"\"", ""),
        ("component-token", "host", AUTHORITY),
        ("component-req", "\"@method\";req", "GET"),
        ("component-sf", "\"host\";sf", AUTHORITY),
        ("component-bs", "\"host\";bs", AUTHORITY),
        ("component-tr", "\"host\";tr", AUTHORITY),
        ("component-req-false", "\"host\";req=?0", AUTHORITY),
    ];
    cases.extend(also.map(|(name, identifier, value)| {
        let request = get("/");
        refuse(
            MALFORMED,
            name,
            "no component that can be made out",
            &signing(&request).cover(identifier, value).on(request),
        )
    }));
    let many = (0..65).fold(get("/"), |request, n| request.with(&format!("X-{n}"), "1"));
    let covering = (0..65).fold(signing(&many), |signing, n| signing.cover(&format!("\"x-{n}\""), "1"));
    cases.push(refuse(MALFORMED, "components-many", "64 at most", &covering.on(many)));
    cases
}

fn written() -> Vec<Value> {
    let request = get("/");
    let signing = || signing(&request);
    let (input, signature) = signing().members();
    let with =
        |input: &str, signature: &str| request.clone().with("Signature-Input", input).with("Signature", signature);
    let other = signing().label("other").set("tag", quoted("other")).by(stranger());
    let (other_input, other_signature) = other.members();
    let second = signing().label("second").members();
    let no =
        |name: &str, why: &str, input: &str, signature: &str| refuse(MALFORMED, name, why, &with(input, signature));
    let both = |one: &str, two: &str| format!("{one}, {two}");
    let nine: Vec<_> = (0..8).map(|n| format!("s{n}=()")).collect();
    let list = signature.trim_start_matches("xbind=");
    vec![
        accept("label-other", "labels are free", &signing().label("any-1.*_").on(request.clone())),
        accept(
            "two-signatures",
            "another signature beside it",
            &with(&both(&other_input, &input), &both(&other_signature, &signature)),
        ),
        accept("two-lines-signed", "each in a line of its own", &other.on(signing().on(request.clone()))),
        accept(
            "spaces",
            "the list is signed as it is written canonically",
            &with(&input.replace("\" \"", "\"  \"").replace("(\"", "( \""), &signature),
        ),
        accept(
            "other-broken",
            "another signature is not looked at",
            &with(&both("other=();tag=\"x\"", &input), &both("other=:AAAA:", &signature)),
        ),
        no("two-of-the-tag", "one signature of the profile", &both(&input, &second.0), &both(&signature, &second.1)),
        no("label-twice", "a label once", &both(&input, &input), &signature),
        no("signature-twice", "a label once", &input, &both(&signature, &signature)),
        no("label-missing", "no signature of that label", &input, &signature.replace("xbind=", "other=")),
        no("signatures-many", "8 at most", &both(&nine.join(", "), &input), &signature),
        no("signature-short", "64 bytes", &input, "xbind=:AAAA:"),
        no("signature-text", "bytes", &input, "xbind=\"AAAA\""),
        no("signature-no-padding", "base64 with its padding", &input, &signature.replace("==:", ":")),
        no(
            "signature-url",
            "base64 of the usual alphabet",
            &input,
            &format!("xbind={}", list.replace('/', "_").replace('+', "-").replace("==", "=-")),
        ),
        no("input-comma", "no comma at the end", &format!("{input},"), &signature),
        no("input-upper", "labels in lower case", &input.replace("xbind=(", "Xbind=("), &signature),
        no("input-garbage", "a dictionary", "xbind=(\"@method\"", &signature),
        no("input-long", "8 KiB at most", &format!("{input}, a=\"{}\"", "a".repeat(8192)), &signature),
        no("parameter-twice", "each once", &format!("{input};created=1"), &signature),
        refuse(INVALID, "input-item", "no list of components", &with("xbind=1;tag=\"xbind\"", &signature)),
        refuse(
            INVALID,
            "label-moved",
            "the key of another signature",
            &with(
                &both(&other_input, &input),
                &both(&signature.replace("xbind=", "other="), &other_signature.replace("other=", "xbind=")),
            ),
        ),
    ]
}

fn bodies() -> Vec<Value> {
    let sha512 = "sha-512=:RJa0xj6kQW5nRzHDBlCN9oNNqxUXQSCDbtYZhyY5GgPzxpSXJxT9Ue5yVZzGkQxFFYpFD2zTo0SXkHmSNYIGKQ==:";
    let other = |value: &str| signed(post().set("Content-Digest", value));
    let mut large = refuse("PAYLOAD_TOO_LARGE", "body-large", "more than the limit", &signed(post()));
    large["policy"] = json!({ "maxBodyBytes": 12 });
    let empty = get("/").with("Content-Digest", &digest(""));
    vec![
        accept("digest-of-nothing", "an empty body has one too", &signed(empty)),
        accept("digest-512", "sha-512", &other(&digest512(BODY))),
        accept("digest-both", "both, in one field", &other(&format!("{}, {}", digest512(BODY), digest(BODY)))),
        accept(
            "digest-unknown-too",
            "one that nobody knows is passed over",
            &other(&format!("md5=:AAAA:, {}", digest(BODY))),
        ),
        refuse(INVALID, "digest-one-wrong", "each must be right", &other(&format!("{sha512}, {}", digest(BODY)))),
        refuse(INVALID, "digest-wrong", "of another body", &other(&digest("{}"))),
        refuse(MALFORMED, "digest-unknown", "none by sha-256 or sha-512", &other("md5=:AAAA:")),
        refuse(MALFORMED, "digest-short", "32 bytes", &other("sha-256=:AAAA:")),
        refuse(MALFORMED, "digest-text", "bytes", &other("sha-256=\"AAAA\"")),
        refuse(MALFORMED, "digest-garbage", "a dictionary", &other("sha-256")),
        large,
    ]
}

fn tokens() -> Vec<Value> {
    let mut presented = accept("token", "a token is presented", &signed(get("/").with("Xbind-Token", "a.b.c")));
    presented["is"]["token"] = json!("a.b.c");
    vec![
        presented,
        refuse(
            INVALID,
            "token-moved",
            "another token",
            &signed(get("/").with("Xbind-Token", "a.b.c")).set("Xbind-Token", "d.e.f"),
        ),
        refuse(INVALID, "token-added", "a token that was not signed", &signed(get("/")).with("Xbind-Token", "a.b.c")),
        refuse(
            INVALID,
            "token-gone",
            "the token is gone",
            &signed(get("/").with("Xbind-Token", "a.b.c")).without("Xbind-Token"),
        ),
        refuse(
            INVALID,
            "authorization-added",
            "credentials that were not signed",
            &signed(get("/")).with("Authorization", "Basic eA=="),
        ),
    ]
}
