//! Buses, agents and their port.

use std::sync::Arc;

use pyo3::prelude::*;
use xbind_binding::agent::{self, Node, Options};
use xbind_binding::guard::CallPolicy;
use xbind_binding::judge::{Answers, Judge, Needs};
use xbind_binding::{port, ports};

use crate::events::Flat;
use crate::key::KeyRef;
use crate::pass::{Content, Give, Json};
use crate::record::LogRef;
use crate::wake::{Wake, wake};

kept! {
    /// A bus.
    NodeRef(Arc<Node>);
    /// A judge of tokens.
    JudgeRef(Judge);
}

impl Give<Result<u32, Needs>> for (Option<u32>, Option<Json<Needs>>) {
    fn give(judged: Result<u32, Needs>) -> Self {
        match judged {
            Ok(start) => (Some(start), None),
            Err(needs) => (None, Some(Json(needs))),
        }
    }
}

entries! {
    /// Opens a port of this thread, and gives what is readable when another thread has left events there.
    fn open_port() -> PyResult<(u32, Wake)> {
        let (wake, waker) = wake()?;
        Ok((ports::open(Box::new(move || waker.wake())), wake))
    }
    /// Closes the port and all its agents.
    fn close_port(port: u32) = ports::close;
    /// A bus of its own; `max_lifetime` is the longest life of a message in seconds.
    fn new_node(max_lifetime: f64, log: Option<&LogRef>, dangerously_unrecorded: bool) -> NodeRef = agent::new_node;
    fn shared_node(name: &str) -> PyResult<NodeRef> = Node::shared;
    fn node_agents(node: &NodeRef) -> Json<Vec<agent::Agent>> = |node: &Arc<Node>| agent::agents(node);
    fn stop_on_node(node: &NodeRef, did: &str) -> PyResult<()> = agent::stop;
    fn close_node(node: &NodeRef) = |node: &Arc<Node>| node.close();
    /// Brings an agent onto a node: with a fresh key, with the key of an identity (which is taken), or, for a key elsewhere,
    /// with the DID of an identity provider.
    fn join(
        port: u32, node: &NodeRef, options: Json<Options>, key: Option<&KeyRef>, provider: Option<&str>,
        log: Option<&LogRef>, dangerously_unrecorded: bool,
    ) -> PyResult<u32> = port::join;
    fn agent_did(port: u32, agent: u32) -> PyResult<String> = port::agent_did;
    /// Lets nothing new in at an agent; an event tells when its handlers have ended.
    fn retire_agent(port: u32, agent: u32) = port::retire;
    fn close_agent(port: u32, agent: u32) = port::close_agent;
    /// The key of an agent, unless it is elsewhere.
    fn agent_key(port: u32, agent: u32) -> PyResult<KeyRef> = port::agent_key;
    /// Sets an agent's policies, the first of them for calls without a method; without any, calls go to the inbox. Returns
    /// their number, which `judge` is told.
    fn guard(port: u32, agent: u32, policies: Option<Json<Vec<CallPolicy>>>, judges: Vec<PyRef<'_, JudgeRef>>) -> PyResult<u32> {
        let entered: Vec<_> = judges.iter().map(|judge| crate::pass::Enter::enter(&**judge)).collect();
        let judges = entered.iter().map(|judge| &**judge).collect();
        Give::give(port::guard(port, agent, policies.as_ref().map(|Json(policies)| policies), judges))
    }
    /// Begins a call, and returns its number. With `total_ms` a word of the other side starts its time anew; with `window`
    /// its answer may come in parts; with `receipt` the two messages are told before its end; `idempotent`, it is signed anew
    /// where it may be lost.
    fn call(
        port: u32, agent: u32, to: &str, content: Content, one_way: bool, timeout_ms: f64, token: Option<&str>,
        method: Option<&str>, traceparent: Option<&str>, total_ms: Option<f64>, window: Option<f64>, receipt: bool,
        idempotent: bool,
    ) -> PyResult<f64> = port::call_with;
    /// Gives a call up; whether the other side ran it.
    fn abandon(port: u32, call: f64) -> Option<&'static str> = port::abandon;
    /// Whether the handler may begin with a call: 0 if it may, 1 if the call is over, 2 if it is to be given
    /// back, 3 if somebody is asked. For calls by which nothing is asked; else see `judge`.
    fn start(port: u32, ticket: f64) -> u32 = port::start;
    /// The same: also 4 if it is to be said whether the call needs an approval; or what has to be found out. After 3 comes
    /// the event `resumed`.
    fn judge(
        port: u32, ticket: f64, policies: Option<u32>, allowed: Option<bool>, needs_approval: Option<bool>, sources: bool,
        answers: Option<Json<Answers>>,
    ) -> (Option<u32>, Option<Json<Needs>>) = port::judge;
    /// Python waits for somebody before it can say more; false if the call is over.
    fn wait(port: u32, ticket: f64) -> bool = port::wait;
    /// Python knows more: the event `resumed` says when to judge.
    fn resume(port: u32, ticket: f64) = port::resume;
    /// What the token of a running call grants: its scopes in one line, and each of its chain in another.
    fn rights(port: u32, ticket: f64) -> Option<String> = port::rights;
    /// Gives a call back, with the content that it brought: another policy judges it, or it goes to the inbox.
    fn give_back(port: u32, ticket: f64, content: Content) = port::give_back;
    /// Answers a running call.
    fn answer(port: u32, ticket: f64, content: Content) = port::answer;
    /// Ends an answer in parts.
    fn finish(port: u32, ticket: f64, content: Content) = port::finish;
    /// Refuses a running call; `detail` is the JSON object that goes with the code.
    fn refuse(port: u32, ticket: f64, code: &str, detail: Option<&str>) = port::refuse;
    /// Sends a part of the answer to a running call: 0 if there is room for another, 1 if not, 2 if nobody takes any.
    fn part(port: u32, ticket: f64, content: Content) -> PyResult<u32> = port::part;
    /// Whether there is room for a part, as `part` says it.
    fn flow(port: u32, ticket: f64) -> u32 = port::flow;
    /// So many parts of the answer to a call were read.
    fn took(port: u32, call: f64, parts: f64) = port::took;
    /// Tells a caller how far its call is.
    fn progress(
        port: u32, ticket: f64, progress: Option<f64>, total: Option<f64>, message: Option<&str>,
    ) -> PyResult<()> = port::progress;
    fn is_cancelled(port: u32, ticket: f64) -> bool = port::is_cancelled;
    /// The identity provider's signature; none if it failed. False for one that is not by the key of its DID.
    fn signed(port: u32, agent: u32, round: u32, signature: Option<&[u8]>) -> bool = port::signed;
    /// Milliseconds until the next pending call runs out of time; none if there is none.
    fn next_deadline(port: u32) -> Option<f64> = port::next_deadline;
    /// Takes messages from the inbox, five elements each: one-way or not, id, sender, seconds, content.
    fn receive(port: u32, agent: u32, max: f64, listen: bool) -> PyResult<Flat> = port::receive;
    /// Works off all that was asked for, and returns at most `max` events, refusals among them if they are `watched`, and
    /// whether more are waiting. Other threads may run Python meanwhile.
    fn flush(py: Python<'_>, port: u32, max: u32, watched: bool) -> (Flat, bool) {
        py.detach(|| {
            let mut flat = Flat::default();
            let Ok(more) = ports::flush(port, max, watched, &mut flat);
            (flat, more)
        })
    }
}
