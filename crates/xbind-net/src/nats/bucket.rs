//! What is kept with the broker: buckets of the last value of each key, by the few requests to JetStream that they need.

use std::time::Duration;

use async_nats::header::{HeaderMap, HeaderValue};
use async_nats::{Client, Message, Subscriber};
use hyper::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use xbind::cluster::{Bucket as Kind, NKey, Namespace};

use super::Fault;
use super::jetstream::{self, Stream};
use super::tasks::{PAUSE, next};

/// How long the broker may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How often the broker says that a watch is still there, in nanoseconds.
const HEARTBEAT: u64 = 2_000_000_000;
/// A watch that says nothing for so long is begun anew.
pub(super) const SILENCE: Duration = Duration::from_secs(7);

/// A bucket, by its name.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    client: Client,
    kind: Kind,
    name: String,
    /// Whose watches it has.
    host: NKey,
}

/// An entry that was written or taken away, and where it stands in the stream.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    /// None for one that was taken away, or has run out.
    pub(super) value: Option<&'a [u8]>,
    /// What stands in the place of one that was taken away, not of one that has run out.
    pub(super) removed: Option<&'a [u8]>,
    pub(super) seq: u64,
    /// Entries that come after it, of those that were there when the watch began.
    pub(super) left: u64,
}

/// What is told of a bucket that is followed.
#[derive(Debug)]
pub(super) enum Followed<'a> {
    /// All entries come, as they are now.
    Begun,
    /// One of them, or a change.
    Entry(Entry<'a>),
    /// All that were there have come.
    Whole,
}

/// All entries as they are, and each change from then on.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) messages: Subscriber,
    /// How many entries there are.
    pub(super) count: u64,
    /// Where the stream ended when it began.
    pub(super) seq: u64,
    /// How many have come.
    pub(super) taken: u64,
}

impl Bucket {
    pub(super) fn new(client: &Client, kind: Kind, namespace: &Namespace, host: NKey) -> Self {
        Self { client: client.clone(), kind, name: namespace.bucket(kind), host }
    }

    /// Makes the bucket, unless it is there: its owner may have made it as he wants it, and not let others do so.
    pub(super) async fn make(&self) -> Result<Stream, Fault> {
        jetstream::make(&self.client, self.config()).await
    }

    /// The same, while brokers may have no leader yet.
    pub(super) async fn make_soon(&self) -> Result<Stream, Fault> {
        jetstream::make_soon(&self.client, &self.config()).await
    }

    fn config(&self) -> Value {
        let name = &self.name;
        let mut config = json!({
            "name": format!("KV_{name}"), "subjects": [format!("$KV.{name}.>")], "max_msgs_per_subject": 1,
            "max_msg_size": 8192, "discard": "new", "deny_delete": true, "allow_direct": true,
        });
        config.as_object_mut().into_iter().for_each(|config| config.extend(settings(self.kind)));
        config
    }

    /// Where the stream ends now.
    pub(super) async fn end(&self) -> Result<u64, Fault> {
        let answer = jetstream::ask(&self.client, &format!("STREAM.INFO.KV_{}", self.name), String::new()).await?;
        answer.state.map(|state| state.last_seq).ok_or(Fault::Unavailable)
    }

    /// Begins a watch of all entries.
    pub(super) async fn watch(&self) -> Result<Watch, Fault> {
        let inbox = self.client.new_inbox();
        let messages = self.client.subscribe(inbox.clone()).await.map_err(|_| Fault::Unavailable)?;
        let (name, host, seq) = (&self.name, &self.host, self.end().await?);
        let _ = jetstream::ask(&self.client, &format!("CONSUMER.DELETE.KV_{name}.{host}"), String::new()).await?;
        let consumer = json!({ "stream_name": format!("KV_{name}"), "config": {
            "name": host.as_str(), "deliver_subject": inbox, "deliver_policy": "last_per_subject", "ack_policy": "none",
            "replay_policy": "instant", "filter_subjects": [format!("$KV.{name}.>")],
            "idle_heartbeat": HEARTBEAT, "mem_storage": true, "num_replicas": 1, "inactive_threshold": 10_000_000_000_u64,
        }});
        let answer =
            jetstream::ask(&self.client, &format!("CONSUMER.CREATE.KV_{name}.{host}"), consumer.to_string()).await?;
        let count = answer.num_pending.ok_or(Fault::Unavailable)?;
        Ok(Watch { messages, count, seq, taken: 0 })
    }

