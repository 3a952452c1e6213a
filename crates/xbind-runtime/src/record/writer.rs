//! Writes a log: whole batches, each behind its signature, or nothing of them.

use std::cmp::Ordering;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use xbind::record::{Chain, Entry, Head, Line, Reader};
use xbind::{Did, Error, ErrorKind, Result};

use crate::record::Decided;
use crate::record::files::{Files, Place, failed, sync_folder};
use crate::record::index::Index;
use crate::sync::Lock;
use crate::sync::clock;

/// Signs with the key of a log; none if that is gone.
pub type Sign = Box<dyn Fn(&[u8]) -> Option<[u8; 64]> + Send>;

/// A head, and the JWS that the log signed for it.
pub(crate) type Signed = (Head, String);

/// What was found when a log was opened.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// How many records it holds.
    pub records: u64,
    /// How many bytes behind the last signature were cut off: nobody was told that they were on record.
    pub lost_bytes: u64,
}

impl Opened {
    /// The same of the log of that DID, as JSON.
    #[must_use]
    pub fn json(&self, did: &Did) -> String {
        let Self { records, lost_bytes } = self;
        format!(r#"{{"did":"{did}","records":{records},"lostBytes":{lost_bytes}}}"#)
    }
}

pub(crate) struct Writer {
    files: Files,
    lock: File,
    file: File,
    number: u64,
    /// What is whole; behind it may be what a failed write has left.
    length: u64,
    chain: Chain,
    sign: Sign,
    syncs: bool,
    longest: u64,
    text: String,
    /// Behind the end there may be what a write that failed has left.
    torn: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.lock.unlock()); // a process that is just being started may hold a copy of it
    }
}

