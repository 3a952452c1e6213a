//! Agents and where they meet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xbind::{Did, Result, VerifyingKey};
use xbind_runtime::{AgentOptions, NodeOptions, Port, Recording, Signer};

pub use xbind_runtime::Node;

use crate::number::Whole;
use crate::record::Log;

/// How an agent is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Options {
    /// Its name.
    pub name: Option<String>,
    /// The longest body.
    pub max_payload_bytes: Whole,
    /// The life of its messages in seconds.
    pub message_ttl: Whole,
    /// How many messages of one sender wait for it.
    pub inbox_messages: Whole,
    /// How many bytes of one sender wait for it.
    pub inbox_bytes: Whole,
    /// How many calls it handles at once.
    pub concurrency: Whole,
    /// It has a handler.
    pub handles: bool,
    /// Its owner is told what happens without its face.
    pub tells: bool,
}

/// Brings an agent onto a node; gives its number.
///
/// # Errors
/// Those of [`Port::join`].
pub fn join(
    port: &Arc<Port>,
    node: &Arc<Node>,
    options: &Options,
    signer: Signer,
    recording: Option<Recording>,
) -> Result<u32> {
    let core = AgentOptions {
        max_payload_bytes: options.max_payload_bytes.size(),
        message_ttl: options.message_ttl.life(),
        inbox_messages: options.inbox_messages.size(),
        inbox_bytes: options.inbox_bytes.size(),
        concurrency: options.concurrency.size(),
        handles: options.handles,
        describes: true,
        tells: options.tells,
    };
    port.join_recorded(node, signer, options.name.clone(), core, recording)
}

/// A node of its own; `max_lifetime` is the longest life of a message in seconds.
#[must_use]
pub fn new_node(max_lifetime: f64, log: Option<&Log>, dangerously_unrecorded: bool) -> Arc<Node> {
    let recording = Log::recording(log, dangerously_unrecorded);
    Node::new(NodeOptions { max_lifetime: Whole::from(max_lifetime).life(), recording, ..NodeOptions::default() })
}

/// An agent of a node.
#[derive(Debug, Serialize)]
pub struct Agent {
    /// Its DID.
    pub did: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<bool>,
}

/// The agents of a node.
#[must_use]
pub fn agents(node: &Node) -> Vec<Agent> {
    let of = |(did, name): (Did, _)| {
        let stopped = node.is_stopped(&did).then_some(true);
        Agent { did: did.to_string(), name, stopped }
    };
    node.agents().into_iter().map(of).collect()
}

/// Closes the agents of a DID.
///
/// # Errors
/// `INVALID_DID`.
pub fn stop(node: &Arc<Node>, did: &str) -> Result<()> {
    node.stop(VerifyingKey::from_did(did)?.did());
    Ok(())
}
