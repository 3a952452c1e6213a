//! DPoP proofs: for one request, by one key, now.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "times chosen here")]

mod common;

use common::{NOW, sender as agent};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use xbind::identity::jwk::thumbprint;
use xbind::{DpopProof, DpopRequest, ErrorKind, SigningKey, dpop_proof};

const URL: &str = "https://api.example/orders";
const ASK: DpopRequest<'_> = DpopRequest { method: "POST", url: URL, token: None };
const SKEW: u64 = 5;

fn jws(key: &SigningKey, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()));
    let signature = BASE64URL_NOPAD.encode(&key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn x(key: &SigningKey) -> String {
    BASE64URL_NOPAD.encode(key.did().public_key())
}

fn header() -> Value {
    json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x(&agent()) } })
}

fn claims() -> Value {
    json!({ "jti": "1", "htm": "POST", "htu": URL, "iat": NOW })
}

fn verdict(proof: &str, request: &DpopRequest<'_>, now: u64) -> Result<DpopProof, ErrorKind> {
    DpopProof::verify(proof, request, now, SKEW).map_err(|error| error.kind())
}

#[test]
fn what_is_made_here_holds_for_its_request_alone() {
    let key = agent();
    let token = DpopRequest { token: Some("a.b.c"), ..ASK };
    let proof = dpop_proof(&key, &ASK, [7; 16], NOW).unwrap();
    let held = verdict(&proof, &ASK, NOW).unwrap();
    assert_eq!((held.did(), held.thumbprint(), held.issued_at()), (key.did(), thumbprint(key.did()), NOW));
    assert_eq!(held.until(SKEW), NOW + 65);
    let bound = dpop_proof(&key, &token, [7; 16], NOW).unwrap();
    let again = verdict(&bound, &token, NOW).unwrap();
    assert_eq!(held.claim(), again.claim());
    assert_ne!(held.claim(), verdict(&dpop_proof(&key, &ASK, [8; 16], NOW).unwrap(), &ASK, NOW).unwrap().claim());
    let others = dpop_proof(&SigningKey::from_seed(&[9; 32]), &ASK, [7; 16], NOW).unwrap();
    assert_ne!(held.claim(), verdict(&others, &ASK, NOW).unwrap().claim());
    for (proof, request) in [
        (&proof, DpopRequest { method: "GET", ..ASK }),
        (&proof, DpopRequest { method: "post", ..ASK }),
        (&proof, DpopRequest { url: "https://api.example/order", ..ASK }),
        (&proof, DpopRequest { url: "http://api.example/orders", ..ASK }),
        (&proof, DpopRequest { url: "https://api.example:8443/orders", ..ASK }),
        (&proof, token),
        (&bound, ASK),
        (&bound, DpopRequest { token: Some("a.b.d"), ..ASK }),
    ] {
        assert_eq!(verdict(proof, &request, NOW).unwrap_err(), ErrorKind::InvalidToken, "{request:?}");
    }
    for (now, kind) in [
        (NOW - 5, None),
        (NOW - 6, Some(ErrorKind::TokenNotYetValid)),
        (NOW + 65, None),
        (NOW + 66, Some(ErrorKind::TokenExpired)),
        (u64::MAX, Some(ErrorKind::TokenExpired)),
    ] {
        assert_eq!(verdict(&proof, &ASK, now).err(), kind, "{now}");
    }
    for request in [
        DpopRequest { url: "api.example", ..ASK },
        DpopRequest { url: "ftp://api.example/", ..ASK },
        DpopRequest { url: "https://api.example/#x", ..ASK },
        DpopRequest { url: "https://u@api.example/", ..ASK },
        DpopRequest { method: "", ..ASK },
        DpopRequest { method: "A B", ..ASK },
    ] {
        assert_eq!(
            dpop_proof(&key, &request, [7; 16], NOW).unwrap_err().kind(),
            ErrorKind::InvalidConfig,
            "{request:?}"
        );
    }
}

#[test]
fn a_url_has_one_meaning_however_it_is_spelled() {
    let named = |htu: &str, url: &str| {
        let mut claims = claims();
        claims["htu"] = json!(htu);
        verdict(&jws(&agent(), &header().to_string(), &claims.to_string()), &DpopRequest { url, ..ASK }, NOW).is_ok()
    };
    for (htu, url) in [
        ("HTTPS://API.example:443/orders", URL),
        (URL, "https://API.EXAMPLE/orders?draft=1"),
        (URL, "https://api.example/orders?a=b?c"),
        ("https://api.example", "https://api.example/"),
        ("https://api.example/%7eme/%c3%a9", "https://api.example/~me/%C3%A9"),
        ("http://api.example:8080/", "http://api.example:8080/"),
        ("https://[2001:db8::1]/", "https://[2001:DB8::1]:443/"),
    ] {
        assert!(named(htu, url), "{htu} {url}");
    }
    for (htu, url) in [
        ("https://api.example/orders?draft=1", URL),
        ("https://api.example/orders?", URL),
        ("https://api.example/orders#x", URL),
        ("https://api.example/Orders", URL),
        ("https://api.example/orders/", URL),
        ("https://api.example/x/../orders", URL),
        ("https://api.example/%2e/orders", URL),
        ("https://api.example//orders", URL),
        ("https://api.example/ord%65rs%", URL),
        ("https://api.example/a%2fb", "https://api.example/a/b"),
        ("https://user@api.example/orders", URL),
        ("https://api.example:0443/orders", URL),
        ("https:/api.example/orders", URL),
        ("/orders", URL),
        ("", URL),
    ] {
        assert!(!named(htu, url), "{htu} {url}");
    }
}