    /// Writes an entry that runs out by itself, or that stays.
    pub(super) async fn put(&self, key: &str, value: Bytes, life: Option<Duration>) -> Result<(), Fault> {
        let mut headers = HeaderMap::new();
        if let Some(life) = life {
            headers.insert("Nats-TTL", HeaderValue::from(format!("{}s", life.as_secs())));
        }
        let answer = jetstream::put(&self.client, self.subject(key), headers, value).await?;
        if answer.error.is_some() { Err(Fault::NoBuckets) } else { Ok(()) }
    }

    /// Writes an entry where there is none; its place, or nothing if there is one, or the broker takes none.
    pub(super) async fn create(&self, key: &str, value: Bytes) -> Result<Option<u64>, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", HeaderValue::from("0"));
        let answer = jetstream::put(&self.client, self.subject(key), headers, value).await?;
        Ok(answer.seq.filter(|_| answer.error.is_none()))
    }

    /// Writes a note where there is none, which runs out by itself; false if there is one that was not written with that id.
    pub(super) async fn note(&self, key: &str, id: &str, life: Duration) -> Result<bool, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", HeaderValue::from("0"));
        headers.insert("Nats-Msg-Id", HeaderValue::from(id));
        headers.insert("Nats-TTL", HeaderValue::from(format!("{}s", life.as_secs())));
        let answer = jetstream::put(&self.client, self.subject(key), headers, Bytes::new()).await?;
        match answer.error {
            None if answer.seq.is_some() => Ok(true),
            Some(refusal) if jetstream::IS_THERE.contains(&refusal.err_code) => Ok(false),
            _ => Err(Fault::Unavailable),
        }
    }

    /// Takes an entry away for good; why is what stands in its place for a while.
    pub(super) async fn remove(&self, key: &str, why: Bytes) -> Result<(), Fault> {
        let mut headers = HeaderMap::new();
        headers.insert("KV-Operation", HeaderValue::from("DEL"));
        headers.insert("Nats-TTL", HeaderValue::from("30s"));
        let answer = jetstream::put(&self.client, self.subject(key), headers, why).await?;
        if answer.error.is_some() { Err(Fault::NoBuckets) } else { Ok(()) }
    }

    /// Reads one entry, and where it stands. [`Fault::NoBuckets`] if there is no such bucket.
    pub(super) async fn read(&self, key: &str) -> Result<Option<(String, u64)>, Fault> {
        let question = format!("$JS.API.DIRECT.GET.KV_{}.{}", self.name, self.subject(key));
        let answer = jetstream::request(&self.client, question, HeaderMap::new(), Bytes::new()).await?;
        if answer.status.is_some() {
            return Ok(None);
        }
        let headers = answer.headers.as_ref().ok_or(Fault::Unavailable)?;
        let seq = headers.get("Nats-Sequence").and_then(|seq| seq.as_str().parse().ok());
        let is_over = headers.get("KV-Operation").is_some() || headers.get("Nats-Marker-Reason").is_some();
        let text = String::from_utf8_lossy(&answer.payload).into_owned();
        Ok(seq.filter(|_| !is_over).map(|seq| (text, seq)))
    }

    /// Takes away what stands there and nothing else, whoever wrote it; false if it did not stand there any more.
    pub(super) async fn delete(&self, seq: u64) -> Result<bool, Fault> {
        let what = json!({ "seq": seq, "no_erase": true });
        let answer =
            jetstream::ask(&self.client, &format!("STREAM.MSG.DELETE.KV_{}", self.name), what.to_string()).await?;
        match answer.error {
            None => Ok(true),
            Some(refusal) if jetstream::IS_GONE.contains(&refusal.err_code) => Ok(false),
            Some(_) => Err(Fault::NoBuckets),
        }
    }

    fn subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.name)
    }

    /// Follows all entries, for good. After `again` was rung it begins anew, and so it does where something may have been lost.
    pub(super) async fn follow(&self, again: &Notify, mut told: impl FnMut(Followed<'_>)) {
        loop {
            tokio::select! {
                _ = self.follow_once(&mut told) => {}
                () = again.notified() => {}
            }
            sleep(PAUSE).await;
        }
    }

    async fn follow_once(&self, told: &mut impl FnMut(Followed<'_>)) -> Result<(), Fault> {
        let mut watch = self.watch().await?;
        let mut is_whole = watch.count == 0;
        told(Followed::Begun);
        if is_whole {
            told(Followed::Whole);
        }
        loop {
            let message = timeout(SILENCE, next(&mut watch.messages)).await;
            let message = message.map_err(|_| Fault::Unavailable)?.ok_or(Fault::Unavailable)?;
            let Some(entry) = self.entry(&mut watch, &message)? else { continue };
            let left = entry.left;
            told(Followed::Entry(entry));
            if !is_whole && (left == 0 || watch.taken >= watch.count) {
                is_whole = true;
                told(Followed::Whole);
            }
        }
    }

    /// Reads what a watch brings. `Err` if something was lost before it.
    pub(super) fn entry<'a>(&self, watch: &mut Watch, message: &'a Message) -> Result<Option<Entry<'a>>, Fault> {
        if message.status.is_some() {
            return Ok(None); // it is still there
        }
        let prefix = format!("$KV.{}.", self.name);
        let key = message.subject.as_str().strip_prefix(&prefix).ok_or(Fault::Unavailable)?;
        let place = message.reply.as_deref().and_then(place).ok_or(Fault::Unavailable)?;
        watch.taken = watch.taken.saturating_add(1);
        if place.consumed != watch.taken {
            return Err(Fault::Unavailable);
        }
        let headers = message.headers.as_ref();
        let has = |name| headers.is_some_and(|headers| headers.get(name).is_some());
        let removed = has("KV-Operation").then_some(&*message.payload);
        let value = (removed.is_none() && !has("Nats-Marker-Reason")).then_some(&*message.payload);
        Ok(Some(Entry { key, value, removed, seq: place.seq, left: place.left }))
    }
}

