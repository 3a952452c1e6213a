//! Waking a face once for many events.

use crate::sync::atomic::{AtomicBool, Ordering};

/// Rung until the face has looked: whoever rings first has to wake it, and nobody else.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
}

impl Bell {
    /// True for the one who has to wake the face.
    pub(crate) fn ring(&self) -> bool {
        !self.rung.swap(true, Ordering::AcqRel)
    }

    /// The face is about to look. What comes from now on rings again.
    pub(crate) fn silence(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::Bell;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// Two threads leave an event each and ring; the face looks whenever it was woken. Nothing is left over.
    #[test]
    fn no_event_is_left_without_a_waking() {
        loom::model(|| {
            let (bell, events) = (Arc::new(Bell::default()), Arc::new(Mutex::new(0)));
            let wakings = Arc::new(AtomicUsize::new(0));
            let ringers: Vec<_> = (0..2)
                .map(|_| {
                    let (bell, events, wakings) = (bell.clone(), events.clone(), wakings.clone());
                    thread::spawn(move || {
                        *events.lock().unwrap() += 1;
                        if bell.ring() {
                            wakings.fetch_add(1, Ordering::AcqRel);
                        }
                    })
                })
                .collect();
            let mut seen = 0;
            let mut heard = 0;
            let mut look = |heard: &mut usize| {
                while *heard < wakings.load(Ordering::Acquire) {
                    *heard += 1;
                    bell.silence();
                    seen += std::mem::take(&mut *events.lock().unwrap());
                }
            };
            look(&mut heard);
            for ringer in ringers {
                ringer.join().unwrap();
            }
            look(&mut heard);
            assert_eq!(seen, 2);
        });
    }
}
