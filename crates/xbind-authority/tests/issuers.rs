//! Tokens of users, against issuers that are real servers: which hold, and what an attacker tries.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

mod common;

use common::Folder;
use common::issuer::{IssuerKey, IssuerServer, Say, b64};
use common::world::{AUDIENCE, NOW, World, but, read};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use xbind_authority::issuers::{Kind, Refused};

#[test]
fn a_token_of_each_algorithm_says_who_its_user_is() {
    let world = World::new();
    let keys = [IssuerKey::rsa(1), IssuerKey::p256(), IssuerKey::ed25519(1)];
    world.issuer.publishes(&[("rsa", &keys[0]), ("ec", &keys[1]), ("ed", &keys[2])]);
    for (kid, key) in ["rsa", "ec", "ed"].into_iter().zip(&keys) {
        for typ in ["at+jwt", "application/AT+JWT", "JWT"] {
            let subject = world.take(&key.token(kid, typ, &but(&world.claims(), "sid", "s1"))).unwrap();
            assert_eq!((subject.subject.as_str(), subject.session.as_deref()), ("alice", Some("s1")));
            assert_eq!((subject.scopes, subject.expires_at), (vec!["pay".to_owned(), "read".to_owned()], NOW + 600));
        }
    }
    let header = json!({ "alg": "Ed25519", "kid": "ed", "typ": "at+jwt", "x5t": "of a certificate" });
    world.take(&keys[2].sign(&header, &world.claims())).unwrap();
    assert_eq!(world.issuer.asked("/jwks").len(), 1);
}

#[test]
fn a_token_with_another_signature_is_the_same() {
    let (world, key) = (World::new(), IssuerKey::p256());
    world.issuer.publishes(&[("k", &key)]);
    let claims = world.claims();
    let tokens = [(); 2].map(|()| key.token("k", "at+jwt", &claims));
    assert_ne!(tokens[0], tokens[1]);
    let [first, second] = tokens.map(|token| world.take(&token).unwrap().digest);
    assert_eq!(first, second);
    let other = key.token("k", "at+jwt", &but(&claims, "jti", "2"));
    assert_ne!(world.take(&other).unwrap().digest, first);
}

#[test]
fn an_algorithm_fits_its_key_and_the_issuers_list_or_nothing_is_verified() {
    let keys = [("rsa", IssuerKey::rsa(1)), ("ec", IssuerKey::p256()), ("ed", IssuerKey::ed25519(1))];
    let world = World::new();
    world.issuer.publishes(&keys.each_ref().map(|(kid, key)| (*kid, key)));
    for (kid, key) in &keys {
        for (other_kid, other) in &keys {
            let header = json!({ "alg": other.alg(), "kid": kid, "typ": "at+jwt" });
            let token = key.sign(&header, &world.claims());
            if kid == other_kid {
                world.take(&token).unwrap();
            } else {
                world.refuses(&token, "alg of the token is another");
                let header = json!({ "alg": key.alg(), "kid": other_kid, "typ": "at+jwt" });
                world.refuses(&key.sign(&header, &world.claims()), "alg of the token is another");
            }
        }
        // The public key as a secret, in each form in which somebody may have it at hand.
        let jwk = key.jwk(kid).to_string();
        for secret in [key.public(), jwk.into_bytes(), b64(&key.public()).into_bytes()] {
            for alg in ["HS256", "none", "PS256", "RS384", "ES384", "es256", ""] {
                let header = json!({ "alg": alg, "kid": kid, "typ": "at+jwt" }).to_string();
                let input = format!("{}.{}", b64(header.as_bytes()), b64(world.claims().to_string().as_bytes()));
                let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
                mac.update(input.as_bytes());
                let signature = b64(&mac.finalize().into_bytes());
                world.refuses(&format!("{input}.{signature}"), "alg of the token is not");
                world.refuses(&format!("{input}."), "alg of the token is not");
            }
        }
    }
    // An issuer that may sign by one has no keys for the others.
    for (at, (_, key)) in keys.iter().enumerate() {
        let world = World::with(&json!({ "algorithms": [key.alg()] }));
        world.issuer.publishes(&keys.each_ref().map(|(kid, key)| (*kid, key)));
        for (other, (kid, key)) in keys.iter().enumerate() {
            let token = key.token(kid, "at+jwt", &world.claims());
            if at == other { drop(world.take(&token).unwrap()) } else { world.refuses(&token, "no key of that kid") }
        }
    }
}

