//! Agents of Rust programs: a [`Handle`] is an agent on a node, with calls that are futures.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem::{replace, take};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use xbind::{Did, Error, ErrorKind, MessageId, Result, SigningKey, VerifyingKey};

use crate::agent::Agent;
use crate::event::{Event, Outcome, Payload};
use crate::inbox::{Allow, Letter};
use crate::node::Node;
use crate::port::{NewCall, Port, Reply, Start};
use crate::sync::Lock;
use crate::transport::{RemoteSigner, SignDone};
use crate::{AgentOptions, Signer};

/// Events taken from a port at once.
const BATCH: usize = 256;

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
}

const TIMEOUT: Duration = Duration::from_secs(30);

/// An agent. Dropping the handle closes it.
pub struct Handle {
    node: Arc<Node>,
    desk: Arc<Desk>,
    agent: Arc<Agent>,
    number: u32,
}

/// A call for a handle that answers calls. Dropping it without an answer tells the caller `HANDLER_FAILED`.
pub struct Incoming {
    desk: Arc<Desk>,
    ticket: Option<u64>,
    /// The id of its message, unique for its sender.
    pub id: MessageId,
    /// The caller, as its signature proves it.
    pub from: Did,
    /// What the caller signed for.
    pub payload: Payload,
    /// What it presents.
    pub token: Option<String>,
}

/// The face of one handle: its port, and who waits for what.
struct Desk {
    port: Arc<Port>,
    signer: Option<Arc<dyn RemoteSigner>>,
    waiting: Mutex<Waiting>,
    /// The thread that works; one at a time, so that events keep their order.
    working: Mutex<()>,
}

/// What a round of work leaves to do when its locks are released.
#[derive(Default)]
struct Outside {
    wakers: Vec<Waker>,
    to_sign: Vec<(u32, u32, Vec<u8>)>,
    /// Calls that come too late.
    unwanted: Vec<u64>,
    closed: bool,
}

#[derive(Default)]
struct Waiting {
    closed: bool,
    calls: HashMap<u64, Pending>,
    /// Calls that are being begun, and what ended before it was known by whom it is awaited.
    beginning: usize,
    early: HashMap<u64, Outcome>,
    incoming: VecDeque<(u64, MessageId, Did, Payload, Option<String>)>,
    for_call: Vec<Waker>,
    for_letter: Vec<Waker>,
}

enum Pending {
    Waits(Option<Waker>),
    Over(Outcome),
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
        });
        self.desks.add(self, &desk);
        let number = port.join(self, signer, name, options)?;
        let agent = port.agent(number)?;
        Ok(Handle { node: self.clone(), desk, agent, number })
    }

    /// Does, on the calling thread, all that handles of this node have to do, and says when to call again at the latest.
    /// Where time is driven it is `now` from here on; a simulation calls this after each thing that it lets happen.
    pub fn drive(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        self.time().set(now);
        let desks = self.desks.all();
        loop {
            let mut more = false;
            for desk in &desks {
                more |= desk.work();
            }
            if !more {
                break;
            }
        }
        let next = desks.iter().filter_map(|desk| desk.port.next_deadline()).min()?;
        self.time().now().checked_add(next)
    }
}

impl Handle {
    /// Its DID.
    #[must_use]
    pub fn did(&self) -> &Did {
        self.agent.did()
    }

    /// Asks another agent, by name or DID. Dropping the future gives the call up.
    ///
    /// # Errors
    /// Those of docs/errors.md on addressing, messages and delivery.
    pub async fn call(&self, to: &str, payload: Payload, options: CallOptions) -> Result<Payload> {
        match self.begin(to, payload, false, options)?.await {
            Outcome::Answer(payload) => Ok(payload),
            Outcome::Failed { error, .. } => Err(error),
            Outcome::Delivered { .. } => Err(Error::new(ErrorKind::Internal, "a call was answered like a send")),
        }
    }

    /// One way: done when the message stands in the recipient's inbox, which has signed for it.
    ///
    /// # Errors
    /// Those of docs/errors.md on addressing, messages and delivery.
    pub async fn send(&self, to: &str, payload: Payload, options: CallOptions) -> Result<Did> {
        match self.begin(to, payload, true, options)?.await {
            Outcome::Delivered { to } => Ok(to),
            Outcome::Failed { error, .. } => Err(error),
            Outcome::Answer(_) => Err(Error::new(ErrorKind::Internal, "a send was answered like a call")),
        }
    }

