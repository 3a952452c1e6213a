//! A network, a clock and an executor that a test owns: everything happens in an order that one number decides.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use xbind::{Did, Draft, ErrorKind, InReplyTo, MessageId, Op, SigningKey, seal};
use xbind_runtime::transport::{
    Arrival, CallId, Departure, Limits, Remote, RemoteSigner, Resolved, Resolver, Route, SignDone, Transport,
    TransportId,
};
use xbind_runtime::{Node, NodeOptions, Payload, Time};

/// xorshift64*: small, and the same everywhere.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        rng.next();
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// 0 to `n` - 1.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn percent(&mut self, p: u64) -> bool {
        self.below(100) < p
    }
}

/// What the network does, in percent of the parcels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub lost: u64,
    pub failed: u64,
    pub doubled: u64,
    pub tampered: u64,
    pub misdelivered: u64,
    pub replayed: u64,
    pub forged: u64,
    pub blocks: u64,
    pub reorders: bool,
    /// Milliseconds.
    pub delay: u64,
    /// Of questions: late, dropped, failed, wrong, never answered.
    pub lookups: [u64; 5],
}

pub enum Happening {
    Arrive { at: usize, arrival: Arrival, back: Route },
    Writable { at: usize, route: Route },
    Gone { at: usize, route: Route },
    Failed { at: usize, call: CallId, why: ErrorKind },
    Found(Resolved, Vec<Remote>),
    NotFound(Resolved, ErrorKind),
    Signed(SignDone, Option<[u8; 64]>),
    Wake(Waker),
}

pub struct Inner {
    pub rng: Rng,
    pub faults: Faults,
    pub limits: Limits,
    /// Milliseconds since the beginning.
    pub now: u64,
    serial: u64,
    pub agenda: BTreeMap<(u64, u64), Happening>,
    pub ids: Vec<TransportId>,
    /// Of the connection between two nodes, the lower number first.
    generations: HashMap<(usize, usize), u32>,
    /// When the last parcel from one to the other arrives.
    last: HashMap<(usize, usize), u64>,
    /// How many more a connection takes; none: as many as there are.
    pub room: HashMap<(usize, usize), usize>,
    /// Who is where: names and DIDs.
    pub book: Vec<(Option<String>, Did, usize)>,
    pub closed: Vec<usize>,
    pub carried: Vec<(usize, usize, Arrival)>,
    kept: Vec<Resolved>,
    kept_signs: Vec<SignDone>,
    stranger: SigningKey,
    pub epoch: u64,
    pub questions: Vec<String>,
}

/// The network between the nodes of a test.
#[derive(Clone)]
pub struct Net(pub Arc<Mutex<Inner>>);

pub struct Wire {
    net: Net,
    own: usize,
}

pub struct Book {
    net: Net,
    own: usize,
}

impl Net {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: Rng::new(seed ^ 0xabcd),
            faults,
            limits: Limits { max_parcel: 1 << 20, clock_skew: 5, message_ttl: 30 },
            now: 0,
            serial: 0,
            agenda: BTreeMap::new(),
            ids: Vec::new(),
            generations: HashMap::new(),
            last: HashMap::new(),
            room: HashMap::new(),
            book: Vec::new(),
            closed: Vec::new(),
            carried: Vec::new(),
            kept: Vec::new(),
            kept_signs: Vec::new(),
            stranger: SigningKey::from_seed(&[0xee; 32]),
            epoch: 0,
            questions: Vec::new(),
        })))
    }

    pub fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A fresh connection in place of an old one; both ends learn that it is gone.
    pub fn cut(&self, one: usize, other: usize) {
        let mut inner = self.inner();
        let (from, to) = (inner.route(one, other), inner.route(other, one));
        *inner.generations.entry((one.min(other), one.max(other))).or_default() += 1;
        inner.room.remove(&(one, other));
        inner.room.remove(&(other, one));
        let now = inner.now;
        inner.plan(now, Happening::Gone { at: one, route: from });
        inner.plan(now + 1, Happening::Gone { at: other, route: to });
    }

    pub fn block(&self, from: usize, to: usize, takes: usize) {
        self.inner().room.insert((from, to), takes);
    }

    pub fn unblock(&self, from: usize, to: usize) {
        let mut inner = self.inner();
        inner.room.remove(&(from, to));
        let (now, route) = (inner.now, inner.route(from, to));
        inner.plan(now, Happening::Writable { at: from, route });
    }

    pub fn forget_kept(&self) {
        let (kept, signs) = {
            let mut inner = self.inner();
            (std::mem::take(&mut inner.kept), std::mem::take(&mut inner.kept_signs))
        };
        drop(kept);
        drop(signs);
    }
}

