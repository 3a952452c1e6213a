//! Verifying tokens, with the evidence that lies in native memory.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;
use xbind::{
    Asked, Error, ErrorKind, Evidence, JwkSet, Link, ListSigner, RevocationList, Scope, Standing, StatusLists,
    StatusRef, TokenPolicy, Trust, VerifiedToken,
};

use super::did;
use super::revocation::{ListRef, ListsRef};
use super::token::BindingStatus;
use crate::convert::{BindingError, Fallible, fallible, number, whole};

pub struct TokenVerifier {
    verifier: xbind::TokenVerifier,
    /// Of issuers known by name, for the lists that they sign.
    keys: RefCell<HashMap<String, JwkSet>>,
    revoked: Vec<Arc<RevocationList>>,
    lists: Vec<Arc<StatusLists>>,
    accept_unknown: bool,
    /// What JavaScript remembers by its place here. An object of its own for each would be given back only when the event
    /// loop turns, however many are verified before.
    known: RefCell<Vec<Arc<VerifiedToken>>>,
}

pub type TokenVerifierRef = External<TokenVerifier>;

#[napi(object, object_to_js = false)]
pub struct BindingTokenPolicy {
    pub audience: String,
    pub clock_skew: f64,
    pub max_lifetime: f64,
    pub dids: Vec<String>,
    pub issuers: Vec<BindingIssuer>,
    pub accept_unknown: bool,
}

#[napi(object, object_to_js = false)]
pub struct BindingIssuer {
    pub issuer: String,
    /// A JWK set; none while it has still to be fetched.
    pub jwks: Option<String>,
}

#[napi(catch_unwind)]
pub fn new_token_verifier(
    policy: BindingTokenPolicy,
    revoked: Vec<&ListRef>,
    lists: Vec<&ListsRef>,
) -> Fallible<TokenVerifierRef> {
    fallible(TokenVerifier::new(&policy, &revoked, &lists).map(External::new))
}

impl TokenVerifier {
    fn new(policy: &BindingTokenPolicy, revoked: &[&ListRef], lists: &[&ListsRef]) -> xbind::Result<Self> {
        let mut trust = Trust::default();
        for text in &policy.dids {
            trust = trust.with_did(did(text)?);
        }
        let mut keys = HashMap::new();
        for BindingIssuer { issuer, jwks } in &policy.issuers {
            let set = jwks.as_deref().map_or_else(|| Ok(JwkSet::default()), JwkSet::parse)?;
            trust = trust.with_issuer(issuer, set.clone())?;
            keys.insert(issuer.clone(), set);
        }
        let core = TokenPolicy {
            clock_skew: whole(policy.clock_skew),
            max_lifetime: whole(policy.max_lifetime),
            ..TokenPolicy::new(&policy.audience)
        };
        let verifier = xbind::TokenVerifier::new(core, trust)?;
        for list in lists {
            let issuers = policy.issuers.iter().map(|BindingIssuer { issuer, .. }| issuer);
            policy.dids.iter().chain(issuers).for_each(|issuer| list.trust(issuer));
        }
        Ok(Self {
            verifier,
            keys: RefCell::new(keys),
            revoked: revoked.iter().map(|list| Arc::clone(list)).collect(),
            lists: lists.iter().map(|lists| Arc::clone(lists)).collect(),
            accept_unknown: policy.accept_unknown,
            known: RefCell::default(),
        })
    }

    fn remember(&self, token: &Arc<VerifiedToken>) -> Option<u32> {
        let mut known = self.known.borrow_mut();
        let place = u32::try_from(known.len()).ok()?;
        known.push(Arc::clone(token));
        Some(place)
    }

    /// The strongest evidence at hand: fresh evidence of one source decides, whatever the others lack.
    fn evidence(&self, issuer: &str, status: &StatusRef, now: u64) -> Evidence {
        let mut best = Evidence::Absent;
        for lists in &self.lists {
            match lists.ask(issuer, status, now) {
                fresh @ Evidence::Fresh(_) => return fresh,
                Evidence::Absent => {}
                other @ (Evidence::Stale | Evidence::Unreadable) => best = other,
            }
        }
        best
    }
}

/// The address of a trusted issuer whose key of that id is not known, before a token of its can be judged.
#[napi(catch_unwind)]
pub fn missing_key(verifier: &TokenVerifierRef, token: String) -> Option<String> {
    verifier.verifier.missing_key(&token).map(|(issuer, _)| issuer)
}