impl<'a> Entry<'a> {
    /// Its text; none for one that was taken away, or is none.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.and_then(|value| str::from_utf8(value).ok())
    }
}

/// How many names a bus has at most, and how many mailboxes.
const MAX_NAMES: u64 = 1 << 20;

/// What a bucket of that kind needs. Who is there runs out by itself, and is told again; what operators have said stays. A name
/// stays whose it is, whoever writes there, until that very entry is taken away. None takes roll-ups: whoever may write one key
/// could empty it by one.
fn settings(kind: Kind) -> Map<String, Value> {
    let settings = match kind {
        Kind::Stops => json!({ "storage": "file", "deny_purge": true }),
        Kind::Names => json!({
            "storage": "file", "deny_purge": true, "deny_delete": false, "discard_new_per_subject": true, "max_msgs": MAX_NAMES,
        }),
        // What was accepted is known after a restart of the brokers, too.
        Kind::Seen => json!({ "storage": "file", "deny_purge": true, "allow_msg_ttl": true }),
        Kind::Boxes => {
            json!({ "storage": "file", "deny_purge": true, "allow_msg_ttl": true, "max_msgs": MAX_NAMES })
        }
        Kind::Agents => json!({ "storage": "memory", "allow_msg_ttl": true }),
    };
    if let Value::Object(settings) = settings { settings } else { Map::new() }
}

struct Place {
    seq: u64,
    consumed: u64,
    left: u64,
}

/// `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<left>[.<token>]`
fn place(reply: &str) -> Option<Place> {
    let tokens: Vec<&str> = reply.split('.').collect();
    let first: usize = match tokens.len() {
        9 => 5,
        11.. => 7,
        _ => return None,
    };
    let number = |at: usize| tokens.get(first.checked_add(at)?)?.parse().ok();
    Some(Place { seq: number(0)?, consumed: number(1)?, left: number(3)? })
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_is_read_with_a_domain_and_without() {
        for reply in ["$JS.ACK.KV_X.c.1.7.2.1700000000.5", "$JS.ACK.d.acc.KV_X.c.1.7.2.1700000000.5.token"] {
            let place = place(reply).unwrap();
            assert_eq!((place.seq, place.consumed, place.left), (7, 2, 5), "{reply}");
        }
        for reply in ["", "$JS.ACK.KV_X.c.1.x.2.17.5", "$JS.ACK.KV_X.c.1.7.2.17", "a.b.c.d.e.f.g.h.i.j"] {
            assert!(place(reply).is_none(), "{reply}");
        }
    }
}
