//! What must not be lost: what is reserved and spent, what counts once, and the record of each request. A request goes on only
//! once the disk has its reservation; what it has used follows, together with its record, a moment after it has ended.

mod record;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use xbind::{Did, MessageId};
use xbind_runtime::{AuditLog, Durability, LogOptions};
use xbind_server::{Change, Fault, Passphrase, Store, fault, files, keys};

use crate::api::Api;
use crate::budget::{self, Account, Charge, Entry, Exhausted, KEEP, Orphan, Reservation};
use crate::caller::Once;
use crate::config::Config;
use crate::problem::{Kind, Problem, Result};
use crate::usage::Usage;

const KEY: &str = "gateway.key";
const LOG: &str = "audit.jsonl";
/// A file of the log that is longer is continued in the next.
const MAX_LOG_BYTES: u64 = 1 << 30;
/// How long what has ended gathers before it is written: whoever begins meanwhile does not wait for it.
const GATHER: Duration = Duration::from_millis(20);
/// The most that is written at once.
const BATCH: usize = 1024;
/// How often a write that failed is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long somebody waits who is refused, until that is on record, and how many do.
const PATIENCE: Duration = Duration::from_secs(5);
const WAITING: usize = 4096;

/// Shared by all requests.
pub(crate) struct Books {
    store: Arc<Store<Problem>>,
    audit: Arc<AuditLog>,
    /// Who this gateway is.
    did: Did,
    /// What is told and not written is no more than could begin: as long as something cannot be written, nothing is reserved.
    ended: Mutex<Option<mpsc::UnboundedSender<Ended>>>,
    writing: Mutex<Option<tokio::task::JoinHandle<()>>>,
    /// Why what has ended cannot be written now.
    stuck: Arc<RwLock<Option<Problem>>>,
    refusing: Arc<Semaphore>,
}

/// What is on record of a request: all of it is known when it begins, but for how it ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) time: u64,
    /// Who acts: a DID, if it is one.
    pub(crate) agent: String,
    /// On whose behalf, from the issuer on.
    pub(crate) chain: Vec<String>,
    pub(crate) root: String,
    pub(crate) token: String,
    /// What proved it.
    pub(crate) proof: String,
    pub(crate) api: Api,
    pub(crate) model: String,
    /// Of the body, in base64url.
    pub(crate) request: String,
    /// W3C trace id, if the caller has told one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}

/// What was used, if anybody has told.
pub(crate) type Used = Option<(Usage, Charge)>;

/// What requests have used that are on record, by their ids.
type Before = std::collections::HashMap<String, Used>;

/// How a request ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    /// Of the answer; 0 if there was none.
    pub(crate) status: u16,
    /// Who answered.
    pub(crate) upstream: Option<String>,
    /// What the upstream told; nothing was used where it refused.
    pub(crate) used: Used,
    /// Of the bytes that were passed on, in base64url.
    pub(crate) answer: Option<String>,
    /// Why it was refused, or broke off.
    pub(crate) code: Option<String>,
}

/// A request that goes on. However it ends, that is written when this is dropped, and its record with it: what cannot be written
/// now is later, and what a gateway that is killed has not written stays reserved.
pub(crate) struct Open {
    books: Arc<Books>,
    id: MessageId,
    about: About,
    most: Charge,
    /// How it ends, as far as that is known.
    pub(crate) end: End,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self { id, about, most, end, .. } = self;
        self.books.tell(Ended {
            id: *id,
            about: about.clone(),
            end: std::mem::take(end),
            most: Some(*most),
            told: None,
        });
    }
}

struct Ended {
    id: MessageId,
    about: About,
    end: End,
    /// None for one for which nothing was reserved.
    most: Option<Charge>,
    told: Option<(oneshot::Sender<Result<()>>, OwnedSemaphorePermit)>,
}

