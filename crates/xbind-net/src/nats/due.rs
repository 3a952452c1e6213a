//! What is to be done when, each thing once: what is not due costs nothing.

use std::collections::BTreeMap;

/// Times, and what is due then; of one time in the order in which it was put.
#[derive(Debug)]
pub(super) struct Due<T, K> {
    order: BTreeMap<(T, u64), K>,
    last: u64,
}

/// Where something stands, to take it out again.
pub(super) type Place<T> = (T, u64);

impl<T: Ord, K> Default for Due<T, K> {
    fn default() -> Self {
        Self { order: BTreeMap::new(), last: 0 }
    }
}

impl<T: Ord + Copy, K> Due<T, K> {
    pub(super) fn put(&mut self, at: T, what: K) -> Place<T> {
        self.last = self.last.wrapping_add(1);
        self.order.insert((at, self.last), what);
        (at, self.last)
    }

    pub(super) fn take(&mut self, place: Place<T>) {
        self.order.remove(&place);
    }

    /// When the next is due.
    pub(super) fn first(&self) -> Option<T> {
        self.order.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out the next that is due.
    pub(super) fn next(&mut self, now: T) -> Option<K> {
        let entry = self.order.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::Due;

    #[test]
    fn what_is_due_comes_in_its_order_and_what_was_taken_out_does_not() {
        let mut due = Due::default();
        let places = [(5, 'a'), (3, 'b'), (3, 'c'), (9, 'd'), (4, 'e')].map(|(at, what)| due.put(at, what));
        due.take(places[4]);
        assert_eq!((due.first(), due.next(2)), (Some(3), None));
        let all: Vec<_> = std::iter::from_fn(|| due.next(8)).collect();
        assert_eq!((all, due.first()), (vec!['b', 'c', 'a'], Some(9)));
    }
}
