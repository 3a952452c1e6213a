//! Agents of Rust programs: a [`Handle`] is an agent on a node, with calls that are futures.

pub(crate) mod desk;
pub(crate) mod desks;
pub(crate) mod incoming;
pub(crate) mod signal;
pub(crate) mod witness;

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::mem::take;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use xbind::{Did, Error, ErrorKind, Result, SigningKey, VerifyingKey};

use crate::agent::Agent;
use crate::agent::inbox::Letter;
use crate::guard::policy::{Allow, Policies};
use crate::handle::desk::{Asked, Desk, Waits, note};
use crate::handle::incoming::Incoming;
use crate::handle::witness::Witness;
use crate::node::Node;
use crate::port::Port;
use crate::port::asking::NewCall;
use crate::port::event::{Outcome, Payload};
use crate::port::progress::Progress;
use crate::port::sink::WINDOW;
use crate::sync::Lock;
use crate::transport::RemoteSigner;
use crate::{AgentOptions, Signer};

/// Where the key of a [`Handle`] is.
#[expect(clippy::large_enum_variant, reason = "handed over once")]
pub enum Key {
    /// Here; it is wiped when the handle is dropped.
    Local(SigningKey),
    /// Elsewhere.
    Elsewhere(Arc<dyn RemoteSigner>),
}

/// How a call is made.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// How long to wait; half a minute where nothing is said.
    pub timeout: Option<Duration>,
    /// A token for the agent that is called, or what else is presented.
    pub token: Option<String>,
    /// The method asked for: 1 to 128 of `A-Z a-z 0-9 _ . -`.
    pub method: Option<String>,
    /// Where it belongs in a trace (W3C Trace Context).
    pub traceparent: Option<String>,
    /// With it, each part and each word of progress starts `timeout` anew, up to this time for the whole call. Streams have
    /// ten minutes where nothing is said.
    pub total: Option<Duration>,
    /// Of a stream: how many parts may come ahead of its reader; [`WINDOW`](crate::WINDOW) where nothing is said.
    pub window: Option<u64>,
    /// The call may run twice without harm: see [`NewCall::idempotent`].
    pub idempotent: bool,
}

const TIMEOUT: Duration = Duration::from_secs(30);
const STREAM_TOTAL: Duration = Duration::from_secs(600);

/// An agent. Dropping the handle closes it. Its futures run on any executor; what waits is done on a thread of the node's.
pub struct Handle {
    node: Arc<Node>,
    desk: Arc<Desk>,
    pub(crate) agent: Arc<Agent>,
    number: u32,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whom it is for.
    pub to: Did,
    /// It waits in a mailbox, and the recipient has signed for nothing.
    pub kept: bool,
}

/// An answer in parts. Dropping it gives the call up, and the handler on the other side is told.
pub struct Stream {
    waits: Waits,
    /// How it ended, once it has.
    end: Option<Result<Payload>>,
}

impl Stream {
    /// The next part; none when the answer is whole. [`Stream::value`] has what it ended with.
    ///
    /// # Errors
    /// Those of docs/errors.md on messages and delivery; `REPLY_MISMATCH` where a part is missing. Whatever the error, there
    /// is no part after it.
    pub async fn next(&mut self) -> Result<Option<Payload>> {
        if let Some(end) = &self.end {
            return end.as_ref().map(|_| None).map_err(Clone::clone);
        }
        let outcome = match poll_fn(|context| self.waits.poll_part(context)).await {
            Ok(part) => return Ok(Some(part)),
            Err(outcome) => outcome,
        };
        let end = match outcome {
            Outcome::Answer { payload, .. } => Ok(payload),
            Outcome::Failed { error, .. } => Err(error),
            Outcome::Delivered { to } | Outcome::Kept { to } => Err(no_handler(&to)),
        };
        let told = end.as_ref().map(|_| None).map_err(Clone::clone);
        self.end = Some(end);
        told
    }

    /// What the answer ended with; none before.
    #[must_use]
    pub fn value(&self) -> Option<&Payload> {
        self.end.as_ref()?.as_ref().ok()
    }

