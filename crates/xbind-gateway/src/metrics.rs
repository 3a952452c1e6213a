//! What is counted, as Prometheus reads it (text format 0.0.4). Every label is a word of this program or of its operator.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use xbind_server::Histogram;

use crate::api::Api;
use crate::books::End;
use crate::budget::Charge;
use crate::usage::Usage;

/// Upper bounds of the buckets, in milliseconds.
const BUCKETS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 1000, 5000, 15_000, 60_000];

/// Counts since the start.
pub(crate) struct Metrics {
    answered: Mutex<BTreeMap<(&'static str, u16), u64>>,
    used: Mutex<BTreeMap<String, Used>>,
    times: Histogram<{ BUCKETS.len() }>,
    cut: AtomicU64,
}

#[derive(Default)]
struct Used {
    input: u64,
    cached: u64,
    output: u64,
    /// In nano units.
    money: u64,
    /// Requests of which no usage was told.
    untold: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let (answered, used, cut) = Default::default();
        Self { answered, used, times: Histogram::new(BUCKETS), cut }
    }
}

impl Metrics {
    /// The head of an answer has gone.
    pub(crate) fn answered(&self, api: Option<Api>, status: u16, took: Duration) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let count = answered.entry((api.map_or("", Api::path), status)).or_default();
        *count = count.saturating_add(1);
        drop(answered);
        self.times.took(took);
    }

    /// A request has ended, with what the server told of it, or with all that was reserved.
    pub(crate) fn ended(&self, model: &str, end: &End, most: Charge) {
        if matches!(end.code.as_deref(), Some("REVOKED" | "REVOCATION_UNKNOWN")) {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
        let (usage, charged) = end.used.unwrap_or((Usage::default(), most));
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = used.entry(model.to_owned()).or_default();
        sums.input = sums.input.saturating_add(usage.input);
        sums.cached = sums.cached.saturating_add(usage.cached);
        sums.output = sums.output.saturating_add(usage.output);
        sums.money = sums.money.saturating_add(charged.money);
        sums.untold = sums.untold.saturating_add(u64::from(end.used.is_none()));
    }

    /// All of it, and what goes on now.
    pub(crate) fn text(&self, running: usize, connections: i64, refused: u64) -> String {
        let mut out = String::with_capacity(4096);
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = write!(out, "# HELP xbind_gateway_{name} {help}\n# TYPE xbind_gateway_{name} {kind}\n");
        };
        head(&mut out, "requests_total", "counter", "Requests answered.");
        for ((route, status), count) in &*self.answered.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(out, "xbind_gateway_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}");
        }
        head(&mut out, "request_seconds", "histogram", "From the head of a request to that of its answer.");
        self.times.write(&mut out, "xbind_gateway_request_seconds");
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        head(&mut out, "tokens_total", "counter", "Tokens that servers told of.");
        for (model, sums) in &*used {
            for (kind, count) in [("input", sums.input), ("cached", sums.cached), ("output", sums.output)] {
                let model = label(model);
                let _ = writeln!(out, "xbind_gateway_tokens_total{{model=\"{model}\",kind=\"{kind}\"}} {count}");
            }
        }
        head(&mut out, "money_total", "counter", "What was charged, in the currency of the configuration.");
        for (model, sums) in &*used {
            let _ = writeln!(
                out,
                "xbind_gateway_money_total{{model=\"{}\"}} {}",
                label(model),
                crate::money::shown(sums.money)
            );
        }
        head(
            &mut out,
            "untold_total",
            "counter",
            "Requests that were charged all that was reserved, because nobody told their usage.",
        );
        for (model, sums) in &*used {
            let _ = writeln!(out, "xbind_gateway_untold_total{{model=\"{}\"}} {}", label(model), sums.untold);
        }
        for (name, kind, help, count) in [
            ("cut_total", "counter", "Answers that were ended because a right had.", self.cut.load(Ordering::Relaxed)),
            ("running", "gauge", "Requests that go on.", u64::try_from(running).unwrap_or(u64::MAX)),
            ("connections", "gauge", "Connections that are open.", u64::try_from(connections).unwrap_or_default()),
            ("connections_refused_total", "counter", "Connections for which there was no room.", refused),
        ] {
            head(&mut out, name, kind, help);
            let _ = writeln!(out, "xbind_gateway_{name} {count}");
        }
        out
    }
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
