//! Logs: each line names the digest of the one before it, and signatures cover all lines up to them.

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::VerifyingKey;
use crate::message::jws::UnsignedJws;
use crate::message::{Digest, MessageId};
use crate::record::head::{Head, invalid};
use crate::record::line::{self, Entry, Line, Record};

/// What stands before a line when its digest is made.
const CONTEXT: &[u8] = b"xbind-audit-v1\0";

/// The digest of a line, without its line feed.
#[must_use]
pub fn digest(line: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::new_with_prefix(CONTEXT).chain_update(line).finalize().into())
}

/// The end of a log, to which lines are added. Nothing is written here: whoever keeps the log writes what is appended to the
/// text, whole, and goes back to a copy of this if that fails.
#[derive(Clone, Debug)]
pub struct Chain {
    did: Did,
    log: MessageId,
    /// The last line.
    seq: u64,
    digest: Digest,
}

impl Chain {
    /// A new log of that key; its id is fresh random bytes.
    #[must_use]
    pub fn begin(did: Did, log: MessageId, now: u64, out: &mut String) -> Self {
        let entry = Entry::Begin(did.as_str(), &log.text());
        let from = out.len();
        line::write(&Line { seq: 0, time: now, previous: "", entry }, out);
        let digest = digest(out.get(from..).unwrap_or_default().as_bytes());
        out.push('\n');
        Self { did, log, seq: 0, digest }
    }

    /// The end of a log of that key, by its last line, without its line feed: lines are added behind it.
    ///
    /// # Errors
    /// `INVALID_AUDIT` for a line that is no signature of such a log.
    pub fn behind(last: &[u8], did: &Did) -> Result<Self> {
        let read = line::read(last, |line| {
            let Entry::Sealed(jws) = line.entry else { return Err(invalid("the last line of a log is its signature")) };
            let head = Head::read(jws)?;
            let is_next = head.seq.checked_add(1) == Some(line.seq) && head.time == line.time;
            if !is_next || Digest::parse(line.previous) != Some(head.digest) {
                return Err(invalid("the signature is over other lines"));
            }
            if head.did != *did {
                return Err(invalid("the log is of another key"));
            }
            Ok(Self { did: head.did, log: head.log, seq: line.seq, digest: digest(last) })
        });
        read.ok_or_else(|| invalid("the line is not spelled as a line of a log"))?
    }

    /// Whose log it is.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// Which of its logs.
    #[must_use]
    pub const fn log(&self) -> &MessageId {
        &self.log
    }

    /// The last line, and its digest.
    #[must_use]
    pub const fn last(&self) -> (u64, Digest) {
        (self.seq, self.digest)
    }

    /// Adds what was decided.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for what is no record; then nothing is added.
    pub fn add(&mut self, record: Record<'_>, now: u64, out: &mut String) -> Result<()> {
        if let Some(why) = record.misfit() {
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        self.push(Entry::Record(record), now, out);
        Ok(())
    }

    /// The log was opened again, and so many bytes without a signature were cut off.
    pub fn opened(&mut self, lost: u64, now: u64, out: &mut String) {
        let (did, log) = (self.did, self.log.text());
        self.push(Entry::Opened(did.as_str(), &log, lost), now, out);
    }

    /// It goes on in its next file, of that number.
    pub fn continued(&mut self, file: u64, now: u64, out: &mut String) {
        let (did, log) = (self.did, self.log.text());
        self.push(Entry::Continued(did.as_str(), &log, file), now, out);
    }

    /// How far it goes now, and what its key has to sign for [`seal`](Self::seal).
    #[must_use]
    pub fn head(&self, now: u64) -> (Head, UnsignedJws) {
        let head = Head { did: self.did, log: self.log, seq: self.seq, digest: self.digest, time: now };
        (head, head.to_seal())
    }

    /// Adds the signature over all lines so far: the JWS of [`head`](Self::head) of the same time.
    pub fn seal(&mut self, jws: &str, now: u64, out: &mut String) {
        self.push(Entry::Sealed(jws), now, out);
    }

    fn push(&mut self, entry: Entry<'_>, now: u64, out: &mut String) {
        let previous = self.digest.text();
        let seq = self.seq.saturating_add(1);
        let from = out.len();
        line::write(&Line { seq, time: now, previous: &previous, entry }, out);
        self.digest = digest(out.get(from..).unwrap_or_default().as_bytes());
        self.seq = seq;
        out.push('\n');
    }
}

/// Reads a log line by line, and remembers no more of it than its end.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Whose log it must be.
    did: Option<Did>,
    /// What it must hold.
    wanted: Option<(u64, Digest)>,
    first: u64,
    state: Option<State>,
    sealed: Option<Chain>,
}

#[derive(Clone, Debug)]
struct State {
    chain: Chain,
    file: u64,
    /// The last line was a signature.
    is_sealed: bool,
}

impl Reader {
    /// Of a log of that key, or of any, that must hold that line.
    #[must_use]
    pub const fn new(did: Option<Did>, wanted: Option<(u64, Digest)>) -> Self {
        Self { did, wanted, first: 0, state: None, sealed: None }
    }

