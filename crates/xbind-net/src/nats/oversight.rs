//! Whom operators have stopped, as it stands with the broker, and whether that can be all.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::sync::watch::Sender;
use xbind::cluster::{Heartbeat, Namespace, Stop, Stops};
use xbind::{Did, Standing};
use xbind_runtime::Overseer;

use super::bucket::{Bucket, Followed};
use super::link::{SKEW, lock};

/// Agents and tokens of which operators have said something. With more, nothing is served.
pub(super) const CAPACITY: usize = 100_000;

/// What one reader knows of all operators.
pub(super) struct Oversight {
    namespace: Namespace,
    operators: Vec<Did>,
    stops: Mutex<Stops>,
    /// What is known may not be all: the bucket is read anew.
    pub(super) again: Notify,
}

impl Oversight {
    pub(super) fn new(namespace: &Namespace, operators: Vec<Did>) -> Arc<Self> {
        let stops = Mutex::new(Stops::new(namespace.clone(), &operators, CAPACITY, SKEW));
        Arc::new(Self { namespace: namespace.clone(), operators, stops, again: Notify::new() })
    }

    pub(super) fn is_operator(&self, did: &Did) -> bool {
        self.operators.contains(did)
    }

    /// Takes in what stands under that key; gives a stop that says something new. What others have written there is passed over.
    fn take(&self, key: &str, text: &str, now: u64) -> Option<Stop> {
        let Self { namespace, operators, .. } = self;
        if let Ok(stop) = Stop::verify(text, namespace, operators, now, SKEW) {
            let is_there = stop.key() == key;
            return is_there.then(|| lock(&self.stops).take(text, now).ok().flatten()).flatten();
        }
        let beat = Heartbeat::verify(text, namespace, operators, now, SKEW).ok()?;
        if Namespace::heartbeat_key(beat.operator()) == key {
            let _ = lock(&self.stops).beat(text, now); // one that does not fit yet is kept there
        }
        None
    }

    /// Follows the bucket; `whole` hears when all that was there has come, `told` what is new.
    pub(super) async fn follow(
        &self,
        bucket: &Bucket,
        whole: &Sender<bool>,
        now: impl Fn() -> u64,
        told: impl Fn(&Stop),
    ) {
        let each = |followed: Followed<'_>| match followed {
            Followed::Begun => {}
            Followed::Entry(entry) => {
                if let Some(stop) = entry.text().and_then(|text| self.take(entry.key, text, now())) {
                    told(&stop);
                }
            }
            Followed::Whole => drop(whole.send_replace(true)),
        };
        bucket.follow(&self.again, each).await;
    }
}

impl Overseer for Oversight {
    fn of_agent(&self, did: &Did, now: u64) -> Standing {
        lock(&self.stops).of_agent(did, now)
    }

    fn of_token(&self, id: &str, now: u64) -> Standing {
        lock(&self.stops).of_token(id, now)
    }
}

impl fmt::Debug for Oversight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oversight").field("operators", &self.operators).finish_non_exhaustive()
    }
}
