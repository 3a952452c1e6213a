//! Verifying tokens: every check in its order, and the only maker of a [`VerifiedToken`].

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::jwks::JwkSet;
use crate::identity::key::{KeyCache, VerifyingKey};
use crate::message::DEFAULT_SKEW;
use crate::rights::cache::TokenCache;
use crate::rights::delegation::Chain;
use crate::rights::grant::{self, Grant, Link, MAX_DELEGATION_BYTES, invalid};
use crate::rights::quota;
use crate::rights::revocation::{Standing, StatusRef};
use crate::rights::scope::{Scope, ScopeSet};
use crate::rights::status_lists::Evidence;
use crate::rights::token::MAX_TOKEN_TTL;
use crate::rights::trust::Trust;
use crate::time::{self, Untimely};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// What a recipient accepts.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// The recipient, exactly as tokens name it.
    pub audience: String,
    /// How far an issuer's clock may differ, in seconds.
    pub clock_skew: u64,
    /// The longest life of a token, in seconds.
    pub max_lifetime: u64,
    /// How much of what was verified is remembered, in bytes; about the length of the tokens and 1 KiB for each.
    pub cache_bytes: usize,
}

impl TokenPolicy {
    /// A skew of 30 s, a life of at most one day, and 1 MiB of memory.
    #[must_use]
    pub fn new(audience: &str) -> Self {
        Self {
            audience: audience.to_owned(),
            clock_skew: DEFAULT_SKEW,
            max_lifetime: MAX_TOKEN_TTL,
            cache_bytes: 1 << 20,
        }
    }
}

/// What one presentation of a token must satisfy. By default it needs no scope, no particular presenter, is revoked by
/// nobody, and must not depend on a status list.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Scopes that the token must cover, all of them.
    pub scopes: &'a [Scope<'a>],
    /// Who presents it, proven by other means: it must be the token's subject. `None` takes the token from anybody, unless it
    /// is bound to its subject's key.
    pub presenter: Option<&'a Did>,
    /// What is known of each link of the chain; see [`RevocationList::standing`](crate::RevocationList::standing).
    pub standing: &'a dyn Fn(&Link) -> Standing,
    /// What a status list says of a link that names one; see [`StatusLists::ask`](crate::StatusLists::ask). Anything but
    /// fresh evidence refuses the token with `REVOCATION_UNKNOWN`.
    pub status: &'a dyn Fn(&str, &StatusRef) -> Evidence,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self { scopes: &[], presenter: None, standing: &|_| Standing::Valid, status: &|_, _| Evidence::Absent }
    }
}

/// A token whose every check has passed.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    links: Vec<Link>,
    issuer: String,
    subject: String,
    audience: String,
    scopes: ScopeSet,
    id: String,
    issued_at: u64,
    not_before: u64,
    expires_at: u64,
    claims: String,
    is_bound: bool,
    on_behalf_of: Option<(String, String)>,
}

impl VerifiedToken {
    /// Who vouches for the rights: a trusted DID, or the name of a trusted issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who may use them: a DID, unless the issuer is known by its JWKS and names something else. Of an exchanged token it is who
    /// acts, not the one on whose behalf.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Issuer and subject of whoever the first holder acts for, such as a person who has signed in there; the issuer's word.
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<(&str, &str)> {
        self.on_behalf_of.as_ref().map(|(issuer, subject)| (issuer.as_str(), subject.as_str()))
    }

    /// The audience of the policy that it was verified with.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// What it grants.
    #[must_use]
    pub const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// The limit of that name: the smallest that anybody in the chain has set.
    #[must_use]
    pub fn quota(&self, name: &str) -> Option<u64> {
        quota::effective(&self.links, name)
    }

    /// Every limit by its name, as [`quota`](Self::quota) says it.
    #[must_use]
    pub fn quotas(&self) -> BTreeMap<&str, u64> {
        quota::all_effective(&self.links)
    }

    /// The id of the last link.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When the last link was signed, in seconds since the epoch, by its issuer's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// When the rights end, in seconds since the epoch.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// Everybody through whom the rights came: the first issuer, each holder, the subject.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        [self.issuer()].into_iter().chain(self.links.iter().map(|link| link.subject.as_str()))
    }

    /// Each grant of the chain, the first issuer's first: what can be revoked.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The first issuer's further claims: the text of one JSON object without repeated members.
    #[must_use]
    pub fn claims(&self) -> &str {
        &self.claims
    }
}

/// Verifies tokens for one audience, and remembers those whose signatures were verified. Threads share it.
pub struct TokenVerifier {
    policy: TokenPolicy,
    trust: RwLock<Trust>,
    /// How often keys were replaced.
    generation: AtomicU64,
    keys: KeyCache,
    cache: TokenCache,
}

