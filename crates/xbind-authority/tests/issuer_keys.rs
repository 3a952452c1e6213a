//! The keys of issuers: what is taken for one, when they are asked for, and how long they are believed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

mod common;

use std::time::{Duration, Instant};

use common::Folder;
use common::issuer::{DISCOVERY, IssuerKey, IssuerServer, Say, b64};
use common::world::{NOW, World, but, read};
use serde_json::{Value, json};
use xbind_authority::issuers::Kind;

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
        world.issuer.says("/jwks", Say::Json(json!({ "keys": [but(&good, name, value)] })));
        world.refuses(&rsa.token("k", "at+jwt", &world.claims()), "no key of that kid");
    }
    let (ec, ed) = (IssuerKey::p256(), IssuerKey::ed25519(1));
    for (key, jwk) in [
        (&ec, but(&ec.jwk("k"), "crv", "P-384")),
        (&ec, but(&ec.jwk("k"), "x", b64(&[1; 31]))),
        (&ed, but(&ed.jwk("k"), "crv", "X25519")),
        (&ed, but(&ed.jwk("k"), "x", b64(&[0; 32]))),
    ] {
        let world = World::new();
        world.issuer.says("/jwks", Say::Json(json!({ "keys": [jwk] })));
        world.refuses(&key.token("k", "at+jwt", &world.claims()), "no key of that kid");
    }
}

#[test]
fn keys_that_change_are_asked_for_once_in_a_while_and_believed_no_longer_than_it_says() {
    let world = World::with(&json!({ "max_age": 600 }));
    let (old, new) = (IssuerKey::rsa(1), IssuerKey::rsa(2));
    let (by_old, by_new) = {
        let claims = but(&world.claims(), "exp", NOW + 86_400);
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
fn a_key_that_was_taken_back_counts_no_longer_than_the_page_says() {
    for (max_age, counts) in [(60, 30), (120, 30), (180, 30), (240, 40), (600, 100)] {
        let world = World::with(&json!({ "max_age": max_age }));
        let (old, new) = (IssuerKey::ed25519(1), IssuerKey::ed25519(2));
        let token = old.token("old", "at+jwt", &world.claims());
        world.issuer.publishes(&[("old", &old)]);
        world.take(&token).unwrap();
        world.issuer.publishes(&[("new", &new)]);
        world.take_at(&token, Kind::AccessToken, NOW + counts - 1).unwrap();
        assert_eq!(world.issuer.asked("/jwks").len(), 1, "{max_age}");
        world.take_at(&token, Kind::AccessToken, NOW + counts).unwrap_err();
    }
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
            Say::Json(document) if document["issuer"] == "" => Say::Json(but(&document, "issuer", world.issuer.url())),
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
    assert!(read(&folder, &json!({ "issuers": [good] })).unwrap().find("https://login.example").is_some());
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
        let why = read(&folder, &json!({ "issuers": [but(&good, name, value.clone())] })).err();
        assert!(why.is_some(), "{name} {value}");
    }
    for file in [json!([good]), json!({ "issuers": [good, good] }), json!({ "issuers": good }), json!({})] {
        assert!(read(&folder, &file).is_err(), "{file}");
    }
    assert!(read(&folder, &json!({ "issuers": [["https://login.example", "a", ["ES256"]]] })).is_err());
    common::exchange::secret(&folder.join("secret"), 0o644);
    let asking = json!({ "client_id": "a", "client_secret_file": "secret", "every": 1 });
    let why = read(&folder, &json!({ "issuers": [but(&good, "introspection", asking.clone())] })).err().unwrap();
    assert!(why.to_string().ends_with("secret: it may be read by others: chmod 600"), "{why}");
    common::exchange::secret(&folder.join("secret"), 0o640);
    read(&folder, &json!({ "issuers": [but(&good, "introspection", asking.clone())] })).unwrap();
    for (name, value) in [("every", 0), ("every", 3601), ("stale", 0), ("stale", 11), ("stale", 86_401)] {
        let asking = but(&asking, name, value);
        assert!(read(&folder, &json!({ "issuers": [but(&good, "introspection", asking)] })).is_err(), "{name} {value}");
    }
    for (every, stale) in [(1, 12), (5, 12), (6, 13), (3600, 3607)] {
        let asking = but(&but(&asking, "every", every), "stale", stale);
        read(&folder, &json!({ "issuers": [but(&good, "introspection", asking)] })).unwrap();
    }
}

#[test]
fn a_file_of_issuers_and_one_of_a_secret_are_files_of_bounded_length() {
    let folder = Folder::new();
    let asking = json!({ "client_id": "a", "client_secret_file": "secret" });
    let entry =
        json!({ "issuer": "https://login.example", "audience": "a", "algorithms": ["ES256"], "introspection": asking });
    common::exchange::secret(&folder.join("secret"), 0o600);
    let secret = |text: &str| std::fs::write(folder.join("secret"), text).unwrap();
    secret(&"s".repeat(4096));
    read(&folder, &json!({ "issuers": [entry] })).unwrap();
    secret(&"s".repeat(4097));
    let why = |entry: &Value| read(&folder, &json!({ "issuers": [entry] })).err().unwrap();
    assert!(why(&entry).contains("more than 4096 bytes"), "{}", why(&entry));
    let of = |path: &str| but(&entry, "introspection", but(&asking, "client_secret_file", path));
    for path in ["/dev/null", "/"].into_iter().filter(|path| std::path::Path::new(path).exists()) {
        assert!(why(&of(path)).contains("it is no file"), "{}", why(&of(path)));
    }
    // Of these nobody says how long they are.
    if std::path::Path::new("/proc/self/smaps").exists() {
        assert!(why(&of("/proc/self/smaps")).contains("more than 4096 bytes"), "{}", why(&of("/proc/self/smaps")));
    }
    let read = |path: &std::path::Path| {
        let read = xbind_authority::issuers::Issuers::read(Some(path), xbind_net::Roots::default(), 5);
        read.err().map(|fault| fault.to_string()).unwrap()
    };
    assert!(read(folder.path()).contains("it is no file"));
    std::fs::write(folder.join("long"), format!("{{{}", " ".repeat(256 * 1024))).unwrap();
    assert!(read(&folder.join("long")).contains("more than 262144 bytes"));
}
