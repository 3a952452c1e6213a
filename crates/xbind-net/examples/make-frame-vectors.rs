//! Writes the vectors of bodies with messages: the same bytes every time, put together by hand.
//!
//! `cargo run -p xbind-net --example make-frame-vectors`, from anywhere in the repository.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a program that makes test data stops at the first surprise"
)]

#[path = "../../xbind/examples/vectors/output.rs"]
mod output;

use serde_json::{Value, json};
use xbind::SigningKey;

fn main() -> std::io::Result<()> {
    output::write([file()])
}

const NOTE: &str = "Bodies of HTTP requests and responses with messages, docs/http.md, \"Agents over HTTP\", read by \
    a reader that takes bodies of messages up to `maxBody` bytes. `bytes` is the whole body in hexadecimal; `messages` are \
    those that come of it, also where it is refused after them; without a `code` it is whole. A message here is no JWS: the \
    framing does not look into it. The result is the same in whatever pieces the bytes come.";

const MAX_BODY: usize = 64;

/// The file's name in vectors/, and its text.
pub fn file() -> (&'static str, String) {
    let file = json!({ "note": NOTE, "maxBody": MAX_BODY, "cases": cases() });
    ("frames.json", output::text(&file))
}

fn did() -> String {
    SigningKey::from_seed(&[1; 32]).did().to_string()
}

/// A message, byte for byte.
fn frame(kind: u8, jws: &[u8], body: &[u8], presented: Option<&[u8]>, to: &[u8]) -> Vec<u8> {
    let long = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let lengths = (u16::try_from(jws.len()).unwrap(), long(body), presented.map_or(0, |text| long(text) + 1));
    head(kind, lengths, to).into_iter().chain([jws, body, presented.unwrap_or_default()].concat()).collect()
}

fn head(kind: u8, (jws, body, presented): (u16, u32, u32), to: &[u8]) -> Vec<u8> {
    [&[kind][..], &jws.to_be_bytes(), &body.to_be_bytes(), &presented.to_be_bytes(), to].concat()
}

fn good(jws: &str, body: &[u8], presented: Option<&str>) -> Vec<u8> {
    frame(1, jws.as_bytes(), body, presented.map(str::as_bytes), did().as_bytes())
}

