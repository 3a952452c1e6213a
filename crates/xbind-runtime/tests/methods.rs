//! Calls that name a method, and receipts, which answer none of them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{block_on, json, key, text};
use xbind::ErrorKind;
use xbind_runtime::{AgentOptions, Allow, CallOptions, Handle, Key, Node, NodeOptions};

fn pair() -> (Handle, Handle) {
    let node = Node::new(NodeOptions::default());
    let join =
        |seed, name: &str| node.join(Key::Local(key(seed)), Some(name.to_owned()), AgentOptions::default()).unwrap();
    (join(1, "caller"), join(2, "server"))
}

fn method(name: &str) -> CallOptions {
    let timeout = Some(Duration::from_secs(120));
    CallOptions { timeout, method: Some(name.to_owned()), ..CallOptions::default() }
}

#[test]
fn a_call_with_a_method_never_ends_in_an_inbox() {
    let (caller, server) = pair();
    for name in ["write-summary", "__proto__", "write-summary."] {
        let error = block_on(caller.call("server", json("1"), method(name))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MethodNotFound);
    }
    assert!(block_on(server.receive(0)).unwrap().is_empty());
    let receipt = block_on(caller.send("server", json("2"), method("write-summary"))).unwrap();
    assert_eq!((receipt.to, receipt.kept), (*server.did(), false));
    let letters = block_on(server.receive(9)).unwrap();
    assert_eq!(letters.iter().map(|letter| text(&letter.payload)).collect::<Vec<_>>(), ["2"]);
}

#[test]
fn a_call_that_is_put_into_an_inbox_is_told_from_an_answer() {
    let (caller, server) = pair();
    let error = block_on(caller.call("server", json("1"), CallOptions::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HandlerFailed);
    assert!(error.message().contains("has no handler"), "{error}");
    assert_eq!(block_on(server.receive(9)).unwrap().len(), 1);
}

#[test]
fn a_name_that_no_method_has_is_refused_at_the_caller() {
    let (caller, _server) = pair();
    for name in ["", "write summary", "writ\u{435}", "a/b", &"m".repeat(129)] {
        let error = block_on(caller.call("server", json("1"), method(name))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{name}");
    }
}

#[test]
fn a_call_whose_handler_is_taken_away_goes_back_with_a_refusal() {
    let (caller, server) = pair();
    server.handle(Some(Allow::Everyone)).unwrap();
    let (caller, server) = (Arc::new(caller), Arc::new(server));
    let calling = {
        let caller = caller.clone();
        thread::spawn(move || block_on(caller.call("server", json("1"), method("write"))))
    };
    thread::sleep(Duration::from_millis(20)); // either before or after it has arrived
    server.handle(None).unwrap();
    assert_eq!(calling.join().unwrap().unwrap_err().kind(), ErrorKind::MethodNotFound);
    assert!(block_on(server.receive(0)).unwrap().is_empty());
}
