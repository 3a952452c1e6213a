//! A server, and somebody who talks to it over real sockets.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that panics fails"
)]

pub mod client;
pub mod dns;
pub mod exchange;
pub mod folder;
pub mod issuer;
pub mod killed;
pub mod oauth;
pub mod probe;
pub mod softhsm;
pub mod story;
pub mod transit;
pub mod world;

pub use folder::Folder;
use xbind::SigningKey;

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// Waits for it, a minute at most.
pub fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("it never came so");
}
