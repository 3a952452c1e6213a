//! Mailboxes of agents here: each says, signed, that it has one, and takes what is in it when it is asked for messages.
//!
//! First mail is opened, then noted where every process of its agent looks, then handed on, then acknowledged. Nothing is taken out
//! before somebody asks for messages, so what a process can lose that dies is what it was about to read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::header::HeaderMap;
use async_nats::{Message, StatusCode, Subscriber};
use hyper::body::Bytes;
use serde_json::json;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use xbind::cluster::{MailboxDraft, Namespace};
use xbind::message::MAX_MAIL_TTL;
use xbind::{Did, Error, ErrorKind, MessageId, Result};
use xbind_runtime::Mail;

use super::bucket::PATIENCE;
use super::link::{Link, SKEW, lock};
use super::tasks::{PAUSE, Task, next};
use super::{Fault, jetstream, mail};
use crate::agents::Frames;

/// How many messages are taken out ahead of who reads them.
const AHEAD: usize = 16;
/// How long the brokers hold a question for mail, and when it is asked anew.
const HELD: Duration = Duration::from_secs(20);
/// How long the brokers wait to hear of what they have handed out, in nanoseconds; and what cannot be opened yet waits.
const ACK_WAIT: u64 = 60_000_000_000;
const LATER: &str = r#"-NAK {"delay":1000000000}"#;
/// How often a mailbox is signed anew at least.
const RENEWED: Duration = Duration::from_secs(3600);
/// How often is looked whether an agent has shown its key.
const POLLED: Duration = Duration::from_millis(20);
/// For how long longer than mail its note is kept: clocks of brokers differ, too.
const MARGIN: u64 = 60;

/// The mailboxes of agents here.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    own: HashMap<Did, Own>,
    /// One opening or closing of a mailbox at a time, in their order.
    turns: HashMap<Did, Arc<Turn>>,
    /// How often the connection was lost.
    lost: u64,
}

type Turn = tokio::sync::Mutex<()>;

#[derive(Debug, Default)]
struct Own {
    retain: u32,
    /// How many messages the agent was asked for that its inbox does not have.
    wanted: usize,
    bell: Arc<Notify>,
    /// What reads it, while its agent is here; how often it was opened.
    task: Option<AbortHandle>,
    opened: u32,
}

impl Mailboxes {
    /// Whether that agent has one, also while it is away.
    pub(super) fn has(&self, did: &Did) -> bool {
        self.own.contains_key(did)
    }

    fn turn(&mut self, did: &Did) -> Arc<Turn> {
        self.turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        self.turns.entry(*did).or_default().clone()
    }

    /// An agent is asked for messages.
    pub(super) fn wants(&mut self, did: &Did, messages: usize) {
        let Some(own) = self.own.get_mut(did) else { return };
        own.wanted = own.wanted.max(messages.min(AHEAD));
        own.bell.notify_one();
    }

    /// There is another connection: what was asked over the one before is forgotten.
    pub(super) fn reconnected(&mut self) {
        self.lost = self.lost.wrapping_add(1);
        self.again();
    }

    /// Agents have come or gone.
    pub(super) fn again(&self) {
        self.own.values().for_each(|own| own.bell.notify_one());
    }

    /// Ends all of them.
    pub(super) fn close(&mut self) {
        self.own.drain().filter_map(|(_, own)| own.task).for_each(|task| task.abort());
    }

    /// Its agent has gone; false if it has come again.
    fn leave(&mut self, did: &Did, opened: u32) -> bool {
        let Some(own) = self.own.get_mut(did) else { return true };
        let is_over = own.opened == opened;
        if is_over {
            own.task = None;
        }
        is_over
    }

    fn took(&mut self, did: &Did) {
        if let Some(own) = self.own.get_mut(did) {
            own.wanted = own.wanted.saturating_sub(1);
        }
    }

    fn wanted(&self, did: &Did) -> usize {
        self.own.get(did).map_or(0, |own| own.wanted)
    }
}

/// What became of mail.
enum Fate {
    /// It was handed on, or never will be.
    Done,
    /// It may be opened later.
    Later,
}

impl Task {
    /// Opens the mailbox of an agent here, or closes it where nothing is to be kept.
    pub(super) async fn mailbox(&self, did: Did, retain: u32) -> Result<()> {
        let link = &self.link;
        if link.identity.is_some_and(|identity| identity != did) {
            let why = "the servers keep mail only for the identity that connects";
            return Err(Error::new(ErrorKind::InvalidConfig, why).with_hint("connect with the agent's identity"));
        }
        if retain > MAX_MAIL_TTL {
            return Err(Error::new(ErrorKind::InvalidConfig, "mail is kept for 1 to 604800 s"));
        }
        let turn = lock(&link.mailboxes).turn(&did);
        let _turn = turn.lock().await;
        let key = Namespace::mailbox_key(&did);
        if retain == 0 {
            let own = lock(&link.mailboxes).own.remove(&did);
            own.and_then(|own| own.task).inspect(AbortHandle::abort);
            return Ok(self.boxes.remove(&key, Bytes::new()).await?);
        }
        self.is_listed(&did).await?;
        if link.is_open() {
            self.boxes.make().await?;
            self.seen.make().await?;
            mail::make(&self.client, &link.namespace).await?;
        }
        self.make_consumer(&did).await?;
        self.write_mailbox(&did, retain).await?;
        let mut mailboxes = lock(&link.mailboxes);
        let own = mailboxes.own.entry(did).or_default();
        (own.retain, own.opened) = (retain, own.opened.wrapping_add(1));
        if own.task.is_none() {
            own.wanted = 1; // somebody may have asked for messages before
            own.task = Some(tokio::spawn(self.clone().read_mailbox(did, own.bell.clone())).abort_handle());
        }
        Ok(())
    }

