//! What is known of revocations: status lists, fetched where a token is first shown and then twice a second for as long as
//! anything that names them is shown or runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use xbind::{Evidence, Judge, Link, Standing, StatusLists, StatusRef};
use xbind_net::{Ask, Fetcher, Target, Whose};

use crate::problem::{Kind, Problem, Result};

/// How old what is known may be where something runs, or was shown lately.
pub(crate) const ROUND: Duration = Duration::from_millis(500);
/// For how long a list is renewed after a token that names it was shown.
const LATELY: Duration = Duration::from_secs(10);
/// How long one may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nobody asks again where it came to nothing, and how long somebody waits for what is only newer than what counts.
const REST: Duration = Duration::from_secs(1);
/// Lists that are known at once, those that only links of delegations name among them, and how long one is relied upon that was
/// signed.
const MAX_LISTS: usize = 1000;
const MAX_OF_LINKS: usize = 500;
const MAX_AGE: u64 = 86_400;
/// The longest list.
const MAX_BYTES: usize = 2 << 20;

/// Issuer and address of a list.
type Name = (String, String);

/// Shared by all requests.
pub(crate) struct Lists {
    pub(crate) at_hand: Arc<StatusLists>,
    fetcher: Fetcher,
    /// Where the operator has them asked for, however they are named there.
    own: HashSet<String>,
    /// Whence lists may come that delegations name; the makers of those are chosen by nobody here.
    of_links: HashSet<String>,
    known: Mutex<HashMap<Name, Known>>,
    /// A list has come: what runs is to be judged by it at once.
    pub(crate) news: Notify,
}

struct Known {
    whose: Whose,
    /// The token of an issuer that is trusted has named it.
    is_first: bool,
    shown: Instant,
    asked: Option<Instant>,
    came: Option<Instant>,
    /// The last time it was asked for, it did not come.
    failed: bool,
    running: bool,
    /// Closed when it has come, or has not.
    done: Arc<Semaphore>,
}

impl Lists {
    /// `own`: origins of the authorities, for the tokens of issuers that are trusted; `of_links`: others, for delegations, too.
    pub(crate) fn new(fetcher: Fetcher, own: HashSet<String>, of_links: HashSet<String>) -> Self {
        let at_hand = Arc::new(StatusLists::new(MAX_LISTS, MAX_AGE));
        Self { at_hand, fetcher, own, of_links, known: Mutex::default(), news: Notify::new() }
    }

    /// Has the lists at hand that the links of a token name, not older than a moment; waits for those that are not.
    ///
    /// # Errors
    /// `revocation-unknown` where too many are named.
    pub(crate) async fn need(self: &Arc<Self>, judge: &Arc<Judge>, links: &[Link]) -> Result<()> {
        for (place, link) in links.iter().enumerate() {
            let Some(status) = &link.status else { continue };
            let Some(coming) = self.show(judge, &link.issuer, status, place == 0)? else { continue };
            // One that counts is at hand: an authority that is slow to say the next keeps nobody for long.
            let is_at_hand = matches!(self.at_hand.ask(&link.issuer, status, xbind_runtime::now()), Evidence::Fresh(_));
            let patience = if is_at_hand { REST } else { PATIENCE };
            drop(timeout(patience, coming.acquire()).await);
        }
        Ok(())
    }

    /// Notes that a list is named by what is shown or runs; what to wait for, if it is not at hand.
    fn show(
        self: &Arc<Self>,
        judge: &Arc<Judge>,
        issuer: &str,
        status: &StatusRef,
        is_first: bool,
    ) -> Result<Option<Arc<Semaphore>>> {
        let now = Instant::now();
        let name = (issuer.to_owned(), status.uri.clone());
        let whose = match Target::parse(&status.uri, Whose::Listed) {
            Ok(target) if self.of_links.contains(&origin(&target)) => Whose::Listed,
            Ok(target) if is_first && self.own.contains(&origin(&target)) => Whose::Listed,
            _ if is_first => Whose::Stranger,
            _ => return Ok(None),
        };
        let mut known = self.known();
        if !known.contains_key(&name) && !has_room(&known, is_first) {
            known.retain(|_, list| list.running || (list.is_needed(now) && (list.came.is_some() || !list.failed)));
            if !has_room(&known, is_first) {
                // What is at hand of it may be old by now.
                let why = "more status lists are named than can be looked at";
                return Err(Problem::new(Kind::RevocationUnknown, why));
            }
        }
        let list = known.entry(name.clone()).or_insert_with(|| Known {
            whose,
            is_first,
            shown: now,
            asked: None,
            came: None,
            failed: false,
            running: false,
            done: Arc::new(Semaphore::new(0)),
        });
        list.shown = now;
        let is_new = list.came.is_some_and(|came| now.saturating_duration_since(came) <= ROUND.saturating_mul(2));
        let rests =
            list.came < list.asked && list.asked.is_some_and(|asked| now.saturating_duration_since(asked) < REST);
        if is_new || (rests && !list.running) {
            return Ok(None);
        }
        let begins = !list.running;
        if begins {
            list.begin(now);
        }
        // Nobody waits again and again for a server that does not answer: what is at hand holds as long as it says itself.
        let coming = (list.came.is_none() || !list.failed).then(|| list.done.clone());
        drop(known);
        if begins {
            self.fetch(judge, name, whose);
        }
        Ok(coming)
    }