impl TokenVerifier {
    /// A verifier.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for an audience that no token could name.
    pub fn new(policy: TokenPolicy, trust: Trust) -> Result<Self> {
        if !grant::is_name(&policy.audience) {
            let why = "the audience is not 1 to 512 bytes without control characters";
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let cache = TokenCache::new(policy.cache_bytes);
        let (trust, generation) = (RwLock::new(trust), AtomicU64::new(0));
        Ok(Self { policy, trust, generation, keys: KeyCache::new(1024), cache })
    }

    /// Verifies a token or a delegation: the checks of docs/tokens.md, in that order. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN`, `INVALID_DELEGATION`, `UNTRUSTED_ISSUER`, `WRONG_AUDIENCE`, `TOKEN_NOT_YET_VALID`,
    /// `TOKEN_EXPIRED`, `SCOPE_DENIED`, `REVOKED`, `REVOCATION_UNKNOWN`.
    pub fn verify(&self, token: &str, now: u64, asked: &Asked<'_>) -> Result<Arc<VerifiedToken>> {
        if token.len() > MAX_DELEGATION_BYTES {
            return Err(invalid("the token is longer than 64 KiB"));
        }
        // Held until the end, so that nothing is remembered that was verified with keys replaced meanwhile.
        let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner);
        let name = TokenCache::name(token);
        let verified = match self.cache.get(&name) {
            Some(verified) => verified,
            None => {
                let verified = Arc::new(self.check(&trust, token, now)?);
                self.cache.keep(name, token.len(), &verified);
                verified
            }
        };
        self.verify_again(&verified, now, asked)?;
        Ok(verified)
    }

    /// Verifies what can change from one presentation of a verified token to the next: time, scopes, presenter and
    /// revocation. Not for what was verified before [`TokenVerifier::set_keys`].
    ///
    /// # Errors
    /// `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`, `SCOPE_DENIED`, `INVALID_TOKEN`, `REVOKED`, `REVOCATION_UNKNOWN`.
    pub fn verify_again(&self, verified: &VerifiedToken, now: u64, asked: &Asked<'_>) -> Result<()> {
        self.check_time(verified, now)?;
        check_scopes(verified, asked.scopes)?;
        if asked.presenter.is_some_and(|presenter| presenter.as_str() != verified.subject) {
            return Err(invalid("the token was granted to another than its presenter"));
        }
        if verified.is_bound && asked.presenter.is_none() {
            return Err(invalid("the token is bound to a key, and nobody has proven to be its presenter"));
        }
        check_standing(verified, asked)
    }

