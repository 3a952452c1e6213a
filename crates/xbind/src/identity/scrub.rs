//! Wiping what work with secrets leaves on the stack: copies that a compiler makes have no name to be wiped by.

use std::hint::black_box;

/// More than signing, and making a key of its seed, use of the stack.
pub(crate) const SIGNING: usize = 8 << 10;
/// More than encrypting and decrypting the body of a message use.
pub(crate) const ENCRYPTION: usize = 16 << 10;
/// More than reading, writing, encrypting and decrypting a key file use.
pub(crate) const KEY_FILE: usize = 48 << 10;

/// Does some work, then overwrites the `BYTES` of the stack below its caller. What the work returns must hold its secrets
/// on the heap: a return value is outside of what is overwritten.
pub(crate) fn after<const BYTES: usize, T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    overwrite::<BYTES>();
    done
}

/// A frame of its own, so that nothing of the work is kept in the caller's.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite<const BYTES: usize>() {
    black_box(&mut [0_u8; BYTES]);
}
