//! The side that calls: messages to an address leave in requests, and what is answered comes in their responses.

use std::collections::HashMap;
use std::fmt;
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use xbind::{Did, ErrorKind, VerifyingKey};
use xbind_runtime::Node;
use xbind_runtime::transport::{
    CallId, Departure, Limits, Remote, Resolved, Resolver, Route, Transport, TransportId, Way,
};

use super::address::Address;
use super::connection::{Connection, Sent, vet};
use super::frame::{Frames, write};
use super::{LIMITS, QUEUED};
use crate::connect::Ways;
use crate::{FetchError, Fetcher, Rules, Settings, Target, Whose, thread};

/// Addresses that a client remembers.
const MAX_ADDRESSES: usize = 65_536;
/// Requests under way to one address, and beside them those that carry only words about calls that run.
const MAX_REQUESTS: (usize, usize) = (128, 8);
/// Calls that are sent once more at the same time, each over a connection of its own.
const MAX_AGAIN: usize = 16;
/// Connections that wait for the next request.
const MAX_IDLE: usize = 16;
/// How long connecting may take, TLS included, and how long the head of a response.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether anybody still waits for what a response may bring.
const LOOKING: Duration = Duration::from_secs(1);
/// What a list of agents may be, and how long it may take.
const LIST: (usize, Duration) = (64 << 10, Duration::from_secs(10));

/// Reaches agents by the addresses that calls name: `https://host/path`, the DID behind a `#` where it is known, and a `~`
/// before it all where it is a stranger's word.
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    node: Weak<Node>,
    id: OnceLock<TransportId>,
    addresses: Mutex<Addresses>,
    fetcher: Fetcher,
    ways: Ways,
    /// How many exchanges there were.
    last: AtomicU64,
    again: Semaphore,
}

#[derive(Default)]
struct Addresses {
    all: Vec<Arc<Address>>,
    by_text: HashMap<(Whose, String), u32>,
}

impl Client {
    /// Lets the agents of a node call by address.
    pub fn attach(node: &Arc<Node>, settings: Settings) {
        let shared = Arc::new(Shared {
            node: Arc::downgrade(node),
            id: OnceLock::new(),
            addresses: Mutex::default(),
            fetcher: Fetcher::new(settings.clone()),
            ways: Ways::new(settings),
            last: AtomicU64::new(0),
            again: Semaphore::new(MAX_AGAIN),
        });
        let id = node.attach(Arc::new(Self { shared: shared.clone() }));
        let _ = shared.id.set(id);
        node.resolve_addresses_with(Arc::new(Self { shared }));
    }
}

impl Transport for Client {
    fn carry(&self, route: Route, parcels: &mut Vec<Departure>) {
        let Some(address) = self.shared.address(route) else { return parcels.clear() };
        let (mut calls, mut words) = (false, false);
        {
            let mut queue = lock(&address.queue);
            let mut rest = take(parcels).into_iter();
            while queue.bytes < QUEUED
                && let Some(parcel) = rest.next()
            {
                queue.bytes = queue.bytes.saturating_add(parcel.size());
                let lane = if parcel.call.is_some() { &mut queue.calls } else { &mut queue.words };
                lane.push_back(parcel);
            }
            parcels.extend(rest);
            queue.left = !parcels.is_empty();
            if !queue.calls.is_empty() && queue.requests < MAX_REQUESTS.0 {
                queue.requests = queue.requests.saturating_add(1);
                calls = true;
            }
            if !queue.words.is_empty() && queue.word_requests < MAX_REQUESTS.1 {
                queue.word_requests = queue.word_requests.saturating_add(1);
                words = true;
            }
        }
        for (begins, is_words) in [(calls, false), (words, true)] {
            if begins {
                begin(&self.shared, &address, is_words);
            }
        }
    }

    fn limits(&self, _: Route) -> Limits {
        LIMITS
    }

    fn names_sessions(&self) -> bool {
        true
    }

    fn again(&self, route: Route, call: CallId) -> bool {
        let Some(address) = self.shared.address(route) else { return false };
        let exchange = self.shared.next();
        let (Some(bytes), Ok(thread)) = (address.again(exchange, &call), thread::handle()) else { return false };
        let shared = self.shared.clone();
        thread.spawn(async move {
            // Of several processes behind one address another one may get it this time.
            let _turn = shared.again.acquire().await;
            shared.request(&address, bytes, &[call], exchange, true).await;
        });
        true
    }

    fn close(&self, _: Duration) {}
}

