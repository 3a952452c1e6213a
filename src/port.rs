//! Buses, agents and their port. A port is named by a number on its thread, agents and calls by numbers on their port.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Array, Either, Env, External, Function, Uint8Array};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use xbind::{Error, ErrorKind, VerifyingKey};
use xbind_runtime::{
    AgentOptions, Flow, NewCall, Node, NodeOptions, Payload, Port, Progress, Reply, Senders, Signer, Start, Time,
};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Content, Fallible, fallible, number, payload, size, whole};
use crate::events::Events;
use crate::identity::{Key, KeyRef, fresh_key};
use crate::record::{LogRef, recording};

/// Numbers are never used again, so that a handler that ends late cannot answer through another port.
#[derive(Default)]
struct Ports {
    last: u32,
    open: HashMap<u32, OpenPort>,
}

struct OpenPort {
    port: Arc<Port>,
    senders: Senders,
}

thread_local! {
    static PORTS: RefCell<Ports> = RefCell::default();
}

pub fn with_port<T>(port: u32, use_port: impl FnOnce(&Arc<Port>) -> xbind::Result<T>) -> xbind::Result<T> {
    let found = PORTS.with_borrow(|ports| ports.open.get(&port).map(|open| open.port.clone()));
    match found {
        Some(port) => use_port(&port),
        None => Err(Error::new(ErrorKind::AgentClosed, "this agent is closed")),
    }
}

/// A command, after which JavaScript flushes in any case: it need not be woken for what the command causes. A port that is
/// gone has nothing left to do.
pub fn in_port(port: u32, use_port: impl FnOnce(&Arc<Port>)) {
    let command = |port: &Arc<Port>| {
        port.attend();
        use_port(port);
        Ok(())
    };
    drop(with_port(port, command));
}

/// Opens a port; `wake` is called when another thread has left events there.
#[napi(catch_unwind)]
pub fn open_port(env: Env, wake: Function<'_, (), ()>) -> napi::Result<u32> {
    let wake = wake.build_threadsafe_function::<()>().weak::<true>().callee_handled::<false>().build()?;
    let wake = move || {
        wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    };
    let port = Port::new(Box::new(wake), Time::System);
    let number = PORTS.with_borrow_mut(|ports| {
        ports.last = ports.last.saturating_add(1);
        ports.open.insert(ports.last, OpenPort { port, senders: Senders::default() });
        ports.last
    });
    if number == 1 {
        // A worker thread that ends in the middle of a call takes its agents with it, and their callers are told.
        env.add_env_cleanup_hook((), |()| close_all_ports())?;
    }
    Ok(number)
}

fn close_all_ports() {
    let ports = PORTS.with_borrow_mut(|ports| std::mem::take(&mut ports.open));
    for OpenPort { port, .. } in ports.into_values() {
        port.close_all();
    }
}

/// Closes the port and all its agents.
#[napi(catch_unwind)]
pub fn close_port(port: u32) {
    let closed = PORTS.with_borrow_mut(|ports| ports.open.remove(&port));
    if let Some(OpenPort { port, .. }) = closed {
        port.close_all();
    }
}

pub type NodeRef = External<Arc<Node>>;

/// A bus of its own; `max_lifetime` is the longest life of a message in seconds.
#[napi(catch_unwind)]
pub fn new_node(max_lifetime: f64, log: Option<&LogRef>, dangerously_unrecorded: bool) -> NodeRef {
    let max_lifetime = u32::try_from(whole(max_lifetime)).unwrap_or(u32::MAX);
    let recording = recording(log, dangerously_unrecorded);
    External::new(Node::new(NodeOptions { max_lifetime, recording, ..NodeOptions::default() }))
}

#[napi(catch_unwind)]
pub fn shared_node(name: String) -> Fallible<NodeRef> {
    fallible(Node::shared(&name).map(External::new))
}

#[napi(object)]
pub struct BindingAgent {
    pub did: String,
    pub name: Option<String>,
}

#[napi(catch_unwind)]
pub fn node_agents(node: &NodeRef) -> Vec<BindingAgent> {
    node.agents().into_iter().map(|(did, name)| BindingAgent { did: did.to_string(), name }).collect()
}

#[napi(catch_unwind)]
pub fn stop_on_node(node: &NodeRef, did: String) -> Fallible<()> {
    fallible(VerifyingKey::from_did(&did).map(|key| node.stop(key.did())))
}

#[napi(catch_unwind)]
pub fn close_node(node: &NodeRef) {
    node.close();
}

#[napi(object)]
pub struct BindingOptions {
    pub name: Option<String>,
    pub max_payload_bytes: f64,
    pub message_ttl: f64,
    pub inbox_messages: f64,
    pub inbox_bytes: f64,
    pub concurrency: f64,
    pub handles: bool,
    pub tells: bool,
}

