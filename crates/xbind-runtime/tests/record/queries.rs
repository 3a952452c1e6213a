//! What a log that is open gives is what was verified or written, and how a place is said.

use super::*;

#[test]
fn what_was_changed_since_is_given_to_nobody() {
    let folder = Folder::new("queried");
    written(&folder.log(), 40, 4);
    let (log, _) = open(&folder.log());
    for n in 40..80 {
        assert_eq!(log.take(call(n), None), Taken::Yes);
    }
    flush(&log).unwrap();
    let whole = fs::read(folder.log()).unwrap();
    let all = || Query { limit: 1000, ..Query::default() };
    let one = || Query { limit: 1, ..all() };
    assert_eq!(log.query(&all()).unwrap().len(), 80);
    let text = String::from_utf8(whole.clone()).unwrap();
    for changed in [
        text.replacen("summarise", "translate", 1),
        text.replace("\"seq\":3,", "\"seq\":4,"),
        text.replacen('\n', "\n\n", 2),
        String::new(),
        text.lines().rev().map(|line| format!("{line}\n")).collect(),
    ] {
        fs::write(folder.log(), changed).unwrap();
        for query in [all(), one()] {
            let error = log.query(&query).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidAudit, "{error}");
            assert!(error.message().starts_with("audit.jsonl"), "{error}");
        }
    }
    // Another log of the same key, of the same shape.
    let other = folder.0.join("other.jsonl");
    written(&other, 80, 4);
    fs::write(folder.log(), fs::read(&other).unwrap()).unwrap();
    assert_eq!(log.query(&all()).unwrap_err().kind(), ErrorKind::InvalidAudit);
    fs::write(folder.log(), &whole).unwrap();
    assert_eq!(log.query(&all()).unwrap().len(), 80);
}

#[test]
fn what_was_torn_off_is_not_found_twice() {
    let folder = Folder::new("twice");
    written(&folder.log(), 9, 3);
    let whole = fs::read(folder.log()).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let ends: Vec<_> = text
        .split_inclusive('\n')
        .scan(0, |at, line| {
            *at += line.len();
            Some(*at)
        })
        .collect();
    for end in ends.into_iter().skip(2) {
        fs::write(folder.log(), &whole[..end]).unwrap();
        let (log, opened) = open(&folder.log());
        for n in 0..9 {
            assert_eq!(log.take(call(n), None), Taken::Yes);
        }
        flush(&log).unwrap();
        let found = log.query(&Query { limit: 1000, ..Query::default() }).unwrap();
        assert_eq!(u64::try_from(found.len()).unwrap(), opened.records + 9, "cut behind {end} bytes");
        log.close().unwrap();
    }
}

#[test]
fn a_log_that_is_not_there_was_not_changed() {
    let folder = Folder::new("none");
    for path in [folder.0.join("none"), folder.0.join("no/where"), folder.0.clone()] {
        let error = verify(&path, None, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuditFailed, "{error}");
    }
    fs::write(folder.log(), "").unwrap();
    assert_eq!(
        verify(&folder.log(), None, None).unwrap_err().kind(),
        ErrorKind::InvalidAudit,
        "it is there, and empty"
    );
    written(&folder.0.join("changed"), 3, 3);
    let mut changed = lines(&folder.0.join("changed"));
    changed[2] = changed[2].replace("summarise", "translate");
    rewrite(&folder.0.join("changed"), &changed);
    let error = verify(&folder.0.join("changed"), None, None).unwrap_err();
    assert!(error.message().starts_with("changed, line 4: "), "{error}");
    assert!(error.hint().unwrap().contains("the line before it was changed"), "{error}");
}
