//! Names: the broker keeps the first claim of each, signed by its agent, and whoever calls by name asks it whose it is. A holder
//! that has gone is waited for; then the next may have the name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use xbind::cluster::{NameDraft, NameRecord, Namespace};
use xbind::{Did, Error, ErrorKind, Result};
use xbind_runtime::transport::Resolved;

use super::bucket::{Bucket, PATIENCE};
use super::claims::{Standing, Step};
use super::link::{Link, SKEW, lock};
use super::tasks::{PAUSE, Task, UNDER_WAY};
use super::{Fault, Status, mail};

/// How soon somebody tries again whose name is another's, and how often a holder looks whether it still is.
const RETRY: Duration = Duration::from_secs(10);
const CHECKED: Duration = Duration::from_secs(60);
/// How often a name is asked for again that somebody says he has, and that has not come to all brokers yet; and how soon.
const ASKED: usize = 20;
const PAUSE_ASKED: Duration = Duration::from_millis(50);

impl Link {
    /// Claims the names of agents here, for good.
    pub(super) async fn claim(self: Arc<Self>, task: Task, place: Receiver<Option<u64>>) {
        let mut under_way = JoinSet::new();
        loop {
            let next = lock(&self.claims).next_due().filter(|_| under_way.len() < UNDER_WAY);
            let wait = next.map_or(CHECKED, |due| due.saturating_duration_since(Instant::now()));
            tokio::select! {
                _ = timeout(wait, self.bells.names.notified()) => {}
                Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
            }
            if self.status() != Status::Connected {
                sleep(PAUSE).await;
                continue;
            }
            while under_way.len() < UNDER_WAY {
                let next = lock(&self.claims).next(Instant::now());
                match next {
                    Some(Step::Sign(did, name)) => self.sign_claim(&did, &name),
                    Some(Step::Ask(did, name, text)) => {
                        let (link, task, place) = (self.clone(), task.clone(), place.clone());
                        under_way.spawn(async move { link.claim_one(&task, &place, &did, &name, text).await });
                    }
                    None => break,
                }
            }
        }
    }

    /// What was claimed may not stand any more: the broker may have begun anew.
    pub(super) fn check_claims(&self) {
        lock(&self.claims).check_again(Instant::now());
        self.bells.names.notify_one();
    }

    fn sign_claim(self: &Arc<Self>, did: &Did, name: &str) {
        let Some(node) = self.node.upgrade() else { return };
        let draft = NameDraft { name, now: node.time().unix() };
        let Ok(unsigned) = draft.unsigned(did, &self.namespace) else { return };
        let (link, did, name) = (Arc::downgrade(self), *did, name.to_owned());
        node.state(&did.clone(), unsigned, move |text| {
            let Some(link) = link.upgrade() else { return };
            let pause = if text.is_none() { RETRY } else { Duration::ZERO };
            let again = Instant::now().checked_add(pause).unwrap_or_else(Instant::now);
            lock(&link.claims).signed(&did, &name, text, again);
            link.bells.names.notify_one();
        });
    }

    async fn claim_one(&self, task: &Task, place: &Receiver<Option<u64>>, did: &Did, name: &str, text: String) {
        let (standing, again) = match self.try_claim(task, place, did, name, text).await {
            Ok(Standing::Taken(holder)) => (Some(Standing::Taken(holder)), RETRY.min(self.names_kept)),
            Ok(standing) => (Some(standing), CHECKED),
            Err(_) => (None, PAUSE),
        };
        let again = Instant::now().checked_add(again).unwrap_or_else(Instant::now);
        if lock(&self.claims).stands(did, name, standing, again) {
            lock(&self.roster).look(did); // what is said of it is signed anew
            self.bells.agents.notify_one();
        }
    }

    /// The server keeps the first; what stands there says whose it is.
    async fn try_claim(
        &self,
        task: &Task,
        place: &Receiver<Option<u64>>,
        did: &Did,
        name: &str,
        text: String,
    ) -> std::result::Result<Standing, Fault> {
        let Task { names, agents, boxes, .. } = task;
        let key = Namespace::name_key(name).ok_or(Fault::Internal)?;
        if let Some(seq) = names.create(&key, text.into()).await? {
            return Ok(Standing::Held(seq));
        }
        let (holder, seq) = self.read_name(names, &key).await?.ok_or(Fault::Unavailable)?;
        if holder == Some(*did) {
            return Ok(Standing::Held(seq));
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

    /// Whether an agent is here, or known to be elsewhere.
    pub(super) fn is_there(&self, did: &Did) -> bool {
        lock(&self.roster).is_here(did) || lock(&self.directory).has(did, self.unix())
    }

    /// Waits until it is known whether an agent here has its name.
    pub(super) async fn named(&self, did: &Did) -> Result<()> {
        let standing = async {
            loop {
                let standing = lock(&self.claims).standing(did);
                match standing {
                    Ok(known) => return known,
                    Err(told) => drop(told.await),
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
    pub(super) async fn read_name(
        &self,
        names: &Bucket,
        key: &str,
    ) -> std::result::Result<Option<(Option<Did>, u64)>, Fault> {
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
