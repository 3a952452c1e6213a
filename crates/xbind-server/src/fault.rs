//! Why a server cannot do what whoever runs it wants.

use std::fmt;

/// Why a server cannot start or go on, or its files cannot be used: a sentence for whoever runs it.
#[derive(Debug)]
pub struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("the database has failed: {error}"))
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self(format!("a file cannot be read or written: {error}"))
    }
}

impl From<xbind::Error> for Fault {
    fn from(error: xbind::Error) -> Self {
        Self(error.to_string())
    }
}

/// A fault with that sentence.
pub fn fault(why: impl Into<String>) -> Fault {
    Fault(why.into())
}