impl Writer {
    /// Opens a log, or begins one: reads it through, cuts off what was torn, and says so in it.
    pub(crate) fn open(
        files: Files,
        did: Did,
        sign: Sign,
        syncs: bool,
        longest: u64,
        now: u64,
    ) -> Result<(Self, Index, Opened, Signed)> {
        let lock = files.lock()?;
        let mut numbers = files.numbers()?;
        let (mut reader, mut index) = (Reader::new(Some(did), None), Index::default());
        let (mut records, mut unsigned) = (0_u64, 0_u64);
        let mut lost_bytes = 0_u64;
        let (mut number, mut length) = (0, 0);
        for (i, file) in numbers.iter().enumerate() {
            let mut note = |line: &Line<'_>, place| {
                index.add(place, line);
                match line.entry {
                    Entry::Record(_) => unsigned = unsigned.saturating_add(1),
                    Entry::Sealed(_) => {
                        records = records.saturating_add(unsigned);
                        unsigned = 0;
                    }
                    Entry::Begin(..) | Entry::Opened(..) | Entry::Continued(..) => {}
                }
            };
            let scanned = files.scan(*file, &mut reader, &mut note)?;
            let is_last = i.saturating_add(1) == numbers.len();
            if let Some((error, torn)) = scanned.fault {
                let is_ours = scanned.sealed_to > 0 || files.is_beginning(*file)?;
                if !(is_last && torn && is_ours) {
                    return Err(error);
                }
            }
            lost_bytes = scanned.length.saturating_sub(scanned.sealed_to);
            if scanned.sealed_to > 0 || i == 0 {
                (number, length) = (*file, scanned.sealed_to);
            }
        }
        if let Some(empty) = numbers.pop().filter(|last| *last != number) {
            fs::remove_file(files.path(empty)).map_err(|error| failed("cannot be mended", &error))?;
        }
        let path = files.path(number);
        let mut options = OpenOptions::new();
        options.write(true);
        let file = options.open(&path).map_err(|error| failed("cannot be opened", &error))?;
        let mut text = String::new();
        let known = reader.sealed().cloned();
        match &known {
            Some(chain) => index.cut(number, length, chain.last().1),
            None => index = Index::default(),
        }
        let is_new = known.is_none();
        let chain = match known {
            Some(mut chain) => {
                chain.opened(lost_bytes, now, &mut text);
                chain
            }
            None => Chain::begin(did, clock::message_id()?, now, &mut text),
        };
        let mut writer =
            Self { files, lock, file, number, length, chain: chain.clone(), sign, syncs, longest, text, torn: true };
        let signed = writer.finish(chain, now)?;
        if is_new {
            sync_folder(&path).map_err(|error| failed("cannot be written", &error))?;
        }
        Ok((writer, index, Opened { records, lost_bytes }, signed))
    }

    pub(crate) const fn files(&self) -> &Files {
        &self.files
    }

    /// Puts these on record, in this order: all of them, or none.
    pub(crate) fn commit(&mut self, decided: &[&Decided], now: u64, index: &Mutex<Index>) -> Result<Signed> {
        if self.length >= self.longest {
            self.go_on(now)?;
        }
        self.text.clear();
        let mut chain = self.chain.clone();
        let (first, _) = chain.last();
        let mut ends = Vec::with_capacity(decided.len());
        for decision in decided {
            decision.with_record(|record| chain.add(record, decision.time, &mut self.text))?;
            ends.push((self.text.len(), chain.last().1));
        }
        let (number, start) = (self.number, self.length);
        let signed = self.finish(chain, now)?;
        let place = |end: usize| start.saturating_add(u64::try_from(end).unwrap_or(u64::MAX));
        let mut index = index.guard();
        let (mut from, mut seq) = (start, first);
        for (decision, (end, digest)) in decided.iter().zip(ends) {
            seq = seq.saturating_add(1);
            let (time, at) = (decision.time, Place { file: number, start: from, end: place(end), digest });
            decision.with_record(|record| {
                index.add(at, &Line { seq, time, previous: "", entry: Entry::Record(record) });
            });
            from = at.end;
        }
        index.reach(self.length, self.chain.last().1);
        Ok(signed)
    }

    /// Signs what was appended to the text, and writes it.
    fn finish(&mut self, mut chain: Chain, now: u64) -> Result<Signed> {
        let (head, unsigned) = chain.head(now);
        let gone = || {
            Error::new(ErrorKind::AuditFailed, "the key of the log is gone")
                .with_hint("keep the identity that signs the log until the log is closed")
        };
        let signature = (self.sign)(unsigned.to_sign().as_bytes()).ok_or_else(gone)?;
        let jws = unsigned.finish(&signature);
        chain.seal(&jws, now, &mut self.text);
        self.write().map_err(|error| failed("cannot be written", &error))?;
        self.chain = chain;
        Ok((head, jws))
    }

    /// What an earlier write that failed has left is cut off first. What others have done to the file stays, and nothing is
    /// written to it any more: nobody is told that a record is there which nobody would find.
    fn write(&mut self) -> io::Result<()> {
        let found = self.file.metadata()?;
        if !is_at(&found, &self.files.path(self.number)) {
            return Err(io::Error::other("its file was moved or deleted"));
        }
        match found.len().cmp(&self.length) {
            Ordering::Equal => {}
            Ordering::Greater if self.torn => self.file.set_len(self.length)?,
            Ordering::Greater => return Err(io::Error::other("its file was written by somebody else")),
            Ordering::Less => return Err(io::Error::other("its file was cut by somebody else")),
        }
        self.torn = true;
        self.file.seek(SeekFrom::Start(self.length))?;
        let written = self.file.write_all(self.text.as_bytes()).and_then(|()| self.sync());
        if let Err(error) = written {
            drop(self.file.set_len(self.length)); // else the next write does
            return Err(error);
        }
        self.torn = false;
        self.length = self.length.saturating_add(u64::try_from(self.text.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.syncs { self.file.sync_data() } else { Ok(()) }
    }

    /// Goes on in the next file.
    fn go_on(&mut self, now: u64) -> Result<()> {
        let number = self.number.saturating_add(1);
        let path = self.files.path(number);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let unmade = |error: io::Error| failed("cannot be continued in another file", &error);
        let next = options.open(&path).map_err(unmade)?;
        let before = (std::mem::replace(&mut self.file, next), self.length, self.number);
        (self.length, self.number) = (0, number);
        self.text.clear();
        let mut chain = self.chain.clone();
        chain.continued(number, now, &mut self.text);
        let begun = self.finish(chain, now).and_then(|_| {
            let synced = if self.syncs { sync_folder(&path) } else { Ok(()) };
            synced.map_err(unmade)
        });
        if let Err(error) = begun {
            let whole = self.length > 0; // only its folder could not be synced: it stays
            if !whole {
                (self.file, self.length, self.number) = before;
                drop(fs::remove_file(&path));
            }
            return Err(error);
        }
        Ok(())
    }
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
