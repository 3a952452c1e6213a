//! The Node.js face: converts between JavaScript and the core, and forwards. It decides nothing, and it makes no
//! JavaScript errors: failures cross the border as data, because errors must be made in the caller's realm.

#![expect(unreachable_pub, reason = "what napi exports must be `pub`, though no Rust crate can reach it")]

mod bytes;
mod card;
mod convert;
mod events;
mod guard;
mod http;
mod identity;
mod key_file;
mod net;
mod payload;
mod port;
mod record;
mod rights;
mod serve;
mod verifier;

#[cfg(feature = "test-hooks")]
mod hooks {
    use std::sync::atomic::{AtomicBool, Ordering};

    use napi_derive::napi;

    static UNCONVERTIBLE_NEXT: AtomicBool = AtomicBool::new(false);

    /// The next payload that crosses to JavaScript cannot.
    #[napi(catch_unwind)]
    pub fn unconvertible_next() {
        UNCONVERTIBLE_NEXT.store(true, Ordering::SeqCst);
    }

    pub fn is_unconvertible() -> bool {
        UNCONVERTIBLE_NEXT.swap(false, Ordering::SeqCst)
    }

    /// The next message to be sealed in this process panics instead.
    #[napi(catch_unwind)]
    pub fn panic_next() {
        xbind_runtime::hooks::panic_next();
    }
}
