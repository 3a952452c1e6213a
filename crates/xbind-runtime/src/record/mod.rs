//! What is put on record, and where: the seam between those who decide and those who keep a log.

pub(crate) mod callback;
pub(crate) mod disk;
pub(crate) mod files;
pub(crate) mod index;
pub(crate) mod log;
mod now;
mod queue;
mod regular;
mod remains;
pub(crate) mod sink;
pub(crate) mod writer;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Mutex;

use serde::Deserialize;
use xbind::record::{Record, Verdict};
use xbind::{Did, Digest, Error, ErrorKind, MessageId, Result};

use crate::sync::Lock;

/// As long as every message id, and every digest.
const ANY_MESSAGE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const ANY_DIGEST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Something that was decided; never a payload. See [`Record`].
#[derive(Clone, Debug)]
pub struct Decided {
    /// Seconds since the epoch.
    pub time: u64,
    /// What happened.
    pub event: Cow<'static, str>,
    /// What became of it.
    pub outcome: Verdict,
    /// Who decided.
    pub by: Did,
    /// Who asked.
    pub from: Option<Did>,
    /// Whom it is about.
    pub to: Option<Did>,
    /// The method asked for.
    pub method: Option<Box<str>>,
    /// The id of the message.
    pub message: Option<MessageId>,
    /// The digest of its whole JWS.
    pub digest: Option<Digest>,
    /// The id of the token.
    pub token: Option<Box<str>>,
    /// On whose behalf.
    pub chain: Vec<Box<str>>,
    /// Why it was refused or failed.
    pub code: Option<Cow<'static, str>>,
    /// A word of whoever recorded it.
    pub note: Option<Box<str>>,
}

impl Decided {
    /// That `by` decided so.
    #[must_use]
    pub const fn new(event: &'static str, outcome: Verdict, by: Did, time: u64) -> Self {
        Self {
            time,
            event: Cow::Borrowed(event),
            outcome,
            by,
            from: None,
            to: None,
            method: None,
            message: None,
            digest: None,
            token: None,
            chain: Vec::new(),
            code: None,
            note: None,
        }
    }

    /// What the JSON object of a record says, as a program gives it: the members of a line, without its place. Who decided is
    /// `owner` unless it says otherwise; `did_of` reads a DID, and may remember it.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, `INVALID_DID`.
    pub fn read(json: &str, owner: &Did, time: u64, did_of: impl Fn(&str) -> Result<Did>) -> Result<Self> {
        let refuse = |why: &'static str| Error::new(ErrorKind::InvalidConfig, why);
        let given: Given = serde_json::from_str(json).map_err(|_| refuse("that is no record"))?;
        let did = |text: Option<String>| text.map(|text| did_of(&text)).transpose();
        let parsed = |text: Option<String>| match text {
            Some(text) => MessageId::parse(&text).map(Some).ok_or_else(|| refuse("messageId is no message id")),
            None => Ok(None),
        };
        let decided = Self {
            time,
            event: given.event.into(),
            outcome: Verdict::of(&given.outcome)
                .ok_or_else(|| refuse("outcome is neither accepted, refused, answered nor failed"))?,
            by: did(given.by)?.unwrap_or(*owner),
            from: did(given.from)?,
            to: did(given.to)?,
            method: given.method.map(String::into_boxed_str),
            message: parsed(given.message_id)?,
            digest: given.digest.as_deref().map(Digest::of_text).transpose()?,
            token: given.token.map(String::into_boxed_str),
            chain: given.chain.into_iter().map(String::into_boxed_str).collect(),
            code: given.code.map(Into::into),
            note: given.note.map(String::into_boxed_str),
        };
        match decided.misfit() {
            Some(why) => Err(refuse(why)),
            None => Ok(decided),
        }
    }

    /// Lends it as a record of the core.
    pub fn with_record<T>(&self, use_record: impl FnOnce(Record<'_>) -> T) -> T {
        let (message, digest) = (self.message.map(|id| id.text()), self.digest.map(|digest| digest.text()));
        self.lend(message.as_deref(), digest.as_deref(), use_record)
    }

    /// Why it cannot stand in a log, if it cannot; see [`Record::misfit`].
    #[must_use]
    pub fn misfit(&self) -> Option<&'static str> {
        // Which message it was makes no difference, and spelling it takes longer than all the rest.
        let (message, digest) = (self.message.map(|_| ANY_MESSAGE), self.digest.map(|_| ANY_DIGEST));
        self.lend(message, digest, |record| record.misfit())
    }

