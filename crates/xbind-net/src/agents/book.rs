//! The addresses that calls have named, up to a bound: for a new one goes the one that was not named for the longest time, of
//! those to which nothing is under way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use xbind_runtime::transport::{Route, TransportId};

use super::address::Address;
use crate::{Target, Whose};

pub(super) struct Book {
    most: usize,
    by_text: HashMap<(Whose, String), u32>,
    places: Vec<Place>,
    /// Places by when they were last named.
    by_use: BTreeMap<u64, u32>,
    uses: u64,
}

struct Place {
    address: Arc<Address>,
    used: u64,
}

/// The address, and whose place it has taken.
pub(super) type Found = (Arc<Address>, Option<Arc<Address>>);

impl Book {
    pub(super) fn new(most: usize) -> Self {
        Self { most, by_text: HashMap::new(), places: Vec::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    /// None once it was forgotten.
    pub(super) fn on(&self, route: Route) -> Option<Arc<Address>> {
        let place = self.places.get(usize::try_from(route.id).ok()?)?;
        (place.address.route == route).then(|| place.address.clone())
    }

    /// None if there is no place, for something is under way to all that are known.
    pub(super) fn at(&mut self, whose: Whose, target: Target, transport: TransportId) -> Option<Found> {
        let key = (whose, target.as_str().to_owned());
        if let Some(known) = self.by_text.get(&key).copied() {
            self.touch(known);
            return Some((self.place(known)?.address.clone(), None));
        }
        let (number, generation, forgotten) = if self.places.len() < self.most {
            (u32::try_from(self.places.len()).ok()?, 0, None)
        } else {
            let (number, idle) = self.take_idle()?;
            (number, idle.route.generation.wrapping_add(1), Some(idle))
        };
        let address = Arc::new(Address::new(whose, target, transport.route(number, generation)));
        let place = Place { address: address.clone(), used: 0 };
        match self.places.get_mut(usize::try_from(number).ok()?) {
            Some(taken) => *taken = place,
            None => self.places.push(place),
        }
        self.by_text.insert(key, number);
        self.touch(number);
        Some((address, forgotten))
    }

    /// The place of the idle one that was not named for the longest time. Whatever is under way holds its address.
    fn take_idle(&mut self) -> Option<(u32, Arc<Address>)> {
        let is_idle = |number: &u32| self.place(*number).is_some_and(|place| Arc::strong_count(&place.address) == 1);
        let number = self.by_use.values().copied().find(is_idle)?;
        let place = self.place(number)?;
        let (address, used) = (place.address.clone(), place.used);
        self.by_use.remove(&used);
        self.by_text.remove(&(address.whose, address.target.as_str().to_owned()));
        Some((number, address))
    }

    fn place(&self, number: u32) -> Option<&Place> {
        self.places.get(usize::try_from(number).ok()?)
    }

    fn touch(&mut self, number: u32) {
        self.uses = self.uses.saturating_add(1);
        let place = usize::try_from(number).ok().and_then(|number| self.places.get_mut(number));
        let Some(place) = place else { return };
        self.by_use.remove(&std::mem::replace(&mut place.used, self.uses));
        self.by_use.insert(self.uses, number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use xbind_runtime::transport::{Departure, Limits, Transport};
    use xbind_runtime::{Node, NodeOptions};

    use super::*;

    struct Nothing;
    impl Transport for Nothing {
        fn carry(&self, _: Route, parcels: &mut Vec<Departure>) {
            parcels.clear();
        }
        fn limits(&self, _: Route) -> Limits {
            super::super::LIMITS
        }
        fn names_sessions(&self) -> bool {
            true
        }
        fn close(&self, _: Duration) {}
    }

    fn named(book: &mut Book, id: TransportId, n: usize) -> Option<Found> {
        book.at(Whose::Owner, Target::parse(&format!("https://agents.example/{n}"), Whose::Owner).unwrap(), id)
    }

    #[test]
    fn the_least_recently_named_that_is_idle_makes_room_for_a_new_one() {
        let id = Node::new(NodeOptions::default()).attach(Arc::new(Nothing));
        let mut book = Book::new(3);
        let (busy, _) = named(&mut book, id, 0).unwrap();
        let old = named(&mut book, id, 1).unwrap().0.route;
        let _ = named(&mut book, id, 2).unwrap();
        assert_eq!(named(&mut book, id, 1).unwrap().0.route, old, "it is named again");
        let (new, forgotten) = named(&mut book, id, 3).unwrap();
        assert_eq!(forgotten.unwrap().target.as_str(), "https://agents.example/2");
        assert!(book.on(new.route).is_some() && book.on(old).is_some() && book.on(busy.route).is_some());
        let held = named(&mut book, id, 1).unwrap().0;
        assert!(named(&mut book, id, 4).is_none(), "all are in use");
        assert!(named(&mut book, id, 3).unwrap().1.is_none(), "and still found");
        drop(held);
        let (newest, _) = named(&mut book, id, 5).unwrap();
        assert!(book.on(old).is_none() && newest.route.id == old.id, "what was forgotten is not met on its route");
        assert_eq!((book.by_text.len(), book.by_use.len(), book.places.len()), (3, 3, 3));
    }

    #[test]
    fn more_addresses_than_are_remembered_are_taken_one_after_the_other() {
        let id = Node::new(NodeOptions::default()).attach(Arc::new(Nothing));
        let mut book = Book::new(super::super::client::MAX_ADDRESSES);
        assert!((0..70_000).all(|n| named(&mut book, id, n).is_some()));
        assert_eq!(book.places.len(), super::super::client::MAX_ADDRESSES);
    }
}