#[test]
fn a_kid_selects_one_key_of_its_own_issuer_and_nothing_else() {
    let world = World::new();
    let (own, other) = (IssuerKey::rsa(1), IssuerKey::rsa(2));
    world.issuer.publishes(&[("k", &own)]);
    world.take(&own.token("k", "at+jwt", &world.claims())).unwrap();
    world.refuses(&other.token("k", "at+jwt", &world.claims()), "signature");
    for kid in ["K", "k ", "../k", "k\u{0}", ""] {
        assert!(world.take(&own.token(kid, "at+jwt", &world.claims())).is_err(), "{kid:?}");
    }
    let header = json!({ "alg": "RS256", "typ": "at+jwt" });
    world.refuses(&own.sign(&header, &world.claims()), "no kid");
    // A key that the token brings, or leads to.
    let lure = IssuerServer::start();
    lure.publishes(&[("k", &other)]);
    for (name, value) in [
        ("jwk", other.jwk("k")),
        ("jku", json!(format!("{}/jwks", lure.url()))),
        ("x5u", json!(format!("{}/x5u", lure.url()))),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ] {
        let header = but(&json!({ "alg": "RS256", "kid": "k", "typ": "at+jwt" }), name, value);
        world.refuses(&other.sign(&header, &world.claims()), name);
        world.refuses(&own.sign(&header, &world.claims()), name);
    }
    assert!(lure.asked("/jwks").is_empty() && lure.asked("/x5u").is_empty());
    // Two keys of one kid, or a private one: the whole set is refused.
    for keys in [json!([own.jwk("k"), other.jwk("k")]), json!([own.jwk("k"), but(&other.jwk("o"), "d", "AQAB")])] {
        let world = World::new();
        world.issuer.says("/jwks", Say::Json(json!({ "keys": keys })));
        world.cannot(&own.token("k", "at+jwt", &world.claims()), NOW, "the JWK set");
    }
}

#[test]
fn two_issuers_whose_keys_share_a_kid_are_never_mixed_up() {
    let (folder, one, two) = (Folder::new(), IssuerServer::start(), IssuerServer::start());
    let (key, other) = (IssuerKey::rsa(1), IssuerKey::rsa(2));
    one.publishes(&[("k", &key)]);
    two.publishes(&[("k", &other)]);
    let entry =
        |server: &IssuerServer| json!({ "issuer": server.url(), "audience": AUDIENCE, "algorithms": ["RS256"] });
    let issuers = read(&folder, &json!({ "issuers": [entry(&one), entry(&two)] })).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let claims = json!({ "sub": "alice", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 60 });
    for (server, signer, holds) in
        [(&one, &key, true), (&two, &other, true), (&one, &other, false), (&two, &key, false)]
    {
        let token = signer.token("k", "at+jwt", &but(&claims, "iss", server.url()));
        let taken = runtime.block_on(issuers.subject(&token, Kind::AccessToken, NOW));
        assert_eq!(taken.is_ok(), holds);
        assert!(taken.is_err() || taken.unwrap().issuer == server.url());
    }
    for issuer in [format!("{}/", one.url()), one.url().to_uppercase(), "https://login.example".to_owned()] {
        let token = key.token("k", "at+jwt", &but(&claims, "iss", issuer));
        let taken = runtime.block_on(issuers.subject(&token, Kind::AccessToken, NOW));
        assert!(matches!(taken, Err(Refused::Token(why, _)) if why.contains("none of those")));
    }
}

