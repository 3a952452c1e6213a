//! A connection of a node, and what is asked of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::ConnectOptions;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use xbind::cluster::{Bucket as Kept, Stop, Stopped, Verb};
use xbind::{Did, Error, SigningKey, VerifyingKey};
use xbind_runtime::Node;

use super::bucket::{Bucket, PATIENCE};
use super::link::{Link, lock};
use super::oversight::Oversight;
use super::tasks::Task;
use super::{Fault, Reach, auth};
use crate::thread;

/// What is still to be sent when the bus closes.
const DRAIN: Duration = Duration::from_secs(2);

/// A connection to the brokers.
#[derive(Debug)]
pub struct Settings {
    /// How they are reached.
    pub reach: Reach,
    /// Who connects, where the brokers want to know: it signs a statement for each connection. Kept while the bus is open.
    pub identity: Option<SigningKey>,
    /// Who may stop agents. With them, nothing is served while it is not known whom they have stopped.
    pub operators: Vec<Did>,
    /// Nothing but encrypted bodies leaves, or is taken.
    pub encrypt: bool,
}

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Messages go to and fro.
    Connected,
    /// The broker is gone; it, or another one, is looked for.
    Reconnecting,
    /// It was closed, or let go for good.
    Closed,
}

impl Status {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Connected => 0,
            Self::Reconnecting => 1,
            Self::Closed => 2,
        }
    }

    pub(super) const fn of(number: u8) -> Self {
        match number {
            0 => Self::Connected,
            1 => Self::Reconnecting,
            _ => Self::Closed,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Closed => "closed",
        }
    }
}

/// A node's connection to others over NATS: its agents are found and reached there, and reach others. It ends when the node
/// closes, or is dropped.
#[derive(Debug)]
pub struct Bus {
    link: Arc<Link>,
    task: Task,
}

impl Bus {
    /// Connects a node. It has one such connection at most.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn connect(node: &Arc<Node>, settings: Settings) -> Result<Self, Fault> {
        let (connecting, thread) = (begin(node.clone(), settings), thread::handle().map_err(|_| Fault::Internal)?);
        thread.spawn(connecting).await.map_err(|_| Fault::Internal)?
    }

    /// The same for who cannot wait; `done` is called on the thread of this crate.
    pub fn connect_then(node: &Arc<Node>, settings: Settings, done: impl FnOnce(Result<Self, Fault>) + Send + 'static) {
        let Ok(thread) = thread::handle() else { return done(Err(Fault::Internal)) };
        let connecting = begin(node.clone(), settings);
        thread.spawn(async move { done(connecting.await) });
    }

    /// How the connection is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.link.status()
    }

    /// Everybody on the bus: who is here, and who is known to be elsewhere.
    #[must_use]
    pub fn agents(&self) -> Vec<(Did, Option<String>)> {
        let elsewhere = lock(&self.link.directory).all();
        let here = self.link.node.upgrade().map(|node| node.agents()).unwrap_or_default();
        let claimed = |did: &Did| lock(&self.link.claims).name_of(did, std::time::Instant::now());
        let here = here.into_iter().map(|(did, name)| (did, claimed(&did).unwrap_or(name)));
        let here: Vec<_> = here.collect();
        let named = |(did, name): (Did, Option<Box<str>>)| (did, name.map(String::from));
        let mut all: BTreeMap<&str, Option<String>> = BTreeMap::new();
        let elsewhere: Vec<_> = elsewhere.into_iter().map(named).collect();
        elsewhere.iter().chain(&here).for_each(|(did, name)| drop(all.insert(did.as_str(), name.clone())));
        let all = all.into_iter().filter_map(|(did, name)| Some((*VerifyingKey::from_did(did).ok()?.did(), name)));
        all.collect()
    }

    /// Waits until it is known whether an agent here, which has one, has its name for all.
    ///
    /// # Errors
    /// `NAME_TAKEN`; `BROKER_UNAVAILABLE`.
    pub async fn named(&self, did: &Did) -> Result<(), Error> {
        self.link.named(did).await
    }

    /// The same for who cannot wait; `done` is called on the thread of this crate.
    pub fn named_then(&self, did: Did, done: impl FnOnce(Result<(), Error>) + Send + 'static) {
        let Ok(thread) = thread::handle() else { return done(Err(Fault::Internal.into())) };
        let link = self.link.clone();
        thread.spawn(async move { done(link.named(&did).await) });
    }

    /// Keeps mail for an agent here while it is away, for so many seconds at most; closes its mailbox with 0. Done once it is known
    /// to the brokers. It stays open when the bus closes.
    ///
    /// # Errors
    /// `AGENT_CLOSED`; `INVALID_CONFIG` for more than a week, for another agent than the identity that connects, and where bodies are
    /// encrypted and the agent's key is elsewhere; `SIGN_FAILED`, `BROKER_UNAVAILABLE`.
    pub async fn mailbox(&self, did: &Did, retain: u32) -> Result<(), Error> {
        let thread = thread::handle().map_err(|_| Fault::Internal)?;
        let (task, did) = (self.task.clone(), *did);
        thread.spawn(async move { task.mailbox(did, retain).await }).await.map_err(|_| Fault::Internal)?
    }

    /// The same for who cannot wait; `done` is called on the thread of this crate.
    pub fn mailbox_then(&self, did: Did, retain: u32, done: impl FnOnce(Result<(), Error>) + Send + 'static) {
        let Ok(thread) = thread::handle() else { return done(Err(Fault::Internal.into())) };
        let task = self.task.clone();
        thread.spawn(async move { done(task.mailbox(did, retain).await) });
    }

    /// Waits until what the node had to say when it closed has left, and the brokers have heard that its agents are gone: for 10 s at
    /// most.
    ///
    /// # Errors
    /// `BROKER_UNAVAILABLE` if they have not heard it of some; they take those for gone when their time is over.
    pub async fn closed(&self) -> Result<(), Error> {
        closed(&self.link).await
    }

    /// The same for who cannot wait; `done` is called on the thread of this crate.
    pub fn closed_then(&self, done: impl FnOnce(Result<(), Error>) + Send + 'static) {
        let Ok(thread) = thread::handle() else { return done(Err(Fault::Internal.into())) };
        let link = self.link.clone();
        thread.spawn(async move { done(closed(&link).await) });
    }
}

