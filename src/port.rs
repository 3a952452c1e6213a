//! Buses, agents and their port. A port is named by a number on its thread, agents and calls by numbers on their port;
//! events cross as one flat array, because that is the cheapest thing to make.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Array, Either, Env, External, Function, Uint8Array};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use xbind::{Error, ErrorKind, MessageId, VerifiedMessage, VerifyingKey};
use xbind_runtime::{AgentOptions, Allow, Body, Bus, Event, JSON, Outcome, Port, Reply, Signer};

use crate::convert::{BindingError, Content, Fallible, fallible, number, payload, reply, size, whole};
use crate::identity::{Key, KeyRef, fresh_key};

/// Numbers are never used again, so that a handler that ends late cannot answer through another port.
#[derive(Default)]
struct Ports {
    last: u32,
    open: HashMap<u32, Arc<Port>>,
}

thread_local! {
    static PORTS: RefCell<Ports> = RefCell::default();
}

fn with_port<T>(port: u32, use_port: impl FnOnce(&Arc<Port>) -> xbind::Result<T>) -> xbind::Result<T> {
    let found = PORTS.with_borrow(|ports| ports.open.get(&port).cloned());
    match found {
        Some(port) => use_port(&port),
        None => Err(Error::new(ErrorKind::AgentClosed, "this agent is closed")),
    }
}

