//! Logs in files: what was changed in them is found, and what was acknowledged is there after a crash.
#![cfg(not(loom))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "tests"
)]

mod callback;
mod changes;
mod failing;
mod names;
mod opening;
mod queries;
mod recording;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use xbind::record::{Head, Verdict};
use xbind::{Did, Digest, ErrorKind, MessageId, Result, SigningKey};
use xbind_runtime::{Audit, AuditLog, Decided, Durability, LogOptions, Opened, Query, Taken, Verified, Wanted};

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn did(n: u8) -> Did {
    static DIDS: LazyLock<Vec<Did>> =
        LazyLock::new(|| (0..10).map(|n| *SigningKey::from_seed(&[n; 32]).did()).collect());
    DIDS[usize::from(n)]
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xbind-record-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn open_as(
    path: &Path,
    key: SigningKey,
    durability: Durability,
    max_file_bytes: u64,
) -> Result<(Arc<AuditLog>, Opened)> {
    let options = LogOptions { durability, max_file_bytes, first: None };
    AuditLog::open(path, *key.did(), Box::new(move |bytes| Some(key.sign(bytes))), options)
}

fn open(path: &Path) -> (Arc<AuditLog>, Opened) {
    open_as(path, key(), Durability::None, 1 << 30).unwrap()
}

fn verify(path: &Path, did: Option<Did>, head: Option<(u64, Digest)>) -> Result<Verified> {
    xbind_runtime::verify(path, Wanted { did, head, ..Wanted::default() })
}

fn call(n: u64) -> Decided {
    let mut decided = Decided::new("call", Verdict::Accepted, did(2), 1_700_000_000 + n);
    decided.from = Some(did(3 + u8::try_from(n % 4).unwrap()));
    decided.method = Some("summarise".into());
    decided.token = Some(format!("token-{}", n % 1000).into());
    decided
}

fn flush(log: &AuditLog) -> Result<(Head, String)> {
    let (send, receive) = channel();
    log.flush(Box::new(move |flushed| send.send(flushed).unwrap()));
    receive.recv().unwrap()
}

/// A log of so many records, in batches of so many.
fn written(path: &Path, records: u64, batch: u64) -> (Head, String) {
    let (log, _) = open(path);
    for n in 0..records {
        assert_eq!(log.take(call(n), None), Taken::Yes);
        if n % batch == batch - 1 {
            flush(&log).unwrap();
        }
    }
    log.close().unwrap()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn rewrite(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

fn faults(path: &Path) -> String {
    let error = verify(path, Some(did(1)), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAudit, "{error}");
    error.message().to_owned()
}

#[test]
fn what_was_written_is_verified_and_found() {
    let folder = Folder::new("written");
    let (head, jws) = written(&folder.log(), 100, 7);
    assert_eq!(Head::read(&jws).unwrap(), head);
    let verified = verify(&folder.log(), Some(did(1)), Some((head.seq, head.digest))).unwrap();
    assert_eq!((verified.records, verified.did, verified.first), (100, did(1), 0));
    assert_eq!(verified.last.0, head.seq + 1, "a signature follows");
    let (log, opened) = open(&folder.log());
    assert_eq!((opened.records, opened.lost_bytes), (100, 0));
    let find = |query: Query| log.query(&query).unwrap().len();
    let all = || Query { limit: 1000, ..Query::default() };
    assert_eq!(find(all()), 100);
    assert_eq!(find(Query { limit: 9, ..all() }), 9);
    assert_eq!(find(Query { agent: Some(did(3).to_string()), ..all() }), 25);
    assert_eq!(find(Query { agent: Some(did(2).to_string()), ..all() }), 100);
    assert_eq!(find(Query { agent: Some(did(1).to_string()), ..all() }), 0);
    assert_eq!(find(Query { token: Some("token-42".to_owned()), ..all() }), 1);
    assert_eq!(find(Query { since: Some(1_700_000_010), until: Some(1_700_000_020), ..all() }), 10);
    let last = log.query(&Query { after: Some(head.seq - 1), ..all() }).unwrap();
    assert!(last.len() == 1 && last[0].contains(&format!(r#"{{"seq":{},"#, head.seq)), "{last:?}");
    assert_eq!(log.take(call(200), None), Taken::Yes);
    flush(&log).unwrap();
    assert_eq!(find(Query { since: Some(1_700_000_200), ..all() }), 1, "what was just written is found as well");
}

#[test]
fn a_log_goes_on_in_further_files() {
    let folder = Folder::new("files");
    let path = folder.log();
    {
        let (log, _) = open_as(&path, key(), Durability::Batch, 4096).unwrap();
        for n in 0..100 {
            assert_eq!(log.take(call(n), None), Taken::Yes);
            flush(&log).unwrap();
        }
        log.close().unwrap();
    }
    let (log, opened) = open_as(&path, key(), Durability::Batch, 4096).unwrap();
    assert_eq!((opened.records, opened.lost_bytes), (100, 0));
    assert_eq!(log.query(&Query { limit: 1000, ..Query::default() }).unwrap().len(), 100);
    log.close().unwrap();
    let count = fs::read_dir(&folder.0)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("audit.jsonl."))
        .count()
        - 1; // its lock
    assert!(count > 3, "{count} files");
    assert_eq!(verify(&path, Some(did(1)), None).unwrap().records, 100);
    let (second, third) = (folder.0.join("audit.jsonl.2"), folder.0.join("audit.jsonl.3"));
    let texts = (fs::read(&second).unwrap(), fs::read(&third).unwrap());
    fs::write(&second, &texts.1).unwrap();
    fs::write(&third, &texts.0).unwrap();
    assert!(faults(&path).starts_with("audit.jsonl.2, line 1: "));
    fs::remove_file(&second).unwrap();
    fs::write(&third, &texts.1).unwrap();
    assert!(faults(&path).starts_with("audit.jsonl.3, line 1: "));
    fs::write(&second, &texts.0).unwrap();
    // What is archived is not needed to go on.
    fs::rename(&path, folder.0.join("archived")).unwrap();
    let verified = verify(&path, Some(did(1)), None).unwrap();
    assert!(verified.first > 0 && verified.records < 100);
    let (log, _) = open_as(&path, key(), Durability::Batch, 4096).unwrap();
    log.close().unwrap();
    assert!(!path.exists());
    // A crash while a file was begun leaves one that holds nothing.
    let next = folder.0.join(format!("audit.jsonl.{}", count + 1));
    fs::write(&next, "{\"seq\":").unwrap();
    let (log, _) = open_as(&path, key(), Durability::Batch, 1 << 20).unwrap();
    log.close().unwrap();
    assert_eq!(fs::metadata(&next).unwrap().len(), 0);
    assert_eq!(fs::read_to_string(folder.0.join("audit.jsonl.lost-1")).unwrap(), "{\"seq\":");
    verify(&path, Some(did(1)), None).unwrap();
}

#[test]
fn one_path_has_one_writer() {
    let folder = Folder::new("lock");
    let (log, _) = open(&folder.log());
    let refused = || open_as(&folder.log(), key(), Durability::None, 1 << 30).map(|_| ()).unwrap_err().kind();
    assert_eq!(refused(), ErrorKind::AuditFailed);
    #[cfg(unix)]
    {
        let link = folder.0.join("link");
        std::os::unix::fs::symlink(folder.log(), &link).unwrap();
        let linked = open_as(&link, key(), Durability::None, 1 << 30);
        assert_eq!(linked.map(|_| ()).unwrap_err().kind(), ErrorKind::AuditFailed);
    }
    log.close().unwrap();
    assert_eq!(log.take(call(1), None), Taken::No, "a closed log takes nothing");
    assert_eq!(flush(&log).unwrap_err().kind(), ErrorKind::AuditFailed);
    let on_folder = open_as(&folder.0, key(), Durability::None, 1 << 30);
    assert_eq!(on_folder.map(|_| ()).unwrap_err().kind(), ErrorKind::InvalidConfig);
    let nowhere = open_as(&folder.0.join("no/where"), key(), Durability::None, 1 << 30);
    assert_eq!(nowhere.map(|_| ()).unwrap_err().kind(), ErrorKind::AuditFailed);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(folder.log()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_decision_waits_for_the_disk_where_it_has_to() {
    let folder = Folder::new("always");
    let (log, _) = open_as(&folder.log(), key(), Durability::Always, 1 << 30).unwrap();
    let (send, receive) = channel();
    for n in 0..50 {
        let send = send.clone();
        assert_eq!(log.take(call(n), Some(Box::new(move |taken| send.send((n, taken)).unwrap()))), Taken::Later);
    }
    for n in 0..50 {
        assert_eq!(receive.recv().unwrap(), (n, true));
    }
    assert_eq!(verify(&folder.log(), None, None).unwrap().records, 50);
}

/// Names the log that a test writes which runs once more, as a process of its own.
const CHILD: &str = "XBIND_RECORD";

/// The process that is killed.
fn write_until_killed(path: &Path) {
    let (log, _) = open_as(path, key(), Durability::Batch, 64 << 10).unwrap();
    let mut out = std::io::stdout();
    for n in 0.. {
        for k in 0..20 {
            log.take(call(n * 20 + k), None);
        }
        let (head, _) = flush(&log).unwrap();
        writeln!(out, "\nACK {}", head.seq).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_its_process_is_killed() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&path));
    }
    let folder = Folder::new("killed");
    let asked = std::env::var("XBIND_KILLS").ok().map(|times| times.parse().unwrap());
    let times: u32 = asked.unwrap_or(if std::env::var("XBIND_LONG").is_ok_and(|long| long == "1") { 200 } else { 10 });
    let mut acknowledged = 0_u64;
    for round in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "nothing_that_was_acknowledged_is_lost_when_its_process_is_killed"])
            .env(CHILD, folder.log())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut acks = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(|line| line.ok())
            .filter_map(|line| line.strip_prefix("ACK ").map(|seq| seq.parse::<u64>().unwrap()));
        let first = acks.next().expect("the log opens after every crash");
        assert!(first > acknowledged, "what was acknowledged before is there");
        acknowledged = first;
        let until = Instant::now() + Duration::from_micros(u64::from(round % 7_u32) * 700);
        while Instant::now() < until {
            acknowledged = acks.next().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = acks.last().unwrap_or(acknowledged);
        let (log, _) = open(&folder.log());
        let (head, _) = log.close().unwrap();
        assert!(head.seq >= acknowledged, "round {round}: it goes to {}, acknowledged was {acknowledged}", head.seq);
        verify(&folder.log(), Some(did(1)), None).unwrap();
    }
}

/// The process whose disk is full, as far as it can tell.
#[cfg(unix)]
fn write_until_full(path: &Path) {
    let (log, _) = open_as(path, key(), Durability::Always, 1 << 30).unwrap();
    let (send, receive) = channel();
    let mut acknowledged = 0;
    let asks = |n| {
        let send = send.clone();
        match log.take(call(n), Some(Box::new(move |there| send.send(there).unwrap()))) {
            Taken::Later => receive.recv().unwrap(),
            taken @ (Taken::Yes | Taken::No) => taken == Taken::Yes,
        }
    };
    for n in 0.. {
        if !asks(n) {
            break;
        }
        acknowledged += 1;
        assert!(acknowledged < 100_000, "the disk is never full");
    }
    assert!(!asks(1), "it stays so");
    // What has happened is kept, and lost only with the process.
    let kept = log.take(call(2), None);
    let failed = flush(&log).map(|_| ()).unwrap_err();
    assert_eq!((kept, failed.kind()), (Taken::Yes, ErrorKind::AuditFailed));
    assert_eq!(log.close().map(|_| ()).unwrap_err().kind(), ErrorKind::AuditFailed);
    println!("\nFULL {acknowledged}");
}

#[test]
#[cfg(unix)]
fn a_full_disk_refuses_work_and_loses_nothing() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_until_full(Path::new(&path));
    }
    let folder = Folder::new("full");
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact --nocapture \"$1\"";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg("a_full_disk_refuses_work_and_loses_nothing")
        .env(CHILD, folder.log())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    let full = said.lines().find_map(|line| line.strip_prefix("FULL ")).unwrap_or_else(|| panic!("{said}"));
    let acknowledged: u64 = full.parse().unwrap();
    assert!(acknowledged > 10, "{acknowledged}");
    assert_eq!(verify(&folder.log(), Some(did(1)), None).unwrap().records, acknowledged);
    let (log, opened) = open(&folder.log());
    assert_eq!((opened.records, opened.lost_bytes), (acknowledged, 0));
    assert_eq!(log.take(call(1), None), Taken::Yes);
    log.close().unwrap();
}

#[test]
fn a_large_log_is_verified_and_opened() {
    let long = std::env::var("XBIND_LONG").is_ok_and(|long| long == "1");
    let asked = std::env::var("XBIND_RECORDS").ok().map(|records| records.parse().unwrap());
    let records: u64 = asked.unwrap_or(if long { 10_000_000 } else { 100_000 });
    let folder = Folder::new("large");
    let began = Instant::now();
    {
        let (log, _) = open_as(&folder.log(), key(), Durability::None, 256 << 20).unwrap();
        for n in 0..records {
            while log.take(call(n), None) == Taken::No {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        log.close().unwrap();
    }
    let written = began.elapsed();
    let began = Instant::now();
    assert_eq!(verify(&folder.log(), Some(did(1)), None).unwrap().records, records);
    let verified = began.elapsed();
    let began = Instant::now();
    let (log, opened) = open(&folder.log());
    assert_eq!(opened.records, records);
    let reopened = began.elapsed();
    let found = log.query(&Query { token: Some("token-7".to_owned()), limit: 10_000, ..Query::default() }).unwrap();
    assert_eq!(u64::try_from(found.len()).unwrap(), (records / 1000).min(10_000));
    let memory = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("memory unknown").to_owned();
    println!("{records} records: written {written:?}, verified {verified:?}, opened {reopened:?}; {memory}");
}
