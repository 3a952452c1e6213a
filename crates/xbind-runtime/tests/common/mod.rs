//! A network, a clock and an executor that a test owns: everything happens in an order that one number decides.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

pub mod calls;
mod network;
pub mod policies;
pub mod streams;
mod world;

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

pub use network::{Faults, Happening, Net};
pub use world::{Spawned, World, sleep};
use xbind::{Did, SigningKey};
use xbind_runtime::Payload;
use xbind_runtime::transport::{RemoteSigner, SignDone};

/// xorshift64*: small, and the same everywhere.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        rng.next();
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// 0 to `n` - 1.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn percent(&mut self, p: u64) -> bool {
        self.below(100) < p
    }
}

/// A key elsewhere that is slow, fails, signs wrongly or never answers, in percent.
pub struct Provider {
    pub net: Net,
    pub key: SigningKey,
    /// The DID that it names, which may be another's.
    pub did: Did,
    pub faults: [u64; 4],
}

impl RemoteSigner for Provider {
    fn did(&self) -> &Did {
        &self.did
    }

    fn sign(&self, bytes: Vec<u8>, done: SignDone) {
        let signature = self.key.sign(&bytes);
        let mut inner = self.net.inner();
        let [slow, fails, wrong, never] = self.faults;
        let p = inner.rng.below(100);
        if p < never {
            inner.kept_signs.push(done);
        } else if p < never + fails {
            let when = inner.now + inner.rng.below(300);
            inner.plan(when, Happening::Signed(done, None));
        } else if p < never + fails + wrong {
            let when = inner.now + inner.rng.below(300);
            inner.plan(when, Happening::Signed(done, Some([7; 64])));
        } else if inner.rng.percent(slow) {
            let when = inner.now + inner.rng.below(2000);
            inner.plan(when, Happening::Signed(done, Some(signature)));
        } else {
            drop(inner);
            done.signed(signature);
        }
    }
}

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub fn json(text: &str) -> Payload {
    Payload::Json(text.to_owned())
}

pub fn text(payload: &Payload) -> String {
    match payload {
        Payload::Json(text) => text.clone(),
        Payload::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Runs a future on this thread, where other threads do the work.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}
