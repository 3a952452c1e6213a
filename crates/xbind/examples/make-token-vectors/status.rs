//! Status lists, honest and forged.

use super::forge::*;
use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::{Value, json};
use xbind::{Bits, StatusList, StatusListDraft};

const URI: &str = "https://api.example/status/1";
const TYPE: &str = "statuslist+jwt";

pub fn cases() -> Vec<Value> {
    [fresh(), graded(), unreadable(), packed(), succeeding()].concat()
}

/// Asked about an index right after it was fetched.
fn case(name: &str, why: &str, list: String, index: u64, evidence: &str) -> Value {
    json!({
        "name": name, "why": why, "uri": URI, "signer": operator().did().as_str(), "list": list, "index": index,
        "at": NOW, "evidence": evidence,
    })
}

fn status(name: &str, list: &str, index: u64, status: u8) -> Value {
    case(name, "the status at the index", list.to_owned(), index, "fresh").with("status", json!(status))
}

fn refused(name: &str, why: &str, list: String) -> Value {
    case(name, why, list, 0, "unreadable").with("code", json!("INVALID_TOKEN"))
}

/// The first examples of the draft, section "Compressed Byte Array".
const ONE_BIT: &str = r#"{"bits":1,"lst":"eNrbuRgAAhcBXQ"}"#;
const TWO_BITS: &str = r#"{"bits":2,"lst":"eNo76fITAAPfAgc"}"#;

fn claims(list: &str) -> Object {
    Object::of(&[
        ("sub", quoted(URI)),
        ("iat", NOW.to_string()),
        ("exp", (NOW + 3600).to_string()),
        ("status_list", list.to_owned()),
    ])
}

fn signed(claims: &Object) -> String {
    sign(&operator(), header_of(operator().did(), TYPE).json(), claims.json())
}

fn made(bits: Bits, len: u64, set: &[(u64, u8)], lifetime: u64, ttl: Option<u64>) -> String {
    let mut list = StatusList::new(bits, len).unwrap();
    set.iter().for_each(|(index, status)| list.set(*index, *status).unwrap());
    list.sign(&operator(), &StatusListDraft { uri: URI, now: NOW, lifetime, ttl }).unwrap()
}

fn fresh() -> Vec<Value> {
    let one = signed(&claims(ONE_BIT));
    let bits = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1];
    let two = signed(&claims(TWO_BITS));
    let pairs = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3];
    let four = made(Bits::Four, 4, &[(0, 15), (1, 2), (3, 9)], 3600, None);
    let eight = made(Bits::Eight, 3, &[(0, 255), (2, 2)], 3600, Some(60));
    let long = made(Bits::One, 1_000_000, &[(999_999, 1)], 3600, None);
    let named = |name: &str, token: &str, expected: &[u8]| -> Vec<Value> {
        (0..)
            .zip(expected)
            .map(|(index, expected)| status(&format!("{name}-{index}"), token, index, *expected))
            .collect()
    };
    let mut cases = [
        named("one-bit", &one, &bits),
        named("two-bits", &two, &pairs),
        named("four-bits", &four, &[15, 2, 0, 9]),
        named("eight-bits", &eight, &[255, 0, 2]),
    ]
    .concat();
    cases.push(status("long-last", &long, 999_999, 1));
    cases.push(status("long-before", &long, 999_998, 0));
    cases.push(status("issuer-named", &signed(&claims(ONE_BIT).add("iss", quoted(operator().did().as_str()))), 0, 1));
    cases.push(status("members-more", &signed(&claims(ONE_BIT).add("aggregation", "[]")), 0, 1));
    cases
}

fn graded() -> Vec<Value> {
    let hour = made(Bits::One, 8, &[], 3600, None);
    let minute = made(Bits::One, 8, &[], 3600, Some(60));
    let endless = signed(&claims(ONE_BIT).without("exp"));
    let at = |case: Value, at: u64| case.with("at", json!(at));
    let stale =
        |name: &str, why: &str, list: &str, seconds: u64| at(case(name, why, list.to_owned(), 0, "stale"), seconds);
    let still = |name: &str, list: &str, seconds: u64, was: u8| at(status(name, list, 0, was), seconds);
    let out = |name: &str, index: u64| case(name, "beyond the end", hour.clone(), index, "unreadable");
    vec![
        still("until-it-expires", &hour, NOW + 3629, 0),
        stale("expired", "after exp and the skew", &hour, NOW + 3630),
        still("until-its-ttl", &minute, NOW + 60, 0),
        stale("after-its-ttl", "a copy is kept for ttl", &minute, NOW + 61),
        still("endless-one-day", &endless, NOW + 86_430, 1),
        stale("endless-more", "at most one day after it was signed", &endless, NOW + 86_431),
        stale("endless-far-future", "at most one day after it was signed", &endless, u64::MAX),
        still("clock-behind", &hour, NOW - 30, 0),
        stale("from-the-future", "signed more than the skew ahead", &hour, NOW - 31),
        stale("from-the-far-future", "signed more than the skew ahead", &hour, 0),
        case("other-address", "no list of that address", hour.clone(), 0, "absent")
            .with("asked", json!("https://api.example/status/2")),
        case("other-issuer", "a list counts for its signer's tokens only", hour.clone(), 0, "absent")
            .with("issuer", json!(agent().did().as_str())),
        out("index-one-beyond", 8),
        out("index-far-beyond", 1 << 40),
        out("index-max", u64::MAX),
    ]
}

