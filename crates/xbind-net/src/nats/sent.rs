//! What was sent lately: a connection that breaks loses what was on its way, and what nobody listened for comes back. Whoever
//! gets the same bytes twice begins nothing twice.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use xbind_runtime::transport::CallId;

use super::directory::Path;

/// For how long, how many NATS messages, and how many bytes of them.
const KEPT: (Duration, usize, usize) = (Duration::from_secs(10), 65_536, 8 << 20);

/// A NATS message.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) path: Path,
    /// The calls in it.
    pub(super) calls: Vec<CallId>,
    /// It holds more than calls.
    pub(super) has_words: bool,
    /// Nothing of one that only asks whether somebody is there.
    pub(super) payload: Bytes,
}

/// By the number in its reply subject.
#[derive(Debug, Default)]
pub(super) struct Sent {
    all: HashMap<u64, Item>,
    order: VecDeque<(Instant, u64)>,
    bytes: usize,
    /// What came back from hosts that may be there again.
    back: HashMap<Path, Vec<Item>>,
}

impl Sent {
    pub(super) fn push(&mut self, number: u64, item: Item, now: Instant) {
        let (longest, most, bytes) = KEPT;
        self.bytes = self.bytes.saturating_add(item.payload.len());
        self.order.push_back((now, number));
        self.all.insert(number, item);
        while let Some((at, oldest)) = self.order.front().copied()
            && (now.saturating_duration_since(at) > longest || self.order.len() > most || self.bytes > bytes)
        {
            self.order.pop_front();
            let _ = self.take(oldest);
        }
    }

    /// Takes out what came back.
    pub(super) fn take(&mut self, number: u64) -> Option<Item> {
        let item = self.all.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(item.payload.len());
        Some(item)
    }

    /// What a connection may have lost, in its order.
    pub(super) fn again(&self) -> Vec<(u64, Item)> {
        let kept = self.order.iter().filter_map(|(_, number)| Some((*number, self.all.get(number)?.clone())));
        kept.filter(|(_, item)| !item.payload.is_empty()).collect()
    }

    /// Keeps what came back until its host is heard again.
    pub(super) fn keep(&mut self, item: Item) {
        let waiting = self.back.entry(item.path).or_default();
        let bytes: usize = waiting.iter().map(|item| item.payload.len()).sum();
        if bytes < KEPT.2 {
            waiting.push(item);
        }
    }

    /// What came back from a host that is heard again, or that is gone.
    pub(super) fn heard(&mut self, path: Path) -> Vec<Item> {
        self.back.remove(&path).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: usize) -> Item {
        Item { path: 1, calls: Vec::new(), has_words: true, payload: vec![0; bytes].into() }
    }

    #[test]
    fn what_is_kept_is_bounded_in_time_count_and_bytes() {
        let (mut sent, now) = (Sent::default(), Instant::now());
        for number in 0..70_000 {
            sent.push(number, item(1), now);
        }
        assert_eq!((sent.all.len(), sent.again().first().map(|(number, _)| *number)), (65_536, Some(4464)));
        sent.push(70_000, item(KEPT.2), now);
        assert_eq!((sent.all.len(), sent.bytes), (1, KEPT.2));
        sent.push(70_001, item(0), now + KEPT.0 * 2);
        assert_eq!((sent.all.len(), sent.bytes), (1, 0));
        assert!(sent.again().is_empty(), "a knock is not sent again");
        (0..20).for_each(|_| sent.keep(item(KEPT.2 / 4)));
        assert_eq!((sent.heard(1).len(), sent.heard(1).len()), (4, 0));
    }
}
