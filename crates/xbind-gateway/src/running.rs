//! What runs: so much at once, of each agent so much, and all of it ends that does not hold any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use xbind::{Link, VerifiedToken};

use crate::problem::{Kind, Problem, Result};

/// Shared by all requests.
pub(crate) struct Running {
    most: usize,
    most_each: usize,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    last: u64,
    each: HashMap<Box<str>, usize>,
    runs: HashMap<u64, Run>,
}

struct Run {
    token: Arc<VerifiedToken>,
    cut: watch::Sender<Option<Problem>>,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    running: Arc<Running>,
    number: u64,
    agent: Box<str>,
    cut: watch::Receiver<Option<Problem>>,
}

impl Running {
    pub(crate) fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self { most, most_each, all: Mutex::default() })
    }

    /// Takes a place for a request of that agent.
    ///
    /// # Errors
    /// `busy`, `rate-limited`.
    pub(crate) fn enter(self: &Arc<Self>, agent: &str, token: Arc<VerifiedToken>) -> Result<Place> {
        let mut all = self.all();
        if all.runs.len() >= self.most {
            return Err(Problem::new(Kind::Busy, "as many requests are under way as there may be"));
        }
        let own = all.each.get(agent).copied().unwrap_or_default();
        if own >= self.most_each {
            let why = format!("{} requests of this agent are under way, as many as there may be", self.most_each);
            return Err(Problem::new(Kind::RateLimited, why).with_retry_after(1));
        }
        all.last = all.last.wrapping_add(1);
        let number = all.last;
        let (cut, told) = watch::channel(None);
        all.each.insert(agent.into(), own.saturating_add(1));
        all.runs.insert(number, Run { token, cut });
        Ok(Place { running: self.clone(), number, agent: agent.into(), cut: told })
    }

    /// Ends what does not hold any more, by what `judge` says of its links; gives all tokens under which something runs.
    pub(crate) fn judge(&self, judge: impl Fn(&[Link]) -> Option<Problem>) -> Vec<Arc<VerifiedToken>> {
        // Many run under the same token.
        let mut judged: HashMap<*const VerifiedToken, Option<Problem>> = HashMap::new();
        let mut tokens = Vec::new();
        for run in self.all().runs.values() {
            let problem = judged.entry(Arc::as_ptr(&run.token)).or_insert_with(|| {
                tokens.push(run.token.clone());
                judge(run.token.links())
            });
            if problem.is_some() {
                run.cut.send_replace(problem.clone());
            }
        }
        tokens
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all().runs.len()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Comes when the request has to end, with why.
    pub(crate) async fn cut(&mut self) -> Problem {
        match self.cut.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            _ => std::future::pending().await,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.running.all();
        all.runs.remove(&self.number);
        let left = all.each.get(&self.agent).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            all.each.remove(&self.agent);
        } else {
            all.each.insert(self.agent.clone(), left);
        }
    }
}
