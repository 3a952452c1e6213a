//! What all requests share.

use std::net::IpAddr;
use std::sync::Arc;

use rusqlite::Connection;
use xbind::Did;
use xbind::http::profile::Profile;
use xbind::http::target::Scheme;
use xbind::http::verify::{AuthenticRequest, RequestPolicy, RequestVerifier};
use xbind::record::Verdict;
use xbind_runtime::{AuditLog, Decided};
use xbind_server::{Limiter, Peers};

use crate::config::Config;
use crate::dns::Dns;
use crate::domain::{nonce, operator};
use crate::http::MAX_BODY;
use crate::http::call::Call;
use crate::http::metrics::Metrics;
use crate::issuers::Issuers;
use crate::keychain::Keychain;
use crate::lists::Lists;
use crate::oauth::sessions::Sessions;
use crate::problem::Result;
pub(crate) use crate::proven::{Once, Proven};
use crate::store::{Change, Fault, Store, fault};
use crate::ticket::Tickets;
use crate::turns::Turns;

/// Requests that are remembered of one who is registered, and a third more of others.
const TRACKED: usize = 100_000;
/// The oldest signature that is looked at, in seconds.
const MAX_AGE: u64 = 60;
/// Signatures of answers to strangers at once, and of one address, where the key is elsewhere: each of those may take long.
const FOR_STRANGERS: usize = 8;
const FOR_STRANGERS_EACH: usize = 2;
/// Searches of the log at once, one of them for each operator and its agents.
const SEARCHES: usize = 4;

/// A server without its sockets.
pub(crate) struct App {
    config: Config,
    /// The database.
    pub store: Store,
    /// The log of decisions.
    pub audit: Arc<AuditLog>,
    /// What signs tokens, answers and lists.
    pub(crate) keys: Keychain,
    pub(crate) tickets: Tickets,
    pub(crate) dns: Dns,
    /// Whose users agents may act for.
    pub(crate) issuers: Issuers,
    /// Sessions of users that are asked about.
    pub(crate) sessions: Sessions,
    pub(crate) verifier: Verifier,
    pub(crate) by_address: Limiter<IpAddr>,
    pub(crate) by_did: Limiter<Did>,
    /// Of issuers, what they say of sessions.
    pub(crate) by_issuer: Limiter<String>,
    pub(crate) metrics: Metrics,
    pub(crate) lists: Arc<Lists>,
    /// What strangers may use of a key that is elsewhere.
    pub(crate) for_strangers: Arc<Peers>,
    /// Searches of the log at once, by the ids of operators; others wait.
    pub(crate) searches: Arc<Turns<String>>,
    url: String,
    scheme: Scheme,
    restored_at: Option<u64>,
}

/// Who sends a request. Those who are registered have a memory of their own, which no stranger fills.
pub(crate) struct Verifier {
    registered: RequestVerifier,
    strangers: RequestVerifier,
}

/// Who asks, as far as it matters: his operator, as records name it, and what the change needs to know of him.
pub(crate) struct Who<W> {
    pub(crate) operator: Vec<Box<str>>,
    pub(crate) what: W,
}

impl App {
    /// Puts the parts together.
    ///
    /// # Errors
    /// A public URL that is none, a system without random source or resolver.
    pub(crate) fn new(
        config: Config,
        issuers: Issuers,
        store: Store,
        audit: Arc<AuditLog>,
        keys: Keychain,
        url: String,
    ) -> std::result::Result<Self, Fault> {
        let (scheme, authority) = read_url(&url)?;
        let restored_at = store.read(restored_at).map_err(|_| fault("the database cannot be read"))?;
        let policy = RequestPolicy {
            profile: Profile::Xbind,
            authorities: vec![authority],
            clock_skew: config.clock_skew,
            max_age: MAX_AGE,
            max_body: MAX_BODY,
            started: restored_at,
            allowed: None,
            keys: Vec::new(),
            max_tracked: TRACKED,
        };
        let verifier =
            Verifier { strangers: RequestVerifier::new(policy.clone())?, registered: RequestVerifier::new(policy)? };
        Ok(Self {
            tickets: Tickets::new().map_err(|_| fault("the system gives no random bytes"))?,
            dns: Dns::new(config.resolver)?,
            sessions: Sessions::default(),
            issuers,
            by_address: Limiter::new(config.rate_per_address),
            by_did: Limiter::new(config.rate_per_did),
            by_issuer: Limiter::new(config.rate_per_issuer),
            config,
            store,
            audit,
            verifier,
            metrics: Metrics::default(),
            lists: keys.lists().clone(),
            keys,
            for_strangers: Peers::new(FOR_STRANGERS, FOR_STRANGERS_EACH),
            searches: Turns::new(SEARCHES, 1),
            url,
            scheme,
            restored_at,
        })
    }

