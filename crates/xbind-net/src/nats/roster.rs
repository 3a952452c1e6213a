//! The presence of the agents here: signed by each, written where others read it, and renewed while they are there. What nothing
//! has changed for costs nothing until it is due.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use xbind::Did;
use xbind::cluster::{MAX_FRAME_BYTES, MIN_FRAME_BYTES, Namespace, PresenceDraft};

use super::bucket::Bucket;
use super::due::{Due, Place};
use super::link::{Link, lock};
use super::tasks::UNDER_WAY;

/// The life of a presence in seconds, how old it is when it is renewed, and how long an agent's key may take to sign it.
const TTL: u64 = 30;
const RENEWED: u64 = 10;
const PATIENCE: u64 = 5;

/// Agents here, by their DID.
#[derive(Debug, Default)]
pub(super) struct Roster {
    all: HashMap<Did, Own>,
    /// When they are looked at: in seconds since the epoch.
    due: Due<u64, Did>,
    looked: u64,
    /// Whose presence is to be written.
    unwritten: HashSet<Did>,
    /// Who has gone, until the broker knows.
    leaving: HashSet<Did>,
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
    /// Since when it is not here any more.
    gone: Option<u64>,
    due: Option<Place<u64>>,
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
        let here = self.all.iter().filter(|(_, own)| own.gone.is_none() && own.text.is_some());
        self.unwritten.extend(here.map(|(did, _)| *did));
    }

    /// An agent is to be looked at soon.
    pub(super) fn look(&mut self, did: &Did) {
        self.put(did, 0);
    }

    fn put(&mut self, did: &Did, at: u64) {
        let Some(own) = self.all.get_mut(did) else { return };
        own.due.take().into_iter().for_each(|place| self.due.take(place));
        own.due = Some(self.due.put(at, *did));
    }

    /// Notes who is here.
    fn note(&mut self, here: &[(Did, Option<String>)], now: u64) {
        let dids: HashSet<&Did> = here.iter().map(|(did, _)| did).collect();
        for did in &dids {
            if !self.is_here(did) {
                self.drop_own(did);
                self.leaving.remove(*did);
                self.all.insert(**did, Own::default());
                self.put(did, 0);
            }
        }
        let left = self.all.iter().filter(|(did, own)| own.gone.is_none() && !dids.contains(*did));
        let left: Vec<Did> = left.map(|(did, _)| *did).collect();
        for did in left {
            self.unwritten.remove(&did);
            let own = self.all.entry(did).or_default();
            own.gone = Some(now);
            if own.text.is_some() {
                self.leaving.insert(did);
            }
            self.put(&did, now.saturating_add(TTL));
        }
    }

    fn drop_own(&mut self, did: &Did) {
        let gone = self.all.remove(did).and_then(|own| own.due);
        gone.into_iter().for_each(|place| self.due.take(place));
    }

    /// Some of those who are to be looked at now: everybody, where the clock has gone back.
    fn due(&mut self, now: u64) -> Vec<Did> {
        if now < self.looked {
            let all: Vec<Did> = self.all.keys().copied().collect();
            all.iter().for_each(|did| self.put(did, 0));
        }
        self.looked = now;
        let mut due = Vec::new();
        while due.len() < UNDER_WAY
            && let Some(did) = self.due.next(now)
        {
            let Some(own) = self.all.get_mut(&did) else { continue };
            own.due = None;
            match own.gone {
                None => due.push(did),
                Some(gone) if now.abs_diff(gone) < TTL => self.put(&did, gone.saturating_add(TTL)),
                Some(_) => self.drop_own(&did),
            }
        }
        due
    }

    /// What is to be written, of those who are here.
    fn unwritten(&mut self, now: u64) -> Vec<(Did, String)> {
        let all = std::mem::take(&mut self.unwritten);
        let fresh = |did: Did| Some((did, self.all.get(&did)?.fresh(now)?.clone()));
        all.into_iter().filter_map(fresh).collect()
    }

    /// It could not be written.
    fn is_unwritten(&mut self, did: &Did) {
        if self.is_here(did) {
            self.unwritten.insert(*did);
        }
    }

    pub(super) fn leaving(&self) -> Vec<Did> {
        self.leaving.iter().copied().collect()
    }

    /// The broker knows that it has gone.
    pub(super) fn has_left(&mut self, did: &Did) {
        self.leaving.remove(did);
    }

    /// Nobody is here any more.
    pub(super) fn end(&mut self, now: u64) {
        self.note(&[], now);
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
        {
            let mut roster = lock(&self.roster);
            let Some(own) = roster.all.get_mut(did).filter(|own| own.gone.is_none()) else { return };
            let is_new = own.text.is_some() && Some(&own.name) == name.as_ref() && now.abs_diff(own.issued) < RENEWED;
            let asked = own.asked.filter(|asked| now.abs_diff(*asked) < PATIENCE);
            let again = match (&name, is_new, asked) {
                (None, ..) => Some(now.saturating_add(1)), // it is being claimed
                (_, true, _) => Some(own.issued.saturating_add(RENEWED)),
                (.., Some(asked)) => Some(asked.saturating_add(PATIENCE)),
                _ => None,
            };
            if again.is_none() {
                own.asked = Some(now);
            }
            roster.put(did, again.unwrap_or_else(|| now.saturating_add(PATIENCE)));
            if again.is_some() {
                return;
            }
        }
        let name = name.flatten();
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

    /// Brings the bucket up to date with who is here, if that has changed, and with what is due. False if it could not be.
    pub(super) async fn write_roster(self: &Arc<Self>, agents: &Bucket, names: &Bucket) -> bool {
        let Some(node) = self.node.upgrade() else { return true };
        let now = node.time().unix();
        if self.changed.swap(false, Ordering::AcqRel) {
            let here = node.agents();
            lock(&self.roster).note(&here, now);
            lock(&self.claims).note(&here, Instant::now());
            self.bells.names.notify_one();
        }
        drop(node);
        let due = lock(&self.roster).due(now);
        due.iter().for_each(|did| self.freshen(did));
        if due.len() >= UNDER_WAY {
            self.bells.agents.notify_one(); // there is more
        }
        let (mut under_way, mut is_well) = (JoinSet::new(), true);
        let mut unwritten = lock(&self.roster).unwritten(now).into_iter();
        loop {
            while under_way.len() < UNDER_WAY
                && is_well
                && let Some((did, text)) = unwritten.next()
            {
                let (key, agents) = (Namespace::presence_key(&self.host, &did), agents.clone());
                let life = Some(Duration::from_secs(TTL));
                under_way.spawn(async move { (did, agents.put(&key, text.into(), life).await.is_ok()) });
            }
            let Some(written) = under_way.join_next().await else { break };
            if let Ok((did, false)) = written {
                is_well = false;
                lock(&self.roster).is_unwritten(&did);
            }
        }
        unwritten.for_each(|(did, _)| lock(&self.roster).is_unwritten(&did));
        self.say_left(agents, names).await && is_well
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
            (own.name, own.text, own.issued, own.asked) = (name, text, now, None);
            if own.gone.is_none() {
                roster.unwritten.insert(*did);
                roster.put(did, 0); // it may be called something else by now
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn did(seed: u8) -> Did {
        *xbind::SigningKey::from_seed(&[seed; 32]).did()
    }

    #[test]
    fn who_is_here_is_looked_at_when_it_is_due_and_everybody_when_the_clock_goes_back() {
        let (mut roster, here) = (Roster::default(), [1, 2, 3].map(|seed| (did(seed), None)));
        roster.note(&here, 100);
        assert_eq!(roster.due(100).len(), 3, "who has just come");
        (1..=3).for_each(|seed| roster.put(&did(seed), 110));
        roster.note(&here, 101);
        assert_eq!(roster.due(109), [], "nothing has changed");
        roster.look(&did(2));
        assert_eq!(roster.due(109), [did(2)]);
        assert_eq!(roster.due(110).len(), 2);
        (1..=3).for_each(|seed| roster.put(&did(seed), 120));
        assert_eq!((roster.due(50).len(), roster.due(50).len()), (3, 0));
    }

    #[test]
    fn who_has_gone_is_said_until_it_was_heard_and_is_nobody_new_when_it_comes_again() {
        let mut roster = Roster::default();
        let here = [(did(1), None), (did(2), None)];
        roster.note(&here, 100);
        roster.all.get_mut(&did(1)).unwrap().text = Some("signed".to_owned());
        roster.note(&[], 100);
        assert_eq!(roster.leaving(), [did(1)], "nobody has heard of the other one");
        assert!(!roster.is_here(&did(1)) && roster.all.contains_key(&did(1)));
        roster.note(&here[..1], 101);
        assert!(roster.leaving().is_empty() && roster.is_here(&did(1)));
        roster.all.get_mut(&did(1)).unwrap().text = Some("signed".to_owned());
        roster.end(102);
        roster.has_left(&did(1));
        assert!(roster.leaving().is_empty());
        roster.due(102 + TTL);
        assert!(roster.all.is_empty() && roster.due.first().is_none());
    }
}
