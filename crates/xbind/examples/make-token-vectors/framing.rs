//! Faults in the three segments and the signature.

use super::forge::*;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

pub fn cases() -> Vec<Value> {
    [segments_of(), encodings(), signatures()].concat()
}

fn segments_of() -> Vec<Value> {
    let token = token();
    let [header, claims, signature] = segments(&token);
    let case = |name, token: &str| invalid(name, "three segments", token.to_owned());
    vec![
        case("empty", ""),
        case("one-segment", header),
        case("two-segments", &format!("{header}.{claims}")),
        case("four-segments", &format!("{token}.{signature}")),
        case("full-stops-only", ".."),
        case("header-segment-empty", &format!(".{claims}.{signature}")),
        case("claims-segment-empty", &format!("{header}..{signature}")),
        case("signature-segment-empty", &format!("{header}.{claims}.")),
        case("segment-before", &format!(".{token}")),
        case("tilde-suffix", &format!("{token}~")),
        case("two-tokens", &format!("{token} {token}")),
        case("bearer-prefix", &format!("Bearer {token}")),
        case("in-quotes", &quoted(&token)),
        invalid("bare-did", "a name is no credential", operator().did().as_str().to_owned()),
        invalid(
            "json-serialization",
            "compact only",
            format!(r#"{{"payload":"{claims}","protected":"{header}","signature":"{signature}"}}"#),
        ),
        invalid(
            "over-32-kib",
            "a token has at most 32 KiB",
            with_claims(&super::forge::claims().add("x", quoted(&"x".repeat(33_000)))),
        ),
        invalid("over-64-kib", "nothing has more than 64 KiB", format!("{token}{}", "A".repeat(65_536))),
    ]
}

fn encodings() -> Vec<Value> {
    let token = token();
    let [header, claims, signature] = segments(&token);
    let case = |name, why, token: String| invalid(name, why, token);
    let strict = "base64url is strict";
    vec![
        case("padding-header", strict, format!("{header}=.{claims}.{signature}")),
        case("padding-claims", strict, format!("{header}.{claims}=.{signature}")),
        case("padding-signature", strict, format!("{token}==")),
        case("space-before", strict, format!(" {token}")),
        case("space-after", strict, format!("{token} ")),
        case("newline-after", strict, format!("{token}\n")),
        case("newline-within", strict, format!("{header}.\n{claims}.{signature}")),
        case("nul-after", strict, format!("{token}\0")),
        case("standard-alphabet", strict, token.replace('-', "+").replace('_', "/")),
        case("trailing-bits", "the bits that belong to no byte are zero", with_trailing_bits(&token)),
        case("one-character-over", strict, format!("{header}.{claims}.{signature}AAA")),
        case("not-ascii", strict, format!("{header}.{claims}é.{signature}")),
    ]
}

fn signatures() -> Vec<Value> {
    let honest = token();
    let [header, claims, signature] = segments(&honest);
    let forged = |name, why, signature: &[u8]| invalid(name, why, format!("{header}.{claims}.{}", encode(signature)));
    let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut small_order = [0; 64];
    small_order[0] = 1;
    let other = with_claims(&super::forge::claims().set("scope", quoted("admin")));
    let by_stranger =
        stranger().sign(signing_input(super::forge::header().json(), super::forge::claims().json()).as_bytes());
    let why = "the issuer's signature over these very bytes";
    vec![
        forged("signature-63-bytes", "64 bytes", &bytes[..63]),
        forged("signature-65-bytes", "64 bytes", &[&bytes[..], &[0]].concat()),
        forged("signature-twice", "64 bytes", &[&bytes[..], &bytes].concat()),
        forged("signature-zero", why, &[0; 64]),
        forged("signature-small-order", "R is not of small order", &small_order),
        forged("signature-r-flipped", why, &flipped(0)),
        forged("signature-s-flipped", why, &flipped(32)),
        forged("signature-s-plus-l", "S is below the order of the group", &plus_order(&bytes)),
        forged("signature-by-stranger", why, &by_stranger),
        invalid("signature-of-other-claims", why, format!("{header}.{claims}.{}", segments(&other)[2])),
        invalid("claims-swapped", why, format!("{header}.{}.{signature}", segments(&other)[1])),
        invalid(
            "header-swapped",
            why,
            format!("{}.{claims}.{signature}", encode(super::forge::header().set("alg", "\"Ed25519\"").json())),
        ),
        invalid(
            "signed-without-header",
            why,
            format!("{header}.{claims}.{}", encode(operator().sign(claims.as_bytes()))),
        ),
        invalid(
            "signed-as-json",
            why,
            format!("{header}.{claims}.{}", encode(operator().sign(super::forge::claims().json().as_bytes()))),
        ),
    ]
}

/// The last character of a 64-byte signature has four bits to spare.
fn with_trailing_bits(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let next = ALPHABET.find(last).unwrap() + 1;
    format!("{rest}{}", &ALPHABET[next..=next])
}

/// The same signature to a verifier that does not insist on S < L.
fn plus_order(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut sum = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in sum[32..].iter_mut().zip(ORDER) {
        let total = u16::from(*byte) + u16::from(order) + carry;
        *byte = total.to_le_bytes()[0];
        carry = total >> 8;
    }
    sum
}
