//! What is decided while a log cannot be written: nothing is let in, and nothing is forgotten.

use super::callback::{asked, open_with};
use super::*;
use std::sync::mpsc::{Receiver, Sender};
use xbind_runtime::Recording;

const GOOD: &str = r#"{"event":"token","outcome":"accepted"}"#;

fn eventually(mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "it never holds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn while_a_write_takes_too_long_nothing_is_let_in() {
    for durability in [Durability::Batch, Durability::None, Durability::Always] {
        let (callback, hands) = asked(Duration::from_secs(600));
        let begin = || callback.settle(hands.recv().unwrap().0, None);
        let log = open_with(&callback, None, durability, begin).unwrap();
        let recording = Recording { audit: log.clone(), dangerously_unrecorded: false };
        assert_eq!(log.take(call(1), None), Taken::Yes);
        let (number, ..) = hands.recv().unwrap();
        eventually(|| !log.can_write());
        assert_eq!(log.take(call(2), Some(Box::new(|_| ()))), Taken::No);
        assert_eq!(recording.put(GOOD, &did(1), false).unwrap_err().kind(), ErrorKind::AuditFailed);
        assert_eq!(log.take(call(3), None), Taken::Yes, "what has happened is kept");
        callback.settle(number, None);
        eventually(|| log.can_write());
        let (number, _, text) = hands.recv().unwrap();
        assert_eq!(text.lines().count(), 2);
        callback.settle(number, None);
        flush(&log).unwrap();
        log.close().unwrap();
    }
}

#[test]
fn what_is_done_at_once_waits_for_the_disk_where_it_has_to() {
    let folder = Folder::new("at-once");
    let (log, _) = open_as(&folder.log(), key(), Durability::Always, 1 << 30).unwrap();
    let recording = Recording { audit: log.clone(), dangerously_unrecorded: false };
    for n in 1..20 {
        recording.put(GOOD, &did(2), false).unwrap();
        assert_eq!(verify(&folder.log(), None, None).unwrap().records, n);
    }
    // The very first write that fails is known before anything is done.
    let moved = folder.0.join("moved");
    fs::rename(folder.log(), &moved).unwrap();
    for _ in 0..3 {
        assert_eq!(recording.put(GOOD, &did(2), false).unwrap_err().kind(), ErrorKind::AuditFailed);
    }
    fs::rename(&moved, folder.log()).unwrap();
    eventually(|| recording.put(GOOD, &did(2), false).is_ok());
    log.close().unwrap();
    assert_eq!(verify(&folder.log(), None, None).unwrap().records, 20);
}

#[test]
fn while_a_log_fails_what_is_to_be_done_is_refused() {
    for durability in [Durability::Batch, Durability::None] {
        let folder = Folder::new("failing");
        let (log, _) = open_as(&folder.log(), key(), durability, 1 << 30).unwrap();
        let strict = Recording { audit: log.clone(), dangerously_unrecorded: false };
        let lax = Recording { audit: log.clone(), dangerously_unrecorded: true };
        let moved = folder.0.join("moved");
        fs::rename(folder.log(), &moved).unwrap();
        strict.put(GOOD, &did(2), false).unwrap(); // nobody knows yet
        assert!(flush(&log).is_err());
        for _ in 0..5 {
            assert_eq!(strict.put(GOOD, &did(2), false).unwrap_err().kind(), ErrorKind::AuditFailed);
            lax.put(GOOD, &did(2), false).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
        let closed = log.close().unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::AuditFailed);
        assert!(closed.message().contains("1 record is lost"), "{closed}");
    }
}

#[test]
fn who_would_wait_for_himself_is_refused() {
    let (callback, hands) = asked(Duration::from_secs(600));
    let begin = || callback.settle(hands.recv().unwrap().0, None);
    let log = open_with(&callback, None, Durability::Always, begin).unwrap();
    let recording = Recording { audit: log.clone(), dangerously_unrecorded: false };
    let error = recording.put(GOOD, &did(1), false).unwrap_err();
    assert!(error.message().contains("cannot wait") && error.hint().is_some(), "{error}");
    assert!(hands.try_recv().is_err(), "it is not on record");
    log.close().unwrap();
}

/// The process whose disk is full, and to whose log somebody else writes then.
#[cfg(unix)]
fn write_behind_a_failure(path: &Path) {
    for durability in [Durability::Batch, Durability::Always] {
        drop(fs::remove_file(path));
        let (log, _) = open_as(path, key(), durability, 1 << 30).unwrap();
        let mut n = 0;
        while flush(&log).is_ok() {
            log.take(call(n), None);
            n += 1;
            assert!(n < 10_000, "the disk is never full");
        }
        let whole = fs::read_to_string(path).unwrap();
        assert!(whole.ends_with('\n'), "what the failed write has left is cut off");
        let mut others = fs::OpenOptions::new().append(true).open(path).unwrap();
        others.write_all(b"evidence\n").unwrap();
        for _ in 0..3 {
            let error = flush_record(&log);
            assert!(error.message().contains("written by somebody else"), "{error}");
        }
        assert_eq!(fs::read_to_string(path).unwrap(), format!("{whole}evidence\n"));
        assert!(log.close().is_err());
    }
    println!("\nDONE");
}

#[cfg(unix)]
fn flush_record(log: &AuditLog) -> xbind::Error {
    log.take(call(0), None);
    flush(log).map(|_| ()).unwrap_err()
}

