//! The digest of a body (RFC 9530 section 2).

use base64_simd::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use super::MAX_STRUCTURED_BYTES;
use super::message::malformed;
use super::sfv::{self, Bare, Item, Member};
use crate::error::{Error, ErrorKind, Result};

/// What a `Content-Digest` says of a body, by the two algorithms that are strong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests {
    sha256: Option<[u8; 32]>,
    sha512: Option<Box<[u8; 64]>>,
}

impl Digests {
    /// Algorithms that are not known are passed over; at least one must be.
    pub(crate) fn read(value: &str) -> Result<Self> {
        let wrong = || malformed("Content-Digest holds no digest by sha-256 or sha-512");
        if value.len() > MAX_STRUCTURED_BYTES {
            return Err(wrong());
        }
        let mut digests = Self::default();
        for (algorithm, member) in sfv::dictionary(value).ok_or_else(wrong)? {
            let Member::Item(Item { value: Bare::Bytes(bytes), .. }) = member else { return Err(wrong()) };
            match algorithm {
                "sha-256" => digests.sha256 = Some(bytes.as_slice().try_into().map_err(|_| wrong())?),
                "sha-512" => digests.sha512 = Some(Box::new(bytes.as_slice().try_into().map_err(|_| wrong())?)),
                _ => {}
            }
        }
        if digests.sha256.is_none() && digests.sha512.is_none() { Err(wrong()) } else { Ok(digests) }
    }

    /// # Errors
    /// `INVALID_SIGNATURE` if one of them is another.
    pub(crate) fn check(&self, body: &[u8]) -> Result<()> {
        let is_same = self.sha256.is_none_or(|digest| *Sha256::digest(body) == digest)
            && self.sha512.as_ref().is_none_or(|digest| *Sha512::digest(body) == **digest);
        if is_same {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::InvalidSignature, "the body is not the one that was signed"))
        }
    }
}

/// The field's value for a body.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    let mut value = String::with_capacity(54);
    value.push_str("sha-256=:");
    STANDARD.encode_append(Sha256::digest(body), &mut value);
    value.push(':');
    value
}
