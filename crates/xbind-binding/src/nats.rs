//! Buses of several machines, over NATS.

use std::sync::{Arc, mpsc};

use serde::Deserialize;
use xbind::cluster::Namespace;
use xbind::message::MAX_MAIL_TTL;
use xbind::{Error, ErrorKind, Result, SigningKey};
use xbind_net::nats::{Bus, NAMES_KEPT, Reach, Settings, Tls};
use xbind_runtime::Node;

use crate::agent::Agent;
use crate::did::{did, dids};
use crate::key::Key;
use crate::net;
use crate::number::Whole;
use crate::record::Later;

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
    /// Who may stop agents of the bus.
    pub operators: Option<Vec<String>>,
    /// Nothing but encrypted bodies leaves, or is taken.
    pub encrypt: Option<bool>,
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
        let bus = came.recv().map_err(|_| ended())?;
        Ok(Nats(bus?))
    }
}

fn settings(cluster: &Cluster, identity: Option<&Key>) -> Result<Settings> {
    let identity = identity.map(copy).transpose()?;
    let operators = dids(cluster.operators.as_deref().unwrap_or_default(), "operators")?;
    Ok(Settings { reach: cluster.reach()?, identity, operators, encrypt: cluster.encrypt == Some(true) })
}

/// The key once more, for what signs on another thread.
pub(crate) fn copy(key: &Key) -> Result<SigningKey> {
    key.sign(|key| Ok(key.duplicate()))
}

impl Cluster {
    /// # Errors
    /// `INVALID_CONFIG`.
    pub(crate) fn reach(&self) -> Result<Reach> {
        let own = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => return Err(Error::new(ErrorKind::InvalidConfig, "tls has one of cert and key alone")),
        };
        let tls = self.tls.then(|| Tls { ca: self.ca.clone(), own });
        let (servers, namespace) = (self.servers.clone(), Namespace::parse(&self.namespace)?);
        Ok(Reach { servers, namespace, tls, roots: net::settings().roots, names_kept: NAMES_KEPT })
    }
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

/// What is asked of a bus about one of its agents here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentWord {
    // ts: 'named' | 'mailbox'
    /// Whether it has its name; that mail is kept for it.
    pub verb: String,
    /// Which agent.
    pub did: String,
    /// For how long mail is kept, in seconds: a week, if it is not said, and not at all for 0.
    pub retain: Option<Whole>,
}

/// Asks a bus about one of its agents here; it waits.
#[must_use]
pub fn told(nats: &Nats, word: &AgentWord) -> Later<()> {
    let (told, came) = mpsc::channel();
    let done = move |said| drop(told.send(said));
    let asked = did(&word.did).map(|did| match word.verb.as_str() {
        "mailbox" => nats.0.mailbox_then(did, word.retain.map_or(MAX_MAIL_TTL, Whole::life), done),
        _ => nats.0.named_then(did, done),
    });
    Box::new(move || asked.and_then(|()| came.recv().map_err(|_| ended())?))
}

/// What waits until a bus that was closed has said its last words.
#[must_use]
pub fn closed(nats: &Nats) -> Later<()> {
    let (told, came) = mpsc::channel();
    nats.0.closed_then(move |heard| drop(told.send(heard)));
    Box::new(move || came.recv().map_err(|_| ended())?)
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "the thread of the network has ended")
}
