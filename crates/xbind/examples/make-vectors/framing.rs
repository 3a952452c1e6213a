//! Faults in the three segments, the sizes, and the signature.

use super::forge::*;

pub fn cases() -> Vec<Case> {
    [segments_and_encoding(), signatures(), bodies()].concat()
}

fn segments_and_encoding() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let claims = claims(sender.did(), recipient.did());
    let valid = with_claims(&claims);
    let [h, c, s] = segments(&valid);
    let wrong = |name, why, jws: String| refuse("MALFORMED_MESSAGE", name, why, jws);
    let long = with_claims(&claims.set("pt", quoted(&format!("text/{}", "x".repeat(3000)))));
    // The last character of each segment has bits that no byte uses; set the lowest of them.
    let loose = |segment: &str| {
        let (kept, last) = segment.split_at(segment.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(last).unwrap();
        format!("{kept}{}", &alphabet[at + 1..at + 2])
    };
    // Signed as it stands, so that nothing but strict decoding refuses it.
    let as_is = |header: &str, claims: &str| {
        let input = format!("{header}.{claims}");
        format!("{input}.{}", encode(sender.sign(input.as_bytes())))
    };
    // A space more, so that these two segments have spare bits as well.
    let spare_header = encode(format!("{} ", header(sender.did()).json()));
    let spare_claims = encode(format!("{}  ", claims.json()));
    let spare = |segment: &str| assert!(!segment.len().is_multiple_of(4), "a segment without spare bits");
    spare(&spare_header);
    spare(&spare_claims);
    spare(s);
    vec![
        wrong("empty", "nothing at all", String::new()),
        wrong("one-segment", "one segment", h.to_owned()),
        wrong("two-segments", "no signature segment", format!("{h}.{c}")),
        wrong("four-segments", "a segment too many", format!("{valid}.{s}")),
        wrong("five-segments", "the shape of an encrypted token", format!("{h}.{c}.{s}.{s}.{s}")),
        wrong("only-dots", "three empty segments", "..".to_owned()),
        wrong("trailing-dot", "an empty fourth segment", format!("{valid}.")),
        wrong("leading-dot", "an empty segment before", format!(".{valid}")),
        wrong("header-empty", "an empty header", as_is("", c)),
        wrong("claims-empty", "detached claims", as_is(h, "")),
        wrong("leading-space", "white space around", format!(" {valid}")),
        wrong("trailing-newline", "white space around", format!("{valid}\n")),
        wrong("space-inside", "white space inside", as_is(h, &format!("{} {}", &c[..8], &c[8..]))),
        wrong("newline-inside", "white space inside", as_is(h, &format!("{}\n{}", &c[..8], &c[8..]))),
        wrong("padding-signature", "padding", format!("{h}.{c}.{s}==")),
        wrong(
            "padding-claims",
            "padding",
            as_is(h, &format!("{spare_claims}{}", "=".repeat(4 - spare_claims.len() % 4))),
        ),
        wrong("padding-header", "padding", as_is(&format!("{spare_header}=="), c)),
        wrong(
            "standard-alphabet",
            "the other base64 alphabet",
            format!("{h}.{c}.{}", s.replace('-', "+").replace('_', "/")),
        ),
        wrong("loose-bits-signature", "bits that no byte uses are not zero", format!("{h}.{c}.{}", loose(s))),
        wrong("loose-bits-header", "bits that no byte uses are not zero", as_is(&loose(&spare_header), c)),
        wrong("loose-bits-claims", "bits that no byte uses are not zero", as_is(h, &loose(&spare_claims))),
        wrong("lone-character", "a length that no bytes have", format!("{h}.{c}.{s}AAA")),
        wrong("not-ascii", "a letter outside ASCII", format!("{h}.{c}.{}é", &s[..84])),
        wrong("nul", "a zero byte", format!("{valid}\0")),
        wrong("too-long", "over 4096 bytes", long),
        wrong("too-long-junk", "over 4096 bytes", "A".repeat(100_000)),
        wrong(
            "json-serialization",
            "the other serialization of RFC 7515",
            format!(r#"{{"protected":"{h}","payload":"{c}","signature":"{s}"}}"#),
        ),
    ]
}

fn signatures() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let header = header(sender.did());
    let claims = claims(sender.did(), recipient.did());
    let valid = with_claims(&claims);
    let [h, c, s] = segments(&valid);
    let wrong = |name, why, jws: String| refuse("INVALID_SIGNATURE", name, why, jws);
    let raw: [u8; 64] = sender.sign(format!("{h}.{c}").as_bytes());
    let mut flipped = raw;
    flipped[10] ^= 1;
    let mut neutral = [0; 64];
    neutral[0] = 1;
    let other = with_claims(&claims.set("op", quoted("send")));
    let reordered = header.reversed().json();
    vec![
        wrong("signature-flipped", "one bit differs", format!("{h}.{c}.{}", encode(flipped))),
        wrong("signature-of-another-key", "signed by somebody else", sign(&stranger, header.json(), claims.json())),
        wrong(
            "signature-of-other-claims",
            "the signature of another message",
            format!("{h}.{c}.{}", segments(&other)[2]),
        ),
        wrong("claims-of-another-message", "the claims of another message", format!("{h}.{}.{s}", segments(&other)[1])),
        wrong("header-rewritten", "the same header in other bytes", format!("{}.{c}.{s}", encode(reordered))),
        wrong("signature-empty", "no signature", format!("{h}.{c}.")),
        wrong("signature-63", "a byte short", format!("{h}.{c}.{}", encode(&raw[..63]))),
        wrong("signature-65", "a byte long", format!("{h}.{c}.{}", encode([&raw[..], &[0]].concat()))),
        wrong("signature-zero", "zeros", format!("{h}.{c}.{}", encode([0; 64]))),
        wrong("signature-neutral-r", "R the neutral point, S zero", format!("{h}.{c}.{}", encode(neutral))),
        wrong(
            "signature-s-plus-l",
            "S is not below the group order (RFC 8032 section 5.1.7)",
            format!("{h}.{c}.{}", encode(plus_order(raw))),
        ),
        wrong(
            "signature-of-json",
            "the JSON was signed, not the segments",
            format!("{h}.{c}.{}", encode(sender.sign(format!("{}.{}", header.json(), claims.json()).as_bytes()))),
        ),
        wrong(
            "signature-of-claims",
            "the claims alone were signed",
            format!("{h}.{c}.{}", encode(sender.sign(c.as_bytes()))),
        ),
        wrong(
            "signature-of-digest",
            "a digest was signed, not the segments",
            format!("{h}.{c}.{}", encode(sender.sign(xbind::Digest::of(format!("{h}.{c}").as_bytes()).as_bytes()))),
        ),
    ]
}

