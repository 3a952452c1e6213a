//! What a node knows of its connection: where messages go, and who is meant by a name. The tasks do the rest.

use std::fmt;
use std::mem::take;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use xbind::cluster::{NKey, Namespace, Presence};
use xbind::{Did, EncryptionKey, ErrorKind, SigningKey};
use xbind_runtime::Node;
use xbind_runtime::transport::{Departure, Limits, Remote, Resolved, Resolver, Route, Transport, TransportId, Way};

use super::Status;
use super::claims::Claims;
use super::directory::{Directory, Known, Path, Seen};
use super::envelope::{HEAD, MESSAGE_HEAD};
use super::forgotten::Forgotten;
use super::lanes::Lanes;
use super::mail::Post;
use super::mailbox::Mailboxes;
use super::oversight::Oversight;
use super::roster::Roster;
use super::sent::Sent;

/// How far clocks may differ, in seconds, and how long a message lives.
pub(super) const SKEW: u64 = 30;
const MESSAGE_TTL: u32 = 30;

pub(super) struct Link {
    pub(super) node: Weak<Node>,
    id: OnceLock<TransportId>,
    pub(super) namespace: Namespace,
    /// This connection, by its key.
    pub(super) host: NKey,
    pub(super) key: SigningKey,
    /// Whom operators have stopped, where there are any.
    pub(super) oversight: Option<Arc<Oversight>>,
    pub(super) directory: Mutex<Directory>,
    forgotten: Mutex<Forgotten>,
    pub(super) lanes: Mutex<Lanes>,
    pub(super) roster: Mutex<Roster>,
    pub(super) claims: Mutex<Claims>,
    /// How long a name stays with an agent that has gone.
    pub(super) names_kept: Duration,
    /// Who connects; where nobody wants to know, whoever reaches the broker may do all.
    pub(super) identity: Option<Did>,
    /// What waits for mailboxes of others.
    pub(super) post: Mutex<Post>,
    /// Those of agents here.
    pub(super) mailboxes: Mutex<Mailboxes>,
    /// Names and DIDs that nobody known answers to: the broker is asked whether it knows of more.
    pub(super) missed: Mutex<Vec<(String, Resolved)>>,
    /// Agents whose key has not signed where they are.
    pub(super) unsigned: Mutex<Vec<Did>>,
    /// Ways that the node has used after they were over.
    pub(super) over: Mutex<Vec<Path>>,
    pub(super) sent: Mutex<Sent>,
    /// The connection was lost, with what was on its way.
    pub(super) again: AtomicBool,
    /// Hosts that are heard again.
    pub(super) back: Mutex<Vec<Path>>,
    /// Agents here have come or gone.
    pub(super) changed: AtomicBool,
    pub(super) bells: Bells,
    /// The largest message that the broker takes.
    frame: AtomicUsize,
    status: AtomicU8,
}

/// Rung for the tasks.
#[derive(Default)]
pub(super) struct Bells {
    /// There is something to send.
    pub(super) send: Notify,
    /// There is something for mailboxes.
    pub(super) mail: Notify,
    /// Agents here have come or gone, or something is to be written of them.
    pub(super) agents: Notify,
    /// A name is to be claimed.
    pub(super) names: Notify,
    /// A question was missed.
    pub(super) missed: Notify,
    /// What is known of others may not be all.
    pub(super) watch: Notify,
    /// The node has closed.
    pub(super) close: Notify,
    /// All is over.
    pub(super) closed: Notify,
}

