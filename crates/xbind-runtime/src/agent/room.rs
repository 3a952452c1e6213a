//! The room of an agent for what waits there, and each sender's share of it: however much one sends, there is room left for
//! others.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use hashbrown::HashMap;
use xbind::Did;

use crate::agent::Agent;
use crate::agent::line::{Fit, Line};
use crate::agent::parking::Place;
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

    pub(crate) const fn half(self) -> Self {
        Self { messages: self.messages / 2, bytes: self.bytes / 2 }
    }

    pub(crate) fn at_most(self, other: Self) -> Self {
        Self { messages: self.messages.min(other.messages), bytes: self.bytes.min(other.bytes) }
    }

    /// The room for all, where this is what one sender may take of it: a third more.
    const fn with_reserve(self) -> Self {
        Self {
            messages: self.messages.saturating_add(self.messages.div_ceil(3)),
            bytes: self.bytes.saturating_add(self.bytes.div_ceil(3)),
        }
    }
}

/// What is taken of a room, by whom.
#[derive(Default)]
struct Taken {
    all: Load,
    by_sender: HashMap<[u8; 32], Load>,
}

impl Taken {
    /// Whether it fits, beside what is put aside for others.
    fn fit(&self, share: Load, sender: &[u8; 32], load: Load, aside: Load) -> Fit {
        let own = self.by_sender.get(sender).copied().unwrap_or_default();
        if !own.plus(load).fits(share) {
            Fit::NoShare
        } else if self.all.plus(load).plus(aside).fits(share.with_reserve()) {
            Fit::Fits
        } else {
            Fit::NoRoom
        }
    }

    fn add(&mut self, sender: [u8; 32], load: Load) {
        let own = self.by_sender.entry(sender).or_default();
        *own = own.plus(load);
        self.all = self.all.plus(load);
    }

    fn subtract(&mut self, sender: &[u8; 32], load: Load) {
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
    }
}

/// What is taken of a room, and who waits for the rest of it: without any lock of its own.
struct Places<W> {
    taken: Taken,
    line: Line<W>,
}

impl<W> Default for Places<W> {
    fn default() -> Self {
        Self { taken: Taken::default(), line: Line::default() }
    }
}

impl<W: Clone> Places<W> {
    /// False if it does not fit. Whoever may have waited for it gives a serial number.
    fn take(&mut self, share: Load, sender: [u8; 32], load: Load, serial: Option<u64>) -> bool {
        let is_first = serial.is_some_and(|serial| self.line.is_first(serial));
        let aside = if is_first { Load::default() } else { self.line.aside() };
        if self.taken.fit(share, &sender, load, aside) != Fit::Fits {
            return false;
        }
        self.taken.add(sender, load);
        if let Some(serial) = serial {
            self.line.leave(serial);
        }
        true
    }

    /// Who may look now whether there is room enough.
    fn give_back(&mut self, share: Load, sender: &[u8; 32], load: Load) -> Option<(u64, W)> {
        self.taken.subtract(sender, load);
        self.line.freed(load);
        self.next(share)
    }

    fn next(&mut self, share: Load) -> Option<(u64, W)> {
        let Self { taken, line } = self;
        let aside = line.aside();
        line.next(|sender, load, is_first| {
            taken.fit(share, sender, load, if is_first { Load::default() } else { aside })
        })
    }
}

