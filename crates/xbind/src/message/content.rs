//! The bytes that travel beside a message, and their digest.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use crate::message::Digest;

/// Bytes that a message is signed for: plain ones, or [`Hashed`].
pub trait Content: sealed::Content {}

impl<T: sealed::Content + ?Sized> Content for T {}

pub(crate) mod sealed {
    use crate::message::Digest;

    /// Whoever could implement it could say that a digest is of other bytes.
    pub trait Content {
        fn bytes(&self) -> &[u8];
        fn digest(&self) -> Digest;
    }

    impl<T: AsRef<[u8]> + ?Sized> Content for T {
        fn bytes(&self) -> &[u8] {
            self.as_ref()
        }

        fn digest(&self) -> Digest {
            Digest::of(self.as_ref())
        }
    }
}

/// Bytes whose digest is computed once, by who seals or opens first: nobody can write to them. A message that stays in the process
/// need not be hashed again by its recipient.
#[derive(Clone, Default)]
pub struct Hashed {
    bytes: Vec<u8>,
    digest: OnceLock<Digest>,
}

impl Hashed {
    /// The bytes, to keep.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Deref for Hashed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hashed({} bytes)", self.bytes.len())
    }
}

impl From<Vec<u8>> for Hashed {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, digest: OnceLock::new() }
    }
}

impl sealed::Content for Hashed {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(&self.bytes))
    }
}