#[test]
#[cfg(unix)]
fn what_others_write_behind_a_failed_write_is_not_cut() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_behind_a_failure(Path::new(&path));
    }
    let folder = Folder::new("behind");
    let name = "failing::what_others_write_behind_a_failed_write_is_not_cut";
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact --nocapture \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(CHILD, folder.log())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(said.contains("DONE"), "{said}{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
fn what_goes_on_in_any_case_is_on_record_though_nobody_waits() {
    let (callback, hands) = asked(Duration::from_secs(600));
    let begin = || callback.settle(hands.recv().unwrap().0, None);
    let log = open_with(&callback, None, Durability::Always, begin).unwrap();
    let lax = Recording { audit: log.clone(), dangerously_unrecorded: true };
    lax.put(GOOD, &did(1), false).unwrap();
    let own = callback.clone();
    let taken = std::thread::spawn(move || {
        let (number, _, text) = hands.recv().unwrap();
        own.settle(number, None);
        text
    });
    log.close().unwrap();
    assert!(taken.join().unwrap().contains(r#""event":"token","outcome":"accepted""#));
}

#[test]
fn a_flush_of_nothing_is_no_write_that_has_succeeded() {
    let (callback, hands) = asked(Duration::from_secs(600));
    let begin = || callback.settle(hands.recv().unwrap().0, None);
    let log = open_with(&callback, None, Durability::Always, begin).unwrap();
    let (tell, told) = channel();
    let done = move |there| tell.send(there).unwrap();
    assert_eq!(log.take(call(1), Some(Box::new(done))), Taken::Later);
    let (number, ..) = hands.recv().unwrap();
    let (send, flushed) = channel();
    for _ in 0..2 {
        let send = send.clone();
        log.flush(Box::new(move |head| send.send(head.map(|_| ()).map_err(|error| error.kind())).unwrap()));
    }
    callback.settle(number, Some("the database is gone"));
    assert!(!told.recv().unwrap());
    assert_eq!([flushed.recv().unwrap(), flushed.recv().unwrap()], [Err(ErrorKind::AuditFailed); 2]);
    eventually(|| log.can_write());
    flush(&log).unwrap();
    log.close().unwrap();
}

/// A log each of whose writes waits for a word, and tells that it does.
fn gated(folder: &Folder) -> (Arc<AuditLog>, Receiver<()>, Sender<()>) {
    let (rest, gate) = channel();
    let gate = std::sync::Mutex::new(gate);
    let (begun, begins) = channel();
    let options = LogOptions { durability: Durability::Always, max_file_bytes: 1 << 30, first: None };
    let sign = Box::new(move |bytes: &[u8]| {
        _ = begun.send(());
        gate.lock().unwrap().recv().unwrap();
        Some(key().sign(bytes))
    });
    rest.send(()).unwrap();
    let (log, _) = AuditLog::open(&folder.log(), *key().did(), sign, options).unwrap();
    begins.recv().unwrap();
    (log, begins, rest)
}

#[test]
fn the_longest_record_that_is_taken_can_be_given_up() {
    let folder = Folder::new("longest");
    let (log, begins, rest) = gated(&folder);
    let of = |bytes| {
        let mut long = call(1);
        long.chain = vec!["c".repeat(1024).into(); 15];
        long.note = Some("n".repeat(bytes).into());
        long
    };
    let fits = |bytes: &usize| of(*bytes).with_record(|record| record.misfit().is_none());
    let longest = of((1..=1024).rev().find(fits).unwrap());
    let own = log.clone();
    let given_up = std::thread::spawn(move || own.append(longest));
    begins.recv().unwrap();
    assert!(!given_up.join().unwrap());
    drop(begins);
    for _ in 0..10 {
        rest.send(()).unwrap();
    }
    flush(&log).unwrap();
    assert!(log.append(call(2)), "the log goes on");
    log.close().unwrap();
    assert_eq!(verify(&folder.log(), Some(did(1)), None).unwrap().records, 3);
}

#[test]
fn what_was_given_up_is_not_let_stand_as_accepted() {
    let folder = Folder::new("given-up");
    let (log, begins, rest) = gated(&folder);
    let put = |token: &str, dangerously_unrecorded| {
        let recording = Recording { audit: log.clone(), dangerously_unrecorded };
        let json = format!(r#"{{"event":"token","outcome":"accepted","token":"{token}"}}"#);
        std::thread::spawn(move || recording.put(&json, &did(1), false).map_err(|error| error.kind()))
    };
    let first = put("begun", false);
    begins.recv().unwrap();
    let others = [put("waits", false), put("is done anyway", true)];
    assert_eq!(first.join().unwrap(), Err(ErrorKind::AuditFailed));
    assert_eq!(others.map(|other| other.join().unwrap()), [Err(ErrorKind::AuditFailed), Ok(())]);
    drop(begins);
    for _ in 0..10 {
        rest.send(()).unwrap();
    }
    flush(&log).unwrap();
    let found = log.query(&Query { limit: 10, ..Query::default() }).unwrap();
    let of = |token: &str| {
        let named = format!(r#""token":"{token}""#);
        found.iter().filter(|line| line.contains(&named)).map(String::as_str).collect::<Vec<_>>()
    };
    assert!(
        matches!(of("begun")[..], [first, then] if first.contains(r#""outcome":"accepted""#)
        && then.contains(r#""outcome":"failed""#) && then.contains(r#""code":"AUDIT_FAILED""#)),
        "{found:?}"
    );
    assert!(of("waits").is_empty(), "{found:?}");
    assert!(of("is done anyway").iter().all(|line| line.contains(r#""outcome":"accepted""#)), "{found:?}");
    log.close().unwrap();
    verify(&folder.log(), Some(did(1)), None).unwrap();
}
