//! The thread that all of it waits on starts with the first fetch, and there is one. Alone in its process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use common::{LONG, fetch, fetcher, json, rules, saying};
use xbind_net::{Target, Whose};

fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.unwrap().path().join("comm"));
    tasks.filter_map(|task| name(task).ok()).filter(|name| name.trim() == "xbind-net").count()
}

#[test]
fn it_starts_with_the_first_fetch() {
    let (one, other) = (fetcher(&[]), fetcher(&[]));
    Target::parse("https://login.example/", Whose::Stranger).unwrap();
    assert_eq!(threads(), 0);
    let server = saying(json("{}"));
    for fetcher in [&one, &other, &one] {
        fetch(fetcher, &server.http(), rules(LONG)).unwrap();
        assert_eq!(threads(), 1);
    }
}