impl Resolver for Client {
    fn resolve(&self, to: &str, done: Resolved) {
        let (whose, rest) = match to.strip_prefix('~') {
            Some(rest) => (Whose::Stranger, rest),
            None => (Whose::Owner, to),
        };
        let (url, did) = rest.split_once('#').map_or((rest, None), |(url, did)| (url, Some(did)));
        let Some(address) = self.shared.address_of(url, whose) else { return done.failed(ErrorKind::InvalidConfig) };
        if let Some(did) = did {
            let Ok(key) = VerifyingKey::from_did(did) else { return done.failed(ErrorKind::InvalidDid) };
            return done.found(&[Remote { did: *key.did(), route: address.route }]);
        }
        let known = lock(&address.agents).clone();
        if !known.is_empty() {
            return done.found(&address.remotes(&known));
        }
        let (max_bytes, patience) = LIST;
        let rules = Rules { whose, max_bytes, timeout: patience, accept: "application/json".to_owned() };
        self.shared.fetcher.fetch_then(address.target.as_str().to_owned(), rules, move |document| {
            match document.ok().and_then(|document| agents_in(document.bytes())) {
                Some(agents) => {
                    lock(&address.agents).clone_from(&agents);
                    done.found(&address.remotes(&agents));
                }
                None => done.failed(ErrorKind::AgentNotFound),
            }
        });
    }
}

/// The list that an address answers a `GET` with.
fn agents_in(json: &[u8]) -> Option<Vec<Did>> {
    #[derive(Deserialize)]
    struct List {
        agents: Vec<String>,
    }
    let list: List = serde_json::from_slice(json).ok()?;
    list.agents.iter().map(|did| VerifyingKey::from_did(did).ok().map(|key| *key.did())).collect()
}

fn begin(shared: &Arc<Shared>, address: &Arc<Address>, words: bool) {
    let (shared, address) = (Arc::clone(shared), Arc::clone(address));
    match thread::handle() {
        Ok(thread) => drop(thread.spawn(async move {
            while let Some(batch) = address.next(words) {
                if take(&mut lock(&address.queue).left)
                    && let Some(node) = shared.node.upgrade()
                {
                    node.writable(address.route);
                }
                // A panic ends this request alone.
                let (shared, address) = (Arc::clone(&shared), Arc::clone(&address));
                let _ = tokio::spawn(async move { shared.exchange(&address, batch).await }).await;
            }
        })),
        Err(_) => drop(address.next(words)), // without a thread nothing ever leaves, and calls run out of time
    }
}

impl Shared {
    fn address(&self, route: Route) -> Option<Arc<Address>> {
        lock(&self.addresses).all.get(usize::try_from(route.id).ok()?).cloned()
    }

    fn address_of(&self, url: &str, whose: Whose) -> Option<Arc<Address>> {
        let target = Target::parse(url, whose).ok()?;
        let key = (whose, target.as_str().to_owned());
        let mut addresses = lock(&self.addresses);
        if let Some(known) = addresses.by_text.get(&key).copied() {
            return addresses.all.get(usize::try_from(known).ok()?).cloned();
        }
        let id = u32::try_from(addresses.all.len()).ok().filter(|_| addresses.all.len() < MAX_ADDRESSES)?;
        let address = Arc::new(Address::new(whose, target, self.id.get()?.route(id, 0)));
        addresses.all.push(address.clone());
        addresses.by_text.insert(key, id);
        Some(address)
    }

