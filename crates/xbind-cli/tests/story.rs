//! The whole story, command by command: a domain, an agent, rights, a token, and taking it back.

mod common;

use common::{AUDIENCE, Desk, Folder, Story};
use serde_json::json;
use xbind_cli::{Exit, Kept};

#[test]
fn from_a_domain_to_a_verified_token_and_back() {
    let story = Story::new();
    let desk = &story.desk;
    let url = story.url();
    let made = desk.run(&["init", "--operator", "--domain", "example.com", "--server", url]).done().json();
    assert_eq!(made["role"], "operator");
    let registered = desk.run(&["register", "operator"]).done().json();
    assert_eq!((&registered["did"], &registered["status"]), (&made["did"], &json!("pending")));
    let id = registered["id"].as_str().unwrap();

    let told = desk.run_plain(&["verify-operator", "instructions"]).done();
    assert!(told.out.starts_with("_xbind.example.com TXT \"xbind-operator=did:key:z6Mk"), "{told:?}");
    assert!(told.said.contains("publish this TXT record"), "{told:?}");
    desk.run(&["verify-operator", "confirm"]).failed(Exit::Refused, "domain-not-proven");
    assert_eq!(desk.run(&["verify-operator", "status"]).done().json()["status"], "pending");
    let txt = &registered["txt"];
    story.dns.set(txt["name"].as_str().unwrap(), &[txt["value"].as_str().unwrap()]);
    assert_eq!(desk.run(&["verify-operator", "confirm"]).done().json()["status"], "verified");
    assert_eq!(desk.run(&["verify-operator", "status"]).done().json()["status"], "verified");

    let agent = desk.run(&["init", "--domain", "example.com", "--server", url]).done().json();
    let taken = desk.run(&["register", "agent", "--operator-id", id]).done().json();
    assert_eq!((&taken["did"], &taken["status"]), (&agent["did"], &json!("active")));
    assert!(taken["alias"].as_str().unwrap().starts_with("did:agent:example.com:"), "{taken}");
    assert!(taken.get("enrolment").is_none(), "{taken}");
    assert_eq!(desk.run(&["register", "agent"]).done().json()["status"], "active");

    let ask = ["issue", "--scope", "read:payments", "--aud", AUDIENCE];
    desk.run(&ask).failed(Exit::Refused, "scope-denied");
    let set = desk.run(&["agent-scopes", "set", "--scopes", "read:payments,read:invoices"]).done().json();
    assert_eq!(set["scopes"], json!(["read:payments", "read:invoices"]));
    assert_eq!(desk.run_plain(&["agent-scopes", "list"]).done().out, "read:payments\nread:invoices\n");
    let listed = desk.run(&["agent-scopes", "list", "--agent", agent["did"].as_str().unwrap()]).done().json();
    assert_eq!(listed["scopes"], set["scopes"]);

    let token = desk.run_plain(&ask).done().out.trim().to_owned();
    let verified = desk.run(&["verify", "--token", &token, "--aud", AUDIENCE, "--scope", "read:payments"]).done();
    let said = verified.json();
    assert_eq!((&said["valid"], &said["revocation"]), (&json!(true), &json!("unchecked")));
    assert_eq!((&said["subject"], &said["claims"]["operator_domain"]), (&agent["did"], &json!("example.com")));
    assert!(verified.said.contains("without --online"), "{verified:?}");
    let online = ["verify", "--token", &token, "--aud", AUDIENCE, "--online"];
    assert_eq!(desk.run(&online).done().json()["revocation"], "fresh");

    desk.run(&["suspend", "--reason", "looked at"]).done();
    let said = desk.run(&online);
    assert_eq!(
        (said.exit, &said.json()["valid"], &said.json()["code"]),
        (Exit::Invalid, &json!(false), &json!("REVOKED"))
    );
    desk.run(&ask).failed(Exit::Refused, "inactive");
    desk.run(&["reactivate"]).done();
    desk.run(&online).done();
    let token = story.token();
    let online = ["verify", "--token", "-", "--aud", AUDIENCE, "--online", "--json"];
    let stdin = || Kept::default().with_input(&format!("{token}\n"));
    desk.run_on(&stdin(), &online).done();
    assert_eq!(desk.run(&["revoke", "--token", &token]).done().json()["status"], "revoked");
    assert_eq!(desk.run_on(&stdin(), &online).exit, Exit::Invalid);
    assert_eq!(desk.run_on(&stdin(), &["verify", "--token", "-", "--aud", AUDIENCE]).exit, Exit::Done);

    desk.run(&["revoke", "--agent", agent["did"].as_str().unwrap()]).done();
    desk.run(&["reactivate"]).failed(Exit::Refused, "conflict");
    let who = desk.run(&["whoami"]).done().json();
    assert_eq!((&who["agent"]["did"], &who["operator"]["id"]), (&agent["did"], &json!(id)));
    let health = desk.run(&["health"]).done().json();
    assert_eq!((&health["status"], &health["did"]), (&json!("ready"), &json!(story.server.did().as_str())));
}

