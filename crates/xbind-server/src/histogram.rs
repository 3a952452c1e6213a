//! How long things took, as Prometheus reads it (text format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Times, counted in buckets.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    /// Upper bounds of the buckets, in milliseconds.
    bounds: [u64; N],
    buckets: [AtomicU64; N],
    count: AtomicU64,
    micros: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    /// Nothing has taken any time yet. The bounds are milliseconds, the smallest first.
    #[must_use]
    pub const fn new(bounds: [u64; N]) -> Self {
        let (count, micros) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bounds, buckets: [const { AtomicU64::new(0) }; N], count, micros }
    }

    /// Something took so long.
    pub fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        for (bucket, bound) in self.buckets.iter().zip(self.bounds) {
            if micros <= bound.saturating_mul(1000) {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Its lines, in seconds, under that name.
    pub fn write(&self, out: &mut String, name: &str) {
        for (bucket, bound) in self.buckets.iter().zip(self.bounds) {
            let (whole, rest) = (bound / 1000, bound % 1000);
            let count = bucket.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{whole}.{rest:03}\"}} {count}");
        }
        let (count, micros) = (self.count.load(Ordering::Relaxed), self.micros.load(Ordering::Relaxed));
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let _ = writeln!(out, "{name}_count {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_holds_all_that_took_no_longer() {
        let times = Histogram::new([1, 250]);
        for micros in [0, 1000, 1001, 250_000, 2_000_001] {
            times.took(Duration::from_micros(micros));
        }
        let mut out = String::new();
        times.write(&mut out, "x");
        let lines = [
            "x_bucket{le=\"0.001\"} 2",
            "x_bucket{le=\"0.250\"} 4",
            "x_bucket{le=\"+Inf\"} 5",
            "x_sum 2.252002",
            "x_count 5",
            "",
        ];
        assert_eq!(out, lines.join("\n"));
    }
}
