//! Faults in the claims.

use super::forge::*;

pub fn cases() -> Vec<Case> {
    [members(), values(), json()].concat()
}

fn malformed(name: &'static str, why: &'static str, claims: &Object) -> Case {
    refuse("MALFORMED_MESSAGE", name, why, with_claims(claims))
}

fn honest() -> Object {
    let Keys { sender, recipient, .. } = keys();
    claims(sender.did(), recipient.did())
}

fn members() -> Vec<Case> {
    let claims = honest();
    let missing = |name, claim| malformed(name, "a claim is missing", &claims.without(claim));
    let twice = |name, claim: &str, value: String| malformed(name, "a member stands once", &claims.add(claim, value));
    let stranger = quoted(keys().stranger.did().as_str());
    vec![
        missing("v-missing", "v"),
        missing("op-missing", "op"),
        missing("iss-missing", "iss"),
        missing("aud-missing", "aud"),
        missing("jti-missing", "jti"),
        missing("iat-missing", "iat"),
        missing("exp-missing", "exp"),
        missing("pt-missing", "pt"),
        missing("pl-missing", "pl"),
        missing("pd-missing", "pd"),
        malformed("unknown-nbf", "no other claim", &claims.add("nbf", NOW)),
        malformed("unknown-sub", "no other claim", &claims.add("sub", &stranger)),
        malformed("unknown-null", "no other claim, even one that says nothing", &claims.add("x", "null")),
        malformed("unknown-proto", "no other claim, whatever a language makes of it", &claims.add("__proto__", "{}")),
        malformed(
            "unknown-deep",
            "no other claim, however deep",
            &claims.add("x", format!("{}{}", "[".repeat(900), "]".repeat(900))),
        ),
        malformed("claim-upper-case", "names are exact", &claims.without("aud").add("AUD", &stranger)),
        twice("aud-repeated", "aud", stranger.clone()),
        twice("aud-repeated-escaped", "au\\u0064", stranger.clone()),
        twice("iss-repeated", "iss", stranger),
        twice("jti-repeated", "jti", quoted("AAECAwQFBgcICQoLDA0OEA")),
        twice("exp-repeated", "exp", (NOW + 300).to_string()),
        twice("v-repeated-same", "v", "1".to_owned()),
        twice("pd-repeated", "pd", quoted("sha-256:FJ8wwj00qo8R0H6sgg1Go6em1tMCyQiKRD0N-0C69Bw")),
    ]
}