impl Books {
    /// Opens what is there. Requests of an earlier run that have no end are charged all that was reserved, and put on record.
    ///
    /// # Errors
    /// A directory, log or database that cannot be used.
    pub(crate) fn open(config: &Config) -> std::result::Result<Self, Fault> {
        let directory = &config.data;
        files::directory(directory)?;
        files::file(directory, &directory.join(LOG))?;
        let beside = config.database.parent().filter(|folder| !folder.as_os_str().is_empty());
        files::file(beside.unwrap_or_else(|| Path::new(".")), &config.database)?;
        let key = keys::open(directory, &directory.join(KEY), config.passphrase.as_ref().map(Passphrase::text))?;
        let did = *key.did();
        let options = LogOptions { durability: Durability::Always, max_file_bytes: MAX_LOG_BYTES, first: None };
        let log = directory.join(LOG);
        let (audit, _) =
            AuditLog::open_with(&log, key, options).map_err(|error| fault(format!("{}: {error}", log.display())))?;
        let store = match Store::open(&config.database, audit.clone(), budget::migrate) {
            Ok(store) => Arc::new(store),
            Err(fault) => {
                drop(audit.close()); // whoever tries again at once finds nobody here
                return Err(fault);
            }
        };
        let books = Self {
            store,
            audit,
            did,
            ended: Mutex::default(),
            writing: Mutex::default(),
            stuck: Arc::default(),
            refusing: Arc::new(Semaphore::new(WAITING)),
        };
        books
            .settle_orphans()
            .map_err(|problem| fault(problem.cause().unwrap_or_else(|| problem.detail()).to_owned()))?;
        Ok(books)
    }

    /// Begins to write what ends, on the runtime that is entered.
    pub(crate) fn begin(&self) {
        let (tell, told) = mpsc::unbounded_channel();
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
        let writing = tokio::spawn(write(self.store.clone(), self.audit.clone(), self.did, self.stuck.clone(), told));
        *self.writing.lock().unwrap_or_else(PoisonError::into_inner) = Some(writing);
    }

    /// Who this gateway is.
    pub(crate) const fn did(&self) -> &Did {
        &self.did
    }

    /// Reserves the most that a request can cost. When this returns, the disk has it, and nothing of the request counts again.
    ///
    /// # Errors
    /// `budget-exhausted`, `replayed`, `busy`.
    pub(crate) async fn open_account(
        self: &Arc<Self>,
        id: MessageId,
        about: About,
        (accounts, most): (Vec<Account>, Charge),
        once: Vec<Once>,
    ) -> Result<std::result::Result<Open, Exhausted>> {
        self.is_written()?;
        let what = serde_json::to_string(&about).map_err(|error| Problem::internal().because(error))?;
        let (owner, now) = (self.did, about.time);
        let change = move |change: &mut Change<'_>| {
            for once in &once {
                budget::claim(change.db(), &once.claim, once.until)?;
            }
            let id = id.text();
            let (owner, accounts) = (owner.as_str(), accounts.as_slice());
            budget::reserve(change.db(), &Reservation { id: &id, owner, accounts, most, what: &what }, now)
        };
        Ok(match self.store.write(change).await? {
            Ok(()) => Ok(Open { books: self.clone(), id, about, most, end: End::default() }),
            Err(exhausted) => Err(exhausted),
        })
    }

    /// Puts on record that a request was refused, before whoever sent it is told.
    ///
    /// # Errors
    /// `audit-failed`, `busy`.
    pub(crate) async fn refuse(&self, id: MessageId, about: About, end: End) -> Result<()> {
        self.is_written()?;
        let busy = |why: &'static str| Problem::new(Kind::Busy, why);
        let waits = self.refusing.clone().try_acquire_owned();
        let waits = waits.map_err(|_| busy("too many refusals wait to be put on record"))?;
        let (told, answer) = oneshot::channel();
        self.tell(Ended { id, about, end, most: None, told: Some((told, waits)) });
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(busy("the gateway is stopping"))),
            Err(_) => Err(busy("the log or the database cannot be written now")),
        }
    }

    /// Nothing begins while what has ended cannot be written.
    fn is_written(&self) -> Result<()> {
        self.stuck.read().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    fn tell(&self, ended: Ended) {
        if let Some(tell) = &*self.ended.lock().unwrap_or_else(PoisonError::into_inner) {
            drop(tell.send(ended));
        }
    }

    /// Forgets what is over.
    pub(crate) async fn purge(&self, now: u64) -> Result<usize> {
        self.store.write(move |change| budget::purge(change.db(), now, KEEP)).await
    }

    /// Whether the database can be read.
    pub(crate) fn check(&self) -> Result<()> {
        self.store.read(|db| Ok(db.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).map(drop)?))
    }

    /// Writes what has ended, and closes everything.
    pub(crate) async fn drain(&self) {
        drop(self.ended.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing {
            drop(writing.await);
        }
    }

    /// After [`drain`](Self::drain), on a thread that may wait.
    pub(crate) fn close(&self) {
        self.store.close();
        drop(self.audit.close());
    }

    fn settle_orphans(&self) -> Result<()> {
        loop {
            let owner = self.did;
            let orphans = self.store.read(|db| budget::orphans(db, owner.as_str()))?;
            if orphans.is_empty() {
                return Ok(());
            }
            let read = |orphan: Orphan| {
                let about = serde_json::from_str::<About>(&orphan.what);
                let id = MessageId::parse(&orphan.id);
                let (Ok(about), Some(id)) = (about, id) else {
                    return Err(Problem::internal().because("a reservation in the database cannot be read"));
                };
                let end = End { code: Some("GATEWAY_STOPPED".to_owned()), ..End::default() };
                Ok(Ended { id, about, end, most: Some(orphan.most), told: None })
            };
            let ended: Vec<_> = orphans.into_iter().map(read).collect::<Result<_>>()?;
            let before = record::before(&self.audit, &ended);
            self.store.write_and_wait(move |change| settle_all(change, owner, &ended, &before))?;
        }
    }
}