impl Inner {
    pub fn plan(&mut self, at: u64, what: Happening) {
        self.serial += 1;
        self.agenda.insert((at, self.serial), what);
    }

    pub fn generation(&self, one: usize, other: usize) -> u32 {
        self.generations.get(&(one.min(other), one.max(other))).copied().unwrap_or_default()
    }

    /// The way from one node to another.
    pub fn route(&self, from: usize, to: usize) -> Route {
        self.ids[from].route(to as u32, self.generation(from, to))
    }

    fn arrive(&mut self, from: usize, to: usize, arrival: Arrival, extra: u64) {
        let jitter = if self.faults.delay == 0 { 0 } else { self.rng.below(self.faults.delay) };
        let mut when = self.now + jitter + extra;
        if !self.faults.reorders {
            let last = self.last.entry((from, to)).or_default();
            when = when.max(*last);
            *last = when;
        }
        let back = self.route(to, from);
        self.plan(when, Happening::Arrive { at: to, arrival, back });
    }

    /// What a hostile network makes of a parcel.
    fn take(&mut self, from: usize, to: usize, parcel: Departure) {
        let Departure { to: recipient, call, jws, body, token, .. } = parcel;
        let arrival = Arrival { to: recipient, jws, body, token };
        self.carried.push((from, to, arrival.clone()));
        let faults = self.faults;
        if self.rng.percent(faults.lost) {
            return;
        }
        if let Some(call) = call
            && self.rng.percent(faults.failed)
        {
            let when = self.now + self.rng.below(faults.delay);
            return self.plan(when, Happening::Failed { at: from, call, why: ErrorKind::AgentNotFound });
        }
        if self.rng.percent(faults.tampered) {
            let mut bad = arrival.clone();
            match self.rng.below(4) {
                0 if !bad.body.is_empty() => bad.body[0] ^= 1,
                1 => bad.token = Some("not signed for".to_owned()),
                2 => bad.jws.truncate(bad.jws.len() / 2),
                _ => {
                    let at = self.rng.below(bad.jws.len() as u64) as usize;
                    let mut bytes = bad.jws.into_bytes();
                    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                    bad.jws = String::from_utf8(bytes).unwrap();
                }
            }
            self.arrive(from, to, bad, 0);
            if self.rng.percent(50) {
                return; // in place of the true one
            }
        }
        if self.rng.percent(faults.misdelivered) {
            let other = self.rng.below(self.book.len() as u64) as usize;
            let (_, did, at) = self.book[other].clone();
            if at != from {
                self.arrive(from, at, Arrival { to: did, ..arrival.clone() }, 0);
                self.arrive(from, at, arrival.clone(), 0);
            }
        }
        if self.rng.percent(faults.forged) {
            self.forge(from, to, &arrival, call);
        }
        if self.rng.percent(faults.doubled) {
            self.arrive(from, to, arrival.clone(), 0);
        }
        if self.rng.percent(faults.replayed) {
            let extra = self.rng.below(40_000);
            let (from, to, old) = self.carried[self.rng.below(self.carried.len() as u64) as usize].clone();
            let back = self.route(to, from);
            let when = self.now + extra;
            self.plan(when, Happening::Arrive { at: to, arrival: old, back });
        }
        self.arrive(from, to, arrival, 0);
    }

