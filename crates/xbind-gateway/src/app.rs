//! What all requests share.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use xbind::http::profile::Profile;
use xbind::http::verify::{RequestPolicy, RequestVerifier};
use xbind_server::{Counts, Fault, Left, Limiter, Rate, fault, network, read_url};

use crate::body::UNIT;
use crate::books::Books;
use crate::caller::Door;
use crate::config::Config;
use crate::forward::Upstreams;
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem, Result};
use crate::rights::Rights;
use crate::running::Running;

/// Requests that are remembered of one who has signed them, and a third more of others; the database remembers all.
const TRACKED: usize = 400_000;
/// The oldest signature that is looked at, and how far clocks may differ, in seconds.
const MAX_AGE: u64 = 60;
const CLOCK_SKEW: u64 = 5;
/// How often somebody at one address may fail to prove who he is.
const FAILURES: Rate = Rate { burst: 100, per_second: 10 };

/// A gateway without its sockets.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) audience: String,
    pub(crate) door: Door,
    pub(crate) rights: Rights,
    pub(crate) running: Arc<Running>,
    pub(crate) bodies: Arc<Semaphore>,
    pub(crate) upstreams: Upstreams,
    pub(crate) books: Arc<Books>,
    pub(crate) metrics: Metrics,
    pub(crate) counts: Arc<Counts>,
    /// Requests that are carried on.
    pub(crate) tasks: TaskTracker,
    /// Every member of a body that the operator allows for any model.
    pub(crate) members: Vec<String>,
    by_agent: Limiter<String>,
    failures: Limiter<IpAddr>,
}

impl App {
    /// Puts the parts together.
    ///
    /// # Errors
    /// A URL that is none; upstreams and authorities at no address.
    pub(crate) fn new(config: Config, books: Books, url: String) -> std::result::Result<Self, Fault> {
        let read = read_url(&url).ok_or_else(|| fault(format!("{url:?} is no URL like https://llm.example")));
        let (scheme, authority) = read?;
        let verifier = RequestVerifier::new(RequestPolicy {
            profile: Profile::Xbind,
            authorities: vec![authority],
            clock_skew: CLOCK_SKEW,
            max_age: MAX_AGE,
            max_body: config.limits.body_bytes,
            started: None, // the database knows what was accepted before
            allowed: None,
            keys: Vec::new(),
            max_tracked: TRACKED,
        })?;
        let audience = config.audience.clone().unwrap_or_else(|| url.clone());
        let units = config.limits.all_body_bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        let members: BTreeSet<_> = config.models.values().flat_map(|model| &model.members).cloned().collect();
        Ok(Self {
            rights: Rights::new(&config, &audience, CLOCK_SKEW)?,
            upstreams: Upstreams::new(&config)?,
            door: Door { verifier, scheme, url, bearer: config.bearer, clock_skew: CLOCK_SKEW },
            running: Running::new(config.limits.requests, config.limits.requests_per_agent),
            bodies: Arc::new(Semaphore::new(units)),
            books: Arc::new(books),
            metrics: Metrics::default(),
            counts: Arc::default(),
            tasks: TaskTracker::new(),
            members: members.into_iter().collect(),
            by_agent: Limiter::new(config.rate),
            failures: Limiter::new(FAILURES),
            audience,
            config,
        })
    }

    /// Lets one request of that agent pass; `left` is what is left to it in any case.
    ///
    /// # Errors
    /// `rate-limited`.
    pub(crate) fn may_ask(&self, agent: &str, left: &mut Option<Left>) -> Result<()> {
        let checked = self.by_agent.check(agent.to_owned());
        *left = Some(checked.unwrap_or_else(|wait| Left { remaining: 0, full_in: wait }));
        checked.map(drop).map_err(|wait| {
            Problem::new(Kind::RateLimited, format!("the next request may come in {wait} s")).with_retry_after(wait)
        })
    }

    /// What somebody is told who has not proven who he is; whoever tries often, hears to wait.
    pub(crate) fn refuse_stranger(&self, address: IpAddr, problem: Problem) -> Problem {
        match self.failures.check(network(address)) {
            Ok(_) => problem,
            Err(wait) => {
                let why = format!("too many requests of this address prove nothing: the next may come in {wait} s");
                Problem::new(Kind::RateLimited, why).with_retry_after(wait)
            }
        }
    }

    /// A line of JSON for whoever runs the gateway.
    pub(crate) fn log(&self, line: impl FnOnce() -> serde_json::Value) {
        if let Some(sink) = &self.config.log {
            (sink.0)(&line().to_string());
        }
    }

    /// All counts, as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        use std::sync::atomic::Ordering::Relaxed;
        let Counts { open, refused } = &*self.counts;
        self.metrics.text(self.running.count(), open.load(Relaxed), refused.load(Relaxed))
    }
}