fn message(jws: &str, body: &[u8], presented: Option<&str>) -> Value {
    let mut message = json!({ "to": did(), "jws": jws, "body": hex(body) });
    if let Some(presented) = presented {
        message["presented"] = json!(presented);
    }
    message
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn case(name: &str, why: &str, bytes: &[u8], messages: &[Value], code: Option<&str>) -> Value {
    let mut case = json!({ "name": name, "why": why, "bytes": hex(bytes), "messages": messages });
    if let Some(code) = code {
        case["code"] = json!(code);
    }
    case
}

fn cases() -> Vec<Value> {
    [accepted(), malformed(), too_long(), broken_off()].concat()
}

fn accepted() -> Vec<Value> {
    let (plain, empty) = (good("a.b.c", b"hello", None), good("a.b.c", b"", None));
    let presenting = good("a.b.c", b"\x00\xff", Some("token~approval"));
    let nothing = good("j", b"", Some(""));
    let longest = good(&"j".repeat(4096), &[7; MAX_BODY], Some(&"t".repeat(69_633)));
    let all = [plain.clone(), presenting.clone(), empty.clone()].concat();
    let [one, two, three] = [
        message("a.b.c", b"hello", None),
        message("a.b.c", b"\x00\xff", Some("token~approval")),
        message("a.b.c", b"", None),
    ];
    vec![
        case("no message", "an empty body is whole", b"", &[], None),
        case("one message", "with a body, and nothing presented", &plain, std::slice::from_ref(&one), None),
        case("an empty body", "of a message", &empty, std::slice::from_ref(&three), None),
        case(
            "what is presented",
            "stands behind the body, which is any bytes",
            &presenting,
            std::slice::from_ref(&two),
            None,
        ),
        case(
            "nothing is presented, as text",
            "a length of 1 is an empty text, which is not none",
            &nothing,
            &[message("j", b"", Some(""))],
            None,
        ),
        case("three messages", "one behind the other", &all, &[one, two, three], None),
        case(
            "the longest",
            "4096 bytes of JWS, as many of body as are taken, 69,633 that are presented",
            &longest,
            &[message(&"j".repeat(4096), &[7; MAX_BODY], Some(&"t".repeat(69_633)))],
            None,
        ),
    ]
}

fn malformed() -> Vec<Value> {
    let before = message("a.b.c", b"hello", None);
    let first = good("a.b.c", b"hello", None);
    let did = did();
    let wrong = |name: &str, why: &str, bytes: Vec<u8>| case(name, why, &bytes, &[], Some("MALFORMED_MESSAGE"));
    let upper = did.to_uppercase();
    let other = did.replace("z6Mk", "z6Mj");
    vec![
        wrong("first byte 0", "1 begins a message", frame(0, b"j", b"", None, did.as_bytes())),
        wrong("first byte 2", "1 begins a message", frame(2, b"j", b"", None, did.as_bytes())),
        wrong("no JWS", "it has a byte at least", head(1, (0, 0, 0), did.as_bytes())),
        wrong("a JWS of 4097 bytes", "4096 is the most", head(1, (4097, 0, 0), did.as_bytes())),
        wrong("a recipient that is none", "its DID in 56 bytes", frame(1, b"j", b"", None, &[b'x'; 56])),
        wrong("a recipient in capitals", "a DID has one spelling", frame(1, b"j", b"", None, upper.as_bytes())),
        wrong("a recipient with another key", "no key is spelled so", frame(1, b"j", b"", None, other.as_bytes())),
        wrong("a recipient that is no text", "56 bytes of ASCII", frame(1, b"j", b"", None, &[0xff; 56])),
        wrong("a JWS that is no text", "UTF-8", frame(1, b"\xff", b"", None, did.as_bytes())),
        wrong("what is presented is no text", "UTF-8", frame(1, b"j", b"", Some(b"\xc3\x28"), did.as_bytes())),
        wrong(
            "JSON",
            "another format",
            br#"{"jws":"a.b.c","body":"hello","to":"did:key:z6Mkhn3rpi3pxisaGDX9jABfdWoyH5cKENd2Pgv9q8cB4Dn4"}"#
                .to_vec(),
        ),
        case(
            "a wrong one behind a right one",
            "what came before stands",
            &[first, vec![0; 67]].concat(),
            &[before],
            Some("MALFORMED_MESSAGE"),
        ),
    ]
}

fn too_long() -> Vec<Value> {
    let did = did();
    let wrong = |name: &str, why: &str, bytes: Vec<u8>| case(name, why, &bytes, &[], Some("PAYLOAD_TOO_LARGE"));
    let body = u32::try_from(MAX_BODY).unwrap() + 1;
    vec![
        wrong(
            "a body of 65 bytes",
            "refused by its length, before any of it is there",
            head(1, (1, body, 0), did.as_bytes()),
        ),
        wrong(
            "a body of 4 GiB",
            "refused by its length, before any of it is there",
            head(1, (1, u32::MAX, 0), did.as_bytes()),
        ),
        wrong("69,634 bytes are presented", "69,633 is the most", head(1, (1, 0, 69_635), did.as_bytes())),
        wrong("4 GiB are presented", "69,633 is the most", head(1, (1, 0, u32::MAX), did.as_bytes())),
    ]
}

fn broken_off() -> Vec<Value> {
    let whole = good("a.b.c", b"hello", Some("token"));
    let wrong = |name: &str, end: usize| {
        case(name, "the body ends in the middle of a message", &whole[..end], &[], Some("ABORTED"))
    };
    let second = [whole.clone(), whole[..whole.len() - 1].to_vec()].concat();
    let before = message("a.b.c", b"hello", Some("token"));
    vec![
        wrong("the first byte only", 1),
        wrong("half a head", 30),
        wrong("a head", 67),
        wrong("half a JWS", 69),
        wrong("half a body", 75),
        wrong("all but the last byte", whole.len() - 1),
        case("a second one without its end", "what came before stands", &second, &[before], Some("ABORTED")),
    ]
}
