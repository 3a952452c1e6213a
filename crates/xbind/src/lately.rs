//! A bounded memory of what was met lately.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// Two generations of half the capacity each: when the young one is full, it becomes the old one, which is forgotten.
pub(crate) struct Lately<K, V> {
    generation: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V> Lately<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { generation: capacity / 2, young: HashMap::new(), old: HashMap::new() }
    }

    pub(crate) fn young<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key)
    }

    /// What is about to be forgotten unless it is kept again.
    pub(crate) fn old<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.old.get(key)
    }

    pub(crate) fn keep(&mut self, key: K, value: V) {
        if self.generation == 0 {
            return;
        }
        if self.young.len() >= self.generation {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}
