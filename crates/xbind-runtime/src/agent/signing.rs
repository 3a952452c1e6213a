//! Signatures from a key that is not here: proof that it is there, then batch by batch.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use xbind::{Error, ErrorKind, MessageId, Unsigned, UnsignedJws};

use crate::agent::Agent;
use crate::agent::outbox::Outgoing;
use crate::flush;
use crate::port::event::Event;
use crate::sync::Lock;
use crate::sync::clock;

/// What stands before the DID and 32 fresh bytes in what a key elsewhere signs to join a node. No statement of this
/// library begins so.
const JOIN_CONTEXT: &[u8] = b"xbind-join-v1\0";

/// How long a provider may take to sign an answer to a caller elsewhere, who cannot say that it has given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the identity provider was asked to sign.
pub(crate) struct Asked {
    /// Which asking it was, so that a late answer is not taken for another's.
    round: u32,
    what: What,
}

enum What {
    /// That the key is there. Once it has kept a call waiting for too long, the next call asks again for the same.
    Proof { challenge: Vec<u8>, overdue: bool },
    Batch {
        unsigned: Unsigned,
        batch: Vec<Outgoing>,
        /// Calls, made or answered here, that somebody here still waits for.
        awaited: HashSet<MessageId>,
        /// Until then it may also be waited for elsewhere.
        until: Option<Instant>,
    },
}

impl Asked {
    /// The messages that go nowhere when the agent does.
    pub(crate) fn into_batch(self) -> Vec<Outgoing> {
        match self.what {
            What::Proof { .. } => Vec::new(),
            What::Batch { batch, .. } => batch,
        }
    }
}

/// The most requests that an agent has under way to its identity provider beside its messages.
const MAX_STATEMENTS: usize = 16;

/// What is signed beside messages: what says where the agent is, or a request to a server.
pub(crate) struct Statement {
    round: u32,
    is_presence: bool,
    bytes: Vec<u8>,
    done: Box<dyn FnOnce(Option<[u8; 64]>) + Send>,
}

impl Statement {
    /// There will be no signature.
    pub(crate) fn give_up(self) {
        (self.done)(None);
    }
}

/// Told of a statement once it is signed; none if it is not.
pub(crate) type Signed = Box<dyn FnOnce(Option<String>) + Send>;

impl Agent {
    /// Signs a statement for a transport, here and now or, where the key is elsewhere, once it has answered. Whoever asks
    /// later takes the place of who asked before.
    pub(crate) fn state(self: &Arc<Self>, unsigned: UnsignedJws, done: Signed) {
        let bytes = unsigned.to_sign().as_bytes().to_vec();
        let finish = |signature: Option<[u8; 64]>| done(signature.map(|signature| unsigned.finish(&signature)));
        self.sign_beside(bytes, true, Box::new(finish));
    }

    /// Signs what is no message, such as a request to a server, here and now or, where the key is elsewhere, once it has
    /// answered; none where it does not, or too much is asked of it, or the agent is closed. No lock may be held.
    pub fn sign(self: &Arc<Self>, bytes: Vec<u8>, done: impl FnOnce(Option<[u8; 64]>) + Send + 'static) {
        self.sign_beside(bytes, false, Box::new(done));
    }

    fn sign_beside(
        self: &Arc<Self>,
        bytes: Vec<u8>,
        is_presence: bool,
        done: Box<dyn FnOnce(Option<[u8; 64]>) + Send>,
    ) {
        if self.remote.is_none() {
            return done(self.with_key(|key| key.sign(&bytes)));
        }
        let mut outbox = self.outbox.guard();
        let others = outbox.statements.iter().filter(|statement| !statement.is_presence).count();
        if outbox.closed || (!is_presence && others >= MAX_STATEMENTS) {
            drop(outbox);
            return done(None);
        }
        let round = outbox.rounds.wrapping_add(1);
        outbox.rounds = round;
        let at = outbox.statements.iter().position(|statement| is_presence && statement.is_presence);
        let before = at.map(|at| outbox.statements.swap_remove(at));
        outbox.statements.push(Statement { round, is_presence, bytes: bytes.clone(), done });
        self.port.push(Event::Sign { agent: self.number, round, bytes });
        drop(outbox);
        if let Some(before) = before {
            before.give_up();
        }
    }

