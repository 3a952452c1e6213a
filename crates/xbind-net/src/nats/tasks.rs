//! What runs on the thread of this crate for one connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::{Client, Message, StatusCode, Subscriber};
use hyper::body::Bytes;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::Stream;
use xbind::cluster::{NKey, Presence, Role};
use xbind::{Did, ErrorKind, VerifyingKey};

use super::bucket::{Bucket, Entry, PATIENCE, SILENCE};
use super::directory::Away;
use super::envelope::{self, Envelope, HEAD, MESSAGE_HEAD};
use super::link::{Link, SKEW, lock};
use super::sent::Item;
use super::{Fault, Status};
use crate::agents::Frames;

/// How often a host says that it is there.
const BEAT: Duration = Duration::from_secs(1);
/// How often is looked who is silent.
const TICK: Duration = Duration::from_millis(500);
/// How often those are forgotten whose word is too old; it leads nowhere before.
const LOOKED: Duration = Duration::from_secs(10);
/// One NATS message holds about so many bytes of messages; a larger message goes alone.
const BATCH: usize = 256 << 10;
/// What the broker is asked for at once.
pub(super) const UNDER_WAY: usize = 64;
/// How long is waited before the broker is asked again for what it could not do.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// What one of them needs.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) link: Arc<Link>,
    pub(super) client: Client,
    pub(super) agents: Bucket,
    pub(super) names: Bucket,
    pub(super) boxes: Bucket,
    pub(super) seen: Bucket,
}

/// The next message of a subscription; none once it has ended.
pub(super) async fn next(messages: &mut Subscriber) -> Option<Message> {
    std::future::poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await
}

impl Task {
    /// Sends what waits.
    pub(super) async fn send(self) {
        let Ok(mut number) = first_number() else { return };
        let link = &self.link;
        loop {
            link.bells.send.notified().await;
            let over = std::mem::take(&mut *lock(&link.over));
            for route in over.into_iter().filter_map(|path| link.route(path)) {
                if let Some(node) = link.node.upgrade() {
                    node.gone(route);
                }
            }
            let unsigned = std::mem::take(&mut *lock(&link.unsigned));
            for did in unsigned.into_iter().filter(|did| !link.can_be_introduced(did)) {
                let unsent = lock(&link.lanes).drop_sender(&did);
                if let Some(node) = link.node.upgrade() {
                    unsent
                        .iter()
                        .filter_map(|parcel| parcel.call)
                        .for_each(|call| node.failed(call, ErrorKind::SignFailed));
                }
            }
            self.send_again(&mut number).await;
            while link.status() == Status::Connected
                && let Some(more) = self.send_next(&mut number).await
            {
                if let (Some(route), Some(node)) = (more, link.node.upgrade()) {
                    node.writable(route);
                }
            }
        }
    }

    /// Sends again what a connection may have lost, and what hosts that are back may want.
    async fn send_again(&self, number: &mut u64) {
        let link = &self.link;
        if link.again.swap(false, Ordering::AcqRel) {
            let again = lock(&link.sent).again();
            for (number, item) in again {
                self.publish(number, &item).await;
            }
        }
        let back = std::mem::take(&mut *lock(&link.back));
        for path in back {
            let items = lock(&link.sent).heard(path);
            for item in items {
                *number = number.wrapping_add(1);
                self.publish(*number, &item).await;
                lock(&link.sent).push(*number, item, Instant::now());
            }
        }
    }

    /// False if the connection has ended for good.
    async fn publish(&self, number: u64, item: &Item) -> bool {
        let link = &self.link;
        let host = lock(&link.directory).host_of(item.path);
        let Some(host) = host else { return true };
        let reply = format!("{}n.{number}", link.namespace.replies(&link.host));
        self.client.publish_with_reply(link.namespace.inbox(&host), reply, item.payload.clone()).await.is_ok()
    }

