//! The side that calls: messages to an address leave in requests, and what is answered comes in their responses.

use std::fmt;
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;
use xbind::{Did, Error, ErrorKind, VerifyingKey};
use xbind_runtime::Node;
use xbind_runtime::transport::{CallId, Departure, Limits, Remote, Resolved, Resolver, Route, Transport, TransportId};

use super::address::{Address, Parcel};
use super::book::Book;
use super::exchange::Load;
use super::{LIMITS, QUEUED, why};
use crate::connect::Ways;
use crate::{FetchError, Fetcher, Rules, Settings, Target, Whose, thread};

/// Addresses that a client remembers.
pub(super) const MAX_ADDRESSES: usize = 65_536;
/// Calls that are sent once more at the same time, each over a connection of its own.
const MAX_AGAIN: usize = 16;
/// What a list of agents may be, and how long it may take.
const LIST: (usize, Duration) = (64 << 10, Duration::from_secs(10));
/// How long nobody asks an address again who answers there.
const LISTED_AGAIN: Duration = Duration::from_secs(1);

/// Reaches agents by the addresses that calls name: `https://host/path`, the DID behind a `#` where it is known, and a `~`
/// before it all where it is a stranger's word.
pub struct Client {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) node: Weak<Node>,
    id: OnceLock<TransportId>,
    addresses: Mutex<Book>,
    fetcher: Fetcher,
    pub(super) ways: Ways,
    /// How many exchanges there were.
    last: AtomicU64,
    again: Semaphore,
}

impl Client {
    /// Lets the agents of a node call by address.
    pub fn attach(node: &Arc<Node>, settings: Settings) {
        let shared = Arc::new(Shared {
            node: Arc::downgrade(node),
            id: OnceLock::new(),
            addresses: Mutex::new(Book::new(MAX_ADDRESSES)),
            fetcher: Fetcher::new(Settings { interval: settings.interval.min(LISTED_AGAIN), ..settings.clone() }),
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
        let Some(address) = self.shared.address(route) else {
            parcels.clear();
            return self.shared.is_gone(route);
        };
        let (calls, words) = {
            let mut queue = lock(&address.queue);
            let mut rest = take(parcels).into_iter();
            while queue.bytes < QUEUED
                && let Some(parcel) = rest.next().map(Parcel::New)
            {
                queue.bytes = queue.bytes.saturating_add(parcel.size());
                let lane = if parcel.call().is_some() { &mut queue.calls } else { &mut queue.words };
                lane.push_back(parcel);
            }
            parcels.extend(rest);
            queue.left = !parcels.is_empty();
            (queue.may_begin(false), queue.may_begin(true))
        };
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
            let pieces = vec![(Some(call), 0..bytes.len())];
            let load = Load { body: bytes, pieces, exchange, fresh: true, again: true };
            drop(shared.request(&address, &load).await);
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
        let address = match self.shared.address_of(url, whose) {
            Ok(address) => address,
            Err(error) => return done.failed_with(error),
        };
        if let Some(did) = did {
            let Ok(key) = VerifyingKey::from_did(did) else { return done.failed(ErrorKind::InvalidDid) };
            return done.found(&[Remote { did: *key.did(), route: address.route }]);
        }
        if let Some(known) = address.agents() {
            return done.found(&address.remotes(&known));
        }
        let (max_bytes, patience) = LIST;
        let rules = Rules { whose, max_bytes, timeout: patience, accept: "application/json".to_owned() };
        self.shared.fetcher.fetch_then(address.target.as_str().to_owned(), rules, move |document| {
            let refused = |why| why::error(ErrorKind::AgentNotFound, &address.target, why);
            match document.map(|document| agents_in(document.bytes())) {
                Ok(Some(agents)) => {
                    address.list(&agents);
                    done.found(&address.remotes(&agents));
                }
                Ok(None) => done.failed_with(refused(FetchError::MediaType)),
                Err(why) => done.failed_with(refused(why)),
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

pub(super) fn begin(shared: &Arc<Shared>, address: &Arc<Address>, words: bool) {
    let (shared, address) = (Arc::clone(shared), Arc::clone(address));
    match thread::handle() {
        Ok(thread) => drop(thread.spawn(async move {
            while let Some((batch, begins_another)) = address.next(words) {
                if begins_another {
                    begin(&shared, &address, words);
                }
                if take(&mut lock(&address.queue).left)
                    && let Some(node) = shared.node.upgrade()
                {
                    node.writable(address.route);
                }
                // A panic ends this request alone.
                let (shared, address) = (Arc::clone(&shared), Arc::clone(&address));
                let _ = tokio::spawn(async move { shared.exchange(&address, batch, words).await }).await;
            }
        })),
        Err(_) => drop(address.next(words)), // without a thread nothing ever leaves, and calls run out of time
    }
}

impl Shared {
    fn address(&self, route: Route) -> Option<Arc<Address>> {
        lock(&self.addresses).on(route)
    }

    fn address_of(&self, url: &str, whose: Whose) -> Result<Arc<Address>, Error> {
        let target = Target::parse(url, whose).map_err(why::unusable)?;
        let id = self.id.get().ok_or_else(|| why::unusable(FetchError::Internal))?;
        let found = lock(&self.addresses).at(whose, target, *id);
        let (address, forgotten) = found.ok_or_else(why::too_many)?;
        if let Some(forgotten) = forgotten {
            self.is_gone(forgotten.route);
        }
        Ok(address)
    }

    /// That address is forgotten: so is what the node knows of it.
    fn is_gone(&self, route: Route) {
        let (node, Ok(thread)) = (self.node.clone(), thread::handle()) else { return };
        thread.spawn(async move {
            if let Some(node) = node.upgrade() {
                node.gone(route);
            }
        });
    }

    pub(super) fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
