//! Locks that outlive a panic: a fault ends one call, not every later one that needs the same lock.

pub(crate) mod after;
pub(crate) mod bell;
pub(crate) mod clock;
pub(crate) mod time;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) trait Lock<T> {
    fn guard(&self) -> MutexGuard<'_, T>;
}

impl<T> Lock<T> for Mutex<T> {
    fn guard(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Atomics that the model checker can take the place of.
pub(crate) mod atomic {
    #[cfg(loom)]
    pub(crate) use loom::sync::atomic::AtomicBool;
    #[cfg(not(loom))]
    pub(crate) use std::sync::atomic::AtomicBool;
    pub(crate) use std::sync::atomic::Ordering;
}

/// Locks that the model checker can take the place of.
pub(crate) mod lock {
    #[cfg(loom)]
    pub(crate) use loom::sync::{Condvar, Mutex};
    #[cfg(not(loom))]
    pub(crate) use std::sync::{Condvar, Mutex};
}
