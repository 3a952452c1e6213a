//! A bounded memory, shared by threads.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::mem;
use std::sync::{PoisonError, RwLock};

/// Two generations of half the capacity each: when the young one is full, it becomes the old one, which is forgotten. What
/// is asked for while it is old becomes young again.
pub(crate) struct Cache<K, V> {
    generation: usize,
    weigh: fn(&V) -> usize,
    kept: RwLock<Kept<K, V>>,
}

struct Kept<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Of the young ones.
    weight: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    /// So many entries; it owns no heap until the first one comes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::weighing(capacity, |_| 1)
    }

    /// Entries of so much weight together. One of more than half of it is not kept.
    pub(crate) fn weighing(capacity: usize, weigh: fn(&V) -> usize) -> Self {
        Self { generation: capacity / 2, weigh, kept: RwLock::default() }
    }

    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (key, value) = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = kept.young.get(key) {
                return Some(value.clone());
            }
            let (key, value) = kept.old.get_key_value(key)?;
            (key.clone(), value.clone())
        };
        self.keep(key, value.clone());
        Some(value)
    }

    pub(crate) fn keep(&self, key: K, value: V) {
        let weight = (self.weigh)(&value);
        if weight > self.generation {
            return;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.weight.saturating_add(weight) > self.generation {
            kept.old = mem::take(&mut kept.young);
            kept.weight = 0;
        }
        let replaced = kept.young.insert(key, value).map_or(0, |value| (self.weigh)(&value));
        kept.weight = kept.weight.saturating_add(weight).saturating_sub(replaced);
    }

    pub(crate) fn clear(&self) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), weight: 0 }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_makes_room() {
        let cache = Cache::new(8);
        for n in 0..100 {
            cache.keep(n, n);
            assert_eq!(cache.get(&0), Some(0));
            let kept = cache.kept.read().unwrap();
            assert!(kept.young.len() + kept.old.len() <= 8 && kept.weight == kept.young.len());
        }
        assert_eq!((cache.get(&50), cache.get(&99)), (None, Some(99)));
        cache.clear();
        assert_eq!(cache.get(&0), None);
    }

    #[test]
    fn a_weight_is_that_of_what_is_there() {
        let cache = Cache::weighing(20, |text: &String| text.len());
        cache.keep(0, "x".repeat(11));
        assert_eq!(cache.get(&0), None, "more than a generation");
        for size in [10, 1, 6] {
            cache.keep(1, "x".repeat(size));
        }
        cache.keep(2, "x".repeat(4));
        assert_eq!(cache.kept.read().unwrap().weight, 10);
        assert_eq!(cache.kept.read().unwrap().young.len(), 2);
        cache.keep(3, "x".to_owned());
        cache.keep(4, "x".repeat(10));
        assert_eq!((cache.get(&1), cache.get(&2), cache.get(&3).is_some()), (None, None, true));
        let none = Cache::new(1);
        none.keep(0, 0);
        assert_eq!(none.get(&0), None);
    }
}
