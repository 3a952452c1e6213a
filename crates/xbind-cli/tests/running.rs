//! A command within a program that has an event loop.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::sync::mpsc::channel;

use common::Folder;
use serde_json::Value;
use xbind_cli::Running;

/// The next piece of what it says.
fn piece(running: &Running) -> Value {
    let (tell, told) = channel();
    running.next()(Box::new(move |piece| tell.send(piece).unwrap()));
    serde_json::from_str(&told.recv().unwrap()).unwrap()
}

/// All it says to its end.
fn rest(running: &Running) -> (String, String, u64) {
    let (mut out, mut said) = (String::new(), String::new());
    loop {
        let piece = piece(running);
        out.push_str(piece["out"].as_str().unwrap());
        said.push_str(piece["said"].as_str().unwrap());
        if let Some(exit) = piece["exit"].as_u64() {
            return (out, said, exit);
        }
    }
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn what_is_said_is_fetched_piece_by_piece() {
    let running = Running::start(&words(&["--version"]), None);
    let (out, said, exit) = rest(&running);
    assert_eq!((out.as_str(), said.as_str(), exit), (concat!("xbind ", env!("CARGO_PKG_VERSION"), "\n"), "", 0));
    assert!(!running.stop(), "nothing runs any more that would hear of it");
    // Whoever asks once more is told of the end once more.
    assert_eq!(piece(&running)["exit"], 0);
    let (out, said, exit) = rest(&Running::start(&words(&["nonsense"]), None));
    assert_eq!((out.as_str(), exit), ("", 2));
    assert!(said.starts_with("error: "), "{said}");
}

#[test]
fn what_runs_until_it_is_stopped_is_stopped() {
    let folder = Folder::new();
    let dir = folder.join("x").display().to_string();
    let running = Running::start(&words(&["dev", "--json", "--quiet", "--dir", &dir]), None);
    let first = piece(&running);
    assert!(first["out"].as_str().unwrap().contains("\"alice\"") && first.get("exit").is_none(), "{first}");
    assert!(running.stop());
    assert_eq!(rest(&running), (String::new(), String::new(), 0));
    assert!(!folder.join("x").exists());
}

#[test]
fn stdin_is_what_is_given_and_nobody_is_asked() {
    let (out, said, exit) = rest(&Running::start(&words(&["gateway", "check", "--config", "-", "--json"]), Some("{}")));
    assert_eq!((out.as_str(), exit), ("", 2));
    assert!(said.contains("stdin: missing field `data`"), "{said}");
    let folder = Folder::new();
    let dir = folder.join("x").display().to_string();
    let (_, said, exit) = rest(&Running::start(&words(&["identity", "new", "--encrypt", "--dir", &dir]), Some("")));
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("there is nobody to ask"), "{said}");
}

#[test]
fn what_nobody_holds_any_more_is_stopped() {
    let folder = Folder::new();
    let dir = folder.join("x").display().to_string();
    let running = Running::start(&words(&["dev", "--json", "--quiet", "--dir", &dir]), None);
    piece(&running);
    let (tell, told) = channel();
    running.next()(Box::new(move |piece| tell.send(piece).unwrap()));
    drop(running);
    let end: Value = serde_json::from_str(&told.recv().unwrap()).unwrap();
    assert_eq!(end["exit"], 0);
    assert!(!folder.join("x").exists());
}
