//! What is found where a log is opened: its own remains are kept aside, and what is of others stays as it is.

use super::*;

fn refused(path: &Path) -> xbind::Error {
    open_as(path, key(), Durability::Batch, 4096).map(|_| ()).unwrap_err()
}

/// A log in several files, and how many there are.
fn rotated(folder: &Folder) -> u64 {
    let (log, _) = open_as(&folder.log(), key(), Durability::Batch, 4096).unwrap();
    for n in 0..60 {
        assert_eq!(log.take(call(n), None), Taken::Yes);
        flush(&log).unwrap();
    }
    log.close().unwrap();
    (1..).take_while(|n| numbered(folder, *n).exists()).last().unwrap()
}

fn numbered(folder: &Folder, n: u64) -> PathBuf {
    folder.0.join(format!("audit.jsonl.{n}"))
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn names(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| !name.ends_with(".lock"))
        .collect();
    all.sort();
    all
}

#[test]
fn what_is_cut_off_is_kept_aside() {
    let folder = Folder::new("aside");
    written(&folder.log(), 9, 3);
    let whole = fs::read(folder.log()).unwrap();
    // The last lines were overwritten, not torn.
    let mut overwritten = whole.clone();
    let from = whole.len() - 900;
    overwritten[from..].fill(b'x');
    for round in 1..4 {
        fs::write(folder.log(), &overwritten).unwrap();
        let (log, opened) = open(&folder.log());
        let lost_to = opened.lost_to.clone().unwrap();
        assert!(lost_to.ends_with(format!("audit.jsonl.lost-{round}")), "{lost_to:?}");
        let lost = fs::read(&lost_to).unwrap();
        assert_eq!(u64::try_from(lost.len()).unwrap(), opened.lost_bytes);
        assert_eq!(lost, overwritten[overwritten.len() - lost.len()..], "nothing of it is gone");
        assert!(opened.json(&did(1)).contains(&format!("\"lostTo\":\"{}\"", lost_to.display())));
        log.close().unwrap();
        verify(&folder.log(), Some(did(1)), None).unwrap();
    }
    fs::write(folder.log(), &whole).unwrap();
    let (_, opened) = open(&folder.log());
    assert_eq!((opened.lost_bytes, opened.lost_to), (0, None));
}

#[test]
fn an_empty_next_file_hides_no_tail() {
    for torn in ["", "torn", "{\"seq\":"] {
        for empty in [1_u64, 2] {
            let folder = Folder::new("empty-next");
            written(&folder.log(), 4, 2);
            append(&folder.log(), torn.as_bytes());
            for n in 1..=empty {
                append(&numbered(&folder, n), b"");
            }
            let (log, opened) = open_as(&folder.log(), key(), Durability::Batch, 4096).unwrap();
            assert_eq!((opened.records, opened.lost_bytes), (4, u64::try_from(torn.len()).unwrap()));
            for n in 0..60 {
                assert_eq!(log.take(call(n), None), Taken::Yes);
                flush(&log).unwrap();
            }
            log.close().unwrap();
            assert!(fs::metadata(numbered(&folder, 1)).unwrap().len() > 0, "it is gone on in");
            assert_eq!(verify(&folder.log(), Some(did(1)), None).unwrap().records, 64);
        }
    }
}

#[test]
fn a_torn_last_file_goes_on_whatever_is_left_of_it() {
    let folder = Folder::new("torn-next");
    let last = rotated(&folder);
    let path = numbered(&folder, last);
    let whole = fs::read(&path).unwrap();
    let first_write = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
    for length in (0..=first_write).step_by(13).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        let (log, opened) = open_as(&folder.log(), key(), Durability::None, 4096).unwrap();
        let kept = opened.lost_to.map_or(0, |path| fs::metadata(path).unwrap().len());
        assert_eq!(kept, opened.lost_bytes, "{length}");
        log.close().unwrap();
        verify(&folder.log(), Some(did(1)), None).unwrap();
        // As it was before, but for the lines of opening.
        for name in names(&folder).into_iter().map(|(name, _)| name).filter(|name| name.contains("lost-")) {
            fs::remove_file(folder.0.join(name)).unwrap();
        }
        let before = numbered(&folder, last - 1);
        let text = fs::read_to_string(&before).unwrap();
        if let Some(at) = text.find(r#""event":"log.opened""#) {
            let start = text[..at].rfind('\n').unwrap() + 1;
            fs::write(&before, &text[..start]).unwrap();
        }
    }
    let mut zeros = whole[..first_write / 3].to_vec();
    zeros.extend([0; 100]);
    for left in [vec![0; 700], zeros] {
        fs::write(&path, &left).unwrap();
        let before = names(&folder);
        let (log, opened) = open_as(&folder.log(), key(), Durability::None, 1 << 20).unwrap();
        assert_eq!(fs::read(opened.lost_to.unwrap()).unwrap(), left);
        log.close().unwrap();
        for (name, bytes) in before {
            fs::write(folder.0.join(name), bytes).unwrap();
        }
    }
}