fn bodies() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let claims = claims(sender.did(), recipient.did());
    let valid = with_claims(&claims);
    let wrong = |name, why| refuse("INVALID_SIGNATURE", name, why, valid.clone());
    let limit = |bytes, case: Case| Case { max_body_bytes: Some(bytes), ..case };
    vec![
        wrong("body-tampered", "other bytes of the same length").body(&BODY.replace("AI", "XX")),
        wrong("body-truncated", "the last byte is missing").body(&BODY[..BODY.len() - 1]),
        wrong("body-extended", "a byte too many").body(&format!("{BODY} ")),
        wrong("body-missing", "no body").body(""),
        wrong("body-reformatted", "equal JSON in other bytes").body(&BODY.replace(':', ": ")),
        refuse(
            "INVALID_SIGNATURE",
            "pl-too-small",
            "the length is not that of the body",
            with_claims(&claims.set("pl", 1)),
        ),
        refuse("INVALID_SIGNATURE", "pl-zero", "the length is not that of the body", with_claims(&claims.set("pl", 0))),
        refuse(
            "INVALID_SIGNATURE",
            "pl-huge",
            "the length is not that of the body",
            with_claims(&claims.set("pl", u64::MAX)),
        ),
        limit(BODY.len(), accept("body-at-limit", "a body as long as the limit", valid.clone())),
        limit(BODY.len() - 1, refuse("PAYLOAD_TOO_LARGE", "body-over-limit", "a body over the limit", valid.clone())),
    ]
}

/// The group order added to S, little-endian.
fn plus_order(mut signature: [u8; 64]) -> [u8; 64] {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    signature
}
