//! The handles of a node, and the thread that works for them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::handle::desk::Desk;
use crate::handle::signal::Signal;
use crate::node::Node;
use crate::sync::Lock;

/// How long the thread sleeps at most: it looks now and then whether its node is still there.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

impl Node {
    /// Does, on the calling thread, all that handles of this node have to do, and says when to call again at the latest.
    /// Where time is driven it is `now` from here on; a simulation calls this after each thing that it lets happen.
    pub fn drive(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        self.time().set(now);
        let desks = loop {
            // What one handle does may give another something to do, also one that was looked at before.
            self.desks.rung.store(false, Ordering::Release);
            let desks = self.desks.all();
            let mut more = false;
            for desk in &desks {
                more |= desk.work();
            }
            if !more && !self.desks.rung.load(Ordering::Acquire) {
                break desks;
            }
        };
        let next = desks.iter().filter_map(|desk| desk.port.next_deadline()).min()?;
        self.time().now().checked_add(next)
    }
}

/// The handles of a node, and the thread that works for them.
#[derive(Default)]
pub(crate) struct Desks {
    all: Mutex<Vec<Weak<Desk>>>,
    /// A handle has had something to do since somebody last looked.
    rung: AtomicBool,
    thread: OnceLock<Arc<Signal>>,
}

impl Desks {
    pub(crate) fn add(&self, node: &Arc<Node>, desk: &Arc<Desk>) {
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
            drop(thread::Builder::new().name("xbind-node".into()).spawn(move || work_for(&node, &own)));
            signal
        });
    }

    fn all(&self) -> Vec<Arc<Desk>> {
        self.all.guard().iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn wake(&self) {
        self.rung.store(true, Ordering::Release);
        if let Some(signal) = self.thread.get() {
            signal.wake();
        }
    }
}

impl fmt::Debug for Desks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desks").finish_non_exhaustive()
    }
}

/// Until the node is gone.
fn work_for(node: &Weak<Node>, signal: &Signal) {
    loop {
        let Some(here) = node.upgrade() else { return };
        let next = here.drive(Instant::now());
        drop(here);
        let sleep = next.map_or(LONGEST_SLEEP, |next| next.saturating_duration_since(Instant::now()));
        signal.wait(sleep.min(LONGEST_SLEEP));
    }
}
