//! What a crash leaves behind the last signature of a log: whether it is the log's own, and where it is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use xbind::record::Chain;
use xbind::{Did, Error, ErrorKind, MessageId, Result};

use crate::record::files::{Files, failed, sync_folder};
use crate::record::regular;

/// More than the first lines of a file and their signature, which are written together.
const MAX_FIRST_WRITE: u64 = 4096;

impl Files {
    /// Refuses a file that no signature covers, unless it is what a failed write leaves of the first lines of a file of this log:
    /// of the one that goes on behind that end, or of the first. What others have there is not touched.
    pub(super) fn check_own(&self, file: u64, did: &Did, end: Option<&Chain>) -> Result<()> {
        let mut bytes = Vec::new();
        let opened = regular::open(OpenOptions::new().read(true), &self.path(file));
        let read = opened.and_then(|file| file.take(MAX_FIRST_WRITE.saturating_add(1)).read_to_end(&mut bytes));
        let read = read.map_err(|error| failed("cannot be read", &error))?;
        let is_short = u64::try_from(read).is_ok_and(|read| read <= MAX_FIRST_WRITE);
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        bytes.truncate(bytes.len().saturating_sub(zeros)); // as a file system leaves them
        let can_be = file == 0 || end.is_some();
        if is_short && can_be && begins_as(&bytes, &first_line(file, did, end)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidAudit, format!("{} is not of this log", self.name(file)))
            .with_hint("move that file elsewhere, or keep the log at another path: it stays as it is"))
    }

    /// A file of that number, by whose own name nobody goes on: what follows it would be no part of its log.
    pub(super) fn is_further(&self, number: u64) -> Error {
        let why = format!("{} is file {number} of a log, and not its first", self.name(0));
        Error::new(ErrorKind::InvalidAudit, why)
            .with_hint("give the path of its first file, also where that is elsewhere: a log has one name")
    }

    /// Cuts off what stands in a file behind that place. It is kept beside the log, in the file whose path is given back.
    pub(super) fn set_aside(&self, file: u64, from: u64, syncs: bool) -> Result<PathBuf> {
        let unmended = |error: io::Error| failed("cannot be mended", &error);
        let mut options = OpenOptions::new();
        let mut cut = regular::open(options.read(true).write(true), &self.path(file)).map_err(unmended)?;
        let (path, mut kept) = self.new_aside().map_err(unmended)?;
        let copied = cut
            .seek(SeekFrom::Start(from))
            .and_then(|_| io::copy(&mut cut, &mut kept))
            .and_then(|_| if syncs { kept.sync_all().and_then(|()| sync_folder(&path)) } else { Ok(()) });
        if let Err(error) = copied {
            drop(fs::remove_file(&path)); // made just now
            return Err(unmended(error));
        }
        cut.set_len(from).map_err(unmended)?;
        Ok(path)
    }

    fn new_aside(&self) -> io::Result<(PathBuf, File)> {
        let mut number = 1_u64;
        loop {
            let path = self.beside(&format!("lost-{number}"));
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = number.saturating_add(1),
                opened => return opened.map(|file| (path, file)),
            }
        }
    }
}

/// The line with which that file begins, up to what nobody can know.
fn first_line(file: u64, did: &Did, end: Option<&Chain>) -> String {
    let mut line = String::new();
    match end {
        Some(end) => end.clone().continued(file, 0, &mut line),
        None => {
            let id = MessageId::from_bytes([0; 16]);
            drop(Chain::begin(*did, id, 0, &mut line));
            line.truncate(line.find(&id.text()).unwrap_or_default());
        }
    }
    line
}

/// Whether the bytes are as much of that line as there is, or more, but for the time.
fn begins_as(bytes: &[u8], line: &str) -> bool {
    const TIME: &str = r#""time":"#;
    let Some((before, behind)) = line.split_once(TIME) else { return false };
    let (before, behind) = (format!("{before}{TIME}"), behind.trim_start_matches('0').as_bytes());
    let Some(rest) = bytes.strip_prefix(before.as_bytes()) else { return before.as_bytes().starts_with(bytes) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = rest.get(digits..).unwrap_or_default();
    rest.is_empty() || digits > 0 && (rest.starts_with(behind) || behind.starts_with(rest))
}
