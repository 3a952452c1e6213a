//! Sessions of users about which issuers are asked again and again, for as long as a token counts that is derived from them. Users'
//! tokens are kept in memory alone: after a restart nobody can be asked, so what was derived ends as if nobody answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::app::App;
use crate::domain::root::{self, Derived};
use crate::issuers::{Activity, Issuer, Issuers};
use crate::oauth::logout;
use crate::problem::Result;
use crate::store::{Change, Store};

/// The most sessions, in all and by agents of one operator.
const MAX_SESSIONS: usize = 10_000;
const MAX_EACH: usize = 1000;
/// Questions at once.
const AT_ONCE: usize = 16;
/// How often it is looked which of them are due.
const TICK: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Sessions {
    held: Mutex<Held>,
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
}

impl Sessions {
    /// Whether one more can be asked about for that operator.
    pub(crate) fn has_room(&self, digest: &[u8; 32], operator: &str) -> bool {
        has_room(&self.held(), digest, operator)
    }

    /// From now on it is asked about, as long as a token lives that is derived from it for so many seconds. Where there is no room
    /// after all, what is derived ends soon.
    pub(crate) fn watch(&self, issuers: &Issuers, derived: &Derived, operator: &str, ttl: u64, now: u64) {
        let Derived { user, token: Some(token) } = derived else { return };
        let Some((every, _)) = issuers.find(&user.issuer).and_then(|issuer| issuer.settings().asked()) else { return };
        let (due_at, expires_at) = (now.saturating_add(every), now.saturating_add(ttl).min(user.expires_at));
        let mut held = self.held();
        if let Some(session) = held.get_mut(&user.digest) {
            session.due_at = due_at;
            session.expires_at = session.expires_at.max(expires_at);
        } else if has_room(&held, &user.digest, operator) {
            let session = Session {
                operator: operator.to_owned(),
                issuer: user.issuer.clone(),
                subject: user.subject.clone(),
                token: token.clone(),
                due_at,
                expires_at,
            };
            held.insert(user.digest, session);
        }
    }

    /// Those of an issuer that are to be asked about now; they are not due again before the next time.
    fn due(&self, issuer: &str, every: u64, now: u64) -> Vec<([u8; 32], Session)> {
        let mut held = self.held();
        held.retain(|_, session| session.expires_at > now);
        let mut due = Vec::new();
        for (digest, session) in held.iter_mut().filter(|(_, own)| own.issuer == issuer && own.due_at <= now) {
            session.due_at = now.saturating_add(every);
            due.push((*digest, session.clone()));
        }
        due
    }

    fn forget(&self, digest: &[u8; 32]) {
        self.held().remove(digest);
    }

    /// Forgets those of whose tokens none counts any more.
    fn forget_over(&self, store: &Store, now: u64) -> Result<()> {
        let digests: Vec<_> = self.held().keys().copied().collect();
        for digest in digests {
            // Whoever derives one more meanwhile waits here, and it is held anew.
            let mut held = self.held();
            if !store.read(|db| root::counts(db, &digest, now))? {
                held.remove(&digest);
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
        let (app, issuer) = (app.clone(), issuer.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                ask(&app, &issuer, every).await;
            }
        });
    }
    let mut looked_at = None;
    loop {
        tokio::time::sleep(TICK).await;
        drop(end_stale(&app).await);
        // Whatever takes tokens away changes a list.
        let change = Some(app.lists.change());
        if looked_at != change {
            let own = app.clone();
            let looked =
                tokio::task::spawn_blocking(move || own.sessions.forget_over(&own.store, xbind_runtime::now()));
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

/// What comes is written as it comes: whoever does not answer holds up nobody else's end.
async fn ask(app: &App, issuer: &Arc<Issuer>, every: u64) {
    let now = xbind_runtime::now();
    let mut due = app.sessions.due(&issuer.settings().issuer, every, now).into_iter();
    let mut asked = JoinSet::new();
    loop {
        while asked.len() < AT_ONCE
            && let Some((digest, session)) = due.next()
        {
            let issuer = issuer.clone();
            asked.spawn(async move { (digest, issuer.activity(&session.token, &session.subject).await) });
        }
        let Some(first) = asked.join_next().await else { return };
        let mut came = vec![first];
        came.extend(std::iter::from_fn(|| asked.try_join_next()));
        // Of whom nobody knows, it is asked again, until it is stale; and so where nothing can be written.
        let known = came.into_iter().filter_map(|one| one.ok().and_then(|(digest, told)| Some((digest, told.ok()?))));
        let (active, inactive): (Vec<_>, Vec<_>) = known.partition(|(_, told)| *told == Activity::Active);
        for (digest, _) in inactive {
            drop(end_inactive(app, digest, now).await);
        }
        if !active.is_empty() {
            let note = move |change: &mut Change<'_>| {
                active.iter().try_for_each(|(digest, _)| root::note_asked(change.db(), digest, now))
            };
            drop(app.store.write(note).await);
        }
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
                let session = Session {
                    operator: operator.to_owned(),
                    issuer: String::new(),
                    subject: String::new(),
                    token: Zeroizing::default(),
                    due_at: 0,
                    expires_at: 9,
                };
                sessions.held().insert(digest, session);
                n = n.saturating_add(1);
            }
        };
        for (at, operator) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(fill(operator), (at + 1) * MAX_EACH);
        }
        assert_eq!((3..20).map(|n| fill(&n.to_string())).last(), Some(MAX_SESSIONS));
        assert!(sessions.has_room(&[0; 32], "a"), "one that is asked about already");
        assert!(sessions.due("", 60, 8).len() == MAX_SESSIONS && sessions.due("", 60, 8).is_empty());
        assert!(sessions.due("", 60, 9).is_empty() && sessions.held().is_empty());
    }
}
