//! Answers in parts: what the answerer may send. What the caller takes is in `sink.rs`.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use xbind::message::JSON;
use xbind::{Error, ErrorKind, Result};

use crate::port::Port;
use crate::port::event::{Body, Event};
use crate::port::progress::Word;
use crate::sync::Lock;

/// The most parts of one answer that wait to be signed, whatever its caller takes.
const MAX_UNSENT_PARTS: usize = 256;
/// Beyond so many bytes of parts that wait to be signed, no further part is taken.
const MAX_UNSENT_BYTES: usize = 1 << 20;
/// How long a handler waits for room for a part. Whoever reads no part for so long holds its place up for others.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(300);

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

/// What makes room again when a message is signed, or dropped.
pub(crate) enum Guard {
    Part(#[expect(dead_code, reason = "dropped")] Unsent),
    Word(#[expect(dead_code, reason = "dropped")] Word),
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