    /// What it was started with.
    #[must_use]
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// How clients reach it, without a slash at the end.
    #[must_use]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its own DID.
    #[must_use]
    pub(crate) fn did(&self) -> Did {
        *self.keys.now().did()
    }

    /// A line of JSON for whoever runs the server.
    pub(crate) fn log(&self, line: &serde_json::Value) {
        if let Some(sink) = &self.config.log {
            (sink.0)(&line.to_string());
        }
    }

    /// When the database came back from a copy: it has forgotten what was accepted before.
    pub(crate) const fn restored_at(&self) -> Option<u64> {
        self.restored_at
    }

    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Makes a change that somebody asked for who is registered. Whatever becomes of it, it is put on record, and this request
    /// is not accepted again.
    ///
    /// # Errors
    /// Those of `who`, of which there is no record, for whoever it is, he has no part here; `replayed`; those of `make`.
    pub(crate) async fn decide<W, T: Send + 'static>(
        &self,
        call: &Call,
        event: &'static str,
        who: impl FnOnce(&Connection) -> Result<Who<W>> + Send + 'static,
        make: impl FnOnce(&Connection, &W, &mut Decided) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.put(call, event, who, make, || ()).await
    }

    /// The same where status lists change with it.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    pub(crate) async fn decide_lists<W, T: Send + 'static>(
        &self,
        call: &Call,
        event: &'static str,
        who: impl FnOnce(&Connection) -> Result<Who<W>> + Send + 'static,
        make: impl FnOnce(&Connection, &W, &mut Decided) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let lists = self.lists.clone();
        self.put(call, event, who, make, move || lists.forget()).await
    }

    async fn put<W, T: Send + 'static>(
        &self,
        call: &Call,
        event: &'static str,
        who: impl FnOnce(&Connection) -> Result<Who<W>> + Send + 'static,
        make: impl FnOnce(&Connection, &W, &mut Decided) -> Result<T> + Send + 'static,
        after: impl FnOnce() + Send + 'static,
    ) -> Result<T> {
        let signed = call.signed()?;
        let (from, claim, until) = (*signed.from(), signed.claim(), signed.until());
        let once = move |db: &Connection, now| nonce::claim(db, &claim, until, now).map(Ok);
        self.write(from, call.now, event, once, who, make, after).await
    }

    /// Makes a change as [`decide`](Self::decide) does, for somebody who has proven himself otherwise than by signing the request.
    ///
    /// # Errors
    /// As there, but for what was used before the code that it says.
    pub(crate) async fn decide_for<W, T: Send + 'static>(
        &self,
        proven: Proven,
        now: u64,
        event: &'static str,
        who: impl FnOnce(&Connection) -> Result<Who<W>> + Send + 'static,
        make: impl FnOnce(&Connection, &W, &mut Decided) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write(proven.from, now, event, move |db, now| proven.claim(db, now), who, make, || ()).await
    }

    /// The same where status lists change with it.
    ///
    /// # Errors
    /// As [`decide_for`](Self::decide_for).
    pub(crate) async fn decide_lists_for<W, T: Send + 'static>(
        &self,
        proven: Proven,
        now: u64,
        event: &'static str,
        who: impl FnOnce(&Connection) -> Result<Who<W>> + Send + 'static,
        make: impl FnOnce(&Connection, &W, &mut Decided) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let lists = self.lists.clone();
        self.write(proven.from, now, event, move |db, now| proven.claim(db, now), who, make, move || lists.forget())
            .await
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a decision, each made by another")]
    async fn write<W, T: Send + 'static>(
        &self,
        from: Did,
        now: u64,
        event: &'static str,
        once: impl FnOnce(&Connection, u64) -> Result<Result<()>> + Send + 'static,
        who: impl FnOnce(&Connection) -> Result<Who<W>> + Send + 'static,
        make: impl FnOnce(&Connection, &W, &mut Decided) -> Result<T> + Send + 'static,
        after: impl FnOnce() + Send + 'static,
    ) -> Result<T> {
        let by = self.did();
        let change = move |change: &mut Change<'_>| {
            let Who { operator, what } = who(change.db())?;
            let used_up = once(change.db(), now)?;
            let mut decided = Decided::new(event, Verdict::Accepted, by, now);
            decided.from = Some(from);
            decided.chain = operator;
            let made = change.part(|change| {
                let made = make(change.db(), &what, &mut decided);
                used_up.and(made)
            })?;
            match &made {
                Ok(_) => change.after(after),
                Err(problem) => {
                    decided.outcome = Verdict::Refused;
                    decided.code = Some(problem.record_code().into());
                }
            }
            change.record(decided);
            Ok(made)
        };
        self.store.write(change).await?
    }
}

