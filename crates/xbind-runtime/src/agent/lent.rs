//! Tokens that an agent is lent, and who hears where one of them is refused.

use std::sync::Arc;

use xbind::ErrorKind;

use crate::agent::Agent;
use crate::handle::Handle;
use crate::port::calls::Call;
use crate::port::event::Outcome;
use crate::sync::after::{Task, later};

/// Whoever gives an agent the tokens that it presents, and keeps them for the next call.
pub trait Lender: Send + Sync {
    /// By which a token is known again.
    fn mark(&self, token: &str) -> u64;

    /// Somebody who was called has refused what is marked so, by his signature, because it was revoked. It must not block.
    fn revoked(&self, mark: u64);
}

impl Agent {
    /// Tells this one of tokens that are refused; the first one stays.
    pub fn lend_tokens_by(&self, lender: Arc<dyn Lender>) {
        let _ = self.lender.set(lender);
    }

    /// What to know a call by that presents this.
    pub(crate) fn lent(&self, presented: Option<&String>) -> Option<u64> {
        let token = presented?.split('~').next()?;
        self.lender.get().map(|lender| lender.mark(token))
    }

    pub(crate) fn lent_in_vain(&self, mark: u64) {
        if let Some(lender) = self.lender.get() {
            lender.revoked(mark);
        }
    }
}

impl Handle {
    /// The same of this agent.
    pub fn lend_tokens_by(&self, lender: Arc<dyn Lender>) {
        self.agent.lend_tokens_by(lender);
    }
}

impl Call {
    /// That reply has ended it.
    pub(crate) fn was_answered(&self, outcome: &Outcome) {
        if let Some(mark) = self.lent
            && outcome.is(ErrorKind::Revoked)
        {
            later(Task::LentInVain(self.caller.clone(), mark));
        }
    }
}
