//! Answers in parts: what the answerer may send, and what the caller takes.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde::Deserialize;
use xbind::message::JSON;
use xbind::{Error, ErrorKind, Result};

use crate::port::Port;
use crate::port::event::{Body, Event};
use crate::sync::Lock;

/// How many parts a caller lets come ahead of its reader, unless it says otherwise.
pub const WINDOW: u64 = 32;
/// The most parts of one answer that wait to be signed, whatever its caller takes.
const MAX_UNSENT_PARTS: usize = 256;
/// Beyond so many bytes of parts that wait to be signed, no further part is taken.
const MAX_UNSENT_BYTES: usize = 1 << 20;
/// How long a handler waits for room for a part. Whoever reads no part for so long holds its place up for others.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The most words of progress of one call that wait to be signed; more are dropped.
const MAX_UNSENT_WORDS: usize = 16;

/// Whether a handler may send a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// There is room for one.
    Open,
    /// There is none now; an [`Event::Credit`] tells when there is.
    Wait,
    /// Nobody takes any: the call has ended, its caller waits no more, or what was gathered is too much.
    Over,
}

/// What an answer in parts may send: shared by the running call and by its parts that wait to be signed.
pub(crate) struct Source {
    port: Weak<Port>,
    state: Mutex<Sending>,
}

#[derive(Debug)]
struct Sending {
    ticket: u64,
    /// How many parts the caller takes, counted from the first.
    window: u64,
    next: u64,
    unsent_parts: usize,
    unsent_bytes: usize,
    /// The handler was told to wait.
    waits: bool,
}

impl Sending {
    const fn is_open(&self) -> bool {
        self.next < self.window
            && self.unsent_parts < MAX_UNSENT_PARTS
            && (self.unsent_parts == 0 || self.unsent_bytes < MAX_UNSENT_BYTES)
    }
}

impl Source {
    pub(crate) fn new(port: &Arc<Port>, window: u64) -> Arc<Self> {
        let (unsent_parts, unsent_bytes) = (0, 0);
        let state = Sending { ticket: 0, window, next: 0, unsent_parts, unsent_bytes, waits: false };
        Arc::new(Self { port: Arc::downgrade(port), state: Mutex::new(state) })
    }

    pub(crate) fn know_ticket(&self, ticket: u64) {
        self.state.guard().ticket = ticket;
    }

    /// Whether there is room for a part; if not, the face is told when there is.
    pub(crate) fn flow(&self) -> Flow {
        let mut state = self.state.guard();
        if state.is_open() {
            return Flow::Open;
        }
        state.waits = true;
        Flow::Wait
    }

    /// The place of the next part, of so many bytes; none without room.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<(u64, Unsent)> {
        let mut state = self.state.guard();
        if !state.is_open() {
            return None;
        }
        let seq = state.next;
        state.next = seq.saturating_add(1);
        state.unsent_parts = state.unsent_parts.saturating_add(1);
        state.unsent_bytes = state.unsent_bytes.saturating_add(bytes);
        Some((seq, Unsent { source: self.clone(), bytes }))
    }

    /// Whether the handler was told to wait, and not yet that there is room.
    pub(crate) fn waits(&self) -> bool {
        self.state.guard().waits
    }

    /// How many parts there are so far.
    pub(crate) fn count(&self) -> u64 {
        self.state.guard().next
    }

    /// The caller takes so many, counted from the first; never fewer than before.
    pub(crate) fn grant(&self, window: u64) {
        let mut state = self.state.guard();
        state.window = state.window.max(window);
        self.tell(state);
    }

    fn tell(&self, mut state: impl std::ops::DerefMut<Target = Sending>) {
        if !state.waits || !state.is_open() {
            return;
        }
        state.waits = false;
        let ticket = state.ticket;
        drop(state);
        if let Some(port) = self.port.upgrade() {
            port.push(Event::Credit { ticket });
        }
    }
}

/// A part that is not signed yet. Dropping it makes room for another.
pub(crate) struct Unsent {
    source: Arc<Source>,
    bytes: usize,
}

impl Drop for Unsent {
    fn drop(&mut self) {
        let mut state = self.source.state.guard();
        state.unsent_parts = state.unsent_parts.saturating_sub(1);
        state.unsent_bytes = state.unsent_bytes.saturating_sub(self.bytes);
        self.source.tell(state);
    }
}

/// What a running call has said before its end.
pub(crate) enum Said {
    /// Its caller takes parts.
    Parts(Arc<Source>),
    /// Its caller takes one answer: what would be parts is put together here.
    Whole(Option<Box<Gathered>>),
}