/// What waits at one agent.
#[derive(Default)]
pub(crate) struct Room {
    places: Mutex<Places<Weak<Agent>>>,
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
        let fits = at.room.places.guard().take(at.bound(), sender, load, None);
        fits.then(|| Slot { at: at.clone(), sender, load })
    }

    /// The same, or else `agent` is told when there may be room.
    pub(crate) fn take_or_wait(at: &Arc<Agent>, agent: &Arc<Agent>, bytes: usize) -> Option<Slot> {
        let (load, sender) = (Load::of(bytes), *agent.did().public_key());
        let mut places = at.room.places.guard();
        let fits = places.take(at.bound(), sender, load, Some(agent.serial));
        if !fits {
            places.line.wait(agent.serial, sender, load, Arc::downgrade(agent));
        }
        drop(places);
        fits.then(|| Slot { at: at.clone(), sender, load })
    }

    /// Whoever was told of room has looked, and waits on or does not: the next may look.
    pub(crate) fn pass_on(at: &Arc<Agent>, agent: &Agent, still_waits: bool) {
        let next = {
            let mut places = at.room.places.guard();
            if !still_waits {
                places.line.leave(agent.serial);
            }
            places.next(at.bound())
        };
        Self::tell(at, next);
    }

    /// Nobody need wait for room here any more: let all of them look.
    pub(crate) fn release_waiting(at: &Arc<Agent>) {
        let waiting = at.room.places.guard().line.clear();
        for agent in waiting.into_iter().filter_map(|agent| agent.upgrade()) {
            later(Task::Room(agent, Place::Agent(at.clone())));
        }
    }

    fn tell(at: &Arc<Agent>, waiter: Option<(u64, Weak<Agent>)>) {
        let mut waiter = waiter;
        while let Some((serial, agent)) = waiter {
            if let Some(agent) = agent.upgrade() {
                return later(Task::Room(agent, Place::Agent(at.clone())));
            }
            let mut places = at.room.places.guard();
            places.line.leave(serial);
            waiter = places.next(at.bound());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let next = self.at.room.places.guard().give_back(self.at.bound(), &self.sender, self.load);
        Room::tell(&self.at, next);
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
        places: Mutex<Places<u8>>,
        done: AtomicUsize,
    }

    impl Here {
        /// One call of that sender, by whoever was told that there may be room.
        fn go(&self, sender: u8) {
            let (fits, next) = {
                let mut places = self.places.lock().unwrap();
                let fits = places.take(SHARE, [sender; 32], Load::of(1), Some(sender.into()));
                if !fits {
                    places.line.wait(sender.into(), [sender; 32], Load::of(1), sender);
                }
                (fits, if fits { None } else { places.next(SHARE) })
            };
            if fits {
                self.done.fetch_add(1, Ordering::AcqRel);
                self.give_back(sender);
            }
            if let Some((_, next)) = next {
                self.go(next);
            }
        }

        fn give_back(&self, sender: u8) {
            let next = self.places.lock().unwrap().give_back(SHARE, &[sender; 32], Load::of(1));
            if let Some((_, next)) = next {
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
                assert!(here.places.lock().unwrap().take(SHARE, [sender; 32], Load::of(1), None));
            }
            let (first, second) = (here.clone(), here.clone());
            let callers = [thread::spawn(move || first.go(3)), thread::spawn(move || second.go(1))];
            here.give_back(1);
            here.give_back(2);
            for caller in callers {
                caller.join().unwrap();
            }
            assert_eq!(here.done.load(Ordering::Acquire), 2);
            assert!(here.places.lock().unwrap().line.is_empty());
        });
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    const SHARE: Load = Load { messages: 12, bytes: 900 };

    /// Senders that wait, each with what it wants, and what has been taken.
    #[derive(Default)]
    struct Here {
        places: Places<()>,
        wants: HashMap<u64, Load>,
        slots: Vec<(u64, Load)>,
    }

    impl Here {
        fn look(&mut self, serial: u64) {
            let load = self.wants[&serial];
            // Two agents of each sender.
            let sender = [u8::try_from(serial / 2).unwrap(); 32];
            if self.places.take(SHARE, sender, load, Some(serial)) {
                self.wants.remove(&serial);
                self.slots.push((serial, load));
            } else {
                self.places.line.wait(serial, sender, load, ());
            }
            let Taken { all, by_sender } = &self.places.taken;
            assert!(all.fits(SHARE.with_reserve()) && by_sender.values().all(|own| own.fits(SHARE)));
        }

        fn tell(&mut self, mut next: Option<(u64, ())>) {
            while let Some((serial, ())) = next {
                if self.wants.contains_key(&serial) {
                    self.look(serial);
                } else {
                    self.places.line.leave(serial);
                }
                next = self.places.next(SHARE);
            }
        }

        fn give_back(&mut self, n: usize) {
            let (serial, load) = self.slots.swap_remove(n % self.slots.len());
            let next = self.places.give_back(SHARE, &[u8::try_from(serial / 2).unwrap(); 32], load);
            self.tell(next);
        }
    }

    #[test]
    fn whatever_comes_and_goes_all_get_room_in_the_end() {
        let mut state = 1_u64;
        let mut random = move |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for _ in 0..300 {
            let mut here = Here::default();
            for _ in 0..400 {
                let serial = random(100);
                match random(8) {
                    0..5 if !here.wants.contains_key(&serial) => {
                        let bytes = if random(4) == 0 { random(901) } else { random(60) };
                        here.wants.insert(serial, Load::of(usize::try_from(bytes).unwrap()));
                        here.look(serial);
                    }
                    5 => drop(here.wants.remove(&serial)), // it has given up
                    _ if !here.slots.is_empty() => here.give_back(usize::try_from(random(1000)).unwrap()),
                    _ => {}
                }
            }
            while !here.slots.is_empty() {
                here.give_back(usize::try_from(random(1000)).unwrap());
            }
            assert!(here.wants.is_empty() && here.places.line.is_empty());
        }
    }
}
