//! Who has proven himself otherwise than by signing the request.

use rusqlite::Connection;
use xbind::Did;

use crate::domain::nonce;
use crate::oauth::error::Code;
use crate::problem::{Kind, Problem, Result};

/// Who has proven himself, and what of his request counts once.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    /// By which key.
    pub from: Did,
    /// What is used up by the decision, whatever it is.
    pub once: Vec<Once>,
}

/// Something that counts once.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    /// By which the database knows it: of nothing else that counts once is it the same text.
    pub claim: String,
    /// The last second in which it could be accepted.
    pub until: u64,
    /// What whoever sends it again is told.
    pub again: (Code, &'static str),
}

impl Proven {
    /// Uses all of it up.
    ///
    /// # Errors
    /// What each says of being used before.
    pub(crate) fn claim(&self, db: &Connection, now: u64) -> Result<()> {
        for Once { claim, until, again: (code, why) } in &self.once {
            nonce::claim(db, claim, *until, now).map_err(|problem| {
                if problem.kind() == Kind::Replayed { Problem::oauth(*code, *why) } else { problem }
            })?;
        }
        Ok(())
    }
}
