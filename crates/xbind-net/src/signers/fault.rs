use std::fmt;
use std::path::PathBuf;

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
    /// The token wants a PIN, and none is named.
    NoPin,
    /// That file is no module that can be loaded.
    NotLoaded(PathBuf),
    /// The module of that file does not begin.
    NotBegun(PathBuf),
    /// The module has failed.
    Module,
    /// It is a key for something else than Ed25519.
    NotEd25519,
    /// A fault of ours, or a thread that could not be started.
    Internal,
}

impl SignerFault {
    /// Whether nobody is there to be asked, so that the next who asks had better not wait as long.
    pub(crate) const fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Slow(_) | Self::Fetch(_) | Self::Module | Self::NotLoaded(_) | Self::NotBegun(_) | Self::NoToken
        )
    }

    /// What to do about it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "there is nothing to do about the others here")]
    const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Lied => "its key was replaced, or it is not what it says: look there before you go on",
            Self::Secret => "look whether the file or variable is there, may be read, and holds one line",
            Self::NoKey => "look at its label and id there; both halves of the pair need them",
            Self::NoToken => "look at its label; SoftHSM finds its tokens by the variable SOFTHSM2_CONF",
            Self::Several => "name the key by its id as well, and the token by its slot",
            Self::Pin => "it is not tried again before it is another one: a token locks itself after a few",
            Self::NoPin => "name a file with it as pinFile, or a variable of the environment as pinEnv",
            Self::NotLoaded(_) => "look whether it is there, and a PKCS#11 library for this system",
            Self::NotBegun(_) => {
                "it may miss settings of its own: SoftHSM the file that the variable SOFTHSM2_CONF names"
            }
            _ => return None,
        })
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
            Self::NoPin => "the token wants a PIN, and none is named",
            Self::NotLoaded(path) => return write!(f, "the PKCS#11 module {} cannot be loaded", path.display()),
            Self::NotBegun(path) => return write!(f, "the PKCS#11 module {} does not begin", path.display()),
            Self::Module => "the PKCS#11 module has failed",
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
        match fault.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
