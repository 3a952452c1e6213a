//! Files: whose they are, who may read them, and what is refused; and that nothing secret is said.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use common::{AUDIENCE, Desk, Story, files, mode};
use xbind_cli::{Exit, Kept};

const INIT: [&str; 3] = ["init", "--domain", "example.com"];

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn everything_is_for_its_owner_alone_and_no_draft_is_left() {
    let story = Story::new();
    story.begun();
    let desk = &story.desk;
    desk.run(&["init", "--domain", "example.com", "--profile", "two"]).done();
    for file in files(&desk.dir()) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    for directory in ["", "keys", "profiles", "profiles/two", "profiles/two/keys"] {
        assert_eq!(mode(&desk.file(directory)), 0o700, "{directory}");
    }
    let mut names: Vec<_> =
        files(&desk.dir()).iter().map(|file| file.strip_prefix(desk.dir()).unwrap().display().to_string()).collect();
    names.sort();
    let expected = [
        ".gitignore",
        ".lock",
        "agent.json",
        "keys/agent.key",
        "keys/operator.key",
        "operator.json",
        "profiles/two/agent.json",
        "profiles/two/keys/agent.key",
    ];
    assert_eq!(names, expected);
    assert_eq!(std::fs::read_to_string(desk.file(".gitignore")).unwrap(), "*\n");
}

#[test]
fn links_and_files_that_are_open_to_others_are_refused() {
    for name in ["agent.json", "keys/agent.key"] {
        let desk = Desk::new();
        desk.run(&INIT).done();
        let (file, moved) = (desk.file(name), desk.folder.join("moved"));
        let ask = ["issue", "--scope", "a", "--aud", AUDIENCE];
        // Without a server: whatever is wrong with a file is found before anything is sent.
        for open in [0o604, 0o640, 0o660, 0o602] {
            chmod(&file, open);
            let error = desk.run(&identity(name)).failed(Exit::Setup, "unsafe-file");
            assert!(error["hint"].as_str().unwrap().starts_with("chmod 600"), "{error}");
        }
        chmod(&file, 0o600);
        std::fs::rename(&file, &moved).unwrap();
        symlink(&moved, &file).unwrap();
        desk.run(&identity(name)).failed(Exit::Setup, "unsafe-file");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        desk.run(&identity(name)).failed(Exit::Setup, "unsafe-file");
        std::fs::remove_dir(&file).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(&file).unwrap();
        desk.run(&identity(name)).failed(Exit::Setup, "unsafe-file");
        drop(socket);
        std::fs::remove_file(&file).unwrap();
        desk.run(&ask).failed(Exit::Setup, "setup");
        std::fs::rename(&moved, &file).unwrap();
    }
}

/// A command that reads that file.
fn identity(name: &str) -> Vec<&'static str> {
    if name.ends_with("json") { vec!["whoami"] } else { vec!["issue", "--scope", "a", "--aud", AUDIENCE] }
}

#[test]
fn directories_that_are_links_or_open_to_others_are_refused() {
    for name in ["", "profiles", "profiles/two", "profiles/two/keys"] {
        let desk = Desk::new();
        let two = ["--profile", "two"];
        desk.run(&[&INIT[..], &two].concat()).done();
        let directory: std::path::PathBuf = desk.file(name).components().collect(); // no slash at its end
        let moved = desk.folder.join("moved");
        let ask = || desk.run(&[&["issue", "--scope", "a", "--aud", AUDIENCE][..], &two].concat());
        for open in [0o750, 0o705, 0o720] {
            chmod(&directory, open);
            ask().failed(Exit::Setup, "unsafe-file");
        }
        chmod(&directory, 0o700);
        std::fs::rename(&directory, &moved).unwrap();
        symlink(&moved, &directory).unwrap();
        ask().failed(Exit::Setup, "unsafe-file");
    }
    let desk = Desk::new();
    let elsewhere = desk.folder.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, desk.dir()).unwrap();
    desk.run(&INIT).failed(Exit::Setup, "unsafe-file");
    let slash = format!("{}/", desk.dir().display());
    let args: Vec<_> = INIT.iter().chain(&["--dir", &slash]).map(|arg| (*arg).to_owned()).collect();
    assert_eq!(xbind_cli::run(&args, &Kept::default()), Exit::Setup);
    assert!(files(&elsewhere).is_empty());
}

