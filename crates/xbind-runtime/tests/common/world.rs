//! Nodes, time, and the tasks that use them.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use xbind::Did;
use xbind_runtime::{Node, NodeOptions, Recording, Time};

use super::network::{Book, Faults, Happening, Net, Wire};

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
    /// Behind each message its connection ends, before anything is signed.
    pub ends: bool,
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
        Self { net, nodes, ends: false, time, began, tasks: Vec::new(), spawned: Rc::default() }
    }

    /// Without any faults, at once.
    pub fn calm(count: usize) -> Self {
        Self::new(1, count, Faults::default())
    }

    /// Another process in place of a node, with nothing that it knew, behind the same connections.
    pub fn restart(&mut self, at: usize) {
        self.restart_with(at, None);
    }

    /// The same with a log.
    pub fn restart_with(&mut self, at: usize, recording: Option<Recording>) {
        let node = Node::new(NodeOptions { time: self.time.clone(), recording, ..NodeOptions::default() });
        node.attach(Arc::new(Wire { net: self.net.clone(), own: at }));
        node.resolve_with(Arc::new(Book { net: self.net.clone(), own: at }));
        self.nodes[at] = node;
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
                    if self.ends {
                        self.nodes[at].forget_sessions(back);
                    }
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
