//! Files of `.xbind`: of their owner, for nobody else, no links, and written whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::{Exit, Failure, Result};

/// The longest file that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// Makes a directory, or looks at the one that is there.
pub(crate) fn directory(path: &Path) -> Result<()> {
    if new_directory(path)? { Ok(()) } else { check_directory(path) }
}

/// Makes a directory; false if something is there.
pub(crate) fn new_directory(path: &Path) -> Result<bool> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Failure::failed(format!("{} cannot be made: {error}", path.display()))),
    }
}

/// A file that one process has at a time, for as long as it wants.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    read(path)?;
    let file = options.open(path).map_err(|error| unwritable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let place = path.parent().unwrap_or(path).display();
            let why = format!("another command changes what is in {place}");
            Err(Failure::new(Exit::Unavailable, "unavailable", why).hint("try again when it is done"))
        }
        Err(TryLockError::Error(error)) => Err(unwritable(path, &error)),
    }
}

/// Refuses what is no directory, has another owner, or may be looked into by others.
pub(crate) fn check_directory(path: &Path) -> Result<()> {
    let found = fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?;
    if !found.is_dir() {
        return Err(unsafe_file(path, "is no directory but a link or something else", "put a directory there"));
    }
    check_owner(path, &found, "chmod 700")
}

/// A file, if it is there: one that was looked at before it was opened, and is still the same.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(|error| unreadable(path, &error))?,
    };
    if !found.is_file() {
        return Err(unsafe_file(path, "is no file but a link or something else", "put the file itself there"));
    }
    check_owner(path, &found, "chmod 600")?;
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let opened = file.metadata().map_err(|error| unreadable(path, &error))?;
    if !is_same(&found, &opened) {
        return Err(unsafe_file(path, "was replaced while it was opened", "look who writes to that directory"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() > usize::try_from(MAX_BYTES).unwrap_or(usize::MAX) {
        return Err(unsafe_file(path, "is longer than 64 KiB", "put the file itself there"));
    }
    Ok(Some(bytes))
}

/// Replaces a file: whoever reads meanwhile sees all of the old one or all of the new one.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    read(path)?;
    let draft = draft(path, bytes)?;
    let done = fs::rename(&draft, path).map_err(|error| unwritable(path, &error));
    finish(path, &draft, done)
}

/// Makes a file that was not there.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = draft(path, bytes)?;
    // Unlike a rename, never over one that is there.
    let done = fs::hard_link(&draft, path).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return Failure::setup(format!("{} is there already", path.display()))
                .hint("move it away if nobody needs it any more, or take another --profile");
        }
        unwritable(path, &error)
    });
    finish(path, &draft, done)
}

fn finish(path: &Path, draft: &Path, done: Result<()>) -> Result<()> {
    drop(fs::remove_file(draft));
    done?;
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        // That of a bare name is an empty path, not the directory that it is in.
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| unwritable(path, &error))?;
    }
    let _ = path;
    Ok(())
}

/// The bytes on the disk, under another name.
fn draft(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let mut random = [0; 8];
    xbind_runtime::random(&mut random)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let draft = path.with_file_name(format!(".{name}.{}", data_encoding::HEXLOWER.encode(&random)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        drop(fs::remove_file(&draft));
        return Err(unwritable(path, &error));
    }
    Ok(draft)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::setup(format!("{} cannot be read: {error}", path.display()))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {error}", path.display()))
}

fn unsafe_file(path: &Path, why: &str, hint: &str) -> Failure {
    let mut failure = Failure::setup(format!("{} {why}", path.display())).hint(hint);
    failure.code = "unsafe-file".to_owned();
    failure
}

#[cfg(unix)]
fn check_owner(path: &Path, found: &Metadata, remedy: &str) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(unsafe_file(path, "has another owner than this process", "run xbind as its owner"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(unsafe_file(path, "is open to others", &format!("{remedy} {}", path.display())));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &Metadata, _: &str) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
