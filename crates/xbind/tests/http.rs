//! Structured fields, targets and signatures of HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

use proptest::prelude::*;
use xbind::http::message::RequestHead;
use xbind::http::profile::Profile;
use xbind::http::sfv::{self, Bare, Member};
use xbind::http::sign::{RequestDraft, prepare, sign};
use xbind::http::target::{Authority, Scheme, Target};
use xbind::http::verify::{RequestPolicy, RequestVerifier};
use xbind::identity::statement::is_statement;
use xbind::{ErrorKind, SigningKey};

/// An item, written again.
fn canonical(text: &str) -> Option<String> {
    let mut out = String::new();
    sfv::write_item(&mut out, &sfv::item(text)?);
    Some(out)
}

#[test]
fn items_are_read_and_written() {
    for text in [
        "1",
        "0",
        "-1",
        "999999999999999",
        "1.5",
        "-0.25",
        "123456789012.125",
        "\"\"",
        "\"a b\"",
        r#""a\"b\\c""#,
        "a",
        "*",
        "A/b:c",
        "a!#$%&'*+-.^_`|~",
        "::",
        ":AA==:",
        ":AAECAw==:",
        "?0",
        "?1",
        "@0",
        "@-1",
        "@1659578233",
        "%\"\"",
        "%\"%c3%bc\"",
        "a;b",
        "a;b=1;c=\"x\"",
        "a;b=?0",
    ] {
        assert_eq!(canonical(text).as_deref(), Some(text));
    }
    for (text, written) in [
        ("  1  ", "1"),
        ("007", "7"),
        ("-0", "0"),
        ("1.50", "1.5"),
        ("1.0", "1.0"),
        ("0.120", "0.12"),
        ("a; b", "a;b"),
        ("a;b=?1", "a;b"),
    ] {
        assert_eq!(canonical(text).as_deref(), Some(written), "{text}");
    }
}

#[test]
fn what_is_no_item_is_refused() {
    for text in [
        "",
        " ",
        "-",
        "1000000000000000",
        "1.",
        "1.2345",
        ".5",
        "1234567890123.1",
        "--1",
        "1e3",
        "\"",
        "\"a",
        "\"ä\"",
        "\"\t\"",
        r#""\a""#,
        r#""a\""#,
        ":A:",
        ":AA:",
        ":AA=:",
        ":AB==:",
        ":AA_-:",
        ":AA==",
        ": AA==:",
        "?",
        "?2",
        "?true",
        "@",
        "@1.5",
        "@a",
        "%\"%C3%BC\"",
        "%\"%c3\"",
        "%\"%2\"",
        "%a",
        "a b",
        "a,",
        "a;",
        "a;B",
        "a;b=",
        "a;b=1;b=1",
        "é",
        "(a)",
        "a\n",
        "\ta",
        "a\t",
        "=",
    ] {
        assert_eq!(sfv::item(text), None, "{text}");
    }
}

#[test]
fn dictionaries_have_each_key_once() {
    let read = sfv::dictionary("a=1, b ,\tc=(1 \"x\";y);z, *d=?0").unwrap();
    assert_eq!(read.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["a", "b", "c", "*d"]);
    let Member::List(list) = &read[2].1 else { panic!("no list") };
    assert_eq!((list.items.len(), list.parameters.len()), (2, 1));
    assert!(matches!(&read[1].1, Member::Item(item) if item.value == Bare::Boolean(true)));
    assert!(sfv::dictionary("").unwrap().is_empty());
    for text in [
        "a=1,", ",a", "a=1,,b", "a=1 b=2", "A=1", "a=1, a=2", "a=", "a=(", "a=(1", "a=(1 ", "a=(1,2)", "a=(1\t2)",
        "a=((1))", "1=a", "a=1;;b",
    ] {
        assert_eq!(sfv::dictionary(text), None, "{text}");
    }
    let many = |n: usize| (0..n).map(|n| format!("k{n}")).collect::<Vec<_>>().join(", ");
    assert_eq!(sfv::dictionary(&many(64)).unwrap().len(), 64);
    assert_eq!(sfv::dictionary(&many(65)), None);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_reads_it_writes_once(text in "[ -~]{0,60}") {
        if let Some(once) = canonical(&text) {
            prop_assert_eq!(canonical(&once).unwrap(), once);
        }
        let _ = sfv::dictionary(&text);
    }

    #[test]
    fn targets_never_hold_dots(text in "/([.]|%2[eE]|/|a|[?]){0,12}") {
        if let Ok(target) = Target::parse(&text) {
            let decoded = target.path.replace("%2e", ".").replace("%2E", ".");
            prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
            prop_assert_ne!(target.query, Some(""));
        }
    }

    /// Whatever one bit of what is signed becomes, nobody accepts it as this sender's.
    #[test]
    fn a_changed_byte_is_refused(field in 0_usize..5, at in 0_usize..400, bit in 0_u32..7) {
        let key = SigningKey::from_seed(&[1; 32]);
        let verifier = verifier();
        let body = b"{}";
        let plain = [("Host", "api.example"), ("Content-Type", "application/json")];
        let head = RequestHead { method: "POST", scheme: Scheme::Https, authority: None, target: "/a?b=c", fields: &plain };
        let added = sign(&key, &head, body, &draft()).unwrap();
        let mut fields: Vec<(String, String)> = plain.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        fields.extend(added.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let value = &mut fields[field].1;
        let mut bytes = value.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let changed = String::from_utf8(bytes).unwrap();
        let label = value.find('=').unwrap_or(0);
        // A label in upper case is no label; but the host is the same in either case.
        prop_assume!(field != 0 || !changed.eq_ignore_ascii_case(value));
        prop_assume!(field < 3 || at >= label);
        *value = changed;
        let pairs: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let outcome = verifier.authenticate(&RequestHead { fields: &pairs, ..head }, 1000).and_then(|request| {
            verifier.accept(&request, body, 1000).map(|()| *request.from())
        });
        prop_assert!(outcome.is_err(), "{pairs:?}");
    }
}

fn draft() -> RequestDraft<'static> {
    RequestDraft {
        profile: Profile::Xbind,
        created: 1000,
        ttl: 60,
        nonce: [7; 64],
        token: None,
        approval: None,
        agent: None,
    }
}

