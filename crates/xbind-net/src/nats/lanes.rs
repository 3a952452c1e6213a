//! What waits to go to each host.

use std::collections::{HashMap, HashSet, VecDeque};

use xbind::Did;
use xbind_runtime::transport::Departure;

use super::directory::Path;

/// What waits to go to one host, in bytes; a larger message goes alone.
pub(super) const QUEUED: usize = 1 << 20;
/// Messages in one NATS message.
const MAX_MESSAGES: usize = 1024;

/// By the way to the host.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    all: HashMap<Path, Lane>,
    /// Those with something to send, each once, in turns.
    ready: VecDeque<Path>,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Departure>,
    bytes: usize,
    /// The node has more.
    left: bool,
    is_ready: bool,
    /// Agents here whose presence was sent there.
    introduced: HashSet<Did>,
}

/// What goes next.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) path: Path,
    pub(super) messages: Vec<Departure>,
    /// Who has to be introduced before.
    pub(super) new: Vec<Did>,
    /// Whose messages have to wait until they can be introduced.
    pub(super) absent: Vec<Did>,
    /// There is room again, and the node has more.
    pub(super) writable: bool,
}

impl Lanes {
    /// Takes what there is room for, from the front. True if somebody has to send.
    pub(super) fn push(&mut self, path: Path, parcels: &mut Vec<Departure>) -> bool {
        let lane = self.all.entry(path).or_default();
        let room = parcels.iter().scan(lane.bytes, |bytes, parcel| {
            let had_room = *bytes < QUEUED;
            *bytes = bytes.saturating_add(parcel.size());
            had_room.then_some(())
        });
        let taken = room.count();
        for parcel in parcels.drain(..taken) {
            lane.bytes = lane.bytes.saturating_add(parcel.size());
            lane.queue.push_back(parcel);
        }
        lane.left = !parcels.is_empty();
        let wakes = !lane.is_ready && !lane.queue.is_empty();
        if wakes {
            lane.is_ready = true;
            self.ready.push_back(path);
        }
        wakes
    }

    /// The next messages to one host, of at most so many bytes with `head` for each of them; one goes in any case. What is from
    /// agents that cannot be introduced yet stays, and [`Lanes::wake`] says when it may go.
    pub(super) fn next(
        &mut self,
        head: usize,
        longest: impl Fn(Path) -> usize,
        is_present: impl Fn(&Did) -> bool,
    ) -> Option<Batch> {
        let (path, lane) = loop {
            let path = self.ready.pop_front()?;
            if let Some(lane) = self.all.get_mut(&path) {
                break (path, lane);
            }
        };
        let longest = longest(path);
        let (mut messages, mut bytes, mut new) = (Vec::new(), 0_usize, Vec::new());
        let (mut absent, mut kept) = (Vec::new(), VecDeque::new());
        while messages.len() < MAX_MESSAGES
            && let Some(parcel) = lane.queue.front()
        {
            let is_known = lane.introduced.contains(&parcel.from);
            if !is_known && !is_present(&parcel.from) {
                if !absent.contains(&parcel.from) {
                    absent.push(parcel.from);
                }
                kept.extend(lane.queue.pop_front());
                continue;
            }
            let size = parcel.size().saturating_add(head);
            if !messages.is_empty() && bytes.saturating_add(size) > longest {
                break;
            }
            let Some(parcel) = lane.queue.pop_front() else { break };
            bytes = bytes.saturating_add(size);
            lane.bytes = lane.bytes.saturating_sub(parcel.size());
            if lane.introduced.insert(parcel.from) {
                new.push(parcel.from);
            }
            messages.push(parcel);
        }
        lane.is_ready = !lane.queue.is_empty();
        if !kept.is_empty() {
            kept.append(&mut lane.queue);
            lane.queue = kept;
        }
        if lane.is_ready {
            self.ready.push_back(path);
        }
        let writable = lane.left && lane.bytes < QUEUED;
        lane.left &= !writable;
        Some(Batch { path, messages, new, absent, writable })
    }

    /// Agents can be introduced now.
    pub(super) fn wake(&mut self) {
        for (path, lane) in &mut self.all {
            if !lane.is_ready && !lane.queue.is_empty() {
                lane.is_ready = true;
                self.ready.push_back(*path);
            }
        }
    }

    /// An agent cannot be introduced: what it has said goes nowhere.
    pub(super) fn drop_sender(&mut self, did: &Did) -> Vec<Departure> {
        let mut gone = Vec::new();
        for lane in self.all.values_mut() {
            let (own, others) = std::mem::take(&mut lane.queue).into_iter().partition(|parcel| parcel.from == *did);
            lane.queue = others;
            gone.extend::<VecDeque<Departure>>(own);
        }
        gone
    }

    /// A host is gone: what waited for it goes nowhere.
    pub(super) fn drop_lane(&mut self, path: Path) -> Vec<Departure> {
        self.all.remove(&path).map(|lane| lane.queue.into()).unwrap_or_default()
    }

    /// An agent has a new presence, or a host may have forgotten the old one: it is told again.
    pub(super) fn introduce_again(&mut self, did: Option<&Did>) {
        for lane in self.all.values_mut() {
            match did {
                Some(did) => drop(lane.introduced.remove(did)),
                None => lane.introduced.clear(),
            }
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}