    /// The issuer whose keys must be fetched before the token can be judged, and the missing key's id: only ever an
    /// issuer that is trusted by name.
    #[must_use]
    pub fn missing_key(&self, token: &str) -> Option<(String, String)> {
        let root = Chain::parse(token).ok()?.root;
        let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner);
        let known = trust.issuers.get(&root.link.issuer)?;
        known.get(&root.kid).is_none().then_some((root.link.issuer, root.kid))
    }

    /// Whether the token is of a DID that is not trusted.
    pub(crate) fn is_of_strange_did(&self, token: &str) -> bool {
        let Some(issuer) = Chain::parse(token).ok().and_then(|chain| self.keys.get(&chain.root.link.issuer).ok())
        else {
            return false;
        };
        !self.trust.read().unwrap_or_else(PoisonError::into_inner).counts(issuer.did())
    }

    /// Replaces the keys of an issuer that is trusted by name, and forgets what was verified. Tells whether it is trusted.
    pub fn set_keys(&self, issuer: &str, keys: JwkSet) -> bool {
        let mut trust = self.trust.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = trust.issuers.get_mut(issuer) else { return false };
        *known = keys;
        self.forget();
        true
    }

    /// Replaces the DIDs that authorities have now, and forgets what was verified if they are others.
    pub(crate) fn set_followed<'a>(&self, dids: impl Iterator<Item = &'a Did> + Clone) {
        if self.trust.read().unwrap_or_else(PoisonError::into_inner).followed.iter().eq(dids.clone()) {
            return;
        }
        let mut trust = self.trust.write().unwrap_or_else(PoisonError::into_inner);
        trust.followed = dids.copied().collect();
        self.forget();
    }

    fn forget(&self) {
        self.cache.clear();
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Changes with every replacement of keys: what was verified before is to be verified anew.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The keys of an issuer that is trusted by name.
    pub(crate) fn keys_of(&self, issuer: &str) -> Option<JwkSet> {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).issuers.get(issuer).cloned()
    }

    /// What does not change from one presentation to the next, and the time before the signatures, which cost most.
    fn check(&self, trust: &Trust, token: &str, now: u64) -> Result<VerifiedToken> {
        let chain = Chain::parse(token)?;
        let root_key = self.root_key(trust, &chain.root)?;
        let verified = VerifiedToken::of(&chain);
        if verified.audience != self.policy.audience {
            return Err(Error::new(ErrorKind::WrongAudience, "the token is for another audience"));
        }
        let life = chain.root.expires_at.saturating_sub(chain.root.link.issued_at);
        if life > self.policy.max_lifetime {
            let why = format!("the token lives {life} s, the limit is {}", self.policy.max_lifetime);
            return Err(Error::new(ErrorKind::InvalidToken, why));
        }
        self.check_time(&verified, now)?;
        chain.root.check_signature(&root_key)?;
        chain.check_links(&self.keys)?;
        Ok(verified)
    }

    /// The key of the first issuer, which must be trusted: all else hangs on it.
    fn root_key(&self, trust: &Trust, root: &Grant) -> Result<Arc<VerifyingKey>> {
        let untrusted = |why: String| Error::new(ErrorKind::UntrustedIssuer, why);
        if !root.link.issuer.starts_with("did:") {
            let keys = trust
                .issuers
                .get(&root.link.issuer)
                .ok_or_else(|| untrusted("the token's issuer is not trusted".to_owned()))?;
            let key =
                keys.get(&root.kid).ok_or_else(|| untrusted("the issuer's key of that kid is not known".to_owned()))?;
            root.check_named_terms(&self.keys)?;
            return Ok(Arc::new(key.clone()));
        }
        let key = root.did_issuer(&self.keys)?;
        if !trust.counts(key.did()) {
            return Err(untrusted(format!("the token's issuer {} is not trusted", key.did())));
        }
        root.check_did_terms(&key, &self.keys)?;
        Ok(key)
    }

    fn check_time(&self, token: &VerifiedToken, now: u64) -> Result<()> {
        time::check(token.not_before, token.expires_at, now, self.policy.clock_skew).map_err(
            |untimely| match untimely {
                Untimely::Early(by) => {
                    Error::new(ErrorKind::TokenNotYetValid, format!("the token is valid only in {by} s"))
                }
                Untimely::Late(by) => Error::new(ErrorKind::TokenExpired, format!("the token expired {by} s ago")),
            },
        )
    }
}

impl VerifiedToken {
    /// What a chain says, once it has been found to be true.
    fn of(chain: &Chain) -> Self {
        let last = chain.last();
        Self {
            links: chain.grants().map(|grant| grant.link.clone()).collect(),
            issuer: chain.root.link.issuer.clone(),
            subject: last.link.subject.clone(),
            audience: last.audience.clone(),
            scopes: last.scopes.clone(),
            id: last.link.id.clone(),
            issued_at: last.link.issued_at,
            not_before: chain.grants().map(|grant| grant.not_before).max().unwrap_or(u64::MAX),
            expires_at: last.expires_at,
            claims: chain.root.further.clone(),
            is_bound: chain.root.bound_to.is_some(),
            on_behalf_of: chain.root.on_behalf_of.clone(),
        }
    }
}

fn check_scopes(token: &VerifiedToken, asked: &[Scope<'_>]) -> Result<()> {
    match asked.iter().find(|scope| !token.scopes.covers(**scope)) {
        None => Ok(()),
        Some(scope) => {
            let why = format!("the token does not grant {scope}");
            Err(Error::new(ErrorKind::ScopeDenied, why).with_hint(token.scopes.held()))
        }
    }
}

/// One revoked link decides, whatever is unknown of the others.
fn check_standing(token: &VerifiedToken, asked: &Asked<'_>) -> Result<()> {
    let mut unknown = None;
    for link in &token.links {
        match (asked.standing)(link) {
            Standing::Valid => {}
            Standing::Revoked => return Err(revoked(link)),
            Standing::Unknown => unknown = Some("nobody can tell whether the token was revoked"),
        }
        let Some(status) = &link.status else { continue };
        unknown = match (asked.status)(&link.issuer, status) {
            Evidence::Fresh(0) => continue,
            Evidence::Fresh(_) => return Err(revoked(link)),
            Evidence::Stale => Some("the token's status list is out of date"),
            Evidence::Absent => Some("the token's status list is not at hand"),
            Evidence::Unreadable => Some("the token's status list cannot be read"),
        };
    }
    match unknown {
        None => Ok(()),
        Some(why) => Err(Error::new(ErrorKind::RevocationUnknown, why)),
    }
}

fn revoked(link: &Link) -> Error {
    let why = format!("grant {} was revoked, or somebody in it", link.id.escape_debug());
    Error::new(ErrorKind::Revoked, why)
}