    /// Waits for an agent that is about to show its key.
    async fn is_listed(&self, did: &Did) -> Result<()> {
        let begun = Instant::now();
        loop {
            let known = self.link.node.upgrade().ok_or(Fault::Internal)?.mail_key(did);
            match known {
                Err(error) if error.kind() == ErrorKind::AgentClosed && begun.elapsed() < PATIENCE => {
                    sleep(POLLED).await;
                }
                known => return known.map(drop),
            }
        }
    }

    async fn make_consumer(&self, did: &Did) -> std::result::Result<(), Fault> {
        let (stream, name) = (self.link.namespace.mail_stream(), Namespace::mailbox_key(did));
        let filter = self.link.namespace.mailbox(did);
        let config = json!({ "stream_name": stream, "config": {
            "name": name, "durable_name": name, "filter_subject": filter, "deliver_policy": "all",
            "ack_policy": "explicit", "ack_wait": ACK_WAIT, "replay_policy": "instant",
        }});
        let what = format!("CONSUMER.CREATE.{stream}.{name}.{filter}");
        let answer = jetstream::ask(&self.client, &what, config.to_string()).await?;
        if answer.error.is_some() { Err(Fault::NoBuckets) } else { Ok(()) }
    }

    /// Has an agent sign that it has a mailbox, and writes it.
    async fn write_mailbox(&self, did: &Did, retain: u32) -> Result<()> {
        let link = &self.link;
        let node = link.node.upgrade().ok_or(Fault::Internal)?;
        let encryption_key = node.mail_key(did)?.map(|key| *key.as_bytes());
        // As long as mail is kept nothing need be heard of the agent.
        let (ttl, now) = (u64::from(retain), node.time().unix());
        let unsigned = MailboxDraft { retain, encryption_key, ttl, now }.unsigned(did, &link.namespace)?;
        for _ in 0..3 {
            let (told, signed) = oneshot::channel();
            node.state(did, unsigned.clone(), move |text| drop(told.send(text)));
            // One that asks for another statement meanwhile comes first.
            let Ok(Ok(Some(text))) = timeout(PATIENCE, signed).await else {
                sleep(PAUSE).await;
                continue;
            };
            let life = Duration::from_secs(ttl.saturating_add(SKEW));
            return Ok(self.boxes.put(&Namespace::mailbox_key(did), text.into(), Some(life)).await?);
        }
        Err(Error::new(ErrorKind::SignFailed, "the agent has not signed that it has a mailbox"))
    }

    /// Reads a mailbox while its agent is here.
    async fn read_mailbox(self, did: Did, bell: Arc<Notify>) {
        let link = self.link.clone();
        let inbox = self.client.new_inbox();
        let Ok(mut messages) = self.client.subscribe(inbox.clone()).await else { return };
        let mut written = Instant::now();
        loop {
            let known = lock(&link.mailboxes).own.get(&did).map(|own| (own.retain, own.opened));
            let Some((retain, opened)) = known else { return };
            let is_here = link.node.upgrade().is_some_and(|node| node.mail_key(&did).is_ok());
            if !is_here && lock(&link.mailboxes).leave(&did, opened) {
                return;
            }
            let renewed = RENEWED.min(Duration::from_secs(u64::from(retain)).checked_div(4).unwrap_or(RENEWED));
            if written.elapsed() >= renewed && self.write_mailbox(&did, retain).await.is_ok() {
                written = Instant::now();
            }
            if lock(&link.mailboxes).wanted(&did) == 0 {
                let _ = timeout(renewed.max(PAUSE), bell.notified()).await;
                continue;
            }
            if self.read_some(&did, &inbox, &mut messages, &bell).await.is_err() {
                sleep(PAUSE).await;
                // Brokers that have begun anew know of no mailbox.
                if link.is_open() && mail::make(&self.client, &link.namespace).await.is_ok() {
                    let _ = (self.boxes.make().await, self.seen.make().await);
                }
                if self.make_consumer(&did).await.is_ok() && self.write_mailbox(&did, retain).await.is_ok() {
                    written = Instant::now();
                }
            }
        }
    }