/// Brings an agent onto a node: with a fresh key, with the key of an identity (which is taken), or, for a key elsewhere,
/// with the DID of an identity provider.
#[napi(catch_unwind)]
pub fn join(
    port: u32,
    node: &NodeRef,
    options: BindingOptions,
    signer: Option<Either<String, &KeyRef>>,
    log: Option<&LogRef>,
    dangerously_unrecorded: bool,
) -> Fallible<u32> {
    fallible(with_port(port, |port| {
        let signer = match signer {
            None => Signer::Local(fresh_key()?),
            Some(Either::A(did)) => Signer::Elsewhere(VerifyingKey::from_did(&did)?),
            Some(Either::B(key)) => {
                let key = key.take().ok_or_else(|| Error::new(ErrorKind::InvalidKey, "this identity was destroyed"))?;
                Signer::Local(key)
            }
        };
        let name = options.name;
        let options = AgentOptions {
            max_payload_bytes: size(options.max_payload_bytes),
            message_ttl: u32::try_from(whole(options.message_ttl)).unwrap_or(u32::MAX),
            inbox_messages: size(options.inbox_messages),
            inbox_bytes: size(options.inbox_bytes),
            concurrency: size(options.concurrency),
            handles: options.handles,
            describes: true,
            tells: options.tells,
        };
        port.join_recorded(node, signer, name, options, recording(log, dangerously_unrecorded))
    }))
}

#[napi(catch_unwind)]
pub fn agent_did(port: u32, agent: u32) -> Fallible<String> {
    fallible(with_port(port, |port| Ok(port.agent(agent)?.did().to_string())))
}

/// Lets nothing new in at an agent; an event tells when its handlers have ended.
#[napi(catch_unwind)]
pub fn retire_agent(port: u32, agent: u32) {
    in_port(port, |port| drop(port.retire(agent)));
}

#[napi(catch_unwind)]
pub fn close_agent(port: u32, agent: u32) {
    in_port(port, |port| port.close(agent));
}

/// The key of an agent, unless it is elsewhere.
#[napi(catch_unwind)]
pub fn agent_key(port: u32, agent: u32) -> Fallible<KeyRef> {
    fallible(with_port(port, |port| {
        let agent = port.agent(agent)?;
        match agent.with_key(|_| ()) {
            Some(()) => Ok(External::new(Key::Agents(Arc::downgrade(&agent)))),
            None => Err(Error::new(ErrorKind::SignFailed, "the key of this agent is with its identity provider")
                .with_hint("let the identity that owns the key sign it: issueToken, delegateToken, approveCall")),
        }
    }))
}

/// Begins a call, and returns its number. With `total_ms` a word of the other side starts its time anew; with `window` its
/// answer may come in parts; with `receipt` the two messages are told before its end.
#[allow(clippy::too_many_arguments, reason = "an object would cost more to take apart")]
#[napi(catch_unwind)]
pub fn call(
    port: u32,
    agent: u32,
    to: String,
    content: Content,
    one_way: bool,
    timeout_ms: f64,
    token: Option<String>,
    method: Option<String>,
    traceparent: Option<String>,
    total_ms: Option<f64>,
    window: Option<f64>,
    receipt: bool,
) -> Fallible<f64> {
    fallible(with_port(port, |port| {
        let timeout = Some(Duration::from_millis(whole(timeout_ms)));
        let total = total_ms.map(|total| Duration::from_millis(whole(total)));
        let (payload, window) = (payload(content), window.map(whole));
        let to = to.as_str();
        let call = NewCall { agent, to, payload, one_way, timeout, token, method, traceparent, total, receipt, window };
        port.attend();
        port.call(call).map(number)
    }))
}

/// Gives a call up.
#[napi(catch_unwind)]
pub fn abandon(port: u32, call: f64) {
    in_port(port, |port| port.abandon(whole(call)));
}

/// Whether the handler may begin with a call: 0 if it may, 1 if the call is over, 2 if it is to be given
/// back, 3 if somebody is asked. For calls by which nothing is asked; else see [`judge`](crate::guard::judge).
#[napi(catch_unwind)]
pub fn start(port: u32, ticket: f64) -> u32 {
    let start = with_port(port, |port| Ok(port.start(whole(ticket))));
    match start.unwrap_or(Start::Gone) {
        Start::Run => 0,
        Start::Gone => 1,
        Start::Back => 2,
        Start::Ask(_) | Start::Wait => 3,
    }
}

/// Gives a call back, with the content that it brought: another policy judges it, or it goes to the inbox.
#[napi(catch_unwind)]
pub fn give_back(port: u32, ticket: f64, content: Content) {
    in_port(port, |port| port.give_back(whole(ticket), payload(content)));
}

/// Answers a running call.
#[napi(catch_unwind)]
pub fn answer(port: u32, ticket: f64, content: Content) {
    in_port(port, |port| port.reply(whole(ticket), Reply::Payload(payload(content))));
}

/// Ends an answer in parts.
#[napi(catch_unwind)]
pub fn finish(port: u32, ticket: f64, content: Content) {
    in_port(port, |port| port.reply(whole(ticket), Reply::End(payload(content))));
}

