//! The side that is called: each request with its response is a route, over as soon as nothing can come of what it brought.

mod store;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem::{replace, take};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use xbind::{Did, Result};
use xbind_runtime::transport::{Departure, Limits, Route, Transport, TransportId, Way};
use xbind_runtime::{Node, WindowAnswer, WindowQuestion};

use super::frame::{Frames, Unreadable, write};
use super::{LIMITS, QUEUED};
use store::{Asked, Store};

/// Which agents of a node are reached.
#[derive(Clone, Debug)]
pub enum Exposed {
    /// All of them.
    All,
    /// These.
    Only(HashSet<Did>),
}

/// What is to be written next into a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Whole messages.
    pub bytes: Vec<u8>,
    /// Nothing comes after them: the response ends.
    pub over: bool,
}

/// Agents of a node, reached by requests that a face receives and answers. The face [opens](Server::open) an exchange for
/// each, [feeds](Server::feed) it the body, and writes what it [takes](Server::take).
pub struct Server {
    shared: Arc<Shared>,
    id: TransportId,
    asks: Option<Arc<Store>>,
}

/// Called, on any thread, when an exchange has something to take; with 0 when there are [questions](Server::questions).
pub type Wake = Box<dyn Fn(u32) + Send + Sync>;

struct Shared {
    node: Weak<Node>,
    exposed: Exposed,
    wake: Wake,
    questions: Mutex<Vec<WindowQuestion>>,
    exchanges: Mutex<Exchanges>,
}

#[derive(Default)]
struct Exchanges {
    last: u32,
    open: HashMap<u32, Exchange>,
    /// What waits to be taken on each connection, in bytes.
    unread: HashMap<u32, usize>,
}

impl Exchanges {
    /// Of what waits on that connection so much was taken, or is nobody's any more.
    fn took(&mut self, connection: Option<u32>, bytes: usize) {
        let Some(connection) = connection else { return };
        let unread = self.unread.get(&connection).map_or(0, |unread| unread.saturating_sub(bytes));
        if unread == 0 {
            self.unread.remove(&connection);
        } else {
            self.unread.insert(connection, unread);
        }
    }
}

struct Exchange {
    connection: Option<u32>,
    out: Vec<u8>,
    /// The node has more for it.
    left: bool,
    over: bool,
    /// The face was woken, and has not taken anything since.
    woken: bool,
    incoming: Arc<Mutex<Frames>>,
    /// Until its body has ended.
    own: Option<Arc<Token>>,
}

impl Exchange {
    /// Whether the face is to be woken: once until it takes.
    const fn wakes(&mut self) -> bool {
        !replace(&mut self.woken, true)
    }
}

/// Held by whatever may still be answered.
struct Token {
    shared: Weak<Shared>,
    exchange: u32,
}

impl Drop for Token {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let wakes = shared.exchanges().open.get_mut(&self.exchange).is_some_and(|exchange| {
            exchange.over = true;
            exchange.wakes()
        });
        if wakes {
            (shared.wake)(self.exchange);
        }
    }
}

