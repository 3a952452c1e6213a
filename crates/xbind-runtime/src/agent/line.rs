//! Who waits for room at an agent, and who is told when there is some.
//!
//! Whoever waits has two ways in. The first in line has half of all that becomes free put aside for it, so that a large
//! message gets in however many small ones come; the other half is for anybody, at once, so that nobody who waits, however
//! many they are and whatever they wait for, holds up those who need little. What is put aside is never more than what
//! the one message will take, so it leaves others what they had if it were here already.

use std::collections::BTreeMap;
use std::mem::take;

use hashbrown::HashMap;

use crate::agent::room::Load;

/// How many are looked at, one after the other, for room that one message has left.
const TRIES: usize = 8;

/// Whether what somebody waits for could be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    /// Others have the room that it needs.
    NoRoom,
    /// It has used up its own share.
    NoShare,
}

struct Waiter<W> {
    serial: u64,
    sender: [u8; 32],
    load: Load,
    who: W,
    /// It was told that there may be room, and has not looked yet.
    told: bool,
}

/// Each is in it once, with the message that it would send first.
pub(crate) struct Line<W> {
    /// By the order in which they came.
    waiting: BTreeMap<u64, Waiter<W>>,
    /// The places of their serial numbers.
    places: HashMap<u64, u64>,
    last: u64,
    /// Where the search for somebody who needs little goes on.
    next: u64,
    first: Option<u64>,
    /// What has become free since it is the first.
    freed: Load,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        let (waiting, places) = (BTreeMap::new(), HashMap::new());
        Self { waiting, places, last: 0, next: 0, first: None, freed: Load::default() }
    }
}

impl<W: Clone> Line<W> {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn is_first(&self, serial: u64) -> bool {
        self.first.is_some() && self.places.get(&serial).copied() == self.first
    }

    /// What is put aside for the first.
    pub(crate) fn aside(&self) -> Load {
        let first = self.first.and_then(|place| self.waiting.get(&place));
        first.map_or_else(Load::default, |first| self.freed.half().at_most(first.load))
    }

    /// Somebody waits, or waits on.
    pub(crate) fn wait(&mut self, serial: u64, sender: [u8; 32], load: Load, who: W) {
        if let Some(waiter) = self.places.get(&serial).and_then(|place| self.waiting.get_mut(place)) {
            (waiter.load, waiter.told) = (load, false);
        } else {
            self.put_last(Waiter { serial, sender, load, who, told: false });
        }
    }

    fn put_last(&mut self, waiter: Waiter<W>) {
        self.last = self.last.saturating_add(1);
        self.places.insert(waiter.serial, self.last);
        self.waiting.insert(self.last, waiter);
    }

    pub(crate) fn leave(&mut self, serial: u64) {
        let Some(place) = self.places.remove(&serial) else { return };
        self.remove(place);
        if self.is_empty() {
            self.places = HashMap::new();
        }
    }

    fn remove(&mut self, place: u64) -> Option<Waiter<W>> {
        if self.first == Some(place) {
            (self.first, self.freed) = (None, Load::default());
        }
        self.waiting.remove(&place)
    }

    /// Everybody.
    pub(crate) fn clear(&mut self) -> Vec<W> {
        take(self).waiting.into_values().map(|waiter| waiter.who).collect()
    }

    /// So much has become free.
    pub(crate) fn freed(&mut self, load: Load) {
        self.freed = self.freed.plus(load);
    }

    /// Who may look now, if there is room for anybody, with its serial number. The judge is told whether what is put aside
    /// may be used.
    pub(crate) fn next(&mut self, judge: impl Fn(&[u8; 32], Load, bool) -> Fit) -> Option<(u64, W)> {
        self.choose_first(&judge).or_else(|| self.find_other(&judge))
    }

    /// The first, if it fits, or is not known to wait still.
    fn choose_first(&mut self, judge: &impl Fn(&[u8; 32], Load, bool) -> Fit) -> Option<(u64, W)> {
        for _ in 0..TRIES {
            let place = self.first.or_else(|| self.waiting.keys().next().copied())?;
            let waiter = self.waiting.get_mut(&place)?;
            match judge(&waiter.sender, waiter.load, true) {
                Fit::NoShare => {
                    // It waits for itself, and must not stand in the way of others.
                    let waiter = self.remove(place)?;
                    self.put_last(waiter);
                }
                fit @ (Fit::Fits | Fit::NoRoom) => {
                    let is_new = self.first.replace(place).is_none();
                    if is_new {
                        self.freed = Load::default();
                    }
                    let tell = !waiter.told && (is_new || fit == Fit::Fits);
                    waiter.told |= tell;
                    return tell.then(|| (waiter.serial, waiter.who.clone()));
                }
            }
        }
        None
    }

    fn find_other(&mut self, judge: &impl Fn(&[u8; 32], Load, bool) -> Fit) -> Option<(u64, W)> {
        let around = self.waiting.range(self.next..).chain(self.waiting.range(..self.next));
        let mut found = None;
        let mut next = self.next;
        for (place, waiter) in around.take(TRIES) {
            next = place.saturating_add(1);
            if !waiter.told && self.first != Some(*place) && judge(&waiter.sender, waiter.load, false) == Fit::Fits {
                found = Some(*place);
                break;
            }
        }
        self.next = next;
        let waiter = self.waiting.get_mut(&found?)?;
        waiter.told = true;
        Some((waiter.serial, waiter.who.clone()))
    }
}
