//! A connection of a node, and what is asked of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;
use xbind::cluster::{Bucket as Kept, NKey, Namespace, Role};
use xbind::{Did, SigningKey, VerifyingKey};
use xbind_runtime::Node;

use super::bucket::{Bucket, PATIENCE};
use super::link::{Link, lock};
use super::tasks::Task;
use super::{Fault, auth, tls};
use crate::{Roots, thread};

/// How often the broker is asked whether it is there.
const PING: Duration = Duration::from_secs(3);
/// How long connecting again is put off at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What is still to be sent when the bus closes.
const DRAIN: Duration = Duration::from_secs(2);

/// How to reach the brokers.
#[derive(Debug)]
pub struct Settings {
    /// Their addresses: `nats://host:4222`, `tls://host:4222`.
    pub servers: Vec<String>,
    /// Which bus it is among those on these brokers.
    pub namespace: Namespace,
    /// What TLS is spoken with.
    pub tls: Option<Tls>,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// Who connects, where the brokers want to know: it signs a statement for each connection. Kept while the bus is open.
    pub identity: Option<SigningKey>,
}

/// Certificates as PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Whose certificates are believed besides the usual ones.
    pub ca: Option<String>,
    /// The certificate that this side shows, and its key.
    pub own: Option<(String, String)>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ca", &self.ca.is_some()).field("own", &self.own.is_some()).finish()
    }
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
        let named = |(did, name): (Did, Option<Box<str>>)| (did, name.map(String::from));
        let mut all: BTreeMap<&str, Option<String>> = BTreeMap::new();
        let elsewhere: Vec<_> = elsewhere.into_iter().map(named).collect();
        elsewhere.iter().chain(&here).for_each(|(did, name)| drop(all.insert(did.as_str(), name.clone())));
        let all = all.into_iter().filter_map(|(did, name)| Some((*VerifyingKey::from_did(did).ok()?.did(), name)));
        all.collect()
    }

    /// Waits until what the node had to say when it closed has left.
    pub async fn closed(&self) {
        closed(&self.link).await;
    }

    /// The same for who cannot wait.
    pub fn closed_then(&self, done: impl FnOnce() + Send + 'static) {
        let Ok(thread) = thread::handle() else { return done() };
        let link = self.link.clone();
        thread.spawn(async move {
            closed(&link).await;
            done();
        });
    }
}

async fn closed(link: &Link) {
    loop {
        let waits = link.bells.closed.notified();
        if link.status() == Status::Closed {
            return;
        }
        waits.await;
    }
}

async fn begin(node: Arc<Node>, settings: Settings) -> Result<Bus, Fault> {
    let Settings { servers, namespace, tls, roots, identity } = settings;
    let tls = tls::config(tls.as_ref(), &roots)?;
    // Never the key of an agent: the broker has connections sign what it chooses.
    let key = SigningKey::generate(|seed| xbind_runtime::random(seed)).map_err(|_| Fault::Internal)?;
    let host = VerifyingKey::from_did(key.did().as_str()).map(|key| NKey::of(Role::User, &key));
    let host = host.map_err(|_| Fault::Internal)?;
    let (told, events) = unbounded_channel();
    let options = match identity {
        Some(identity) => auth::options(identity, key.duplicate(), host, namespace.clone()),
        None => ConnectOptions::new(),
    };
    let client = dial(&servers, options, tls, &namespace, &host, told).await?;

    let agents = Bucket::new(&client, namespace.bucket(Kept::Agents), host);
    agents.make().await?;
    let frame = client.server_info().max_payload;
    let subscribe = async |subject: String| client.subscribe(subject).await.map_err(|_| Fault::Unavailable);
    let inbox = subscribe(namespace.inbox(&host)).await?;
    let replies = subscribe(format!("{}n.*", namespace.replies(&host))).await?;
    let beats = subscribe(namespace.beats()).await?;
    let link = Link::new(&node, namespace, key, host, frame);
    drop(node);

    let task = Task { link: link.clone(), client: client.clone(), agents };
    let (place, mut placed) = watch::channel(None);
    let tasks = [
        tokio::spawn(task.clone().send()).abort_handle(),
        tokio::spawn(tokio::task::unconstrained(task.clone().receive(inbox))).abort_handle(),
        tokio::spawn(task.clone().undelivered(replies)).abort_handle(),
        tokio::spawn(task.clone().beats(beats)).abort_handle(),
        tokio::spawn(task.clone().time()).abort_handle(),
        tokio::spawn(task.clone().write()).abort_handle(),
        tokio::spawn(task.clone().watch(place)).abort_handle(),
        tokio::spawn(task.clone().missed(placed.clone())).abort_handle(),
        tokio::spawn(follow(link.clone(), events)).abort_handle(),
    ];
    tokio::spawn(end(link.clone(), task.clone(), tasks));
    let is_known = timeout(PATIENCE, placed.wait_for(|place| place.is_some())).await;
    if !matches!(is_known, Ok(Ok(_))) {
        link.bells.close.notify_one();
        return Err(Fault::Unavailable);
    }
    Ok(Bus { link })
}

