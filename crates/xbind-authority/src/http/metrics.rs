//! What is counted, as Prometheus reads it (text format 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use xbind_server::{Counts, Histogram};

/// Upper bounds of the buckets, in milliseconds.
const BUCKETS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 1000, 5000];

/// Counts since the start.
pub(crate) struct Metrics {
    /// By route and status: both come from this program, so they are bounded.
    answered: Mutex<BTreeMap<(&'static str, u16), u64>>,
    times: Histogram<{ BUCKETS.len() }>,
    pub(crate) connections: Arc<Counts>,
    pub(crate) tokens: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let (answered, connections, tokens) = Default::default();
        Self { answered, times: Histogram::new(BUCKETS), connections, tokens }
    }
}

impl Metrics {
    pub(crate) fn answered(&self, route: &'static str, status: u16, took: Duration) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let count = answered.entry((route, status)).or_default();
        *count = count.saturating_add(1);
        drop(answered);
        self.times.took(took);
    }

    /// All of it, and how much the database has written.
    pub(crate) fn text(&self, (commits, changes): (u64, u64)) -> String {
        let mut out = String::with_capacity(4096);
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = write!(out, "# HELP xbind_{name} {help}\n# TYPE xbind_{name} {kind}\n");
        };
        head(&mut out, "requests_total", "counter", "Requests answered.");
        for ((route, status), count) in &*self.answered.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(out, "xbind_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}");
        }
        head(&mut out, "request_seconds", "histogram", "From the head of a request to its answer.");
        self.times.write(&mut out, "xbind_request_seconds");
        let connections = self.connections.open.load(Ordering::Relaxed);
        head(&mut out, "connections", "gauge", "Connections that are open.");
        let _ = writeln!(out, "xbind_connections {connections}");
        for (name, help, count) in [
            ("connections_refused_total", "Connections for which there was no room.", &self.connections.refused),
            ("tokens_issued_total", "Tokens issued.", &self.tokens),
        ] {
            head(&mut out, name, "counter", help);
            let _ = writeln!(out, "xbind_{name} {}", count.load(Ordering::Relaxed));
        }
        for (name, help, count) in [
            ("commits_total", "Transactions written to the disk.", commits),
            ("changes_total", "Changes that they held.", changes),
        ] {
            head(&mut out, name, "counter", help);
            let _ = writeln!(out, "xbind_{name} {count}");
        }
        out
    }
}
