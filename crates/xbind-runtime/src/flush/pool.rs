//! Worker threads for bursts. They start with the first burst and sleep between bursts.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

use crate::agent::Agent;
use crate::agent::room::Load;
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
    /// Small enough for a thread whose events wait meanwhile.
    is_small: bool,
}

impl Part {
    fn work_off(self) {
        flush::work_off(self.agents);
        drop(self.under_way);
    }
}

/// The pool, if there is more to seal than the calling thread should do at once.
pub(crate) fn worth_it(agents: usize, messages: usize, bytes: usize) -> Option<&'static Pool> {
    (cost(agents, Load { messages, bytes }) > INLINE_BUDGET).then(pool).flatten()
}

fn cost(agents: usize, Load { messages, bytes }: Load) -> usize {
    let signing = agents.saturating_mul(SIGNATURE_COST).saturating_add(messages.saturating_mul(MESSAGE_COST));
    signing.saturating_add(bytes / BYTES_PER_MICROSECOND)
}

/// A thread that has nothing else to do works off a small part of what it has given away, if nobody has begun with it. True if it did.
pub(crate) fn help(port: &Arc<Port>) -> bool {
    let part = POOL
        .get()
        .and_then(Option::as_ref)
        .and_then(|pool| pool.take(|part| part.is_small && part.under_way.is_of(port)));
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
        let size = agents.len().div_ceil(parts).max(1);
        let mut agents = agents.into_iter().peekable();
        while agents.peek().is_some() {
            let (mut part, mut load) = (Vec::new(), Load::default());
            while part.len() < size
                && cost(part.len(), load) < INLINE_BUDGET
                && let Some(agent) = agents.next()
            {
                load = load.plus(agent.outbox_load());
                part.push(agent);
            }
            let is_small = cost(part.len(), load) <= INLINE_BUDGET.saturating_mul(2);
            let part = Part { agents: part, under_way: port.under_way(load.messages), is_small };
            self.parts.guard().push_back(part);
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
        let send = |from: usize, to: usize| {
            let (to, payload) = (format!("a{to}"), Payload::Json("1".to_owned()));
            let agent = *agents.get(from).unwrap();
            port.call(NewCall { agent, to: &to, payload, one_way: true, ..NewCall::default() }).unwrap();
        };
        let mut events = Vec::new();
        let mut delivered = || {
            port.flush(100, &mut events);
            events.iter().filter(|event| matches!(event, Event::Settled { .. })).count()
        };
        (0..40).zip((1..40).chain([0])).for_each(|(from, to)| send(from, to));
        let in_parts = (0..1000).map(|_| delivered()).last();
        (0..300).for_each(|_| send(0, 1));
        let at_once = (0..1000).map(|_| delivered()).last();
        drop(closed);
        assert_eq!(in_parts, Some(40));
        assert_eq!(at_once, Some(40), "what takes long is left to them");
        while delivered() < 340 {}
    }
}