    fn begin(&self, to: &str, payload: Payload, one_way: bool, options: CallOptions) -> Result<Waits> {
        let CallOptions { timeout, token } = options;
        let timeout = Some(timeout.unwrap_or(TIMEOUT));
        // Not under the lock: a resolver, which is asked meanwhile, may use this handle. So the call may end before it is
        // noted who waits for it.
        self.desk.begin();
        let begun = self.desk.port.call(NewCall { agent: self.number, to, payload, one_way, timeout, token });
        let mut waiting = self.desk.waiting.guard();
        waiting.beginning = waiting.beginning.saturating_sub(1);
        if let Ok(number) = begun {
            let state = waiting.early.remove(&number).map_or(Pending::Waits(None), Pending::Over);
            waiting.calls.insert(number, state);
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
        self.agent.handle(allow)
    }

    /// The next call; none once the agent is closed.
    pub async fn next(&self) -> Option<Incoming> {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut waiting = self.desk.waiting.guard();
            while let Some((ticket, id, from, payload, token)) = waiting.incoming.pop_front() {
                drop(waiting);
                match self.desk.port.start(ticket) {
                    Start::Run => {
                        let desk = self.desk.clone();
                        return Poll::Ready(Some(Incoming { desk, ticket: Some(ticket), id, from, payload, token }));
                    }
                    Start::Inbox => self.desk.port.give_back(ticket, payload),
                    Start::Gone => {}
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

    /// Takes at most `max` messages from the inbox, oldest first; waits for the first.
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

impl Incoming {
    /// Answers it.
    pub fn reply(mut self, payload: Payload) {
        self.answer(Reply::Payload(payload));
    }

    /// Refuses it.
    pub fn refuse(mut self, kind: ErrorKind) {
        self.answer(Reply::Refused(kind, None));
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ticket.is_none_or(|ticket| self.desk.port.is_cancelled(ticket))
    }

    fn answer(&mut self, reply: Reply) {
        if let Some(ticket) = self.ticket.take() {
            self.desk.port.reply(ticket, reply);
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.answer(Reply::Refused(ErrorKind::HandlerFailed, None));
    }
}

/// A call under way.
struct Waits {
    desk: Arc<Desk>,
    number: u64,
}

impl Future for Waits {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let waker = context.waker().clone();
        let mut waiting = self.desk.waiting.guard();
        match waiting.calls.remove(&self.number) {
            Some(Pending::Over(outcome)) => Poll::Ready(outcome),
            _ => {
                waiting.calls.insert(self.number, Pending::Waits(Some(waker)));
                Poll::Pending
            }
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let left = self.desk.waiting.guard().calls.remove(&self.number);
        if let Some(Pending::Waits(_)) = left {
            self.desk.port.abandon(self.number);
        }
    }
}

impl Desk {
    /// True if there is more to do.
    fn work(&self) -> bool {
        let mut events = Vec::new();
        let mut outside = Outside::default();
        let one_at_a_time = self.working.guard();
        let more = self.port.flush(BATCH, &mut events);
        let happened = !events.is_empty();
        for event in events {
            self.take_in(event, &mut outside);
        }
        drop(one_at_a_time);
        self.tell(outside);
        more || happened
    }

    /// Runs foreign code, under no lock.
    fn tell(&self, outside: Outside) {
        let Outside { wakers, to_sign, unwanted, closed } = outside;
        for waker in wakers {
            waker.wake();
        }
        for (agent, time, bytes) in to_sign {
            if let (Some(signer), Ok(agent)) = (&self.signer, self.port.agent(agent)) {
                let done = SignDone { agent: Arc::downgrade(&agent), time, answered: false };
                drop(agent);
                signer.sign(bytes, done);
            }
        }
        for ticket in unwanted {
            self.port.reply(ticket, Reply::Refused(ErrorKind::AgentClosed, None));
        }
        if closed {
            self.close();
        }
    }

    fn begin(&self) {
        let mut waiting = self.waiting.guard();
        waiting.beginning = waiting.beginning.saturating_add(1);
    }

    fn take_in(&self, event: Event, outside: &mut Outside) {
        let mut waiting = self.waiting.guard();
        match event {
            Event::Call { ticket, .. } if waiting.closed => outside.unwanted.push(ticket),
            Event::Call { ticket, id, from, payload, token, .. } => {
                waiting.incoming.push_back((ticket, id, from, payload, token));
                outside.wakers.append(&mut waiting.for_call);
            }
            Event::Settled { call, outcome, .. } => {
                // One that was dropped is not on the list.
                if let Some(pending) = waiting.calls.get_mut(&call) {
                    if let Pending::Waits(Some(waker)) = replace(pending, Pending::Over(outcome)) {
                        outside.wakers.push(waker);
                    }
                } else if waiting.beginning > 0 {
                    waiting.early.insert(call, outcome);
                }
            }
            Event::Arrived { .. } => outside.wakers.append(&mut waiting.for_letter),
            Event::Sign { agent, time, bytes } => outside.to_sign.push((agent, time, bytes)),
            Event::Closed { .. } => outside.closed = true,
            // Whoever handles the call asks; what could not be sent is told the caller.
            Event::Cancelled { .. } | Event::Unsent { .. } => {}
        }
    }

    fn close(&self) {
        let mut waiting = self.waiting.guard();
        waiting.closed = true;
        let unwanted = take(&mut waiting.incoming);
        let wakers: Vec<_> = take(&mut waiting.for_call).into_iter().chain(take(&mut waiting.for_letter)).collect();
        drop(waiting);
        for waker in wakers {
            waker.wake();
        }
        // Nobody begins with these any more, and they hold the agent.
        for (ticket, ..) in unwanted {
            self.port.reply(ticket, Reply::Refused(ErrorKind::AgentClosed, None));
        }
    }
}

/// A future that is polled again and again waits once.
fn note(wakers: &mut Vec<Waker>, waker: Waker) {
    if !wakers.iter().any(|other| other.will_wake(&waker)) {
        wakers.push(waker);
    }
}

/// The handles of a node, and the thread that works for them.
#[derive(Default)]
pub(crate) struct Desks {
    all: Mutex<Vec<Weak<Desk>>>,
    thread: OnceLock<Arc<Signal>>,
}

#[derive(Default)]
struct Signal {
    woken: Mutex<bool>,
    change: Condvar,
}

impl Desks {
    fn add(&self, node: &Arc<Node>, desk: &Arc<Desk>) {
        let mut all = self.all.guard();
        all.retain(|desk| desk.strong_count() > 0);
        all.push(Arc::downgrade(desk));
        drop(all);
        if node.time().is_driven() {
            return;
        }
        self.thread.get_or_init(|| {
            let signal = Arc::new(Signal::default());
            let (node, own) = (Arc::downgrade(node), signal.clone());
            // Without a thread nothing would move: calls end with their time, as on a machine that has stopped.
            drop(thread::Builder::new().name("xbind-node".into()).spawn(move || own.work_for(&node)));
            signal
        });
    }

    fn all(&self) -> Vec<Arc<Desk>> {
        self.all.guard().iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn wake(&self) {
        if let Some(signal) = self.thread.get() {
            *signal.woken.guard() = true;
            signal.change.notify_one();
        }
    }
}

impl Signal {
    /// Until the node is gone; looks now and then whether it is.
    fn work_for(&self, node: &Weak<Node>) {
        const LONGEST_SLEEP: Duration = Duration::from_secs(1);
        loop {
            let Some(here) = node.upgrade() else { return };
            let next = here.drive(Instant::now());
            drop(here);
            let sleep = next.map_or(LONGEST_SLEEP, |next| next.saturating_duration_since(Instant::now()));
            let woken = self.woken.guard();
            let waited = self.change.wait_timeout_while(woken, sleep.min(LONGEST_SLEEP), |woken| !*woken);
            *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
        }
    }
}

impl fmt::Debug for Desks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desks").finish_non_exhaustive()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("did", self.did()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("id", &self.id).field("from", &self.from).finish_non_exhaustive()
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