#[test]
fn what_is_not_of_the_log_stays_as_it_is() {
    let other_folder = Folder::new("other");
    let last = rotated(&other_folder);
    let foreign = [
        b"{\"seq\":1,\"user\":\"x\"}\n".to_vec(),
        b"{\"seq\":".repeat(2),
        b"{\"seq\":9999999,\"time\":17".to_vec(),
        b"{\"seq\":12,\"time\":17,\"previous\":\"nobody".to_vec(),
        b"x".to_vec(),
        b"\n".to_vec(),
        vec![0; 5000],
        vec![7; 100_000],
        fs::read(other_folder.log()).unwrap(),
        fs::read(numbered(&other_folder, 1)).unwrap(),
        fs::read(numbered(&other_folder, last)).unwrap(),
    ];
    for (i, bytes) in foreign.iter().enumerate() {
        for name in ["audit.jsonl.1", "audit.jsonl.7"] {
            let folder = Folder::new("foreign");
            written(&folder.log(), 3, 3);
            fs::write(folder.0.join(name), bytes).unwrap();
            let before = names(&folder);
            assert_eq!(refused(&folder.log()).kind(), ErrorKind::InvalidAudit, "{i} {name}");
            assert_eq!(names(&folder), before, "{i} {name}");
        }
        if i < 8 {
            let folder = Folder::new("foreign");
            fs::write(folder.log(), bytes).unwrap();
            let before = names(&folder);
            assert_eq!(refused(&folder.log()).kind(), ErrorKind::InvalidAudit, "{i}");
            assert_eq!(names(&folder), before, "{i}");
        }
    }
    // What comes there while the log is written is not gone on in.
    let folder = Folder::new("foreign");
    let (log, _) = open_as(&folder.log(), key(), Durability::Batch, 4096).unwrap();
    fs::write(numbered(&folder, 1), "mine").unwrap();
    for n in 0..60 {
        assert_eq!(log.take(call(n), None), Taken::Yes);
    }
    flush(&log).unwrap();
    assert_eq!(log.take(call(60), None), Taken::Yes);
    assert_eq!(flush(&log).unwrap_err().kind(), ErrorKind::AuditFailed);
    assert_eq!(fs::read(numbered(&folder, 1)).unwrap(), b"mine");
    fs::remove_file(numbered(&folder, 1)).unwrap();
    log.close().unwrap();
    assert_eq!(verify(&folder.log(), Some(did(1)), None).unwrap().records, 61);
}

#[test]
fn another_log_beside_it_is_not_taken_for_its_own() {
    let folder = Folder::new("beside");
    written(&numbered(&folder, 1), 3, 3);
    let before = names(&folder);
    assert_eq!(refused(&folder.log()).kind(), ErrorKind::InvalidAudit);
    let verified = verify(&folder.log(), Some(did(1)), None).unwrap_err();
    assert_eq!(verified.kind(), ErrorKind::InvalidAudit);
    assert_eq!(names(&folder), before);
    // Nor is what a crash has left of something else.
    let folder = Folder::new("beside-torn");
    fs::write(numbered(&folder, 1), "{\"seq\":").unwrap();
    let before = names(&folder);
    assert_eq!(refused(&folder.log()).kind(), ErrorKind::InvalidAudit);
    assert_eq!(names(&folder), before);
    // Nor is a file of it under another number, or behind a first one that is empty.
    let folder = Folder::new("renamed");
    let last = rotated(&folder);
    for n in 1..last {
        fs::remove_file(numbered(&folder, n)).unwrap();
    }
    fs::write(folder.log(), "").unwrap();
    let emptied = refused(&folder.log());
    assert!(emptied.message().contains("is empty"), "{emptied}");
    assert!(faults(&folder.log()).contains("is empty"));
    fs::remove_file(folder.log()).unwrap();
    let verified = verify(&folder.log(), Some(did(1)), None).unwrap();
    assert!(verified.first > 0);
    fs::rename(numbered(&folder, last), numbered(&folder, last + 1)).unwrap();
    assert_eq!(refused(&folder.log()).kind(), ErrorKind::InvalidAudit);
}

#[test]
fn a_beginning_that_is_gone_is_found_where_it_is_wanted() {
    let folder = Folder::new("first");
    rotated(&folder);
    let open = |first| {
        let options = LogOptions { durability: Durability::None, max_file_bytes: 1 << 30, first };
        let (log, opened) = AuditLog::open_with(&folder.log(), key(), options)?;
        log.close()?;
        Ok::<_, xbind::Error>(opened.first)
    };
    let verify = |first| xbind_runtime::verify(&folder.log(), Wanted { first, ..Wanted::default() });
    assert_eq!(open(Some(0)).unwrap(), 0);
    assert_eq!(verify(Some(0)).unwrap().first, 0);
    fs::remove_file(folder.log()).unwrap();
    let first = open(None).unwrap();
    assert_eq!(verify(None).unwrap().first, first);
    for wanted in [0, 1, first - 1] {
        for error in [open(Some(wanted)).unwrap_err(), verify(Some(wanted)).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::InvalidAudit);
            assert!(error.message().contains("first files are missing"), "{error}");
        }
    }
    assert_eq!(open(Some(first)).unwrap(), first);
    assert!(verify(Some(first + 1)).is_ok());
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_nowhere_leaves_nothing_behind() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new("dangling");
    symlink(folder.0.join("no/where"), folder.log()).unwrap();
    assert_eq!(refused(&folder.log()).kind(), ErrorKind::AuditFailed);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "the link");
    fs::remove_file(folder.log()).unwrap();
    symlink(folder.0.join("target"), folder.log()).unwrap();
    let (log, _) = open(&folder.log());
    log.close().unwrap();
    assert!(fs::metadata(folder.0.join("target")).unwrap().len() > 0);
    assert!(fs::symlink_metadata(folder.log()).unwrap().is_symlink());
}