/// Opens a port; `wake` is called when another thread has left events there.
#[napi(catch_unwind)]
pub fn open_port(env: Env, wake: Function<'_, (), ()>) -> napi::Result<u32> {
    let wake = wake.build_threadsafe_function::<()>().weak::<true>().callee_handled::<false>().build()?;
    let port = Port::new(Box::new(move || {
        wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }));
    let number = PORTS.with_borrow_mut(|ports| {
        ports.last = ports.last.saturating_add(1);
        ports.open.insert(ports.last, port);
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
    for port in ports.into_values() {
        port.close_all();
    }
}

/// Closes the port and all its agents.
#[napi(catch_unwind)]
pub fn close_port(port: u32) {
    let closed = PORTS.with_borrow_mut(|ports| ports.open.remove(&port));
    if let Some(port) = closed {
        port.close_all();
    }
}

pub type BusRef = External<Arc<Bus>>;

#[napi(catch_unwind)]
pub fn new_bus() -> BusRef {
    External::new(Bus::new())
}

#[napi(catch_unwind)]
pub fn shared_bus(name: String) -> Fallible<BusRef> {
    fallible(Bus::shared(&name).map(External::new))
}

#[napi(object)]
pub struct BindingAgent {
    pub did: String,
    pub name: Option<String>,
}

#[napi(catch_unwind)]
pub fn bus_agents(bus: &BusRef) -> Vec<BindingAgent> {
    bus.agents().into_iter().map(|(did, name)| BindingAgent { did: did.as_str().to_owned(), name }).collect()
}

#[napi(catch_unwind)]
pub fn stop_on_bus(bus: &BusRef, did: String) -> Option<BindingError> {
    VerifyingKey::from_did(&did).map(|key| bus.stop(key.did())).err().map(BindingError::from)
}

#[napi(catch_unwind)]
pub fn close_bus(bus: &BusRef) {
    bus.close();
}

#[napi(object)]
pub struct BindingOptions {
    pub name: Option<String>,
    pub max_payload_bytes: f64,
    pub message_ttl: f64,
    pub inbox_messages: f64,
    pub inbox_bytes: f64,
    pub concurrency: f64,
}

/// Brings an agent onto a bus: with a fresh key, with the key of an identity (which is taken), or, for a key elsewhere,
/// with the DID of an identity provider.
#[napi(catch_unwind)]
pub fn join(
    port: u32,
    bus: &BusRef,
    options: BindingOptions,
    signer: Option<Either<String, &KeyRef>>,
) -> Fallible<u32> {
    fallible(with_port(port, |port| {
        let signer = match signer {
            None => Signer::Local(fresh_key()?),
            Some(Either::A(did)) => Signer::Remote(VerifyingKey::from_did(&did)?),
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
        };
        port.join(bus, signer, name, options)
    }))
}

#[napi(catch_unwind)]
pub fn agent_did(port: u32, agent: u32) -> Fallible<String> {
    fallible(with_port(port, |port| Ok(port.agent(agent)?.did().as_str().to_owned())))
}

#[napi(catch_unwind)]
pub fn close_agent(port: u32, agent: u32) {
    let closed = with_port(port, |port| {
        port.close(agent);
        Ok(())
    });
    drop(closed); // a port that is gone has no agent left to close
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

/// Who may call: nobody (calls go to the inbox), everybody, or these DIDs.
#[napi(catch_unwind)]
pub fn handle(port: u32, agent: u32, on: bool, only: Option<Vec<String>>) -> Fallible<()> {
    fallible(with_port(port, |port| {
        let allow = match only {
            Some(dids) => {
                let dids = dids.iter().map(|did| VerifyingKey::from_did(did).map(|key| *key.did()));
                Allow::Only(dids.collect::<xbind::Result<HashSet<_>>>()?)
            }
            None => Allow::Everyone,
        };
        port.agent(agent)?.handle(on.then_some(allow))
    }))
}

/// Begins a call, or with `one_way` a send; 0 ms is no time limit.
#[napi(catch_unwind)]
pub fn call(
    port: u32,
    agent: u32,
    to: String,
    content: Content,
    one_way: bool,
    timeout_ms: f64,
    token: Option<String>,
) -> Fallible<f64> {
    fallible(with_port(port, |port| {
        let timeout = (timeout_ms > 0.0).then(|| Duration::from_millis(whole(timeout_ms.ceil())));
        port.call(agent, &to, payload(content), one_way, timeout, token).map(number)
    }))
}

#[napi(catch_unwind)]
pub fn abandon(port: u32, call: f64) {
    let abandoned = with_port(port, |port| {
        port.abandon(whole(call));
        Ok(())
    });
    drop(abandoned); // a port that is gone has no call left to abandon
}

/// Answers a running call.
#[napi(catch_unwind)]
pub fn answer(port: u32, ticket: f64, content: Content) -> Option<BindingError> {
    with_port(port, |port| port.reply(whole(ticket), reply(content))).err().map(BindingError::from)
}

/// Refuses a running call; `detail` is the JSON object that goes with the code.
#[napi(catch_unwind)]
pub fn refuse(port: u32, ticket: f64, code: String, detail: Option<String>) -> Option<BindingError> {
    let kind = ErrorKind::from_code(&code).unwrap_or(ErrorKind::Internal);
    with_port(port, |port| port.reply(whole(ticket), Reply::Refused(kind, detail))).err().map(BindingError::from)
}

/// Notes that an approval was used, until the second in which it expires.
#[napi(catch_unwind)]
pub fn use_approval(port: u32, agent: u32, approver: String, id: String, until: f64) -> Option<BindingError> {
    let used = with_port(port, |port| {
        let no_id = || Error::new(ErrorKind::InvalidToken, "the approval has no message id");
        let id = MessageId::parse(&id).ok_or_else(no_id)?;
        port.agent(agent)?.use_once(VerifyingKey::from_did(&approver)?.did(), &id, whole(until))
    });
    used.err().map(BindingError::from)
}

#[napi(catch_unwind)]
pub fn is_cancelled(port: u32, ticket: f64) -> bool {
    with_port(port, |port| Ok(port.is_cancelled(whole(ticket)))).unwrap_or(true)
}

/// The identity provider's signature; none if it failed.
#[napi(catch_unwind)]
pub fn signed(port: u32, agent: u32, time: u32, signature: Option<&[u8]>) {
    let done = with_port(port, |port| {
        port.signed(agent, time, signature.and_then(|bytes| bytes.try_into().ok()));
        Ok(())
    });
    drop(done); // a port that is gone has nothing left to sign
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
    let mut flat = Flat::new(env)?;
    for message in messages {
        flat.push(message.op() == xbind::Op::Send)?;
        flat.push_text(&message.id().text())?;
        flat.push_text(message.from().as_str())?;
        flat.push(number(message.issued_at()))?;
        flat.push_body(message)?;
    }
    Ok(Either::A(flat.array))
}

/// Works off what was asked for, and returns at most `max` events: kind and fields of each, in a row; behind them `true`
/// if more are waiting.
#[napi(catch_unwind)]
pub fn flush<'env>(env: &'env Env, port: u32, max: f64) -> napi::Result<Array<'env>> {
    let mut events = Vec::new();
    let more = with_port(port, |port| Ok(port.flush(size(max), &mut events))).unwrap_or(false);
    let mut flat = Flat::new(env)?;
    for event in events {
        flat.push_event(event)?;
    }
    if more {
        flat.push(true)?;
    }
    Ok(flat.array)
}

struct Flat<'env> {
    env: &'env Env,
    array: Array<'env>,
    next: u32,
}

