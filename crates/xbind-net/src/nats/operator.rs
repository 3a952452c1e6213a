//! What an operator says: its stops, and again and again how many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::Client;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use xbind::cluster::{
    Bucket as Kept, HeartbeatDraft, MAX_HEARTBEAT_TTL, Namespace, Stop, StopDraft, Stopped, Stops, Verb,
};
use xbind::{Did, Error, ErrorKind, Result, SigningKey};

use super::bucket::{Bucket, Followed, PATIENCE};
use super::link::{SKEW, lock};
use super::oversight::CAPACITY;
use super::{Fault, Reach, auth};
use crate::thread;

/// Who speaks, and what it has said before.
pub struct Operating {
    /// How the brokers are reached.
    pub reach: Reach,
    /// The operator's key, kept until it is closed.
    pub key: SigningKey,
    /// How long a heartbeat holds, in seconds: 3 to [`MAX_HEARTBEAT_TTL`]. It is renewed after a third of that.
    pub life: u64,
    /// Stops that the owner has kept, beside those that the broker has.
    pub known: Vec<String>,
}

impl fmt::Debug for Operating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operating").field("operator", self.key.did()).finish_non_exhaustive()
    }
}

/// An operator that speaks on a bus, while it is not closed or dropped. Hosts that ask it serve nothing soon after.
#[derive(Debug)]
pub struct Operator {
    desk: Arc<Desk>,
    client: Client,
    tasks: Vec<AbortHandle>,
}

struct Desk {
    namespace: Namespace,
    key: SigningKey,
    life: u64,
    bucket: Bucket,
    book: Mutex<Book>,
    /// There is something to be written.
    bell: Notify,
}

/// What was said, by its key in the bucket.
struct Book {
    stops: Stops,
    said: BTreeMap<String, Said>,
    /// What may not stand there.
    unwritten: BTreeSet<String>,
    /// Who waits until all of it stands there.
    waiting: Vec<oneshot::Sender<()>>,
    seq: u64,
}

struct Said {
    issued: u64,
    text: String,
}

impl Operator {
    /// Begins to speak, once it has read what the broker has of it.
    ///
    /// # Errors
    /// `BROKER_UNAVAILABLE`; `INVALID_CONFIG`, and those of [`Stop::verify`] for what is known.
    pub async fn open(operating: Operating) -> Result<Self> {
        let thread = thread::handle().map_err(|_| Fault::Internal)?;
        thread.spawn(open(operating)).await.map_err(|_| Fault::Internal)?
    }

    /// The same for who cannot wait; `done` is called on the thread of this crate.
    pub fn open_then(operating: Operating, done: impl FnOnce(Result<Self>) + Send + 'static) {
        let Ok(thread) = thread::handle() else { return done(Err(Fault::Internal.into())) };
        thread.spawn(async move { done(open(operating).await) });
    }

    /// Says something of an agent or token. `done` is given the statement, once it stands with the broker and is counted; it is to
    /// be kept, because a broker may forget it.
    pub fn say(
        &self,
        verb: Verb,
        stopped: Stopped,
        reason: Option<&str>,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        let (told, written) = oneshot::channel();
        let said = self.desk.say(verb, stopped, reason, told);
        let Ok(thread) = thread::handle() else { return done(Err(Fault::Internal.into())) };
        thread.spawn(async move {
            done(match (said, timeout(PATIENCE, written).await) {
                (Ok(text), Ok(Ok(()))) => Ok(text),
                (Err(error), _) => Err(error),
                (Ok(_), _) => Err(Error::new(ErrorKind::BrokerUnavailable, "the broker has not taken what was said")
                    .with_hint("it is written as soon as the broker is there, while this operator is open")),
            });
        });
    }

    /// Says nothing any more.
    pub fn close(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        let (client, Ok(thread)) = (self.client.clone(), thread::handle()) else { return };
        thread.spawn(async move { client.drain().await });
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.close();
    }
}

async fn open(operating: Operating) -> Result<Operator> {
    let Operating { reach, key, life, known } = operating;
    if !(3..=MAX_HEARTBEAT_TTL).contains(&life) {
        return Err(Error::new(ErrorKind::InvalidConfig, "a heartbeat holds 3 to 60 s"));
    }
    let (own, host) = auth::fresh_key()?;
    let options = auth::options(key.duplicate(), own, host, reach.namespace.clone());
    let client = reach.dial(options, &host, unbounded_channel().0).await?;
    let bucket = Bucket::new(&client, Kept::Stops, &reach.namespace, host);
    bucket.make().await?;
    let stops = Stops::new(reach.namespace.clone(), &[*key.did()], CAPACITY, SKEW);
    let (said, unwritten) = (BTreeMap::new(), BTreeSet::new());
    let book = Mutex::new(Book { stops, said, unwritten, waiting: Vec::new(), seq: 0 });
    let desk = Arc::new(Desk { namespace: reach.namespace, key, life, bucket, book, bell: Notify::new() });
    for text in &known {
        desk.take(text, now())?;
    }
    let (whole, mut is_whole) = watch::channel(false);
    let tasks = vec![
        tokio::spawn(desk.clone().read(whole)).abort_handle(),
        tokio::spawn(desk.clone().write(is_whole.clone())).abort_handle(),
    ];
    let operator = Operator { desk, client, tasks };
    let read = timeout(PATIENCE, is_whole.wait_for(|is_whole| *is_whole)).await;
    if matches!(read, Ok(Ok(_))) { Ok(operator) } else { Err(Fault::Unavailable.into()) }
}

