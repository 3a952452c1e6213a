//! A gateway over real sockets: an issuer, servers behind it that say what they are told to, and somebody who asks by hand.

#[path = "../../../xbind-authority/tests/common/folder.rs"]
pub mod folder;

#[path = "../../../xbind-authority/tests/common/dns.rs"]
pub mod dns;

pub mod authority;
pub mod client;
pub mod tokens;
pub mod upstream;
pub mod world;

use std::time::Duration;

pub use folder::Folder;
use xbind::SigningKey;

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// Waits for it, a minute at most.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came so");
}

pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    xbind_runtime::random(&mut bytes).unwrap();
    bytes
}
