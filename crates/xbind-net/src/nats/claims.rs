//! Names: the broker keeps the first claim of each, signed by its agent, and whoever calls by name asks it whose it is. A holder
//! that has gone is waited for; then the next may have the name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};
use xbind::cluster::{NameDraft, NameRecord, Namespace};
use xbind::{Did, Error, ErrorKind, Result};
use xbind_runtime::transport::Resolved;

use super::bucket::{Bucket, PATIENCE};
use super::link::{Link, SKEW, lock};
use super::tasks::{PAUSE, Task};
use super::{Fault, Status, mail};

/// How soon somebody tries again whose name is another's, and how often a holder looks whether it still is.
const RETRY: Duration = Duration::from_secs(10);
const CHECKED: Duration = Duration::from_secs(60);
/// Names that are remembered with their holders.
const MAX_KNOWN: usize = 65_536;
/// How often a name is asked for again that somebody says he has, and that has not come to all brokers yet; and how soon.
const ASKED: usize = 20;
const PAUSE_ASKED: Duration = Duration::from_millis(50);

/// The names of agents here, and whose others are.
#[derive(Debug, Default)]
pub(super) struct Claims {
    own: HashMap<Did, Claim>,
    /// Who had a name when it was asked for: it stays his while he is there.
    known: HashMap<Box<str>, Did>,
    absences: Absences,
}

#[derive(Debug)]
struct Claim {
    name: String,
    text: Option<String>,
    is_asked: bool,
    begun: Instant,
    standing: Standing,
    /// Where it stands, while it is held.
    seq: Option<u64>,
    due: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Held,
    Taken(Did),
}

/// Since when holders are not there, by what is seen here, and by the place of their claims.
#[derive(Debug, Default)]
pub(super) struct Absences(HashMap<u64, Instant>);

impl Absences {
    /// Whether the holder by that claim is gone for so long.
    pub(super) fn is_over(&mut self, claim: u64, is_there: bool, now: Instant, kept: Duration) -> bool {
        if is_there {
            self.0.remove(&claim);
            return false;
        }
        let since = *self.0.entry(claim).or_insert(now);
        now.saturating_duration_since(since) >= kept
    }

    pub(super) fn forget(&mut self, claim: u64) {
        self.0.remove(&claim);
    }
}

impl Claims {
    /// Notes who is here; the claims that are held by those who are not any more, and where they stand.
    pub(super) fn note(&mut self, here: &HashMap<Did, Option<String>>, now: Instant) -> Vec<(Did, u64)> {
        let is_here = |did: &Did, claim: &Claim| here.get(did).is_some_and(|name| name.as_ref() == Some(&claim.name));
        let gone = self.own.extract_if(|did, claim| !is_here(did, claim));
        let gone = gone.filter_map(|(did, claim)| Some((did, claim.seq?))).collect();
        for (did, name) in here {
            let Some(name) = name else { continue };
            self.own.entry(*did).or_insert_with(|| Claim {
                name: name.clone(),
                text: None,
                is_asked: false,
                begun: now,
                standing: Standing::Open,
                seq: None,
                due: now,
            });
        }
        gone
    }

    /// What was claimed may not stand any more: the broker may have begun anew.
    pub(super) fn check_again(&mut self, now: Instant) {
        self.own.values_mut().for_each(|claim| claim.due = now);
    }

    /// What an agent here may say that it is called; none while that is not known yet.
    pub(super) fn name_of(&self, did: &Did, now: Instant) -> Option<Option<String>> {
        let Some(claim) = self.own.get(did) else { return Some(None) };
        match claim.standing {
            Standing::Held => Some(Some(claim.name.clone())),
            Standing::Open if now.saturating_duration_since(claim.begun) < PATIENCE => None,
            Standing::Open | Standing::Taken(_) => Some(None),
        }
    }

    /// Whose a name is, as far as it is known and no question is needed.
    pub(super) fn holder(&self, name: &str) -> Option<Did> {
        let own = self.own.iter().find(|(_, claim)| claim.standing == Standing::Held && claim.name == name);
        own.map(|(did, _)| *did).or_else(|| self.known.get(name).copied())
    }

    fn know(&mut self, name: &str, did: Did) {
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(name.into(), did);
    }

    fn next_due(&self) -> Option<Instant> {
        self.own.values().filter(|claim| claim.text.is_some() || !claim.is_asked).map(|claim| claim.due).min()
    }

    fn due(&mut self, now: Instant) -> Vec<(Did, String, Option<String>)> {
        let due =
            self.own.iter_mut().filter(|(_, claim)| claim.due <= now && (claim.text.is_some() || !claim.is_asked));
        due.map(|(did, claim)| (*did, claim.name.clone(), claim.text.clone())).collect()
    }
}

