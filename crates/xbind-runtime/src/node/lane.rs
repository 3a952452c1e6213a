//! What leaves over one route: one thread at a time hands it over, which keeps its order, and holds no lock meanwhile.

use std::mem::take;

/// See the module's documentation; whoever holds it locks it.
pub(crate) struct Lane<P> {
    left: Vec<P>,
    carrying: bool,
    /// Room was announced meanwhile.
    again: bool,
}

/// What to do after parcels were handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing is left.
    Done,
    /// More has come, or room.
    Again,
    /// The rest waits for room.
    Wait,
}

impl<P> Default for Lane<P> {
    fn default() -> Self {
        Self { left: Vec::new(), carrying: false, again: false }
    }
}

impl<P> Lane<P> {
    /// Behind what is there.
    pub(crate) fn push(&mut self, parcels: &mut Vec<P>) {
        self.left.append(parcels);
    }

    /// What to hand over; none if another thread does, which then looks again.
    pub(crate) fn begin(&mut self) -> Option<Vec<P>> {
        if self.carrying {
            self.again = true;
            return None;
        }
        (self.carrying, self.again) = (true, false);
        Some(take(&mut self.left))
    }

    /// What was not taken stands before what has come meanwhile.
    pub(crate) fn end(&mut self, mut rest: Vec<P>, failed: bool) -> Next {
        let is_blocked = failed || !rest.is_empty();
        self.carrying = false;
        rest.append(&mut self.left);
        self.left = rest;
        match () {
            () if self.left.is_empty() => Next::Done,
            () if is_blocked && !self.again => Next::Wait,
            () => Next::Again,
        }
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    #[derive(Default)]
    struct Way {
        lane: Mutex<Option<Lane<u8>>>,
        has_room: AtomicBool,
        taken: Mutex<Vec<u8>>,
    }

    impl Way {
        /// As `Routes::carry` does.
        fn carry(&self) {
            loop {
                let begun = self.lane.lock().unwrap().as_mut().and_then(Lane::begin);
                let Some(mut parcels) = begun else { return };
                if self.has_room.load(Ordering::Acquire) {
                    self.taken.lock().unwrap().append(&mut parcels);
                }
                let mut lane = self.lane.lock().unwrap();
                match lane.as_mut().unwrap().end(parcels, false) {
                    Next::Done => return *lane = None,
                    Next::Wait => return,
                    Next::Again => {}
                }
            }
        }

        fn send(&self, parcel: u8) {
            let is_first = {
                let mut lane = self.lane.lock().unwrap();
                let is_first = lane.is_none();
                lane.get_or_insert_default().push(&mut vec![parcel]);
                is_first
            };
            if is_first {
                self.carry();
            }
        }
    }

    /// Two agents send while a transport finds room and says so: nothing stays behind, and the order is that of sending.
    #[test]
    fn nothing_stays_on_a_way_that_has_room() {
        loom::model(|| {
            let way = Arc::new(Way::default());
            let (transport, other) = (way.clone(), way.clone());
            let sender = thread::spawn(move || {
                other.send(1);
                other.send(2);
            });
            let carrier = thread::spawn(move || {
                transport.has_room.store(true, Ordering::Release);
                transport.carry();
            });
            sender.join().unwrap();
            carrier.join().unwrap();
            assert_eq!(*way.taken.lock().unwrap(), [1, 2]);
            assert!(way.lane.lock().unwrap().is_none());
        });
    }
}