/// Replaces the keys of an issuer; without a set, forgets them.
#[napi(catch_unwind)]
pub fn set_keys(verifier: &TokenVerifierRef, issuer: String, jwks: Option<String>) -> Option<BindingError> {
    match jwks.as_deref().map_or_else(|| Ok(JwkSet::default()), JwkSet::parse) {
        Ok(set) => {
            verifier.keys.borrow_mut().insert(issuer.clone(), set.clone());
            verifier.verifier.set_keys(&issuer, set);
            None
        }
        Err(error) => Some(error.into()),
    }
}

/// Takes in a status list that was fetched for a link of a token.
#[napi(catch_unwind)]
pub fn put_issuers_list(
    verifier: &TokenVerifierRef,
    lists: &ListsRef,
    text: String,
    uri: String,
    issuer: String,
    now: f64,
) -> Option<BindingError> {
    let keys = verifier.keys.borrow();
    let put = if let Some(set) = keys.get(&issuer) {
        lists.put(&text, &uri, ListSigner::Issuer(&issuer, set), whole(now))
    } else {
        did(&issuer).and_then(|did| lists.put(&text, &uri, ListSigner::Did(&did), whole(now)))
    };
    put.err().map(BindingError::from)
}

#[napi(object, object_to_js = false)]
pub struct BindingAsked {
    pub now: f64,
    pub scopes: Vec<String>,
    pub presenter: Option<String>,
}

impl BindingAsked {
    fn with<T>(
        &self,
        standing: &dyn Fn(&Link) -> Standing,
        status: &dyn Fn(&str, &StatusRef) -> Evidence,
        verify: impl FnOnce(u64, &Asked<'_>) -> xbind::Result<T>,
    ) -> xbind::Result<T> {
        if !self.now.is_finite() || self.now < 0.0 {
            return Err(Error::new(ErrorKind::InvalidConfig, "the clock gave no time"));
        }
        let scopes = self.scopes.iter().map(|scope| Scope::parse(scope)).collect::<xbind::Result<Vec<_>>>()?;
        let presenter = self.presenter.as_deref().map(did).transpose()?;
        verify(whole(self.now), &Asked { scopes: &scopes, presenter: presenter.as_ref(), standing, status })
    }
}

#[napi(object, object_from_js = false)]
pub struct BindingLink {
    pub id: String,
    pub issuer: String,
    pub subject: String,
    pub issued_at: f64,
    pub status: Option<BindingStatus>,
}

/// The links of a token that passes every check but those for revocation, the first issuer's first.
#[napi(catch_unwind)]
pub fn token_links(verifier: &TokenVerifierRef, token: String, asked: BindingAsked) -> Fallible<Vec<BindingLink>> {
    let verified = asked.with(&|_| Standing::Valid, &|_, _| Evidence::Fresh(0), |now, asked| {
        verifier.verifier.verify(&token, now, asked)
    });
    fallible(verified.map(|token| token.links().iter().map(link).collect()))
}

fn link(link: &Link) -> BindingLink {
    let status = link.status.as_ref();
    BindingLink {
        id: link.id.clone(),
        issuer: link.issuer.clone(),
        subject: link.subject.clone(),
        issued_at: number(link.issued_at),
        status: status.map(|status| BindingStatus { index: number(status.index), uri: status.uri.clone() }),
    }
}

#[napi(object, object_from_js = false)]
pub struct BindingToken {
    pub issuer: String,
    pub subject: String,
    pub audience: String,
    pub scopes: Vec<String>,
    pub id: String,
    pub issued_at: f64,
    pub expires_at: f64,
    pub chain: Vec<String>,
    /// The text of one JSON object.
    pub claims: String,
    /// What the answer about revocation rests on.
    #[napi(ts_type = "'fresh' | 'unchecked' | 'stale' | 'absent' | 'unreadable' | 'unknown'")]
    pub revocation: &'static str,
    /// For [`verify_known_token`], until [`forget_known_tokens`]; none where other sources were asked.
    pub known: Option<u32>,
}

/// Why a token is refused, and with `REVOCATION_UNKNOWN` what evidence there was.
#[napi(object, object_from_js = false)]
pub struct BindingRefusal {
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
    pub retryable: bool,
    #[napi(ts_type = "Token['revocation']")]
    pub revocation: &'static str,
}

/// How good the evidence was, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Unchecked,
    Fresh,
    Stale,
    Absent,
    Unreadable,
    Unknown,
}

impl Grade {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Absent => "absent",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
        }
    }

    const fn of(evidence: Evidence) -> Self {
        match evidence {
            Evidence::Fresh(_) => Self::Fresh,
            Evidence::Stale => Self::Stale,
            Evidence::Absent => Self::Absent,
            Evidence::Unreadable => Self::Unreadable,
        }
    }
}