impl App {
    /// Accepts a request that changes nothing of somebody who is registered, once.
    ///
    /// # Errors
    /// Those of `who`; `replayed`.
    pub(crate) async fn claim<W: Send + 'static>(
        &self,
        call: &Call,
        who: impl FnOnce(&Connection) -> Result<Who<W>> + Send + 'static,
    ) -> Result<W> {
        let (now, signed) = (call.now, call.signed()?);
        let (claim, until) = (signed.claim(), signed.until());
        let change = move |change: &mut Change<'_>| {
            let Who { what, .. } = who(change.db())?;
            nonce::claim(change.db(), &claim, until, now)?;
            Ok(what)
        };
        self.store.write(change).await
    }

    /// The same for somebody who has proven himself otherwise than by signing the request.
    ///
    /// # Errors
    /// Those of `who`; for what was used before the code that it says.
    pub(crate) async fn claim_for<W: Send + 'static>(
        &self,
        proven: Proven,
        now: u64,
        who: impl FnOnce(&Connection) -> Result<Who<W>> + Send + 'static,
    ) -> Result<W> {
        let change = move |change: &mut Change<'_>| {
            let Who { what, .. } = who(change.db())?;
            proven.claim(change.db(), now)??;
            Ok(what)
        };
        self.store.write(change).await
    }
}

impl Verifier {
    pub(crate) fn authenticate(
        &self,
        head: &xbind::http::message::RequestHead<'_>,
        now: u64,
    ) -> xbind::Result<AuthenticRequest> {
        self.registered.authenticate(head, now)
    }

    /// Accepts a request once, and says whether its sender is registered.
    pub(crate) fn accept(&self, store: &Store, request: &AuthenticRequest, body: &[u8], now: u64) -> Result<bool> {
        let is_known = store.read(|db| operator::is_known(db, request.from()))?;
        let verifier = if is_known { &self.registered } else { &self.strangers };
        verifier.accept(request, body, now)?;
        Ok(is_known)
    }
}

fn restored_at(db: &Connection) -> Result<Option<u64>> {
    use rusqlite::OptionalExtension;
    let at = db.query_row("SELECT value FROM meta WHERE name = 'restored_at'", [], |row| row.get(0)).optional()?;
    Ok(at.map(crate::domain::time))
}

/// Scheme and authority of a URL that has nothing else.
pub(crate) fn read_url(url: &str) -> std::result::Result<(Scheme, String), Fault> {
    xbind_server::read_url(url).ok_or_else(|| fault(format!("{url:?} is no URL like https://authority.example")))
}