impl Said {
    /// The parts, for a caller that takes one answer.
    pub(crate) fn together(self) -> (Body, &'static str) {
        let Self::Whole(Some(all)) = self else { return (b"[]".to_vec(), JSON) };
        let Gathered { mut body, content_type } = *all;
        if content_type == JSON {
            body.push(b']');
        }
        (body, content_type)
    }
}

/// Parts that become one body: a list of JSON values, or bytes one behind the other.
#[derive(Debug)]
pub(crate) struct Gathered {
    body: Body,
    content_type: &'static str,
}

impl Gathered {
    /// Adds a part, within so many bytes of all of them.
    pub(crate) fn push(
        into: &mut Option<Box<Self>>,
        body: &[u8],
        content_type: &'static str,
        most: usize,
    ) -> Result<()> {
        let all = into.get_or_insert_with(|| {
            let body = if content_type == JSON { b"[".to_vec() } else { Vec::new() };
            Box::new(Self { body, content_type })
        });
        if all.content_type != content_type {
            let why = "an answer in parts is JSON or bytes, not both, for a caller that takes it in one";
            return Err(Error::new(ErrorKind::InvalidPayload, why));
        }
        let is_json = content_type == JSON;
        let length = all.body.len().saturating_add(body.len()).saturating_add(if is_json { 2 } else { 0 });
        if length > most {
            let why = format!("the parts of an answer are together over the limit of {most} bytes");
            return Err(Error::new(ErrorKind::PayloadTooLarge, why)
                .with_hint("let the caller take it in parts, or raise the limit on both sides"));
        }
        if is_json && all.body.len() > 1 {
            all.body.push(b',');
        }
        all.body.extend_from_slice(body);
        Ok(())
    }
}

/// The words of progress of one call.
#[derive(Debug, Default)]
pub(crate) struct Words {
    next: u64,
    unsent: Arc<()>,
}

/// A word of progress that is not signed yet.
pub(crate) struct Word {
    _unsent: Arc<()>,
}

impl Words {
    /// The place of the next word; none if too many wait to be signed.
    pub(crate) fn take(&mut self) -> Option<(u64, Word)> {
        if Arc::strong_count(&self.unsent) > MAX_UNSENT_WORDS {
            return None;
        }
        let seq = self.next;
        self.next = seq.saturating_add(1);
        Some((seq, Word { _unsent: self.unsent.clone() }))
    }
}

/// What makes room again when a message is signed, or dropped.
pub(crate) enum Guard {
    Part(#[expect(dead_code, reason = "dropped")] Unsent),
    Word(#[expect(dead_code, reason = "dropped")] Word),
}

/// What the caller of an answer in parts has, and takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sink {
    /// How far the window reaches beyond what the reader has taken.
    ahead: u64,
    /// What the other side was told.
    window: u64,
    next: u64,
    read: u64,
}

/// What to do with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fits {
    Next,
    /// It was taken before.
    Again,
    /// One before it is missing, or nobody asked for it.
    Never,
}

impl Sink {
    pub(crate) const fn new(ahead: u64) -> Self {
        Self { ahead, window: ahead, next: 0, read: 0 }
    }

    pub(crate) fn part(&mut self, seq: u64) -> Fits {
        if seq < self.next {
            return Fits::Again;
        }
        if seq > self.next || seq >= self.window {
            return Fits::Never;
        }
        self.next = self.next.saturating_add(1);
        Fits::Next
    }

    /// Whether parts came that the reader has not taken.
    pub(crate) const fn is_unread(self) -> bool {
        self.read < self.next
    }

    /// How many came.
    pub(crate) const fn count(self) -> u64 {
        self.next
    }

    /// The reader took so many; the window to tell the other side, if it is worth a message.
    pub(crate) fn read(&mut self, parts: u64) -> Option<u64> {
        self.read = self.read.saturating_add(parts).min(self.next);
        let window = self.read.saturating_add(self.ahead);
        if window.saturating_sub(self.window) < self.ahead.div_ceil(2) {
            return None;
        }
        self.window = window;
        Some(window)
    }
}

/// How far a call is. All of it is optional, and is what the other side says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub progress: Option<f64>,
    /// Of how much.
    pub total: Option<f64>,
    /// In words.
    pub message: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    progress: Option<f64>,
    #[serde(default)]
    total: Option<f64>,
    #[serde(default)]
    message: Option<String>,
}