    /// Renews what is needed, once.
    pub(crate) fn renew(self: &Arc<Self>, judge: &Arc<Judge>) {
        let now = Instant::now();
        let mut known = self.known();
        known.retain(|_, list| list.running || list.is_needed(now));
        let due: Vec<_> = known
            .iter_mut()
            // Whoever makes a delegation can name what is not there.
            .filter(|(_, list)| !list.running && (list.is_first || list.came.is_some() || !list.failed))
            .map(|(name, list)| {
                list.begin(now);
                (name.clone(), list.whose)
            })
            .collect();
        drop(known);
        due.into_iter().for_each(|(name, whose)| self.fetch(judge, name, whose));
    }

    /// Keeps the lists renewed that these links name.
    pub(crate) fn keep(&self, links: &[Link]) {
        let now = Instant::now();
        let mut known = self.known();
        for link in links {
            let Some(status) = &link.status else { continue };
            if let Some(list) = known.get_mut(&(link.issuer.clone(), status.uri.clone())) {
                list.shown = now;
            }
        }
    }

    /// Whether each of the links stands, by what is at hand.
    pub(crate) fn stand(&self, links: &[Link], now: u64) -> Standing {
        let of = |link: &Link| match &link.status {
            None => Standing::Valid,
            Some(status) => match self.at_hand.ask(&link.issuer, status, now) {
                Evidence::Fresh(0) => Standing::Valid,
                Evidence::Fresh(_) => Standing::Revoked,
                Evidence::Stale | Evidence::Absent | Evidence::Unreadable => Standing::Unknown,
            },
        };
        links.iter().map(of).fold(Standing::Valid, |all, one| match (all, one) {
            (Standing::Revoked, _) | (_, Standing::Revoked) => Standing::Revoked,
            (Standing::Unknown, _) | (_, Standing::Unknown) => Standing::Unknown,
            (Standing::Valid, Standing::Valid) => Standing::Valid,
        })
    }

    fn fetch(self: &Arc<Self>, judge: &Arc<Judge>, name: Name, whose: Whose) {
        let (own, judge) = (self.clone(), judge.clone());
        tokio::spawn(async move {
            let (issuer, uri) = &name;
            let text = own.text(uri, whose).await;
            let now = xbind_runtime::now();
            // One that is older than what is at hand, say, changes nothing; what is at hand goes on until it is too old.
            let is_there = text.is_some_and(|text| judge.put_list(&own.at_hand, &text, uri, issuer, now).is_ok());
            let mut known = own.known();
            let Some(list) = known.get_mut(&name) else { return };
            list.running = false;
            list.failed = !is_there;
            if is_there {
                list.came = Some(Instant::now());
                own.news.notify_one();
            }
            list.done.close();
        });
    }

    async fn text(&self, uri: &str, whose: Whose) -> Option<String> {
        let target = Target::parse(uri, whose).ok()?;
        let fields = vec![("accept".to_owned(), "application/statuslist+jwt".to_owned())];
        let (method, body) = ("GET".to_owned(), Vec::new());
        let ask = Ask { method, target, whose, fields, body, max_bytes: MAX_BYTES, timeout: PATIENCE };
        let answer = self.fetcher.ask(ask).await.ok().filter(|answer| answer.status == 200)?;
        String::from_utf8(answer.body).ok()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Name, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_needed(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.shown) < LATELY
    }

    fn begin(&mut self, now: Instant) {
        self.running = true;
        self.asked = Some(now);
        self.done = Arc::new(Semaphore::new(0));
    }
}

/// Whether one more may be known.
fn has_room(known: &HashMap<Name, Known>, is_first: bool) -> bool {
    let of_links = || known.values().filter(|list| !list.is_first).count();
    known.len() < MAX_LISTS && (is_first || of_links() < MAX_OF_LINKS)
}

fn origin(target: &Target) -> String {
    format!("{}://{}", if target.secure() { "https" } else { "http" }, target.authority())
}
