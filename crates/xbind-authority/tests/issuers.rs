//! Tokens of users, against issuers that are real servers: which hold, and what an attacker tries.

mod common;

use std::time::{Duration, Instant};

use common::Folder;
use common::issuer::{DISCOVERY, IssuerKey, IssuerServer, Say, b64};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use xbind_authority::issuers::{Issuers, Kind, Refused, Subject};

const NOW: u64 = 1_800_000_000;
const AUDIENCE: &str = "https://authority.example";

struct World {
    runtime: tokio::runtime::Runtime,
    issuer: IssuerServer,
    issuers: Issuers,
}

impl World {
    /// One issuer that may sign by all algorithms.
    fn new() -> Self {
        Self::with(&json!({}))
    }

    fn with(more: &Value) -> Self {
        let (folder, issuer) = (Folder::new(), IssuerServer::start());
        let mut entry =
            json!({ "issuer": issuer.url(), "audience": AUDIENCE, "algorithms": ["RS256", "ES256", "EdDSA"] });
        for (name, value) in more.as_object().unwrap() {
            entry[name] = value.clone();
        }
        let issuers = read(&folder, &json!({ "issuers": [entry] })).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, issuer, issuers }
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.issuer.url(), "sub": "alice", "aud": AUDIENCE, "client_id": "app", "jti": "1",
            "scope": "pay read", "iat": NOW - 10, "exp": NOW + 600 })
    }

    fn take(&self, token: &str) -> Result<Subject, Refused> {
        self.take_at(token, Kind::AccessToken, NOW)
    }

    fn take_at(&self, token: &str, kind: Kind, now: u64) -> Result<Subject, Refused> {
        self.runtime.block_on(self.issuers.subject(token, kind, now))
    }

    #[track_caller]
    fn refuses(&self, token: &str, why: &str) {
        match self.take(token) {
            Err(Refused::Token(said)) if said.contains(why) => {}
            other => panic!("{other:?} instead of {why:?}"),
        }
    }

    #[track_caller]
    fn cannot(&self, token: &str, now: u64, why: &str) {
        match self.take_at(token, Kind::AccessToken, now) {
            Err(Refused::Unavailable(said)) if said.contains(why) => {}
            other => panic!("{other:?} instead of {why:?}"),
        }
    }
}

fn read(folder: &Folder, file: &Value) -> Result<Issuers, String> {
    let path = folder.join("issuers.json");
    std::fs::write(&path, file.to_string()).unwrap();
    Issuers::read(Some(&path), xbind_net::Roots::default(), 5).map_err(|fault| fault.to_string())
}

fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims.clone();
    match value.into() {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[test]
fn a_token_of_each_algorithm_says_who_its_user_is() {
    let world = World::new();
    let keys = [IssuerKey::rsa(1), IssuerKey::p256(), IssuerKey::ed25519(1)];
    world.issuer.publishes(&[("rsa", &keys[0]), ("ec", &keys[1]), ("ed", &keys[2])]);
    for (kid, key) in ["rsa", "ec", "ed"].into_iter().zip(&keys) {
        for typ in ["at+jwt", "application/AT+JWT", "JWT"] {
            let subject = world.take(&key.token(kid, typ, &with(&world.claims(), "sid", "s1"))).unwrap();
            assert_eq!((subject.subject.as_str(), subject.session.as_deref()), ("alice", Some("s1")));
            assert_eq!((subject.scopes, subject.expires_at), (vec!["pay".to_owned(), "read".to_owned()], NOW + 600));
        }
    }
    let header = json!({ "alg": "Ed25519", "kid": "ed", "typ": "at+jwt", "x5t": "of a certificate" });
    world.take(&keys[2].sign(&header, &world.claims())).unwrap();
    assert_eq!(world.issuer.asked("/jwks").len(), 1);
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
fn keys_that_are_too_small_too_large_or_for_something_else_are_none() {
    let rsa = IssuerKey::rsa(1);
    let good = rsa.jwk("k");
    let of = |bytes: usize| {
        let mut n = vec![0xc1; bytes];
        n[bytes - 1] = 1;
        b64(&n)
    };
    for (name, value) in [
        ("n", json!(of(128))),
        ("n", json!(of(513))),
        ("n", json!(of(1024))),
        ("e", json!("Aw")),
        ("e", json!("AQAC")),
        ("use", json!("enc")),
        ("alg", json!("RS512")),
        ("alg", json!("ES256")),
        ("key_ops", json!(["encrypt"])),
        ("kty", json!("oct")),
        ("kid", json!("")),
        ("kid", json!(7)),
    ] {
        let world = World::new();
        world.issuer.says("/jwks", Say::Json(json!({ "keys": [with(&good, name, value)] })));
        world.refuses(&rsa.token("k", "at+jwt", &world.claims()), "no key of that kid");
    }
    let (ec, ed) = (IssuerKey::p256(), IssuerKey::ed25519(1));
    for (key, jwk) in [
        (&ec, with(&ec.jwk("k"), "crv", "P-384")),
        (&ec, with(&ec.jwk("k"), "x", b64(&[1; 31]))),
        (&ed, with(&ed.jwk("k"), "crv", "X25519")),
        (&ed, with(&ed.jwk("k"), "x", b64(&[0; 32]))),
    ] {
        let world = World::new();
        world.issuer.says("/jwks", Say::Json(json!({ "keys": [jwk] })));
        world.refuses(&key.token("k", "at+jwt", &world.claims()), "no key of that kid");
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
        let header = with(&json!({ "alg": "RS256", "kid": "k", "typ": "at+jwt" }), name, value);
        world.refuses(&other.sign(&header, &world.claims()), name);
        world.refuses(&own.sign(&header, &world.claims()), name);
    }
    assert!(lure.asked("/jwks").is_empty() && lure.asked("/x5u").is_empty());
    // Two keys of one kid, or a private one: the whole set is refused.
    for keys in [json!([own.jwk("k"), other.jwk("k")]), json!([own.jwk("k"), with(&other.jwk("o"), "d", "AQAB")])] {
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
        let token = signer.token("k", "at+jwt", &with(&claims, "iss", server.url()));
        let taken = runtime.block_on(issuers.subject(&token, Kind::AccessToken, NOW));
        assert_eq!(taken.is_ok(), holds);
        assert!(taken.is_err() || taken.unwrap().issuer == server.url());
    }
    for issuer in [format!("{}/", one.url()), one.url().to_uppercase(), "https://login.example".to_owned()] {
        let token = key.token("k", "at+jwt", &with(&claims, "iss", issuer));
        let taken = runtime.block_on(issuers.subject(&token, Kind::AccessToken, NOW));
        assert!(matches!(taken, Err(Refused::Token(why)) if why.contains("none of those")));
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
        world.refuses(&key.token("k", "at+jwt", &with(&claims, name, value)), why);
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
    let claims = world.claims();
    assert_eq!(take("JWT", &claims, Kind::IdToken).unwrap().scopes, ["openid"]);
    let several = with(&claims, "aud", json!([AUDIENCE, "other"]));
    take("JWT", &several, Kind::IdToken).unwrap_err();
    take("JWT", &with(&several, "azp", "other"), Kind::IdToken).unwrap_err();
    take("JWT", &with(&claims, "azp", "other"), Kind::IdToken).unwrap_err();
    take("JWT", &with(&several, "azp", AUDIENCE), Kind::IdToken).unwrap();
    take("at+jwt", &claims, Kind::IdToken).unwrap_err();
    // Whoever calls it something else gains nothing that it does not say.
    let bare = with(&claims, "scope", Value::Null);
    assert!(take("JWT", &bare, Kind::AccessToken).unwrap().scopes.is_empty());
    assert!(take("JWT", &bare, Kind::Jwt).unwrap().scopes.is_empty());
}

#[test]
fn keys_that_change_are_asked_for_once_in_a_while_and_believed_no_longer_than_it_says() {
    let world = World::with(&json!({ "max_age": 600 }));
    let (old, new) = (IssuerKey::rsa(1), IssuerKey::rsa(2));
    let (by_old, by_new) = {
        let claims = with(&world.claims(), "exp", NOW + 86_400);
        (old.token("old", "at+jwt", &claims), new.token("new", "at+jwt", &claims))
    };
    let take = |token: &str, after: u64| world.take_at(token, Kind::AccessToken, NOW + after);
    world.issuer.publishes(&[("old", &old)]);
    take(&by_old, 0).unwrap();
    world.issuer.publishes(&[("new", &new)]);
    for _ in 0..20 {
        assert!(take(&by_new, 29).is_err());
    }
    assert_eq!(world.issuer.asked("/jwks").len(), 1, "an unknown kid asks for nothing within 30 s");
    take(&by_new, 30).unwrap();
    take(&by_old, 31).unwrap_err(); // taken back
    assert_eq!(world.issuer.asked("/jwks").len(), 2);
    // Nobody answers any more.
    world.issuer.says("/jwks", Say::Status(500));
    for after in [130, 300, 629] {
        take(&by_new, after).unwrap();
    }
    world.cannot(&by_new, NOW + 630, "answered 500");
    world.issuer.publishes(&[("new", &new)]);
    world.cannot(&by_new, NOW + 640, "answered 500");
    take(&by_new, 660).unwrap();
}

#[test]
fn all_who_ask_at_once_share_one_question() {
    let world = World::new();
    let key = IssuerKey::ed25519(1);
    world.issuer.publishes(&[("k", &key)]);
    let (token, unknown) = (key.token("k", "at+jwt", &world.claims()), key.token("x", "at+jwt", &world.claims()));
    world.runtime.block_on(async {
        let all = (0..64).map(|at| {
            let token = if at % 2 == 0 { &token } else { &unknown };
            world.issuers.subject(token, Kind::AccessToken, NOW)
        });
        let mut held = 0;
        for taken in futures(all).await {
            held += u32::from(taken.is_ok());
        }
        assert_eq!(held, 32);
    });
    assert_eq!((world.issuer.asked("/jwks").len(), world.issuer.asked(DISCOVERY).len()), (1, 1));
}

/// All of them at once, on this thread.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (one, done) in &mut waiting {
            if done.is_none() {
                match one.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[test]
fn whoever_asked_first_and_went_away_keeps_nobody_from_the_keys() {
    let world = World::new();
    let key = IssuerKey::ed25519(1);
    world.issuer.publishes(&[("k", &key)]);
    let token = key.token("k", "at+jwt", &world.claims());
    world.runtime.block_on(async {
        let mut first = Box::pin(world.issuers.subject(&token, Kind::AccessToken, NOW));
        let once = std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context).is_pending()));
        assert!(once.await);
        drop(first);
        world.issuers.subject(&token, Kind::AccessToken, NOW).await.unwrap();
    });
}

#[test]
fn sets_and_documents_that_are_huge_slow_elsewhere_or_anothers_are_not_taken() {
    let key = IssuerKey::ed25519(1);
    let lure = IssuerServer::start();
    lure.publishes(&[("k", &key)]);
    let mut huge = json!({ "keys": [key.jwk("k")] }).to_string().into_bytes();
    huge.resize(64 * 1024 + 1, b' ');
    let many: Vec<_> = (0..65).map(|n| key.jwk(&n.to_string())).collect();
    let elsewhere = |jwks: String| json!({ "issuer": "", "jwks_uri": jwks });
    for (path, say, why) in [
        ("/jwks", Say::Bytes(huge), "longer than 65536"),
        ("/jwks", Say::Redirect(format!("{}/jwks", lure.url())), "answered 302"),
        ("/jwks", Say::Json(json!({ "keys": many })), "more than 64 keys"),
        ("/jwks", Say::Json(json!([key.jwk("k")])), "no JSON"),
        ("/jwks", Say::Bytes(br#"{"keys":[],"keys":[]}"#.to_vec()), "repeats"),
        (
            DISCOVERY,
            Say::Json(json!({ "issuer": "https://login.example", "jwks_uri": format!("{}/jwks", lure.url()) })),
            "another issuer",
        ),
        (DISCOVERY, Say::Json(elsewhere(format!("{}/jwks", lure.url()))), ""),
        (DISCOVERY, Say::Json(elsewhere("https://127.0.0.1/jwks".to_owned())), "not on the public network"),
        (DISCOVERY, Say::Json(elsewhere("https://169.254.169.254/jwks".to_owned())), "not on the public network"),
        (DISCOVERY, Say::Json(elsewhere("file:///etc/passwd".to_owned())), ""),
        (DISCOVERY, Say::Json(json!({ "issuer": "" })), "no jwks_uri"),
        (DISCOVERY, Say::Redirect(format!("{}{DISCOVERY}", lure.url())), "answered 302"),
    ] {
        let world = World::new();
        let say = match say {
            Say::Json(document) if document["issuer"] == "" => Say::Json(with(&document, "issuer", world.issuer.url())),
            say => say,
        };
        world.issuer.publishes(&[("k", &key)]);
        world.issuer.says(path, say);
        world.cannot(&key.token("k", "at+jwt", &world.claims()), NOW, why);
    }
    assert!(lure.asked("/jwks").is_empty() && lure.asked(DISCOVERY).is_empty());
    let world = World::new();
    world.issuer.says("/jwks", Say::Silence(Duration::from_secs(60)));
    let began = Instant::now();
    world.cannot(&key.token("k", "at+jwt", &world.claims()), NOW, "within 5000 ms");
    assert!(began.elapsed() < Duration::from_secs(50));
}

#[test]
fn a_file_of_issuers_says_each_thing_once_and_nothing_else() {
    let folder = Folder::new();
    let good = json!({ "issuer": "https://login.example", "audience": "a", "algorithms": ["ES256"] });
    assert!(!read(&folder, &json!({ "issuers": [good] })).unwrap().is_empty());
    for (name, value) in [
        ("issuer", json!("http://login.example")),
        ("issuer", json!("https://login.example?x")),
        ("issuer", json!("login.example")),
        ("audience", json!("")),
        ("audience", Value::Null),
        ("algorithms", json!([])),
        ("algorithms", json!(["HS256"])),
        ("algorithms", json!(["none"])),
        ("jwks_uri", json!("http://keys.example")),
        ("max_age", json!(59)),
        ("max_age", json!(86_401)),
        ("more", json!(1)),
        ("introspection", json!({ "client_id": "a" })),
        ("introspection", json!({ "client_id": "a", "client_secret_file": "none" })),
    ] {
        let why = read(&folder, &json!({ "issuers": [with(&good, name, value.clone())] })).err();
        assert!(why.is_some(), "{name} {value}");
    }
    for file in [json!([good]), json!({ "issuers": [good, good] }), json!({ "issuers": good }), json!({})] {
        assert!(read(&folder, &file).is_err(), "{file}");
    }
    assert!(read(&folder, &json!({ "issuers": [["https://login.example", "a", ["ES256"]]] })).is_err());
    std::fs::write(folder.join("secret"), "open sesame\n").unwrap();
    let asking = json!({ "client_id": "a", "client_secret_file": "secret", "every": 1 });
    read(&folder, &json!({ "issuers": [with(&good, "introspection", asking)] })).unwrap();
}
