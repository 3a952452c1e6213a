//! Where the lines of a log in files go: behind the last whole one of the last file, or into the next.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use xbind::record::{Chain, Entry, Line, MAX_LINE_BYTES, Reader};
use xbind::{Did, Error, ErrorKind, Result};

use crate::record::files::{Files, failed, sync_folder};
use crate::record::index::Index;
use crate::record::regular;
use crate::record::writer::{Batch, Opened, Sink};

/// A log in files, as it is written.
pub(crate) struct Disk {
    files: Files,
    /// Held as long as it is written.
    locks: Vec<File>,
    end: End,
    syncs: bool,
    longest: u64,
    /// Of a write that failed: as much of this as was written may still stand behind the end.
    left: Option<String>,
    /// The file before, until something stands in the next.
    before: Option<End>,
}

/// The file that is written to, as it was left.
struct End {
    file: File,
    number: u64,
    /// What is whole.
    length: u64,
    /// The last bytes of that.
    tail: Vec<u8>,
}

/// A log that was read through.
pub(crate) struct Found {
    pub(crate) disk: Disk,
    pub(crate) index: Index,
    pub(crate) opened: Opened,
    /// Its end; none of a log that is to begin.
    pub(crate) chain: Option<Chain>,
}

impl Drop for Disk {
    fn drop(&mut self) {
        for lock in self.locks.iter().chain([&self.end.file]) {
            drop(lock.unlock()); // a process that is just being started may hold a copy of it
        }
    }
}

impl Disk {
    /// Reads a log through, and keeps aside what no signature covers of its end.
    pub(crate) fn open(files: Files, did: Did, syncs: bool, longest: u64, wanted: Option<u64>) -> Result<Found> {
        let lock = files.lock()?;
        let numbers = files.filled()?;
        let mut locks = files.lock_own(&numbers)?;
        locks.push(lock);
        let (mut reader, mut index) = (Reader::new(Some(did), None), Index::default());
        let (mut records, mut unsigned) = (0_u64, 0_u64);
        let (mut number, mut length) = (0, 0);
        let (mut cut, mut further) = (None, None);
        for (i, file) in numbers.iter().enumerate() {
            let mut note = |line: &Line<'_>, place| {
                index.add(place, line);
                match line.entry {
                    Entry::Record(_) => unsigned = unsigned.saturating_add(1),
                    Entry::Sealed(_) => {
                        records = records.saturating_add(unsigned);
                        unsigned = 0;
                    }
                    Entry::Continued(.., number) if *file == 0 => further = Some(number),
                    Entry::Begin(..) | Entry::Opened(..) | Entry::Continued(..) => {}
                }
            };
            let scanned = files.scan(*file, &mut reader, &mut note)?;
            if let Some(number) = further {
                return Err(files.is_further(number));
            }
            let is_last = i.saturating_add(1) == numbers.len();
            if !is_last && scanned.length == 0 {
                return Err(files.missing(*file));
            }
            if let Some((error, from)) = scanned.fault {
                if !(is_last && files.is_torn(*file, from)?) {
                    return Err(error);
                }
                if scanned.sealed_to == 0 {
                    files.check_own(*file, &did, reader.sealed())?;
                }
            }
            if scanned.length > scanned.sealed_to {
                cut = Some((*file, scanned.sealed_to, scanned.length.saturating_sub(scanned.sealed_to)));
            }
            if scanned.sealed_to > 0 {
                (number, length) = (*file, scanned.sealed_to);
            }
        }
        let chain = reader.sealed().cloned();
        let first = chain.as_ref().map_or(0, |_| reader.first());
        check_first(first, wanted)?;
        match &chain {
            Some(chain) => index.cut(number, length, chain.last().1),
            None => index = Index::default(),
        }
        let mut opened = Opened { records, first, lost_bytes: 0, lost_to: None };
        if let Some((file, from, lost)) = cut {
            opened.lost_to = Some(files.set_aside(file, from, syncs)?);
            opened.lost_bytes = lost;
        }
        let file = regular::open(OpenOptions::new().read(true).write(true), &files.path(number));
        let end = file.and_then(|file| End::of(file, number, length));
        let end = end.map_err(|error| opened.naming(failed("cannot be opened", &error)))?;
        let disk = Self { files, locks, end, syncs, longest, left: None, before: None };
        Ok(Found { disk, index, opened, chain })
    }

    pub(crate) const fn files(&self) -> &Files {
        &self.files
    }

    /// Where its file is stays known after a failure of the machine.
    pub(crate) fn sync_folder(&self) -> Result<()> {
        sync_folder(&self.files.path(self.end.number)).map_err(|error| failed("cannot be written", &error))
    }

    /// Whether the file is as it was left, as far as its length and its last bytes tell, once what a write that failed has left
    /// there is cut off. What others have done to it stays, and nothing is written to it any more: nobody is told that a record is
    /// there which nobody would find.
    fn mend(&mut self) -> io::Result<()> {
        let found = self.end.file.metadata()?;
        if !is_at(&found, &self.files.path(self.end.number)) {
            return Err(io::Error::other("its file was moved or deleted"));
        }
        let behind = found.len().checked_sub(self.end.length);
        let behind = behind.ok_or_else(|| io::Error::other("its file was cut by somebody else"))?;
        if !self.end.is_as_left()? {
            return Err(io::Error::other("the end of its file was changed by somebody else"));
        }
        if behind > 0 {
            if !self.is_left(behind)? {
                return Err(io::Error::other("its file was written by somebody else"));
            }
            self.end.file.set_len(self.end.length)?;
        }
        self.left = None;
        Ok(())
    }

    /// Whether so many bytes behind the end are as much as was written of a write that failed.
    fn is_left(&mut self, behind: u64) -> io::Result<bool> {
        let Some(text) = &self.left else { return Ok(false) };
        let behind = usize::try_from(behind).unwrap_or(usize::MAX);
        let Some(own) = text.as_bytes().get(..behind) else { return Ok(false) };
        Ok(read_at(&mut self.end.file, self.end.length, behind)? == own)
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        self.mend()?;
        self.end.file.seek(SeekFrom::Start(self.end.length))?;
        let written = self.end.file.write_all(text.as_bytes()).and_then(|()| self.sync());
        if let Err(error) = written {
            self.left = Some(text.to_owned());
            drop(self.mend()); // else the next write does
            return Err(error);
        }
        self.end.reach(text.as_bytes());
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.syncs { self.end.file.sync_data() } else { Ok(()) }
    }
}

