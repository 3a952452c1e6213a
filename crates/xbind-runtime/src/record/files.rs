//! The files of a log: `audit.jsonl`, then `audit.jsonl.1`, `audit.jsonl.2` and so on, each the continuation of the one before.
//! None is ever renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xbind::record::{Entry, Line, MAX_LINE_BYTES, Reader, digest};
use xbind::{Did, Digest, Error, ErrorKind, MessageId, Result};

use crate::record::disk::check_first;
use crate::record::index::Query;
use crate::record::regular;

/// How much of a file is read at once.
const CHUNK: usize = 256 << 10;

/// The most bytes of records that a query gives.
const MAX_FOUND: usize = 64 << 20;

/// A log as it lies on a disk.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    base: PathBuf,
}

/// What a log must be, and hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Whose log it must be.
    pub did: Option<Did>,
    /// Which of them.
    pub log: Option<MessageId>,
    /// A line that it must hold.
    pub head: Option<(u64, Digest)>,
    /// The line that it must begin with, or before: 0 wants all of it.
    pub first: Option<u64>,
}

/// What a log that was read through holds.
#[derive(Clone, Debug)]
pub struct Verified {
    /// How many records, without what the log wrote by itself.
    pub records: u64,
    /// The number of the first line; above 0 where earlier files are elsewhere.
    pub first: u64,
    /// Whose log it is.
    pub did: Did,
    /// Its last line, and the digest of that.
    pub last: (u64, Digest),
}

impl Verified {
    /// The same, as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let Self { records, first, did, last: (seq, digest) } = self;
        let digest = digest.text();
        format!(r#"{{"records":{records},"first":{first},"did":"{did}","seq":{seq},"digest":"{digest}"}}"#)
    }
}

/// Reads a log through and verifies all of it, line by line, with the memory of a line: that it is of that key, and holds that
/// line.
///
/// # Errors
/// `INVALID_AUDIT`, with file, line and reason; `AUDIT_FAILED` where it cannot be read.
pub fn verify(path: &Path, wanted: Wanted) -> Result<Verified> {
    let Wanted { did, log, head, first } = wanted;
    // Further files stand beside the first, not beside a link to it.
    let files = Files { base: fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()) };
    let mut reader = Reader::new(did, head);
    let mut records = 0_u64;
    let mut last = None;
    let numbers = match files.filled()? {
        filled if filled.is_empty() => files.numbers()?,
        filled => filled,
    };
    let Some(newest) = numbers.last().copied() else {
        return Err(failed("cannot be found", &io::Error::from(io::ErrorKind::NotFound)));
    };
    for file in numbers {
        let mut note = |line: &Line<'_>| {
            records = records.saturating_add(u64::from(matches!(line.entry, Entry::Record(_))));
        };
        let end = files.scan(file, &mut reader, &mut |line, _| note(line))?;
        if end.length == 0 && file < newest {
            return Err(files.missing(file));
        }
        if let Some((error, _)) = end.fault {
            return Err(error);
        }
        last = Some((file, end.lines));
    }
    let (file, lines) = last.unwrap_or_default();
    let chain = reader.end().map_err(|error| files.at(file, lines, &error))?;
    check_first(reader.first(), first)?;
    if log.is_some_and(|log| log != *chain.log()) {
        return Err(invalid("the head is of another log"));
    }
    Ok(Verified { records, first: reader.first(), did: *chain.did(), last: chain.last() })
}

/// Where lines stand: of which file, from which byte to which, and the digest of the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) file: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) digest: Digest,
}

/// How far a file could be read.
pub(crate) struct Scanned {
    lines: u64,
    /// Behind the last line that a signature covers.
    pub(crate) sealed_to: u64,
    pub(crate) length: u64,
    /// Why no further, and the byte where that line begins.
    pub(crate) fault: Option<(Error, u64)>,
}

impl Files {
    /// By whatever path, one log has one name: links are followed now.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        if let Ok(meta) = fs::metadata(path)
            && !meta.is_file()
        {
            return Err(Error::new(ErrorKind::InvalidConfig, "the path of the log is not that of a file"));
        }
        // Where its first files are elsewhere, they are not made again.
        let named = Self { base: path.to_owned() };
        if fs::metadata(path).is_err() && named.filled().unwrap_or_default().is_empty() {
            let made = regular::open(OpenOptions::new().create(true).append(true), path);
            drop(made.map_err(|error| failed("cannot be made", &error))?);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let base = fs::canonicalize(path).or_else(|_| {
            let folder = fs::canonicalize(folder)?;
            Ok(folder.join(path.file_name().unwrap_or_default()))
        });
        base.map(|base| Self { base }).map_err(|error| failed("cannot be found", &error))
    }