impl Link {
    /// Claims the names of agents here, one after the other, for good.
    pub(super) async fn claim(self: Arc<Self>, task: Task, place: Receiver<Option<u64>>) {
        loop {
            let next = lock(&self.claims).next_due();
            let wait = next.map_or(CHECKED, |due| due.saturating_duration_since(Instant::now()));
            let _ = timeout(wait, self.bells.names.notified()).await;
            if self.status() != Status::Connected {
                sleep(PAUSE).await;
                continue;
            }
            let due = lock(&self.claims).due(Instant::now());
            for (did, name, text) in due {
                let (standing, again) = match text {
                    None => {
                        self.sign_claim(&did, &name);
                        continue;
                    }
                    Some(text) => match self.claim_one(&task, &place, &did, &name, text).await {
                        Ok(Standing::Taken(holder)) => (Some(Standing::Taken(holder)), RETRY.min(self.names_kept)),
                        Ok(standing) => (Some(standing), CHECKED),
                        Err(_) => (None, PAUSE),
                    },
                };
                self.stands(&did, &name, standing, again);
            }
        }
    }

    fn sign_claim(self: &Arc<Self>, did: &Did, name: &str) {
        let Some(node) = self.node.upgrade() else { return };
        let draft = NameDraft { name, now: node.time().unix() };
        let Ok(unsigned) = draft.unsigned(did, &self.namespace) else { return };
        if let Some(claim) = lock(&self.claims).own.get_mut(did) {
            claim.is_asked = true;
        }
        let (link, did, name) = (Arc::downgrade(self), *did, name.to_owned());
        node.state(&did.clone(), unsigned, move |text| {
            let Some(link) = link.upgrade() else { return };
            if let Some(claim) = lock(&link.claims).own.get_mut(&did).filter(|claim| claim.name == name) {
                let pause = if text.is_none() { RETRY } else { Duration::ZERO };
                claim.due = Instant::now().checked_add(pause).unwrap_or_else(Instant::now);
                (claim.text, claim.is_asked) = (text, false);
            }
            link.bells.names.notify_one();
        });
    }

    /// The server keeps the first; what stands there says whose it is.
    async fn claim_one(
        &self,
        task: &Task,
        place: &Receiver<Option<u64>>,
        did: &Did,
        name: &str,
        text: String,
    ) -> std::result::Result<Standing, Fault> {
        let Task { names, agents, boxes, .. } = task;
        let key = Namespace::name_key(name).ok_or(Fault::Internal)?;
        let held = |seq| {
            if let Some(claim) = lock(&self.claims).own.get_mut(did) {
                claim.seq = Some(seq);
            }
            Ok(Standing::Held)
        };
        if let Some(seq) = names.create(&key, text.into()).await? {
            return held(seq);
        }
        let (holder, seq) = self.read_name(names, &key).await?.ok_or(Fault::Unavailable)?;
        if holder == Some(*did) {
            return held(seq);
        }
        // What nobody has signed keeps the name no longer than somebody who has gone.
        let is_there = holder.is_some_and(|holder| self.is_there(&holder));
        let is_over = lock(&self.claims).absences.is_over(seq, is_there, Instant::now(), self.names_kept);
        let has_mailbox = async |holder| Ok(mail::read(boxes, &holder, &self.namespace, self.unix()).await?.is_some());
        let is_away = match holder.filter(|_| is_over) {
            Some(holder) => has_mailbox(holder).await?,
            None => false,
        };
        if is_over && !is_away && self.may_free(agents, place).await? {
            if names.delete(seq).await.is_err() {
                lock(&self.claims).absences.forget(seq); // another one may, and does
            }
            return Err(Fault::Unavailable); // it is claimed again at once
        }
        Ok(Standing::Taken(holder.unwrap_or(*did)))
    }

    /// Whether all that the broker knows of who is there has come.
    async fn may_free(&self, agents: &Bucket, place: &Receiver<Option<u64>>) -> std::result::Result<bool, Fault> {
        let end = agents.end().await?;
        Ok(place.borrow().is_some_and(|place| place >= end))
    }

    /// Gives names back that agents here had, unless another process speaks for them. Where statements let in, the callout sees
    /// that they have left.
    pub(super) async fn release(&self, names: &Bucket, gone: Vec<(Did, u64)>) {
        for (did, seq) in gone.into_iter().filter(|_| self.is_open()) {
            if !self.is_there(&did) && !self.has_mailbox(&did) {
                names.give_up(seq, &self.namespace).await;
            }
        }
    }

