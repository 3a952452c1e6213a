//! The room of large texts, used again: in fresh room each 4 KiB cost a page fault, which together take longer than what is done with
//! the text.

use std::cell::RefCell;
use std::collections::{TryReserveError, VecDeque};

/// Less than this an allocator does not give back to the system at once.
const LEAST: usize = 128 << 10;
/// What a thread keeps, in bytes.
const MOST: usize = 8 << 20;

#[derive(Default)]
struct Spare {
    /// The newest is last: it is most likely still in the processor's cache.
    kept: VecDeque<Vec<u8>>,
    bytes: usize,
    /// How often room was wanted and none was kept since.
    wanted: usize,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
}

/// An empty vector with room for so many bytes.
///
/// # Errors
/// If there is no memory for them.
pub fn take(room: usize) -> Result<Vec<u8>, TryReserveError> {
    let may_be_kept = (LEAST..=MOST).contains(&room);
    let kept = may_be_kept.then(|| SPARE.with_borrow_mut(|spare| spare.take(room))).flatten();
    let mut bytes = kept.unwrap_or_default();
    bytes.try_reserve_exact(room)?;
    Ok(bytes)
}

/// Keeps the room of these bytes, if that was wanted.
pub fn keep(bytes: Vec<u8>) {
    if (LEAST..=MOST).contains(&bytes.capacity()) {
        SPARE.with_borrow_mut(|spare| spare.keep(bytes));
    }
}

impl Spare {
    fn take(&mut self, room: usize) -> Option<Vec<u8>> {
        self.wanted = self.wanted.saturating_add(1);
        let fits = |bytes: &Vec<u8>| bytes.capacity() >= room && bytes.capacity() / 2 <= room;
        let bytes = self.kept.iter().rposition(fits).and_then(|at| self.kept.remove(at))?;
        self.bytes = self.bytes.saturating_sub(bytes.capacity());
        Some(bytes)
    }

    fn keep(&mut self, mut bytes: Vec<u8>) {
        let Some(wanted) = self.wanted.checked_sub(1) else { return };
        self.wanted = wanted;
        bytes.clear();
        self.bytes = self.bytes.saturating_add(bytes.capacity());
        self.kept.push_back(bytes);
        while self.bytes > MOST
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.capacity());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        SPARE.with_borrow(|spare| spare.bytes)
    }

    #[test]
    fn room_is_used_again_and_nothing_of_what_stood_there_is_left() {
        let mut first = take(LEAST).unwrap();
        first.extend_from_slice(b"secret");
        let place = first.as_ptr();
        keep(first);
        let second = take(LEAST).unwrap();
        assert_eq!((second.as_ptr(), second.len()), (place, 0));
        assert_eq!(kept(), 0);
    }

    #[test]
    fn what_nobody_wanted_is_not_kept() {
        keep(Vec::with_capacity(LEAST));
        drop(take(LEAST - 1));
        keep(Vec::with_capacity(LEAST));
        assert_eq!(kept(), 0);
    }

    #[test]
    fn no_more_is_kept_than_there_may_be() {
        let all: Vec<_> = (0..20).map(|_| take(MOST / 4).unwrap()).collect();
        all.into_iter().for_each(keep);
        assert_eq!(kept(), MOST);
        let larger = take(MOST * 2).unwrap();
        keep(larger);
        assert_eq!(kept(), MOST);
        assert!(take(LEAST).unwrap().capacity() < MOST / 4, "a short text does not hold much room");
    }
}