    /// Sends the next batch; none if there is none, and the route that has room again.
    async fn send_next(&self, number: &mut u64) -> Option<Option<xbind_runtime::transport::Route>> {
        let link = &self.link;
        let longest = |path| {
            let theirs = lock(&link.directory).frame(path).unwrap_or(usize::MAX);
            theirs.min(link.frame()).min(BATCH).saturating_sub(HEAD)
        };
        let is_present = |did: &Did| link.can_be_introduced(did);
        let batch = lock(&link.lanes).next(MESSAGE_HEAD, longest, is_present)?;
        batch.absent.iter().for_each(|did| link.freshen(did));
        let host = lock(&link.directory).host_of(batch.path);
        let node = link.node.upgrade()?;
        let Some(host) = host.filter(|_| !batch.messages.is_empty()) else { return Some(None) };
        let inbox = link.namespace.inbox(&host);
        for did in &batch.new {
            if let Some(presence) = link.presence_of(did) {
                let introduced = envelope::of_presence(&link.host, &link.key, &presence);
                let _ = self.client.publish(inbox.clone(), introduced.into()).await;
            }
        }
        let mut bytes = envelope::of_messages(&link.host);
        let mut calls = Vec::new();
        let mut has_words = false;
        for message in batch.messages {
            // What waited while the connection was away may have been given up.
            if message.call.is_some_and(|call| !node.awaits(call)) || !envelope::push(&mut bytes, &message) {
                continue;
            }
            has_words |= message.call.is_none();
            calls.extend(message.call);
        }
        let room = link.route(batch.path).filter(|_| batch.writable);
        if bytes.len() == HEAD {
            return Some(room);
        }
        *number = number.wrapping_add(1);
        let item = Item { path: batch.path, calls, has_words, payload: bytes.into() };
        lock(&link.sent).push(*number, item.clone(), Instant::now());
        if !self.publish(*number, &item).await {
            item.calls.iter().for_each(|call| node.lost(*call, ErrorKind::AgentClosed));
        }
        Some(room)
    }

    /// Takes what other hosts send.
    pub(super) async fn receive(self, mut inbox: Subscriber) {
        while let Some(message) = next(&mut inbox).await {
            self.take(&message);
        }
    }

    fn take(&self, message: &Message) {
        let link = &self.link;
        let Some(node) = link.node.upgrade() else { return };
        let known = |host: &str| lock(&link.directory).host_called(host);
        match envelope::read(&message.payload, Frames::for_node(&node), known) {
            Some(Envelope::Messages(host, arrivals)) => {
                link.heard(&host);
                let path = lock(&link.directory).path_to(&host);
                // Whoever has introduced nobody is answered nothing.
                if let Some(way) = path.and_then(|path| link.way(host, path)) {
                    node.deliver(arrivals, way);
                }
            }
            Some(Envelope::Presence(host, text)) => {
                let presence = Presence::verify(text, None, &link.namespace, link.unix(), SKEW);
                if let Ok(presence) = presence
                    && *presence.host() == host
                {
                    link.learn(&presence);
                    link.heard(&host);
                }
            }
            Some(Envelope::Knock) | None => {}
        }
    }

    /// Hears of messages that nobody listened for.
    pub(super) async fn undelivered(self, mut replies: Subscriber) {
        while let Some(message) = next(&mut replies).await {
            let link = &self.link;
            let is_nobody = message.status == Some(StatusCode::NO_RESPONDERS);
            let number = message.subject.rsplit('.').next().and_then(|number| number.parse().ok());
            let sent = number.filter(|_| is_nobody).and_then(|number| lock(&link.sent).take(number));
            let (Some(item), Some(node)) = (sent, link.node.upgrade()) else { continue };
            let host = lock(&link.directory).host_of(item.path);
            let Some(host) = host else { continue };
            let away = lock(&link.directory).away(&host, Instant::now());
            if away != Away::Expected {
                // The broker says so, and nobody has signed it.
                item.calls.iter().for_each(|call| node.lost(*call, ErrorKind::AgentNotFound));
            }
            if away == Away::Gone {
                link.drop_host(&host);
            } else if away == Away::Expected || item.has_words {
                lock(&link.sent).keep(item); // it may be connecting again, and somebody waits there
            }
        }
    }

    /// Hears that other hosts are there.
    pub(super) async fn beats(self, mut beats: Subscriber) {
        while let Some(message) = next(&mut beats).await {
            let host = message.subject.rsplit('.').nth(1).and_then(|key| NKey::parse(Role::User, key).ok());
            if let Some(host) = host.filter(|host| *host != self.link.host) {
                self.link.heard(&host);
            }
        }
    }

