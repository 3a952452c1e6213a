//! The two things that the core asks its host for: the time and randomness.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use xbind::{Error, ErrorKind, MessageId, Result};

/// Steps back of the system clock up to this long are ironed out, in seconds.
const MAX_STEP_BACK: u64 = 5;

/// Seconds since the epoch, the same for all agents of this process. The bus opens messages without any clock skew, so a
/// small step back of the system clock must not make a message come from the future.
pub fn now() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let last = LAST.load(Ordering::Relaxed);
    if wall > last || last.saturating_sub(wall) > MAX_STEP_BACK {
        LAST.store(wall, Ordering::Relaxed);
        return wall;
    }
    last
}

/// Fills `bytes` from the operating system's random source.
///
/// # Errors
/// `INTERNAL` where the system has none.
pub fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no randomness"))
}

const POOL_BYTES: usize = 4096;

/// A fresh message id. Ids are unique, not secret, so that one system call serves 256 of them.
///
/// # Errors
/// `INTERNAL` where the system has no randomness.
pub fn message_id() -> Result<MessageId> {
    thread_local! {
        static POOL: RefCell<(Vec<u8>, usize)> = const { RefCell::new((Vec::new(), 0)) };
    }
    POOL.with_borrow_mut(|(pool, used)| {
        if pool.len().saturating_sub(*used) < 16 {
            pool.resize(POOL_BYTES, 0);
            *used = POOL_BYTES; // a failure below leaves no bytes to hand out twice
            random(pool)?;
            *used = 0;
        }
        let bytes = pool
            .get(*used..used.saturating_add(16))
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the random pool ran dry"))?;
        *used = used.saturating_add(16);
        Ok(MessageId::from_bytes(bytes))
    })
}
