//! Mail for agents that are away: whose mailbox is open, and how mail gets there.

use std::collections::{HashMap, VecDeque};

use async_nats::Client;
use async_nats::header::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;
use xbind::cluster::{MAX_MAILBOX_TTL, Mailbox, Namespace};
use xbind::{Did, EncryptionKey, Error, ErrorKind};
use xbind_runtime::transport::{CallId, Departure, Remote, Route};

use super::bucket::Bucket;
use super::lanes::QUEUED;
use super::link::{Link, SKEW, lock};
use super::tasks::{PAUSE, Task, UNDER_WAY};
use super::{Fault, Status, jetstream};
use crate::agents::write;

/// Mail of one sender that waits in one mailbox.
const SHARE: u64 = 256;
/// All mail on a bus, and its bytes; where the brokers have not so much room, so many.
const MOST: u64 = 1 << 20;
const MOST_BYTES: [u64; 2] = [1 << 30, 1 << 26];
/// How long the brokers know what they were sent before, in nanoseconds.
const KNOWN: u64 = 600_000_000_000;
/// How often the brokers are asked to keep it.
const TRIES: usize = 6;
/// Mailboxes of others that are remembered.
const MAX_KNOWN: usize = 65_536;

/// What waits to be put into mailboxes, and whose are known.
#[derive(Debug, Default)]
pub(super) struct Post {
    queue: VecDeque<Departure>,
    bytes: usize,
    /// The node has more.
    left: bool,
    known: HashMap<Did, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    retain: u32,
    issued: u64,
}

impl Post {
    /// Takes what there is room for, from the front.
    pub(super) fn push(&mut self, parcels: &mut Vec<Departure>) {
        while self.bytes < QUEUED && !parcels.is_empty() {
            let parcel = parcels.remove(0);
            self.bytes = self.bytes.saturating_add(parcel.size());
            self.queue.push_back(parcel);
        }
        self.left = !parcels.is_empty();
    }

