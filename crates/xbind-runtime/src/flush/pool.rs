//! Worker threads for bursts. They start with the first burst and sleep between bursts.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

use crate::agent::Agent;
use crate::flush;
use crate::flush::batching::UnderWay;
use crate::port::Port;
use crate::sync::Lock;

/// Rough cost of one signature made and verified, in microseconds.
const SIGNATURE_COST: usize = 35;
/// Rough cost of one more message under the same signature, in microseconds.
const MESSAGE_COST: usize = 4;
/// Roughly how many bytes of bodies are hashed and moved in a microsecond.
const BYTES_PER_MICROSECOND: usize = 400;
/// Work below this is done before a worker thread would have woken up, in microseconds.
const INLINE_BUDGET: usize = 500;
/// Agents that are worked off in one go: whoever flushes helps with as many, and events wait for it meanwhile.
const MAX_PART: usize = 16;

static POOL: OnceLock<Option<Pool>> = OnceLock::new();

pub(crate) struct Pool {
    runtime: Runtime,
    threads: usize,
    /// What nobody has begun with.
    parts: Mutex<VecDeque<Part>>,
}

/// Agents of one port, each with a batch.
struct Part {
    agents: Vec<Arc<Agent>>,
    under_way: UnderWay,
}

impl Part {
    fn work_off(self) {
        flush::work_off(self.agents);
        drop(self.under_way);
    }
}

/// The pool, if there is more to seal than the calling thread should do at once.
pub(crate) fn worth_it(agents: usize, messages: usize, bytes: usize) -> Option<&'static Pool> {
    let signing = agents.saturating_mul(SIGNATURE_COST).saturating_add(messages.saturating_mul(MESSAGE_COST));
    let cost = signing.saturating_add(bytes / BYTES_PER_MICROSECOND);
    (cost > INLINE_BUDGET).then(pool).flatten()
}

/// A thread that has nothing else to do works off a part of what it has given away, if nobody has begun with it. True if it did.
pub(crate) fn help(port: &Arc<Port>) -> bool {
    let part = POOL.get().and_then(Option::as_ref).and_then(|pool| pool.take(|part| part.under_way.is_of(port)));
    part.map(Part::work_off).is_some()
}

fn pool() -> Option<&'static Pool> {
    POOL.get_or_init(|| {
        let threads = available_parallelism().map_or(1, NonZero::get).saturating_sub(1).min(8);
        if threads == 0 {
            return None;
        }
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name("xbind").build().ok()?;
        Some(Pool { runtime, threads, parts: Mutex::default() })
    })
    .as_ref()
}

impl Pool {
    /// Spreads the agents over the threads, in parts small enough that no thread ends long after the others.
    pub(crate) fn spread(&'static self, port: &Arc<Port>, agents: Vec<Arc<Agent>>) {
        let parts = self.threads.saturating_mul(4);
        let size = agents.len().div_ceil(parts).clamp(1, MAX_PART);
        let mut agents = agents.into_iter();
        loop {
            let agents: Vec<_> = agents.by_ref().take(size).collect();
            if agents.is_empty() {
                return;
            }
            let messages = agents.iter().fold(0_usize, |sum, agent| sum.saturating_add(agent.outbox_len()));
            let under_way = port.under_way(messages);
            self.parts.guard().push_back(Part { agents, under_way });
            self.runtime.spawn(async { self.take(|_| true).map(Part::work_off) });
        }
    }

    fn take(&self, is_it: impl Fn(&Part) -> bool) -> Option<Part> {
        let mut parts = self.parts.guard();
        let at = parts.iter().position(is_it)?;
        parts.remove(at)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::port::asking::NewCall;
    use crate::{AgentOptions, Event, Node, NodeOptions, Payload, Signer, Time};

    #[test]
    fn whoever_flushes_does_not_wait_for_threads_that_are_busy() {
        let Some(pool) = pool() else {
            println!("left out: there is one processor, and so no thread that could be busy");
            return;
        };
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.guard();
        for _ in 0..pool.threads {
            let gate = gate.clone();
            pool.runtime.spawn(async move { drop(gate.guard()) });
        }
        let (node, port) = (Node::new(NodeOptions::default()), Port::new(Box::new(|| ()), Time::System));
        let agents: Vec<u32> = (0..40)
            .map(|n: u8| {
                let key = Signer::Local(xbind::SigningKey::from_seed(&[n; 32]));
                port.join(&node, key, Some(format!("a{n}")), AgentOptions::default()).unwrap()
            })
            .collect();
        for (agent, to) in agents.iter().zip((1..40).chain([0])) {
            let (to, payload) = (format!("a{to}"), Payload::Json("1".to_owned()));
            port.call(NewCall { agent: *agent, to: &to, payload, one_way: true, ..NewCall::default() }).unwrap();
        }
        let mut events = Vec::new();
        for _ in 0..1000 {
            port.flush(100, &mut events);
        }
        drop(closed);
        assert_eq!(events.iter().filter(|event| matches!(event, Event::Settled { .. })).count(), 40);
    }
}
