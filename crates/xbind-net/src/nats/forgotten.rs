//! Hosts that were taken to be gone: one that is heard again was forgotten too early. A host that nobody has spoken for is none
//! of them, whatever it says.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use xbind::cluster::NKey;

/// Hosts that are remembered, and for how long: by then each agent that is there has said so again.
const KEPT: (usize, Duration) = (4096, Duration::from_secs(60));
/// How often at most all is read anew because of them.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Forgotten {
    all: HashMap<NKey, Instant>,
    read: Option<Instant>,
}

impl Forgotten {
    /// A host is taken to be gone.
    pub(super) fn push(&mut self, host: NKey, now: Instant) {
        if self.all.len() >= KEPT.0 {
            self.all.retain(|_, at| now.saturating_duration_since(*at) < KEPT.1);
        }
        if self.all.len() < KEPT.0 {
            self.all.insert(host, now);
        }
    }

    /// Whether who is there is to be read anew, now that a host is heard that is not known.
    pub(super) fn is_back(&mut self, host: &NKey, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        if self.read.is_some_and(|at| since(at) < PAUSE) {
            return false; // it is asked again when it is heard next
        }
        let is_back = self.all.remove(host).is_some_and(|at| since(at) < KEPT.1);
        if is_back {
            self.read = Some(now);
        }
        is_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xbind::cluster::Role;

    fn host(seed: u32) -> NKey {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&seed.to_le_bytes());
        NKey::of(Role::User, xbind::SigningKey::from_seed(&bytes).verifying_key())
    }

    #[test]
    fn only_who_was_there_has_all_read_anew_and_not_often() {
        let (mut forgotten, now) = (Forgotten::default(), Instant::now());
        assert!((0..100).all(|seed| !forgotten.is_back(&host(seed), now)), "strangers");
        (1..=3).for_each(|seed| forgotten.push(host(seed), now));
        assert!(forgotten.is_back(&host(1), now));
        assert!(!forgotten.is_back(&host(2), now), "all is being read anew");
        assert!(!forgotten.is_back(&host(1), now + PAUSE), "once");
        assert!(forgotten.is_back(&host(2), now + PAUSE));
        assert!(!forgotten.is_back(&host(3), now + KEPT.1), "whoever is there has said so by now");
    }

    #[test]
    fn it_is_bounded() {
        let (mut forgotten, now) = (Forgotten::default(), Instant::now());
        (0..5000).for_each(|seed| forgotten.push(host(seed), now));
        assert_eq!(forgotten.all.len(), KEPT.0);
        forgotten.push(host(5000), now + KEPT.1);
        assert_eq!(forgotten.all.len(), 1);
    }
}