/// Puts something there that is no file.
#[cfg(unix)]
const NO_FILES: [fn(&Path); 4] = [
    |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
    |path| fs::create_dir(path).unwrap(),
    |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
    |path| std::os::unix::fs::symlink("/dev/null", path).unwrap(),
];

#[test]
#[cfg(unix)]
fn nothing_that_is_no_file_is_waited_for() {
    for put in NO_FILES {
        let folder = Folder::new("no-file");
        let (next, away, lock) = (numbered(&folder, 1), folder.0.join("away"), folder.0.join("audit.jsonl.lock"));
        let (log, _) = open_as(&folder.log(), key(), Durability::Batch, 4096).unwrap();
        put(&next);
        for n in 0..60 {
            assert_eq!(log.take(call(n), None), Taken::Yes);
        }
        flush(&log).unwrap();
        for n in 60..63 {
            assert_eq!(log.take(call(n), None), Taken::Yes);
            assert_eq!(flush(&log).unwrap_err().kind(), ErrorKind::AuditFailed);
        }
        fs::rename(&next, &away).unwrap();
        flush(&log).unwrap();
        log.close().unwrap();
        assert_eq!(verify(&folder.log(), Some(did(1)), None).unwrap().records, 63);
        fs::remove_file(&lock).unwrap();
        put(&lock);
        assert_eq!(refused(&folder.log()).kind(), ErrorKind::AuditFailed);
        fs::rename(&lock, folder.0.join("away-too")).unwrap();
        let (log, opened) = open(&folder.log());
        assert_eq!((opened.records, opened.lost_bytes), (63, 0));
        log.close().unwrap();
    }
}

#[test]
fn an_opening_that_fails_names_what_it_has_cut_off() {
    let folder = Folder::new("named");
    let last = rotated(&folder);
    let before = numbered(&folder, last - 1);
    let mut lines = lines(&before);
    lines.pop(); // its signature: the record before is nobody's
    rewrite(&before, &lines);
    fs::write(numbered(&folder, last), r#"{"seq":"#).unwrap();
    let error = refused(&folder.log());
    let kept = folder.0.join("audit.jsonl.lost-1");
    assert_eq!(fs::read_to_string(&kept).unwrap(), r#"{"seq":"#);
    assert!(error.message().contains("7 bytes") && error.message().contains("audit.jsonl.lost-1"), "{error}");
    let (log, opened) = open(&folder.log());
    assert!(opened.lost_to.is_some_and(|path| path.ends_with("audit.jsonl.lost-2")));
    log.close().unwrap();
    verify(&folder.log(), Some(did(1)), None).unwrap();
}

#[test]
#[cfg(unix)]
fn a_log_of_several_names_has_one_writer() {
    let folder = Folder::new("names");
    let copy = Folder::new("names-too");
    let last = rotated(&folder);
    let link = |n: u64| {
        let own = |folder: &Folder| if n == 0 { folder.log() } else { numbered(folder, n) };
        fs::hard_link(own(&folder), own(&copy)).unwrap();
    };
    let (log, _) = open_as(&folder.log(), key(), Durability::Batch, 4096).unwrap();
    link(0);
    assert_eq!(refused(&copy.log()).kind(), ErrorKind::AuditFailed, "by its first file");
    (1..=last).for_each(link);
    assert_eq!(refused(&copy.log()).kind(), ErrorKind::AuditFailed, "by all of them");
    fs::remove_file(copy.log()).unwrap();
    assert_eq!(refused(&copy.log()).kind(), ErrorKind::AuditFailed, "by the one that is written to");
    // Files that are begun later as well.
    for n in 0..60 {
        log.take(call(n), None);
        flush(&log).unwrap();
    }
    let newest = (1..).take_while(|n| numbered(&folder, *n).exists()).last().unwrap();
    assert!(newest > last);
    (last + 1..=newest).for_each(link);
    fs::remove_file(folder.0.join("audit.jsonl.lock")).unwrap();
    for log in [copy.log(), folder.log()] {
        let error = refused(&log);
        assert!(error.message().contains("written by somebody else"), "{error}");
    }
    let (head, _) = log.close().unwrap();
    assert_eq!(verify(&folder.log(), Some(did(1)), Some((head.seq, head.digest))).unwrap().records, 120);
    let (log, _) = open(&copy.log());
    log.close().unwrap();
}