/// Writes what comes, as much together as has come, until nobody tells any more.
async fn write(
    store: Arc<Store<Problem>>,
    audit: Arc<AuditLog>,
    by: Did,
    stuck: Arc<RwLock<Option<Problem>>>,
    mut told: mpsc::UnboundedReceiver<Ended>,
) {
    while let Some(first) = told.recv().await {
        let mut batch = vec![first];
        tokio::time::sleep(GATHER).await;
        while batch.len() < BATCH
            && let Ok(next) = told.try_recv()
        {
            batch.push(next);
        }
        // What was charged has to be written; who is refused hears that it cannot.
        let must = batch.iter().any(|ended| ended.most.is_some());
        let batch = Arc::new(batch);
        let mut before = Before::new();
        let written = loop {
            let (own, known) = (batch.clone(), std::mem::take(&mut before));
            let written = store.write(move |change| settle_all(change, by, &own, &known)).await;
            let problem = written.as_ref().err().filter(|_| must).cloned();
            let is_over = problem.is_none() || told.is_closed();
            *stuck.write().unwrap_or_else(PoisonError::into_inner) = problem;
            if is_over {
                break written;
            }
            tokio::time::sleep(AGAIN).await;
            // The log may have taken what the database then did not.
            let (log, own) = (audit.clone(), batch.clone());
            let found = tokio::task::spawn_blocking(move || record::before(&log, &own)).await;
            before = found.unwrap_or_default();
        };
        for ended in Arc::into_inner(batch).into_iter().flatten() {
            if let Some((told, _waits)) = ended.told {
                drop(told.send(written.clone()));
            }
        }
    }
}

/// Settles them all, and puts on record what is not there yet.
fn settle_all(change: &mut Change<'_>, by: Did, all: &[Ended], before: &Before) -> Result<()> {
    let mut fresh = Vec::new();
    for ended in all {
        let known = before.get(&ended.id.text());
        let used = known.map_or(ended.end.used, |used| *used);
        if settle(change, ended, used)? && known.is_none() {
            fresh.push(record::decided(by, ended));
        }
    }
    // What is on record stays there, so that all has to be settled before.
    fresh.into_iter().for_each(|decided| change.record(decided));
    Ok(())
}

/// Whether it was not settled before.
fn settle(change: &Change<'_>, ended: &Ended, used: Used) -> Result<bool> {
    let Ended { id, about, end, most, .. } = ended;
    let told = used.map(|(usage, _)| usage).unwrap_or_default();
    let entry = Entry {
        time: about.time,
        agent: &about.agent,
        root: &about.root,
        model: &about.model,
        api: about.api,
        status: end.status,
        input: told.input,
        cached: told.cached,
        output: told.output,
    };
    if most.is_some() {
        return budget::settle(change.db(), &id.text(), used.map(|(_, charge)| charge), &entry);
    }
    budget::note(change.db(), &entry)?;
    Ok(true)
}
