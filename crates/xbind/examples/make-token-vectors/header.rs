//! Faults in the protected header.

use super::forge::*;
use serde_json::Value;

pub fn cases() -> Vec<Value> {
    [accepted(), algorithms(), types(), kids(), members()].concat()
}

fn accepted() -> Vec<Value> {
    let typ = |name, typ: &str| {
        accept(
            name,
            "media types know no case, nor need application/",
            with_header(header().set("typ", quoted(typ)).json()),
        )
    };
    vec![
        accept("valid", "an honest token", token()),
        accept(
            "alg-ed25519",
            "the newer name of the same (RFC 9864)",
            with_header(header().set("alg", quoted("Ed25519")).json()),
        ),
        typ("typ-upper-case", "AT+JWT"),
        typ("typ-application", "application/at+jwt"),
        typ("typ-application-mixed-case", "Application/At+Jwt"),
        accept("header-white-space", "white space is free", with_header(header().json().replace(',', " ,\n"))),
        accept(
            "header-escapes",
            "a name may be spelled with escapes",
            with_header(header().json().replace("\"alg\"", "\"\\u0061lg\"")),
        ),
    ]
}

fn algorithms() -> Vec<Value> {
    let alg = |name, alg: &str| {
        invalid(
            name,
            "the key allows EdDSA only, whatever the header asks for",
            with_header(header().set("alg", alg).json()),
        )
    };
    vec![
        alg("alg-none", "\"none\""),
        alg("alg-none-mixed-case", "\"nOnE\""),
        alg("alg-hs256", "\"HS256\""),
        alg("alg-rs256", "\"RS256\""),
        alg("alg-es256", "\"ES256\""),
        alg("alg-es256k", "\"ES256K\""),
        alg("alg-ed448", "\"Ed448\""),
        alg("alg-batch", "\"Ed25519-MT-SHA256\""),
        alg("alg-lower-case", "\"eddsa\""),
        alg("alg-space", "\"EdDSA \""),
        alg("alg-empty", "\"\""),
        alg("alg-null", "null"),
        alg("alg-number", "-8"),
        alg("alg-array", "[\"EdDSA\"]"),
        invalid("alg-missing", "alg is required", with_header(header().without("alg").json())),
        invalid("alg-repeated", "a member stands once", with_header(header().add("alg", "\"EdDSA\"").json())),
        invalid(
            "alg-repeated-escaped",
            "however it is spelled",
            with_header(header().add("\\u0061lg", "\"none\"").json()),
        ),
        invalid(
            "alg-none-unsigned",
            "nothing is signed",
            format!("{}.", signing_input(header().set("alg", "\"none\"").json(), claims().json())),
        ),
    ]
}

fn types() -> Vec<Value> {
    let typ =
        |name, typ: &str| invalid(name, "each kind has a typ of its own", with_header(header().set("typ", typ).json()));
    vec![
        typ("typ-jwt", "\"JWT\""),
        typ("typ-message", "\"agent-msg+jwt\""),
        typ("typ-rotation", "\"agent-rotation+jwt\""),
        typ("typ-approval", "\"agent-approval+jwt\""),
        typ("typ-status-list", "\"statuslist+jwt\""),
        typ("typ-dpop", "\"dpop+jwt\""),
        typ("typ-application-jwt", "\"application/jwt\""),
        typ("typ-application-twice", "\"application/application/at+jwt\""),
        typ("typ-text", "\"text/at+jwt\""),
        typ("typ-longer", "\"at+jwts\""),
        typ("typ-parameter", "\"at+jwt;v=1\""),
        typ("typ-space", "\" at+jwt\""),
        typ("typ-empty", "\"\""),
        typ("typ-null", "null"),
        typ("typ-number", "1"),
        typ("typ-array", "[\"at+jwt\"]"),
        invalid("typ-missing", "typ is required", with_header(header().without("typ").json())),
        invalid("typ-repeated", "a member stands once", with_header(header().add("typ", "\"at+jwt\"").json())),
        invalid(
            "typ-delegation",
            "a delegation carries its parent",
            with_header(header().set("typ", "\"agent-deleg+jwt\"").json()),
        ),
    ]
}

