//! A thread that sleeps until somebody has something for it.

use std::sync::PoisonError;
use std::time::Duration;

use crate::sync::lock::{Condvar, Mutex};

/// Set until the thread has woken: a signal that comes while it works is not lost.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    woken: Mutex<bool>,
    change: Condvar,
}

impl Signal {
    pub(crate) fn wake(&self) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.change.notify_one();
    }

    /// Until it is woken, or that long; in a model of its locks until it is woken.
    pub(crate) fn wait(&self, longest: Duration) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(not(loom))]
        {
            let waited = self.change.wait_timeout_while(woken, longest, |woken| !*woken);
            woken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        #[cfg(loom)]
        while !*woken && !longest.is_zero() {
            woken = self.change.wait(woken).unwrap_or_else(PoisonError::into_inner);
        }
        *woken = false;
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    /// Two threads leave something each and wake the worker, which sleeps as long as it is not woken.
    #[test]
    fn nothing_is_left_while_the_worker_sleeps() {
        loom::model(|| {
            let (signal, things) = (Arc::new(Signal::default()), Arc::new(AtomicUsize::new(0)));
            let givers: Vec<_> = (0..2)
                .map(|_| {
                    let (signal, things) = (signal.clone(), things.clone());
                    thread::spawn(move || {
                        things.fetch_add(1, Ordering::AcqRel);
                        signal.wake();
                    })
                })
                .collect();
            while things.load(Ordering::Acquire) < 2 {
                signal.wait(Duration::MAX); // if a waking were lost, this would never end
            }
            for giver in givers {
                giver.join().unwrap();
            }
        });
    }
}
