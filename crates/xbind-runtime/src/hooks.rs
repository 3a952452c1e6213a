//! Faults on demand, compiled into test builds only.

use std::sync::atomic::{AtomicBool, Ordering};

static PANIC_NEXT: AtomicBool = AtomicBool::new(false);

/// The next message to be sealed in this process panics instead.
pub fn panic_next() {
    PANIC_NEXT.store(true, Ordering::SeqCst);
}

#[expect(clippy::panic, reason = "this is what the hook is for")]
pub(crate) fn maybe_panic() {
    if PANIC_NEXT.swap(false, Ordering::SeqCst) {
        panic!("asked for by a test");
    }
}