    pub(crate) fn path(&self, file: u64) -> PathBuf {
        if file == 0 {
            return self.base.clone();
        }
        self.beside(&file.to_string())
    }

    pub(super) fn beside(&self, what: &str) -> PathBuf {
        let mut path = self.base.clone().into_os_string();
        path.push(format!(".{what}"));
        path.into()
    }

    /// Only one writer at a time; the lock goes with its process.
    pub(crate) fn lock(&self) -> Result<File> {
        let mut options = OpenOptions::new();
        let file = regular::open(options.create(true).truncate(false).write(true), &self.beside("lock"));
        let file = file.map_err(|error| failed("cannot be locked", &error))?;
        regular::lock(&file)?;
        Ok(file)
    }

    /// The same by its own files, which may have further names: the first, and those that may be gone on with.
    pub(crate) fn lock_own(&self, numbers: &[u64]) -> Result<Vec<File>> {
        let (first, others) = numbers.split_first().unwrap_or((&0, &[]));
        let lock = |number: &u64| {
            let file = regular::open(OpenOptions::new().read(true).write(true), &self.path(*number));
            let file = file.map_err(|error| failed("cannot be locked", &error))?;
            regular::lock_own(&file).map(|()| file)
        };
        std::iter::once(first).chain(others.iter().rev().take(2)).map(lock).collect()
    }

