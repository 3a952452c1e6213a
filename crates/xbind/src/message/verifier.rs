//! Opening messages from any transport, with all that has to be remembered between them.

use std::collections::HashSet;

use crate::error::{ErrorKind, Result};
use crate::identity::did::Did;
use crate::message::MessageId;
use crate::message::open::{Authentic, VerifiedMessage, authenticate};
use crate::message::recipient::{Caches, PendingCall, Policy, Recipient};
use crate::message::replay::ReplayWindow;
use crate::message::roots::RootCache;
use crate::message::sender::SenderCache;

/// How many keys and batch roots it remembers having verified.
const KNOWN: usize = 4096;

/// Opens what is addressed to one DID. Threads may share it.
pub struct MessageVerifier {
    policy: Policy,
    replay: ReplayWindow,
    known: Caches,
    /// Everybody, or these.
    allowed: Option<HashSet<Did>>,
    asks: bool,
}

/// A message that was opened.
pub enum Opening<B> {
    /// It has passed every check.
    Accepted(VerifiedMessage<B>),
    /// It is genuine, and somebody has to be asked before [`MessageVerifier::accept`].
    Waits(Authentic),
}

impl MessageVerifier {
    /// With room for that many messages in its replay window. `allowed` are all whose messages it takes; everybody's without.
    /// One that `asks` lets every message wait, and not only those about a call.
    #[must_use]
    pub fn new(policy: Policy, max_tracked: usize, allowed: Option<HashSet<Did>>, asks: bool) -> Self {
        let known = Caches { senders: SenderCache::new(KNOWN), roots: RootCache::new(KNOWN) };
        Self { policy, replay: ReplayWindow::new(max_tracked), known, allowed, asks }
    }

    /// Opens a message, up to the question that has to be asked about it.
    ///
    /// # Errors
    /// Those of [`authenticate`] and [`Authentic::accept`], and `NOT_ALLOWED`.
    pub fn open<B: AsRef<[u8]>>(&self, now: u64, jws: &str, body: B, token: Option<&str>) -> Result<Opening<B>> {
        self.with_recipient(|recipient| {
            let message = authenticate(recipient, now, jws, body.as_ref().len())?;
            if self.asks || message.in_reply_to().is_some() {
                return Ok(Opening::Waits(message));
            }
            message.accept(recipient, now, body, token, None).map(Opening::Accepted)
        })
    }

    /// Goes on with a message that waits, at the same time and with the same body; `call` is the JWS of the call that it
    /// claims to be about.
    ///
    /// # Errors
    /// Those of [`Authentic::accept`].
    pub fn accept<B: AsRef<[u8]>>(
        &self,
        message: Authentic,
        now: u64,
        body: B,
        token: Option<&str>,
        call: Option<&str>,
    ) -> Result<VerifiedMessage<B>> {
        let read = if message.op().is_reply() { PendingCall::of } else { PendingCall::running };
        let call = message.in_reply_to().zip(call).and_then(|(claimed, jws)| read(&claimed.id, jws));
        self.with_recipient(|recipient| message.accept(recipient, now, body, token, call.as_ref()))
    }

    /// Takes back that a message of that sender and id was accepted, of which nothing was begun: it may come again, as it is.
    pub fn forget(&self, sender: &Did, id: &MessageId) {
        self.replay.forget(sender, id);
    }

    fn with_recipient<T>(&self, use_recipient: impl FnOnce(&Recipient<'_>) -> T) -> T {
        let Self { policy, replay, known, allowed, .. } = self;
        let refused = |sender: &Did, _| {
            let is_allowed = allowed.as_ref().is_none_or(|allowed| allowed.contains(sender));
            (!is_allowed).then_some(ErrorKind::NotAllowed)
        };
        use_recipient(&Recipient { policy, known, replay, refused: &refused })
    }
}