    /// The next, and whether there is room again for what the node has.
    fn next(&mut self) -> Option<(Departure, bool)> {
        let parcel = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(parcel.size());
        let has_room = self.left && self.bytes < QUEUED;
        self.left &= !has_room;
        Some((parcel, has_room))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How long mail to that agent may live.
    pub(super) fn retain(&self, did: &Did) -> Option<u32> {
        self.known.get(did).map(|known| known.retain)
    }

    /// Notes the mailbox of an agent; false if a newer one is known.
    fn know(&mut self, mailbox: &Mailbox) -> bool {
        let known = Known { retain: mailbox.retain(), issued: mailbox.issued_at() };
        if self.known.get(mailbox.agent()).is_some_and(|before| before.issued > known.issued) {
            return false;
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(*mailbox.agent(), known);
        true
    }
}

/// Makes the stream that keeps mail.
pub(super) async fn make(client: &Client, namespace: &Namespace) -> Result<(), Fault> {
    let age = MAX_MAILBOX_TTL.saturating_add(SKEW).saturating_mul(1_000_000_000);
    let mut config = json!({
        "name": namespace.mail_stream(), "subjects": [namespace.mailboxes()], "retention": "workqueue", "storage": "file",
        "discard": "new", "discard_new_per_subject": true, "max_msgs_per_subject": SHARE, "max_msgs": MOST,
        "max_age": age, "duplicate_window": KNOWN, "deny_delete": true, "deny_purge": true,
    });
    for bytes in MOST_BYTES {
        if let Some(config) = config.as_object_mut() {
            config.insert("max_bytes".to_owned(), json!(bytes));
        }
        if jetstream::make(client, config.clone()).await.is_ok() {
            return Ok(());
        }
    }
    Err(Fault::NoBuckets)
}

/// The mailbox of an agent, if it has one.
pub(super) async fn read(boxes: &Bucket, did: &Did, namespace: &Namespace, now: u64) -> Result<Option<Mailbox>, Fault> {
    let key = Namespace::mailbox_key(did);
    match boxes.read(&key).await {
        Ok(entry) => Ok(entry.and_then(|(text, _)| Mailbox::read_entry(&key, &text, namespace, now, SKEW).ok())),
        Err(Fault::NoBuckets) => Ok(None), // nobody has one
        Err(fault) => Err(fault),
    }
}

impl Link {
    /// The way to all mailboxes.
    pub(super) fn to_mailboxes(&self) -> Option<Route> {
        Some(self.id()?.route(0, 1))
    }

    /// Whether that is the way to all mailboxes.
    pub(super) const fn is_mail(route: Route) -> bool {
        route.generation == 1
    }
}

impl Task {
    /// The mailbox of an agent that is away.
    pub(super) async fn mailbox_of(&self, did: &Did) -> Result<Option<Remote>, Fault> {
        let link = &self.link;
        let Some(mailbox) = read(&self.boxes, did, &link.namespace, link.unix()).await? else { return Ok(None) };
        let route = link.to_mailboxes().filter(|_| lock(&link.post).know(&mailbox));
        let Some(route) = route else { return Ok(None) };
        let remote = Remote { did: *did, route };
        if let (Some(key), Some(node)) = (mailbox.encryption_key(), link.node.upgrade()) {
            node.learn_key(remote, EncryptionKey::from_bytes(*key));
        }
        Ok(Some(remote))
    }

    /// Puts what waits into mailboxes.
    pub(super) async fn post(self) {
        let (link, mut under_way) = (&self.link, JoinSet::new());
        loop {
            tokio::select! {
                () = link.bells.mail.notified() => {}
                Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
            }
            while link.status() == Status::Connected && under_way.len() < UNDER_WAY {
                let Some((parcel, has_room)) = lock(&link.post).next() else { break };
                under_way.spawn(self.clone().post_one(parcel));
                if let (true, Some(route), Some(node)) = (has_room, link.to_mailboxes(), link.node.upgrade()) {
                    node.writable(route);
                }
            }
        }
    }

    /// Has the brokers keep one message, and ends its send.
    async fn post_one(self, parcel: Departure) {
        let link = &self.link;
        let (Some(call), Some(node)) = (parcel.call, link.node.upgrade()) else { return };
        let mut payload = Vec::new();
        if !node.awaits(call) || !write(&parcel, &mut payload) {
            return;
        }
        drop(node);
        let kept = self.keep(call, &parcel, payload).await;
        let Some(node) = link.node.upgrade() else { return };
        match kept {
            Ok(()) => node.kept(call, parcel.to),
            Err((error, true)) => node.refused(call, error),
            Err((error, false)) => node.failed_with(call, error),
        }
    }

    /// Why it is not kept, and whether it may be all the same.
    async fn keep(&self, call: CallId, parcel: &Departure, payload: Vec<u8>) -> Result<(), (Error, bool)> {
        let link = &self.link;
        let subject = link.namespace.mail(&parcel.to, link.identity.as_ref().unwrap_or(&parcel.from));
        let (payload, mut is_unsure) = (hyper::body::Bytes::from(payload), false);
        for attempt in 1..=TRIES {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", HeaderValue::from(call.id.text().as_str()));
            match jetstream::put(&self.client, subject.clone(), headers, payload.clone()).await {
                Ok(answer) => match answer.error {
                    None if answer.seq.is_some() => return Ok(()),
                    Some(refusal) if jetstream::IS_FULL.contains(&refusal.err_code) => return Err((full(), is_unsure)),
                    _ => {}
                },
                Err(Fault::NoBuckets) => {}
                Err(_) => is_unsure = true,
            }
            let is_awaited = link.node.upgrade().is_some_and(|node| node.awaits(call));
            if attempt < TRIES && is_awaited {
                sleep(PAUSE).await;
            }
        }
        Err((unavailable(), is_unsure))
    }
}

fn full() -> Error {
    Error::new(ErrorKind::InboxFull, "the mailbox has no room for more mail of this sender")
        .with_hint("try again when its agent has read some of it")
}

fn unavailable() -> Error {
    Error::new(ErrorKind::BrokerUnavailable, "the broker has not said that it keeps the mail")
        .with_hint("look at the stream of mail; what may have been kept is not to be sent again")
}

#[cfg(test)]
mod tests {
    use xbind::SigningKey;
    use xbind::cluster::MailboxDraft;

    use super::*;

    #[test]
    fn an_older_mailbox_counts_for_nothing_beside_a_newer_one() {
        let (key, namespace) = (SigningKey::from_seed(&[1; 32]), Namespace::parse("main").unwrap());
        let mailbox = |now, retain| {
            let text = MailboxDraft { retain, encryption_key: None, ttl: 100, now }.sign(&key, &namespace).unwrap();
            Mailbox::verify(&text, key.did(), &namespace, now, 30).unwrap()
        };
        let mut post = Post::default();
        assert!(post.know(&mailbox(100, 60)));
        assert!(!post.know(&mailbox(99, 604_800)), "nobody gives it back what its agent has taken from it");
        assert_eq!(post.retain(key.did()), Some(60));
        assert!(post.know(&mailbox(101, 70)));
        assert_eq!(post.retain(key.did()), Some(70));
    }
}
