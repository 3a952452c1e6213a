use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::connect::Ways;
use crate::exchange::exchange;
use crate::proxy::Proxy;
use crate::resolve::{Lookup, system};
use crate::table::{Found, Key, Outcome, Table};
use crate::{FetchError, Roots, Rules, Target, Whose, thread};

/// How long a document is not asked for again, and what came of it is kept for whoever asks meanwhile. Shorter than any one
/// verifier waits between two questions, so that its second is never answered with the answer to its first.
pub const INTERVAL: Duration = Duration::from_secs(15);

/// Connections at the same time, for owners and strangers each; others wait for their turn.
const MAX_CONNECTIONS: usize = 16;

/// Documents that are fetched or kept, for owners and strangers each, and their bytes.
const MAX_DOCUMENTS: usize = 1024;
const MAX_BYTES: usize = 32 << 20;

/// What a [`Fetcher`] takes from the machine it runs on.
#[derive(Clone)]
pub struct Settings {
    /// Looks names up: the system's resolver, unless the owner knows better.
    pub lookup: Lookup,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// How long a document is not asked for again: [`INTERVAL`].
    pub interval: Duration,
    /// Through which all requests leave; none by default, whatever the environment says.
    pub proxy: Option<Arc<Proxy>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lookup: system(), roots: Roots::default(), interval: INTERVAL, proxy: None }
    }
}

/// Fetches documents, by its own thread: `fetch` can be awaited on any executor. What strangers name waits in a lane of its
/// own, so that it uses up nothing that the owner's addresses need.
#[derive(Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
}

struct Inner {
    interval: Duration,
    ways: Ways,
    owner: Lane,
    stranger: Lane,
}

struct Lane {
    table: Table,
    turns: Semaphore,
}

/// What was fetched: the bytes as the server sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(Bytes);

impl Document {
    /// The bytes, shared by all who asked.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Fetcher {
    /// A fetcher. Nothing starts and nothing is read before something is fetched.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let lane = || Lane { table: Table::new(MAX_DOCUMENTS, MAX_BYTES), turns: Semaphore::new(MAX_CONNECTIONS) };
        let interval = settings.interval;
        Self { inner: Arc::new(Inner { owner: lane(), stranger: lane(), interval, ways: Ways::new(settings) }) }
    }

    /// The document at an address: fetched once for all who ask at a time, and not again within the interval, whatever came
    /// of it.
    ///
    /// # Errors
    /// Any [`FetchError`]; those of [`Target::parse`] before anything is asked.
    pub async fn fetch(&self, url: &str, rules: &Rules) -> Result<Document, FetchError> {
        let target = Target::parse(url, rules.whose)?;
        let key = (target.as_str().to_owned(), rules.clone());
        let flight = match self.inner.lane(rules.whose).table.find(&key)? {
            Found::Kept(outcome) => return outcome.map(Document),
            Found::Running(flight) => flight,
            Found::Nothing(told) => self.start(key, target, told)?,
        };
        landed(flight).await.map(Document)
    }

    /// The same on the thread of this crate: `done` is told exactly once, from there or, where no thread could be started,
    /// from here.
    pub fn fetch_then(
        &self,
        url: String,
        rules: Rules,
        done: impl FnOnce(Result<Document, FetchError>) + Send + 'static,
    ) {
        let fetcher = self.clone();
        match thread::handle() {
            Ok(thread) => drop(thread.spawn(async move {
                // A panic ends this request alone.
                let fetched = tokio::spawn(async move { fetcher.fetch(&url, &rules).await });
                done(fetched.await.unwrap_or(Err(FetchError::Internal)));
            })),
            Err(error) => done(Err(error)),
        }
    }

    pub(crate) fn ways(&self) -> &Ways {
        &self.inner.ways
    }

    fn start(
        &self,
        key: Key,
        target: Target,
        told: watch::Sender<Option<Outcome>>,
    ) -> Result<watch::Receiver<Option<Outcome>>, FetchError> {
        let inner = Arc::clone(&self.inner);
        let thread = thread::handle().inspect_err(|_| inner.lane(key.1.whose).table.forget(&key))?;
        let flight = told.subscribe();
        thread.spawn(async move {
            let again = Instant::now().checked_add(inner.interval);
            let request = tokio::spawn({
                let (inner, rules) = (Arc::clone(&inner), key.1.clone());
                async move { inner.get(&target, &rules).await }
            });
            let outcome = request.await.unwrap_or(Err(FetchError::Internal));
            let table = &inner.lane(key.1.whose).table;
            table.keep(&key, &outcome);
            told.send_replace(Some(outcome));
            drop(told);
            if let Some(again) = again {
                sleep_until(again).await;
            }
            table.forget(&key);
        });
        Ok(flight)
    }
}

async fn landed(mut flight: watch::Receiver<Option<Outcome>>) -> Outcome {
    let outcome = flight.wait_for(Option::is_some).await.map_err(|_| FetchError::Internal)?;
    outcome.clone().unwrap_or(Err(FetchError::Internal))
}

impl Inner {
    fn lane(&self, whose: Whose) -> &Lane {
        match whose {
            Whose::Owner => &self.owner,
            Whose::Listed | Whose::Stranger => &self.stranger,
        }
    }

    async fn get(&self, target: &Target, rules: &Rules) -> Outcome {
        let late = FetchError::Timeout(u64::try_from(rules.timeout.as_millis()).unwrap_or(u64::MAX));
        let deadline = Instant::now().checked_add(rules.timeout).ok_or(late)?;
        timeout_at(deadline, self.get_until(deadline, target, rules)).await.unwrap_or(Err(late))
    }

    async fn get_until(&self, deadline: Instant, target: &Target, rules: &Rules) -> Outcome {
        let lane = self.lane(rules.whose);
        let _turn = lane.turns.acquire().await.map_err(|_| FetchError::Internal)?;
        let stream = self.ways.open(target, rules.whose, deadline).await?;
        exchange(stream, target, rules).await
    }
}
