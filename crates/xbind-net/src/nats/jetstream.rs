//! The few requests to JetStream that a bus needs.

use std::time::Duration;

use async_nats::header::HeaderMap;
use async_nats::{Client, Message, RequestErrorKind};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::Fault;
use super::bucket::PATIENCE;
use super::tasks::PAUSE;

/// What a stream of that name and another configuration is answered with: its owner has made it as he wants it.
const OTHER_CONFIGURATION: u64 = 10_058;
/// What brokers say that have no leader.
const NO_LEADER: u64 = 10_008;
/// How long they may take to choose one, while somebody connects; and to answer who asks meanwhile.
const CHOSEN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(2));
/// What a value is answered with that expects none before it.
pub(super) const IS_THERE: [u64; 2] = [10_071, 10_164];
/// What a message is answered with that is over a bound of its stream, or over the room of its server.
pub(super) const IS_FULL: [u64; 3] = [10_077, 10_047, 10_023];
/// What somebody is answered who takes away what is not there any more.
pub(super) const IS_GONE: [u64; 2] = [10_043, 10_057];
/// How many copies are asked for, where there are as many brokers.
const REPLICAS: [u8; 2] = [3, 1];

#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) error: Option<Refusal>,
    pub(super) state: Option<State>,
    created: Option<String>,
    pub(super) num_pending: Option<u64>,
    pub(super) seq: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) err_code: u64,
}

#[derive(Deserialize)]
pub(super) struct State {
    pub(super) last_seq: u64,
}

/// A stream as it was found.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    created: Option<String>,
    last_seq: u64,
}

impl Stream {
    /// Whether what the one before kept is gone.
    pub(super) fn is_new(&self, before: &Self) -> bool {
        self.created != before.created || self.last_seq < before.last_seq
    }
}

impl Answer {
    fn stream(&self) -> Option<Stream> {
        let last_seq = self.state.as_ref()?.last_seq;
        Some(Stream { created: self.created.clone(), last_seq })
    }
}

/// Asks something of it.
pub(super) async fn ask(client: &Client, what: &str, config: String) -> Result<Answer, Fault> {
    put(client, format!("$JS.API.{what}"), HeaderMap::new(), config.into()).await
}

/// Puts a message into the stream that has that subject. [`Fault::NoBuckets`] if certainly nobody has got it.
pub(super) async fn put(client: &Client, subject: String, headers: HeaderMap, value: Bytes) -> Result<Answer, Fault> {
    let answer = request(client, subject, headers, value).await?;
    serde_json::from_slice(&answer.payload).map_err(|_| Fault::Unavailable)
}

/// The answer to a request. [`Fault::NoBuckets`] if nobody has got it.
pub(super) async fn request(
    client: &Client,
    subject: String,
    headers: HeaderMap,
    value: Bytes,
) -> Result<Message, Fault> {
    let request = client.request_with_headers(subject, headers, value);
    let answer = timeout(PATIENCE, request).await.map_err(|_| Fault::Unavailable)?;
    answer.map_err(|error| {
        let keeps_none = error.kind() == RequestErrorKind::NoResponders;
        if keeps_none { Fault::NoBuckets } else { Fault::Unavailable }
    })
}

/// Makes a stream, unless it is there, and waits for brokers that have not chosen a leader yet.
pub(super) async fn make_soon(client: &Client, config: &Value) -> Result<Stream, Fault> {
    let begun = Instant::now();
    loop {
        match timeout(CHOSEN.1, make(client, config.clone())).await {
            Ok(Ok(stream)) => return Ok(stream),
            Err(_) | Ok(Err(Fault::Undecided)) if begun.elapsed() < CHOSEN.0 => sleep(PAUSE).await,
            Err(_) => return Err(Fault::Undecided),
            Ok(Err(fault)) => return Err(fault),
        }
    }
}

/// Makes a stream, unless it is there.
pub(super) async fn make(client: &Client, mut config: Value) -> Result<Stream, Fault> {
    let name = config.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let look = async || ask(client, &format!("STREAM.INFO.{name}"), String::new()).await.ok()?.stream();
    // Servers that have just found each other may leave the first question unanswered.
    if let Some(stream) = look().await {
        return Ok(stream);
    }
    for replicas in REPLICAS {
        if let Some(config) = config.as_object_mut() {
            config.insert("num_replicas".to_owned(), json!(replicas));
        }
        let answer = ask(client, &format!("STREAM.CREATE.{name}"), config.to_string()).await?;
        match answer.error {
            None => return answer.stream().ok_or(Fault::Unavailable),
            Some(Refusal { err_code: OTHER_CONFIGURATION }) => return look().await.ok_or(Fault::Unavailable),
            Some(Refusal { err_code: NO_LEADER }) => return Err(Fault::Undecided),
            Some(_) => {}
        }
    }
    Err(Fault::NoBuckets)
}