/// Sends a part of the answer to a running call: 0 if there is room for another, 1 if not, 2 if nobody takes any.
#[napi(catch_unwind)]
pub fn part(port: u32, ticket: f64, content: Content) -> Fallible<u32> {
    let sent = with_port(port, |port| {
        port.attend();
        port.part(whole(ticket), payload(content))
    });
    fallible(sent.map(code_of))
}

/// Whether there is room for a part, as `part` says it.
#[napi(catch_unwind)]
pub fn flow(port: u32, ticket: f64) -> u32 {
    code_of(with_port(port, |port| Ok(port.flow(whole(ticket)))).unwrap_or(Flow::Over))
}

const fn code_of(flow: Flow) -> u32 {
    match flow {
        Flow::Open => 0,
        Flow::Wait => 1,
        Flow::Over => 2,
    }
}

/// So many parts of the answer to a call were read.
#[napi(catch_unwind)]
pub fn took(port: u32, call: f64, parts: f64) {
    in_port(port, |port| port.took(whole(call), whole(parts)));
}

/// Tells a caller how far its call is.
#[napi(catch_unwind)]
pub fn progress(
    port: u32,
    ticket: f64,
    progress: Option<f64>,
    total: Option<f64>,
    message: Option<String>,
) -> Option<BindingError> {
    let word = Progress { progress, total, message };
    let mut said = Ok(());
    in_port(port, |port| said = port.progress(whole(ticket), &word));
    said.err().map(BindingError::from)
}

/// Refuses a running call; `detail` is the JSON object that goes with the code.
#[napi(catch_unwind)]
pub fn refuse(port: u32, ticket: f64, code: String, detail: Option<String>) {
    let kind = ErrorKind::from_code(&code).unwrap_or(ErrorKind::Internal);
    in_port(port, |port| port.reply(whole(ticket), Reply::Refused(kind, detail)));
}

#[napi(catch_unwind)]
pub fn is_cancelled(port: u32, ticket: f64) -> bool {
    with_port(port, |port| Ok(port.is_cancelled(whole(ticket)))).unwrap_or(true)
}

/// The identity provider's signature; none if it failed. False for one that is not by the key of its DID.
#[napi(catch_unwind)]
pub fn signed(port: u32, agent: u32, round: u32, signature: Option<Bytes>) -> bool {
    let signature = signature.and_then(|bytes| bytes.as_slice().try_into().ok());
    let mut is_valid = true;
    in_port(port, |port| is_valid = port.signed(agent, round, signature));
    is_valid
}

/// Milliseconds until the next pending call runs out of time; none if there is none.
#[napi(catch_unwind)]
pub fn next_deadline(port: u32) -> Option<f64> {
    let next = with_port(port, |port| Ok(port.next_deadline())).ok().flatten()?;
    Some((next.as_secs_f64() * 1000.0).ceil())
}

/// Takes messages from the inbox, five elements each: one-way or not, id, sender, seconds, content.
#[napi(catch_unwind)]
pub fn receive<'env>(
    env: &'env Env,
    port: u32,
    agent: u32,
    max: f64,
    listen: bool,
) -> napi::Result<Fallible<Array<'env>>> {
    let messages = match with_port(port, |port| port.agent(agent)?.receive(size(max), listen)) {
        Ok(messages) => messages,
        Err(error) => return Ok(Either::B(error.into())),
    };
    let mut flat = env.create_array(0)?;
    for letter in messages {
        flat.insert(letter.one_way)?;
        flat.insert(letter.id.text())?;
        flat.insert(letter.from.as_str())?;
        flat.insert(number(letter.issued_at))?;
        match letter.payload {
            Payload::Json(text) => flat.insert(text)?,
            Payload::Bytes(bytes) => flat.insert(Uint8Array::new(bytes))?,
        }
    }
    Ok(Either::A(flat))
}

/// Works off all that was asked for, and returns at most `max` events, refusals among them if they are `watched`; see
/// `src/events.rs`.
#[napi(catch_unwind)]
pub fn flush<'env>(env: &'env Env, port: u32, max: u32, watched: bool) -> napi::Result<Array<'env>> {
    let mut happened = Vec::new();
    let mut more = false;
    in_port(port, |port| {
        port.watch(watched);
        more = port.flush(size(max.into()), &mut happened);
    });
    let found = PORTS.with_borrow_mut(|ports| {
        ports.open.get_mut(&port).map(|open| (open.port.clone(), std::mem::take(&mut open.senders)))
    });
    let Some((open, senders)) = found else { return Events::new(env, Senders::default())?.finish(false).0 };
    let mut events = Events::new(env, senders)?;
    for event in happened {
        events.push(&open, event)?;
    }
    let (flat, senders) = events.finish(more);
    PORTS.with_borrow_mut(|ports| {
        if let Some(open) = ports.open.get_mut(&port) {
            open.senders = senders;
        }
    });
    flat
}
