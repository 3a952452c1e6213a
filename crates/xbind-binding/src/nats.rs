//! Buses of several machines, over NATS.

use std::sync::{Arc, mpsc};

use serde::Deserialize;
use xbind::cluster::Namespace;
use xbind::{Error, ErrorKind, Result};
use xbind_net::nats::{Bus, Settings, Tls};
use xbind_runtime::Node;

use crate::agent::Agent;
use crate::key::Key;
use crate::net;

/// How to reach the brokers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Cluster {
    /// Addresses of its brokers.
    pub servers: Vec<String>,
    /// Which bus it is among those on these brokers.
    pub namespace: String,
    /// TLS is spoken, whatever the addresses say.
    pub tls: bool,
    /// Whose certificates are believed besides the usual ones, as PEM.
    pub ca: Option<String>,
    /// What this side shows, as PEM.
    pub cert: Option<String>,
    /// The key to that, as PEM.
    pub key: Option<String>,
}

/// A connection of a bus.
#[derive(Debug)]
pub struct Nats(Bus);

/// What connects a bus to others, in the name of an identity where there is one; it waits.
pub fn connect(
    node: &Arc<Node>,
    cluster: &Cluster,
    identity: Option<&Key>,
) -> impl FnOnce() -> Result<Nats> + Send + 'static + use<> {
    let (node, settings) = (Arc::clone(node), settings(cluster, identity));
    move || {
        let (told, came) = mpsc::channel();
        Bus::connect_then(&node, settings?, move |bus| drop(told.send(bus)));
        let bus = came.recv().map_err(|_| Error::new(ErrorKind::Internal, "the thread of the network has ended"))?;
        Ok(Nats(bus?))
    }
}

fn settings(cluster: &Cluster, identity: Option<&Key>) -> Result<Settings> {
    let Cluster { servers, namespace, tls, ca, cert, key } = cluster;
    let own = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
        (None, None) => None,
        _ => return Err(Error::new(ErrorKind::InvalidConfig, "tls has one of cert and key alone")),
    };
    let tls = tls.then(|| Tls { ca: ca.clone(), own });
    let identity = identity.map(|key| key.sign(|key| Ok(key.duplicate()))).transpose()?;
    let (servers, namespace, roots) = (servers.clone(), Namespace::parse(namespace)?, net::settings().roots);
    Ok(Settings { servers, namespace, tls, roots, identity })
}

/// How a connection is.
#[must_use]
pub fn status(nats: &Nats) -> &'static str {
    nats.0.status().as_str()
}

/// Everybody on the bus, here and elsewhere.
#[must_use]
pub fn agents(nats: &Nats) -> Vec<Agent> {
    nats.0.agents().into_iter().map(|(did, name)| Agent { did: did.to_string(), name, stopped: None }).collect()
}

/// What waits until a bus that was closed has said its last words.
pub fn closed(nats: &Nats) -> impl FnOnce() -> Result<()> + Send + 'static + use<> {
    let (told, came) = mpsc::channel();
    nats.0.closed_then(move || told.send(()).unwrap_or_default());
    move || came.recv().map_err(|_| Error::new(ErrorKind::Internal, "the thread of the network has ended"))
}