#[test]
fn what_is_no_proof_is_refused() {
    let key = agent();
    let (honest, said) = (header(), claims());
    assert!(verdict(&jws(&key, &honest.to_string(), &said.to_string()), &ASK, NOW).is_ok());
    let changed = |json: &Value, pointer: &str, value: Value| {
        let mut json = json.clone();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[member] = value;
        json.to_string()
    };
    let mut proofs = Vec::new();
    for (pointer, value) in [
        ("/alg", json!("none")),
        ("/alg", json!("HS256")),
        ("/alg", json!("ES256")),
        ("/alg", json!("eddsa")),
        ("/typ", json!("JWT")),
        ("/typ", json!("DPOP+JWT")),
        ("/typ", json!("at+jwt")),
        ("/kid", json!(key.did().as_str())),
        ("/crit", json!([])),
        ("/b64", json!(false)),
        ("/jwk", json!(null)),
        ("/jwk", json!([])),
        ("/jwk", json!(x(&key))),
        ("/jwk/kty", json!("EC")),
        ("/jwk/crv", json!("X25519")),
        ("/jwk/d", json!(BASE64URL_NOPAD.encode(&[1; 32]))),
        ("/jwk/d", json!(null)),
        ("/jwk/k", json!("AA")),
        ("/jwk/use", json!("enc")),
        ("/jwk/x", json!(format!("{}=", x(&key)))),
        ("/jwk/x", json!(BASE64URL_NOPAD.encode(&[0; 32]))),
        ("/jwk/x", json!(x(&SigningKey::from_seed(&[9; 32])))),
    ] {
        proofs.push(jws(&key, &changed(&honest, pointer, value), &said.to_string()));
    }
    for (pointer, value) in [
        ("/jti", json!("")),
        ("/jti", json!("a\nb")),
        ("/jti", json!("x".repeat(513))),
        ("/jti", json!(1)),
        ("/htm", json!(null)),
        ("/htu", json!([URL])),
        ("/iat", json!("1")),
        ("/iat", json!(1.5)),
        ("/iat", json!(-1)),
        ("/ath", json!("x")),
        ("/ath", json!(null)),
    ] {
        proofs.push(jws(&key, &honest.to_string(), &changed(&said, pointer, value)));
    }
    let raw = |header: &str, claims: &str| jws(&key, header, claims);
    let (header, claims) = (honest.to_string(), said.to_string());
    proofs.extend([
        raw(&header, &claims.replacen('{', "{\"jti\":\"2\",", 1)),
        raw(&header, &claims.replacen('{', "{\"\\u006ati\":\"2\",", 1)),
        raw(&header, &claims.replacen('{', "{\"x\":{\"a\":1,\"a\":2},", 1)),
        raw(&header, &format!("[{claims}]")),
        raw(&header.replacen('{', "{\"typ\":\"dpop+jwt\",", 1), &claims),
        raw(&header.replace("\"kty\"", "\"kty\":\"OKP\",\"kty\""), &claims),
        raw(&format!("[{header}]"), &claims),
        jws(&SigningKey::from_seed(&[9; 32]), &header, &claims),
        format!("{}x", raw(&header, &claims)),
        format!("{}.", raw(&header, &claims)),
        raw(&header, &claims).rsplit_once('.').unwrap().0.to_owned() + ".",
        raw(&header, &said.to_string().replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(4096)), 1)),
        String::new(),
    ]);
    for member in ["jti", "htm", "htu", "iat"] {
        let mut less = said.clone();
        less.as_object_mut().unwrap().remove(member);
        proofs.push(raw(&header, &less.to_string()));
    }
    for proof in proofs {
        assert_eq!(verdict(&proof, &ASK, NOW).err(), Some(ErrorKind::InvalidToken), "{proof}");
    }
    let over = raw(&header, &changed(&said, "/exp", json!(NOW - 6)));
    assert_eq!(verdict(&over, &ASK, NOW).err(), Some(ErrorKind::TokenExpired));
    let early = raw(&header, &changed(&said, "/nbf", json!(NOW + 6)));
    assert_eq!(verdict(&early, &ASK, NOW).err(), Some(ErrorKind::TokenNotYetValid));
    // What other libraries write beside it.
    let more = raw(&changed(&honest, "/jwk/kid", json!("1")), &changed(&said, "/nonce", json!("x")));
    assert!(verdict(&more, &ASK, NOW).is_ok());
}
