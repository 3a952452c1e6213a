//! Work of which little is done at once: everybody has so much of it, and waits for the rest.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Problem, Result};

/// Places, in all and for each.
pub(crate) struct Turns<K: Eq + Hash> {
    all: Arc<Semaphore>,
    each: usize,
    own: Mutex<HashMap<K, Own>>,
}

/// The places of one, while somebody has one or waits for it.
struct Own {
    places: Arc<Semaphore>,
    count: usize,
}

/// A place, until it is dropped.
pub(crate) struct Turn<K: Eq + Hash> {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
    _counted: Counted<K>,
}

struct Counted<K: Eq + Hash> {
    turns: Arc<Turns<K>>,
    key: K,
}

impl<K: Eq + Hash + Clone + Send + 'static> Turns<K> {
    pub(crate) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(all)), each, own: Mutex::default() })
    }

    /// Waits for a place: whoever has his own already, behind nobody but himself.
    ///
    /// # Errors
    /// None; `internal` would be one.
    pub(crate) async fn enter(self: &Arc<Self>, key: K) -> Result<Turn<K>> {
        let own = {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Own { places: Arc::new(Semaphore::new(self.each)), count: 0 };
            let own = own.entry(key.clone()).or_insert_with(new);
            own.count = own.count.saturating_add(1);
            own.places.clone()
        };
        let counted = Counted { turns: self.clone(), key };
        let own = own.acquire_owned().await.map_err(|_| Problem::internal())?;
        let all = self.all.clone().acquire_owned().await.map_err(|_| Problem::internal())?;
        Ok(Turn { _own: own, _all: all, _counted: counted })
    }

    /// Waits for a place and works, where that holds up nobody. Work that has begun keeps its place, whoever waits for it or not.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        key: K,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.enter(key).await?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Problem::internal()))
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut own = self.turns.own.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = own.get_mut(&self.key) else { return };
        known.count = known.count.saturating_sub(1);
        if known.count == 0 {
            own.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::yield_now;

    use super::*;

    fn run(work: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
    }

    #[test]
    fn whoever_asks_for_much_waits_behind_himself() {
        run(async {
            let turns = Turns::new(2, 1);
            let first = turns.enter("a").await.unwrap();
            let others: Vec<_> = (0..100)
                .map(|_| {
                    let turns = turns.clone();
                    tokio::spawn(async move { turns.enter("a").await.map(drop) })
                })
                .collect();
            yield_now().await;
            drop(turns.enter("b").await.unwrap()); // at once, or never
            assert!(others.iter().all(|other| !other.is_finished()));
            let (gone, left) = others.split_at(50);
            gone.iter().for_each(|other| other.abort());
            drop(first);
            while left.iter().any(|other| !other.is_finished()) {
                yield_now().await;
            }
            assert!(turns.own.lock().unwrap().is_empty(), "nobody is remembered");
        });
    }

    #[test]
    fn work_that_nobody_waits_for_keeps_its_place_until_it_is_done() {
        run(async {
            let turns = Turns::new(1, 1);
            let (begin, begun) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            let own = turns.clone();
            let waiting = tokio::spawn(async move {
                let work = move || {
                    begin.send(()).unwrap();
                    Ok(ended.recv().is_ok())
                };
                own.work("a", work).await
            });
            while begun.try_recv().is_err() {
                yield_now().await;
            }
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            assert_eq!(turns.all.available_permits(), 0);
            end.send(()).unwrap();
            assert!(turns.work("b", || Ok(true)).await.unwrap());
        });
    }
}
