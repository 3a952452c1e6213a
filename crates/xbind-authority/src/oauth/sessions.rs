//! Sessions of users about which issuers are asked again and again, for as long as a token counts that is derived from them. Users'
//! tokens are kept in memory alone: after a restart nobody can be asked, so what was derived ends as if nobody answered.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use zeroize::Zeroizing;

use crate::app::App;
use crate::domain::root::{self, Derived};
use crate::issuers::{Activity, Issuer, Issuers, Refused};
use crate::oauth::logout;
use crate::problem::Result;
use crate::store::Change;

/// The most sessions, in all and by agents of one operator.
const MAX_SESSIONS: usize = 10_000;
const MAX_EACH: usize = 1000;
/// Questions to an issuer at once.
const AT_ONCE: usize = 16;
/// How often it is looked which of them are due.
const TICK: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Sessions {
    held: Mutex<Held>,
    /// How often something was derived from any of them.
    derived: AtomicU64,
}

/// By what users' tokens are known by.
type Held = HashMap<[u8; 32], Session>;

#[derive(Clone)]
struct Session {
    /// Whose agent was the first to derive something from it.
    operator: String,
    issuer: String,
    subject: String,
    token: Zeroizing<String>,
    due_at: u64,
    /// The end of the last that is derived from it.
    expires_at: u64,
    /// Which of all that were derived that was.
    last: u64,
}

impl Sessions {
    /// Whether one more can be asked about for that operator.
    pub(crate) fn has_room(&self, digest: &[u8; 32], operator: &str) -> bool {
        has_room(&self.held(), digest, operator)
    }

    /// From now on it is asked about, as long as a token lives that is derived from it for so many seconds. Where there is no room
    /// after all, what is derived ends soon.
    pub(crate) fn watch(&self, issuers: &Issuers, derived: &Derived, operator: &str, ttl: u64, now: u64) {
        let Derived { user, asked: Some((token, _)) } = derived else { return };
        let Some((every, _)) = issuers.find(&user.issuer).and_then(|issuer| issuer.settings().asked()) else { return };
        let session = Session {
            operator: operator.to_owned(),
            issuer: user.issuer.clone(),
            subject: user.subject.clone(),
            token: token.clone(),
            due_at: now.saturating_add(every),
            expires_at: now.saturating_add(ttl).min(user.expires_at),
            last: self.derived.fetch_add(1, Ordering::Relaxed),
        };
        self.hold(user.digest, session);
    }

    fn hold(&self, digest: [u8; 32], session: Session) {
        let mut held = self.held();
        if let Some(known) = held.get_mut(&digest) {
            known.due_at = session.due_at;
            known.expires_at = known.expires_at.max(session.expires_at);
            known.last = session.last;
        } else if has_room(&held, &digest, &session.operator) {
            held.insert(digest, session);
        }
    }

    /// Those of an issuer that are to be asked about now, but for those that are; they are not due again before the next time,
    /// unless the clock is set back.
    fn due(&self, issuer: &str, every: u64, now: u64, is_asked: impl Fn(&[u8; 32]) -> bool) -> Vec<[u8; 32]> {
        let mut held = self.held();
        held.retain(|_, session| session.expires_at > now);
        let next = now.saturating_add(every);
        let is_due = |own: &Session| own.issuer == issuer && (own.due_at <= now || own.due_at > next);
        let mut due = Vec::new();
        for (digest, session) in held.iter_mut().filter(|(digest, own)| is_due(own) && !is_asked(digest)) {
            session.due_at = next;
            due.push(*digest);
        }
        due
    }

    /// One of them, if it is still asked about.
    fn find(&self, digest: &[u8; 32]) -> Option<Session> {
        self.held().get(digest).cloned()
    }

    fn forget(&self, digest: &[u8; 32]) {
        self.held().remove(digest);
    }

