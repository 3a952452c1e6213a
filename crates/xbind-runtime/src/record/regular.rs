//! Opens files of a log, whatever has their names by now.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

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

fn is_regular(found: &Metadata) -> io::Result<()> {
    found.is_file().then_some(()).ok_or_else(|| io::Error::other("what has that name is no file"))
}
