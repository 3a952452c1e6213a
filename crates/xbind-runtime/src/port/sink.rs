//! Answers in parts: what the caller takes. What the answerer may send is in `parts.rs`.

/// How many parts a caller lets come ahead of its reader, unless it says otherwise.
pub const WINDOW: u64 = 32;

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
}
