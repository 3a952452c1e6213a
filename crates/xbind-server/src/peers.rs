//! Places of which there are so many, in all and for each address: connections, say.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by all who take one.
pub struct Peers {
    most: usize,
    most_each: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

/// A place, until it is dropped.
pub struct Place {
    peers: Arc<Peers>,
    address: IpAddr,
}

impl Peers {
    /// Places for `most` in all, and `most_each` of each address.
    #[must_use]
    pub fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self { most, most_each, open: Mutex::default() })
    }

    /// A place for somebody from there, if there is one. Of IPv6, its /64 counts.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.each.get(&address).copied().unwrap_or_default();
        if open.all >= self.most || own >= self.most_each {
            return None;
        }
        open.all = open.all.saturating_add(1);
        open.each.insert(address, own.saturating_add(1));
        Some(Place { peers: self.clone(), address })
    }

    /// How many are taken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        let left = open.each.get(&self.address).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            open.each.remove(&self.address);
        } else {
            open.each.insert(self.address, left);
        }
    }
}

/// One who has an address of IPv6 has the 2^64 beside it, too.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}
