//! What an answer says it has taken, read beside the bytes that pass.

mod cutter;
mod events;
mod tally;
#[cfg(test)]
mod tests;

use hyper::body::Bytes;

use self::cutter::{Cutter, Step};
use self::events::Events;
use self::tally::Tally;
use crate::api::Api;

/// The longest line or event that is read; longer ones pass unread.
const MAX_EVENT: usize = 1 << 20;
/// The longest answer of one JSON document that is read.
const MAX_JSON: usize = 8 << 20;

/// Tokens that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// All of the input.
    pub input: u64,
    /// The part of it that the upstream had in its cache.
    pub cached: u64,
    /// The part of it that the upstream has put into its cache.
    pub written: u64,
    /// The output.
    pub output: u64,
}

/// How an answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One JSON document.
    Json,
    /// Server-sent events.
    Events,
    /// A JSON document on each line.
    Lines,
}

impl Kind {
    /// What that content type says.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Some(Self::Json),
            "text/event-stream" => Some(Self::Events),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Lines),
            _ => None,
        }
    }
}

/// Reads an answer while it passes. Any cut of it gives the same bytes and the same usage.
pub(crate) struct Meter {
    tally: Tally,
    frames: Frames,
}

enum Frames {
    Json { kept: Vec<u8>, is_over: bool },
    Lines(Cutter),
    Events(Events),
}

impl Meter {
    /// A meter for the answer to a request of that kind. With `hides_usage` the event that only tells the usage of a streamed chat
    /// is left out, for it was not the caller who asked for it.
    pub(crate) fn new(api: Api, kind: Kind, hides_usage: bool) -> Self {
        let frames = match kind {
            Kind::Json => Frames::Json { kept: Vec::new(), is_over: false },
            Kind::Lines => Frames::Lines(Cutter::lines()),
            Kind::Events => Frames::Events(Events::new(hides_usage && api == Api::Chat)),
        };
        Self { tally: Tally::new(api), frames }
    }

    /// Takes what came, and gives what is to be sent on now: everything, at once. Only with `hides_usage` an event waits until it
    /// is whole.
    pub(crate) fn take(&mut self, chunk: Bytes, pass: &mut Vec<Bytes>) {
        match &mut self.frames {
            Frames::Json { kept, is_over } => {
                *is_over |= kept.len().saturating_add(chunk.len()) > MAX_JSON;
                if *is_over {
                    *kept = Vec::new();
                } else {
                    kept.extend_from_slice(&chunk);
                }
                pass.push(chunk);
            }
            Frames::Lines(cutter) => {
                let mut rest = chunk.as_ref();
                loop {
                    let step = cutter.cut(rest, |line| self.tally.line(line));
                    let Step::Line(taken) = step else { break };
                    rest = rest.get(taken..).unwrap_or_default();
                }
                pass.push(chunk);
            }
            Frames::Events(events) => events.take(chunk, &mut self.tally, pass),
        }
    }

    /// The answer has ended, or was cut: what was held back, and what it says it has taken. None if it does not say, or says what
    /// cannot be.
    pub(crate) fn end(self, pass: &mut Vec<Bytes>) -> Option<Usage> {
        let Self { mut tally, frames } = self;
        match frames {
            Frames::Json { is_over: true, .. } => {}
            Frames::Json { kept, is_over: false } => tally.document(&kept),
            Frames::Lines(mut cutter) => cutter.end(|line| tally.line(line)),
            Frames::Events(events) => events.end(&mut tally, pass),
        }
        tally.usage()
    }
}