impl Progress {
    /// Its JSON; `INVALID_PAYLOAD` for numbers that JSON does not have, `PAYLOAD_TOO_LARGE` beyond 4096 bytes.
    pub(crate) fn encode(&self) -> Result<Body> {
        let mut members = Vec::with_capacity(3);
        for (name, number) in [("progress", self.progress), ("total", self.total)] {
            match number {
                Some(number) if !number.is_finite() => {
                    return Err(Error::new(ErrorKind::InvalidPayload, format!("{name} is no finite number")));
                }
                Some(number) => members.push(format!("\"{name}\":{number}")),
                None => {}
            }
        }
        if let Some(message) = &self.message {
            members.push(format!("\"message\":{}", serde_json::Value::from(message.as_str())));
        }
        let body = format!("{{{}}}", members.join(",")).into_bytes();
        if u64::try_from(body.len()).is_ok_and(|length| length <= xbind::message::details::MAX_PROGRESS_BYTES) {
            return Ok(body);
        }
        Err(Error::new(ErrorKind::PayloadTooLarge, "a word of progress is at most 4096 bytes long"))
    }

    /// None for what is no word of progress.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.starts_with('{'))?;
        let Wire { progress, total, message } = serde_json::from_str(text).ok()?;
        Some(Self { progress, total, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_takes_each_part_once_and_in_order() {
        let mut sink = Sink::new(4);
        assert_eq!([0, 0, 1, 3].map(|seq| sink.part(seq)), [Fits::Next, Fits::Again, Fits::Next, Fits::Never]);
        assert_eq!((sink.part(2), sink.part(3), sink.part(4)), (Fits::Next, Fits::Next, Fits::Never));
        assert_eq!((sink.read(1), sink.read(1), sink.count()), (None, Some(6), 4));
        assert_eq!(sink.read(u64::MAX), Some(8), "what has not come was not read");
        assert_eq!((sink.part(4), sink.part(u64::MAX)), (Fits::Next, Fits::Never));
    }

    #[cfg(not(loom))] // its lock is none of a model
    #[test]
    fn a_source_keeps_to_the_window_and_to_its_own_bound() {
        let port = Port::new(Box::new(|| ()), crate::Time::System);
        let source = Source::new(&port, 2);
        source.know_ticket(7);
        let first = source.take(10).unwrap();
        assert_eq!((first.0, source.flow()), (0, Flow::Open));
        let second = source.take(MAX_UNSENT_BYTES).unwrap();
        assert_eq!((second.0, source.take(0).is_none(), source.flow()), (1, true, Flow::Wait));
        source.grant(1);
        source.grant(u64::MAX);
        assert_eq!(source.flow(), Flow::Wait, "too many bytes wait to be signed, whatever the caller takes");
        assert!(port.events.guard().is_empty());
        drop(second);
        assert!(matches!(port.events.guard().pop_front(), Some(Event::Credit { ticket: 7 })));
        drop(first);
        assert!(port.events.guard().is_empty(), "it is told once");
        let unsent: Vec<_> = std::iter::from_fn(|| source.take(0)).collect();
        assert_eq!(unsent.len(), MAX_UNSENT_PARTS);
    }

    #[test]
    fn parts_are_gathered_within_a_bound() {
        let mut json = None;
        for part in ["1", "[2]"] {
            Gathered::push(&mut json, part.as_bytes(), JSON, 7).unwrap();
        }
        assert_eq!(Gathered::push(&mut json, b"3", JSON, 7).unwrap_err().kind(), ErrorKind::PayloadTooLarge);
        assert_eq!(Said::Whole(json).together().0, b"[1,[2]]");
        assert_eq!(Said::Whole(None).together().0, b"[]");
        let mut mixed = None;
        Gathered::push(&mut mixed, b"1", "application/octet-stream", 10).unwrap();
        assert_eq!(Gathered::push(&mut mixed, b"1", JSON, 10).unwrap_err().kind(), ErrorKind::InvalidPayload);
    }

    #[test]
    fn progress_is_what_it_was() {
        let word = Progress { progress: Some(0.5), total: Some(3.0), message: Some("a \"b\"\n\u{e4}".to_owned()) };
        assert_eq!(Progress::decode(&word.encode().unwrap()), Some(word));
        assert_eq!(Progress::decode(b"{}"), Some(Progress::default()));
        for number in [f64::MAX, f64::MIN, 5e-324, f64::MIN_POSITIVE, 123_456_789_012_345_680_000.0, 1e23, 0.1 + 0.2] {
            let word = Progress { progress: Some(number), total: Some(-number), message: None };
            assert_eq!(Progress::decode(&word.encode().unwrap()), Some(word));
        }
        for body in [&b""[..], b"null", b"[]", b"[1]", b"{\"progress\":\"1\"}", b"\xff", b"{\"progress\":1e999}"] {
            assert_eq!(Progress::decode(body), None);
        }
        let wrong = Progress { progress: Some(f64::NAN), ..Progress::default() };
        assert_eq!(wrong.encode().unwrap_err().kind(), ErrorKind::InvalidPayload);
        let long = Progress { message: Some("x".repeat(4096)), ..Progress::default() };
        assert_eq!(long.encode().unwrap_err().kind(), ErrorKind::PayloadTooLarge);
    }
}