impl Desk {
    fn say(&self, verb: Verb, stopped: Stopped, reason: Option<&str>, told: oneshot::Sender<()>) -> Result<String> {
        let key = Namespace::stop_key(self.key.did(), &stopped);
        let mut book = lock(&self.book);
        // Of two words in one second the second would not count.
        let after = book.said.get(&key).map_or(0, |said| said.issued.saturating_add(1));
        let draft = StopDraft { verb, stopped, since: None, reason, now: now().max(after) };
        let text = draft.sign(&self.key, &self.namespace)?;
        drop(book.take(&text, now(), &self.namespace, self.key.did())?);
        book.unwritten.insert(key);
        book.waiting.push(told);
        self.bell.notify_one();
        Ok(text)
    }

    fn take(&self, text: &str, now: u64) -> Result<()> {
        let mut book = lock(&self.book);
        if let Some(key) = book.take(text, now, &self.namespace, self.key.did())? {
            book.unwritten.insert(key);
        }
        Ok(())
    }

    /// Reads what stands in the bucket: another process may speak for the operator, and anybody may have written there.
    async fn read(self: Arc<Self>, whole: watch::Sender<bool>) {
        let (again, mut seen) = (Notify::new(), BTreeSet::new());
        let beat = Namespace::heartbeat_key(self.key.did());
        let own = |key: &str| key.starts_with(beat.trim_end_matches("beat")) && *key != beat;
        let each = |followed: Followed<'_>| {
            let mut book = lock(&self.book);
            match followed {
                Followed::Begun => seen.clear(),
                Followed::Entry(entry) if own(entry.key) => {
                    let (key, text) = (entry.key, entry.text().unwrap_or_default());
                    let _ = book.take(text, now(), &self.namespace, self.key.did());
                    if book.said.get(key).is_some_and(|said| said.text == *text) {
                        seen.insert(key.to_owned());
                        book.unwritten.remove(key);
                    } else if book.said.contains_key(key) {
                        book.unwritten.insert(key.to_owned());
                    }
                }
                Followed::Entry(..) => return,
                Followed::Whole => {
                    let missing: Vec<_> = book.said.keys().filter(|key| !seen.contains(*key)).cloned().collect();
                    book.unwritten.extend(missing);
                    whole.send_replace(true);
                }
            }
            if !book.unwritten.is_empty() {
                self.bell.notify_one();
            }
        };
        self.bucket.follow(&again, each).await;
    }

    /// Writes what does not stand there, and then that this is all.
    async fn write(self: Arc<Self>, mut is_whole: watch::Receiver<bool>) {
        let _ = is_whole.wait_for(|is_whole| *is_whole).await;
        let third = Duration::from_millis(self.life.saturating_mul(1000)).checked_div(3).unwrap_or_default();
        loop {
            if self.write_all().await.is_err() {
                tokio::time::sleep(super::tasks::PAUSE).await;
                continue;
            }
            let _ = timeout(third, self.bell.notified()).await;
        }
    }

    async fn write_all(&self) -> std::result::Result<(), Fault> {
        loop {
            let next = {
                let book = lock(&self.book);
                let key = book.unwritten.first();
                key.and_then(|key| Some((key.clone(), book.said.get(key)?.text.clone())))
            };
            let Some((key, text)) = next else { break };
            self.bucket.put(&key, text.clone().into(), None).await?;
            let mut book = lock(&self.book);
            if book.said.get(&key).is_none_or(|said| said.text == text) {
                book.unwritten.remove(&key);
            }
        }
        let (beat, waiting) = self.beat().map_err(|_| Fault::Internal)?;
        self.bucket.put(&Namespace::heartbeat_key(self.key.did()), beat.into(), None).await?;
        waiting.into_iter().for_each(|told| told.send(()).unwrap_or_default());
        Ok(())
    }

    fn beat(&self) -> Result<(String, Vec<oneshot::Sender<()>>)> {
        let mut book = lock(&self.book);
        let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        book.seq = book.seq.saturating_add(1).max(u64::try_from(milliseconds).unwrap_or(u64::MAX));
        let (count, set) = book.stops.tally(self.key.did()).ok_or(Fault::Internal)?;
        let draft = HeartbeatDraft { seq: book.seq, count, set, ttl: self.life, now: now() };
        Ok((draft.sign(&self.key, &self.namespace)?, std::mem::take(&mut book.waiting)))
    }
}

impl Book {
    /// Takes in a stop of the operator's own; the key under which it belongs, if it says something new.
    fn take(&mut self, text: &str, now: u64, namespace: &Namespace, own: &Did) -> Result<Option<String>> {
        let stop = Stop::verify(text, namespace, &[*own], now, SKEW)?;
        let (key, issued) = (stop.key(), stop.issued_at());
        let is_new = self.stops.take(text, now)?.is_some();
        if is_new {
            self.said.insert(key.clone(), Said { issued, text: text.to_owned() });
        }
        Ok(is_new.then_some(key))
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("operator", self.key.did()).finish_non_exhaustive()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
