//! How commands end, and in which form they say so.

mod common;

use common::{AUDIENCE, Desk, Story};
use serde_json::Value;
use xbind_cli::{Exit, Kept};

#[test]
fn zero_and_help_on_stdout_for_whoever_asks_for_it() {
    let desk = Desk::new();
    for args in [&["--help"][..], &["--version"], &["issue", "--help"], &["verify-operator", "--help"]] {
        let ran = desk.run_plain(args).done();
        assert!(!ran.out.is_empty() && ran.said.is_empty(), "{ran:?}");
    }
}

#[test]
fn two_for_arguments_that_say_nothing_that_can_be_done() {
    let desk = Desk::new();
    for args in [
        &[][..],
        &["nothing"],
        &["issue", "--aud", AUDIENCE],
        &["verify", "--token", "x"],
        &["init", "--domain", "Example.com"],
        &["init", "--domain", "example"],
        &["init", "--domain", "example.com", "--server", "http://authority.example"],
        &["init", "--domain", "example.com", "--server", "https://authority.example/path"],
        &["init", "--domain", "example.com", "--server", "https://user@authority.example"],
        &["issue", "--scope", "a", "--aud", AUDIENCE, "--ttl", "1w"],
        &["issue", "--scope", "a", "--aud", AUDIENCE, "--ttl", "-1"],
        &["revoke"],
        &["revoke", "--id", "a", "--agent", "b"],
        &["revoke", "--id", "../../x"],
        &["suspend", "--agent", "did:key:z6Mk/../x"],
        &["register", "agent", "--operator-id", "a", "--did", "did:key:z"],
    ] {
        let ran = desk.run_plain(args);
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::Usage, ""), "{args:?}: {ran:?}");
        assert!(ran.said.starts_with("error: ") || args.is_empty(), "{ran:?}");
        desk.run(args).failed(Exit::Usage, if ran.said.contains("a scope") { "INVALID_CONFIG" } else { "usage" });
    }
    assert!(!desk.dir().exists(), "nothing was made");
}

#[test]
fn ids_that_begin_with_a_hyphen_are_ids() {
    let desk = Desk::new();
    let (id, digest) = ("-A6glmz3W-jk_n54V0fZHQ", format!("-{}A", "a".repeat(41)));
    for (args, exit) in [
        (&["register", "agent", "--operator-id", id][..], Exit::Setup),
        (&["register", "agent", "--operator-id", id, "--did", "did:key:z6Mk", "--enrolment", "-x"], Exit::Setup),
        (&["revoke", "--id", id], Exit::Setup),
        (&["audit", "tail", "--token", id], Exit::Setup),
        (&["audit", "verify", "nowhere", "--seq", "1", "--digest", &digest], Exit::Failed),
    ] {
        let ran = desk.run(args);
        assert_eq!(ran.exit, exit, "{args:?}: {ran:?}");
    }
}

#[test]
fn three_without_an_identity_here() {
    let desk = Desk::new();
    for args in [
        &["whoami"][..],
        &["register", "operator"],
        &["register", "agent", "--operator-id", "a"],
        &["verify-operator", "confirm"],
        &["agent-scopes", "set", "--scopes", "a"],
        &["agent-scopes", "list"],
        &["issue", "--scope", "a", "--aud", AUDIENCE],
        &["verify", "--token", "x", "--aud", AUDIENCE],
        &["suspend"],
        &["health"],
    ] {
        let error = desk.run(args).failed(Exit::Setup, "setup");
        assert!(error["hint"].is_string(), "{args:?}: {error}");
    }
    desk.run(&["init", "--operator", "--domain", "example.com"]).done();
    desk.run(&["verify-operator", "confirm"]).failed(Exit::Setup, "setup");
    desk.run(&["init", "--domain", "example.com"]).done();
    desk.run(&["issue", "--scope", "a", "--aud", AUDIENCE]).failed(Exit::Setup, "setup");
}

#[test]
fn five_without_an_authority() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let desk = Desk::new();
    desk.run(&["init", "--operator", "--domain", "example.com", "--server", &url]).done();
    for args in [&["register", "operator"][..], &["health"], &["health", "--server", &url]] {
        desk.run(args).failed(Exit::Unavailable, "unavailable");
    }
}

#[test]
fn six_for_what_does_not_hold() {
    let story = Story::new();
    story.begun();
    let desk = &story.desk;
    let token = story.token();
    let verify = |token: &str, more: &[&str]| desk.run(&[&["verify", "--token", token][..], more].concat());
    let (head, tail) = token.split_at(token.len() - 4);
    let forged = format!("{head}{}", if tail == "AAAA" { "BBBB" } else { "AAAA" });
    let other = desk.run(&["init", "--domain", "example.com", "--profile", "o"]).done().json()["did"].clone();
    for (token, more, code) in [
        (&*token, &["--aud", "elsewhere"][..], "WRONG_AUDIENCE"),
        (&token, &["--aud", AUDIENCE, "--scope", "admin:root"], "SCOPE_DENIED"),
        (&token, &["--aud", AUDIENCE, "--issuer", other.as_str().unwrap()], "UNTRUSTED_ISSUER"),
        (&forged, &["--aud", AUDIENCE], "INVALID_TOKEN"),
        ("nonsense", &["--aud", AUDIENCE], "INVALID_TOKEN"),
        ("nonsense", &["--aud", AUDIENCE, "--online"], "INVALID_TOKEN"),
    ] {
        let ran = verify(token, more);
        let said = ran.json();
        assert_eq!((ran.exit, &said["valid"], &said["code"]), (Exit::Invalid, &Value::Bool(false), &code.into()));
    }
    let plain = desk.run_plain(&["verify", "--token", &token, "--aud", "elsewhere"]);
    assert!(plain.out.starts_with("valid: false\ncode: WRONG_AUDIENCE\nreason: "), "{plain:?}");
}

#[test]
fn an_authority_whose_key_is_another_is_not_believed() {
    let (story, other) = (Story::new(), Story::new());
    story.begun();
    let file = story.desk.file("agent.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(story.url(), other.url())).unwrap();
    let ask = ["issue", "--scope", "read:payments", "--aud", AUDIENCE];
    story.desk.run(&ask).failed(Exit::Invalid, "authority-changed");
}

#[test]
fn errors_and_hints_are_lines_and_coloured_only_where_that_is_wanted() {
    let desk = Desk::new();
    let ran = desk.run_plain(&["whoami"]);
    let lines: Vec<_> = ran.said.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(lines[0].starts_with("error: there is nobody in ") && lines[1].starts_with("hint: xbind init"), "{ran:?}");
    let program = env!("CARGO_BIN_EXE_xbind");
    let output = std::process::Command::new(program)
        .args(["whoami", "--dir"])
        .arg(desk.dir())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), ran.said);
}

#[test]
fn quiet_says_nothing_but_data_and_errors() {
    let desk = Desk::new();
    let said = |args: &[&str]| desk.run_on(&Kept::default(), args).said;
    assert_eq!(said(&["init", "--domain", "example.com", "--quiet"]), "");
    assert!(said(&["init", "--domain", "example.com", "--quiet"]).starts_with("error: "));
    assert!(said(&["init", "--operator", "--domain", "example.com"]).starts_with("next: "));
    let planner = ["init", "--domain", "example.com", "--profile", "planner"];
    assert!(said(&planner).starts_with("next: xbind register agent --profile planner\n"));
}