impl End {
    fn of(mut file: File, number: u64, length: u64) -> io::Result<Self> {
        let known = usize::try_from(length).map_or(MAX_LINE_BYTES, |length| length.min(MAX_LINE_BYTES));
        let from = length.saturating_sub(u64::try_from(known).unwrap_or(u64::MAX));
        let tail = read_at(&mut file, from, known)?;
        Ok(Self { file, number, length, tail })
    }

    fn reach(&mut self, written: &[u8]) {
        self.length = self.length.saturating_add(u64::try_from(written.len()).unwrap_or(u64::MAX));
        let known = written.len().min(MAX_LINE_BYTES);
        let over = self.tail.len().saturating_add(known).saturating_sub(MAX_LINE_BYTES);
        self.tail.drain(..over);
        self.tail.extend_from_slice(written.get(written.len().saturating_sub(known)..).unwrap_or_default());
    }

    fn is_as_left(&mut self) -> io::Result<bool> {
        let known = self.tail.len();
        let from = self.length.saturating_sub(u64::try_from(known).unwrap_or(u64::MAX));
        Ok(read_at(&mut self.file, from, known)? == self.tail)
    }
}

fn read_at(file: &mut File, from: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    file.seek(SeekFrom::Start(from))?;
    file.read_exact(&mut bytes).map(|()| bytes)
}

impl Sink for Disk {
    fn write(&mut self, batch: &Batch<'_>) -> Result<()> {
        self.append(batch.text).map_err(|error| failed("cannot be written", &error))
    }

    fn place(&self) -> Option<(u64, u64)> {
        Some((self.end.number, self.end.length))
    }

    fn next(&mut self) -> Result<Option<u64>> {
        if self.end.length < self.longest {
            return Ok(None);
        }
        self.mend().map_err(|error| failed(UNMADE, &error))?;
        let number = self.end.number.saturating_add(1);
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let next = regular::open(options, &self.files.path(number)).and_then(|next| match next.metadata()?.len() {
            0 => Ok(next),
            _ => Err(io::Error::other("that file is there, and holds something else")),
        });
        let next = next.map_err(|error| failed(UNMADE, &error))?;
        regular::lock_own(&next)?;
        let next = End { file: next, number, length: 0, tail: Vec::new() };
        self.before = Some(std::mem::replace(&mut self.end, next));
        Ok(Some(number))
    }

    fn moved(&mut self, begun: Result<()>) -> Result<()> {
        let before = self.before.take();
        let path = self.files.path(self.end.number);
        let synced = || if self.syncs { sync_folder(&path) } else { Ok(()) };
        let begun = begun.and_then(|()| synced().map_err(|error| failed(UNMADE, &error)));
        if let (true, Some(before)) = (begun.is_err() && self.end.length == 0, before) {
            drop(self.mend()); // an empty file is nothing of the log, and the next try takes it
            self.end = before; // else only its folder could not be synced: it stays
            self.left = None;
        }
        begun
    }
}

const UNMADE: &str = "cannot be continued in another file";

/// Whether a log that begins with line `first` has the line that is wanted of its beginning.
pub(crate) fn check_first(first: u64, wanted: Option<u64>) -> Result<()> {
    if wanted.is_none_or(|wanted| first <= wanted) {
        return Ok(());
    }
    let why = format!("the first files are missing: it begins with seq {first}");
    Err(Error::new(ErrorKind::InvalidAudit, why).with_hint("put the files that are elsewhere beside it"))
}

/// Whether the path is still that of the file which was opened.
#[cfg(unix)]
fn is_at(opened: &Metadata, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (opened.dev(), opened.ino()))
}

#[cfg(not(unix))]
fn is_at(_: &Metadata, path: &Path) -> bool {
    fs::metadata(path).is_ok()
}
