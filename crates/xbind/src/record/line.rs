//! One line of a log: JSON in one spelling only.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::json;
use crate::message::details::{MAX_COUNT, is_method};
use crate::message::jws::{self, Text, present};
use crate::message::{Digest, MessageId};

/// The longest line, in bytes, without its line feed.
pub const MAX_LINE_BYTES: usize = 16_384;
/// The longest name of an event, in bytes.
pub const MAX_EVENT_BYTES: usize = 64;
/// The longest token id and note, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;
/// How many links a chain has at most.
pub const MAX_CHAIN: usize = 16;

/// The longest code, in bytes.
const MAX_CODE_BYTES: usize = 64;
/// What a byte of a text takes at most, as `\u00xx`.
const LONGEST_ESCAPE: usize = 6;
/// More than a line holds beside token, note and chain.
const MOST_BESIDE: usize = 2048;

/// How the events begin that a log writes by itself.
const OWN: &str = "log.";
pub(crate) const BEGIN: &str = "log.begin";
pub(crate) const OPENED: &str = "log.opened";
pub(crate) const CONTINUED: &str = "log.continued";
pub(crate) const SEALED: &str = "log.sealed";

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was let in, or done.
    Accepted,
    /// It was not.
    Refused,
    /// It was answered with a value.
    Answered,
    /// It was begun, and ended without one.
    Failed,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Accepted, Self::Refused, Self::Answered, Self::Failed];

    /// As it stands in a line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Answered => "answered",
            Self::Failed => "failed",
        }
    }

    /// The verdict of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word)
    }
}

/// What a record says; the log itself adds its place, its time and the digest of the line before it. Never a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What happened: 1 to 64 of `a-z 0-9 . _ -`, not beginning with `log.`.
    pub event: &'a str,
    /// What became of it.
    pub outcome: Verdict,
    /// The DID that decided.
    pub by: &'a str,
    /// The DID that asked.
    pub from: Option<&'a str>,
    /// The DID that it is about, or for.
    pub to: Option<&'a str>,
    /// The method asked for.
    pub method: Option<&'a str>,
    /// The id of the message.
    pub message_id: Option<&'a str>,
    /// The digest of its whole JWS, in base64url: what an answer to it names.
    pub digest: Option<&'a str>,
    /// The id of the token, 1 to 1024 bytes.
    pub token: Option<&'a str>,
    /// On whose behalf, from the issuer on, who may be no DID: at most 16.
    pub chain: &'a [&'a str],
    /// Why it was refused or failed: a code, `A-Z` and `_`.
    pub code: Option<&'a str>,
    /// A word of whoever recorded it, 1 to 1024 bytes.
    pub note: Option<&'a str>,
}

impl Record<'_> {
    /// Why it cannot stand in a log, if it cannot: it is no record, or its line would be too long to be read again.
    #[must_use]
    pub fn misfit(&self) -> Option<&'static str> {
        let is_long =
            || self.is_too_long().then_some("the line of a record is at most 16384 bytes long, with the longest code");
        self.fault().or_else(is_long)
    }

    /// Wherever in a log it stands, and whatever becomes of it: where one line fits, that it came to nothing fits as well.
    fn is_too_long(&self) -> bool {
        let texts = [self.token, self.note].into_iter().flatten().chain(self.chain.iter().copied());
        let bytes = texts.fold(0_usize, |sum, text| sum.saturating_add(text.len()));
        if bytes.saturating_mul(LONGEST_ESCAPE).saturating_add(MOST_BESIDE) <= MAX_LINE_BYTES {
            return false;
        }
        let previous = Digest::from_bytes([0; 32]).text();
        let code = "_".repeat(MAX_CODE_BYTES);
        let entry = Entry::Record(Record { outcome: Verdict::Accepted, code: Some(&code), ..*self });
        let mut line = String::new();
        write(&Line { seq: MAX_COUNT, time: MAX_COUNT, previous: &previous, entry }, &mut line);
        line.len() > MAX_LINE_BYTES
    }

    /// Why it is no record, if it is none.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let dids = [self.from, self.to].into_iter().flatten().chain([self.by]);
        let texts = [self.token, self.note].into_iter().flatten().chain(self.chain.iter().copied());
        if !is_event(self.event) {
            Some("an event is 1 to 64 of a-z 0-9 . _ - and does not begin with log.")
        } else if !dids.into_iter().all(is_did) {
            Some("by, from and to are DIDs")
        } else if self.chain.len() > MAX_CHAIN {
            Some("a chain has at most 16 links")
        } else if !self.method.is_none_or(is_method) {
            Some("a method is 1 to 128 of A-Z a-z 0-9 _ . -")
        } else if self.message_id.is_some_and(|id| MessageId::parse(id).is_none()) {
            Some("messageId is no message id")
        } else if self.digest.is_some_and(|digest| Digest::parse(digest).is_none()) {
            Some("digest is no SHA-256 in base64url")
        } else if !texts.into_iter().all(|text| (1..=MAX_TEXT_BYTES).contains(&text.len())) {
            Some("token, note and the links of a chain are 1 to 1024 bytes")
        } else if !self.code.is_none_or(is_code) {
            Some("a code is 1 to 64 of A-Z and _")
        } else {
            None
        }
    }
}

fn is_event(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=MAX_EVENT_BYTES).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(OWN)
}