impl Shared {
    fn exchanges(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Opens agents of a node to requests; `shares` their replay windows with other processes, by a store that the face asks.
    ///
    /// # Errors
    /// `INVALID_CONFIG` if they share them already.
    pub fn new(node: &Arc<Node>, exposed: Exposed, shares: bool, wake: Wake) -> Result<Self> {
        let shared = Arc::new(Shared {
            node: Arc::downgrade(node),
            exposed,
            wake,
            questions: Mutex::default(),
            exchanges: Mutex::default(),
        });
        let asks = shares.then(|| Arc::new(Store::new(shared.clone())));
        if let Some(store) = &asks {
            node.share_windows(Arc::new(Asked::of(store)))?;
        }
        let id = node.attach(Arc::new(Responses(shared.clone())));
        Ok(Self { shared, id, asks })
    }

    /// What the store is to be asked.
    #[must_use]
    pub fn questions(&self) -> Vec<WindowQuestion> {
        take(&mut *self.shared.questions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the store says.
    pub fn told(&self, number: u64, answer: &WindowAnswer) {
        if let Some(node) = self.shared.node.upgrade() {
            node.window_told(number, answer);
        }
    }

    /// The number of an exchange: a request has come, on a connection that takes one at a time.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open_on(None)
    }

    /// The same on that connection, by numbers of the face's, on which others may be under way.
    #[must_use]
    pub fn open_on(&self, connection: Option<u32>) -> u32 {
        let frames = self.shared.node.upgrade().map_or_else(|| Frames::new(0), |node| Frames::for_node(&node));
        let mut exchanges = self.shared.exchanges();
        exchanges.last = exchanges.last.wrapping_add(1).max(1);
        let number = exchanges.last;
        let own = Some(Arc::new(Token { shared: Arc::downgrade(&self.shared), exchange: number }));
        let incoming = Arc::new(Mutex::new(frames));
        let out = Vec::new();
        let exchange = Exchange { connection, out, left: false, over: false, woken: false, incoming, own };
        exchanges.open.insert(number, exchange);
        number
    }

    /// A piece of the request's body.
    ///
    /// # Errors
    /// Why no more messages can come of it; those before that are delivered all the same.
    pub fn feed(&self, exchange: u32, piece: &[u8]) -> std::result::Result<(), Unreadable> {
        let found = self.shared.exchanges().open.get(&exchange).map(|open| (open.incoming.clone(), open.own.clone()));
        let (Some((incoming, Some(own))), Some(node)) = (found, self.shared.node.upgrade()) else { return Ok(()) };
        let mut arrivals = Vec::new();
        let read = incoming.lock().unwrap_or_else(PoisonError::into_inner).read(piece, &mut arrivals);
        if let Exposed::Only(dids) = &self.shared.exposed {
            arrivals.retain(|arrival| dids.contains(&arrival.to));
        }
        let back = Way { route: self.id.route(exchange, 0), hold: Some(own), only_replies: false, speaks_for: None };
        node.deliver(arrivals, back);
        read
    }

    /// Whether there is room for more of what is said on the connection of that exchange. Where nothing of it can be taken before
    /// others have ended, the rest of its body has to wait.
    #[must_use]
    pub fn has_room(&self, exchange: u32) -> bool {
        let exchanges = self.shared.exchanges();
        let connection = exchanges.open.get(&exchange).and_then(|open| open.connection);
        connection.and_then(|connection| exchanges.unread.get(&connection)).is_none_or(|unread| *unread < QUEUED)
    }

    /// The request's body has ended; the response does once all is answered.
    ///
    /// # Errors
    /// It ended in the middle of a message, or what [`Server::feed`] has said.
    pub fn end(&self, exchange: u32) -> std::result::Result<(), Unreadable> {
        let ended =
            self.shared.exchanges().open.get_mut(&exchange).map(|open| (open.incoming.clone(), open.own.take()));
        let Some((incoming, own)) = ended else { return Ok(()) };
        let whole = incoming.lock().unwrap_or_else(PoisonError::into_inner).end();
        drop(own);
        whole
    }

    /// What is to be written next; nothing before the face is woken again, which happens once until it takes.
    #[must_use]
    pub fn take(&self, exchange: u32) -> Taken {
        let (bytes, left) = {
            let mut exchanges = self.shared.exchanges();
            let Some(open) = exchanges.open.get_mut(&exchange) else {
                return Taken { bytes: Vec::new(), over: true };
            };
            open.woken = false;
            let (connection, bytes, left) = (open.connection, take(&mut open.out), take(&mut open.left));
            exchanges.took(connection, bytes.len());
            (bytes, left)
        };
        if left && let Some(node) = self.shared.node.upgrade() {
            node.writable(self.id.route(exchange, 0));
        }
        let exchanges = self.shared.exchanges();
        let over = exchanges.open.get(&exchange).is_none_or(|open| open.over && open.out.is_empty() && !open.left);
        Taken { bytes, over }
    }

    /// The response is done, or the connection lost: handlers that still work for it see their signal abort.
    pub fn gone(&self, exchange: u32) {
        let closed = {
            let mut exchanges = self.shared.exchanges();
            let closed = exchanges.open.remove(&exchange);
            closed.iter().for_each(|closed| exchanges.took(closed.connection, closed.out.len()));
            closed
        };
        drop(closed);
        if let Some(node) = self.shared.node.upgrade() {
            node.gone(self.id.route(exchange, 0));
        }
    }

    /// How many exchanges are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.exchanges().open.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// With its face a server is gone: nobody writes what its exchanges bring, or asks its store.
impl Drop for Server {
    fn drop(&mut self) {
        let open: Vec<_> = self.shared.exchanges().open.keys().copied().collect();
        open.into_iter().for_each(|exchange| self.gone(exchange));
        let asked = self.asks.take().is_some(); // from here on the node sees it
        if let (true, Some(node)) = (asked, self.shared.node.upgrade()) {
            node.windows_gone();
        }
    }
}

/// What the node knows of a [`Server`].
struct Responses(Arc<Shared>);

impl Transport for Responses {
    fn carry(&self, route: Route, parcels: &mut Vec<Departure>) {
        let mut written = Vec::new(); // what they hold may take the lock when it is dropped
        let wakes = {
            let mut exchanges = self.0.exchanges();
            let Exchanges { open, unread, .. } = &mut *exchanges;
            let Some(exchange) = open.get_mut(&route.id) else {
                drop(exchanges);
                return parcels.clear();
            };
            let before = exchange.out.len();
            let mut rest = take(parcels).into_iter();
            while exchange.out.len() < QUEUED
                && let Some(parcel) = rest.next()
            {
                let _ = write(&parcel, &mut exchange.out); // one that the format cannot hold is over the limit
                written.push(parcel);
            }
            parcels.extend(rest);
            exchange.left = !parcels.is_empty();
            if let Some(connection) = exchange.connection {
                let unread = unread.entry(connection).or_default();
                *unread = unread.saturating_add(exchange.out.len().saturating_sub(before));
            }
            exchange.wakes()
        };
        drop(written); // perhaps the last that may come, which the same wake tells
        if wakes {
            (self.0.wake)(route.id);
        }
    }

    fn limits(&self, _: Route) -> Limits {
        LIMITS
    }

    fn names_sessions(&self) -> bool {
        true
    }

    fn close(&self, _: Duration) {
        let open: Vec<_> = {
            let mut exchanges = self.0.exchanges();
            exchanges.open.values_mut().for_each(|exchange| exchange.over = true);
            exchanges.open.iter_mut().filter_map(|(number, exchange)| exchange.wakes().then_some(*number)).collect()
        };
        open.into_iter().for_each(|exchange| (self.0.wake)(exchange));
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("exchanges", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use xbind::SigningKey;
    use xbind_runtime::NodeOptions;

    use super::*;

    #[test]
    fn the_face_is_woken_once_until_it_takes() -> Result<()> {
        let (node, woken) = (Node::new(NodeOptions::default()), Arc::new(AtomicUsize::new(0)));
        let count = woken.clone();
        let wake = move |_| {
            let _ = count.fetch_add(1, Ordering::Relaxed);
        };
        let server = Server::new(&node, Exposed::All, false, Box::new(wake))?;
        let exchange = server.open_on(Some(1));
        let (back, did) = (server.id.route(exchange, 0), *SigningKey::from_seed(&[7; 32]).did());
        let said = |last: bool| {
            let hold: Option<Arc<Token>> =
                last.then(|| server.shared.exchanges().open.get_mut(&exchange)?.own.take()).flatten();
            let jws = "a.b.c".to_owned();
            let mut parcels = vec![Departure {
                from: did,
                to: did,
                call: None,
                jws,
                body: vec![1],
                token: None,
                hold: hold.map(|own| -> xbind_runtime::transport::Hold { own }),
            }];
            Responses(server.shared.clone()).carry(back, &mut parcels);
            woken.load(Ordering::Relaxed)
        };
        assert_eq!((said(false), said(false)), (1, 1));
        let (behind, elsewhere) = (server.open_on(Some(1)), server.open_on(Some(2)));
        assert!(server.has_room(behind));
        while server.has_room(behind) {
            assert_eq!(said(false), 1);
        }
        let unread = server.shared.exchanges().unread.get(&1).copied();
        assert!(unread.is_some_and(|unread| (QUEUED..QUEUED + 1000).contains(&unread)));
        assert!(server.has_room(elsewhere), "another connection");
        let taken = server.take(exchange);
        assert!(taken.bytes.len() > 100 && !taken.over);
        assert!(server.has_room(behind));
        assert_eq!(
            (said(true), woken.load(Ordering::Relaxed)),
            (2, 2),
            "that it was the last is told by the same wake"
        );
        let taken = server.take(exchange);
        assert!(!taken.bytes.is_empty() && taken.over);
        server.gone(exchange);
        assert!(server.shared.exchanges().unread.is_empty());
        Ok(())
    }
}