impl Link {
    /// Attaches it to a node.
    pub(super) fn new(
        node: &Arc<Node>,
        namespace: Namespace,
        key: SigningKey,
        host: NKey,
        frame: usize,
        oversight: Option<Arc<Oversight>>,
        (names_kept, identity): (Duration, Option<Did>),
    ) -> Arc<Self> {
        let link = Arc::new(Self {
            node: Arc::downgrade(node),
            id: OnceLock::new(),
            namespace,
            host,
            key,
            oversight,
            directory: Mutex::default(),
            forgotten: Mutex::default(),
            lanes: Mutex::default(),
            roster: Mutex::default(),
            claims: Mutex::default(),
            names_kept,
            identity,
            post: Mutex::default(),
            mailboxes: Mutex::default(),
            missed: Mutex::default(),
            unsigned: Mutex::default(),
            over: Mutex::default(),
            sent: Mutex::default(),
            again: AtomicBool::new(false),
            back: Mutex::default(),
            changed: AtomicBool::new(true),
            bells: Bells::default(),
            frame: AtomicUsize::new(frame),
            status: AtomicU8::new(Status::Connected.number()),
        });
        let id = node.attach(Arc::new(Carrier(link.clone())));
        let _ = link.id.set(id);
        node.resolve_with(Arc::new(Finder(link.clone())));
        link
    }

    pub(super) fn id(&self) -> Option<&TransportId> {
        self.id.get()
    }

    /// Whether whoever reaches the broker may do all.
    pub(super) const fn is_open(&self) -> bool {
        self.identity.is_none()
    }

    pub(super) fn status(&self) -> Status {
        Status::of(self.status.load(Ordering::Acquire))
    }

    /// What was closed stays closed.
    pub(super) fn set_status(&self, status: Status) {
        let closed = Status::Closed.number();
        let set = |before| (before != closed).then(|| status.number());
        let _ = self.status.fetch_update(Ordering::AcqRel, Ordering::Acquire, set);
    }

    pub(super) fn set_frame(&self, frame: usize) {
        self.frame.store(frame, Ordering::Release);
    }

    pub(super) fn frame(&self) -> usize {
        self.frame.load(Ordering::Acquire)
    }

    pub(super) fn route(&self, path: Path) -> Option<Route> {
        Some(self.id.get()?.route(path, 0))
    }

    /// Seconds since the epoch, by the clock of the node.
    pub(super) fn unix(&self) -> u64 {
        self.node.upgrade().map_or(0, |node| node.time().unix())
    }

    /// How messages of that host come in: only those of agents that have said that they are there.
    pub(super) fn way(self: &Arc<Self>, host: NKey, path: Path) -> Option<Way> {
        let link = self.clone();
        let speaks = move |did: &Did| lock(&link.directory).speaks(&host, did, link.unix());
        let way = Way::from(self.route(path)?);
        Some(Way { speaks_for: Some(Arc::new(speaks)), ..way })
    }

    /// An agent has said where it is.
    pub(super) fn learn(&self, presence: &Presence) {
        if *presence.host() == self.host {
            return;
        }
        let seen = Seen {
            did: *presence.agent(),
            host: *presence.host(),
            name: presence.name().map(Box::from),
            session: *presence.session(),
            key: presence.encryption_key().copied().map(EncryptionKey::from_bytes),
            frame: usize::try_from(presence.max_frame()).unwrap_or(usize::MAX),
            issued: presence.issued_at(),
            expires: presence.expires_at().saturating_add(SKEW),
            has_left: false,
        };
        lock(&self.directory).learn(seen, self.unix(), Instant::now());
    }

    /// Something has come from a host.
    pub(super) fn heard(&self, host: &NKey) {
        let (is_known, back) = lock(&self.directory).heard(host, Instant::now());
        if let Some(path) = back {
            lock(&self.back).push(path);
            self.bells.send.notify_one();
        }
        if !is_known && lock(&self.forgotten).is_back(host, Instant::now()) {
            self.bells.watch.notify_one();
        }
    }

    /// The connection has ended for good: nobody is reached any more.
    pub(super) fn drop_all(&self) {
        let hosts = lock(&self.directory).hosts();
        hosts.iter().for_each(|host| self.drop_host(host));
        if let (Some(node), Some(route)) = (self.node.upgrade(), self.to_mailboxes()) {
            node.gone(route);
        }
    }

