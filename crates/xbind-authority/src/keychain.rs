//! How the authority's keys change, while the server runs and while it does not: prepared, activated, tainted, revoked. Each
//! step is one change of the database with its record; killed anywhere, it was made or was not.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use xbind::record::Verdict;
use xbind::{Did, Rotation, VerifyingKey};
use xbind_runtime::Decided;
use xbind_server::Passphrase;

use crate::domain::authority::{self, Chain, Doubt};
use crate::domain::note;
use crate::identity::{self, Keys};
use crate::lists::Lists;
use crate::problem::{Kind, Problem, Result};
use crate::signer::{self, Signer};
use crate::store::{Change, Store};

/// What is to become of the authority's keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase", deny_unknown_fields)]
pub enum Step {
    /// Nothing: they are to be told.
    List {},
    /// The next one is made and told, and begins to sign after so many seconds, at most 30 days.
    Prepare {
        /// How many.
        after: u64,
    },
    /// The one that is prepared begins to sign.
    Activate {
        /// Although verifiers may have a JWK set without it.
        at_once: bool,
    },
    /// The one that is prepared begins to sign at once, or, where none is, a new one.
    Rotate {},
    /// Nothing counts that a key has signed since a time.
    Taint {
        /// The DID of the key.
        did: String,
        /// From then on; from now on without.
        since: Option<u64>,
    },
    /// Nothing counts that a key has signed.
    Revoke {
        /// The DID of the key.
        did: String,
    },
}

/// How often a key that is away is looked for.
const SEARCH: Duration = Duration::from_secs(1);

/// Where a key of the authority stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityKey {
    /// Its DID.
    pub did: String,
    /// `prepared`, `active`, `retiring`, `retired`, `tainted` or `revoked`.
    pub state: String,
    /// When it began to sign, or is to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_at: Option<u64>,
    /// When its last token is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// From when on it is doubtful.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubtful_from: Option<u64>,
}

/// The keys in use.
pub(crate) struct Keychain {
    directory: PathBuf,
    passphrase: Option<Passphrase>,
    /// For how long others may keep a JWK set, in seconds.
    keys_age: u64,
    keys: Arc<RwLock<Arc<Keys>>>,
    lists: Arc<Lists>,
    /// Who looks for keys that are away, and when that began.
    search: Mutex<Option<(Instant, JoinHandle<()>)>>,
}

/// A step that was thought through, and has its signatures.
#[derive(Default)]
struct Plan {
    statement: Option<String>,
    new: Option<Signer>,
    activates: bool,
    doubt: Option<Doubt>,
    records: Vec<Decided>,
}

impl Keychain {
    pub(crate) fn new(directory: PathBuf, passphrase: Option<Passphrase>, keys_age: u64, keys: Keys) -> Self {
        let keys = Arc::new(RwLock::new(Arc::new(keys)));
        Self { directory, passphrase, keys_age, keys, lists: Arc::default(), search: Mutex::default() }
    }