fn verifier() -> RequestVerifier {
    RequestVerifier::new(RequestPolicy {
        profile: Profile::Xbind,
        authorities: vec!["api.example".to_owned()],
        clock_skew: 0,
        max_age: 300,
        max_body: 100,
        started: None,
        allowed: None,
        keys: Vec::new(),
        max_tracked: 10,
    })
    .unwrap()
}

#[test]
fn authorities_have_one_spelling() {
    for (text, scheme, normal) in [
        ("API.Example", Scheme::Https, "api.example"),
        ("api.example:443", Scheme::Https, "api.example"),
        ("api.example:443", Scheme::Http, "api.example:443"),
        ("api.example:80", Scheme::Http, "api.example"),
        ("[::1]:8080", Scheme::Http, "[::1]:8080"),
        ("[FE80::1]", Scheme::Https, "[fe80::1]"),
        ("127.0.0.1:3000", Scheme::Http, "127.0.0.1:3000"),
    ] {
        assert_eq!(Authority::parse(text).unwrap().normal(scheme).text(), normal, "{text}");
    }
    for text in [
        "", ":80", "a:", "a:+80", "a:080", "a:65536", "a b", "u@a", "a/b", "[::1", "[g]", "[::1]a", "a%41", "ä", "a,b",
        "a:80:80",
    ] {
        assert_eq!(Authority::parse(text), None, "{text}");
    }
}

#[test]
fn nobody_is_made_to_sign_a_request() {
    let head =
        RequestHead { method: "GET", scheme: Scheme::Https, authority: Some("api.example"), target: "/", fields: &[] };
    let key = SigningKey::from_seed(&[1; 32]);
    let unsigned = prepare(key.did(), &head, b"", &draft()).unwrap();
    assert!(is_statement(unsigned.to_sign().as_bytes()));
    assert_eq!(key.sign_data(unsigned.to_sign().as_bytes()).unwrap_err().kind(), ErrorKind::SignFailed);
    assert!(!is_statement(b"\"@method\": GET"));
}

#[test]
fn a_signature_made_elsewhere_is_looked_at() {
    let head =
        RequestHead { method: "GET", scheme: Scheme::Https, authority: Some("api.example"), target: "/", fields: &[] };
    let key = SigningKey::from_seed(&[1; 32]);
    let unsigned = prepare(key.did(), &head, b"", &draft()).unwrap();
    let base = unsigned.to_sign().as_bytes();
    let checked = |signature: &[u8]| unsigned.clone().finish_checked(signature).map_err(|error| error.kind());
    assert_eq!(checked(&key.sign(base)), Ok(sign(&key, &head, b"", &draft()).unwrap()));
    let short = &key.sign(base)[..63];
    for wrong in [&SigningKey::from_seed(&[2; 32]).sign(base)[..], &key.sign(b"another")[..], short, &[]] {
        assert_eq!(checked(wrong), Err(ErrorKind::SignFailed));
    }
}

#[test]
fn drafts_out_of_bounds_are_refused() {
    let key = SigningKey::from_seed(&[1; 32]);
    let kind =
        |head: &RequestHead<'_>, draft: RequestDraft<'_>| sign(&key, head, b"{}", &draft).map_err(|error| error.kind());
    let head =
        RequestHead { method: "POST", scheme: Scheme::Https, authority: Some("a.example"), target: "/", fields: &[] };
    let config = Err(ErrorKind::InvalidConfig);
    assert!(kind(&head, draft()).is_ok());
    assert_eq!(kind(&head, RequestDraft { ttl: 0, ..draft() }), config);
    assert_eq!(kind(&head, RequestDraft { ttl: 301, ..draft() }), config);
    assert_eq!(kind(&head, RequestDraft { created: 1_000_000_000_000_000, ..draft() }), config);
    assert_eq!(kind(&head, RequestDraft { token: Some("a b"), ..draft() }), Err(ErrorKind::InvalidToken));
    assert_eq!(kind(&head, RequestDraft { token: Some(""), ..draft() }), Err(ErrorKind::InvalidToken));
    assert_eq!(kind(&head, RequestDraft { agent: Some("https://a.example"), ..draft() }), config);
    assert_eq!(kind(&head, RequestDraft { profile: Profile::Wba, ..draft() }), config);
    let bot = RequestDraft { profile: Profile::Wba, agent: Some("http://a.example"), ..draft() };
    assert_eq!(kind(&head, bot), config);
    assert!(kind(&head, RequestDraft { agent: Some("https://a.example"), ..bot }).is_ok());
    let other = content_digest_of("x");
    let fields = [("Content-Digest", other.as_str())];
    assert_eq!(kind(&RequestHead { fields: &fields, ..head }, draft()), config);
    let fields = [("Signature-Input", "xbind=(\"@method\");tag=\"x\""), ("Signature", "xbind=:AAAA:")];
    assert_eq!(kind(&RequestHead { fields: &fields, ..head }, draft()), config);
    assert_eq!(kind(&RequestHead { target: "/../a", ..head }, draft()), Err(ErrorKind::MalformedMessage));
}

fn content_digest_of(body: &str) -> String {
    xbind::http::digest::content_digest(body.as_bytes())
}
