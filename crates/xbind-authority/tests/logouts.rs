//! Logouts of which an issuer tells: what others send keeps none of them from counting.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use common::client::Request;
use common::exchange::Scene;
use common::issuer::IssuerKey;
use common::oauth::form;
use serde_json::json;
use xbind_authority::Rate;

/// Where an address may ask five times, and then once a second.
fn strict() -> Scene {
    let mut scene = Scene::new();
    scene.restart_with(|config| config.rate_per_address = Rate { burst: 5, per_second: 1 });
    scene
}

/// Until the address has used up what it has.
fn use_up(scene: &mut Scene) {
    assert!((0..500).any(|_| scene.story.client.get("/live").status == 429));
}

#[test]
fn an_issuer_that_shares_its_address_with_others_is_heard() {
    let mut scene = strict();
    let users: Vec<_> = (0..100).map(|n| format!("u{n}")).collect();
    use_up(&mut scene);
    for user in &users {
        let logout = scene.logout(&json!({ "sub": user, "sid": user }));
        scene.tell(&logout).expect(200);
    }
    use_up(&mut scene);
    let logout = scene.logout(&json!({}));
    scene.tell(&logout).expect(200);
}

#[test]
fn an_issuer_says_so_much_at_once_and_the_rest_when_it_says_it_again() {
    let mut scene = Scene::new();
    scene.restart_with(|config| config.rate_per_issuer = Rate { burst: 2, per_second: 1 });
    let sessions: Vec<_> = (0..50).map(|n| json!({ "sid": format!("s{n}") })).collect();
    let users: Vec<_> = sessions.iter().map(|session| scene.user(session)).collect();
    let tokens: Vec<_> = users.iter().map(|user| scene.token(user)).collect();
    let logouts: Vec<_> = sessions.iter().map(|session| scene.logout(session)).collect();
    let told: Vec<_> = logouts.iter().map(|logout| scene.tell(logout)).collect();
    assert_eq!((told[0].status, told[1].status), (200, 200));
    let refused = told.iter().position(|answer| answer.status == 429).unwrap();
    assert!(told[refused].field("retry-after").is_some());
    assert_eq!((scene.standing(&tokens[0]), scene.standing(&tokens[refused])), ("revoked".into(), "active".into()));
    while scene.tell(&logouts[refused]).status == 429 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(scene.standing(&tokens[refused]), "revoked");
}

#[test]
fn what_no_issuer_has_said_is_counted_for_its_address() {
    let mut scene = strict();
    let logout = scene.logout(&json!({}));
    scene.tell(&logout).expect(200);
    let forged =
        IssuerKey::ed25519(9).token("k", "logout+jwt", &json!({ "iss": scene.issuer.url(), "aud": "authority" }));
    let path = "/oauth/backchannel-logout";
    for (what, request) in [
        ("a copy", form(path, &[("logout_token", &logout)])),
        ("a forged one", form(path, &[("logout_token", &forged)])),
        ("none", form(path, &[("x", "y")])),
        ("no form", Request::new("POST", path, Some(&json!({})))),
        ("a query", form(&format!("{path}?a=b"), &[("logout_token", &logout)])),
    ] {
        let mut statuses = (0..500).map(|_| scene.story.client.send(&request).status);
        assert!(statuses.any(|status| status == 429), "{what} is not counted");
        let genuine = scene.logout(&json!({}));
        scene.tell(&genuine).expect(200);
    }
}