    /// The numbers of the files that are there, in order.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>> {
        let folder = self.base.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = self.base.file_name().unwrap_or_default();
        let mut numbers = Vec::new();
        let unread = |error: io::Error| failed("cannot be found", &error);
        for entry in fs::read_dir(folder).map_err(unread)? {
            let found = entry.map_err(unread)?.file_name();
            let number = match found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes()) {
                Some([]) => Some(0),
                Some([b'.', digits @ ..]) => number(digits),
                _ => None,
            };
            numbers.extend(number);
        }
        numbers.sort_unstable();
        if numbers.is_empty() && fs::metadata(&self.base).is_ok() {
            numbers.push(0); // by a link of another name
        }
        Ok(numbers)
    }

    /// The numbers of those in order, up to the last that holds anything: what follows that is empty is nothing of the log.
    pub(crate) fn filled(&self) -> Result<Vec<u64>> {
        let mut numbers = self.numbers()?;
        while let Some(last) = numbers.pop() {
            match fs::metadata(self.path(last)) {
                Ok(found) if found.is_file() && found.len() == 0 => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // a link that leads nowhere
                _ => {
                    numbers.push(last);
                    break;
                }
            }
        }
        Ok(numbers)
    }

    /// Reads one file, line by line; `each` is told of lines and of their places.
    pub(crate) fn scan(
        &self,
        file: u64,
        reader: &mut Reader,
        each: &mut dyn FnMut(&Line<'_>, Place),
    ) -> Result<Scanned> {
        let unread = |error: io::Error| failed("cannot be read", &error);
        let opened = self.open(file)?;
        let length = opened.metadata().map_err(unread)?.len();
        let mut input = BufReader::with_capacity(CHUNK, opened);
        let mut scanned = Scanned { lines: 0, sealed_to: 0, length, fault: None };
        let (mut at, mut bytes) = (0_u64, Vec::with_capacity(1024));
        loop {
            let read = next_line(&mut input, &mut bytes).map_err(unread)?;
            if read == 0 {
                break;
            }
            let end = at.saturating_add(read);
            scanned.lines = scanned.lines.saturating_add(1);
            let starts = scanned.lines == 1;
            let whole = bytes.strip_suffix(b"\n").ok_or_else(|| invalid("the line has no end"));
            let place = |digest| Place { file, start: at, end, digest };
            let mut is_here = true;
            let taken = whole.and_then(|line| {
                reader.take(line, starts, |line, digest| {
                    is_here = !starts || begins(file, line);
                    each(line, place(digest));
                })
            });
            let here = || {
                is_here
                    .then_some(())
                    .ok_or_else(|| invalid("that is the first line of another file").with_hint(ELSEWHERE))
            };
            let taken = taken.and_then(|()| here());
            if let Err(error) = taken {
                scanned.fault = Some((self.at(file, scanned.lines, &error), at));
                break;
            }
            at = end;
            if reader.end_is_sealed() {
                scanned.sealed_to = end;
            }
        }
        Ok(scanned)
    }

    /// Whether what stands there from that byte on is what a failed write leaves: nothing that is a line. What is a line, and does
    /// not fit, was put there by somebody.
    pub(crate) fn is_torn(&self, file: u64, from: u64) -> Result<bool> {
        let unread = |error: io::Error| failed("cannot be read", &error);
        let mut opened = self.open(file)?;
        opened.seek(SeekFrom::Start(from)).map_err(unread)?;
        let (mut input, mut bytes) = (BufReader::with_capacity(CHUNK, opened), Vec::new());
        while next_line(&mut input, &mut bytes).map_err(unread)? > 0 {
            if is_line(&bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn open(&self, file: u64) -> Result<File> {
        regular::open(OpenOptions::new().read(true), &self.path(file)).map_err(|error| failed("cannot be read", &error))
    }

    /// A file that is empty, though others follow it.
    pub(super) fn missing(&self, file: u64) -> Error {
        let why = format!("{} is empty, and further files follow it", self.name(file));
        Error::new(ErrorKind::InvalidAudit, why)
            .with_hint("put back what it held; where its first files are elsewhere, a log has no empty one")
    }

    /// The error with its place.
    fn at(&self, file: u64, line: u64, error: &Error) -> Error {
        let name = self.name(file);
        let placed = Error::new(error.kind(), format!("{name}, line {line}: {}", error.message()));
        match error.hint() {
            Some(hint) => placed.with_hint(hint.to_owned()),
            None => placed,
        }
    }

    pub(super) fn name(&self, file: u64) -> String {
        self.path(file).file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The records that fit, as they stand there. A stretch is read to its end, whose digest is known since it was written or
    /// verified, and which names all lines before it: what somebody has changed since is given to nobody.
    pub(crate) fn search(&self, stretches: &[Place], query: &Query) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for stretch in stretches {
            if found.len() >= query.limit {
                break;
            }
            self.search_in(stretch, query, &mut found)?;
            if found.iter().map(String::len).fold(0, usize::saturating_add) > MAX_FOUND {
                let why = "the records that were asked for have more than 64 MiB";
                return Err(Error::new(ErrorKind::PayloadTooLarge, why)
                    .with_hint("ask with a smaller limit, and for the next page with after"));
            }
        }
        Ok(found)
    }

    fn search_in(&self, stretch: &Place, query: &Query, found: &mut Vec<String>) -> Result<()> {
        let unread = |error: io::Error| failed("cannot be read", &error);
        let changed = |seq: Option<u64>| {
            let behind = seq.map_or_else(String::new, |seq| format!(", behind seq {seq}"));
            let why = format!("{}{behind}: the lines are others than were written", self.name(stretch.file));
            Error::new(ErrorKind::InvalidAudit, why).with_hint("verifyAudit says which line does not hold")
        };
        let mut opened = self.open(stretch.file)?;
        opened.seek(SeekFrom::Start(stretch.start)).map_err(unread)?;
        let mut input = BufReader::with_capacity(CHUNK, opened.take(stretch.end.saturating_sub(stretch.start)));
        let (mut bytes, mut last) = (Vec::with_capacity(1024), None::<(u64, Digest)>);
        while next_line(&mut input, &mut bytes).map_err(unread)? > 0 {
            let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let read = xbind::record::read(line, |line| {
                let follows = last.is_none_or(|(_, digest)| Digest::parse(line.previous) == Some(digest));
                follows.then(|| (line.seq, query.fits(line)))
            });
            let (seq, fits) = read.flatten().ok_or_else(|| changed(last.map(|(seq, _)| seq)))?;
            last = Some((seq, digest(line)));
            if fits && found.len() < query.limit {
                found.push(String::from_utf8_lossy(line).into_owned());
            }
        }
        let is_whole = last.is_some_and(|(_, digest)| digest == stretch.digest);
        is_whole.then_some(()).ok_or_else(|| changed(None))
    }
}

const ELSEWHERE: &str = "a file has its number in its name: this one is of another log, or was renamed";

/// Whether the file of that number begins with such a line. A copy of a further file may have a name of its own.
const fn begins(file: u64, line: &Line<'_>) -> bool {
    match line.entry {
        Entry::Begin(..) => file == 0,
        Entry::Continued(.., number) => file == 0 || file == number,
        Entry::Record(_) | Entry::Opened(..) | Entry::Sealed(_) => true, // refused by the reader
    }
}

/// The number of a further file, as it is spelled in its name.
fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == digits)
}

/// A line with its line feed, or as much of it as a line can be.
fn next_line(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<u64> {
    bytes.clear();
    let longest = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    input.take(longest).read_until(b'\n', bytes).map(|read| u64::try_from(read).unwrap_or(u64::MAX))
}

fn is_line(bytes: &[u8]) -> bool {
    bytes.strip_suffix(b"\n").is_some_and(|line| xbind::record::read(line, |_| ()).is_some())
}

/// Files that were made or taken away are so after a failure of the machine, too.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        return File::open(folder)?.sync_all();
    }
    Ok(())
}

pub(crate) fn failed(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::AuditFailed, format!("the log {what}: {error}"))
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidAudit, why)
}