    /// The last word of progress, once.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.waits.progress()
    }
}

impl Node {
    /// Makes an agent of a Rust program. Its calls go out and its answers come in on a thread of the node's, unless its
    /// time is driven: then with [`Node::drive`].
    ///
    /// # Errors
    /// `INVALID_NAME`, `INVALID_CONFIG`, `INVALID_DID` of a remote signer, `AGENT_CLOSED` for a closed node.
    pub fn join(self: &Arc<Self>, key: Key, name: Option<String>, options: AgentOptions) -> Result<Handle> {
        let (signer, elsewhere) = match key {
            Key::Local(key) => (Signer::Local(key), None),
            Key::Elsewhere(signer) => {
                let key = VerifyingKey::from_did(signer.did().as_str())?;
                (Signer::Elsewhere(key), Some(signer))
            }
        };
        let bell = Arc::downgrade(self);
        let wake = move || {
            if let Some(node) = bell.upgrade() {
                node.desks.wake();
            }
        };
        let port = Port::new(Box::new(wake), self.time().clone());
        let desk = Arc::new(Desk {
            port: port.clone(),
            signer: elsewhere,
            waiting: Mutex::default(),
            working: Mutex::default(),
            witness: Mutex::default(),
        });
        self.desks.add(self, &desk);
        let number = port.join(self, signer, name, options)?;
        let agent = port.agent(number)?;
        Ok(Handle { node: self.clone(), desk, agent, number })
    }
}

impl Handle {
    /// Its DID.
    #[must_use]
    pub fn did(&self) -> &Did {
        self.agent.did()
    }

    /// Signs bytes that somebody else may have made, such as the challenge of a connection; see
    /// [`transport`](crate::transport#who-is-at-the-other-end).
    ///
    /// # Errors
    /// `SIGN_FAILED` where the key is elsewhere, once the agent is closed, and for what begins with `xbind-` or could be
    /// taken for another statement of this project.
    pub fn sign_data(&self, data: &[u8]) -> Result<[u8; 64]> {
        let signed = self.agent.with_key(|key| key.sign_data(data));
        signed.unwrap_or_else(|| Err(Error::new(ErrorKind::SignFailed, "the key of this agent is not here")))
    }

    /// Asks another agent, by name or DID. Dropping the future gives the call up.
    ///
    /// # Errors
    /// Those of docs/errors.md on addressing, messages and delivery.
    pub async fn call(&self, to: &str, payload: Payload, options: CallOptions) -> Result<Payload> {
        let options = CallOptions { window: None, ..options };
        match self.begin(to, payload, false, options)?.await {
            Outcome::Answer { payload, .. } => Ok(payload),
            Outcome::Failed { error, .. } => Err(error),
            Outcome::Delivered { to } | Outcome::Kept { to } => Err(no_handler(&to)),
        }
    }

    /// Asks another agent for an answer in parts. Dropping the stream gives the call up.
    ///
    /// # Errors
    /// Those of docs/errors.md on addressing and messages.
    pub fn stream(&self, to: &str, payload: Payload, options: CallOptions) -> Result<Stream> {
        let (total, window) = (options.total.unwrap_or(STREAM_TOTAL), options.window.unwrap_or(WINDOW));
        let options = CallOptions { total: Some(total), window: Some(window), ..options };
        Ok(Stream { waits: self.begin(to, payload, false, options)?, end: None })
    }

    /// One way: done when the message stands in the recipient's inbox, which has signed for it, or is kept for it while it is away.
    ///
    /// # Errors
    /// Those of docs/errors.md on addressing, messages and delivery.
    pub async fn send(&self, to: &str, payload: Payload, options: CallOptions) -> Result<Sent> {
        match self.begin(to, payload, true, options)?.await {
            Outcome::Delivered { to } => Ok(Sent { to, kept: false }),
            Outcome::Kept { to } => Ok(Sent { to, kept: true }),
            Outcome::Failed { error, .. } => Err(error),
            Outcome::Answer { .. } => Err(Error::new(ErrorKind::Internal, "a send was answered like a call")),
        }
    }

