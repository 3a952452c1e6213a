//! By which names the files of a log are found.

use super::*;

/// A log of several files, and the number of its last.
fn rotated(path: &Path, named: &Path) -> u64 {
    let (log, _) = open_as(path, key(), Durability::Batch, 4096).unwrap();
    for n in 0..40 {
        assert_eq!(log.take(call(n), None), Taken::Yes);
        flush(&log).unwrap();
    }
    log.close().unwrap();
    let last = (1..).take_while(|n| further(named, *n).exists()).last().unwrap();
    assert!(last > 2);
    last
}

fn further(path: &Path, n: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

#[test]
fn a_further_file_opens_as_part_of_its_log_alone() {
    let folder = Folder::new("further");
    let path = folder.log();
    let last = rotated(&path, &path);
    let files = || {
        (0..=last)
            .map(|n| fs::read(if n == 0 { folder.log() } else { further(&folder.log(), n) }).ok())
            .collect::<Vec<_>>()
    };
    let refused = |path: &Path| {
        let before = files();
        let error = open_as(path, key(), Durability::Batch, 4096).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAudit, "{error}");
        assert!(error.hint().unwrap().contains("first file"), "{error}");
        assert_eq!(before, files());
    };
    for n in 1..=last {
        refused(&further(&path, n));
    }
    // Nor by a link, nor while the log is open.
    #[cfg(unix)]
    {
        let link = folder.0.join("link");
        std::os::unix::fs::symlink(further(&path, 2), &link).unwrap();
        refused(&link);
    }
    let (log, _) = open(&path);
    assert!(open_as(&further(&path, 2), key(), Durability::Batch, 4096).is_err());
    log.close().unwrap();
    // What was kept elsewhere is verified under any name, but nothing goes on behind it.
    let copy = folder.0.join("copy");
    fs::copy(further(&path, 2), &copy).unwrap();
    assert!(verify(&copy, Some(did(1)), None).unwrap().first > 0);
    refused(&copy);
    // Where the first files are elsewhere, the log goes on by its own name.
    fs::rename(&path, folder.0.join("away")).unwrap();
    fs::rename(further(&path, 1), folder.0.join("away.1")).unwrap();
    refused(&further(&path, 2));
    let (log, opened) = open(&path);
    assert!(opened.first > 0);
    assert_eq!(log.take(call(1), None), Taken::Yes);
    log.close().unwrap();
    verify(&path, Some(did(1)), None).unwrap();
}

/// A name that is no UTF-8, and no UTF-16 either.
#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_no_text_is_a_name() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new("bytes-in-a-name");
    let path = folder.0.join(std::ffi::OsStr::from_bytes(b"b\xff.jsonl"));
    let link = folder.0.join("link");
    fs::write(&path, "").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    rotated(&link, &path);
    assert!(!further(&link, 1).exists());
    let verified = verify(&link, Some(did(1)), None).unwrap();
    assert_eq!(verified.records, 40);
    let (log, opened) = open(&link);
    assert_eq!(opened.records, 40);
    assert_eq!(log.take(call(1), None), Taken::Yes);
    log.close().unwrap();
    // And it is another than the one that it is shown as.
    let shown = folder.0.join("b\u{fffd}.jsonl");
    written(&shown, 1, 1);
    assert_eq!(verify(&link, None, None).unwrap().records, 41);
    assert_eq!(verify(&shown, None, None).unwrap().records, 1);
}