async fn closed(link: &Link) -> Result<(), Error> {
    loop {
        let waits = link.bells.closed.notified();
        if link.status() == Status::Closed {
            return link.was_heard();
        }
        waits.await;
    }
}

async fn begin(node: Arc<Node>, settings: Settings) -> Result<Bus, Fault> {
    let Settings { reach, identity, operators, encrypt } = settings;
    if encrypt {
        node.encrypt().map_err(|_| Fault::Internal)?;
    }
    let own = identity.as_ref().map(|key| *key.did());
    let (key, host) = auth::fresh_key()?;
    let (told, events) = unbounded_channel();
    let options = match identity {
        Some(identity) => auth::options(identity, key.duplicate(), host, reach.namespace.clone()),
        None => ConnectOptions::new(),
    };
    let client = reach.dial(options, &host, told).await?;
    let (namespace, names_kept) = (reach.namespace, reach.names_kept);

    let agents = Bucket::new(&client, Kept::Agents, &namespace, host);
    agents.make_soon().await?;
    let names = Bucket::new(&client, Kept::Names, &namespace, host);
    names.make_soon().await?;
    let oversight = (!operators.is_empty()).then(|| Oversight::new(&namespace, operators));
    let overseen = match &oversight {
        Some(oversight) => Some(oversee(&node, oversight, Bucket::new(&client, Kept::Stops, &namespace, host)).await?),
        None => None,
    };
    let frame = client.server_info().max_payload;
    let subscribe = async |subject: String| client.subscribe(subject).await.map_err(|_| Fault::Unavailable);
    let inbox = subscribe(namespace.inbox(&host)).await?;
    let replies = subscribe(format!("{}n.*", namespace.replies(&host))).await?;
    let beats = subscribe(namespace.beats()).await?;
    let link = Link::new(&node, namespace, key, host, frame, oversight, (names_kept, own));
    drop(node);

    let [boxes, seen] = [Kept::Boxes, Kept::Seen].map(|kind| Bucket::new(&client, kind, &link.namespace, host));
    let task = Task { link: link.clone(), client: client.clone(), agents, names, boxes, seen };
    let (place, mut placed) = watch::channel(None);
    let mut tasks = vec![
        tokio::spawn(task.clone().send()).abort_handle(),
        tokio::spawn(task.clone().post()).abort_handle(),
        tokio::spawn(tokio::task::unconstrained(task.clone().receive(inbox))).abort_handle(),
        tokio::spawn(task.clone().undelivered(replies)).abort_handle(),
        tokio::spawn(task.clone().beats(beats)).abort_handle(),
        tokio::spawn(task.clone().time()).abort_handle(),
        tokio::spawn(task.clone().watch(place)).abort_handle(),
        tokio::spawn(task.clone().missed(placed.clone())).abort_handle(),
        tokio::spawn(follow(link.clone(), events)).abort_handle(),
    ];
    tasks.extend(overseen);
    let writing = [
        tokio::spawn(task.clone().write()).abort_handle(),
        tokio::spawn(link.clone().claim(task.clone(), placed.clone())).abort_handle(),
    ];
    let bus = Bus { link: link.clone(), task: task.clone() };
    tokio::spawn(end(link.clone(), task, tasks, writing));
    let is_known = timeout(PATIENCE, placed.wait_for(|place| place.is_some())).await;
    if !matches!(is_known, Ok(Ok(_))) {
        link.bells.close.notify_one();
        return Err(Fault::Unavailable);
    }
    Ok(bus)
}