    /// Whether an agent is here, or known to be elsewhere.
    pub(super) fn is_there(&self, did: &Did) -> bool {
        lock(&self.roster).is_here(did) || lock(&self.directory).has(did, self.unix())
    }

    fn stands(&self, did: &Did, name: &str, standing: Option<Standing>, again: Duration) {
        let now = Instant::now();
        let is_new = {
            let mut claims = lock(&self.claims);
            let Some(claim) = claims.own.get_mut(did).filter(|claim| claim.name == name) else { return };
            claim.due = now.checked_add(again).unwrap_or(now);
            let before = claim.standing;
            claim.standing = standing.unwrap_or(before);
            claim.seq = claim.seq.filter(|_| claim.standing == Standing::Held);
            claim.standing != before
        };
        if is_new {
            self.bells.agents.notify_one(); // what is said of it is signed anew
            self.bells.named.notify_waiters();
        }
    }

    /// Waits until it is known whether an agent here has its name.
    pub(super) async fn named(&self, did: &Did) -> Result<()> {
        let standing = async {
            loop {
                let told = self.bells.named.notified();
                let claims = lock(&self.claims).own.get(did).map(|claim| (claim.name.clone(), claim.standing));
                match claims {
                    Some((_, Standing::Open)) | None => told.await,
                    Some(known) => return known,
                }
            }
        };
        match timeout(PATIENCE, standing).await {
            Ok((name, Standing::Taken(holder))) => {
                let why = format!("the name {name} belongs to {holder}");
                Err(Error::new(ErrorKind::NameTaken, why).with_hint("choose another name, or be called by DID"))
            }
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(ErrorKind::BrokerUnavailable, "whose the name is could not be found out")),
        }
    }

    /// Whose claim stands under that key, if it is one, and where.
    async fn read_name(&self, names: &Bucket, key: &str) -> std::result::Result<Option<(Option<Did>, u64)>, Fault> {
        let Some((text, seq)) = names.read(key).await? else { return Ok(None) };
        let record = NameRecord::read_entry(key, &text, &self.namespace, self.unix(), SKEW);
        Ok(Some((record.ok().map(|record| *record.agent()), seq)))
    }

    /// That DID and no other has the name.
    pub(super) fn answer_name(&self, did: &Did, done: Resolved) {
        let found = self.find_did(did);
        self.learn_from(&found);
        let remotes: Vec<_> = found.into_iter().map(|(remote, _)| remote).collect();
        done.belongs(did, &remotes);
    }
}

impl Task {
    /// Asks the broker whose a name is, and answers.
    pub(super) async fn ask_name(&self, name: &str, done: Resolved) {
        let link = &self.link;
        let held = lock(&link.claims).holder(name);
        if let Some(did) = held.filter(|did| link.is_there(did)) {
            return link.answer_name(&did, done);
        }
        let Some(key) = Namespace::name_key(name) else { return done.found(&[]) };
        for _ in 0..ASKED {
            match link.read_name(&self.names, &key).await {
                Ok(Some((Some(did), _))) => {
                    lock(&link.claims).know(name, did);
                    return self.answer_holder(&did, done).await;
                }
                // Somebody says that he has it: the claim may not have come to all brokers yet.
                Ok(None) if !lock(&link.directory).named(name).is_empty() => sleep(PAUSE_ASKED).await,
                Ok(_) => break,
                Err(_) => return done.failed(ErrorKind::BrokerUnavailable),
            }
        }
        done.found(&[]);
    }

    /// Whoever has the name may be away.
    async fn answer_holder(&self, did: &Did, done: Resolved) {
        if self.link.is_there(did) {
            return self.link.answer_name(did, done);
        }
        match self.mailbox_of(did).await {
            Ok(mailbox) => done.belongs(did, mailbox.as_slice()),
            Err(_) => done.failed(ErrorKind::BrokerUnavailable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_gone_keeps_a_name_for_its_time_and_no_longer() {
        let (mut absences, now, kept) = (Absences::default(), Instant::now(), Duration::from_secs(60));
        let later = |seconds| now.checked_add(Duration::from_secs(seconds)).unwrap();
        assert!(!absences.is_over(1, true, now, kept));
        assert!(!absences.is_over(1, false, later(100), kept), "it was there a moment ago");
        assert!(!absences.is_over(1, false, later(159), kept));
        assert!(!absences.is_over(2, false, later(159), kept), "each claim for itself");
        assert!(absences.is_over(1, false, later(160), kept));
        assert!(!absences.is_over(1, true, later(161), kept), "it has come back");
        assert!(!absences.is_over(1, false, later(200), kept), "and is waited for as long again");
    }
}