    /// Forgets those of whose tokens none counts any more.
    fn forget_over(&self, counts: impl Fn(&[u8; 32]) -> Result<bool>) -> Result<()> {
        let all: Vec<_> = self.held().iter().map(|(digest, session)| (*digest, session.last)).collect();
        for (digest, last) in all {
            // It may take long to look, and nobody waits for that. From which one more is derived meanwhile is held still.
            if !counts(&digest)?
                && let Entry::Occupied(session) = self.held().entry(digest)
                && session.get().last == last
            {
                session.remove();
            }
        }
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_room(held: &Held, digest: &[u8; 32], operator: &str) -> bool {
    let own = || held.values().filter(|session| session.operator == operator).count();
    held.contains_key(digest) || (held.len() < MAX_SESSIONS && own() < MAX_EACH)
}

/// Asks until the server ends: each issuer by itself, so that none waits for another, and what is stale for nobody.
pub(crate) async fn watch(app: Arc<App>) {
    while end_unknown(&app).await.is_err() {
        tokio::time::sleep(TICK).await;
    }
    if app.issuers.all().all(|issuer| issuer.settings().asked().is_none()) {
        return;
    }
    for issuer in app.issuers.all() {
        let Some((every, _)) = issuer.settings().asked() else { continue };
        tokio::spawn(ask(app.clone(), issuer.clone(), every));
    }
    let mut looked_at = None;
    loop {
        tokio::time::sleep(TICK).await;
        drop(end_stale(&app).await);
        // Whatever takes tokens away changes a list.
        let change = Some(app.lists.change());
        if looked_at != change {
            let own = app.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let now = xbind_runtime::now();
                own.sessions.forget_over(|digest| own.store.read(|db| root::counts(db, digest, now)))
            });
            looked_at = looked.await.is_ok_and(|looked| looked.is_ok()).then_some(change).flatten();
        }
    }
}

/// Whoever is no issuer here any more says nothing of sessions either.
async fn end_unknown(app: &App) -> Result<()> {
    let known = app.store.read(root::issuers)?;
    let now = xbind_runtime::now();
    for issuer in known.into_iter().filter(|issuer| app.issuers.find(issuer).is_none()) {
        let numbers = app.store.read(|db| root::not_asked_since(db, &issuer, u64::MAX, now))?;
        logout::end(app, now, move |change| root::end(change.db(), &numbers, root::OVER, now)).await?;
    }
    Ok(())
}

/// What an issuer says of a session, and when it was asked.
type Said = ([u8; 32], u64, std::result::Result<Activity, Refused>);

/// Asks about all that are due, and then looks again which are: those about which it still asks hold up no other.
async fn ask(app: Arc<App>, issuer: Arc<Issuer>, every: u64) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut waiting, mut asked) = (VecDeque::new(), JoinSet::new());
    let mut questions: HashMap<[u8; 32], AbortHandle> = HashMap::new();
    loop {
        tokio::select! {
            _ = tick.tick(), if waiting.is_empty() => {
                questions.retain(|_, question| !question.is_finished());
                let is_asked = |digest: &[u8; 32]| questions.contains_key(digest);
                waiting.extend(app.sessions.due(&issuer.settings().issuer, every, xbind_runtime::now(), is_asked));
            }
            Some(first) = asked.join_next() => {
                let mut came = vec![first];
                came.extend(std::iter::from_fn(|| asked.try_join_next()));
                note(&app, came.into_iter().flatten()).await;
            }
        }
        // Some wait only while as many are asked about as may be.
        while asked.len() < AT_ONCE
            && let Some(digest) = waiting.pop_front()
        {
            let Some(Session { token, subject, .. }) = app.sessions.find(&digest) else { continue };
            let issuer = issuer.clone();
            let question = asked.spawn(async move {
                let at = xbind_runtime::now();
                (digest, at, issuer.activity(&token, &subject).await)
            });
            questions.insert(digest, question);
        }
    }
}

/// What comes is written as it comes. Of whom nobody knows, it is asked again, until it is stale; and so where nothing can be written.
async fn note(app: &App, came: impl Iterator<Item = Said>) {
    let known = came.filter_map(|(digest, at, told)| Some((digest, at, told.ok()?)));
    let (active, inactive): (Vec<_>, Vec<_>) = known.partition(|(.., told)| *told == Activity::Active);
    for (digest, ..) in inactive {
        drop(end_inactive(app, digest, xbind_runtime::now()).await);
    }
    if !active.is_empty() {
        let note = move |change: &mut Change<'_>| {
            active.iter().try_for_each(|(digest, at, _)| root::note_asked(change.db(), digest, *at))
        };
        drop(app.store.write(note).await);
    }
}

