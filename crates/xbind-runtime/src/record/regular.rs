//! Opens files of a log, whatever has their names by now.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use xbind::{Error, ErrorKind, Result};

/// Opens or makes a file that is one: to open a pipe would be to wait for its other end, to open a device may be to use it.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    fs::metadata(path).map_or(Ok(()), |found| is_regular(&found))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(libc::O_NONBLOCK); // it may be another by now
    }
    let opened = options.open(path)?;
    is_regular(&opened.metadata()?)?;
    Ok(opened)
}

/// Nobody else writes it as long as this is held.
pub(super) fn lock(file: &File) -> Result<()> {
    file.try_lock().map_err(|_| {
        Error::new(ErrorKind::AuditFailed, "the log is written by somebody else")
            .with_hint("open a log once, and share it; each process has a log of its own")
    })
}

/// The same by a file of the log itself, but where nobody could read it then.
pub(super) fn lock_own(file: &File) -> Result<()> {
    if cfg!(unix) { lock(file) } else { Ok(()) }
}

fn is_regular(found: &Metadata) -> io::Result<()> {
    found.is_file().then_some(()).ok_or_else(|| io::Error::other("what has that name is no file"))
}
