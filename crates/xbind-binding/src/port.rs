//! What a face asks of its ports, by their numbers. After a command it flushes in any case, and is not woken for what the
//! command causes; a port that is closed has nothing left to do.

use std::sync::Arc;
use std::time::Duration;

use xbind::{ErrorKind, Handled, Result};
use xbind_runtime::{Flow, Letter, NewCall, Node, Payload, Port, Progress, Reply};

use crate::agent::{self, Options};
use crate::guard::{self, CallPolicy, Said};
use crate::judge::{Answers, Judge, Needs};
use crate::key::Key;
use crate::number::{number, size, whole};
use crate::ports::{ask, command, with};
use crate::record::{Log, Telling};

/// Brings an agent onto a node; gives its number. Its key is a fresh one, or that of an identity, which is taken; or it is
/// with an identity provider, whose DID is given.
///
/// # Errors
/// `INVALID_DID`, `INVALID_KEY` for a key that is gone, and those of [`Port::join`].
pub fn join(
    port: u32,
    node: &Arc<Node>,
    options: &Options,
    key: Option<&Key>,
    provider: Option<&str>,
    log: Option<&Log>,
    dangerously_unrecorded: bool,
) -> Result<u32> {
    with(port, |port| {
        let signer = provider.map_or_else(|| Key::signer(key), Key::provider)?;
        agent::join(port, node, options, signer, Log::recording(log, dangerously_unrecorded))
    })
}

/// The DID of an agent.
///
/// # Errors
/// `AGENT_CLOSED`.
pub fn agent_did(port: u32, agent: u32) -> Result<String> {
    with(port, |port| Ok(port.agent(agent)?.did().to_string()))
}

/// The key of an agent.
///
/// # Errors
/// `AGENT_CLOSED`; `SIGN_FAILED` if it is elsewhere.
pub fn agent_key(port: u32, agent: u32) -> Result<Key> {
    with(port, |port| Key::of_agent(&port.agent(agent)?))
}

/// Lets nothing new in at an agent; an event tells when its handlers have ended.
pub fn retire(port: u32, agent: u32) {
    command(port, |port| drop(port.retire(agent)));
}

/// Closes an agent.
pub fn close_agent(port: u32, agent: u32) {
    command(port, |port| port.close(agent));
}

/// See [`guard::guard`].
///
/// # Errors
/// `AGENT_CLOSED`, and those of [`guard::guard`].
pub fn guard(port: u32, agent: u32, policies: Option<&Vec<CallPolicy>>, judges: Vec<&Judge>) -> Result<u32> {
    with(port, |port| guard::guard(&port.agent(agent)?, policies.map(Vec::as_slice), &judges))
}

/// Begins a call, and returns its number. With `total_ms` a word of the other side starts its time anew.
///
/// # Errors
/// Those of [`Port::call`].
pub fn call(port: u32, agent: u32, to: &str, payload: Payload, timeout_ms: f64, total_ms: f64) -> Result<f64> {
    let [timeout, total] = [timeout_ms, total_ms].map(|time| Some(Duration::from_millis(whole(time))));
    begin(port, NewCall { agent, to, payload, timeout, total, ..NewCall::default() })
}

/// The same. With `total_ms` a word of the other side starts its time anew; with `window` its
/// answer may come in parts; with `receipt` the two messages are told before its end; `idempotent`, it is signed anew where it
/// may be lost.
///
/// # Errors
/// Those of [`Port::call`].
#[expect(clippy::too_many_arguments, reason = "this is the way of every call: an object would cost more to take apart")]
pub fn call_with(
    port: u32,
    agent: u32,
    to: &str,
    payload: Payload,
    one_way: bool,
    timeout_ms: f64,
    token: Option<&str>,
    method: Option<&str>,
    traceparent: Option<&str>,
    total_ms: Option<f64>,
    window: Option<f64>,
    receipt: bool,
    idempotent: bool,
) -> Result<f64> {
    let [timeout, total] = [Some(timeout_ms), total_ms].map(|time| Some(Duration::from_millis(whole(time?))));
    let [token, method, traceparent] = [token, method, traceparent].map(|text| text.map(str::to_owned));
    let window = window.map(whole);
    let call = NewCall {
        agent,
        to,
        payload,
        one_way,
        timeout,
        token,
        method,
        traceparent,
        total,
        receipt,
        window,
        idempotent,
    };
    begin(port, call)
}

fn begin(port: u32, call: NewCall<'_>) -> Result<f64> {
    with(port, |port| {
        port.attend();
        port.call(call).map(number)
    })
}

/// Gives a call up; whether the other side ran it, see [`handled`].
#[must_use]
pub fn abandon(port: u32, call: f64) -> Option<&'static str> {
    handled(command(port, |port| Some(port.abandon(whole(call)))))
}

/// Whether the other side ran a call; none where it did not.
#[must_use]
pub const fn handled(handled: Option<Handled>) -> Option<&'static str> {
    match handled {
        Some(Handled::Yes) => Some("yes"),
        Some(Handled::Unknown) => Some("unknown"),
        Some(Handled::No) | None => None,
    }
}

/// Whether the handler may begin with a call by which nothing is asked; see [`guard::start`].
#[must_use]
pub fn start(port: u32, ticket: f64) -> u32 {
    ask(port, guard::GONE, |port| guard::start(port, whole(ticket)))
}

