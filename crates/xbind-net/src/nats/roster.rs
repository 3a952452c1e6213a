//! The presence of the agents here: signed by each, written where others read it, and renewed while they are there.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use xbind::Did;
use xbind::cluster::{MAX_FRAME_BYTES, MIN_FRAME_BYTES, Namespace, PresenceDraft};

use super::bucket::Bucket;
use super::envelope;
use super::link::{Link, lock};

/// The life of a presence in seconds, how old it is when it is renewed, and how long an agent's key may take to sign it.
const TTL: u64 = 30;
const RENEWED: u64 = 10;
const PATIENCE: u64 = 5;

/// Agents here, by their DID.
#[derive(Debug, Default)]
pub(super) struct Roster {
    all: HashMap<Did, Own>,
}

#[derive(Debug, Default)]
struct Own {
    /// What it is called, as it was signed last.
    name: Option<String>,
    /// As it was signed last.
    text: Option<String>,
    issued: u64,
    /// When its key was asked to sign, unless it has answered.
    asked: Option<u64>,
    /// It stands in the bucket.
    is_written: bool,
    /// Since when it is not here any more.
    gone: Option<u64>,
}

impl Own {
    fn fresh(&self, now: u64) -> Option<&String> {
        self.text.as_ref().filter(|_| now < self.issued.saturating_add(TTL))
    }
}

impl Roster {
    /// Whether that agent is here.
    pub(super) fn is_here(&self, did: &Did) -> bool {
        self.all.get(did).is_some_and(|own| own.gone.is_none())
    }

    /// Nothing that was written stands any more, as far as is known.
    pub(super) fn write_again(&mut self) {
        self.all.values_mut().for_each(|own| own.is_written = false);
    }
}

impl Link {
    /// Whether the presence of an agent here can be shown, or need not be, since it has left.
    pub(super) fn can_be_introduced(&self, did: &Did) -> bool {
        let now = self.unix();
        let roster = lock(&self.roster);
        roster.all.get(did).is_some_and(|own| own.gone.is_some() || own.fresh(now).is_some())
    }

    /// The presence of an agent here, to be shown to who may not know it.
    pub(super) fn presence_of(&self, did: &Did) -> Option<String> {
        let now = self.unix();
        lock(&self.roster).all.get(did).filter(|own| own.gone.is_none())?.fresh(now).cloned()
    }

    /// Has an agent here sign a presence, unless there is a new one or its key was asked just now.
    pub(super) fn freshen(self: &Arc<Self>, did: &Did) {
        let Some(node) = self.node.upgrade() else { return };
        let now = node.time().unix();
        let name = lock(&self.claims).name_of(did, Instant::now());
        let Some(name) = name else { return }; // it is being claimed
        {
            let mut roster = lock(&self.roster);
            let own = roster.all.entry(*did).or_default();
            let is_new = own.text.is_some() && own.name == name && now.abs_diff(own.issued) < RENEWED;
            let is_asked = own.asked.is_some_and(|asked| now.abs_diff(asked) < PATIENCE);
            if is_new || is_asked || own.gone.is_some() {
                return;
            }
            own.asked = Some(now);
        }
        let frame = u64::try_from(self.frame()).unwrap_or(u64::MAX).clamp(MIN_FRAME_BYTES, MAX_FRAME_BYTES);
        let unsigned = node.own_session(did).and_then(|session| {
            let encryption_key = node.own_key().map(|key| *key.as_bytes());
            let (name, capabilities) = (name.as_deref(), &[][..]);
            let draft = PresenceDraft {
                name,
                session,
                host: self.host,
                encryption_key,
                max_frame: frame,
                capabilities,
                ttl: TTL,
                now,
            };
            draft.unsigned(did, &self.namespace).ok()
        });
        let (link, did) = (Arc::downgrade(self), *did);
        match unsigned {
            Some(unsigned) => node.state(&did, unsigned, move |text| signed(&link, &did, text, name, now)),
            None => signed(&link, &did, None, name, now),
        }
    }

    /// Brings the bucket up to date with who is here. False if it could not be.
    pub(super) async fn write_roster(self: &Arc<Self>, bucket: &Bucket, names: &Bucket) -> bool {
        let Some(node) = self.node.upgrade() else { return true };
        // The newest agent of a DID is the one that is called.
        let here: HashMap<Did, Option<String>> = node.agents().into_iter().collect();
        let now = node.time().unix();
        drop(node);
        let gone = self.note(&here, now);
        let released = lock(&self.claims).note(&here, Instant::now());
        self.release(names, released).await;
        self.bells.names.notify_one();
        self.bells.named.notify_waiters();
        for did in gone {
            self.say_left(bucket, &did).await;
        }
        for did in here.keys() {
            self.freshen(did);
            let unwritten =
                lock(&self.roster).all.get(did).filter(|own| !own.is_written).and_then(|own| own.fresh(now).cloned());
            let Some(text) = unwritten else { continue };
            let key = Namespace::presence_key(&self.host, did);
            if bucket.put(&key, text.clone().into(), Some(Duration::from_secs(TTL))).await.is_err() {
                return false;
            }
            if let Some(own) = lock(&self.roster).all.get_mut(did) {
                own.is_written = own.text.as_ref() == Some(&text);
            }
        }
        true
    }

    async fn say_left(&self, agents: &Bucket, did: &Did) {
        let key = Namespace::presence_key(&self.host, did);
        let left = envelope::of_leave(&self.key, &self.namespace, &key, self.unix());
        agents.remove(&key, left.into()).await;
    }

    /// Notes who is here; those who are not any more.
    fn note(&self, here: &HashMap<Did, Option<String>>, now: u64) -> Vec<Did> {
        let mut roster = lock(&self.roster);
        for did in here.keys() {
            let own = roster.all.entry(*did).or_default();
            if own.gone.is_some() {
                *own = Own::default();
            }
        }
        roster.all.retain(|_, own| own.gone.is_none_or(|gone| now.abs_diff(gone) < TTL));
        let left = roster.all.iter_mut().filter(|(did, own)| own.gone.is_none() && !here.contains_key(*did));
        left.map(|(did, own)| {
            own.gone = Some(now);
            *did
        })
        .collect()
    }

    /// Takes everybody out of the buckets.
    pub(super) async fn leave(&self, agents: &Bucket, names: &Bucket) {
        let written: Vec<Did> = lock(&self.roster).all.drain().map(|(did, _)| did).collect();
        for did in written {
            self.say_left(agents, &did).await;
        }
        let released = lock(&self.claims).note(&HashMap::new(), Instant::now());
        self.release(names, released).await;
    }
}

/// An agent has signed its presence, or could not. Calls nobody.
fn signed(link: &Weak<Link>, did: &Did, text: Option<String>, name: Option<String>, now: u64) {
    let Some(link) = link.upgrade() else { return };
    let is_signed = text.is_some();
    {
        let mut roster = lock(&link.roster);
        let Some(own) = roster.all.get_mut(did).filter(|own| own.asked == Some(now)) else { return };
        // One that could not is asked again later.
        if is_signed {
            *own = Own { name, text, issued: now, gone: own.gone, ..Own::default() };
        }
    }
    if is_signed {
        let mut lanes = lock(&link.lanes);
        lanes.introduce_again(Some(did));
        lanes.wake();
        drop(lanes);
        link.bells.agents.notify_one();
    } else {
        lock(&link.unsigned).push(*did);
    }
    link.bells.send.notify_one();
}