    /// A stranger calls the recipient, and answers the call in its place.
    fn forge(&mut self, from: usize, to: usize, seen: &Arrival, call: Option<CallId>) {
        if seen.to == *self.stranger.did() {
            return;
        }
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.rng.next().to_be_bytes());
        let draft = |op, to, in_reply_to, body| Draft {
            op,
            to,
            id: MessageId::from_bytes(id),
            issued_at: self.epoch + self.now / 1000,
            ttl: 5,
            content_type: "application/json",
            body,
            token: None,
            in_reply_to,
        };
        let own = draft(Op::Call, seen.to, None, br#"{"stranger":1}"#);
        let strange = seal(&self.stranger, &own).unwrap().jws;
        let answer = call.map(|call| {
            let request = InReplyTo::of(call.id, &seen.jws);
            let forged = draft(Op::Result, call.caller, Some(request), br#"{"forged":1}"#);
            (call.caller, seal(&self.stranger, &forged).unwrap().jws)
        });
        let arrival = Arrival { to: seen.to, jws: strange, body: br#"{"stranger":1}"#.to_vec(), token: None };
        self.arrive(from, to, arrival, 0);
        if let Some((caller, jws)) = answer {
            self.arrive(to, from, Arrival { to: caller, jws, body: br#"{"forged":1}"#.to_vec(), token: None }, 0);
        }
    }
}

impl Transport for Wire {
    fn carry(&self, route: Route, parcels: &mut Vec<Departure>) {
        let mut inner = self.net.inner();
        let (from, to) = (self.own, route.id as usize);
        if route.generation != inner.generation(from, to) {
            parcels.clear(); // lost with its connection
            return;
        }
        if inner.room.get(&(from, to)).is_none() && !parcels.is_empty() {
            let blocks = inner.faults.blocks;
            if inner.rng.percent(blocks) {
                let takes = inner.rng.below(3) as usize;
                inner.room.insert((from, to), takes);
                let when = inner.now + 1 + inner.rng.below(2000);
                inner.plan(when, Happening::Writable { at: from, route });
            }
        }
        let count = match inner.room.get_mut(&(from, to)) {
            Some(room) => {
                let count = (*room).min(parcels.len());
                *room -= count;
                count
            }
            None => parcels.len(),
        };
        for parcel in parcels.drain(..count) {
            inner.take(from, to, parcel);
        }
    }

    fn limits(&self, _: Route) -> Limits {
        self.net.inner().limits
    }

    fn close(&self, _: Duration) {
        self.net.inner().closed.push(self.own);
    }
}

impl Resolver for Book {
    fn resolve(&self, to: &str, done: Resolved) {
        let answer = {
            let mut inner = self.net.inner();
            inner.questions.push(to.to_owned());
            let entries = inner
                .book
                .iter()
                .filter(|(name, did, at)| *at != self.own && (name.as_deref() == Some(to) || did.as_str() == to));
            let found: Vec<_> = entries.map(|(_, did, at)| (*did, *at)).collect();
            let remotes = found.iter().map(|(did, at)| Remote { did: *did, route: inner.route(self.own, *at) });
            let mut remotes: Vec<_> = remotes.collect();
            let [late, dropped, failed, wrong, never] = inner.faults.lookups;
            let p = inner.rng.below(100);
            if p < never {
                inner.kept.push(done);
                return;
            }
            if p < never + wrong && !remotes.is_empty() {
                remotes[0].did = *SigningKey::from_seed(&[0xdd; 32]).did();
            }
            if p >= never + wrong && p < never + wrong + failed {
                let when = inner.now + inner.rng.below(500);
                return inner.plan(when, Happening::NotFound(done, ErrorKind::AgentNotFound));
            }
            if p >= never + wrong + failed && p < never + wrong + failed + dropped {
                Err(())
            } else if inner.rng.percent(late) {
                let when = inner.now + inner.rng.below(3000);
                return inner.plan(when, Happening::Found(done, remotes));
            } else {
                Ok(remotes)
            }
        };
        match answer {
            Ok(remotes) => done.found(&remotes),
            Err(()) => drop(done),
        }
    }
}

/// A key elsewhere that is slow, fails, signs wrongly or never answers, in percent.
pub struct Provider {
    pub net: Net,
    pub key: SigningKey,
    /// The DID that it names, which may be another's.
    pub did: Did,
    pub faults: [u64; 4],
}

impl RemoteSigner for Provider {
    fn did(&self) -> &Did {
        &self.did
    }

    fn sign(&self, bytes: Vec<u8>, done: SignDone) {
        let signature = self.key.sign(&bytes);
        let mut inner = self.net.inner();
        let [slow, fails, wrong, never] = self.faults;
        let p = inner.rng.below(100);
        if p < never {
            inner.kept_signs.push(done);
        } else if p < never + fails {
            let when = inner.now + inner.rng.below(300);
            inner.plan(when, Happening::Signed(done, None));
        } else if p < never + fails + wrong {
            let when = inner.now + inner.rng.below(300);
            inner.plan(when, Happening::Signed(done, Some([7; 64])));
        } else if inner.rng.percent(slow) {
            let when = inner.now + inner.rng.below(2000);
            inner.plan(when, Happening::Signed(done, Some(signature)));
        } else {
            drop(inner);
            done.signed(signature);
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

struct Task {
    owner: usize,
    flag: Arc<Flag>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// The nodes of a test, their network, and the tasks that use them. A task is polled only when it was woken, so that a
/// waking that is lost shows.
pub struct World {
    pub net: Net,
    pub nodes: Vec<Arc<Node>>,
    time: Time,
    began: Instant,
    tasks: Vec<Task>,
    spawned: Spawned,
}

/// What is to be spawned, with its owner.
pub type Spawned = Rc<RefCell<Vec<(usize, Pin<Box<dyn Future<Output = ()>>>)>>>;

impl World {
    pub fn new(seed: u64, count: usize, faults: Faults) -> Self {
        let net = Net::new(seed, faults);
        let time = Time::driven();
        net.inner().epoch = time.unix();
        let began = time.now();
        let mut nodes = Vec::new();
        for own in 0..count {
            let node = Node::new(NodeOptions { time: time.clone(), ..NodeOptions::default() });
            let id = node.attach(Arc::new(Wire { net: net.clone(), own }));
            net.inner().ids.push(id);
            node.resolve_with(Arc::new(Book { net: net.clone(), own }));
            nodes.push(node);
        }
        Self { net, nodes, time, began, tasks: Vec::new(), spawned: Rc::default() }
    }

    /// Without any faults, at once.
    pub fn calm(count: usize) -> Self {
        Self::new(1, count, Faults::default())
    }

    pub fn list(&self, node: usize, name: Option<&str>, did: &Did) {
        self.net.inner().book.push((name.map(str::to_owned), *did, node));
    }

    pub fn spawner(&self) -> Spawned {
        self.spawned.clone()
    }

    pub fn spawn(&self, owner: usize, future: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push((owner, Box::pin(future)));
    }

    /// Runs a future beside the others; its value stands there when it is done.
    pub fn start<T: 'static>(&self, owner: usize, future: impl Future<Output = T> + 'static) -> Rc<RefCell<Option<T>>> {
        let slot = Rc::new(RefCell::new(None));
        let into = slot.clone();
        self.spawn(owner, async move {
            let value = future.await;
            *into.borrow_mut() = Some(value);
        });
        slot
    }

    /// Drops all tasks of that owner, with what they hold.
    pub fn drop_tasks(&mut self, owner: usize) {
        self.spawned.borrow_mut().retain(|(other, _)| *other != owner);
        let (gone, kept): (Vec<_>, _) =
            std::mem::take(&mut self.tasks).into_iter().partition(|task| task.owner == owner);
        self.tasks = kept;
        drop(gone);
    }

    pub fn tasks_of(&self, owners: impl Fn(usize) -> bool) -> usize {
        let spawned = self.spawned.borrow().iter().filter(|(owner, _)| owners(*owner)).count();
        self.tasks.iter().filter(|task| owners(task.owner)).count() + spawned
    }

    pub fn now(&self) -> u64 {
        self.net.inner().now
    }

    fn instant(&self) -> Instant {
        self.began + Duration::from_millis(self.now())
    }

    fn poll_tasks(&mut self) -> bool {
        let mut polled = false;
        loop {
            for (owner, future) in self.spawned.take() {
                self.tasks.push(Task { owner, flag: Arc::new(Flag(AtomicBool::new(true))), future });
            }
            let mut woken = false;
            let mut at = 0;
            while at < self.tasks.len() {
                let task = &mut self.tasks[at];
                if !task.flag.0.swap(false, Ordering::AcqRel) {
                    at += 1;
                    continue;
                }
                woken = true;
                let waker = Waker::from(task.flag.clone());
                match task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(()) => drop(self.tasks.remove(at)),
                    Poll::Pending => at += 1,
                }
            }
            polled |= woken;
            if !woken && self.spawned.borrow().is_empty() {
                return polled;
            }
        }
    }

    fn happen(&self, what: Happening) {
        match what {
            Happening::Arrive { at, arrival, back } => {
                let (from, current) = (back.id as usize, self.net.inner().generation(at, back.id as usize));
                let _ = from;
                if back.generation == current {
                    self.nodes[at].deliver(vec![arrival], back);
                }
            }
            Happening::Writable { at, route } => {
                self.net.inner().room.remove(&(at, route.id as usize));
                self.nodes[at].writable(route);
            }
            Happening::Gone { at, route } => self.nodes[at].gone(route),
            Happening::Failed { at, call, why } => self.nodes[at].failed(call, why),
            Happening::Found(done, remotes) => done.found(&remotes),
            Happening::NotFound(done, why) => done.failed(why),
            Happening::Signed(done, Some(signature)) => done.signed(signature),
            Happening::Signed(done, None) => drop(done),
            Happening::Wake(waker) => waker.wake(),
        }
    }

    /// Everything that happens without time passing; when the next deadline is.
    pub fn settle(&mut self) -> Option<Instant> {
        loop {
            let polled = self.poll_tasks();
            let now = self.instant();
            let mut next: Option<Instant> = None;
            for node in &self.nodes {
                if let Some(deadline) = node.drive(now) {
                    next = Some(next.map_or(deadline, |other| other.min(deadline)));
                }
            }
            let due = {
                let mut inner = self.net.inner();
                let first = inner.agenda.first_key_value().map(|(when, _)| *when);
                first.filter(|when| when.0 <= inner.now).and_then(|when| inner.agenda.remove(&when))
            };
            let happened = due.is_some();
            if let Some(what) = due {
                self.happen(what);
            }
            let woken = self.tasks.iter().any(|task| task.flag.0.load(Ordering::Acquire));
            if !polled && !happened && !woken {
                return next;
            }
        }
    }

    /// Lets time run until nothing is left to happen, or until that millisecond.
    pub fn run_until(&mut self, end: u64) {
        loop {
            let deadline = self.settle();
            let mut inner = self.net.inner();
            let planned = inner.agenda.first_key_value().map(|((when, _), _)| *when);
            let deadline = deadline.map(|deadline| {
                let since = deadline.saturating_duration_since(self.began);
                u64::try_from(since.as_micros().div_ceil(1000)).unwrap()
            });
            let next = [planned, deadline].into_iter().flatten().min();
            match next {
                Some(next) if next < end => inner.now = inner.now.max(next),
                _ => {
                    inner.now = inner.now.max(end);
                    drop(inner);
                    self.settle();
                    return;
                }
            }
        }
    }

    pub fn run_for(&mut self, milliseconds: u64) {
        let end = self.now() + milliseconds;
        self.run_until(end);
    }

    pub fn time(&self) -> &Time {
        &self.time
    }
}

/// Ends after so many milliseconds of the world's time.
pub async fn sleep(net: Net, milliseconds: u64) {
    let end = net.inner().now + milliseconds;
    std::future::poll_fn(|context| {
        let mut inner = net.inner();
        if inner.now >= end {
            return Poll::Ready(());
        }
        inner.plan(end, Happening::Wake(context.waker().clone()));
        Poll::Pending
    })
    .await;
}

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub fn json(text: &str) -> Payload {
    Payload::Json(text.to_owned())
}

pub fn text(payload: &Payload) -> String {
    match payload {
        Payload::Json(text) => text.clone(),
        Payload::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Runs a future on this thread, where other threads do the work.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}