    /// Asks for as much as is wanted, and takes what comes.
    async fn read_some(
        &self,
        did: &Did,
        inbox: &str,
        messages: &mut Subscriber,
        bell: &Notify,
    ) -> std::result::Result<(), Fault> {
        let (stream, name) = (self.link.namespace.mail_stream(), Namespace::mailbox_key(did));
        let mut left = lock(&self.link.mailboxes).wanted(did);
        let question = json!({ "batch": left, "expires": u64::try_from(HELD.as_nanos()).unwrap_or(u64::MAX) });
        let what = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
        let asked = self.client.publish_with_reply(what, inbox.to_owned(), question.to_string().into()).await;
        asked.map_err(|_| Fault::Unavailable)?;
        let (asked, lost) = (Instant::now(), lock(&self.link.mailboxes).lost);
        while left > 0 {
            let wait = HELD.saturating_add(PATIENCE).saturating_sub(asked.elapsed());
            let message = tokio::select! {
                message = timeout(wait, next(messages)) => message,
                () = bell.notified() => {
                    let is_here = self.link.node.upgrade().is_some_and(|node| node.mail_key(did).is_ok());
                    if is_here && lock(&self.link.mailboxes).lost == lost {
                        continue;
                    }
                    return Ok(());
                }
            };
            let message = message.map_err(|_| Fault::Unavailable)?.ok_or(Fault::Unavailable)?;
            match message.status {
                None => {}
                Some(StatusCode::NO_RESPONDERS) => return Err(Fault::Unavailable),
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => return Ok(()),
                Some(status) if status.as_u16() == 100 => continue,
                Some(_) => return Err(Fault::Unavailable), // its consumer was taken away, or has another leader
            }
            left = left.saturating_sub(1);
            match self.take_mail(did, &message).await {
                Fate::Done => self.acknowledge(&message, "+ACK").await,
                Fate::Later => self.acknowledge(&message, LATER).await,
            }
        }
        Ok(())
    }

    async fn take_mail(&self, did: &Did, message: &Message) -> Fate {
        let link = &self.link;
        let Some(node) = link.node.upgrade() else { return Fate::Later };
        let (mut frames, mut arrivals) = (Frames::for_node(&node), Vec::new());
        let is_whole = frames.read(&message.payload, &mut arrivals).is_ok() && frames.end().is_ok();
        let arrival = arrivals.pop().filter(|arrival| is_whole && arrivals.is_empty() && arrival.to == *did);
        let Some(arrival) = arrival else { return Fate::Done };
        let opened = node.open_mail(arrival, SKEW);
        let now = node.time().unix();
        drop(node);
        match opened {
            Ok(mail) => self.note(did, mail, now, message).await,
            Err(error) if may_open_later(error.kind()) => Fate::Later,
            Err(_) => Fate::Done,
        }
    }

    /// Notes mail, and hands it on if nobody has noted it before.
    async fn note(&self, did: &Did, mail: Mail, now: u64, message: &Message) -> Fate {
        let mut id = [0; 16];
        if xbind_runtime::random(&mut id).is_err() {
            mail.give_back();
            return Fate::Later;
        }
        let (key, id) = (Namespace::seen_key(did, mail.from(), mail.id()), MessageId::from_bytes(id).text());
        let until = mail.expires_at().saturating_add(SKEW).saturating_add(MARGIN);
        let life = Duration::from_secs(until.saturating_sub(now).max(1));
        loop {
            match self.seen.note(&key, id.as_str(), life).await {
                Ok(true) => {
                    lock(&self.link.mailboxes).took(did);
                    mail.hand_on();
                    return Fate::Done;
                }
                Ok(false) => return Fate::Done, // another process has accepted it, or this one before it ended
                // It may be noted by now: whoever gave it back would not know his own note again.
                Err(_) => {
                    self.answer(message, "+WPI").await;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Tells the brokers, and waits until they have heard it.
    async fn acknowledge(&self, message: &Message, word: &str) {
        let Some(reply) = place(message) else { return };
        if word == "+ACK" {
            let heard = self.client.request(reply, Bytes::copy_from_slice(word.as_bytes()));
            let _ = timeout(PATIENCE, heard).await; // what they have not heard they hand out again, and it is known
        } else {
            self.answer(message, word).await;
        }
    }

    async fn answer(&self, message: &Message, word: &str) {
        let Some(reply) = place(message) else { return };
        let _ =
            self.client.publish_with_headers(reply, HeaderMap::new(), Bytes::copy_from_slice(word.as_bytes())).await;
    }
}

fn place(message: &Message) -> Option<String> {
    message.reply.as_deref().filter(|reply| reply.starts_with("$JS.ACK.")).map(str::to_owned)
}

const fn may_open_later(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::RevocationUnknown
            | ErrorKind::ReplayWindowFull
            | ErrorKind::InboxFull
            | ErrorKind::AgentClosed
            | ErrorKind::MessageNotYetValid
            | ErrorKind::AuditFailed
            | ErrorKind::Internal
    )
}

impl Link {
    /// Whether an agent here keeps its name while it is away.
    pub(super) fn has_mailbox(&self, did: &Did) -> bool {
        lock(&self.mailboxes).has(did)
    }
}
