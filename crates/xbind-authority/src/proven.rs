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
    /// What proves it: whoever sends that again proves nothing.
    pub proof: Once,
    /// What else is used up by the decision, whatever it is.
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
    /// Uses all of it up. What was used before beside the proof is within: it is refused to somebody who is proven.
    ///
    /// # Errors
    /// What the proof says of being used before.
    pub(crate) fn claim(&self, db: &Connection, now: u64) -> Result<Result<()>> {
        self.proof.claim(db, now)??;
        self.once.iter().try_fold(Ok(()), |all, once| Ok(all.and(once.claim(db, now)?)))
    }
}

impl Once {
    /// # Errors
    /// Within, what it says of being used before.
    fn claim(&self, db: &Connection, now: u64) -> Result<Result<()>> {
        let (code, why) = self.again;
        match nonce::claim(db, &self.claim, self.until, now) {
            Err(problem) if problem.kind() == Kind::Replayed => Ok(Err(Problem::oauth(code, why))),
            Err(problem) => Err(problem),
            Ok(()) => Ok(Ok(())),
        }
    }
}