impl<'env> Flat<'env> {
    fn new(env: &'env Env) -> napi::Result<Self> {
        Ok(Self { env, array: env.create_array(0)?, next: 0 })
    }

    fn push<T: napi::bindgen_prelude::ToNapiValue>(&mut self, value: T) -> napi::Result<()> {
        self.array.set(self.next, value)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// ASCII takes the short way into a JavaScript string.
    fn push_text(&mut self, text: &str) -> napi::Result<()> {
        if text.is_ascii() { self.push(self.env.create_string_latin1(text)?) } else { self.push(text) }
    }

    /// JSON as its text, anything else as bytes.
    fn push_body(&mut self, message: VerifiedMessage<Body>) -> napi::Result<()> {
        let text = (message.content_type() == JSON).then(|| std::str::from_utf8(message.body()).ok()).flatten();
        match text {
            Some(text) => self.push_text(text),
            None => self.push(Uint8Array::new(message.into_body())),
        }
    }

    fn push_event(&mut self, event: Event) -> napi::Result<()> {
        match event {
            Event::Call { agent, ticket, message, token } => {
                self.push(0)?;
                self.push(agent)?;
                self.push(number(ticket))?;
                self.push_text(&message.id().text())?;
                self.push_text(message.from().as_str())?;
                self.push(number(message.issued_at()))?;
                self.push_body(*message)?;
                self.push(token)
            }
            Event::Cancelled { ticket } => {
                self.push(1)?;
                self.push(number(ticket))
            }
            Event::Settled { call, id, outcome } => self.push_outcome(call, &id, outcome),
            Event::Arrived { agent } => {
                self.push(5)?;
                self.push(agent)
            }
            Event::Sign { agent, time, bytes } => {
                self.push(6)?;
                self.push(agent)?;
                self.push(time)?;
                self.push(Uint8Array::new(bytes))
            }
            Event::Closed { agent } => {
                self.push(7)?;
                self.push(agent)
            }
        }
    }

    fn push_outcome(&mut self, call: u64, id: &MessageId, outcome: Outcome) -> napi::Result<()> {
        match outcome {
            Outcome::Answer(message) => {
                self.push(2)?;
                self.push(number(call))?;
                self.push_body(*message)
            }
            Outcome::Delivered { to } => {
                self.push(3)?;
                self.push(number(call))?;
                self.push(id.text())?;
                self.push(to.as_str())
            }
            Outcome::Failed { error, remote } => {
                self.push(4)?;
                self.push(number(call))?;
                self.push(id.text())?;
                self.push(BindingError::from(error))?;
                self.push(remote)
            }
        }
    }
}