/// Only root can give files away; elsewhere there is nothing to try.
#[test]
fn files_of_others_are_refused() {
    for name in ["agent.json", "keys/agent.key", "keys", "."] {
        let desk = Desk::new();
        desk.run(&INIT).done();
        let path: std::path::PathBuf = desk.file(name).components().collect();
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
            return;
        }
        let ran = desk.run(&["issue", "--scope", "a", "--aud", AUDIENCE]);
        ran.failed(Exit::Setup, "unsafe-file");
    }
}

#[test]
fn no_identity_is_written_over_another() {
    let desk = Desk::new();
    desk.run(&INIT).done();
    let before = std::fs::read(desk.file("keys/agent.key")).unwrap();
    desk.run(&INIT).failed(Exit::Setup, "setup");
    std::fs::remove_file(desk.file("agent.json")).unwrap();
    desk.run(&INIT).failed(Exit::Setup, "setup");
    assert_eq!(std::fs::read(desk.file("keys/agent.key")).unwrap(), before);
}

#[test]
fn a_key_that_is_not_the_one_of_its_file_is_refused() {
    let (one, two) = (Desk::new(), Desk::new());
    one.run(&INIT).done();
    two.run(&INIT).done();
    std::fs::copy(two.file("keys/agent.key"), one.file("keys/agent.key")).unwrap();
    one.run(&["issue", "--scope", "a", "--aud", AUDIENCE]).failed(Exit::Setup, "setup");
}

#[test]
fn damaged_files_are_refused() {
    let desk = Desk::new();
    desk.run(&INIT).done();
    let whole = std::fs::read_to_string(desk.file("agent.json")).unwrap();
    for text in [
        "",
        "{",
        "[]",
        &whole.replace("\"version\": 1", "\"version\": 2"),
        &whole.replace("\"version\": 1", "\"more\": 1, \"version\": 1"),
        &" ".repeat(70_000),
    ] {
        std::fs::write(desk.file("agent.json"), text).unwrap();
        assert_eq!(desk.run(&["whoami"]).exit, Exit::Setup, "{text}");
    }
}