    /// Lends whom it names, and on whose behalf: all but the message.
    pub(crate) fn with_names<T>(&self, use_record: impl FnOnce(Record<'_>) -> T) -> T {
        self.lend(None, None, use_record)
    }

    fn lend<T>(&self, message: Option<&str>, digest: Option<&str>, use_record: impl FnOnce(Record<'_>) -> T) -> T {
        let chain: Vec<_> = self.chain.iter().map(|link| &**link).collect();
        use_record(Record {
            event: &self.event,
            outcome: self.outcome,
            by: self.by.as_str(),
            from: self.from.as_ref().map(Did::as_str),
            to: self.to.as_ref().map(Did::as_str),
            method: self.method.as_deref(),
            message_id: message,
            digest,
            token: self.token.as_deref(),
            chain: &chain,
            code: self.code.as_deref(),
            note: self.note.as_deref(),
        })
    }

    /// What it takes of the bounds of a log, in bytes.
    pub(crate) fn size(&self) -> usize {
        let texts = [self.method.as_deref(), self.token.as_deref(), self.note.as_deref()];
        let texts = texts.into_iter().flatten().chain(self.chain.iter().map(|link| &**link));
        texts.fold(size_of::<Self>(), |sum, text| sum.saturating_add(text.len()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Given {
    event: String,
    outcome: String,
    by: Option<String>,
    from: Option<String>,
    to: Option<String>,
    method: Option<String>,
    message_id: Option<String>,
    digest: Option<String>,
    token: Option<String>,
    #[serde(default)]
    chain: Vec<String>,
    code: Option<String>,
    note: Option<String>,
}

/// When a record counts as being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the disk has it: decisions wait for that.
    Always,
    /// When it waits to be written; the disk has it some milliseconds later.
    Batch,
    /// The same, and when the disk has it is for the system to decide.
    None,
}

impl FromStr for Durability {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "always" => Ok(Self::Always),
            "batch" => Ok(Self::Batch),
            "none" => Ok(Self::None),
            _ => Err(Error::new(ErrorKind::InvalidConfig, "sync is neither always, batch nor none")),
        }
    }
}

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// When a record counts as being there.
    pub durability: Durability,
    /// A file that is longer is continued in the next.
    pub max_file_bytes: u64,
    /// The line that its files must begin with, or before: 0 wants all of them.
    pub first: Option<u64>,
}

/// Told whether a decision is on record, by whichever thread has found out, under no lock.
pub type Done = Box<dyn FnOnce(bool) + Send>;

/// Whether a decision is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is, or it will be before long, and need not be waited for.
    Yes,
    /// [`Done`] will be told.
    Later,
    /// It is not: what was decided must not be done.
    No,
}

/// Where decisions are put on record. It is called from any thread and under locks of the runtime, so it takes note and calls
/// nobody; the thread that tells [`Done`] holds no lock.
pub trait Audit: Send + Sync {
    /// Takes a decision. With `done` it is one that is not carried out yet, and can wait or be taken back; without, it has
    /// happened, and is kept as long as there is room at all.
    fn take(&self, decided: Decided, done: Option<Done>) -> Taken;

    /// Takes decisions of which none is carried out unless all are on record, so that they are written together; whether all
    /// were taken.
    fn take_all(&self, decided: Vec<(Decided, Done)>) -> bool {
        decided.into_iter().fold(true, |all, (one, done)| (self.take(one, Some(done)) != Taken::No) & all)
    }

    /// Takes a decision that is carried out as soon as this returns, or, if it `goes_on`, in any case: where decisions wait for
    /// the disk, this thread does. What was waited for too long is not on record, or that it was not done follows it there.
    ///
    /// # Errors
    /// `AUDIT_FAILED`: it must not be done.
    fn take_now(&self, decided: Decided, goes_on: bool) -> Result<()> {
        let _ = goes_on;
        (self.take(decided, None) != Taken::No).then_some(()).ok_or_else(unrecorded)
    }

    /// Whether what is taken can be written, as far as is known: what is to be done without waiting is not begun otherwise.
    fn can_write(&self) -> bool {
        true
    }

    /// Whether it may answer [`Taken::Later`]; if not, [`Done`] is never told.
    fn waits(&self) -> bool {
        true
    }
}

pub(crate) fn unrecorded() -> Error {
    Error::new(ErrorKind::AuditFailed, "it cannot be put on record, and so it was not done")
}

/// Tells it under no lock, and once.
pub(crate) fn tell<T>(told: &Mutex<Option<impl FnOnce(T)>>, said: T) {
    let tell = told.guard().take();
    if let Some(tell) = tell {
        tell(said);
    }
}