    /// Asks for a signature over a fresh challenge, unless one is under way. The agent is listed once it has come.
    pub(crate) fn prove(self: &Arc<Self>) -> xbind::Result<()> {
        let mut challenge = JOIN_CONTEXT.to_vec();
        challenge.extend_from_slice(self.did().as_str().as_bytes());
        let mut fresh = [0; 32];
        clock::random(&mut fresh)?;
        challenge.extend_from_slice(&fresh);
        if self.node.is_stopped(self.did()) {
            return Ok(());
        }
        self.node.expect_proof(self);
        let mut outbox = self.outbox.guard();
        if let Some(Asked { round, what: What::Proof { challenge, overdue } }) = outbox.asked.as_deref_mut()
            && std::mem::take(overdue)
        {
            let (round, bytes) = (*round, challenge.clone()); // whichever answer comes first will do
            self.port.push(Event::Sign { agent: self.number, round, bytes });
            return Ok(());
        }
        if outbox.listed || outbox.closed || outbox.asked.is_some() {
            let unasked = outbox.asked.is_none();
            drop(outbox);
            if unasked {
                self.node.give_up(self);
            }
            return Ok(());
        }
        let round = outbox.rounds.wrapping_add(1);
        outbox.rounds = round;
        outbox.asked =
            Some(Box::new(Asked { round, what: What::Proof { challenge: challenge.clone(), overdue: false } }));
        self.port.push(Event::Sign { agent: self.number, round, bytes: challenge });
        Ok(())
    }

    /// Asks the identity provider. The answer comes to [`Agent::signed`].
    pub(crate) fn ask_signature(&self, unsigned: Unsigned, batch: Vec<Outgoing>) {
        let bytes = unsigned.to_sign().to_vec();
        let awaited = batch.iter().filter(|outgoing| outgoing.is_ours()).map(|outgoing| *outgoing.request_id());
        let awaited: HashSet<_> = awaited.collect();
        let is_elsewhere = awaited.len() < batch.len();
        let until = is_elsewhere.then(|| self.node.time().now().checked_add(PATIENCE)).flatten();
        let mut outbox = self.outbox.guard();
        let round = outbox.rounds.wrapping_add(1);
        outbox.rounds = round;
        outbox.asked = Some(Box::new(Asked { round, what: What::Batch { unsigned, batch, awaited, until } }));
        self.port.push(Event::Sign { agent: self.number, round, bytes });
    }

    /// Nobody waits for the end of that call any more. A provider that does not answer holds up only those who do.
    pub(crate) fn forget_asked(self: &Arc<Self>, request: &MessageId) {
        let mut outbox = self.outbox.guard();
        match outbox.asked.as_deref_mut().map(|asked| &mut asked.what) {
            Some(What::Batch { batch, awaited, until, .. }) => {
                if awaited.remove(request)
                    && let Some(outgoing) = batch.iter_mut().find(|outgoing| outgoing.request_id() == request)
                {
                    outgoing.slot = None; // its recipient may have use for the room
                }
                if awaited.is_empty() && until.is_none_or(|until| until <= self.node.time().now()) {
                    outbox.asked = None;
                    drop(outbox);
                    self.batch_done();
                }
            }
            Some(What::Proof { overdue, .. }) => *overdue = true,
            None => {}
        }
    }

    /// The identity provider's answer; none if it failed.
    pub(crate) fn signed(self: &Arc<Self>, round: u32, signature: Option<[u8; 64]>) -> bool {
        let _entry = crate::sync::after::enter();
        let statement = {
            let mut outbox = self.outbox.guard();
            let at = outbox.statements.iter().position(|statement| statement.round == round);
            at.map(|at| outbox.statements.swap_remove(at))
        };
        if let Some(Statement { bytes, done, .. }) = statement {
            let is_valid = |signature: &[u8; 64]| self.remote.as_ref().is_some_and(|key| key.verify(&bytes, signature));
            let signature = signature.filter(is_valid);
            done(signature);
            return signature.is_some();
        }
        let asked = self.outbox.guard().asked.take_if(|asked| asked.round == round);
        let Some(asked) = asked else { return true };
        let is_valid = |bytes: &[u8]| {
            signature.filter(|signature| self.remote.as_ref().is_some_and(|key| key.verify(bytes, signature)))
        };
        let failed = || {
            Error::new(ErrorKind::SignFailed, "the identity provider gave no valid signature")
                .with_hint("sign the bytes as they are, with the Ed25519 key of its DID, and return 64 bytes")
        };
        match asked.what {
            What::Proof { challenge, .. } => {
                let proved = is_valid(&challenge).map(|_| ()).ok_or_else(failed);
                let is_proved = proved.is_ok();
                self.node.proved(self, proved);
                is_proved
            }
            What::Batch { unsigned, batch, .. } => {
                let signature = is_valid(unsigned.to_sign());
                match signature {
                    Some(signature) => flush::carry(self, unsigned.finish(&signature), batch),
                    None => flush::fail(self, batch, &failed()),
                }
                self.batch_done();
                signature.is_some()
            }
        }
    }

    /// The key is shown to be there: what waited goes out.
    pub(crate) fn listed(self: &Arc<Self>) {
        self.let_speak();
    }

    /// The key could not be shown to be there: what waited fails. The next call asks again.
    pub(crate) fn unproved(self: &Arc<Self>, error: &Error) {
        let waiting = {
            let mut outbox = self.outbox.guard();
            outbox.drain()
        };
        let pending = self.port.calls.guard().numbers_of(self);
        flush::fail(self, waiting, error);
        for number in pending {
            self.fail_call(number, error.clone());
        }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("round", &self.round).finish_non_exhaustive()
    }
}