#[test]
fn a_passphrase_comes_from_a_file_the_environment_or_a_person() {
    let story = Story::new();
    let id = story.operator();
    let desk = &story.desk;
    let secret = desk.folder.join("passphrase");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let file = ["--passphrase-file", secret.to_str().unwrap()];
    let init = ["init", "--domain", "example.com", "--server", story.url(), "--encrypt", "--json"];
    let encrypted = |profile: &str| {
        let pem = std::fs::read_to_string(desk.file(&format!("profiles/{profile}/keys/agent.key"))).unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{profile}");
    };
    let person = || Kept::default().with_answer("correct horse");
    let variable = || Kept::default().with_variable("XBIND_PASSPHRASE", "correct horse");

    desk.run_on(&Kept::default(), &[&init[..], &["--profile", "none"]].concat()).failed(Exit::Setup, "setup");
    desk.run_on(&Kept::default(), &[&init[..], &["--profile", "file"], &file].concat()).done();
    desk.run_on(&variable(), &[&init[..], &["--profile", "variable"]].concat()).done();
    let asked = desk.run_on(&person(), &[&init[..], &["--profile", "person"]].concat()).done();
    assert!(asked.said.contains("passphrase: \nagain: \n"), "{asked:?}");
    let register = ["register", "agent", "--json", "--operator-id", "x"];
    for profile in ["file", "variable", "person"] {
        encrypted(profile);
        let mine = [&register[..], &["--profile", profile]].concat();
        desk.run_on(&Kept::default(), &mine).failed(Exit::Setup, "setup");
        let wrong = Kept::default().with_variable("XBIND_PASSPHRASE", "wrong");
        desk.run_on(&wrong, &mine).failed(Exit::Setup, "WRONG_PASSPHRASE");
        // Whatever the source, the key is opened, and the authority asked, which knows no such operator.
        desk.run_on(&person(), &mine).failed(Exit::Refused, "not-found");
        desk.run_on(&variable(), &mine).failed(Exit::Refused, "not-found");
        desk.run_on(&Kept::default(), &[&mine[..], &file].concat()).failed(Exit::Refused, "not-found");
    }
    for (name, text) in [("empty", ""), ("long", &*"x".repeat(4097)), ("line", "\n")] {
        std::fs::write(desk.folder.join(name), text).unwrap();
    }
    let wrong = ["empty", "long", "line", "nowhere"].map(|name| desk.folder.join(name).display().to_string());
    for file in wrong.iter().map(String::as_str).chain(["/dev/zero"]) {
        let init = [&init[..], &["--profile", "wrong", "--passphrase-file", file]].concat();
        desk.run_on(&Kept::default(), &init).failed(Exit::Setup, "setup");
    }
    // Where one key has a passphrase and another has none, it is for the one that has. What is brought from elsewhere has to be as
    // it was said to be.
    let both = ["--json", "--profile", "file", "--passphrase-file", secret.to_str().unwrap()];
    let run = |args: &[&str]| desk.run_on(&Kept::default(), &[args, &both[..]].concat());
    run(&["register", "agent", "--operator-id", &id]).done();
    run(&["agent-scopes", "set", "--scopes", "read:payments"]).done();
    run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]).done();
    run(&["identity", "rotate"]).done();
    run(&["identity", "rotate", "--operator"]).done();
    encrypted("file");
    assert!(std::fs::read_to_string(desk.file("keys/operator.key")).unwrap().starts_with("-----BEGIN PRIVATE KEY"));
    let plain = desk.file("keys/operator.key").display().to_string();
    let import = ["identity", "import", "--json", "--profile", "imported", "--from", &plain];
    desk.run_on(&variable(), &import).failed(Exit::Setup, "IMPORT_FAILED");
}

#[test]
fn nothing_secret_is_said() {
    let story = Story::new();
    let id = story.operator();
    let desk = &story.desk;
    let url = story.url();
    let mut all = String::new();
    let passphrase = "hunter2 is long";
    let mut note = |args: &[&str]| {
        for form in [&["--json"][..], &[]] {
            let terminal = Kept::default().with_variable("XBIND_PASSPHRASE", passphrase);
            let ran = desk.run_on(&terminal, &[args, form, &["--profile", "quiet"]].concat());
            all.push_str(&ran.out);
            all.push_str(&ran.said);
        }
    };
    note(&["init", "--domain", "example.com", "--server", url, "--encrypt"]);
    note(&["register", "agent", "--operator-id", &id]);
    note(&["agent-scopes", "list"]);
    note(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]);
    note(&["whoami"]);
    note(&["nonsense"]);
    let plain = std::fs::read_to_string(desk.file("keys/operator.key")).unwrap();
    let secret = plain.lines().nth(1).unwrap();
    for text in ["PRIVATE KEY", passphrase, secret, &secret[20..]] {
        assert!(!all.contains(text), "{text} in {all}");
    }
    assert!(all.contains("did:key:"), "{all}");
    let stored: String = files(&desk.dir())
        .iter()
        .filter(|file| file.extension().is_some_and(|kind| kind == "json"))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    assert!(!stored.contains("PRIVATE") && !stored.contains(passphrase), "{stored}");
}
