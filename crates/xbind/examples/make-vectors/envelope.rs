//! Faults in the protected header, the audience, and the times.

use super::forge::*;

pub fn cases() -> Vec<Case> {
    [headers(), audiences(), times()].concat()
}

fn headers() -> Vec<Case> {
    let Keys { sender, stranger, .. } = keys();
    let did = sender.did();
    let header = header(did);
    let wrong = |name, why, header: &Object| refuse("MALFORMED_MESSAGE", name, why, with_header(header.json()));
    let text = |name, why, header: &str| refuse("MALFORMED_MESSAGE", name, why, with_header(header));
    let honest = header.json();
    let unsigned = with_header(header.set("alg", quoted("none")).json());
    let [h, c, _] = segments(&unsigned);
    vec![
        wrong("alg-none", "no algorithm, though signed", &header.set("alg", quoted("none"))),
        refuse("MALFORMED_MESSAGE", "alg-none-unsigned", "no algorithm and no signature", format!("{h}.{c}.")),
        wrong("alg-hs256", "a MAC keyed with the public key is anybody's", &header.set("alg", quoted("HS256"))),
        wrong("alg-es256", "another algorithm", &header.set("alg", quoted("ES256"))),
        wrong("alg-ed25519", "RFC 9864's name is not this format's", &header.set("alg", quoted("Ed25519"))),
        wrong("alg-lower-case", "names are exact", &header.set("alg", quoted("eddsa"))),
        wrong("alg-array", "a string, not an array", &header.set("alg", "[\"EdDSA\"]")),
        wrong("alg-null", "null is no algorithm", &header.set("alg", "null")),
        wrong("alg-missing", "three members", &header.without("alg")),
        wrong("kid-missing", "three members", &header.without("kid")),
        wrong("typ-missing", "three members", &header.without("typ")),
        wrong("typ-jwt", "some other token", &header.set("typ", quoted("JWT"))),
        wrong("typ-access-token", "an access token is no message", &header.set("typ", quoted("at+jwt"))),
        wrong("typ-prefixed", "names are exact", &header.set("typ", quoted("application/agent-msg+jwt"))),
        wrong("typ-upper-case", "names are exact", &header.set("typ", quoted("AGENT-MSG+JWT"))),
        wrong("crit", "no extension is known", &header.add("crit", "[\"exp\"]")),
        wrong("crit-empty", "no other member", &header.add("crit", "[]")),
        wrong("b64", "the payload is always encoded (RFC 7797)", &header.add("b64", "false")),
        wrong("zip", "no compression", &header.add("zip", quoted("DEF"))),
        wrong("cty", "no other member", &header.add("cty", quoted("json"))),
        wrong("jku", "keys are never fetched", &header.add("jku", quoted("https://keys.example/jwks.json"))),
        wrong("x5u", "keys are never fetched", &header.add("x5u", quoted("https://keys.example/cert.pem"))),
        wrong(
            "jwk",
            "the key comes from the DID alone",
            &header.add("jwk", r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
        ),
        wrong("alg-repeated", "a member stands once", &header.add("alg", quoted("EdDSA"))),
        wrong(
            "alg-repeated-escaped",
            "a member stands once, however it is spelled",
            &header.add("\\u0061lg", quoted("EdDSA")),
        ),
        wrong("kid-repeated", "a member stands once", &header.add("kid", quoted(&kid(stranger.did())))),
        text("header-array", "an array is no object", &format!(r#"["EdDSA","{}","agent-msg+jwt"]"#, kid(did))),
        text("header-nested", "an array around the object", &format!("[{honest}]")),
        text("header-null", "null is no object", "null"),
        text("header-string", "a string is no object", "\"EdDSA\""),
        text("header-number", "a number is no object", "1"),
        text("header-not-json", "not JSON", "alg=EdDSA"),
        text("header-trailing", "something after the object", &format!("{honest}{{}}")),
        text("header-trailing-comma", "not JSON", &honest.replace('}', ",}")),
        text("header-single-quotes", "not JSON", &honest.replace('"', "'")),
        text("header-bom", "a byte order mark", &format!("\u{feff}{honest}")),
        text("header-cut-off", "not JSON", &honest[..honest.len() - 1]),
        refuse(
            "MALFORMED_MESSAGE",
            "header-not-utf-8",
            "not UTF-8",
            with_header([&[0xff][..], honest.as_bytes()].concat()),
        ),
        wrong("kid-bare-did", "kid names a key, not an agent", &header.set("kid", quoted(did.as_str()))),
        wrong("kid-bare-fragment", "kid is absolute", &header.set("kid", quoted(&format!("#{}", did.multibase())))),
        wrong("kid-multibase", "kid is absolute", &header.set("kid", quoted(did.multibase()))),
        wrong(
            "kid-other-fragment",
            "the fragment is the key's",
            &header.set("kid", quoted(&format!("{}#key-1", did.as_str()))),
        ),
        wrong(
            "kid-crossed",
            "the fragment is the key's",
            &header.set("kid", quoted(&format!("{}#{}", did.as_str(), stranger.did().multibase()))),
        ),
        wrong("kid-longer", "nothing follows the fragment", &header.set("kid", quoted(&format!("{}#", kid(did))))),
        wrong("kid-query", "nothing stands between", &header.set("kid", quoted(&kid(did).replace('#', "?v=1#")))),
        wrong("kid-upper-scheme", "DIDs are exact", &header.set("kid", quoted(&kid(did).replace("did:", "DID:")))),
        wrong("kid-of-another", "kid is the key of iss", &header.set("kid", quoted(&kid(stranger.did())))),
        refuse(
            "MALFORMED_MESSAGE",
            "kid-of-another-signer",
            "kid is the key of iss, whoever signed",
            sign(&stranger, self::header(stranger.did()).json(), claims(did, keys().recipient.did()).json()),
        ),
    ]
}

fn audiences() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let claims = claims(sender.did(), recipient.did());
    let me = recipient.did();
    let wrong = |name, why, aud: &str| refuse("MALFORMED_MESSAGE", name, why, with_claims(&claims.set("aud", aud)));
    vec![
        refuse(
            "WRONG_AUDIENCE",
            "other-recipient",
            "for somebody else",
            with_claims(&claims.set("aud", quoted(stranger.did().as_str()))),
        ),
        refuse(
            "WRONG_AUDIENCE",
            "to-its-sender",
            "for its own sender",
            with_claims(&claims.set("aud", quoted(sender.did().as_str()))),
        ),
        refuse(
            "WRONG_AUDIENCE",
            "reflection",
            "from its own recipient",
            sign(&recipient, header(me).json(), self::claims(me, me).json()),
        ),
        wrong("aud-array", "one recipient, a string", &format!("[\"{me}\"]")),
        wrong("aud-null", "one recipient", "null"),
        wrong("aud-name", "a DID, not a name", &quoted("writer")),
        wrong("aud-empty", "a DID", &quoted("")),
        wrong("aud-versioned", "an alias of my DID is not my DID", &quoted(&me.as_str().replace("key:", "key:1:"))),
        wrong("aud-upper-case", "an alias of my DID is not my DID", &quoted(&me.as_str().replace("did:", "DID:"))),
        wrong("aud-fragment", "a DID, not a key", &quoted(&kid(me))),
        wrong("aud-space", "a DID and nothing else", &quoted(&format!("{me} "))),
        wrong(
            "aud-small-order",
            "no DID names a small-order key",
            &quoted("did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj"),
        ),
    ]
}

fn times() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let claims = claims(sender.did(), recipient.did());
    let life = |iat: u64, exp: u64| with_claims(&claims.set("iat", iat).set("exp", exp));
    let honest = with_claims(&claims);
    let exact = |case: Case| Case { clock_skew_seconds: Some(0), ..case };
    vec![
        refuse(
            "MESSAGE_NOT_YET_VALID",
            "future",
            "one second further ahead than clocks may differ",
            life(NOW + 31, NOW + 61),
        ),
        refuse(
            "MESSAGE_NOT_YET_VALID",
            "far-future",
            "times that overflow when they are added to",
            life(u64::MAX - 30, u64::MAX),
        ),
        refuse(
            "MESSAGE_NOT_YET_VALID",
            "signed-overflow",
            "times beyond the signed range",
            life(1 << 63, (1 << 63) + 30),
        ),
        refuse("MESSAGE_EXPIRED", "expired", "one second over", honest.clone()).at(NOW + 60),
        refuse("MESSAGE_EXPIRED", "expired-long-ago", "an old message", honest.clone()).at(NOW + 1_000_000),
        refuse("MESSAGE_EXPIRED", "epoch", "the first second there was", life(0, 1)),
        refuse("MESSAGE_EXPIRED", "clock-at-end", "the last second there is", honest.clone()).at(u64::MAX),
        refuse("MESSAGE_NOT_YET_VALID", "clock-at-start", "a clock that was never set", honest.clone()).at(0),
        exact(accept("no-skew-first", "its first second, by one clock", honest.clone())),
        exact(accept("no-skew-last", "its last second, by one clock", honest.clone()).at(NOW + 29)),
        exact(
            refuse("MESSAGE_EXPIRED", "no-skew-expired", "the second of its expiry, by one clock", honest.clone())
                .at(NOW + 30),
        ),
        exact(
            refuse(
                "MESSAGE_NOT_YET_VALID",
                "no-skew-future",
                "the second before its issue, by one clock",
                honest.clone(),
            )
            .at(NOW - 1),
        ),
        Case {
            clock_skew_seconds: Some(u64::MAX),
            ..accept("skew-saturates", "the widest skew does not wrap", honest.clone())
        },
        Case {
            max_lifetime_seconds: Some(29),
            ..refuse("MALFORMED_MESSAGE", "life-over-policy", "longer than this recipient takes", honest)
        },
        Case {
            max_lifetime_seconds: Some(3600),
            ..refuse(
                "MALFORMED_MESSAGE",
                "life-policy-cannot-widen",
                "longer than the format takes",
                life(NOW, NOW + 301),
            )
        },
        refuse("MALFORMED_MESSAGE", "life-301", "a second longer than the format takes", life(NOW, NOW + 301)),
        refuse("MALFORMED_MESSAGE", "life-endless", "it would never expire", life(NOW, u64::MAX)),
        refuse("MALFORMED_MESSAGE", "life-zero", "expires when it is issued", life(NOW, NOW)),
        refuse("MALFORMED_MESSAGE", "life-negative", "expires before it is issued", life(NOW, NOW - 1)),
    ]
}