async fn dial(
    servers: &[String],
    options: ConnectOptions,
    tls: Option<ClientConfig>,
    namespace: &Namespace,
    host: &NKey,
    told: UnboundedSender<bool>,
) -> Result<Client, Fault> {
    let addresses: Result<Vec<async_nats::ServerAddr>, _> = servers.iter().map(|server| server.parse()).collect();
    let addresses = addresses.map_err(|_| Fault::BadAddress)?;
    let is_usable = |address: &async_nats::ServerAddr| matches!(address.scheme(), "nats" | "tls");
    if addresses.is_empty() || !addresses.iter().all(is_usable) {
        return Err(Fault::BadAddress);
    }
    let mut options = options
        .name("private.me/autogen")
        .ping_interval(PING)
        .connection_timeout(PATIENCE)
        .request_timeout(None)
        .custom_inbox_prefix(namespace.replies(host).trim_end_matches('.'))
        .reconnect_delay_callback(|attempts| {
            let pause = u64::try_from(attempts).unwrap_or(u64::MAX).saturating_mul(50);
            Duration::from_millis(pause).min(LONGEST_PAUSE)
        })
        .event_callback(move |event| {
            if event == Event::Connected || event == Event::Disconnected {
                let _ = told.send(event == Event::Connected);
            }
            std::future::ready(())
        });
    if let Some(tls) = tls {
        options = options.require_tls(true).tls_client_config(tls);
    }
    options.connect(addresses).await.map_err(|error| reason(&error))
}

fn reason(error: &ConnectError) -> Fault {
    use ConnectErrorKind as Kind;
    match error.kind() {
        Kind::AuthorizationViolation | Kind::Authentication => Fault::Refused,
        Kind::ServerParse => Fault::BadAddress,
        Kind::Dns | Kind::TimedOut | Kind::Tls | Kind::Io | Kind::MaxReconnects => Fault::Unavailable,
    }
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
            lock(&link.directory).hear_all(std::time::Instant::now());
            link.again.store(true, Ordering::Release);
            link.set_status(Status::Connected);
            link.bells.agents.notify_one();
            link.bells.send.notify_one();
            link.bells.watch.notify_one();
        }
    }
}

/// Ends the connection once the node has closed.
async fn end(link: Arc<Link>, task: Task, tasks: [AbortHandle; 9]) {
    link.bells.close.notified().await;
    let client = task.client.clone();
    let _ = timeout(DRAIN, async {
        if link.status() != Status::Connected {
            return;
        }
        link.bells.send.notify_one();
        while !lock(&link.lanes).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        link.leave(&client).await;
        let _ = client.flush().await;
    })
    .await;
    tasks.iter().for_each(AbortHandle::abort);
    let _ = timeout(DRAIN, client.drain()).await;
    link.set_status(Status::Closed);
    link.drop_all();
    link.bells.closed.notify_waiters();
}
