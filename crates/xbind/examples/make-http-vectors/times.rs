//! Clocks, nonces, keys and parameters.

use super::forge::*;
use serde_json::{Value, json};

fn at(mut case: Value, now: u64) -> Value {
    case["now"] = json!(now);
    case
}

fn under(mut case: Value, policy: Value) -> Value {
    case["policy"] = policy;
    case
}

fn after(mut case: Value, name: &str) -> Value {
    case["after"] = json!(name);
    case
}

pub fn cases() -> Vec<Value> {
    let (request, sent) = (get("/"), signed(get("/")));
    let made = || signing(&request);
    let on = |signing: Signing| signing.on(request.clone());
    let (expired, early) = ("MESSAGE_EXPIRED", "MESSAGE_NOT_YET_VALID");
    let long = on(made().set("expires", NOW + 4000));
    let mut cases = vec![
        at(accept("at-expiry", "the last second, with the skew", &sent), NOW + 65),
        at(refuse(expired, "expired", "one second later", &sent), NOW + 66),
        at(accept("at-creation", "the first second, with the skew", &sent), NOW - 5),
        at(refuse(early, "future", "one second earlier", &sent), NOW - 6),
        at(accept("at-age", "the last second by age", &long), NOW + 305),
        at(refuse(expired, "aged", "however long it says that it holds", &long), NOW + 306),
        at(under(accept("skew-none", "clocks that agree", &sent), json!({ "clockSkewSeconds": 0 })), NOW + 60),
        at(
            under(refuse(expired, "skew-none-expired", "clocks that agree", &sent), json!({ "clockSkewSeconds": 0 })),
            NOW + 61,
        ),
        after(refuse("REPLAYED", "again", "accepted before", &sent), "get"),
        at(after(refuse("REPLAYED", "again-later", "until it has expired", &sent), "get"), NOW + 65),
        after(refuse("REPLAYED", "nonce-again", "the nonce of another request", &signed(get("/other"))), "get"),
        after(
            case(
                "nonce-of-other",
                "nonces are each sender's own",
                &on(made().set("keyid", quoted(stranger().did().as_str())).by(stranger())),
            ),
            "get",
        ),
        after(accept("forged-before", "what was refused takes no nonce", &sent), "stranger"),
        after(accept("body-before", "the same with another body", &signed(post())), "body-moved"),
        under(
            refuse("REPLAYED", "before-start", "may have been accepted before", &sent),
            json!({ "startedAt": NOW - 5 }),
        ),
        under(accept("after-start", "was not", &sent), json!({ "startedAt": NOW - 6 })),
        after(
            under(
                refuse("REPLAY_WINDOW_FULL", "window-full", "no room", &on(made().set("nonce", quoted("another")))),
                json!({ "maxTrackedRequests": 1 }),
            ),
            "get",
        ),
        under(accept("allowed", "by its DID", &sent), json!({ "allow": [sender().did().as_str()] })),
        under(
            refuse("NOT_ALLOWED", "not-allowed", "somebody else", &sent),
            json!({ "allow": [server().did().as_str()] }),
        ),
        under(refuse("NOT_ALLOWED", "nobody-allowed", "nobody", &sent), json!({ "allow": [] })),
        accept("no-alg", "ed25519 all the same", &on(made().without("alg"))),
        accept("nonce-long", "256 characters at most", &on(made().set("nonce", quoted(&"n".repeat(256))))),
    ];
    if let Some(case) = cases.last_mut() {
        case["is"]["nonce"] = json!("n".repeat(256));
    }
    let did = sender().did().as_str().to_owned();
    let malformed = [
        ("no-created", made().without("created")),
        ("no-expires", made().without("expires")),
        ("no-nonce", made().without("nonce")),
        ("no-keyid", made().without("keyid")),
        ("alg-other", made().set("alg", quoted("rsa-pss-sha512"))),
        ("alg-upper", made().set("alg", quoted("Ed25519"))),
        ("alg-token", made().set("alg", "ed25519")),
        ("created-text", made().set("created", quoted("1"))),
        ("created-decimal", made().set("created", format!("{NOW}.0"))),
        ("created-date", made().set("created", format!("@{NOW}"))),
        ("created-negative", made().set("created", "-1")),
        ("created-long", made().set("created", "1800000000000000")),
        ("expires-first", made().set("expires", NOW)),
        ("expires-before", made().set("expires", NOW - 1)),
        ("nonce-empty", made().set("nonce", quoted(""))),
        ("nonce-too-long", made().set("nonce", quoted(&"n".repeat(257)))),
        ("nonce-bytes", made().set("nonce", ":AAAA:")),
        ("keyid-empty", made().set("keyid", quoted(""))),
        ("keyid-token", made().set("keyid", "key")),
        ("unknown", made().set("other", "1")),
        ("unknown-true", made().set("other", "")),
    ];
    cases.extend(malformed.map(|(name, signing)| {
        refuse(MALFORMED, &format!("parameter-{name}"), "a parameter that is not what it should be", &on(signing))
    }));
    let keys = [
        ("fragment", format!("{did}#{}", did.trim_start_matches("did:key:"))),
        ("thumbprint", "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U".to_owned()),
        ("web", "did:web:api.example".to_owned()),
        ("upper", did.replace("did:key", "DID:KEY")),
        ("small-order", "did:key:z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnP".to_owned()),
    ];
    cases.extend(keys.map(|(name, keyid)| {
        refuse(
            "INVALID_DID",
            &format!("keyid-{name}"),
            "no DID of a usable key",
            &on(made().set("keyid", quoted(&keyid))),
        )
    }));
    cases
}
