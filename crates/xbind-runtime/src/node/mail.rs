//! Mail: what is sent to an agent that is away waits elsewhere, until the agent asks for messages that its inbox does not have.

use std::fmt;
use std::sync::Arc;

use xbind::message::MAX_MAIL_TTL;
use xbind::{
    DecryptionKey, Did, Digest, EncryptionKey, Error, ErrorKind, InReplyTo, MessageId, Op, Policy, Recipient, Result,
    Secrecy, authenticate,
};
use zeroize::Zeroizing;

use crate::agent::inbox::Request;
use crate::agent::room::Room;
use crate::agent::{Agent, closed};
use crate::node::Node;
use crate::port::event::Outcome;
use crate::sync::after::enter;
use crate::transport::{Arrival, CallId, Peer, There};

/// What an agent's key signs, so that nobody else knows what follows from it: the key to which its mail is encrypted.
const CONTEXT: &[u8] = b"xbind-mailbox-v1\0";

/// Mail that was opened and has its place in the inbox, and that nobody was given. Whoever drops it has accepted it for good: the same
/// mail is [`REPLAYED`](ErrorKind::Replayed) for as long as copies may be under way.
pub struct Mail {
    agent: Arc<Agent>,
    request: Request,
}

impl Mail {
    /// Who has sent it, as the signature proves.
    #[must_use]
    pub fn from(&self) -> &Did {
        self.request.message.from()
    }

    /// The id of its message.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        self.request.message.id()
    }

    /// Seconds since the epoch, by the sender's clock.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.request.message.expires_at()
    }

    /// Hands it on to its agent, once nobody else can.
    pub fn hand_on(self) {
        let _entry = enter();
        let Self { agent, request } = self;
        agent.admit(request);
    }

    /// Nothing came of it: the same mail can be opened again.
    pub fn give_back(self) {
        self.agent.forget_message(self.from(), self.id());
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("from", self.from()).field("id", self.id()).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens mail for an agent here, of senders whose clocks differ by so many seconds at most. It has a place in the inbox then, and is
    /// to be noted where all processes of that agent look before it is [handed on](Mail::hand_on).
    ///
    /// # Errors
    /// Those of docs/wire-format.md on opening. After `REVOCATION_UNKNOWN`, `REPLAY_WINDOW_FULL`, `INBOX_FULL` and `AGENT_CLOSED` it
    /// can be opened later.
    pub fn open_mail(self: &Arc<Self>, arrival: Arrival, clock_skew: u64) -> Result<Mail> {
        let Arrival { to, jws, body, token } = arrival;
        let agent =
            self.newest_of(&to).filter(|agent| !agent.is_closed() && !agent.is_retiring()).ok_or_else(closed)?;
        let key = self.mail_key_of(&agent)?;
        let is_needed = self.own_key().is_some();
        let secrecy = key.as_ref().map_or(Secrecy::None, |key| {
            let named = key.public().digest();
            if is_needed { Secrecy::Required(named) } else { Secrecy::Offered(named) }
        });
        let policy = Policy { mail: Some(MAX_MAIL_TTL.into()), secrecy, ..agent.policy(clock_skew, 0, None) };
        let now = self.time().unix();
        let recipient = Recipient {
            policy: &policy,
            known: &self.known,
            replay: &agent.memory().replay,
            refused: &|sender, _| self.check_running(&[sender, agent.did()]).err().map(|error| error.kind()),
        };
        let message = authenticate(&recipient, now, &jws, body.len())?;
        if message.op() != Op::Mail {
            return Err(Error::new(ErrorKind::MalformedMessage, "the message is no mail"));
        }
        let size = body.len().saturating_add(token.as_ref().map_or(0, String::len));
        let slot = Room::take(&agent, message.from(), size);
        let slot = slot.ok_or_else(|| Error::new(ErrorKind::InboxFull, "the inbox has no room for this mail"))?;
        let message = message.accept(&recipient, now, body, token.as_deref(), None)?;
        let (message, token) = match key.filter(|_| message.encryption().is_some()) {
            Some(key) => key.decrypt_message(message, token.as_deref()).map(|(message, token, _)| (message, token))?,
            None => (message, token),
        };
        let reference = InReplyTo::of(*message.id(), &jws);
        let caller = Peer::There(There::mute(*message.from()));
        let (token, slot) = (token.map(Arc::from), Some(slot));
        let request =
            Request { message, token, case: None, version: 0, reference, caller, asked: None, until: None, slot };
        Ok(Mail { agent, request })
    }

    /// The key to which mail for an agent here is to be encrypted, where bodies are: whatever process has the agent's key has it.
    ///
    /// # Errors
    /// `AGENT_CLOSED`; `INVALID_CONFIG` where the agent's key is elsewhere, and bodies are encrypted.
    pub fn mail_key(&self, did: &Did) -> Result<Option<EncryptionKey>> {
        let agent = self.newest_of(did).filter(|agent| !agent.is_closed()).ok_or_else(closed)?;
        let key = self.mail_key_of(&agent)?.filter(|_| self.own_key().is_some());
        Ok(key.map(|key| *key.public()))
    }

    fn mail_key_of(&self, agent: &Agent) -> Result<Option<DecryptionKey>> {
        if agent.is_remote() && self.own_key().is_none() {
            return Ok(None);
        }
        if agent.is_remote() {
            return Err(Error::new(ErrorKind::InvalidConfig, "mail cannot be encrypted to a key that is elsewhere")
                .with_hint("give the agent a key of its own, or a bus that does not encrypt"));
        }
        let signature = agent.with_key(|key| Zeroizing::new(key.sign(CONTEXT))).ok_or_else(closed)?;
        let secret = Zeroizing::new(*Digest::of(&*signature).as_bytes());
        Ok(Some(DecryptionKey::derive(&secret)))
    }

    /// That send is kept for that agent, which is away: whoever keeps it has said so.
    pub fn kept(&self, call: CallId, to: Did) {
        let _entry = enter();
        for agent in self.agents_of(&call.caller) {
            agent.settle_request(&call.id, Outcome::Kept { to });
        }
    }
}
