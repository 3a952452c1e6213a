//! The room of an agent for what waits there, and each sender's share of it: however much one sends, there is room left for
//! others.

use std::collections::VecDeque;
use std::fmt;
use std::mem::take;
use std::sync::{Arc, Mutex, Weak};

use hashbrown::{HashMap, HashSet};
use xbind::Did;

use crate::agent::Agent;
use crate::agent::outbox::Place;
use crate::sync::Lock;
use crate::sync::after::{Task, later};

/// Messages and the bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Load {
    pub(crate) const fn of(bytes: usize) -> Self {
        Self { messages: 1, bytes }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { messages: self.messages.saturating_add(other.messages), bytes: self.bytes.saturating_add(other.bytes) }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self { messages: self.messages.saturating_sub(other.messages), bytes: self.bytes.saturating_sub(other.bytes) }
    }

    pub(crate) const fn fits(self, bound: Self) -> bool {
        self.messages <= bound.messages && self.bytes <= bound.bytes
    }

    /// The room for all, where this is what one sender may take of it: a third more.
    const fn with_reserve(self) -> Self {
        Self {
            messages: self.messages.saturating_add(self.messages.div_ceil(3)),
            bytes: self.bytes.saturating_add(self.bytes.div_ceil(3)),
        }
    }
}

/// What is taken of a room, and who waits for the rest of it: without any lock of its own.
struct Taken<W> {
    all: Load,
    by_sender: HashMap<[u8; 32], Load>,
    /// Those whose calls wait for room here, in the order in which they get it, each once.
    waiting: VecDeque<(u64, W)>,
    numbers: HashSet<u64>,
}

impl<W> Default for Taken<W> {
    fn default() -> Self {
        let (by_sender, waiting, numbers) = (HashMap::new(), VecDeque::new(), HashSet::new());
        Self { all: Load::default(), by_sender, waiting, numbers }
    }
}

impl<W> Taken<W> {
    /// False if it does not fit.
    fn take(&mut self, share: Load, sender: [u8; 32], load: Load) -> bool {
        let all = self.all.plus(load);
        let own = self.by_sender.get(&sender).copied().unwrap_or_default().plus(load);
        if !own.fits(share) || !all.fits(share.with_reserve()) {
            return false;
        }
        self.by_sender.insert(sender, own);
        self.all = all;
        true
    }

    /// Who may look now whether there is room enough.
    fn give_back(&mut self, sender: &[u8; 32], load: Load) -> Option<W> {
        self.all = self.all.minus(load);
        if let Some(own) = self.by_sender.get_mut(sender) {
            *own = own.minus(load);
            if own.messages == 0 {
                self.by_sender.remove(sender);
            }
        }
        if self.by_sender.is_empty() {
            self.by_sender = HashMap::new();
        }
        self.next()
    }

    fn wait(&mut self, number: u64, waiter: W) {
        if self.numbers.insert(number) {
            self.waiting.push_back((number, waiter));
        }
    }

    fn next(&mut self) -> Option<W> {
        let (number, waiter) = self.waiting.pop_front()?;
        self.numbers.remove(&number);
        Some(waiter)
    }
}

/// How many look in vain, one after the other, for room that one message has left.
const TRIES: u32 = 8;

/// What waits at one agent.
#[derive(Default)]
pub(crate) struct Room {
    taken: Mutex<Taken<Weak<Agent>>>,
}

/// A place in the room of an agent, from when a message is let out to it until it is handled or taken. Dropping gives it
/// back, and whoever waits for it goes on.
pub(crate) struct Slot {
    at: Arc<Agent>,
    sender: [u8; 32],
    load: Load,
}

impl Room {
    /// A place for a message of that many bytes, if there is one.
    pub(crate) fn take(at: &Arc<Agent>, sender: &Did, bytes: usize) -> Option<Slot> {
        let (load, sender) = (Load::of(bytes), *sender.public_key());
        let fits = at.room.taken.guard().take(at.bound(), sender, load);
        fits.then(|| Slot { at: at.clone(), sender, load })
    }