async fn end_inactive(app: &App, digest: [u8; 32], now: u64) -> Result<()> {
    let numbers = app.store.read(|db| root::of_digest(db, &digest))?;
    logout::end(app, now, move |change| root::end(change.db(), numbers.as_slice(), root::OVER, now)).await?;
    app.sessions.forget(&digest);
    Ok(())
}

/// Nobody has said of the users' tokens that they are over: whoever exchanges one again has the issuer asked about it.
async fn end_stale(app: &App) -> Result<()> {
    let now = xbind_runtime::now();
    for issuer in app.issuers.all() {
        let Some((_, stale)) = issuer.settings().asked() else { continue };
        let (issuer, since) = (issuer.settings().issuer.clone(), now.saturating_sub(stale));
        if app.store.read(|db| root::not_asked_since(db, &issuer, since, now))?.is_empty() {
            continue;
        }
        let end = move |change: &mut Change<'_>| {
            let numbers = root::not_asked_since(change.db(), &issuer, since, now)?;
            root::end(change.db(), &numbers, root::UNKNOWN, now)
        };
        logout::end(app, now, end).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(last: u64) -> Session {
        let (operator, issuer, subject, token) = Default::default();
        Session { operator, issuer, subject, token, due_at: 100, expires_at: 9000, last }
    }

    #[test]
    fn so_many_sessions_are_asked_about_and_of_each_operator_so_many() {
        let sessions = Sessions::default();
        let mut n = 0_u64;
        let mut fill = |operator: &str| {
            loop {
                let mut digest = [0; 32];
                digest.iter_mut().zip(n.to_be_bytes()).for_each(|(to, from)| *to = from);
                if !sessions.has_room(&digest, operator) {
                    return sessions.held().len();
                }
                let session = Session { operator: operator.to_owned(), due_at: 0, expires_at: 9, ..session(0) };
                sessions.held().insert(digest, session);
                n = n.saturating_add(1);
            }
        };
        for (at, operator) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(fill(operator), (at + 1) * MAX_EACH);
        }
        assert_eq!((3..20).map(|n| fill(&n.to_string())).last(), Some(MAX_SESSIONS));
        assert!(sessions.has_room(&[0; 32], "a"), "one that is asked about already");
        let due = |now: u64| sessions.due("", 60, now, |_| false).len();
        assert_eq!((due(8), due(8), due(9), sessions.held().len()), (MAX_SESSIONS, 0, 0, 0));
    }

    #[test]
    fn whoever_derives_from_a_session_waits_for_no_look_at_it_and_what_is_derived_meanwhile_keeps_it() {
        let sessions = Sessions::default();
        let hold = |n: u8, last: u64| sessions.hold([n; 32], session(last));
        hold(1, 0);
        hold(2, 1);
        hold(3, 2);
        let forgotten = sessions.forget_over(|digest| {
            assert!(sessions.held.try_lock().is_ok(), "it is held up");
            match digest {
                [1, ..] => hold(1, 3),
                [2, ..] => {
                    // Forgotten by somebody else, and then held anew.
                    sessions.forget(digest);
                    hold(2, 4);
                }
                _ => {}
            }
            Ok(false)
        });
        assert!(forgotten.is_ok() && sessions.find(&[1; 32]).is_some() && sessions.find(&[2; 32]).is_some());
        assert!(sessions.find(&[3; 32]).is_none(), "of which none counts any more");
        assert!(sessions.forget_over(|_| Ok(true)).is_ok() && sessions.held().len() == 2);
    }

    #[test]
    fn a_session_is_due_once_while_it_is_asked_about_and_at_once_when_the_clock_is_set_back() {
        let sessions = Sessions::default();
        for n in 1..=2 {
            sessions.held().insert([n; 32], session(0));
        }
        let due = |now: u64, asked: &[u8; 32]| sessions.due("", 60, now, |digest| digest == asked);
        assert_eq!((due(99, &[1; 32]).len(), due(100, &[1; 32])), (0, vec![[2; 32]]));
        assert_eq!((due(101, &[1; 32]).len(), due(101, &[0; 32])), (0, vec![[1; 32]]));
        // The one is due at 161 and the other at 160.
        assert_eq!((due(159, &[0; 32]).len(), due(100, &[0; 32])), (0, vec![[1; 32]]));
        assert_eq!(due(99, &[0; 32]).len(), 2);
        assert!(due(99, &[0; 32]).is_empty());
    }
}