#[test]
fn claims_that_are_missing_over_for_others_or_spelled_otherwise_are_refused() {
    let world = World::new();
    let key = IssuerKey::ed25519(1);
    world.issuer.publishes(&[("k", &key)]);
    let claims = world.claims();
    for (name, value, why) in [
        ("iss", Value::Null, "no iss"),
        ("sub", Value::Null, "no sub"),
        ("sub", json!("x".repeat(256)), "255"),
        ("sub", json!("did:key:z6Mk"), "a DID"),
        ("sub", json!("a\nb"), "no name"),
        ("sub", json!(7), "no name"),
        ("aud", Value::Null, "no aud"),
        ("aud", json!("https://other.example"), "another audience"),
        ("aud", json!(format!("{AUDIENCE}/")), "another audience"),
        ("aud", json!([]), "neither"),
        ("aud", json!(["https://other.example"]), "another audience"),
        ("aud", json!({}), "neither"),
        ("exp", Value::Null, "no exp"),
        ("exp", json!(NOW), "expired"),
        ("exp", json!(NOW - 1), "expired"),
        ("exp", json!((NOW + 60).to_string()), "no time"),
        ("exp", json!(1.8e9 + 60.5), "no time"),
        ("iat", Value::Null, "no iat"),
        ("iat", json!(NOW + 6), "not count yet"),
        ("iat", json!(NOW - 86_401), "a day ago"),
        ("nbf", json!(NOW + 6), "not count yet"),
        ("nbf", json!(-1), "no time"),
        ("act", json!({ "sub": "somebody" }), "act"),
        ("cnf", json!({ "jkt": "x" }), "cnf"),
        ("events", json!({}), "events"),
        ("scope", json!(["pay"]), "scope"),
        ("may_act", json!("agent"), "may_act"),
        ("may_act", json!({ "sub": "agent", "iss": "x" }), "may_act"),
        ("sid", json!(""), "sid"),
    ] {
        world.refuses(&key.token("k", "at+jwt", &but(&claims, name, value)), why);
    }
    for typ in ["logout+jwt", "agent-deleg+jwt", "dpop+jwt", "id+jwt", ""] {
        world.refuses(&key.token("k", typ, &claims), "typ");
    }
    let (text, header) = (claims.to_string(), r#"{"alg":"EdDSA","kid":"k","typ":"at+jwt"}"#);
    for (header, claims) in [
        (header, text.replacen('{', r#"{"sub":"mallory","#, 1)),
        (header, text.replacen('{', r#"{"a":{"b":1,"b":2},"#, 1)),
        (r#"{"alg":"EdDSA","alg":"RS256","kid":"k","typ":"at+jwt"}"#, text.clone()),
        (header, format!("[{text}]")),
        (header, format!("{text} {{}}")),
        (header, text.replace("alice", r"\ud800")),
    ] {
        world.refuses(&key.sign_text(header, &claims), "strict JSON");
    }
    let token = key.token("k", "at+jwt", &claims);
    for token in
        [format!("{token}="), format!("{token}."), token.replace('.', ".."), format!(" {token}"), String::new()]
    {
        world.refuses(&token, "three segments");
    }
    world.refuses(&format!("{token}{}", "A".repeat(16 * 1024)), "16 KiB");
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(world.take(&String::from_utf8(bytes).unwrap()).is_err(), "byte {at}");
    }
}

#[test]
fn an_id_token_is_for_its_client_alone_and_stands_for_openid() {
    let world = World::new();
    let key = IssuerKey::p256();
    world.issuer.publishes(&[("k", &key)]);
    let take = |typ: &str, claims: &Value, kind: Kind| world.take_at(&key.token("k", typ, claims), kind, NOW);
    let claims = but(&world.claims(), "scope", Value::Null);
    assert_eq!(take("JWT", &claims, Kind::IdToken).unwrap().scopes, ["openid"]);
    let several = but(&claims, "aud", json!([AUDIENCE, "other"]));
    take("JWT", &several, Kind::IdToken).unwrap_err();
    take("JWT", &but(&several, "azp", "other"), Kind::IdToken).unwrap_err();
    take("JWT", &but(&claims, "azp", "other"), Kind::IdToken).unwrap_err();
    take("JWT", &but(&several, "azp", AUDIENCE), Kind::IdToken).unwrap();
    take("at+jwt", &claims, Kind::IdToken).unwrap_err();
    // Whoever calls it something else gains nothing that it does not say, nor who calls an access token so.
    assert!(take("JWT", &claims, Kind::AccessToken).unwrap().scopes.is_empty());
    assert!(take("JWT", &claims, Kind::Jwt).unwrap().scopes.is_empty());
    for (name, value) in [("scope", json!("pay")), ("scope", json!("")), ("scp", json!("pay")), ("scp", json!(["pay"]))]
    {
        let said = take("JWT", &but(&claims, name, value), Kind::IdToken).unwrap_err();
        assert!(said.why().contains("an access token"), "{said:?}");
    }
}
