//! Server-sent events (HTML, section 9.2), beside the bytes that pass.

use hyper::body::Bytes;

use super::MAX_EVENT;
use super::cutter::{Cutter, Step};
use super::tally::Tally;

/// Reads the events of an answer.
pub(super) struct Events {
    cutter: Cutter,
    event: Event,
    is_first: bool,
    held: Option<Held>,
}

/// The event that is being read.
#[derive(Default)]
struct Event {
    data: Option<Vec<u8>>,
    len: usize,
    has_ended: bool,
}

/// The bytes of an event that may have to be left out.
#[derive(Default)]
struct Held {
    parts: Vec<Bytes>,
    /// Whether the last event was left out: then so is the LF that may still come.
    is_out: bool,
}

impl Events {
    pub(super) fn new(hides_usage: bool) -> Self {
        let held = hides_usage.then(Held::default);
        Self { cutter: Cutter::event_lines(), event: Event::default(), is_first: true, held }
    }

    pub(super) fn take(&mut self, chunk: Bytes, tally: &mut Tally, pass: &mut Vec<Bytes>) {
        // What is before `from` is dealt with, and what is before `sure` is to pass.
        let (mut from, mut sure, mut at) = (0, 0, 0_usize);
        loop {
            let rest = chunk.get(at..).unwrap_or_default();
            let (event, is_first) = (&mut self.event, &mut self.is_first);
            match self.cutter.cut(rest, |line| event.line(line, std::mem::take(is_first))) {
                Step::Line(taken) => {
                    at = at.saturating_add(taken);
                    event.len = event.len.saturating_add(taken);
                    if !std::mem::take(&mut event.has_ended) {
                        continue;
                    }
                    let is_usage = std::mem::take(event).dispatch(tally, false);
                    let Some(held) = &mut self.held else { continue };
                    held.is_out = is_usage;
                    if is_usage {
                        held.parts.clear();
                        push(pass, chunk.slice(from..sure));
                        from = at;
                    } else {
                        pass.append(&mut held.parts);
                    }
                    sure = at;
                }
                Step::Ending(taken) => {
                    let is_between = event.len == 0;
                    at = at.saturating_add(taken);
                    if !is_between {
                        event.len = event.len.saturating_add(taken);
                    } else if let Some(held) = &self.held {
                        sure = at;
                        from = if held.is_out { at } else { from };
                    }
                }
                Step::Kept => {
                    event.len = event.len.saturating_add(rest.len());
                    break;
                }
            }
        }
        let Some(held) = &mut self.held else { return push(pass, chunk) };
        push(pass, chunk.slice(from..sure));
        push(&mut held.parts, chunk.slice(sure..));
        if self.event.len > MAX_EVENT {
            pass.append(&mut held.parts);
        }
    }

    /// What was not ended by an empty line counts as if it had been.
    pub(super) fn end(mut self, tally: &mut Tally, pass: &mut Vec<Bytes>) {
        let (event, is_first) = (&mut self.event, self.is_first);
        self.cutter.end(|line| event.line(line, is_first));
        let is_usage = self.event.dispatch(tally, true);
        if let Some(mut held) = self.held.filter(|_| !is_usage) {
            pass.append(&mut held.parts);
        }
    }
}

fn push(to: &mut Vec<Bytes>, bytes: Bytes) {
    if !bytes.is_empty() {
        to.push(bytes);
    }
}

impl Event {
    fn line(&mut self, line: Option<&[u8]>, is_first: bool) {
        let Some(mut line) = line else { return };
        if is_first {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        self.has_ended = line.is_empty();
        let Some(value) = line.strip_prefix(b"data") else { return };
        let value = match value.split_first() {
            None => value,
            Some((b':', value)) => value.strip_prefix(b" ").unwrap_or(value),
            Some(_) => return,
        };
        if self.len > MAX_EVENT {
            self.data = None;
            return;
        }
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
    }

    /// Counts it, and says whether it only told the usage of a streamed chat.
    fn dispatch(self, tally: &mut Tally, is_cut: bool) -> bool {
        if self.len > MAX_EVENT {
            tally.forget();
            return false;
        }
        self.data.is_some_and(|data| tally.event(&data, is_cut))
    }
}