    fn begin(&self, to: &str, payload: Payload, one_way: bool, options: CallOptions) -> Result<Waits> {
        let CallOptions { timeout, token, method, traceparent, total, window, idempotent } = options;
        let timeout = Some(timeout.unwrap_or(TIMEOUT));
        // Not under the lock: a resolver, which is asked meanwhile, may use this handle. So the call may end before it is
        // noted who waits for it.
        self.desk.begin();
        let agent = self.number;
        let call = NewCall {
            agent,
            to,
            payload,
            one_way,
            timeout,
            token,
            method,
            traceparent,
            total,
            receipt: false,
            window,
            idempotent,
        };
        let begun = self.desk.port.call(call);
        let mut waiting = self.desk.waiting.guard();
        waiting.beginning = waiting.beginning.saturating_sub(1);
        if let Ok(number) = begun {
            let pending = waiting.early.remove(&number).unwrap_or_default();
            waiting.calls.insert(number, pending);
        }
        let forgotten = if waiting.beginning == 0 { take(&mut waiting.early) } else { HashMap::new() };
        drop(waiting);
        drop(forgotten);
        self.node.desks.wake(); // there may be a new deadline
        Ok(Waits { desk: self.desk.clone(), number: begun? })
    }

    /// From now on calls are answered with [`Handle::next`]; with none they go to the inbox.
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn handle(&self, allow: Option<Allow>) -> Result<()> {
        self.guard(allow.map(Policies::from), Witness::default())
    }

    /// The same for calls that satisfy these policies. The witness answers what these ask.
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn guard(&self, policies: Option<Policies>, witness: Witness) -> Result<()> {
        let retired = policies.is_none();
        {
            // Together: whoever judges meanwhile answers for the policies that it sees.
            let mut asked = self.desk.witness.guard();
            *asked = (self.agent.guard(policies)?, Arc::new(witness));
        }
        self.desk.waiting.guard().retired = retired;
        self.desk.give_back();
        Ok(())
    }

    /// The next call; none once the agent is closed.
    pub async fn next(&self) -> Option<Incoming> {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut waiting = self.desk.waiting.guard();
            while let Some(asked) = waiting.incoming.pop_front() {
                drop(waiting);
                if let Some(asked) = self.desk.judge(asked) {
                    let Asked { ticket, id, from, payload, token, method, in_parts, .. } = asked;
                    let (desk, ticket) = (self.desk.clone(), Some(ticket));
                    let incoming = Incoming { desk, ticket, id, from, payload, token, method, in_parts };
                    return Poll::Ready(Some(incoming));
                }
                waiting = self.desk.waiting.guard();
            }
            if waiting.closed {
                return Poll::Ready(None);
            }
            note(&mut waiting.for_call, waker);
            Poll::Pending
        })
        .await
    }

    /// Takes at most `max` messages from the inbox, oldest first; waits for the first. Sends are always there, calls only
    /// while they are not answered with [`Handle::next`].
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub async fn receive(&self, max: usize) -> Result<Vec<Letter>> {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut waiting = self.desk.waiting.guard();
            let letters = self.agent.receive(max, true);
            if max > 0 && letters.as_ref().is_ok_and(Vec::is_empty) {
                note(&mut waiting.for_letter, waker);
                return Poll::Pending;
            }
            Poll::Ready(letters)
        })
        .await
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.desk.port.close(self.number);
        self.desk.close();
        while self.desk.work() {} // nobody else may look any more, and calls to begin hold the agent
    }
}

pub(crate) fn aborted() -> Error {
    Error::new(ErrorKind::Aborted, "nobody waits for the answer any more")
}

fn no_handler(peer: &Did) -> Error {
    Error::new(ErrorKind::HandlerFailed, format!("{peer} has no handler for calls, and took this one into its inbox"))
        .with_hint("use send where no answer is expected, or ask its owner to handle calls")
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("did", self.did()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("ended", &self.end.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local(_) => "Local(..)",
            Self::Elsewhere(_) => "Elsewhere(..)",
        })
    }
}