    /// As they are now.
    pub(crate) fn now(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is kept that these keys have signed.
    pub(crate) const fn lists(&self) -> &Arc<Lists> {
        &self.lists
    }

    /// Looks for keys that are away, on a thread of its own: it may take long, and nobody waits for it.
    ///
    /// # Errors
    /// `signer-failed` as long as one is.
    pub(crate) fn search(&self) -> Result<()> {
        let keys = self.now();
        let Some(away) = keys.away() else { return Ok(()) };
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if search.as_ref().is_none_or(|(begin, thread)| thread.is_finished() && begin.elapsed() >= SEARCH) {
            let (directory, slot) = (self.directory.clone(), self.keys.clone());
            let look = move || {
                let Ok(found) = signer::elsewhere(&directory) else { return };
                let mut keys = slot.write().unwrap_or_else(PoisonError::into_inner);
                *keys = Arc::new(keys.with(&found.signers));
            };
            let thread = thread::Builder::new().name("xbind-search".to_owned()).spawn(look);
            *search = Some((Instant::now(), thread.map_err(|error| Problem::internal().because(error))?));
        }
        drop(search);
        away.check().map_err(|why| {
            let told = format!("the key {} is away: {}", away.did(), why.detail());
            why.because(told)
        })
    }

    /// Takes a step, one at a time, and tells how the keys stand then. `within` is done in the same change. Not for the threads
    /// of an executor.
    ///
    /// # Errors
    /// `conflict`, `not-found`, `malformed`; `internal` for files that cannot be read or written; those of [`write`](xbind_server::Store::write).
    pub(crate) fn take(
        &self,
        store: &Store,
        step: &Step,
        within: impl FnOnce(&Change<'_>, &[AuthorityKey]) -> Result<()> + Send + 'static,
    ) -> Result<Vec<AuthorityKey>> {
        let (keys, now) = (self.now(), xbind_runtime::now());
        let (plan, keys_age) = (self.plan(&keys, step, now)?, self.keys_age);
        let (slot, lists, first) = (self.keys.clone(), self.lists.clone(), keys.chain().first);
        let change = move |change: &mut Change<'_>| {
            let now = xbind_runtime::now(); // its signatures may have taken long
            let Plan { statement, new, activates, doubt, records } = plan;
            if let Some(statement) = statement {
                authority::prepare(change.db(), first, &statement, now)?;
            }
            if activates {
                authority::activate(change.db(), first, now)?;
            }
            if let Some(doubt) = doubt {
                authority::doubt(change.db(), first, &doubt)?;
            }
            let chain = authority::chain(change.db(), first)?;
            let view = view(&chain, keys_age, now);
            within(change, &view)?;
            records.into_iter().for_each(|record| change.record(record)); // what fails after this stands there all the same
            let keys = Arc::new(keys.after(chain, new));
            change.after(move || {
                *slot.write().unwrap_or_else(PoisonError::into_inner) = keys;
                lists.forget();
            });
            Ok(view)
        };
        store.write_and_wait(change)
    }

    fn plan(&self, keys: &Keys, step: &Step, now: u64) -> Result<Plan> {
        let (chain, by) = (keys.chain(), *keys.did());
        let mut plan = Plan::default();
        match step {
            Step::List {} => {}
            Step::Prepare { after } => {
                let after = (*after).max(self.keys_age);
                let new = self.sign_over(keys, &mut plan, (now, after, authority::OVERLAP))?;
                plan.record("authority.prepared", by, new, now);
            }
            Step::Activate { at_once } => {
                let next = chain.next.as_ref().ok_or_else(|| conflict("no key is prepared"))?;
                let wait = next.known_at(self.keys_age).saturating_sub(now);
                if wait > 0 && !at_once {
                    return Err(conflict(format!(
                        "verifiers may have a JWK set without that key for {wait} s still: wait that long, or activate it at once"
                    )));
                }
                plan.activate(next.read.new, by, now);
            }
            Step::Rotate {} => self.replace(keys, &mut plan, now, authority::OVERLAP)?,
            Step::Taint { did, since } => {
                let from = since.unwrap_or(now);
                if from > now {
                    return Err(Problem::new(Kind::Malformed, "a key is doubtful from now on at the latest"));
                }
                self.doubt(keys, &mut plan, now, Doubt { did: parse(did)?, from, is_revoked: false })?;
            }
            Step::Revoke { did } => {
                self.doubt(keys, &mut plan, now, Doubt { did: parse(did)?, from: now, is_revoked: true })?;
            }
        }
        Ok(plan)
    }

    /// The statement that leads to a key that is new.
    fn sign_over(&self, keys: &Keys, plan: &mut Plan, (now, after, overlap): (u64, u64, u64)) -> Result<Did> {
        if let Some(next) = &keys.chain().next {
            return Err(conflict(format!("the next key is prepared already: {}", next.read.new)));
        }
        let passphrase = self.passphrase.as_ref().map(Passphrase::text);
        let new = identity::fresh(&self.directory, keys.chain(), passphrase)?;
        let (old, did, active_from) = (*keys.did(), *new.did(), now.saturating_add(after));
        let unsigned = Rotation { old, new: did, issued_at: now, active_from, overlap }.unsigned()?;
        let [by_old, by_new] = unsigned.to_sign();
        let (by_old, by_new) = (keys.current()?.sign_and_wait(&by_old)?, new.sign_and_wait(&by_new)?);
        plan.statement = Some(unsigned.finish(&by_old, &by_new));
        plan.new = Some(new);
        Ok(did)
    }

    fn replace(&self, keys: &Keys, plan: &mut Plan, now: u64, overlap: u64) -> Result<()> {
        let prepared = keys.chain().next.as_ref().map(|next| next.read.new);
        let new = match prepared {
            Some(new) => new,
            None => self.sign_over(keys, plan, (now, 0, overlap))?,
        };
        plan.activate(new, *keys.did(), now);
        Ok(())
    }

    /// A key that signs now is replaced at once.
    fn doubt(&self, keys: &Keys, plan: &mut Plan, now: u64, doubt: Doubt) -> Result<()> {
        let by = *keys.did();
        if doubt.did == by {
            self.replace(keys, plan, now, 0)?;
        }
        let event = if doubt.is_revoked { "authority.revoked" } else { "authority.tainted" };
        plan.record(event, by, doubt.did, now);
        if let Some(record) = plan.records.last_mut().filter(|_| !doubt.is_revoked) {
            record.note = note(&format!("since {}", doubt.from));
        }
        plan.doubt = Some(doubt);
        Ok(())
    }
}

impl Plan {
    fn activate(&mut self, new: Did, by: Did, now: u64) {
        self.activates = true;
        self.record("authority.rotated", by, new, now);
    }

    fn record(&mut self, event: &'static str, by: Did, to: Did, now: u64) {
        let mut decided = Decided::new(event, Verdict::Accepted, by, now);
        decided.to = Some(to);
        self.records.push(decided);
    }
}

/// All keys, from the first on.
pub(crate) fn view(chain: &Chain, keys_age: u64, now: u64) -> Vec<AuthorityKey> {
    let key = |did: &Did, active_at, until| AuthorityKey {
        did: did.to_string(),
        state: chain.state(did, now).map_or_else(String::new, |state| state.as_str().to_owned()),
        active_at,
        until,
        doubtful_from: chain.doubt(did).map(|doubt| doubt.from),
    };
    let begins = [Some(chain.began_at)].into_iter().chain(chain.successors.iter().map(|one| Some(one.active_at)));
    let signed = chain.signed().zip(begins);
    let signed = signed.map(|((did, by), begin)| key(did, begin, by.map(|by| by.read.old_until())));
    let next = chain.next.iter().map(|next| key(&next.read.new, Some(next.begins_at(keys_age)), None));
    let has_signed = |did: &Did| chain.signed().any(|(known, _)| known == did);
    let given_up = chain.doubts.iter().filter(|doubt| !has_signed(&doubt.did));
    signed.chain(next).chain(given_up.map(|doubt| key(&doubt.did, None, None))).collect()
}

fn parse(did: &str) -> Result<Did> {
    Ok(*VerifyingKey::from_did(did)?.did())
}

fn conflict(why: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(Kind::Conflict, why)
}
