//! What others change in the files of a log.

use super::*;

#[test]
fn one_byte_changed_anywhere_is_found() {
    let folder = Folder::new("bytes");
    written(&folder.log(), 2, 1);
    let whole = fs::read(folder.log()).unwrap();
    let long = std::env::var("XBIND_LONG").is_ok_and(|long| long == "1");
    for at in 0..whole.len() {
        let others: Vec<u8> =
            if long { (0..=255).collect() } else { vec![whole[at] ^ if at % 2 == 0 { 1 } else { 0x20 }] };
        for byte in others.into_iter().filter(|byte| *byte != whole[at]) {
            let mut changed = whole.clone();
            changed[at] = byte;
            fs::write(folder.log(), &changed).unwrap();
            let error = verify(&folder.log(), Some(did(1)), None).expect_err(&format!("byte {at} is {byte}"));
            assert_eq!(error.kind(), ErrorKind::InvalidAudit);
        }
    }
}

#[test]
fn lines_cut_swapped_inserted_doubled_are_found_and_where() {
    let folder = Folder::new("lines");
    written(&folder.log(), 6, 3);
    let whole = lines(&folder.log());
    for at in 0..whole.len() - 1 {
        let mut cut = whole.clone();
        cut.remove(at);
        rewrite(&folder.log(), &cut);
        assert!(faults(&folder.log()).starts_with(&format!("audit.jsonl, line {}: ", at + 1)));
        let mut swapped = whole.clone();
        swapped.swap(at, at + 1);
        rewrite(&folder.log(), &swapped);
        faults(&folder.log());
        let mut doubled = whole.clone();
        doubled.insert(at, whole[at].clone());
        rewrite(&folder.log(), &doubled);
        faults(&folder.log());
        let mut blank = whole.clone();
        blank.insert(at, String::new());
        rewrite(&folder.log(), &blank);
        faults(&folder.log());
    }
}

#[test]
fn two_logs_of_one_key_cannot_be_spliced() {
    let folder = Folder::new("splice");
    let other = folder.0.join("other.jsonl");
    written(&folder.log(), 6, 3);
    written(&other, 6, 3);
    let (one, two) = (lines(&folder.log()), lines(&other));
    for at in 1..one.len() {
        let spliced: Vec<_> = one[..at].iter().chain(&two[at..]).cloned().collect();
        rewrite(&folder.log(), &spliced);
        faults(&folder.log());
    }
    assert_eq!(verify(&other, Some(did(9)), None).unwrap_err().kind(), ErrorKind::InvalidAudit);
}

#[test]
fn a_lost_tail_is_found_with_a_head_kept_elsewhere() {
    let folder = Folder::new("tail");
    let (head, _) = written(&folder.log(), 9, 3);
    let wanted = Some((head.seq, head.digest));
    let whole = lines(&folder.log());
    assert!(verify(&folder.log(), None, wanted).is_ok());
    assert!(verify(&folder.log(), None, Some((head.seq, Digest::of(b"another")))).is_err());
    let (mut torn, mut lost) = (0, 0);
    for left in 1..whole.len() {
        rewrite(&folder.log(), &whole[..left]);
        let error = verify(&folder.log(), None, wanted).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAudit);
        if error.message().contains("torn") { torn += 1 } else { lost += 1 }
    }
    assert!(torn > 5 && lost > 1, "{torn} {lost}");
}

