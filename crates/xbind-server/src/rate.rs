//! How often somebody may ask, in bounded memory: a time for each (GCRA), which says everything.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How fast somebody may ask: so many at once, and so many a second after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// How many a second.
    pub per_second: u32,
}

/// The most who are told apart; when there are more, newcomers share one.
pub const MAX_KEYS: usize = 65_536;

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// So many requests at once.
    pub remaining: u32,
    /// Seconds until all are there again.
    pub full_in: u64,
}

/// Who asks how often.
pub struct Limiter<K> {
    rate: Rate,
    began: Instant,
    times: Mutex<Times<K>>,
}

struct Times<K> {
    /// For each, when all that it used will have come back; those without a place of their own have none.
    until: HashMap<Option<K>, Duration>,
    swept: Duration,
}

impl<K: Eq + Hash> Limiter<K> {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let times = Times { until: HashMap::new(), swept: Duration::ZERO };
        Self { rate, began: Instant::now(), times: Mutex::new(times) }
    }

    /// The rate.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Lets one request pass.
    ///
    /// # Errors
    /// Seconds to wait.
    pub fn check(&self, key: K) -> Result<Left, u64> {
        self.check_at(key, self.began.elapsed())
    }

    fn check_at(&self, key: K, now: Duration) -> Result<Left, u64> {
        let each = Duration::from_secs(1).checked_div(self.rate.per_second.max(1)).unwrap_or(Duration::from_secs(1));
        let most = each.saturating_mul(self.rate.burst.max(1));
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Some(key);
        if !times.until.contains_key(&key) && times.until.len() >= MAX_KEYS {
            times.sweep(now);
            if times.until.len() >= MAX_KEYS {
                key = None;
            }
        }
        let used = times.until.get(&key).map_or(Duration::ZERO, |until| until.saturating_sub(now));
        let next = used.saturating_add(each);
        if next > most {
            return Err(seconds(next.saturating_sub(most)));
        }
        times.until.insert(key, now.saturating_add(next));
        let left = most.saturating_sub(next).as_nanos().checked_div(each.as_nanos().max(1)).unwrap_or_default();
        Ok(Left { remaining: u32::try_from(left).unwrap_or(u32::MAX), full_in: seconds(next) })
    }
}

impl<K: Eq + Hash> Times<K> {
    /// Forgets those who have everything again; a second apart at least, for it takes a millisecond.
    fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) >= Duration::from_secs(1) {
            self.swept = now;
            self.until.retain(|_, until| *until > now);
        }
    }
}

/// Rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 4, per_second: 2 };

    fn count<K>(limiter: &Limiter<K>) -> usize {
        limiter.times.lock().unwrap().until.len()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let limiter = Limiter::new(RATE);
        let at = Duration::from_secs;
        let left: Vec<_> = (0..4).map(|_| limiter.check_at(1, at(10)).unwrap().remaining).collect();
        assert_eq!(left, [3, 2, 1, 0]);
        assert_eq!(limiter.check_at(1, at(10)), Err(1));
        assert!(limiter.check_at(2, at(10)).is_ok());
        assert_eq!(limiter.check_at(1, at(11)).unwrap().remaining, 1);
        assert_eq!(limiter.check_at(1, at(60)).unwrap().remaining, 3);
    }

    #[test]
    fn memory_is_bounded_and_newcomers_share_what_is_left() {
        let limiter = Limiter::new(RATE);
        let at = Duration::from_secs;
        for key in 0..MAX_KEYS {
            assert!(limiter.check_at(key, at(10)).is_ok());
        }
        let shared: Vec<_> = (0..5).map(|n| limiter.check_at(MAX_KEYS + n, at(10)).is_ok()).collect();
        assert_eq!(shared, [true, true, true, true, false]);
        assert_eq!(count(&limiter), MAX_KEYS + 1);
        assert!(limiter.check_at(0, at(10)).is_ok(), "whoever was there keeps his own");
        assert!(limiter.check_at(MAX_KEYS + 9, at(20)).is_ok());
        assert_eq!(count(&limiter), 1);
    }
}