    async fn exchange(self: Arc<Self>, address: &Arc<Address>, batch: Vec<Departure>) {
        let (mut body, mut ranges) = (Vec::new(), Vec::new());
        for parcel in &batch {
            let from = body.len();
            if write(parcel, &mut body)
                && let Some(call) = parcel.call
            {
                ranges.push((call, from..body.len()));
            }
        }
        drop(batch);
        let (body, exchange) = (Bytes::from(body), self.next());
        let calls: Vec<CallId> = ranges.iter().map(|(call, _)| *call).collect();
        address.sent(exchange, ranges.into_iter().map(|(call, range)| (call, body.slice(range))));
        self.request(address, body, &calls, exchange, false).await;
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed)
    }

    /// One exchange of that number; `fresh` over a connection that nothing was sent on.
    async fn request(
        self: &Arc<Self>,
        address: &Arc<Address>,
        body: Bytes,
        calls: &[CallId],
        exchange: u64,
        fresh: bool,
    ) {
        let lost = |why| self.lost(address, calls, exchange, why);
        let failed = || self.ended(address, calls, exchange, |node, call| node.failed(call, ErrorKind::AgentNotFound));
        let mut may_have_come = fresh;
        loop {
            let kept = if fresh { None } else { lock(&address.idle).pop() };
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(kept) if !kept.is_open() => continue,
                Some(kept) => kept,
                None => match self.connect(address).await {
                    Ok(connection) => connection,
                    Err(_) if may_have_come => return lost(ErrorKind::AgentClosed),
                    Err(_) => return failed(),
                },
            };
            let sent = timeout(PATIENCE.saturating_mul(3), connection.send(&address.target, body.clone())).await;
            let response = match sent {
                Ok(Sent::Answered(response)) => response,
                Ok(Sent::Kept) if reused => continue,
                // Calls name the replay window that they are for: whoever gets the same bytes again begins nothing twice.
                Ok(Sent::Lost) if reused => {
                    may_have_come = true;
                    continue;
                }
                Ok(Sent::Kept) if !may_have_come => {
                    return failed();
                }
                Ok(Sent::Kept | Sent::Lost) | Err(_) => return lost(ErrorKind::AgentClosed),
            };
            if vet(&response).is_err() {
                return lost(ErrorKind::AgentNotFound);
            }
            return match self.read(address, response.into_body(), calls).await {
                Read::Whole if connection.is_ready().await => {
                    let mut idle = lock(&address.idle);
                    if idle.len() < MAX_IDLE {
                        idle.push(connection);
                    }
                    drop(idle);
                    self.ended(address, calls, exchange, |node, call| node.lost(call, ErrorKind::AgentClosed));
                }
                Read::Unwanted => self.ended(address, calls, exchange, |_, _| {}), // nobody waits for them
                Read::Whole | Read::BrokenOff => lost(ErrorKind::AgentClosed),
            };
        }
    }

    async fn read(&self, address: &Address, mut body: Incoming, calls: &[CallId]) -> Read {
        let Some(longest) = self.node.upgrade().map(|node| node.longest_body()) else { return Read::Unwanted };
        let mut frames = Frames::new(longest);
        loop {
            let Ok(frame) = timeout(LOOKING, body.frame()).await else {
                let Some(node) = self.node.upgrade() else { return Read::Unwanted };
                if !calls.is_empty() && !calls.iter().any(|call| node.awaits(*call)) {
                    return Read::Unwanted;
                }
                continue;
            };
            let Some(frame) = frame else {
                return if frames.end().is_ok() { Read::Whole } else { Read::BrokenOff };
            };
            let Ok(frame) = frame else { return Read::BrokenOff };
            let Ok(data) = frame.into_data() else { continue };
            let mut arrivals = Vec::new();
            let read = frames.read(&data, &mut arrivals);
            let Some(node) = self.node.upgrade() else { return Read::Unwanted };
            node.deliver(arrivals, Way { route: address.route, hold: None, only_replies: true, speaks_for: None });
            if read.is_err() {
                return Read::BrokenOff;
            }
        }
    }

    async fn connect(self: &Arc<Self>, address: &Arc<Address>) -> Result<Connection, FetchError> {
        let late = FetchError::Timeout(u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX));
        let deadline = Instant::now().checked_add(PATIENCE).ok_or(late)?;
        let closed = {
            let (shared, address) = (Arc::downgrade(self), Arc::downgrade(address));
            move || {
                if let (Some(shared), Some(address)) = (shared.upgrade(), address.upgrade()) {
                    shared.forget(&address);
                }
            }
        };
        let connecting =
            async { Connection::over(self.ways.open(&address.target, address.whose, deadline).await?, closed).await };
        timeout(PATIENCE, connecting).await.unwrap_or(Err(late))
    }

    /// Whoever is there next may be another process.
    fn forget(&self, address: &Address) {
        lock(&address.agents).clear();
        if let Some(node) = self.node.upgrade() {
            node.forget_sessions(address.route);
        }
    }

    fn lost(&self, address: &Address, calls: &[CallId], exchange: u64, why: ErrorKind) {
        self.forget(address);
        self.ended(address, calls, exchange, |node, call| node.lost(call, why));
    }

    fn ended(&self, address: &Address, calls: &[CallId], exchange: u64, end: impl Fn(&Arc<Node>, CallId)) {
        let over: Vec<_> = calls.iter().filter(|call| address.is_over(exchange, call)).collect();
        if let Some(node) = self.node.upgrade() {
            over.into_iter().for_each(|call| end(&node, *call));
        }
    }
}

enum Read {
    /// To its end.
    Whole,
    BrokenOff,
    /// Nobody waits for the rest.
    Unwanted,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