    /// The same, or else `agent` is told when there may be room.
    pub(crate) fn take_or_wait(at: &Arc<Agent>, agent: &Arc<Agent>, bytes: usize) -> Option<Slot> {
        let (load, sender) = (Load::of(bytes), *agent.did().public_key());
        let mut taken = at.room.taken.guard();
        let fits = taken.take(at.bound(), sender, load);
        if !fits {
            taken.wait(agent.serial, Arc::downgrade(agent));
        }
        drop(taken);
        fits.then(|| Slot { at: at.clone(), sender, load })
    }

    /// Whoever was told of room did not need it: the next may look.
    pub(crate) fn pass_on(at: &Arc<Agent>) {
        let next = at.room.taken.guard().next();
        Self::tell(at, next, TRIES);
    }

    /// Whoever was told of room has to wait on, perhaps only because its own share is used up: another may look, if there
    /// is room at all and not many looked in vain.
    pub(crate) fn try_next(at: &Arc<Agent>, tries: u32) {
        let Some(tries) = tries.checked_sub(1) else { return };
        let next = {
            let mut taken = at.room.taken.guard();
            let is_room = taken.all.plus(Load::of(0)).fits(at.bound().with_reserve());
            if is_room { taken.next() } else { None }
        };
        Self::tell(at, next, tries);
    }

    /// Nobody need wait for room here any more: let all of them look.
    pub(crate) fn release_waiting(at: &Arc<Agent>) {
        let waiting = {
            let mut taken = at.room.taken.guard();
            taken.numbers.clear();
            take(&mut taken.waiting)
        };
        for (_, agent) in waiting {
            Self::tell(at, Some(agent), 0);
        }
    }

    fn tell(at: &Arc<Agent>, waiter: Option<Weak<Agent>>, tries: u32) {
        let Some(waiter) = waiter else { return };
        match waiter.upgrade() {
            Some(agent) => later(Task::Room(agent, Place::Agent(at.clone()), tries)),
            None => Self::pass_on(at),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let next = self.at.room.taken.guard().give_back(&self.sender, self.load);
        Room::tell(&self.at, next, TRIES);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("load", &self.load).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    const SHARE: Load = Load { messages: 1, bytes: 1000 };

    /// A room with two places, one for each sender, and callers that do what agents do with it.
    #[derive(Default)]
    struct Here {
        taken: Mutex<Taken<u8>>,
        done: AtomicUsize,
    }

    impl Here {
        /// One call of that sender, by whoever was told that there may be room.
        fn go(&self, sender: u8) {
            let fits = {
                let mut taken = self.taken.lock().unwrap();
                let fits = taken.take(SHARE, [sender; 32], Load::of(1));
                if !fits {
                    taken.wait(sender.into(), sender);
                }
                fits
            };
            if fits {
                self.done.fetch_add(1, Ordering::AcqRel);
                self.give_back(sender);
            }
        }

        fn give_back(&self, sender: u8) {
            let next = self.taken.lock().unwrap().give_back(&[sender; 32], Load::of(1));
            if let Some(next) = next {
                self.go(next);
            }
        }
    }

    /// The places are taken; callers come while they are given back, and all of them get room.
    #[test]
    fn nobody_waits_for_room_that_is_there() {
        loom::model(|| {
            let here = Arc::new(Here::default());
            for sender in [1, 2] {
                assert!(here.taken.lock().unwrap().take(SHARE, [sender; 32], Load::of(1)));
            }
            let (first, second) = (here.clone(), here.clone());
            let callers = [thread::spawn(move || first.go(3)), thread::spawn(move || second.go(1))];
            here.give_back(1);
            here.give_back(2);
            for caller in callers {
                caller.join().unwrap();
            }
            assert_eq!(here.done.load(Ordering::Acquire), 2);
            assert!(here.taken.lock().unwrap().waiting.is_empty());
        });
    }
}