    /// Takes the next line, without its line feed; `starts` says that it is the first of its file. The first of all is that of
    /// a log or, where its earlier files are elsewhere, of one of its files. Tells what `use_line` made of it and its digest.
    ///
    /// # Errors
    /// `INVALID_AUDIT`, with what is wrong; nothing after it means anything.
    pub fn take<T>(&mut self, bytes: &[u8], starts: bool, use_line: impl FnOnce(&Line<'_>, Digest) -> T) -> Result<T> {
        let digest = digest(bytes);
        let read = line::read(bytes, |line| self.follow(line, starts).map(|()| use_line(line, digest)));
        let used = read.ok_or_else(|| invalid("the line is not spelled as a line of a log").with_hint(CHANGED))??;
        let Some(State { chain, is_sealed, .. }) = &mut self.state else { return Ok(used) };
        chain.digest = digest;
        if self.wanted.is_some_and(|(seq, wanted)| seq == chain.seq && wanted != digest) {
            return Err(invalid("the line is another one than the head names").with_hint(REWRITTEN));
        }
        if *is_sealed {
            self.sealed = Some(chain.clone());
        }
        Ok(used)
    }

    /// The end of the log.
    ///
    /// # Errors
    /// `INVALID_AUDIT` for a log that is empty, ends without a signature, or before the line that it must hold.
    pub fn end(&self) -> Result<&Chain> {
        let State { chain, is_sealed, .. } = self.state.as_ref().ok_or_else(|| invalid("the log is empty"))?;
        if !is_sealed {
            return Err(invalid("the end is torn: the last lines are not signed").with_hint(TORN));
        }
        match self.wanted {
            Some((seq, _)) if seq > chain.seq => {
                let why = format!("the end was cut off: it goes to seq {}, the head to {seq}", chain.seq);
                Err(Error::new(ErrorKind::InvalidAudit, why))
            }
            Some((seq, _)) if seq < self.first => Err(invalid("the files that hold the head are missing")),
            _ => Ok(chain),
        }
    }

    /// The end of what is signed so far.
    #[must_use]
    pub const fn sealed(&self) -> Option<&Chain> {
        self.sealed.as_ref()
    }

    /// Whether a signature covers all that was read.
    #[must_use]
    pub fn end_is_sealed(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.is_sealed)
    }

    /// The number of the first line that was read.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    fn follow(&mut self, line: &Line<'_>, starts: bool) -> Result<()> {
        match &line.entry {
            Entry::Begin(by, log) => {
                if self.state.is_some() || !starts || line.seq != 0 || !line.previous.is_empty() {
                    return Err(invalid("a log begins in the middle of another"));
                }
                return self.enter(line, by, log, 0);
            }
            Entry::Continued(by, log, file) if self.state.is_none() => return self.enter(line, by, log, *file),
            Entry::Record(_) | Entry::Opened(..) | Entry::Continued(..) | Entry::Sealed(_) => {}
        }
        let state = self.state.as_mut().ok_or_else(|| invalid("the first line is not that of a log"))?;
        if line.seq != state.chain.seq.saturating_add(1) {
            let why = format!("the line has seq {}, the one before it {}", line.seq, state.chain.seq);
            return Err(Error::new(ErrorKind::InvalidAudit, why).with_hint(MOVED));
        }
        if Digest::parse(line.previous) != Some(state.chain.digest) {
            return Err(invalid("the line does not follow the one before it").with_hint(BROKEN));
        }
        let is_ours = |by: &str, log: &str| *state.chain.did.as_str() == *by && state.chain.log.text() == *log;
        let continues = matches!(line.entry, Entry::Continued(..));
        if continues != starts {
            return Err(invalid("files begin with a line that continues the one before, and no other line does"));
        }
        match &line.entry {
            Entry::Opened(by, log, _) | Entry::Continued(by, log, _) if !is_ours(by, log) => {
                return Err(invalid("the line is of another log"));
            }
            Entry::Continued(_, _, file) => {
                if *file != state.file.saturating_add(1) {
                    return Err(invalid("a file of the log is missing"));
                }
                if !state.is_sealed {
                    return Err(invalid("the file before is not signed to its end"));
                }
                state.file = *file;
            }
            Entry::Sealed(jws) => {
                let (head, _) = state.chain.head(line.time);
                if Head::read(jws)? != head {
                    return Err(invalid("the signature is over other lines").with_hint(REWRITTEN));
                }
            }
            Entry::Record(_) | Entry::Begin(..) | Entry::Opened(..) => {}
        }
        state.is_sealed = matches!(line.entry, Entry::Sealed(_));
        state.chain.seq = line.seq;
        Ok(())
    }

    fn enter(&mut self, line: &Line<'_>, by: &str, log: &str, file: u64) -> Result<()> {
        let did = *VerifyingKey::from_did(by).map_err(|_| invalid("the log is of no DID"))?.did();
        if self.did.is_some_and(|wanted| wanted != did) {
            return Err(invalid("the log is of another key"));
        }
        let log = MessageId::parse(log).ok_or_else(|| invalid("the log has no id"))?;
        let digest = Digest::from_bytes([0; 32]); // set by whoever takes the line
        self.first = line.seq;
        self.state = Some(State { chain: Chain { did, log, seq: line.seq, digest }, file, is_sealed: false });
        Ok(())
    }
}

const CHANGED: &str = "this line was changed, or is of no log: what stands before it holds";
const BROKEN: &str = "the line before it was changed, or this one: what stands before these two holds";
const MOVED: &str = "lines were cut out, put in or swapped here: what stands before them holds";
const REWRITTEN: &str =
    "lines before it were written anew by somebody: only what an earlier head names is known to hold";
const TORN: &str =
    "a log that is being written, or was when its machine failed, ends so: openAuditLog mends the latter";
