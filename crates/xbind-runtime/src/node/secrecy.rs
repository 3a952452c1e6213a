//! Bodies that nobody reads on the way: a key of this process to which others encrypt, and theirs.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use hashbrown::HashMap;
use xbind::{
    AnswerKey, DecryptionKey, Digest, EncryptionKey, Envelope, Error, ErrorKind, Handled, Op, Result, Secrecy,
    VerifiedMessage, encrypt,
};
use zeroize::Zeroizing;

use crate::agent::Agent;
use crate::agent::outbox::Outgoing;
use crate::node::Node;
use crate::port::event::{Body, Outcome};
use crate::sync::{Lock, clock};
use crate::transport::{Peer, Remote, Route};

/// Keys of others that a node remembers.
const MAX_KEYS: usize = 65_536;

#[derive(Default)]
pub(crate) struct Secrets {
    own: OnceLock<DecryptionKey>,
    keys: Mutex<HashMap<Remote, EncryptionKey>>,
}

/// A message as its handler reads it, what it presents, and what its answers are sealed with.
type Readable = (VerifiedMessage<Body>, Option<String>, Option<Arc<Answers>>);

/// What both sides of an encrypted call know from it, and to which key it was encrypted.
pub(crate) struct Answers {
    key: AnswerKey,
    pub(crate) named: Digest,
}

impl Answers {
    pub(crate) fn read(&self, answer: VerifiedMessage<Body>) -> Result<VerifiedMessage<Body>> {
        self.key.decrypt_message(answer)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers(..)")
    }
}

impl Secrets {
    /// A connection is lost: whoever is there next has another key.
    pub(crate) fn drop_route(&self, route: Route) {
        self.keys.guard().retain(|peer, _| peer.route != route);
    }
}

impl Node {
    /// From now on nothing but encrypted bodies goes to agents elsewhere, or is taken from them. Gives the key, which is made once and
    /// lives as long as the node, for a transport to show in what its agents sign.
    ///
    /// # Errors
    /// `INTERNAL` where the system has no randomness.
    pub fn encrypt(&self) -> Result<EncryptionKey> {
        if self.secrets.own.get().is_none() {
            let mut random = Zeroizing::new([0; 32]);
            clock::random(&mut *random)?;
            let _ = self.secrets.own.set(DecryptionKey::derive(&random));
        }
        self.own_key().ok_or_else(|| Error::new(ErrorKind::Internal, "there is no key"))
    }

    /// The key to which bodies for agents here are encrypted.
    #[must_use]
    pub fn own_key(&self) -> Option<EncryptionKey> {
        self.secrets.own.get().map(|key| *key.public())
    }

    /// That agent says, signed, to which key of its process bodies are encrypted.
    pub fn learn_key(&self, peer: Remote, key: EncryptionKey) {
        let mut keys = self.secrets.keys.guard();
        if keys.len() >= MAX_KEYS {
            keys.clear(); // they are learned again with each look-up
        }
        keys.insert(peer, key);
    }

    pub(crate) fn secrecy(&self) -> Secrecy {
        self.own_key().map_or(Secrecy::None, |key| Secrecy::Required(key.digest()))
    }

    /// Reads a call or send that came in.
    pub(crate) fn read(&self, message: VerifiedMessage<Body>, token: Option<String>) -> Result<Readable> {
        let Some(named) = message.encryption().copied() else { return Ok((message, token, None)) };
        let none = || Error::new(ErrorKind::DecryptionFailed, "there is no key here");
        let own = self.secrets.own.get().ok_or_else(none)?;
        let (message, token, key) = own.decrypt_message(message, token.as_deref())?;
        Ok((message, token, Some(Arc::new(Answers { key, named }))))
    }
}

/// Encrypts what leaves for elsewhere, just before it is signed. Calls of which nothing may be sent end.
pub(crate) fn encrypt_all(sender: &Agent, batch: &mut Vec<Outgoing>) {
    batch.retain_mut(|outgoing| {
        let Err(error) = encrypt_one(sender, outgoing) else { return true };
        let outcome = Outcome::Failed { error: error.with_handled(Handled::No), remote: None };
        if outgoing.call.is_some() {
            sender.settle_request(&outgoing.id, outcome);
        }
        false
    });
}

fn encrypt_one(sender: &Agent, outgoing: &mut Outgoing) -> Result<()> {
    let Peer::There(peer) = &outgoing.to else { return Ok(()) };
    let envelope = Envelope { from: *sender.did(), to: peer.did, id: outgoing.id };
    if let Some(answers) = peer.answers.as_ref() {
        if matches!(outgoing.op, Op::Result | Op::Part | Op::Progress | Op::Error) {
            outgoing.body = answers.key.seal(&envelope, &outgoing.body)?.into();
            outgoing.details.encryption = Some(answers.named);
        }
        return Ok(());
    }
    let Some(number) = outgoing.call else { return Ok(()) };
    let secrets = &sender.node.secrets;
    let Some(key) = secrets.keys.guard().get(&***peer).copied() else {
        return if secrets.own.get().is_some() { Err(plain()) } else { Ok(()) };
    };
    let mut random = Zeroizing::new([0; 32]);
    clock::random(&mut *random)?;
    let encrypted = encrypt(&key, &envelope, &outgoing.body, outgoing.token.as_deref(), &random)?;
    sender.check_size(encrypted.body.len())?;
    (outgoing.body, outgoing.token) = (encrypted.body.into(), encrypted.token);
    outgoing.details.encryption = Some(encrypted.key);
    let answers = Arc::new(Answers { key: encrypted.answers, named: encrypted.key });
    sender.port.calls.guard().encrypted(number, answers, &outgoing.body);
    Ok(())
}

fn plain() -> Error {
    Error::new(ErrorKind::EncryptionRequired, "the recipient shows no key, so nothing was sent")
        .with_hint("have its bus encrypt, too")
}