#[test]
fn a_torn_log_opens_again_and_says_what_was_lost() {
    let folder = Folder::new("torn");
    written(&folder.log(), 2, 1);
    let whole = fs::read(folder.log()).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    // Where a signature ends, a log is whole.
    let ends: Vec<_> = text
        .split_inclusive('\n')
        .scan(0, |at, line| {
            *at += line.len();
            Some((*at, line.contains("log.sealed")))
        })
        .filter_map(|(at, sealed)| sealed.then_some(at))
        .collect();
    for length in 0..=whole.len() {
        fs::write(folder.log(), &whole[..length]).unwrap();
        let sealed = ends.iter().copied().filter(|end| *end <= length).max().unwrap_or_default();
        let (log, opened) = open(&folder.log());
        assert_eq!(opened.lost_bytes, u64::try_from(length - sealed).unwrap(), "{length} bytes");
        if let Some(lost_to) = opened.lost_to {
            assert_eq!(fs::read(&lost_to).unwrap(), &whole[sealed..length]);
            fs::remove_file(lost_to).unwrap();
        }
        log.close().unwrap();
        let again = fs::read_to_string(folder.log()).unwrap();
        assert_eq!(again.contains(&format!(r#""lost":{}"#, length - sealed)), sealed > 0);
        verify(&folder.log(), Some(did(1)), None).unwrap();
    }
    // Zeros, as a file system leaves them.
    let mut zeros = whole.clone();
    zeros.extend([0; 700]);
    fs::write(folder.log(), &zeros).unwrap();
    assert_eq!(open(&folder.log()).1.lost_bytes, 700);
}

#[test]
fn a_log_that_was_changed_does_not_open() {
    let folder = Folder::new("changed");
    written(&folder.log(), 9, 3);
    let mut changed = lines(&folder.log());
    changed[3] = changed[3].replace("summarise", "translate");
    rewrite(&folder.log(), &changed);
    let refused = |key| open_as(&folder.log(), key, Durability::None, 1 << 30).map(|_| ()).unwrap_err();
    let error = refused(key());
    assert_eq!(error.kind(), ErrorKind::InvalidAudit);
    assert!(error.message().starts_with("audit.jsonl, line "), "{error}");
    assert_eq!(lines(&folder.log()), changed, "it stays as it was");
    let whole = {
        fs::remove_file(folder.log()).unwrap();
        written(&folder.log(), 3, 3);
        lines(&folder.log())
    };
    for at in 0..whole.len() - 1 {
        let mut changed = whole.clone();
        changed[at] = changed[at].replacen(':', ": ", 1);
        rewrite(&folder.log(), &changed);
        assert_eq!(refused(key()).kind(), ErrorKind::InvalidAudit, "line {}", at + 1);
        assert_eq!(lines(&folder.log()), changed, "it stays as it was");
    }
    written(&folder.0.join("b"), 1, 1);
    let other = open_as(&folder.0.join("b"), SigningKey::from_seed(&[2; 32]), Durability::None, 1 << 30);
    assert_eq!(other.map(|_| ()).unwrap_err().kind(), ErrorKind::InvalidAudit);
}

#[test]
fn an_end_that_was_changed_in_its_place_takes_nothing_more() {
    let folder = Folder::new("in-place");
    let (log, _) = open_as(&folder.log(), key(), Durability::Always, 1 << 30).unwrap();
    assert!(log.append(call(1)));
    let whole = fs::read(folder.log()).unwrap();
    let change = |log: &AuditLog, at: usize| {
        let mut changed = fs::read(folder.log()).unwrap();
        let was = changed.clone();
        changed[at] ^= 1;
        fs::write(folder.log(), &changed).unwrap();
        assert!(!log.append(call(2)), "byte {at}");
        assert_eq!(flush_record(log).kind(), ErrorKind::AuditFailed);
        assert_eq!(fs::read(folder.log()).unwrap(), changed, "it stays as it is");
        fs::write(folder.log(), was).unwrap();
        flush(log).unwrap();
        assert!(log.append(call(3)));
    };
    for at in [0, 10, whole.len() / 2, whole.len() - 1] {
        change(&log, at);
    }
    log.close().unwrap();
    // Also what it was opened with.
    let (log, _) = open_as(&folder.log(), key(), Durability::Always, 1 << 30).unwrap();
    change(&log, whole.len() + 1);
    // And of a long log, its end.
    while fs::metadata(folder.log()).unwrap().len() < 40_000 {
        assert!(log.append(call(4)));
    }
    for back in [1, 700, 16_384] {
        let end = usize::try_from(fs::metadata(folder.log()).unwrap().len()).unwrap();
        change(&log, end - back);
    }
    log.close().unwrap();
    verify(&folder.log(), Some(did(1)), None).unwrap();
}

fn flush_record(log: &AuditLog) -> xbind::Error {
    log.take(call(0), None);
    flush(log).map(|_| ()).unwrap_err()
}

/// Terabytes of nothing, which no disk holds: whoever reads on behind the fault never comes to an end.
#[test]
#[cfg(target_os = "linux")]
fn nothing_is_read_behind_a_fault() {
    let folder = Folder::new("sparse");
    written(&folder.log(), 3, 1);
    for faulty in [folder.log(), folder.0.join("audit.jsonl.1")] {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&faulty).unwrap();
        file.set_len(8 << 40).unwrap();
        faults(&folder.log());
        file.set_len(0).unwrap();
        fs::remove_file(faulty).unwrap();
        written(&folder.log(), 1, 1);
    }
}