#[test]
fn an_operator_takes_in_an_agent_whose_key_is_elsewhere() {
    let story = Story::new();
    let id = story.operator();
    let elsewhere = Desk::new();
    let agent = elsewhere.run(&["init", "--domain", "example.com", "--server", story.url()]).done().json();
    let register = ["register", "agent", "--operator-id", &id];
    elsewhere.run(&[&register[..], &["--scopes", "read:payments"]].concat()).failed(Exit::Usage, "usage");
    let enrolled = elsewhere.run(&register).done();
    let enrolment = enrolled.json()["enrolment"].as_str().unwrap().to_owned();
    assert_eq!(enrolled.json()["status"], "enrolled");
    elsewhere.run(&["agent-scopes", "set", "--scopes", "read:payments"]).failed(Exit::Setup, "setup");

    let did = agent["did"].as_str().unwrap();
    let admit = ["--did", did, "--enrolment", &enrolment, "--scopes", "read:payments"];
    let taken = story.desk.run(&[&register[..], &admit].concat()).done().json();
    assert_eq!((&taken["did"], &taken["scopes"]), (&agent["did"], &json!(["read:payments"])));
    assert_eq!(elsewhere.run(&register).done().json()["status"], "active");
    assert_eq!(elsewhere.run_plain(&["agent-scopes", "list"]).done().out, "read:payments\n");
    let issued = elsewhere.run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE, "--ttl", "15m"]).done().json();
    let token = issued["token"].as_str().unwrap();
    // Its operator verifies and revokes it, by its id.
    story.desk.run(&["verify", "--token", token, "--aud", AUDIENCE, "--online"]).done();
    story.desk.run(&["revoke", "--id", issued["id"].as_str().unwrap(), "--reason", "lost"]).done();
    let after = elsewhere.run(&["verify", "--token", token, "--aud", AUDIENCE, "--online"]);
    assert_eq!(after.exit, Exit::Invalid);
    // The agent revokes what it was given itself.
    let own = elsewhere.run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]).done().json();
    elsewhere.run(&["revoke", "--token", own["token"].as_str().unwrap()]).done();
}

#[test]
fn profiles_are_agents_of_their_own_beside_one_operator() {
    let story = Story::new();
    let id = story.operator();
    let desk = &story.desk;
    let mut dids = Vec::new();
    for name in ["reader", "writer"] {
        let profile = ["--profile", name];
        let init = ["init", "--domain", "example.com", "--server", story.url()];
        dids.push(desk.run(&[&init[..], &profile].concat()).done().json()["did"].clone());
        desk.run(&[&["register", "agent", "--operator-id", &id, "--scopes", "read:a"][..], &profile].concat()).done();
        desk.run(&[&["issue", "--scope", "read:a", "--aud", AUDIENCE][..], &profile].concat()).done();
    }
    assert_ne!(dids[0], dids[1]);
    let who = Kept::default().with_variable("XBIND_PROFILE", "writer");
    let said = desk.run_on(&who, &["whoami", "--json"]).done().json();
    assert_eq!((&said["agent"]["did"], said.get("operator")), (&dids[1], None));
    desk.run(&["whoami", "--profile", "nobody"]).failed(Exit::Setup, "setup");
    desk.run(&["whoami", "--profile", "../writer"]).failed(Exit::Usage, "usage");
}

#[test]
fn an_operator_says_whose_users_its_agents_may_act_for() {
    let issuer = "https://login.example";
    let issuers = Folder::new();
    let file = issuers.join("issuers.json");
    let entry = json!({ "issuer": issuer, "audience": "authority", "algorithms": ["ES256"] });
    std::fs::write(&file, json!({ "issuers": [entry] }).to_string()).unwrap();
    let story = Story::with(|config| config.issuers = Some(file));
    story.operator();
    let desk = &story.desk;
    assert_eq!(desk.run(&["exchange", "show"]).done().json(), json!({ "issuers": [] }));
    let policy =
        json!({ "issuers": [{ "issuer": issuer, "scopes": { "pay": ["read:payments", "pay.*"] }, "max_ttl": 60 }] });
    let path = desk.folder.join("exchange.json");
    std::fs::write(&path, policy.to_string()).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(desk.run(&["exchange", "set", path]).done().json(), policy);
    assert_eq!(desk.run(&["exchange", "show"]).done().json(), policy);
    let shown = desk.run_plain(&["exchange", "show"]).done().out;
    assert_eq!(shown, format!("{issuer} pay → read:payments pay.*\n"));
    std::fs::write(path, policy.to_string().replace(issuer, "https://other.example")).unwrap();
    desk.run(&["exchange", "set", path]).failed(Exit::Refused, "malformed");
    for text in ["", "[]", r#"{"issuers":[],"issuers":[]}"#, r#"{"issuers":[],"more":1}"#] {
        std::fs::write(path, text).unwrap();
        desk.run(&["exchange", "set", path]).failed(Exit::Usage, "usage");
    }
    let nowhere = desk.folder.join("nowhere.json");
    let folder = desk.folder.join(".");
    std::fs::write(path, " ".repeat(96 * 1024 + 1)).unwrap();
    let mut others = vec![
        (path, "more than 98304 bytes"),
        (nowhere.to_str().unwrap(), "nowhere.json"),
        (folder.to_str().unwrap(), "no file"),
    ];
    if cfg!(unix) {
        others.extend([("/dev/null", "no file"), ("/dev/zero", "no file")]);
    }
    for (other, why) in others {
        let said = desk.run(&["exchange", "set", other]).failed(Exit::Usage, "usage");
        assert!(said["message"].as_str().unwrap().contains(why), "{other}: {said}");
    }
    let serve = ["authority", "serve", "--data", &format!("{path}.d"), "--listen", "127.0.0.1:0", "--issuers", path];
    desk.run(&serve).failed(Exit::Failed, "failed");
}
