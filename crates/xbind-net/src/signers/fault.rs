use std::fmt;

use xbind::{Error, ErrorKind};

use crate::FetchError;

/// Why a key that is elsewhere has not signed: a sentence that holds nothing secret and no word of whoever keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignerFault {
    /// Too many signatures are waited for.
    Busy,
    /// None came within so many milliseconds.
    Slow(u64),
    /// What came is no signature by that key over these bytes.
    Lied,
    /// The server cannot be asked, or its answer not be taken.
    Fetch(FetchError),
    /// It refused, with this status.
    Status(u16),
    /// It said what nobody documents.
    Strange,
    /// The file with the token or the PIN cannot be read, or holds none.
    Secret,
    /// What the owner says of the key's place is wrong.
    Config(&'static str),
    /// There is no such key.
    NoKey,
    /// There is no such token, or it was removed.
    NoToken,
    /// What names one names several.
    Several,
    /// The token has refused the PIN, which is not tried again before it is another one.
    Pin,
    /// The module cannot be loaded, or has failed.
    Module,
    /// It is a key for something else than Ed25519.
    NotEd25519,
    /// A fault of ours, or a thread that could not be started.
    Internal,
}

impl SignerFault {
    /// Whether nobody is there to be asked, so that the next who asks had better not wait as long.
    pub(crate) const fn is_absence(&self) -> bool {
        matches!(self, Self::Slow(_) | Self::Fetch(_) | Self::Module | Self::NoToken)
    }
}

impl fmt::Display for SignerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too many signatures are waited for",
            Self::Slow(ms) => return write!(f, "the signer gave no signature within {ms} ms"),
            Self::Lied => "the signer gave something else than a signature by its key",
            Self::Fetch(error) => return write!(f, "the signer cannot be asked: {error}"),
            Self::Status(status) => return write!(f, "the signer refused, with status {status}"),
            Self::Strange => "the signer's answer cannot be read",
            Self::Secret => "the file with the signer's token or PIN cannot be read, or holds none",
            Self::Config(why) => why,
            Self::NoKey => "the signer has no such key",
            Self::NoToken => "the PKCS#11 module has no such token",
            Self::Several => "several tokens or keys of the PKCS#11 module are named so",
            Self::Pin => "the token has refused its PIN",
            Self::Module => "the PKCS#11 module cannot be loaded, or has failed",
            Self::NotEd25519 => "the signer's key is not for Ed25519",
            Self::Internal => "asking the signer has failed",
        })
    }
}

impl std::error::Error for SignerFault {}

impl From<FetchError> for SignerFault {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<SignerFault> for Error {
    fn from(fault: SignerFault) -> Self {
        let error = Self::new(ErrorKind::SignFailed, fault.to_string());
        if fault == SignerFault::Lied {
            return error.with_hint("its key was replaced, or it is not what it says: look there before you go on");
        }
        error
    }
}
