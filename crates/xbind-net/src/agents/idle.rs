//! Connections that wait for their next request: so many to one address, so many in the process, and none for long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::lock;
use super::connection::Connection;

/// How many to one address, and to all of all buses, for it is processes that may open so many files and no more.
const MOST: (usize, usize) = (16, 1024);
/// How long one of them waits.
const LIFE: Duration = Duration::from_secs(60);

static IDLE: Mutex<Idle<Connection>> = Mutex::new(Idle::new());
static LAST: AtomicU64 = AtomicU64::new(0);

/// Those to one address, which are closed with it.
pub(super) struct IdleThere(u64);

impl IdleThere {
    pub(super) fn new() -> Self {
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }

    /// The one that was used last.
    pub(super) fn take(&self) -> Option<Connection> {
        lock(&IDLE).take(self.0)
    }

    /// On the thread of this crate.
    pub(super) fn keep(&self, connection: Connection) {
        let (closed, is_swept) = {
            let mut idle = lock(&IDLE);
            let closed = idle.keep(self.0, connection, Instant::now());
            (closed, std::mem::replace(&mut idle.is_swept, true))
        };
        drop(closed); // under no lock, as everywhere here
        if !is_swept {
            tokio::spawn(sweep());
        }
    }

    /// The other side may have closed some.
    pub(super) fn drop_closed(&self) {
        let closed = lock(&IDLE).drop_if(self.0, |connection| !connection.is_open());
        drop(closed);
    }
}

impl Drop for IdleThere {
    fn drop(&mut self) {
        let closed = lock(&IDLE).drop_if(self.0, |_| true);
        drop(closed);
    }
}

/// Closes what has waited for long, as long as anything waits.
async fn sweep() {
    loop {
        let (closed, next) = {
            let mut idle = lock(&IDLE);
            let closed = idle.drop_old(Instant::now());
            let next = idle.next_old();
            idle.is_swept = next.is_some();
            (closed, next)
        };
        drop(closed);
        let Some(next) = next else { return };
        tokio::time::sleep_until(next.into()).await;
    }
}

struct Idle<T> {
    last: u64,
    /// With the address of each, and since when it waits.
    by_age: BTreeMap<u64, (u64, Instant, T)>,
    by_address: BTreeSet<(u64, u64)>,
    is_swept: bool,
}

impl<T> Idle<T> {
    const fn new() -> Self {
        Self { last: 0, by_age: BTreeMap::new(), by_address: BTreeSet::new(), is_swept: false }
    }

    /// What is closed for it: the one that has waited longest, of those to the address or of all.
    fn keep(&mut self, address: u64, connection: T, now: Instant) -> [Option<T>; 2] {
        self.last = self.last.saturating_add(1);
        self.by_age.insert(self.last, (address, now, connection));
        self.by_address.insert((address, self.last));
        let there = self.there(address);
        let of_address = if there.len() > MOST.0 { there.first().copied() } else { None };
        let of_address = of_address.and_then(|number| self.remove(number));
        let of_all =
            if self.by_age.len() > MOST.1 { self.by_age.first_key_value().map(|(number, _)| *number) } else { None };
        [of_address, of_all.and_then(|number| self.remove(number))]
    }

    fn take(&mut self, address: u64) -> Option<T> {
        let newest = self.by_address.range((address, 0)..=(address, u64::MAX)).next_back().map(|(_, number)| *number);
        newest.and_then(|number| self.remove(number))
    }

    fn drop_if(&mut self, address: u64, is_over: impl Fn(&T) -> bool) -> Vec<T> {
        let there = self.there(address).into_iter();
        let over = there.filter(|number| self.by_age.get(number).is_some_and(|(_, _, connection)| is_over(connection)));
        over.collect::<Vec<_>>().into_iter().filter_map(|number| self.remove(number)).collect()
    }

    fn drop_old(&mut self, now: Instant) -> Vec<T> {
        let is_old = |since: &Instant| now.saturating_duration_since(*since) >= LIFE;
        let old = self.by_age.iter().take_while(|(_, (_, since, _))| is_old(since)).map(|(number, _)| *number);
        old.collect::<Vec<_>>().into_iter().filter_map(|number| self.remove(number)).collect()
    }

    fn next_old(&self) -> Option<Instant> {
        self.by_age.first_key_value().and_then(|(_, (_, since, _))| since.checked_add(LIFE))
    }

    /// Oldest first.
    fn there(&self, address: u64) -> Vec<u64> {
        self.by_address.range((address, 0)..=(address, u64::MAX)).map(|(_, number)| *number).collect()
    }

    fn remove(&mut self, number: u64) -> Option<T> {
        let (address, _, connection) = self.by_age.remove(&number)?;
        self.by_address.remove(&(address, number));
        Some(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_waited_longest_makes_room_to_one_address_and_to_all() {
        let (mut idle, now) = (Idle::new(), Instant::now());
        for n in 0..MOST.0 {
            assert_eq!(idle.keep(7, n, now), [None, None]);
        }
        assert_eq!(idle.keep(7, 99, now), [Some(0), None], "of sixteen the first");
        assert_eq!(idle.take(7), Some(99), "the last is used first");
        let mut closed = Vec::new();
        for n in 0..10 * MOST.1 {
            closed.extend(idle.keep(1000 + u64::try_from(n).unwrap_or_default(), n, now).into_iter().flatten());
        }
        assert_eq!((idle.by_age.len(), idle.by_address.len()), (MOST.1, MOST.1));
        assert_eq!(closed.len(), 15 + 9 * MOST.1);
        assert!(closed.starts_with(&(1..16).collect::<Vec<_>>()), "those of the first address were there first");
        assert!(closed.get(15..).is_some_and(|rest| rest.is_sorted()));
        assert_eq!(idle.take(7), None);
    }

    #[test]
    fn none_waits_for_long_and_none_longer_than_its_address() {
        let (mut idle, begun) = (Idle::new(), Instant::now());
        let after = |seconds| begun.checked_add(Duration::from_secs(seconds)).unwrap_or(begun);
        for seconds in 0..40 {
            idle.keep(seconds % 20, seconds, after(seconds));
        }
        assert_eq!(idle.next_old(), Some(after(60)));
        assert!(idle.drop_old(after(59)).is_empty());
        assert_eq!(idle.drop_old(after(62)), [0, 1, 2]);
        assert_eq!(idle.drop_if(5, |connection| *connection == 25), [25]);
        assert_eq!(idle.drop_if(5, |_| true), [5]);
        assert_eq!((idle.take(2), idle.take(2), idle.take(5)), (Some(22), None, None));
        assert_eq!(idle.drop_old(after(200)).len(), 34);
        assert!(idle.next_old().is_none() && idle.by_address.is_empty());
    }
}