fn values() -> Vec<Case> {
    let claims = honest();
    let set = |name, why, claim, value: &str| malformed(name, why, &claims.set(claim, value));
    let digest = "FJ8wwj00qo8R0H6sgg1Go6em1tMCyQiKRD0N-0C69Bw";
    let did = keys().sender.did().as_str().to_owned();
    vec![
        set("v-2", "another version", "v", "2"),
        set("v-0", "another version", "v", "0"),
        set("v-string", "an integer", "v", "\"1\""),
        set("v-float", "an integer", "v", "1.0"),
        set("v-true", "an integer", "v", "true"),
        set("op-unknown", "no such operation", "op", "\"exec\""),
        set("op-upper-case", "names are exact", "op", "\"CALL\""),
        set("op-empty", "no such operation", "op", "\"\""),
        set("op-null", "a string", "op", "null"),
        set("iss-name", "a DID, not a name", "iss", "\"researcher\""),
        set("iss-web", "another method", "iss", "\"did:web:agents.example\""),
        set("iss-fragment", "a DID, not a key", "iss", &quoted(&kid(keys().sender.did()))),
        set("iss-versioned", "an alias is a way round revocation", "iss", &quoted(&did.replace("key:", "key:1:"))),
        set("iss-upper-case", "an alias is a way round revocation", "iss", &quoted(&did.replace("did:", "DID:"))),
        set("iss-null", "a string", "iss", "null"),
        set("jti-short", "16 bytes", "jti", "\"AAECAwQFBgcICQoLDA0O\""),
        set("jti-long", "16 bytes", "jti", "\"AAECAwQFBgcICQoLDA0ODxA\""),
        set("jti-empty", "16 bytes", "jti", "\"\""),
        set("jti-padded", "no padding", "jti", "\"AAECAwQFBgcICQoLDA0ODw==\""),
        set("jti-loose-bits", "another spelling of the same bytes", "jti", "\"AAECAwQFBgcICQoLDA0ODx\""),
        set("jti-alphabet", "base64url", "jti", "\"++++++++++++++++++++++\""),
        set("jti-number", "a string", "jti", "1"),
        set("iat-float", "an integer", "iat", "1735689600.0"),
        set("iat-exponent", "an integer", "iat", "17356896e2"),
        set("iat-string", "an integer", "iat", "\"1735689600\""),
        set("iat-negative", "not negative", "iat", "-1"),
        set("iat-minus-zero", "not negative", "iat", "-0"),
        set("iat-null", "an integer", "iat", "null"),
        set("iat-leading-zero", "not JSON", "iat", "01735689600"),
        set("exp-float", "an integer", "exp", "1735689630.5"),
        set("exp-too-big", "over 64 bits", "exp", "18446744073709551616"),
        set("exp-infinite", "an integer", "exp", "1e400"),
        set("exp-signed", "it would never expire", "exp", "9223372036854775807"),
        set("pt-empty", "a media type", "pt", "\"\""),
        set("pt-no-subtype", "a media type", "pt", "\"application\""),
        set("pt-empty-subtype", "a media type", "pt", "\"application/\""),
        set("pt-two-slashes", "a media type", "pt", "\"a/b/c\""),
        set("pt-space", "a media type", "pt", "\"application/ json\""),
        set("pt-newline", "nothing that breaks a header line", "pt", "\"text/plain\\r\\nx: y\""),
        set("pt-tab", "printable ASCII", "pt", "\"text/plain;\\tx=y\""),
        set("pt-not-ascii", "printable ASCII", "pt", "\"text/pläin\""),
        set("pt-bad-parameter", "a parameter has a value", "pt", "\"text/plain; charset\""),
        set("pt-open-quote", "a quoted string ends", "pt", "\"text/plain; title=\\\"a\""),
        set("pt-128", "at most 127 bytes", "pt", &quoted(&format!("text/{}", "x".repeat(123)))),
        set("pl-negative", "not negative", "pl", "-44"),
        set("pl-float", "an integer", "pl", "44.0"),
        set("pl-string", "an integer", "pl", "\"44\""),
        set("pl-too-big", "over 64 bits", "pl", "18446744073709551660"),
        set("pd-no-prefix", "a digest names its algorithm", "pd", &quoted(digest)),
        set("pd-other-algorithm", "SHA-256 and no other", "pd", &quoted(&format!("sha-512:{digest}"))),
        set("pd-upper-case", "names are exact", "pd", &quoted(&format!("SHA-256:{digest}"))),
        set(
            "pd-hex",
            "base64url",
            "pd",
            "\"sha-256:149f30c23d34aa8f11d07eac820d46a3a7a6d6d302c9088a443d0dfb40baf41c\"",
        ),
        set("pd-standard-alphabet", "base64url", "pd", &quoted(&format!("sha-256:{}", digest.replace('-', "+")))),
        set("pd-padded", "no padding", "pd", &quoted(&format!("sha-256:{digest}="))),
        set("pd-short", "32 bytes", "pd", "\"sha-256:FJ8w\""),
    ]
}

fn json() -> Vec<Case> {
    let Keys { sender, .. } = keys();
    let honest = honest().json();
    let text = |name, why, claims: String| {
        refuse("MALFORMED_MESSAGE", name, why, sign(&sender, header(sender.did()).json(), claims))
    };
    let values: serde_json::Value = serde_json::from_str(&honest).unwrap();
    let array: Vec<_> =
        ["v", "op", "iss", "aud", "jti", "iat", "exp", "pt", "pl", "pd"].map(|name| values[name].to_string()).into();
    vec![
        text("claims-array", "an array is no object", format!("[{}]", array.join(","))),
        text(
            "claims-array-optional",
            "an array is no object",
            format!("[{},null,null,{},null]", array[..7].join(","), array[7..].join(",")),
        ),
        text("claims-null", "null is no object", "null".to_owned()),
        text("claims-string", "a string is no object", quoted("call")),
        text("claims-blank", "no object", " ".to_owned()),
        text("claims-trailing", "something after the object", format!("{honest}0")),
        text("claims-twice", "one object", format!("{honest}{honest}")),
        text("claims-comment", "not JSON", format!("{honest}//")),
        text("claims-trailing-comma", "not JSON", honest.replace('}', ",}")),
        text("claims-nan", "not JSON", honest.replace("\"pl\":44", "\"pl\":NaN")),
        text("claims-bom", "a byte order mark", format!("\u{feff}{honest}")),
        text("claims-cut-off", "not JSON", honest[..honest.len() - 1].to_owned()),
        text("claims-nul", "a zero byte after the object", format!("{honest}\0")),
        text("claims-lone-surrogate", "half a surrogate pair is no text", honest.replace("json", "\\ud800json")),
        text(
            "claims-control-character",
            "a raw control character in a string is not JSON",
            honest.replace("application/json", "application/\njson"),
        ),
        text("claims-form-feed", "white space that JSON does not know", format!("\u{c}{honest}")),
        refuse("MALFORMED_MESSAGE", "claims-not-utf-8", "not UTF-8", {
            let mut bytes = honest.clone().into_bytes();
            let at = honest.find("json").unwrap();
            bytes[at] = 0xff;
            sign(&sender, header(sender.did()).json(), bytes)
        }),
    ]
}
