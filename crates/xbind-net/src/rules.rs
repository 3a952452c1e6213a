use std::net::IpAddr;
use std::time::Duration;

use crate::FetchError;
use crate::address::{Class, class};

/// Who named an address. It decides where a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The owner of the program configured it. It may lead into a private network and to this machine, and on this machine
    /// it may be plain http; never to what is no server's, nor to a cloud's metadata.
    Owner,
    /// The owner configured its origin, and a stranger names the rest: where it may lead is the owner's word, and what it may
    /// use up a stranger's.
    Listed,
    /// It came with a card, a token or a message: https, port 443, and the public network only.
    Stranger,
}

impl Whose {
    /// The one of that name, in lower case; the least trusted for every other word.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "owner" => Self::Owner,
            "listed" => Self::Listed,
            _ => Self::Stranger,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Listed => "listed",
            Self::Stranger => "stranger",
        }
    }

    /// Whether a request may go to this address; `secure` if it is https.
    ///
    /// # Errors
    /// `NotPublic`, `Forbidden`, `NotHttps`.
    pub fn accepts(self, address: IpAddr, secure: bool) -> Result<(), FetchError> {
        match (self, class(address)) {
            (_, Class::Public) if secure => Ok(()),
            (Self::Stranger, _) => Err(FetchError::NotPublic),
            (Self::Owner | Self::Listed, Class::Never) => Err(FetchError::Forbidden),
            (Self::Owner | Self::Listed, Class::Loopback) => Ok(()),
            (Self::Owner | Self::Listed, Class::Public | Class::Private) => {
                if secure {
                    Ok(())
                } else {
                    Err(FetchError::NotHttps)
                }
            }
        }
    }
}

/// What one request may lead to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Who named the address.
    pub whose: Whose,
    /// The longest answer that is taken.
    pub max_bytes: usize,
    /// From the question to the last byte of the answer, looking up and waiting for a turn included.
    pub timeout: Duration,
    /// Media types to ask for, as the header `accept` has them.
    pub accept: String,
}

impl Rules {
    /// Whether an answer's media type is taken: one asked for, one of the same structure (`+json`), or none in particular.
    /// Loosely, because servers of static files know few types; but a page of HTML is an error or a trap.
    #[must_use]
    pub fn expects(&self, media_type: &str) -> bool {
        let essence = essence(media_type);
        if matches!(essence.as_str(), "" | "text/plain" | "application/octet-stream") {
            return true;
        }
        let structure = structure(&essence);
        structure.is_some() && self.accept.split(',').any(|asked| self::structure(&self::essence(asked)) == structure)
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What a media type is written in: its suffix (RFC 6839), or else its subtype.
fn structure(essence: &str) -> Option<&str> {
    let (_, subtype) = essence.split_once('/')?;
    subtype.rsplit('+').next()
}