fn is_code(text: &str) -> bool {
    (1..=MAX_CODE_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Its form alone: that the point lies on the curve was checked when it was recorded, and would cost more than all the rest.
fn is_did(text: &str) -> bool {
    let base58 = |byte: u8| byte.is_ascii_alphanumeric() & !matches!(byte, b'0' | b'O' | b'I' | b'l');
    let is_all = |text: &str| text.bytes().fold(true, |all, byte| all & base58(byte)); // to its end: many bytes at a time
    text.len() == 56 && text.strip_prefix("did:key:z6Mk").is_some_and(is_all)
}

/// What a line says beside its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// What somebody decided.
    Record(Record<'a>),
    /// The first line of a log: whose it is, and which.
    Begin(&'a str, &'a str),
    /// It was opened again, and so many bytes without a signature were cut off.
    Opened(&'a str, &'a str, u64),
    /// The first line of its next file.
    Continued(&'a str, &'a str, u64),
    /// All lines before it, signed: a JWS.
    Sealed(&'a str),
}

/// A line and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number in the log, from 0.
    pub seq: u64,
    /// Seconds since the epoch.
    pub time: u64,
    /// The digest of the line before it, in base64url; empty for the first.
    pub previous: &'a str,
    /// What it says.
    pub entry: Entry<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    seq: u64,
    time: u64,
    #[serde(borrow)]
    previous: Text<'a>,
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    outcome: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    by: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    from: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    to: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present", rename = "messageId")]
    message_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    digest: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    token: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    chain: Option<Vec<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    code: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    note: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    log: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    lost: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    file: Option<u64>,
    #[serde(borrow, default, deserialize_with = "present")]
    jws: Option<Text<'a>>,
}

/// Reads a line, without its line feed, and hands on what it says; none for anything but its one spelling.
pub fn read<T>(bytes: &[u8], use_line: impl FnOnce(&Line<'_>) -> T) -> Option<T> {
    if bytes.len() > MAX_LINE_BYTES {
        return None;
    }
    let wire: Wire<'_> = jws::parse_object(bytes)?;
    let chain: Vec<&str> = wire.chain.iter().flatten().map(|did| &**did).collect();
    let line = Line {
        seq: wire.seq,
        time: wire.time,
        previous: &wire.previous,
        entry: match &*wire.event {
            BEGIN => Entry::Begin(wire.by.as_deref()?, wire.log.as_deref()?),
            OPENED => Entry::Opened(wire.by.as_deref()?, wire.log.as_deref()?, wire.lost?),
            CONTINUED => Entry::Continued(wire.by.as_deref()?, wire.log.as_deref()?, wire.file?),
            SEALED => Entry::Sealed(wire.jws.as_deref()?),
            event => Entry::Record(Record {
                event,
                outcome: Verdict::of(wire.outcome.as_deref()?)?,
                by: wire.by.as_deref()?,
                from: wire.from.as_deref(),
                to: wire.to.as_deref(),
                method: wire.method.as_deref(),
                message_id: wire.message_id.as_deref(),
                digest: wire.digest.as_deref(),
                token: wire.token.as_deref(),
                chain: &chain,
                code: wire.code.as_deref(),
                note: wire.note.as_deref(),
            }),
        },
    };
    if line.seq > MAX_COUNT || line.time > MAX_COUNT {
        return None;
    }
    if let Entry::Record(record) = &line.entry
        && record.fault().is_some()
    {
        return None;
    }
    let mut again = String::with_capacity(bytes.len());
    write(&line, &mut again);
    (again.as_bytes() == bytes).then(|| use_line(&line))
}

/// Appends a line, without its line feed.
pub(crate) fn write(line: &Line<'_>, out: &mut String) {
    let Line { seq, time, previous, entry } = line;
    let _ = write!(out, r#"{{"seq":{seq},"time":{time},"previous":"{previous}""#);
    let mut member = |name: &str, text: &str| {
        out.extend([r#",""#, name, r#"":"#]);
        json::push_quoted(out, text);
    };
    match *entry {
        Entry::Begin(by, log) => own(&mut member, BEGIN, by, log),
        Entry::Opened(by, log, lost) => {
            own(&mut member, OPENED, by, log);
            let _ = write!(out, r#","lost":{lost}"#);
        }
        Entry::Continued(by, log, file) => {
            own(&mut member, CONTINUED, by, log);
            let _ = write!(out, r#","file":{file}"#);
        }
        Entry::Sealed(jws) => {
            member("event", SEALED);
            member("jws", jws);
        }
        Entry::Record(record) => write_record(&record, out),
    }
    out.push('}');
}

fn own(member: &mut impl FnMut(&str, &str), event: &str, by: &str, log: &str) {
    member("event", event);
    member("by", by);
    member("log", log);
}

/// Most members have a grammar in which nothing is escaped.
fn write_record(record: &Record<'_>, out: &mut String) {
    let Record { event, outcome, by, chain, .. } = record;
    out.extend([r#","event":""#, event, r#"","outcome":""#, outcome.as_str(), r#"","by":""#, by, "\""]);
    for (name, text) in [
        ("from", record.from),
        ("to", record.to),
        ("method", record.method),
        ("messageId", record.message_id),
        ("digest", record.digest),
    ] {
        if let Some(text) = text {
            out.extend([r#",""#, name, r#"":""#, text, "\""]);
        }
    }
    if let Some(token) = record.token {
        out.push_str(r#","token":"#);
        json::push_quoted(out, token);
    }
    for (i, link) in chain.iter().enumerate() {
        out.push_str(if i == 0 { r#","chain":["# } else { "," });
        json::push_quoted(out, link);
    }
    if !chain.is_empty() {
        out.push(']');
    }
    if let Some(code) = record.code {
        out.extend([r#","code":""#, code, "\""]);
    }
    if let Some(note) = record.note {
        out.push_str(r#","note":"#);
        json::push_quoted(out, note);
    }
}
