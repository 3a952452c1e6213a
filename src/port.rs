//! Buses, agents and their port.

use std::sync::Arc;

use napi::bindgen_prelude::{Array, AsyncTask, Either, Env, External, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use xbind_binding::agent::{self, Agent, Node, Options};
use xbind_binding::guard::CallPolicy;
use xbind_binding::judge::{Answers, Needs};
use xbind_binding::nats::{self, AgentWord, Cluster, Nats};
use xbind_binding::nats_service::{self, CalloutKeys, Said, Service, Serving, Word};
use xbind_binding::tape::Tape;
use xbind_binding::{port, ports, registry};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Content, Fallible, Json};
use crate::events::{Flat, Letters};
use crate::key::{KeyRef, Work, elsewhere};
use crate::record::{LogRef, Soon};
use crate::rights::JudgeRef;

pub type NodeRef = External<Arc<Node>>;
pub type NatsRef = External<Nats>;
pub type ServiceRef = External<Service>;

give! {
    [] Result<u32, Needs> => Either<u32, Json<Needs>>: |judged| judged.map_or_else(|needs| Self::B(Json(needs)), Self::A);
}

entries! {
    /// Opens a port; `wake` is called when another thread has left events there.
    fn open_port(env: Env, wake: Function<'_, (), ()>) -> napi::Result<u32> {
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().callee_handled::<false>().build()?;
        let port = ports::open(Box::new(move || { wake.call((), ThreadsafeFunctionCallMode::NonBlocking); }));
        if port == ports::FIRST {
            env.add_env_cleanup_hook((), |()| ports::close_all())?;
        }
        Ok(port)
    }
    fn close_port(port: u32) = ports::close;
    fn new_node(max_lifetime: f64, log: Option<&LogRef>, dangerously_unrecorded: bool) -> NodeRef = agent::new_node;
    fn shared_node(name: String) -> Fallible<NodeRef> = Node::shared;
    fn node_agents(node: &NodeRef) -> Json<Vec<Agent>> = agent::agents;
    fn agent_of(port: u32, node: &NodeRef, id: String) -> Fallible<u32> = registry::agent_of;
    fn stop_on_node(node: &NodeRef, did: String) -> Fallible<()> = agent::stop;
    fn close_node(node: &NodeRef) = Node::close;
    /// Connects a bus to those of other machines, in the name of an identity where there is one.
    fn connect_nats(node: &NodeRef, cluster: Json<Cluster>, identity: Option<&KeyRef>) -> AsyncTask<Work<Nats, NatsRef>>
        as "Promise<Fallible<NatsRef>>" { elsewhere(nats::connect(node, &cluster.0, identity.map(|key| &**key))) }
    fn nats_status(nats: &NatsRef) -> &'static str as "'connected' | 'reconnecting' | 'closed'" = nats::status;
    fn nats_agents(nats: &NatsRef) -> Json<Vec<Agent>> = nats::agents;
    fn told_nats(nats: &NatsRef, word: Json<AgentWord>) -> AsyncTask<Work<(), ()>> as "Promise<Fallible<void>>" = nats::told;
    /// Resolves once the last words of a bus that was closed have left.
    fn nats_closed(nats: &NatsRef) -> AsyncTask<Work<(), ()>> as "Promise<Fallible<void>>" = nats::closed;
    /// Begins what an owner runs for the buses on its brokers.
    fn serve_nats(serving: Json<Serving>, key: &KeyRef) -> AsyncTask<Work<Service, ServiceRef>>
        as "Promise<Fallible<ServiceRef>>" = nats_service::serve;
    fn tell_service(service: &ServiceRef, word: Json<Word>) -> Soon<Said, Json<Said>> as "Promise<Fallible<Json<Said>>>" = Service::told;
    fn callout_keys(issuer: &KeyRef) -> Fallible<Json<CalloutKeys>> = nats_service::callout_keys;
    fn join(
        port: u32, node: &NodeRef, options: Json<Options>, key: Option<&KeyRef>, provider: Option<String>,
        log: Option<&LogRef>, dangerously_unrecorded: bool,
    ) -> Fallible<u32> = port::join;
    fn agent_did(port: u32, agent: u32) -> Fallible<String> = port::agent_did;
    fn retire_agent(port: u32, agent: u32) = port::retire;
    fn close_agent(port: u32, agent: u32) = port::close_agent;
    fn agent_key(port: u32, agent: u32) -> Fallible<KeyRef> = port::agent_key;
    fn guard(port: u32, agent: u32, policies: Option<Json<Vec<CallPolicy>>>, judges: Vec<&JudgeRef>) -> Fallible<u32>
        = port::guard;
    fn call(port: u32, agent: u32, to: String, content: Content, timeout_ms: f64, total_ms: f64) -> Fallible<f64> = port::call;
    fn call_with(
        port: u32, agent: u32, to: String, content: Content, one_way: bool, timeout_ms: f64, token: Option<String>,
        method: Option<String>, traceparent: Option<String>, total_ms: Option<f64>, window: Option<f64>, receipt: bool,
        idempotent: bool,
    ) -> Fallible<f64> = port::call_with;
    fn abandon(port: u32, call: f64) -> Option<&'static str> as "'yes' | 'no' | 'unknown' | undefined" = port::abandon;
    fn start(port: u32, ticket: f64) -> u32 = port::start;
    fn judge(
        port: u32, ticket: f64, policies: Option<u32>, allowed: Option<bool>, needs_approval: Option<bool>, sources: bool,
        answers: Option<Json<Answers>>,
    ) -> Either<u32, Json<Needs>> = port::judge;
    fn wait(port: u32, ticket: f64) -> bool = port::wait;
    fn resume(port: u32, ticket: f64) = port::resume;
    fn rights(port: u32, ticket: f64) -> Option<String> = port::rights;
    fn give_back(port: u32, ticket: f64, content: Content) = port::give_back;
    fn answer(port: u32, ticket: f64, content: Content) = port::answer;
    fn finish(port: u32, ticket: f64, content: Content) = port::finish;
    fn refuse(port: u32, ticket: f64, code: String, detail: Option<String>) = port::refuse;
    fn part(port: u32, ticket: f64, content: Content) -> Fallible<u32> = port::part;
    fn flow(port: u32, ticket: f64) -> u32 = port::flow;
    fn took(port: u32, call: f64, parts: f64) = port::took;
    fn progress(
        port: u32, ticket: f64, progress: Option<f64>, total: Option<f64>, message: Option<String>,
    ) -> Option<BindingError> = port::progress;
    fn is_cancelled(port: u32, ticket: f64) -> bool = port::is_cancelled;
    fn signed(port: u32, agent: u32, round: u32, signature: Option<Bytes>) -> bool = port::signed;
    fn next_deadline(port: u32) -> Option<f64> = port::next_deadline;
    fn receive(port: u32, agent: u32, max: f64, listen: bool) -> Fallible<Letters> as "Fallible<unknown[]>" = port::receive;
}

/// Works off all that was asked for, and returns at most `max` events, refusals among them if they are `watched`: first the
/// words of the tape, as the units of a string, and whether more events are waiting; then what is no word.
#[napi(catch_unwind)]
pub fn flush<'env>(env: &'env Env, port: u32, max: u32, watched: bool) -> napi::Result<Array<'env>> {
    let mut tape = Tape::new(Flat::new(env, 2)?);
    let more = ports::flush(port, max, watched, &mut tape)?;
    let (flat, words) = tape.finish();
    let mut array = flat.finish();
    array.set(0, env.create_string_utf16(&words)?)?;
    array.set(1, more)?;
    Ok(array)
}