    /// A host is gone, with all that was under way to it and from it.
    pub(super) fn drop_host(&self, host: &NKey) {
        let gone = lock(&self.directory).drop_host(host);
        let Some(path) = gone else { return };
        lock(&self.forgotten).push(*host, Instant::now());
        let unsent = lock(&self.lanes).drop_lane(path);
        drop(lock(&self.sent).heard(path));
        let (Some(node), Some(route)) = (self.node.upgrade(), self.route(path)) else { return };
        for call in unsent.iter().filter_map(|parcel| parcel.call) {
            node.failed(call, ErrorKind::AgentNotFound); // it never left
        }
        node.gone(route);
    }

    /// Where an agent is, as far as is known here, with its session.
    pub(super) fn find_did(&self, did: &Did) -> Vec<(Remote, Known)> {
        let way = lock(&self.directory).way_to(did, self.unix());
        let remote = |(path, known)| Some((Remote { did: *did, route: self.route(path)? }, known));
        way.and_then(remote).into_iter().collect()
    }

    /// The same for the text of a DID.
    pub(super) fn find(&self, to: &str) -> Vec<(Remote, Known)> {
        xbind::VerifyingKey::from_did(to).map(|key| self.find_did(key.did())).unwrap_or_default()
    }

    pub(super) fn learn_from(&self, found: &[(Remote, Known)]) {
        let Some(node) = self.node.upgrade() else { return };
        for (remote, (session, key)) in found {
            key.iter().for_each(|key| node.learn_key(*remote, *key));
            node.learn_session(*remote, *session);
        }
    }

    /// Answers a question with those.
    pub(super) fn answer(&self, found: &[(Remote, Known)], done: Resolved) {
        self.learn_from(found);
        let remotes: Vec<_> = found.iter().map(|(remote, _)| *remote).collect();
        done.found(&remotes);
    }
}

/// What carries the messages of the node.
struct Carrier(Arc<Link>);

impl Transport for Carrier {
    fn carry(&self, route: Route, parcels: &mut Vec<Departure>) {
        let link = &self.0;
        if Link::is_mail(route) {
            lock(&link.post).push(parcels);
            return link.bells.mail.notify_one();
        }
        if lock(&link.directory).host_of(route.id).is_none() {
            drop(take(parcels));
            lock(&link.over).push(route.id);
            return link.bells.send.notify_one();
        }
        if lock(&link.lanes).push(route.id, parcels) {
            link.bells.send.notify_one();
        }
    }

    fn limits(&self, route: Route) -> Limits {
        let link = &self.0;
        let theirs = lock(&link.directory).frame(route.id).unwrap_or(usize::MAX);
        let max_parcel = theirs.min(link.frame()).saturating_sub(HEAD).saturating_sub(MESSAGE_HEAD);
        Limits { max_parcel, clock_skew: SKEW, message_ttl: MESSAGE_TTL }
    }

    fn names_sessions(&self) -> bool {
        true
    }

    fn keeps(&self, to: &Remote) -> Option<u32> {
        Link::is_mail(to.route).then(|| lock(&self.0.post).retain(&to.did).unwrap_or(1))
    }

    fn wants(&self, agent: &Did, messages: usize) {
        lock(&self.0.mailboxes).wants(agent, messages);
    }

    fn agents_changed(&self) {
        lock(&self.0.mailboxes).again();
        self.0.changed.store(true, Ordering::Release);
        self.0.bells.agents.notify_one();
    }

    fn close(&self, _: Duration) {
        self.0.bells.close.notify_one();
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.bells.close.notify_one();
    }
}

/// Says where names and DIDs are.
struct Finder(Arc<Link>);

impl Resolver for Finder {
    fn resolve(&self, to: &str, done: Resolved) {
        let link = &self.0;
        if to.starts_with("did:") {
            let found = link.find(to);
            if !found.is_empty() {
                return link.answer(&found, done);
            }
        } else {
            let holder = lock(&link.claims).holder(to);
            if let Some(did) = holder.filter(|did| link.is_there(did)) {
                return link.answer_name(&did, done);
            }
        }
        lock(&link.missed).push((to.to_owned(), done));
        link.bells.missed.notify_one();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("host", &self.host).finish_non_exhaustive()
    }
}