/// What each link's sources outside of native memory said, in the order of [`token_links`]; a link beyond the end of
/// the answers has no such source.
#[napi(catch_unwind)]
pub fn verify_token(
    verifier: &TokenVerifierRef,
    token: String,
    asked: BindingAsked,
    answers: Vec<Option<bool>>,
) -> Either<BindingToken, BindingRefusal> {
    let evidence = Answers::new(verifier, &answers);
    let verified = evidence.of(&asked, |now, asked| verifier.verifier.verify(&token, now, asked));
    let revocation = evidence.grade();
    match verified {
        Ok(token) => {
            let known = answers.is_empty().then(|| verifier.remember(&token)).flatten();
            Either::A(accepted(&token, revocation, known))
        }
        Err(error) => {
            let BindingError { code, message, hint, retryable } = error.into();
            Either::B(BindingRefusal { code, message, hint, retryable, revocation })
        }
    }
}

/// The same for a token that this verifier has verified, and whose issuer's keys were not replaced since: what the answer
/// about revocation rests on, or nothing if it is refused now.
#[napi(catch_unwind, ts_return_type = "Token['revocation'] | null")]
pub fn verify_known_token(
    verifier: &TokenVerifierRef,
    token: u32,
    now: f64,
    scopes: Option<Vec<String>>,
    presenter: Option<String>,
) -> Option<&'static str> {
    let asked = BindingAsked { now, scopes: scopes.unwrap_or_default(), presenter };
    let token = Arc::clone(verifier.known.borrow().get(usize::try_from(token).ok()?)?);
    let evidence = Answers::new(verifier, &[]);
    let verified = evidence.of(&asked, |now, asked| verifier.verifier.verify_again(&token, now, asked));
    verified.ok().map(|()| evidence.grade())
}

#[napi(catch_unwind)]
pub fn forget_known_tokens(verifier: &TokenVerifierRef) {
    verifier.known.take();
}

/// What is known about the revocation of each link, and how good the worst of it is.
struct Answers<'a> {
    verifier: &'a TokenVerifier,
    answers: &'a [Option<bool>],
    next: Cell<usize>,
    worst: Cell<Grade>,
}

impl<'a> Answers<'a> {
    fn new(verifier: &'a TokenVerifier, answers: &'a [Option<bool>]) -> Self {
        Self { verifier, answers, next: Cell::new(0), worst: Cell::new(Grade::Unchecked) }
    }

    fn grade(&self) -> &'static str {
        self.worst.get().as_str()
    }

    fn note(&self, grade: Grade) {
        self.worst.set(self.worst.get().max(grade));
    }

    fn of<T>(
        &self,
        asked: &BindingAsked,
        verify: impl FnOnce(u64, &Asked<'_>) -> xbind::Result<T>,
    ) -> xbind::Result<T> {
        let now = whole(asked.now);
        asked.with(&|link| self.standing(link), &|issuer, status| self.status(issuer, status, now), verify)
    }

    fn standing(&self, link: &Link) -> Standing {
        let TokenVerifier { revoked, accept_unknown, .. } = self.verifier;
        let answer = self.answers.get(self.next.replace(self.next.get().saturating_add(1)));
        let listed = revoked.iter().any(|list| list.standing(link) == Standing::Revoked);
        if !revoked.is_empty() || answer.is_some() {
            self.note(Grade::Fresh);
        }
        match answer {
            _ if listed => Standing::Revoked,
            None | Some(Some(false)) => Standing::Valid,
            Some(Some(true)) => Standing::Revoked,
            Some(None) => {
                self.note(Grade::Unknown);
                if *accept_unknown { Standing::Valid } else { Standing::Unknown }
            }
        }
    }

    fn status(&self, issuer: &str, status: &StatusRef, now: u64) -> Evidence {
        let evidence = self.verifier.evidence(issuer, status, now);
        let grade = Grade::of(evidence);
        self.note(grade);
        if self.verifier.accept_unknown && grade != Grade::Fresh { Evidence::Fresh(0) } else { evidence }
    }
}

fn accepted(token: &VerifiedToken, revocation: &'static str, known: Option<u32>) -> BindingToken {
    BindingToken {
        issuer: token.issuer().to_owned(),
        subject: token.subject().to_owned(),
        audience: token.audience().to_owned(),
        scopes: token.scopes().iter().map(|scope| scope.as_str().to_owned()).collect(),
        id: token.id().to_owned(),
        issued_at: number(token.issued_at()),
        expires_at: number(token.expires_at()),
        chain: token.chain().map(str::to_owned).collect(),
        claims: token.claims().to_owned(),
        revocation,
        known,
    }
}
