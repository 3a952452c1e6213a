//! A port is where agents meet their face: a module instance of Node.js, a Rust program. Commands come in as method calls,
//! from any thread; what the face has to do goes out as [`Event`]s.

pub(crate) mod anew;
pub(crate) mod answer;
pub(crate) mod asking;
pub(crate) mod calls;
pub(crate) mod event;
pub(crate) mod parts;
pub(crate) mod progress;
pub(crate) mod senders;
pub(crate) mod sink;
pub(crate) mod slots;
pub(crate) mod tickets;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hashbrown::HashMap;
use xbind::message::JSON;
use xbind::message::payload;
use xbind::{Did, Error, ErrorKind, Handled, Result};

use crate::agent::{Agent, closed};
use crate::flush::batching::Dirty;
use crate::node::Node;
use crate::port::calls::{Call, Calls, Purpose};
use crate::port::event::{Body, Event, OCTETS, Outcome, Payload, Receipt};
use crate::port::tickets::Tickets;
use crate::record::sink::Recording;
use crate::sync::Lock;
use crate::sync::after::{Task, enter, later};
use crate::sync::bell::Bell;
use crate::sync::time::Time;
use crate::{AgentOptions, Signer};

/// Called, under no lock, when the port has events; must only see to it that [`Port::flush`] is called soon.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// Numbers are never used again, so that a late event cannot reach another agent.
#[derive(Default)]
struct Agents {
    last: u32,
    by_number: HashMap<u32, Arc<Agent>>,
}

/// Where agents meet their face. Commands come in as method calls, from any thread; what the face has to do goes out as
/// [`Event`]s.
pub struct Port {
    waker: Waker,
    pub(crate) time: Time,
    pub(crate) bell: Bell,
    pub(crate) events: Mutex<VecDeque<Event>>,
    agents: Mutex<Agents>,
    pub(crate) dirty: Mutex<Dirty>,
    /// Messages that worker threads are sealing and opening for agents of this port.
    pub(crate) under_way: AtomicUsize,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) tickets: Mutex<Tickets>,
    watched: AtomicBool,
}

impl Port {
    /// A port whose deadlines go by that time.
    #[must_use]
    pub fn new(waker: Waker, time: Time) -> Arc<Self> {
        Arc::new(Self {
            waker,
            time,
            bell: Bell::default(),
            events: Mutex::default(),
            agents: Mutex::default(),
            dirty: Mutex::default(),
            under_way: AtomicUsize::new(0),
            calls: Mutex::default(),
            tickets: Mutex::default(),
            watched: AtomicBool::new(false),
        })
    }

    /// Brings an agent onto a node and returns its number on this port. One whose key is elsewhere is listed once the face
    /// has answered the [`Event::Sign`] that this causes; what is asked of it and by it meanwhile waits.
    ///
    /// # Errors
    /// `INVALID_NAME`, `INVALID_CONFIG`, `AGENT_CLOSED` for a closed node.
    pub fn join(
        self: &Arc<Self>,
        node: &Arc<Node>,
        signer: Signer,
        name: Option<String>,
        options: AgentOptions,
    ) -> Result<u32> {
        self.join_recorded(node, signer, name, options, None)
    }