/// Has a node ask whom operators have stopped, once that was read.
async fn oversee(node: &Arc<Node>, oversight: &Arc<Oversight>, bucket: Bucket) -> Result<AbortHandle, Fault> {
    bucket.make().await?;
    node.oversee(oversight.clone());
    let (whole, mut is_whole) = watch::channel(false);
    let (oversight, node) = (oversight.clone(), Arc::downgrade(node));
    let following = tokio::spawn(async move {
        let now = || node.upgrade().map_or(0, |node| node.time().unix());
        let told = |stop: &Stop| {
            if let (Verb::Stop, Stopped::Agent(did), Some(node)) = (stop.verb(), stop.stopped(), node.upgrade()) {
                node.end_identity(did);
            }
        };
        oversight.follow(&bucket, &whole, now, told).await;
    });
    let following = following.abort_handle();
    let read = timeout(PATIENCE, is_whole.wait_for(|is_whole| *is_whole)).await;
    if matches!(read, Ok(Ok(_))) {
        return Ok(following);
    }
    following.abort();
    Err(Fault::Unavailable)
}

/// Notes how the connection is.
async fn follow(link: Arc<Link>, mut events: UnboundedReceiver<bool>) {
    let mut was_away = false;
    while let Some(is_connected) = events.recv().await {
        if !is_connected {
            was_away = true;
            link.set_status(Status::Reconnecting);
        } else if std::mem::take(&mut was_away) {
            lock(&link.lanes).introduce_again(None);
            lock(&link.roster).write_again();
            link.check_claims();
            lock(&link.directory).hear_all(std::time::Instant::now());
            link.again.store(true, Ordering::Release);
            link.set_status(Status::Connected);
            link.bells.agents.notify_one();
            link.bells.send.notify_one();
            link.bells.mail.notify_one();
            lock(&link.mailboxes).reconnected();
            link.bells.watch.notify_one();
            if let Some(oversight) = &link.oversight {
                oversight.again.notify_one();
            }
        }
    }
}

/// Ends the connection once the node has closed.
async fn end(link: Arc<Link>, task: Task, tasks: Vec<AbortHandle>, writing: [AbortHandle; 2]) {
    link.bells.close.notified().await;
    let client = task.client.clone();
    if link.status() == Status::Connected {
        link.bells.send.notify_one();
        let said = async {
            while !lock(&link.lanes).is_empty() || !lock(&link.post).is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = timeout(DRAIN, said).await;
    }
    writing.iter().for_each(AbortHandle::abort);
    link.leave(&task.agents, &task.names).await;
    tasks.iter().for_each(AbortHandle::abort);
    lock(&link.mailboxes).close();
    let _ = timeout(DRAIN, client.drain()).await;
    link.set_status(Status::Closed);
    link.drop_all();
    link.bells.closed.notify_waiters();
}