/// Whether the handler may begin with a call; see [`guard::judge`]. The face says of which policies it speaks, and what it
/// was asked.
///
/// # Errors
/// What has to be found out first.
pub fn judge(
    port: u32,
    ticket: f64,
    policies: Option<u32>,
    allowed: Option<bool>,
    needs_approval: Option<bool>,
    sources: bool,
    answers: Option<&Answers>,
) -> std::result::Result<u32, Needs> {
    let said = Said { policies, allowed, needs_approval, sources, answers: answers.cloned() };
    command(port, |port| Some(guard::judge(port, whole(ticket), said))).unwrap_or(Ok(guard::GONE))
}

/// The face waits for somebody before it can say more; false if the call is over.
#[must_use]
pub fn wait(port: u32, ticket: f64) -> bool {
    command(port, |port| port.wait(whole(ticket)))
}

/// The face knows more: the event `resumed` says when to judge.
pub fn resume(port: u32, ticket: f64) {
    command(port, |port| port.resume(whole(ticket)));
}

/// See [`guard::rights`].
#[must_use]
pub fn rights(port: u32, ticket: f64) -> Option<String> {
    ask(port, None, |port| guard::rights(port, whole(ticket)))
}

/// Gives a call back, with the content that it brought: another policy judges it, or it goes to the inbox.
pub fn give_back(port: u32, ticket: f64, payload: Payload) {
    command(port, |port| port.give_back(whole(ticket), payload));
}

/// Answers a running call.
pub fn answer(port: u32, ticket: f64, payload: Payload) {
    command(port, |port| port.reply(whole(ticket), Reply::Payload(payload)));
}

/// Ends an answer in parts.
pub fn finish(port: u32, ticket: f64, payload: Payload) {
    command(port, |port| port.reply(whole(ticket), Reply::End(payload)));
}

/// Refuses a running call; `detail` is the JSON object that goes with the code.
pub fn refuse(port: u32, ticket: f64, code: &str, detail: Option<&str>) {
    let kind = ErrorKind::from_code(code).unwrap_or(ErrorKind::Internal);
    command(port, |port| port.reply(whole(ticket), Reply::Refused(kind, detail.map(str::to_owned))));
}

/// Sends a part of the answer to a running call: 0 if there is room for another, 1 if not, 2 if nobody takes any.
///
/// # Errors
/// Those of [`Port::part`].
pub fn part(port: u32, ticket: f64, payload: Payload) -> Result<u32> {
    with(port, |port| {
        port.attend();
        port.part(whole(ticket), payload).map(code_of)
    })
}

/// Whether there is room for a part, as [`part`] says it.
#[must_use]
pub fn flow(port: u32, ticket: f64) -> u32 {
    code_of(ask(port, Flow::Over, |port| port.flow(whole(ticket))))
}

const fn code_of(flow: Flow) -> u32 {
    match flow {
        Flow::Open => 0,
        Flow::Wait => 1,
        Flow::Over => 2,
    }
}

/// So many parts of the answer to a call were read.
pub fn took(port: u32, call: f64, parts: f64) {
    command(port, |port| port.took(whole(call), whole(parts)));
}

/// Tells a caller how far its call is.
///
/// # Errors
/// Those of [`Port::progress`].
pub fn progress(
    port: u32,
    ticket: f64,
    progress: Option<f64>,
    total: Option<f64>,
    message: Option<&str>,
) -> Result<()> {
    let word = Progress { progress, total, message: message.map(str::to_owned) };
    command(port, |port| Some(port.progress(whole(ticket), &word))).unwrap_or(Ok(()))
}

/// Whether nobody waits for a running call any more.
#[must_use]
pub fn is_cancelled(port: u32, ticket: f64) -> bool {
    ask(port, true, |port| port.is_cancelled(whole(ticket)))
}

/// The identity provider's signature; none if it failed. False for one that is not by the key of its DID.
#[must_use]
pub fn signed(port: u32, agent: u32, round: u32, signature: Option<&[u8]>) -> bool {
    let signature = signature.and_then(|bytes| bytes.try_into().ok());
    command(port, |port| Some(port.signed(agent, round, signature))).unwrap_or(true)
}

/// Milliseconds until the next pending call runs out of time; none if there is none.
#[must_use]
pub fn next_deadline(port: u32) -> Option<f64> {
    let next = ask(port, None, |port| port.next_deadline())?;
    Some((next.as_secs_f64() * 1000.0).ceil())
}

/// Takes messages from an inbox; with `listen` an event tells of the next.
///
/// # Errors
/// `AGENT_CLOSED`.
pub fn receive(port: u32, agent: u32, max: f64, listen: bool) -> Result<Vec<Letter>> {
    with(port, |port: &Arc<Port>| port.agent(agent)?.receive(size(max), listen))
}

/// Puts what the JSON object of a record says into the log of an agent that has one, for what is done when this says so:
/// `AGENT_CLOSED`, or `AUDIT_FAILED`, if it must not be.
#[must_use]
pub fn put_on_record(port: u32, agent: u32, record: &str) -> Telling<Result<bool>> {
    let (agent, record) = (with(port, |port| port.agent(agent)), record.to_owned());
    Box::new(move |tell| match agent {
        Ok(agent) => agent.commit(&record, |done| tell(done.map(|()| true))),
        Err(error) => tell(Err(error)),
    })
}
