//! Lines out of bytes that come in any cut.

use super::MAX_EVENT;

/// Keeps the begin of a line until its end has come.
pub(super) struct Cutter {
    part: Vec<u8>,
    is_over: bool,
    takes_cr: bool,
    after_cr: bool,
}

/// What was found at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A line that ends with so many of them.
    Line(usize),
    /// So many of them belong to the end of the line before.
    Ending(usize),
    /// No end of a line: all were kept.
    Kept,
}

impl Cutter {
    /// Lines that end with LF.
    pub(super) const fn lines() -> Self {
        Self { part: Vec::new(), is_over: false, takes_cr: false, after_cr: false }
    }

    /// Lines that end with LF, CR or both.
    pub(super) fn event_lines() -> Self {
        Self { takes_cr: true, ..Self::lines() }
    }

    /// Looks for the end of a line; one that is too long to be read is `None`.
    pub(super) fn cut(&mut self, bytes: &[u8], on_line: impl FnOnce(Option<&[u8]>)) -> Step {
        let Some(first) = bytes.first() else { return Step::Kept };
        if std::mem::take(&mut self.after_cr) && *first == b'\n' {
            return Step::Ending(1);
        }
        let takes_cr = self.takes_cr;
        let end = bytes.iter().position(|byte| *byte == b'\n' || takes_cr && *byte == b'\r');
        let Some((line, rest)) = end.and_then(|end| bytes.split_at_checked(end)) else {
            self.keep(bytes);
            return Step::Kept;
        };
        self.after_cr = rest.first() == Some(&b'\r');
        let taken = line.len().saturating_add(1);
        if self.part.is_empty() && !self.is_over {
            on_line(Some(line).filter(|line| line.len() <= MAX_EVENT));
        } else {
            self.keep(line);
            self.end(on_line);
        }
        Step::Line(taken)
    }

    /// Gives what is left without an end.
    pub(super) fn end(&mut self, on_line: impl FnOnce(Option<&[u8]>)) {
        let part = std::mem::take(&mut self.part);
        if std::mem::take(&mut self.is_over) {
            on_line(None);
        } else if !part.is_empty() {
            on_line(Some(&part));
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.is_over |= self.part.len().saturating_add(bytes.len()) > MAX_EVENT;
        if self.is_over {
            self.part = Vec::new();
        } else {
            self.part.extend_from_slice(bytes);
        }
    }
}
