//! Worker threads for bursts. They start with the first burst and sleep between bursts.

use std::num::NonZero;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

use crate::agent::Agent;
use crate::flush;
use crate::port::Port;

/// Rough cost of one signature made and verified, in microseconds.
const SIGNATURE_COST: usize = 35;
/// Rough cost of one more message under the same signature, in microseconds.
const MESSAGE_COST: usize = 4;
/// Roughly how many bytes of bodies are hashed and moved in a microsecond.
const BYTES_PER_MICROSECOND: usize = 400;
/// Work below this is done before a worker thread would have woken up, in microseconds.
const INLINE_BUDGET: usize = 500;

pub(crate) struct Pool {
    runtime: Runtime,
    threads: usize,
}

/// The pool, if there is more to seal than the calling thread should do at once.
pub(crate) fn worth_it(agents: usize, messages: usize, bytes: usize) -> Option<&'static Pool> {
    let signing = agents.saturating_mul(SIGNATURE_COST).saturating_add(messages.saturating_mul(MESSAGE_COST));
    let cost = signing.saturating_add(bytes / BYTES_PER_MICROSECOND);
    (cost > INLINE_BUDGET).then(pool).flatten()
}

fn pool() -> Option<&'static Pool> {
    static POOL: OnceLock<Option<Pool>> = OnceLock::new();
    POOL.get_or_init(|| {
        let threads = available_parallelism().map_or(1, NonZero::get).saturating_sub(1).min(8);
        if threads == 0 {
            return None;
        }
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name("xbind").build().ok()?;
        Some(Pool { runtime, threads })
    })
    .as_ref()
}

impl Pool {
    /// Spreads the agents over the threads, in parts small enough that no thread ends long after the others.
    pub(crate) fn spread(&self, port: &Arc<Port>, agents: Vec<Arc<Agent>>) {
        let parts = self.threads.saturating_mul(4);
        let size = agents.len().div_ceil(parts).max(1);
        let mut agents = agents.into_iter();
        loop {
            let part: Vec<_> = agents.by_ref().take(size).collect();
            if part.is_empty() {
                return;
            }
            let messages = part.iter().fold(0_usize, |sum, agent| sum.saturating_add(agent.outbox_len()));
            let under_way = port.under_way(messages);
            self.runtime.spawn(async move {
                flush::work_off(part);
                drop(under_way);
            });
        }
    }
}