    /// The same for an agent with a log of its own, in place of the node's.
    ///
    /// # Errors
    /// Those of [`join`](Self::join), `AUDIT_FAILED`.
    pub fn join_recorded(
        self: &Arc<Self>,
        node: &Arc<Node>,
        signer: Signer,
        name: Option<String>,
        options: AgentOptions,
        recording: Option<Recording>,
    ) -> Result<u32> {
        let _entry = enter();
        let mut agents = self.agents.guard();
        let number = agents.last.checked_add(1);
        let number = number.ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "too many agents were made"))?;
        let agent = node.admit(self, number, signer, name, options, recording)?;
        agents.last = number;
        agents.by_number.insert(number, agent.clone());
        drop(agents);
        if agent.is_remote() {
            agent.prove()?;
        }
        Ok(number)
    }

    /// Whether the face wants to hear of all refusals, by [`Event::Decided`].
    pub fn watch(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// The agent of that number.
    ///
    /// # Errors
    /// `AGENT_CLOSED` where there is none any more.
    pub fn agent(&self, number: u32) -> Result<Arc<Agent>> {
        let agent = self.agents.guard().by_number.get(&number).cloned();
        agent.ok_or_else(closed)
    }

    /// Those of its agents that are meant, by their numbers: the newest has the highest. `is_it` must be quick.
    pub fn agents(&self, is_it: impl Fn(&Agent) -> bool) -> Vec<(u32, Arc<Agent>)> {
        let agents = self.agents.guard();
        let found = agents.by_number.iter().filter(|(_, agent)| is_it(agent));
        found.map(|(number, agent)| (*number, agent.clone())).collect()
    }

    /// The identity provider's answer to [`Event::Sign`]; none if it failed. False if it is not by the key of its DID,
    /// though somebody waits for it.
    pub fn signed(&self, number: u32, round: u32, signature: Option<[u8; 64]>) -> bool {
        self.agent(number).map_or(true, |agent| agent.signed(round, signature))
    }

    /// Lets nothing new in at an agent that is about to close: an [`Event::Idle`] tells when its handlers have ended and
    /// their answers are out. Callers get `AGENT_CLOSED`; what the agent itself asks of others goes on.
    ///
    /// # Errors
    /// `AGENT_CLOSED`.
    pub fn retire(&self, number: u32) -> Result<()> {
        let _entry = enter();
        self.agent(number)?.retire();
        Ok(())
    }

    /// Closes one agent: pending calls from it and to it end with `AGENT_CLOSED`, its key is wiped.
    pub fn close(&self, number: u32) {
        let _entry = enter();
        let Ok(agent) = self.agent(number) else { return };
        agent.node.remove(&agent);
        agent.close();
    }

    /// Closes all agents, when the face goes.
    pub fn close_all(&self) {
        let agents: Vec<_> = self.agents.guard().by_number.keys().copied().collect();
        for number in agents {
            self.close(number);
        }
    }

    /// Nothing of the port leads to that agent any more, but for handlers that still run for it.
    pub(crate) fn forget(&self, agent: &Arc<Agent>) {
        let number = self.agents.guard().by_number.remove(&agent.number);
        self.dirty.guard().agents.retain(|other| !Arc::ptr_eq(other, agent));
        drop(number);
    }

    /// An identity was stopped: calls from here to it end, and handlers here that work for it are told.
    pub(crate) fn end_with(self: &Arc<Self>, node: &Arc<Node>, did: &Did) {
        let lost = self.calls.guard().take_to(node, did);
        for call in lost {
            let error = crate::node::stops::stopped(did);
            Self::give_up(&call);
            self.settle(&call, Outcome::Failed { error, remote: None });
        }
        let cancelled = self
            .tickets
            .guard()
            .cancel_all(|running| running.caller.did() == did && Arc::ptr_eq(&running.agent.node, node));
        for (ticket, back) in cancelled {
            self.cancelled(ticket);
            back.end(ErrorKind::Revoked);
        }
    }

    pub(crate) fn settle(self: &Arc<Self>, call: &Call, outcome: Outcome) {
        self.settle_with(call, outcome, None);
    }

    pub(crate) fn settle_with(self: &Arc<Self>, call: &Call, outcome: Outcome, receipt: Option<Box<Receipt>>) {
        let outcome = call.judged(outcome);
        match &call.purpose {
            Purpose::Face => self.push(Event::Settled { call: call.number, id: call.id, outcome, receipt }),
            Purpose::Approval(ticket) => later(Task::Approval(self.clone(), *ticket, outcome)),
            Purpose::Session(peer, _) => later(Task::SessionAsked(call.caller.clone(), **peer, outcome)),
        }
    }

    pub(crate) fn push(self: &Arc<Self>, event: Event) {
        self.events.guard().push_back(event);
        self.wake();
    }

    /// The face is woken once until it next flushes, and after all locks are released.
    pub(crate) fn wake(self: &Arc<Self>) {
        if self.bell.ring() {
            later(Task::Wake(self.clone()));
        }
    }

    pub(crate) fn ring(&self) {
        (self.waker)();
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("agents", &self.agents.guard().by_number.len()).finish_non_exhaustive()
    }
}

pub(crate) fn closed_outcome(message: &'static str) -> Outcome {
    Outcome::Failed { error: Error::new(ErrorKind::AgentClosed, message), remote: None }
}

/// The answer is not whole.
pub(crate) fn incomplete() -> Error {
    Error::new(ErrorKind::ReplyMismatch, "a part of the answer is missing")
        .with_hint("make the call again")
        .with_handled(Handled::Yes)
}

pub(crate) fn encode(payload: Payload) -> Result<(Body, &'static str)> {
    match payload {
        Payload::Json(text) => {
            payload::check_json(&text)?;
            Ok((text.into_bytes(), JSON))
        }
        Payload::Bytes(bytes) => Ok((bytes, OCTETS)),
    }
}
