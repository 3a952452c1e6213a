//! What is done once all locks are released: faces are woken, callers that waited for room go on.

use std::cell::RefCell;
use std::mem::take;
use std::sync::Arc;

use crate::agent::Agent;
use crate::agent::parking::Place;
use crate::node::Node;
use crate::port::Port;
use crate::port::event::Outcome;
use crate::transport::Remote;

/// Something that must not run under a lock, because it calls foreign code or takes other locks.
pub(crate) enum Task {
    /// Tell the port's face that it has something to do.
    Wake(Arc<Port>),
    /// There is room again where this agent's messages wait to go.
    Room(Arc<Agent>, Place),
    /// The call to an approver has ended, about the call of that ticket.
    Approval(Arc<Port>, u64, Outcome),
    /// This agent has a call for one elsewhere, whose session nobody knows.
    AskSession(Arc<Agent>, Remote),
    /// It has asked.
    SessionAsked(Arc<Agent>, Remote, Outcome),
    /// Somebody has found the token revoked that this agent was lent.
    LentInVain(Arc<Agent>, u64),
    /// Agents have come or gone.
    AgentsChanged(Arc<Node>),
}

#[derive(Default)]
struct Later {
    depth: u32,
    tasks: Vec<Task>,
}

thread_local! {
    static LATER: RefCell<Later> = RefCell::default();
}

/// Held by every way into the runtime; what was put off meanwhile is done when the outermost one is dropped.
#[must_use]
pub(crate) struct Entry(());

/// Enters the runtime: call it before the first lock.
pub(crate) fn enter() -> Entry {
    LATER.with_borrow_mut(|later| later.depth = later.depth.saturating_add(1));
    Entry(())
}

/// Puts a task off until this thread has left the runtime.
pub(crate) fn later(task: Task) {
    let _outermost = enter();
    LATER.with_borrow_mut(|later| later.tasks.push(task));
}

impl Drop for Entry {
    fn drop(&mut self) {
        loop {
            let tasks = LATER.with_borrow_mut(|later| {
                if later.depth == 1 && !later.tasks.is_empty() {
                    return Some(take(&mut later.tasks));
                }
                later.depth = later.depth.saturating_sub(1);
                None
            });
            let Some(tasks) = tasks else { return };
            for task in tasks {
                match task {
                    Task::Wake(port) => port.ring(),
                    Task::Room(agent, place) => agent.unpark(place),
                    Task::Approval(port, ticket, outcome) => port.approver_answered(ticket, outcome),
                    Task::AskSession(agent, peer) => agent.port.ask_session(&agent, peer),
                    Task::SessionAsked(agent, peer, outcome) => agent.node.session_asked(&agent, &peer, outcome),
                    Task::LentInVain(agent, mark) => agent.lent_in_vain(mark),
                    Task::AgentsChanged(node) => node.routes.agents_changed(),
                }
            }
        }
    }
}