    /// Says that this host is there, asks those that are silent, and keeps presences fresh.
    pub(super) async fn time(self) {
        let link = &self.link;
        let (mut ticks, mut number, mut last) = (interval(TICK), 0_u64, Instant::now());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut beaten, mut looked): (Option<Instant>, _) = (None, last);
        let own = link.namespace.beat(&link.host);
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let was_away = now.saturating_duration_since(last) > BEAT.saturating_mul(2);
            last = now;
            if link.status() != Status::Connected || was_away {
                lock(&link.directory).hear_all(now); // it is this process that has heard nothing
                continue;
            }
            link.set_frame(self.client.server_info().max_payload);
            if beaten.is_none_or(|at| now.saturating_duration_since(at) >= BEAT) {
                beaten = Some(now);
                link.bells.agents.notify_one();
                if self.client.publish(own.clone(), Bytes::new()).await.is_err() {
                    link.bells.close.notify_one(); // the connection has ended for good
                }
            }
            let (silent, gone) = lock(&link.directory).silent(now);
            gone.iter().for_each(|host| link.drop_host(host));
            for host in silent {
                let Some(path) = lock(&link.directory).path_to(&host) else { continue };
                number = number.wrapping_add(1);
                let knock = u64::from(u32::MAX).wrapping_add(number);
                let item = Item { path, calls: Vec::new(), has_words: false, payload: Bytes::new() };
                self.publish(knock, &item).await;
                lock(&link.sent).push(knock, item, now);
            }
            if now.saturating_duration_since(looked) >= LOOKED {
                looked = now;
                lock(&link.directory).expire(link.unix());
            }
        }
    }

    /// Writes who is here.
    pub(super) async fn write(self) {
        loop {
            self.link.bells.agents.notified().await;
            if self.link.status() == Status::Connected && !self.link.write_roster(&self.agents, &self.names).await {
                sleep(PAUSE).await;
                self.link.bells.agents.notify_one();
            }
        }
    }

    /// Follows who is elsewhere, and says how far it has come.
    pub(super) async fn watch(self, place: Sender<Option<u64>>) {
        let mut known = (self.agents.make().await.ok(), self.names.make().await.ok());
        loop {
            let _ = self.watch_once(&place).await;
            sleep(PAUSE).await;
            let (Ok(agents), Ok(names)) = (self.agents.make().await, self.names.make().await) else { continue };
            // A broker that has begun anew knows nothing.
            if known.0.is_none_or(|known| agents.is_new(&known)) {
                lock(&self.link.roster).write_again();
            }
            if known.1.is_none_or(|known| names.is_new(&known)) {
                self.link.check_claims();
            }
            known = (Some(agents), Some(names));
            self.link.bells.agents.notify_one();
        }
    }

    async fn watch_once(&self, place: &Sender<Option<u64>>) -> Result<(), Fault> {
        let link = &self.link;
        let mut watch = self.agents.watch().await?;
        let mut is_whole = watch.count == 0;
        let mut at = watch.seq;
        loop {
            if is_whole {
                place.send_replace(Some(at));
            }
            let message = tokio::select! {
                message = timeout(SILENCE, next(&mut watch.messages)) => message,
                () = link.bells.watch.notified(), if is_whole => return Ok(()),
            };
            let message = message.map_err(|_| Fault::Unavailable)?.ok_or(Fault::Unavailable)?;
            let Some(entry) = self.agents.entry(&mut watch, &message)? else { continue };
            at = at.max(entry.seq);
            self.seen(&entry);
            is_whole |= entry.left == 0 || watch.taken >= watch.count;
        }
    }

    /// Takes in what stands under that key, unless it is of this host. Whatever is neither a presence nor the word of its host
    /// somebody else wrote; and who has run out is known without being told.
    fn seen(&self, entry: &Entry<'_>) {
        let link = &self.link;
        let Some((host, agent)) = entry.key.split_once('.').filter(|(host, _)| *host != link.host.as_str()) else {
            return;
        };
        let read = |text| Presence::read_entry(entry.key, text, &link.namespace, link.unix(), SKEW).ok();
        if let Some(presence) = entry.text().and_then(read) {
            return link.learn(&presence);
        }
        let keys = NKey::parse(Role::User, host).ok().zip(xbind::cluster::token::did(agent));
        let (Some((host, did)), Some(left)) = (keys, entry.removed) else { return };
        if let Some(at) = envelope::read_leave(&host, &link.namespace, entry.key, left) {
            lock(&link.directory).leave(&host, &did, at);
        }
    }

    /// Asks the broker whether it knows of more agents than have come here, before it is said that there is nobody.
    pub(super) async fn missed(self, mut place: Receiver<Option<u64>>) {
        let link = &self.link;
        loop {
            link.bells.missed.notified().await;
            let questions = std::mem::take(&mut *lock(&link.missed));
            if questions.is_empty() {
                continue;
            }
            let caught_up = timeout(PATIENCE, async {
                let end = self.agents.end().await.ok()?;
                place.wait_for(|place| place.is_some_and(|place| place >= end)).await.ok().map(|_| ())
            });
            let is_known = link.status() == Status::Connected && matches!(caught_up.await, Ok(Some(())));
            for (to, done) in questions {
                if is_known && !to.starts_with("did:") {
                    self.ask_name(&to, done).await;
                    continue;
                }
                let found = link.find(&to);
                let did = VerifyingKey::from_did(&to).ok().filter(|_| is_known && found.is_empty());
                match did {
                    Some(key) => match self.mailbox_of(key.did()).await {
                        Ok(mailbox) => done.found(mailbox.as_slice()),
                        Err(_) => done.failed(ErrorKind::BrokerUnavailable),
                    },
                    None if !found.is_empty() => link.answer(&found, done),
                    None => done.failed(ErrorKind::BrokerUnavailable),
                }
            }
        }
    }
}

/// Nobody else can tell how the numbers of NATS messages go on.
fn first_number() -> xbind::Result<u64> {
    let mut bytes = [0; 8];
    xbind_runtime::random(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}
