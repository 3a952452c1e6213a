//! Buses of several machines, over NATS.

use pyo3::prelude::*;
use xbind_binding::agent::Agent;
use xbind_binding::nats::{self, AgentWord, Cluster, Nats};
use xbind_binding::nats_service::{self, CalloutKeys, Said, Service, Serving, Word};

use crate::key::KeyRef;
use crate::pass::{Enter, Give, Json};
use crate::port::NodeRef;
use crate::soon::{Promised, elsewhere};

kept! {
    /// A connection of a bus.
    NatsRef(Nats);
    /// What an owner runs for the buses on its brokers.
    ServiceRef(Service);
}

entries! {
    /// Connects a bus to those of other machines, in the name of an identity where there is one.
    fn connect_nats(node: &NodeRef, cluster: Json<Cluster>, identity: Option<&KeyRef>) -> Promised<NatsRef> {
        Give::give(elsewhere(nats::connect(&node.enter(), &cluster.0, identity.enter().as_deref())))
    }
    fn nats_status(nats: &NatsRef) -> &'static str = nats::status;
    fn nats_agents(nats: &NatsRef) -> Json<Vec<Agent>> = nats::agents;
    fn told_nats(nats: &NatsRef, word: Json<AgentWord>) -> Promised<()> = nats::told;
    /// Done once the last words of a bus that was closed have left.
    fn nats_closed(nats: &NatsRef) -> Promised<()> = nats::closed;
    /// Begins what an owner runs for the buses on its brokers.
    fn serve_nats(serving: Json<Serving>, key: &KeyRef) -> Promised<ServiceRef> = nats_service::serve;
    fn tell_service(service: &ServiceRef, word: Json<Word>) -> Promised<Json<Said>> = Service::told;
    fn callout_keys(issuer: &KeyRef) -> PyResult<Json<CalloutKeys>> = nats_service::callout_keys;
}