fn unreadable() -> Vec<Value> {
    let honest = signed(&claims(ONE_BIT));
    let [header, payload, signature] = segments(&honest);
    let set = |name: &str, why: &str, claim: &str, value: &str| {
        refused(name, why, signed(&claims(ONE_BIT).set(claim, value)))
    };
    let add = |name: &str, why: &str, claim: &str, value: &str| {
        refused(name, why, signed(&claims(ONE_BIT).add(claim, value)))
    };
    let typ = |name: &str, typ: &str| {
        refused(name, "its own typ", sign(&operator(), header_of(operator().did(), typ).json(), claims(ONE_BIT).json()))
    };
    vec![
        refused("empty", "a compact JWS", String::new()),
        refused("token", "its own typ", token()),
        typ("typ-jwt", "JWT"),
        typ("typ-application", "application/statuslist+jwt"),
        typ("typ-cwt", "statuslist+cwt"),
        refused(
            "crit",
            "no other member",
            sign(&operator(), header_of(operator().did(), TYPE).add("crit", "[]").json(), claims(ONE_BIT).json()),
        ),
        refused(
            "by-stranger",
            "signed by its issuer",
            sign(&stranger(), header_of(operator().did(), TYPE).json(), claims(ONE_BIT).json()),
        ),
        refused(
            "kid-of-stranger",
            "kid names the issuer's key",
            sign(&stranger(), header_of(stranger().did(), TYPE).json(), claims(ONE_BIT).json()),
        ),
        refused("unsigned", "signed", format!("{header}.{payload}.")),
        refused(
            "edited",
            "signed as it is",
            format!("{header}.{}.{signature}", encode(claims(r#"{"bits":1,"lst":"eNpjYAAAAAIAAQ"}"#).json())),
        ),
        set("other-sub", "for this address", "sub", "\"https://api.example/status/2\""),
        set("sub-slash", "for this very address", "sub", "\"https://api.example/status/1/\""),
        add("other-iss", "by the issuer itself", "iss", &quoted(stranger().did().as_str())),
        set("iat-string", "a number", "iat", "\"1\""),
        refused("iat-missing", "required", signed(&claims(ONE_BIT).without("iat"))),
        refused("sub-missing", "required", signed(&claims(ONE_BIT).without("sub"))),
        refused("list-missing", "required", signed(&claims(ONE_BIT).without("status_list"))),
        set("exp-is-iat", "expires after it is issued", "exp", &NOW.to_string()),
        set("exp-null", "null is no value", "exp", "null"),
        add("ttl-zero", "a positive number", "ttl", "0"),
        add("ttl-negative", "a positive number", "ttl", "-1"),
        add("ttl-fraction", "an integer", "ttl", "1.5"),
        add("sub-repeated", "a member stands once", "sub", &quoted(URI)),
        add("list-repeated", "a member stands once", "status_list", ONE_BIT),
    ]
}

/// After another one was taken in.
fn succeeding() -> Vec<Value> {
    let list = |at: u64, set: &[(u64, u8)], bits: Bits| {
        let mut list = StatusList::new(bits, 8).unwrap();
        set.iter().for_each(|(index, status)| list.set(*index, *status).unwrap());
        list.sign(&operator(), &StatusListDraft { uri: URI, now: at, lifetime: 3600, ttl: None }).unwrap()
    };
    let revoking = list(NOW, &[(3, 1)], Bits::One);
    let after = |name: &str, why: &str, held: &str, next: String, index: u64, is: u8| {
        case(name, why, next, index, "fresh").with("status", json!(is)).with("held", json!(held))
    };
    let refused = |case: Value, code: &str| case.with("code", json!(code));
    let wide = |set: &[(u64, u8)]| list(NOW, set, Bits::Two);
    vec![
        after(
            "newer",
            "replaces the one at hand",
            &list(NOW - 1, &[(3, 1)], Bits::One),
            list(NOW, &[], Bits::One),
            3,
            0,
        ),
        after("same-again", "changes nothing", &revoking, revoking.clone(), 3, 1),
        after(
            "same-second-held",
            "of two lists of one second both count",
            &revoking,
            list(NOW, &[(4, 1)], Bits::One),
            3,
            1,
        ),
        after(
            "same-second-next",
            "of two lists of one second both count",
            &revoking,
            list(NOW, &[(4, 1)], Bits::One),
            4,
            1,
        ),
        after(
            "same-second-neither",
            "of two lists of one second both count",
            &revoking,
            list(NOW, &[(4, 1)], Bits::One),
            5,
            0,
        ),
        after("same-second-none", "of two lists of one second both count", &revoking, list(NOW, &[], Bits::One), 3, 1),
        after(
            "same-second-later-status",
            "the later one's status, unless that is 0",
            &wide(&[(3, 2)]),
            wide(&[(3, 1)]),
            3,
            1,
        ),
        after(
            "same-second-earlier-status",
            "the later one's status, unless that is 0",
            &wide(&[(3, 2)]),
            wide(&[]),
            3,
            2,
        ),
        refused(
            after("same-second-other-bits", "no newer, and not to be laid upon it", &revoking, wide(&[]), 3, 1),
            "TOKEN_EXPIRED",
        ),
        refused(
            after("older", "does not bring back what was", &revoking, list(NOW - 1, &[], Bits::One), 3, 1),
            "TOKEN_EXPIRED",
        ),
        refused(
            after(
                "ahead",
                "from the future, while another is at hand",
                &revoking,
                list(NOW + 31, &[], Bits::One),
                3,
                1,
            ),
            "TOKEN_NOT_YET_VALID",
        ),
        after(
            "after-one-ahead",
            "one from the future does not stand in the way",
            &list(NOW + 31, &[], Bits::One),
            revoking.clone(),
            3,
            1,
        ),
        refused(
            after("unreadable-after", "nor does what cannot be read", &revoking, "x".to_owned(), 3, 1),
            "INVALID_TOKEN",
        ),
    ]
}

fn packed() -> Vec<Value> {
    let list = |name: &str, why: &str, list: &str| refused(name, why, signed(&claims(list)));
    let packed =
        |name: &str, why: &str, bytes: &[u8]| list(name, why, &format!(r#"{{"bits":1,"lst":"{}"}}"#, encode(bytes)));
    let honest = compress_to_vec_zlib(&[0xb9, 0xa3], 9);
    let mut checksum = honest.clone();
    *checksum.last_mut().unwrap() ^= 1;
    vec![
        list("bits-0", "1, 2, 4 or 8", r#"{"bits":0,"lst":"eNrbuRgAAhcBXQ"}"#),
        list("bits-3", "1, 2, 4 or 8", r#"{"bits":3,"lst":"eNrbuRgAAhcBXQ"}"#),
        list("bits-16", "1, 2, 4 or 8", r#"{"bits":16,"lst":"eNrbuRgAAhcBXQ"}"#),
        list("bits-string", "a number", r#"{"bits":"1","lst":"eNrbuRgAAhcBXQ"}"#),
        list("bits-missing", "required", r#"{"lst":"eNrbuRgAAhcBXQ"}"#),
        list("lst-missing", "required", r#"{"bits":1}"#),
        list("lst-padded", "base64url without padding", r#"{"bits":1,"lst":"eNrbuRgAAhcBXQ=="}"#),
        list("lst-empty", "a list", r#"{"bits":1,"lst":""}"#),
        list("list-array", "an object", r#"[1,"eNrbuRgAAhcBXQ"]"#),
        packed("lst-no-zlib", "zlib", &[0xb9, 0xa3]),
        packed("lst-raw-deflate", "zlib, not DEFLATE alone", &honest[2..honest.len() - 4]),
        packed("lst-checksum", "the checksum is right", &checksum),
        packed("lst-cut-off", "all of it", &honest[..honest.len() - 1]),
        packed("lst-trailing", "nothing after it", &[&honest[..], &[0]].concat()),
        packed("lst-two-streams", "nothing after it", &[&honest[..], &honest].concat()),
        packed("lst-of-nothing", "one token at least", &compress_to_vec_zlib(&[], 9)),
        packed("lst-zip-bomb", "at most 1 MiB inflated", &compress_to_vec_zlib(&vec![0; 64 << 20], 9)),
        packed("lst-one-byte-over", "at most 1 MiB inflated", &compress_to_vec_zlib(&vec![0; (1 << 20) + 1], 9)),
        case(
            "lst-longest",
            "1 MiB inflated",
            signed(&claims(&format!(r#"{{"bits":1,"lst":"{}"}}"#, encode(compress_to_vec_zlib(&vec![0; 1 << 20], 9))))),
            (8 << 20) - 1,
            "fresh",
        )
        .with("status", json!(0)),
    ]
}
