//! Which of the calls has run out of time.

use std::cmp::Reverse;
use std::time::Instant;

use crate::port::calls::{Call, Calls};

impl Calls {
    /// One call whose deadline has passed.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Call> {
        self.tidy();
        if self.deadlines.peek().is_none_or(|Reverse((deadline, _))| *deadline > now) {
            return None; // whether it belongs to a call that is settled need not be known
        }
        loop {
            let (_, number) = self.earliest().filter(|(deadline, _)| *deadline <= now)?;
            if !self.slots.get(number).is_some_and(|call| call.is_unread(now)) {
                return self.take(number);
            }
            self.be_patient(number, now);
        }
    }

    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        self.earliest().map(|(deadline, _)| deadline)
    }

    /// Lets entries of settled calls go that outnumber the living.
    fn tidy(&mut self) {
        if self.deadlines.len() > self.slots.len().saturating_mul(2).saturating_add(64) {
            let live = self.slots.iter().filter_map(|(number, call)| Some(Reverse((call.deadline?, number))));
            self.deadlines = live.collect();
        }
    }

    fn earliest(&mut self) -> Option<(Instant, u64)> {
        self.tidy();
        while let Some(Reverse((deadline, number))) = self.deadlines.peek().copied() {
            if self.slots.get(number).is_some_and(|call| call.deadline == Some(deadline)) {
                return Some((deadline, number));
            }
            self.deadlines.pop();
        }
        None
    }
}