fn kids() -> Vec<Value> {
    let (operator, stranger) = (operator(), stranger());
    let kid_is =
        |name, kid: &str| invalid(name, "kid names the key of iss", with_header(header().set("kid", kid).json()));
    let fragment = stranger.did().multibase();
    vec![
        kid_is("kid-empty", "\"\""),
        kid_is("kid-did-alone", &quoted(operator.did().as_str())),
        kid_is("kid-fragment-alone", &quoted(operator.did().multibase())),
        kid_is("kid-of-stranger", &quoted(&kid(stranger.did()))),
        kid_is("kid-fragment-of-stranger", &quoted(&format!("{}#{fragment}", operator.did()))),
        kid_is("kid-did-of-stranger", &quoted(&format!("{}#{}", stranger.did(), operator.did().multibase()))),
        kid_is("kid-longer", &quoted(&format!("{}x", kid(operator.did())))),
        kid_is("kid-two-fragments", &quoted(&format!("{}#{fragment}", kid(operator.did())))),
        kid_is("kid-upper-case", &quoted(&kid(operator.did()).to_uppercase())),
        kid_is("kid-white-space", &quoted(&format!(" {}", kid(operator.did())))),
        kid_is("kid-of-jwks", &quoted(ISSUER_KID)),
        kid_is("kid-number", "1"),
        kid_is("kid-null", "null"),
        kid_is("kid-too-long", &quoted(&"k".repeat(5000))),
        invalid("kid-missing", "kid is required", with_header(header().without("kid").json())),
        invalid(
            "kid-repeated",
            "a member stands once",
            with_header(header().add("kid", quoted(&kid(stranger.did()))).json()),
        ),
    ]
}

fn members() -> Vec<Value> {
    let add = |name, member: &str, value: &str| {
        invalid(name, "the header has no other member", with_header(header().add(member, value).json()))
    };
    let raw = |name, why, header: &str| invalid(name, why, with_header(header));
    let honest = header().json();
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(stranger().did().public_key()));
    vec![
        add("crit-empty", "crit", "[]"),
        add("crit-exp", "crit", "[\"exp\"]"),
        add("crit-b64", "crit", "[\"b64\"]"),
        add("b64-false", "b64", "false"),
        add("b64-true", "b64", "true"),
        add("jwk", "jwk", &jwk),
        add("jku", "jku", "\"https://evil.example/jwks.json\""),
        add("x5u", "x5u", "\"https://evil.example/cert.pem\""),
        add("x5c", "x5c", "[\"MIIB\"]"),
        add("x5t", "x5t", "\"AAAA\""),
        add("cty", "cty", "\"JWT\""),
        add("zip", "zip", "\"DEF\""),
        add("enc", "enc", "\"A256GCM\""),
        add("unknown-member", "x", "1"),
        add("unknown-null", "x", "null"),
        add("proto", "__proto__", "{}"),
        raw("header-empty", "a JSON object is required", ""),
        raw("header-empty-object", "all three members are required", "{}"),
        raw(
            "header-array",
            "an object, not an array of its values",
            &format!("[\"EdDSA\",\"{}\",\"at+jwt\"]", kid(operator().did())),
        ),
        raw("header-string", "an object", "\"EdDSA\""),
        raw("header-null", "an object", "null"),
        raw("header-trailing", "nothing after the object", &format!("{honest}{{}}")),
        raw("header-byte-order-mark", "no byte order mark", &format!("\u{feff}{honest}")),
        raw("header-comment", "no comments", &format!("/**/{honest}")),
        raw("header-trailing-comma", "no trailing comma", &honest.replace('}', ",}")),
        raw("header-single-quotes", "double quotes", &honest.replace('"', "'")),
        invalid("header-not-utf8", "UTF-8", with_header([honest.as_bytes(), b"\xff"].concat())),
    ]
}
