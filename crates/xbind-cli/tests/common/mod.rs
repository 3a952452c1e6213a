//! An authority, a DNS server, and somebody who types commands.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that panics fails"
)]

#[path = "../../../xbind-authority/tests/common/dns.rs"]
pub mod dns;
#[path = "../../../xbind-authority/tests/common/folder.rs"]
pub mod folder;
pub mod models;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dns::DnsServer;
pub use folder::Folder;
use serde_json::Value;
use xbind_authority::{Config, Server};
use xbind_cli::{Exit, Kept, run};

pub const AUDIENCE: &str = "api.example.com";

/// What came of a command.
#[derive(Debug)]
pub struct Ran {
    pub exit: Exit,
    pub out: String,
    pub said: String,
}

impl Ran {
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.exit, Exit::Done, "{self:?}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Nothing on stdout, and an error of that code.
    #[track_caller]
    pub fn failed(&self, exit: Exit, code: &str) -> Value {
        assert_eq!((self.exit, self.out.as_str()), (exit, ""), "{self:?}");
        let said = self.said.lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(said).unwrap_or_else(|_| panic!("no JSON: {self:?}"));
        assert_eq!(error["error"]["code"], code, "{self:?}");
        assert_eq!(error["error"]["exit"], exit.code(), "{self:?}");
        error["error"].clone()
    }
}

/// A directory `.xbind`, and whoever works there.
pub struct Desk {
    pub folder: Folder,
    pub terminal: fn() -> Kept,
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: Folder::new(), terminal: Kept::default }
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.join(".xbind")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Types a command, with `--json`.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_on(&Kept::default(), &[args, &["--json"]].concat())
    }

    /// The same for people.
    pub fn run_plain(&self, args: &[&str]) -> Ran {
        self.run_on(&Kept::default(), args)
    }

    pub fn run_on(&self, terminal: &Kept, args: &[&str]) -> Ran {
        let dir = self.dir();
        let args: Vec<_> = args.iter().chain(&["--dir", dir.to_str().unwrap()]).map(|arg| (*arg).to_owned()).collect();
        let exit = run(&args, terminal);
        Ran { exit, out: terminal.out(), said: terminal.said() }
    }
}

/// An authority, and a desk of its operator.
pub struct Story {
    pub desk: Desk,
    pub dns: DnsServer,
    pub server: Server,
    authority: Folder,
}

impl Story {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (authority, dns) = (Folder::new(), DnsServer::start());
        let mut config = Config::new(authority.join("authority"));
        config.resolver = Some(dns.address);
        change(&mut config);
        let server = Server::start(config).unwrap();
        Self { desk: Desk::new(), dns, server, authority }
    }

    pub fn directory(&self) -> PathBuf {
        self.authority.join("authority")
    }

    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The operator of `example.com`, proven; its id.
    pub fn operator(&self) -> String {
        let desk = &self.desk;
        let url = self.url();
        desk.run(&["init", "--operator", "--domain", "example.com", "--server", url]).done();
        let registered = desk.run(&["register", "operator"]).done().json();
        let told = desk.run(&["verify-operator", "instructions"]).done().json();
        self.dns.set(told["txt"]["name"].as_str().unwrap(), &[told["txt"]["value"].as_str().unwrap()]);
        desk.run(&["verify-operator", "confirm"]).done();
        registered["id"].as_str().unwrap().to_owned()
    }

    /// And an agent at the same desk, that may `read:payments`; the id of the operator.
    pub fn begun(&self) -> String {
        let id = self.operator();
        self.desk.run(&["init", "--domain", "example.com", "--server", self.url()]).done();
        self.desk.run(&["register", "agent", "--operator-id", &id]).done();
        self.desk.run(&["agent-scopes", "set", "--scopes", "read:payments"]).done();
        id
    }

    pub fn token(&self) -> String {
        let issued = self.desk.run(&["issue", "--scope", "read:payments", "--aud", AUDIENCE]).done().json();
        issued["token"].as_str().unwrap().to_owned()
    }
}

#[cfg(unix)]
pub fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::symlink_metadata(path).unwrap()) & 0o777
}

/// Every file below a directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let below = |entry: std::fs::DirEntry| {
        if entry.file_type().unwrap().is_dir() { files(&entry.path()) } else { vec![entry.path()] }
    };
    entries.flat_map(below).collect()
}

/// Runs a command until it is stopped; `meanwhile` is given its first line.
pub fn while_it_runs(args: Vec<String>, meanwhile: impl FnOnce(&Value)) -> Ran {
    let terminal = Arc::new(Kept::default());
    let own = terminal.clone();
    let running = thread::spawn(move || run(&args, &*own));
    while !terminal.out().contains('\n') {
        assert!(!running.is_finished(), "{}", terminal.said());
        thread::sleep(Duration::from_millis(5));
    }
    let told = terminal.out();
    meanwhile(&serde_json::from_str(told.lines().next().unwrap()).unwrap());
    terminal.stop();
    let exit = running.join().unwrap();
    Ran { exit, out: terminal.out(), said: terminal.said() }
}

pub fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}
